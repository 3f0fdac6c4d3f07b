"""Sums over axes that may have been stretched: differentiated again, never written into."""

from __future__ import annotations

import numpy as np
import pytest

from ad_compiler import Unsupported, check_grads, grad
from tests.helpers import function_from_source

# mypy: allow-untyped-defs, allow-untyped-calls

A, B = np.random.default_rng(0).uniform(0.2, 1, (3, 2)), np.random.default_rng(1).uniform(0.2, 1, (4, 2))


@pytest.mark.parametrize("start", [1, 3])
def test_a_derivative_with_such_a_sum_is_differentiated_again(start: int):
    f = function_from_source("""
        def f(a, b, start):
            c = b[start:]
            return np.sum(a * c * c)
    """)
    source = grad(f, ("a", "b")).source_for(A, B, start)
    assert ".sum(axis=0, keepdims=True) if c.shape[0] == 1 else" in source
    total = function_from_source(
        source
        + "\n\ndef total(a, b, start):\n"
        + "    a_bar, b_bar = f_grad(a, b, start)\n"
        + "    return np.sum(np.sin(a_bar)) + np.sum(np.cos(b_bar))\n"
    )
    check_grads(total, (A, B, start))


@pytest.mark.parametrize("n", [1, 2])
def test_the_sum_of_a_users_own(n: int):
    f = function_from_source("""
        def f(a, n):
            y = np.sin(a)
            y = y.sum(axis=0, keepdims=True) if n == 1 else y
            return np.sum(y * y)
    """)
    check_grads(f, (A, n))


def test_whole_numbers_keep_their_kind():
    f = function_from_source("""
        def f(x, mask, n):
            chosen = mask.sum(axis=0, keepdims=True) if n == 1 else mask.sum(axis=1, keepdims=True).T
            return np.sum(x * chosen[0, 0])
    """)
    check_grads(f, (1.5, A > 0.5, 1))


@pytest.mark.parametrize("written", ["y[0] = 0.0", "a[0] = 0.0", "y *= 0.5"])
def test_what_may_be_a_view_of_the_array_is_not_written_into(written: str):
    f = function_from_source(f"""
        def f(a, n):
            a = np.sin(a)
            y = a.sum(axis=0, keepdims=True) if n == 1 else a
            {written}
            return np.sum(a) + np.sum(y * y)
    """)
    with pytest.raises(Unsupported, match="not known while compiling"):
        grad(f)(A, 1)
