"""Names that one side of a branch binds, read behind an early return."""

from __future__ import annotations

import numpy as np
import pytest

from ad_compiler import value_and_grad
from ad_compiler.testing import check_grads
from tests.helpers import function_from_source

VIEW_OF_A_CHOICE = """
def bump(t):
    return np.exp(-t * t)


def program(s, v, m, r, w):
    if w.shape[0] == 3:
        return r
    m = 0.5 * m + np.sin(m) * r
    part = bump(m[0, :1]) if -1 < s <= 1.5 else m[0, :1] if v.shape[0] == 3 else w.sum(keepdims=True)
    return np.sum(part) + 0.5 * np.sum(np.sin(m)) + v.sum()
"""


@pytest.mark.parametrize("length", [3, 2])
@pytest.mark.parametrize("s", [-2.0, 0.5])
def test_generated_code_reads_a_view_of_what_an_early_return_leaves_unbound(length: int, s: float) -> None:
    random = np.random.default_rng(7)
    shapes = [(3,), (2, 3), (), (length,)]
    v, m, r, w = (random.uniform(-1.5, 1.5, shape) for shape in shapes)
    args = (s, v, m, float(r), w)
    program = function_from_source(VIEW_OF_A_CHOICE)
    gradient = function_from_source(value_and_grad(program, tuple(range(5))).source_for(*args))
    check_grads(gradient, args, rtol=1e-4, atol=1e-5)
