"""Loops with recurrences: turns side by side, elements in scalars. Values are those of Python, bit by bit.

Most are compiled only with -m slow; `test_native.py` runs them as Python loops.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ad_compiler import grad, value_and_grad

pytest.importorskip("numba")

Function = Callable[..., Any]
SHAPES = [(0, 4), (4, 0), (2, 2), (2, 5), (4, 2), (5, 3), (6, 9), (9, 4), (12, 7), (13, 3)]
WITH_ONES = [(1, 1), (1, 6), (7, 1)]  # each is compiled anew


def gauss_seidel(u: Any, f: Any) -> Any:
    u = u.copy()
    for _ in range(2):
        for i in range(1, u.shape[0] - 1):
            for j in range(1, u.shape[1] - 1):
                u[i, j] = 0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] + f[i, j])
    return u


def nine_points(u: Any, f: Any) -> Any:
    u = u.copy()
    for i in range(1, u.shape[0] - 1):
        for j in range(1, u.shape[1] - 1):
            u[i, j] = 0.125 * (u[i - 1, j - 1] + u[i - 1, j + 1] + u[i, j - 1] + u[i + 1, j + 1]) - f[i, j]
    return u


def along_rows(u: Any, f: Any) -> Any:
    u = u.copy()
    for i in range(u.shape[0]):
        for j in range(1, u.shape[1]):
            u[i, j] = f[i, j] - 0.3 * u[i, j - 1]
    return u


def backwards(u: Any, f: Any) -> Any:
    u = u.copy()
    for i in range(u.shape[0] - 1, -1, -1):
        for j in range(u.shape[1] - 3, -1, -1):
            u[i, j] += 0.3 * u[i, j + 2] - 0.2 * u[i, j + 1] * f[i, j]
    return u


def against_the_turns(u: Any, f: Any) -> Any:
    """A row needs what the row above makes two columns later: rows must not run side by side."""
    u = u.copy()
    for i in range(1, u.shape[0]):
        for j in range(1, u.shape[1] - 2):
            u[i, j] = 0.5 * u[i, j - 1] - u[i - 1, j + 2] + f[i, j]
    return u


def three_rows_apart(u: Any, f: Any) -> Any:
    u = u.copy()
    for i in range(3, u.shape[0]):
        for j in range(1, u.shape[1] - 1):
            u[i, j] = 0.5 * u[i, j - 1] - u[i - 3, j + 1] + f[i, j]
    return u


def five_rows_apart(u: Any, f: Any) -> Any:
    u = u.copy()
    for i in range(5, u.shape[0]):
        for j in range(1, u.shape[1] - 1):
            u[i, j] = 0.5 * u[i, j - 1] - u[i - 5, j + 1] + f[i, j]
    return u


def one_row_for_all(u: Any, f: Any) -> Any:
    u = u.copy()
    for i in range(1, u.shape[0]):
        for j in range(1, u.shape[1]):
            u[0, j] = 0.5 * u[0, j - 1] + f[i, j]
    return u


def edge(u: Any, f: Any) -> Any:
    """Every row reads an element that the loop over its columns writes."""
    u = u.copy()
    for i in range(u.shape[0]):
        for j in range(1, u.shape[1]):
            u[i, j] = 0.5 * u[i, j - 1] + u[i, 1] * f[i, j]
    return u


def two_arrays(u: Any, f: Any) -> Any:
    a, b = u.copy(), f.copy()
    for i in range(1, u.shape[0]):
        for j in range(1, u.shape[1]):
            a[i, j] = 0.5 * b[i, j - 1] + a[i - 1, j]
            b[i, j] = 0.25 * a[i, j - 1] - b[i - 1, j]
    return a - b


def doubled(u: Any, f: Any) -> Any:
    """Additions to an element before and after it is read."""
    u = u.copy()
    for i in range(u.shape[0]):
        for j in range(1, u.shape[1] - 1):
            u[i, j - 1] += 0.5 * u[i, j]
            u[i, j] -= 0.25 * u[i, j - 1]
            u[i, j + 1] += u[i, j] * 0.125 + f[i, j]
    return u


def triangle(u: Any, f: Any) -> Any:
    u = u.copy()
    for i in range(min(u.shape)):
        for j in range(1, i):
            u[i, j] = 0.5 * u[i, j - 1] + f[i, j]
    return u


JAMMED = [gauss_seidel, along_rows, five_rows_apart, two_arrays, doubled]
OTHERS = [nine_points, backwards, against_the_turns, three_rows_apart, one_row_for_all, edge, triangle]


QUICK = (gauss_seidel, doubled)
FILLS = [pytest.param(f, marks=[] if f in QUICK else pytest.mark.slow) for f in [*JAMMED, *OTHERS]]


def both(fill: Function) -> tuple[Any, Any]:
    """The derivative in native code and in NumPy code: what is filled, and its cotangents for `w`."""

    def weighted(u: Any, f: Any, w: Any) -> Any:
        filled = fill(u, f)
        return np.sum(np.real(filled * w)), filled

    code = value_and_grad(weighted, (0, 1), has_aux=True)
    return value_and_grad(weighted, (0, 1), has_aux=True, backend="numba", cache=False), code


@pytest.mark.parametrize("fill", FILLS)
def test_recurrences(fill: Function) -> None:
    native, code = both(fill)
    random = np.random.default_rng(0)
    for shape in [*SHAPES, *(() if fill in QUICK else WITH_ONES)]:
        args = [random.normal(size=shape) for _ in range(3)]
        (_, filled), gradients = native(*args)
        np.testing.assert_array_equal(filled, fill(*args[:2]))
        for mine, other in zip(gradients, code(*args)[1], strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-10, atol=1e-12)
        if shape == SHAPES[-1]:
            assert ("# the turns that are left" in native.native_source) is (fill in JAMMED)


@pytest.mark.parametrize("fill", FILLS[:5])
def test_special_values(fill: Function) -> None:
    """nan, inf and what is too large or too small go where they go in Python."""
    native, code = both(fill)
    random = np.random.default_rng(1)
    for special in (np.nan, np.inf, 1e308, 5e-324):
        args = [random.normal(size=(7, 6)) for _ in range(3)]
        args[0][2, 3] = args[1][4, 1] = special
        with np.errstate(all="ignore"):
            (_, filled), gradients = native(*args)
            (_, expected_filled), expected = code(*args)
            np.testing.assert_array_equal(filled, expected_filled)
            for mine, other in zip(gradients, expected, strict=True):
                np.testing.assert_allclose(mine, other, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("fill", [gauss_seidel, along_rows, doubled])
@pytest.mark.parametrize("dtype", [np.float32, np.complex128])
def test_other_numbers(fill: Function, dtype: Any) -> None:
    native, code = both(fill)
    random = np.random.default_rng(2)
    args = [random.normal(size=(9, 6)).astype(dtype) for _ in range(3)]
    args[0] += (0.5j if dtype == np.complex128 else 0) * np.ones_like(args[0])
    (_, filled), gradients = native(*args)
    np.testing.assert_array_equal(filled, fill(*args[:2]))
    tolerance = 1e-4 if dtype == np.float32 else 1e-12
    for mine, other in zip(gradients, code(*args)[1], strict=True):
        assert mine.dtype == dtype
        np.testing.assert_allclose(mine, other, rtol=tolerance, atol=tolerance)


def test_float32_rounds_in_every_turn() -> None:
    native = value_and_grad(lambda u, f: along_rows(u, f)[6, 5], backend="numba", cache=False)
    random = np.random.default_rng(3)
    u, f = (random.normal(size=(9, 6)).astype(np.float32) for _ in range(2))
    assert native(u, f)[0] == along_rows(u, f)[6, 5]


def test_one_array_as_two_arguments() -> None:
    native = grad(lambda u, f: np.sum(gauss_seidel(u, f) ** 2), (0, 1), backend="numba", cache=False)
    u = np.random.default_rng(4).normal(size=(8, 8))
    before = u.copy()
    expected = grad(lambda u, f: np.sum(gauss_seidel(u, f) ** 2), (0, 1))(u, u)
    for mine, other in zip(native(u, u), expected, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-12)
    np.testing.assert_array_equal(u, before)


def test_whole_numbers_wrap_as_elements_do() -> None:
    def f(x: Any, k: Any) -> Any:
        k = k.copy()
        for i in range(1, len(k)):
            k[i] = k[i] + k[i - 1]
        return x * k[len(k) - 1]

    k = np.array([100, 100, 100], dtype=np.int8)
    with np.errstate(over="ignore"):
        assert grad(f, backend="numba", cache=False)(1.0, k) == grad(f)(1.0, k)
