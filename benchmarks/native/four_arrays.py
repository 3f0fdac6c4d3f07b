"""Four short arrays and little work: what a call of a compiled derivative costs by itself."""
# mypy: allow-untyped-defs
# The benchmarked function is written as users write NumPy: without annotations.

import numpy as np

from benchmarks.harness.program import Problem


def sum_of_products(a, b, c, d):
    return np.sum(a * b + c * d)


PROBLEM = Problem(
    name="four_arrays",
    title="four arrays of 8",
    function=sum_of_products,
    argnums=(0, 1, 2, 3),
    inputs=lambda: tuple(np.random.default_rng(0).normal(size=(4, 8))),
)
