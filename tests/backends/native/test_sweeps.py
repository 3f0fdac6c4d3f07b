"""Sweeps that are joined some rows apart, and cotangents that are assigned, not cleared and added to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ad_compiler import value_and_grad

pytest.importorskip("numba")

Function = Callable[..., Any]


def array(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(sum(shape)).normal(size=shape)


def source_against_numpy(f: Function, *shapes: tuple[int, ...], steps: tuple[int, ...] = (0, 1, 3)) -> str:
    """Compare native with NumPy code for all shapes, also if arrays are not contiguous; the native code."""
    native = value_and_grad(f, 0, backend="numba", cache=False)
    code = value_and_grad(f, 0)
    for shape in shapes:
        for count in steps:
            whole = array(*shape)
            for given in (whole, np.asfortranarray(whole), np.repeat(whole, 2, axis=-1)[..., ::2]):
                before = given.copy()
                value, gradient = native(given, count)
                expected_value, expected = code(given, count)
                np.testing.assert_allclose(value, expected_value, rtol=1e-11)
                np.testing.assert_allclose(gradient, expected, rtol=1e-10, atol=1e-12)
                np.testing.assert_array_equal(given, before)
    source: str = native.native_source
    return source


def three_sweeps(a: Any, steps: Any) -> Any:
    a = a.copy()
    b = np.zeros_like(a)
    c = np.zeros_like(a)
    for _ in range(steps):
        b[1:-1] = 0.5 * (a[2:] - a[:-2]) + a[1:-1]
        c[1:-1] = 0.25 * (b[2:] + b[:-2]) * 1.5
        a[1:-1] = c[1:-1] - 0.125 * (c[2:] - b[:-2])
    return np.sum(a * b) + np.sum(c * c)


def rows_above(a: Any, steps: Any) -> Any:
    a = a.copy()
    b = np.ones_like(a)
    for _ in range(steps):
        b[1:] = 0.5 * a[1:] + a[:-1]
        a[:-1] = b[1:] - 0.25 * b[:-1]
    return np.sum(a * a * b)


def far_away(a: Any, steps: Any) -> Any:
    a = a.copy()
    b = np.zeros_like(a)
    for _ in range(steps):
        b[:-9] = 0.5 * a[9:] * a[:-9]
        a[:-9] = b[9:] + 0.125 * b[:-9]
    return np.sum(a * a)


def turned(a: Any, steps: Any) -> Any:
    a = a.copy()
    b = np.zeros_like(a)
    n = min(a.shape[0], a.shape[1])
    for _ in range(steps):
        b[1:n, 1:n] = 0.5 * a[1:n, 1:n] + a[: n - 1, 1:n]
        a[1:n, 1:n] = b.T[1:n, 1:n] - 0.25 * b.T[: n - 1, 1:n]
    return np.sum(a * a)


def first_row(a: Any, steps: Any) -> Any:
    """The second sweep reads one row, which is the first sweep's last."""
    a = a.copy()
    b = np.zeros_like(a)
    for _ in range(steps):
        b[1:] = 0.5 * a[1:] + a[:-1]
        a[1:] = b[1:] - 0.25 * b[-1]
    return np.sum(a * a)


def test_sweeps_that_follow_each_other_are_joined() -> None:
    shapes = [(3, 2), (4, 1), (4, 0), (9, 5), (5, 17)]
    source = source_against_numpy(three_sweeps, *shapes)
    assert " + 2):" in source and "if 1 <= i < " in source and "if i >= 2:" in source
    assert "a_2[i - 1, j] = c_1[i - 1, j]" in source


@pytest.mark.slow
def test_sweeps_that_threads_share_stay_apart() -> None:
    native = value_and_grad(three_sweeps, 0, backend="numba", parallel=True, cache=False)
    value, gradient = native(array(9, 5), 3)
    expected_value, expected = value_and_grad(three_sweeps, 0)(array(9, 5), 3)
    np.testing.assert_allclose(value, expected_value, rtol=1e-11)
    np.testing.assert_allclose(gradient, expected, rtol=1e-10, atol=1e-12)
    source = native.native_source
    assert "if i >= " not in source and source.count("in_chunks(") > 3


@pytest.mark.slow
def test_rows_above_are_there_already() -> None:
    source = source_against_numpy(rows_above, (1, 3), (2, 3), (6, 1), (0, 4), (8, 7))
    forward = source[: source.index("# d(")]
    assert "a_2[i, j] = b_1[i + 1, j] - 0.25 * b_1[i, j]" in forward and "if i >= " not in forward


@pytest.mark.parametrize(
    ("f", "shapes"),
    [
        (far_away, [(9, 2), (10, 3), (25, 2)]),
        pytest.param(turned, [(3, 3), (1, 1), (5, 5), (4, 6), (6, 4)], marks=pytest.mark.slow),
        (first_row, [(1, 2), (2, 3), (7, 4)]),
    ],
)
def test_sweeps_that_stay_apart(f: Function, shapes: list[tuple[int, ...]]) -> None:
    assert "if i >= " not in source_against_numpy(f, *shapes)


def upwind(u: Any, steps: Any) -> Any:
    u = u.copy()
    v = np.zeros_like(u)
    for _ in range(steps):
        v[1:-1] = u[1:-1] - 0.1 * (u[1:-1] - u[:-2])
        u[1:-1] = v[1:-1] + 0.1 * (v[2:] - v[1:-1])
    return np.sum(u * u)


def one_of_each_turn(u: Any, steps: Any) -> Any:
    """What a turn clears is another element in each."""
    u = u.copy()
    v = np.zeros_like(u)
    for t in range(steps):
        v[t : t + 2] = u[t : t + 2] * u[t + 1 : t + 3]
        u[1:-1] = 0.5 * (v[2:] + v[:-2])
    return np.sum(u * u)


def of_both(u: Any, steps: Any) -> Any:
    """The cotangent is not zero where the loop starts, backwards."""
    u = u.copy()
    v = np.zeros_like(u)
    for _ in range(steps):
        v[1:-1] = u[1:-1] - 0.1 * u[:-2]
        u[1:-1] = v[1:-1] + 0.1 * v[2:]
    return np.sum(u * v)


def seen_between(u: Any, steps: Any) -> Any:
    """What is cleared is added to behind the clearing, too."""
    u = u.copy()
    v = np.zeros_like(u)
    total = 0.0
    for _ in range(steps):
        total = total + np.sum(v[:3] * u[:3])
        v[1:-1] = u[1:-1] - 0.1 * u[:-2]
        u[1:-1] = v[1:-1] + 0.1 * v[2:]
    return np.sum(u * u) + total


def test_what_a_turn_clears_the_next_assigns() -> None:
    source = source_against_numpy(upwind, (4,), (5,), (12,))
    (backwards,) = [part for part in source.split("\n    for ") if part.startswith("value_1 in range")]
    assert "= 0.0" not in backwards and "v_bar_1[i + 2] = " in backwards


@pytest.mark.parametrize("f", [one_of_each_turn, of_both, pytest.param(seen_between, marks=pytest.mark.slow)])
def test_what_is_not_the_same_in_each_turn_is_cleared(f: Function) -> None:
    source_against_numpy(f, (6,), (12,))


def stays_too(a: Any, steps: Any) -> Any:
    """In the reverse sweep, an array that two additions read (one through a product) is assigned, too."""
    a = a.copy()
    b = a * 0.5
    for _ in range(steps):
        b[2:] = a[:-2] + b[2:] + a[1:-1] + a[2:] * a[1:-1]
        b[2:] = b[1:-1] + 0.5 * b[2:]
    return np.sum(a * b)


def test_an_array_that_others_read_is_not_computed_where_it_is_added() -> None:
    source_against_numpy(stays_too, (4, 3), (9, 2))
