"""The Jacobian of the right side of the Lorenz 96 equations with 40 variables, for an implicit solver."""
# mypy: allow-untyped-defs, allow-untyped-calls
# The benchmarked function is written as users write NumPy: without annotations.

import numpy as np
from numpy.typing import NDArray

from benchmarks.derivatives.contenders import DerivativeProgram

Array = NDArray[np.float64]


def lorenz96(x, force):
    return (np.roll(x, -1) - np.roll(x, 2)) * np.roll(x, 1) - x + force


def jacobian(x: Array, force: float) -> Array:
    n = len(x)
    place = np.arange(n)
    before = x[place - 1]
    result = np.zeros((n, n))
    result[place, place] = -1.0
    result[place, (place + 1) % n] = before
    result[place, place - 2] = -before
    result[place, place - 1] = x[(place + 1) % n] - x[place - 2]
    return result


PROGRAMS = (
    DerivativeProgram(
        name="lorenz96_jacobian",
        title="Lorenz 96 n=40, Jacobian",
        kind="jacfwd",
        function=lorenz96,
        inputs=lambda: (np.random.default_rng(0).normal(size=40), 8.0),
        by_hand=jacobian,
    ),
)
