"""Sweeps over a grid that are found, and those that only resemble them: both give what the loops give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ad_compiler import value_and_grad

numba = pytest.importorskip("numba")

Function = Callable[..., Any]
ALL, FORWARDS, BACKWARDS, NONE = "all", "forwards", "backwards", "none"


def poisson(u: Any, f: Any, steps: Any) -> Any:
    u = u.copy()
    for _ in range(steps):
        for i in range(1, u.shape[0] - 1):
            for j in range(1, u.shape[1] - 1):
                u[i, j] = 0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] + f[i, j])
    return np.sum(u * u)


def laplace(u: Any, f: Any, steps: Any) -> Any:
    u = u.copy()
    for _ in range(steps):
        for i in range(1, u.shape[0] - 1):
            for j in range(1, u.shape[1] - 1):
                u[i, j] = (u[i, j - 1] + u[i, j + 1] + u[i + 1, j] + u[i - 1, j]) * 0.25
    return np.sum(u * u * f)


def columns_first(u: Any, f: Any, steps: Any) -> Any:
    u = u + 0.5 * f
    rows, columns = u.shape
    for _ in range(2, steps):
        for j in range(1, columns - 1):
            for i in range(1, rows - 1):
                u[i, j] = 0.25 * (f[i, j] + u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1])
    return np.sum(u * u)


def quarters(u: Any, f: Any, steps: Any) -> Any:
    """Divided by 4, over a part of the grid; what is added is computed, and needs a gradient."""
    source = f * f
    u = u.copy()
    for _ in range(steps):
        for i in range(1, 55):
            for j in range(1, u.shape[1] - 3):
                u[i, j] = (u[i + 1, j] + u[i - 1, j] + u[i, j + 1] + u[i, j - 1] + source[i, j]) / 4
    return np.sum(u * u)


def twice(u: Any, f: Any, steps: Any) -> Any:
    """Two rounds of sweeps around another statement; the second one counts downwards."""
    u = u.copy()
    for _ in range(steps):
        for i in range(1, u.shape[0] - 1):
            for j in range(1, u.shape[1] - 1):
                u[i, j] = 0.2 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] + f[i, j])
    u = np.tanh(u)
    for _ in range(steps, 0, -1):
        for i in range(1, u.shape[0] - 1):
            for j in range(1, u.shape[1] - 1):
                u[i, j] = 0.2 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] + f[i, j])
    return np.sum(u * u)


def in_other_loops(u: Any, f: Any, steps: Any) -> Any:
    total = 0.0
    for k in range(3):
        v = u * (k + 1.0)
        for _ in range(steps):
            for i in range(1, v.shape[0] - 1):
                for j in range(1, v.shape[1] - 1):
                    v[i, j] = 0.25 * (v[i - 1, j] + v[i + 1, j] + v[i, j - 1] + v[i, j + 1] + f[i, j])
        total += np.sum(v * v)
    return total


def with_weight(u: Any, f: Any, steps: Any, weight: Any = 0.24) -> Any:
    u = u.copy()
    for _ in range(steps):
        for i in range(1, u.shape[0] - 1):
            for j in range(1, u.shape[1] - 1):
                u[i, j] = weight * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] + f[i, j])
    return np.sum(u * u)


def adds_itself(u: Any, f: Any, steps: Any) -> Any:
    """What is added is the grid, under another name."""
    u = u + f
    v = u
    for _ in range(steps):
        for i in range(1, u.shape[0] - 1):
            for j in range(1, u.shape[1] - 1):
                u[i, j] = 0.15 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] + v[i, j])
    return np.sum(u * u)


def changing_weight(u: Any, f: Any, steps: Any) -> Any:
    u = u.copy()
    for step in range(steps):
        for i in range(1, u.shape[0] - 1):
            for j in range(1, u.shape[1] - 1):
                weight = 0.2 / (1.0 + step)
                u[i, j] = weight * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] + f[i, j])
    return np.sum(u * u)


def weight_by_row(u: Any, f: Any, steps: Any) -> Any:
    u = u.copy()
    for _ in range(steps):
        for i in range(1, u.shape[0] - 1):
            for j in range(1, u.shape[1] - 1):
                u[i, j] = f[i, 0] * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] + f[i, j])
    return np.sum(u * u)


def jacobi(u: Any, f: Any, steps: Any) -> Any:
    u = u.copy()
    for _ in range(steps):
        v = u.copy()
        for i in range(1, u.shape[0] - 1):
            for j in range(1, u.shape[1] - 1):
                u[i, j] = 0.25 * (v[i - 1, j] + v[i + 1, j] + v[i, j - 1] + v[i, j + 1] + f[i, j])
    return np.sum(u * u)


def triangle(u: Any, f: Any, steps: Any) -> Any:
    u = u.copy()
    for _ in range(steps):
        for i in range(1, u.shape[0] - 1):
            for j in range(1, min(i, u.shape[1] - 1)):
                u[i, j] = 0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] + f[i, j])
    return np.sum(u * u)


def trapezium(u: Any, f: Any, steps: Any) -> Any:
    u = u.copy()
    for step in range(steps):
        for i in range(1, u.shape[0] - 1 - step):
            for j in range(1, u.shape[1] - 1):
                u[i, j] = 0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] + f[i, j])
    return np.sum(u * u)


def from_two(u: Any, f: Any, steps: Any) -> Any:
    u = u.copy()
    for _ in range(steps):
        for i in range(2, u.shape[0] - 1):
            for j in range(1, u.shape[1] - 1):
                u[i, j] = 0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] + f[i, j])
    return np.sum(u * u)


def other_way(u: Any, f: Any, steps: Any) -> Any:
    u = u.copy()
    for _ in range(steps):
        for i in range(u.shape[0] - 2, 0, -1):
            for j in range(1, u.shape[1] - 1):
                u[i, j] = 0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] + f[i, j])
    return np.sum(u * u)


def every_other(u: Any, f: Any, steps: Any) -> Any:
    u = u.copy()
    for _ in range(steps):
        for i in range(1, u.shape[0] - 1):
            for j in range(1, u.shape[1] - 1, 2):
                u[i, j] = 0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] + f[i, j])
    return np.sum(u * u)


def one_neighbour_twice(u: Any, f: Any, steps: Any) -> Any:
    u = u.copy()
    for _ in range(steps):
        for i in range(1, u.shape[0] - 1):
            for j in range(1, u.shape[1] - 1):
                u[i, j] = 0.25 * (u[i - 1, j] + u[i - 1, j] + u[i, j - 1] + u[i, j + 1] + f[i, j])
    return np.sum(u * u)


def moved_source(u: Any, f: Any, steps: Any) -> Any:
    u = u.copy()
    for _ in range(steps):
        for i in range(1, u.shape[0] - 1):
            for j in range(1, u.shape[1] - 1):
                u[i, j] = 0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] + f[i - 1, j])
    return np.sum(u * u)


def added_backwards(u: Any, f: Any, steps: Any) -> Any:
    """Other bits than a sum from left to right."""
    u = u.copy()
    for _ in range(steps):
        for i in range(1, u.shape[0] - 1):
            for j in range(1, u.shape[1] - 1):
                u[i, j] = 0.25 * (u[i - 1, j] + (u[i + 1, j] + (u[i, j - 1] + u[i, j + 1])) + f[i, j])
    return np.sum(u * u)


def counted(u: Any, f: Any, steps: Any) -> Any:
    u = u.copy()
    count = 0
    for _ in range(steps):
        for i in range(1, u.shape[0] - 1):
            for j in range(1, u.shape[1] - 1):
                u[i, j] = 0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] + f[i, j])
                count += 1
    return np.sum(u * u) * count


def differenced(u: Any, f: Any, steps: Any) -> Any:
    u = u.copy()
    for _ in range(steps):
        for i in range(1, u.shape[0] - 1):
            for j in range(1, u.shape[1] - 1):
                u[i, j] = 0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] - f[i, j])
    return np.sum(u * u)


def scaled(u: Any, f: Any, steps: Any, h: Any = 0.3, part: Any = 0.9) -> Any:
    u = u.copy()
    for _ in range(steps):
        for i in range(1, u.shape[0] - 1):
            for j in range(1, u.shape[1] - 1):
                neighbours = u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1]
                u[i, j] = part * 0.25 * (neighbours + f[i, j] * (h * h))
    return np.sum(u * u)


def squared(u: Any, f: Any, steps: Any, h: Any = 0.3) -> Any:
    u = u.copy()
    for _ in range(steps):
        for i in range(1, u.shape[0] - 1):
            for j in range(1, u.shape[1] - 1):
                u[i, j] = (u[i - 1, j] + u[i + 1, j] - h**2 * f[i, j] + u[i, j - 1] + u[i, j + 1]) / 4.0
    return np.sum(u * u)


def folded(u: Any, f: Any, steps: Any, inf: Any = 0.9) -> Any:
    """The gradient of the source is multiplied by one constant: by 0.25 * 0.77, not by one and the other."""
    u = u.copy()
    for _ in range(steps):
        for i in range(1, u.shape[0] - 1):
            for j in range(1, u.shape[1] - 1):
                around = u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1]
                u[i, j] = 0.25 * (around - 0.77 * inf * f[i, j])
    return np.sum(u * u)


def nothing_of_source(u: Any, f: Any, steps: Any) -> Any:
    u = u.copy()
    for _ in range(steps):
        for i in range(1, u.shape[0] - 1):
            for j in range(1, u.shape[1] - 1):
                u[i, j] = 0.0 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] - 0.5 * f[i, j])
    return np.sum(u * u)


def over_relaxed(u: Any, f: Any, steps: Any) -> Any:
    u = u.copy()
    for _ in range(steps):
        for i in range(1, u.shape[0] - 1):
            for j in range(1, u.shape[1] - 1):
                new = 0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] - f[i, j])
                u[i, j] = -0.3 * u[i, j] + 1.3 * new
    return np.sum(u * u)


def scaled_by_row(u: Any, f: Any, steps: Any) -> Any:
    u = u.copy()
    for _ in range(steps):
        for i in range(1, u.shape[0] - 1):
            for j in range(1, u.shape[1] - 1):
                u[i, j] = 0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] + i * f[i, j])
    return np.sum(u * u)


def two_sources(u: Any, f: Any, steps: Any) -> Any:
    u = u.copy()
    for _ in range(steps):
        for i in range(1, u.shape[0] - 1):
            for j in range(1, u.shape[1] - 1):
                u[i, j] = 0.2 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] + f[i, j] - f[i, j])
    return np.sum(u * u)


PROGRAMS = [
    (poisson, ALL),
    (laplace, ALL),
    (columns_first, ALL),
    (quarters, ALL),
    (twice, ALL),
    (in_other_loops, ALL),
    (with_weight, ALL),
    (added_backwards, BACKWARDS),
    (adds_itself, NONE),
    (changing_weight, NONE),
    (weight_by_row, NONE),
    (jacobi, NONE),
    (triangle, NONE),
    (trapezium, NONE),
    (from_two, NONE),
    (other_way, NONE),
    (every_other, NONE),
    (one_neighbour_twice, NONE),
    (moved_source, NONE),
    (counted, BACKWARDS),
    (differenced, ALL),
    (scaled, ALL),
    (squared, ALL),
    (folded, ALL),
    (nothing_of_source, FORWARDS),
    (over_relaxed, NONE),
    (scaled_by_row, NONE),
    (two_sources, NONE),
]


def grids(rows: int, columns: int, dtype: Any = np.float64) -> tuple[Any, Any]:
    random = np.random.default_rng(rows + 100 * columns)
    return random.normal(size=(rows, columns)).astype(dtype), random.normal(size=(rows, columns)).astype(
        dtype
    )


def check(f: Function, given: tuple[Any, ...], tolerance: float = 1e-11) -> str:
    """Compare with NumPy code; the text of the native code."""
    native = value_and_grad(f, argnums=(0, 1), backend="numba", cache=False)
    before = [np.copy(each) for each in given]
    value, gradients = native(*given)
    expected, others = value_and_grad(f, argnums=(0, 1))(*given)
    np.testing.assert_allclose(value, expected, rtol=tolerance)
    for gradient, other in zip(gradients, others, strict=True):
        np.testing.assert_allclose(gradient, other, rtol=tolerance, atol=tolerance)
        assert gradient.dtype == other.dtype
    for each, copy in zip(given, before, strict=True):
        np.testing.assert_array_equal(each, copy)
    text: str = native.native_source
    return text


@pytest.mark.parametrize(("f", "found"), PROGRAMS)
def test_what_is_found(f: Function, found: str) -> None:
    text = check(f, (*grids(57, 59), 13))
    assert ("= sweep_grid(" in text) == (found in (ALL, FORWARDS))
    assert ("= sweep_grid_back(" in text) == (found in (ALL, BACKWARDS))


@pytest.mark.parametrize("steps", [-1, 0, 1, 9, 10, 11, 20, 35])
def test_numbers_of_sweeps(steps: int) -> None:
    check(poisson, (*grids(54, 40), steps))
    check(columns_first, (*grids(54, 40), steps))


@pytest.mark.parametrize(
    "shape", [(0, 0), (1, 60), (2, 2), (60, 1), (60, 2), (60, 3), (3, 60), (52, 9), (53, 9)]
)
def test_shapes(shape: tuple[int, int]) -> None:
    check(poisson, (*grids(*shape), 12))


def test_other_arrays() -> None:
    u, f = grids(56, 20)
    check(poisson, (u.astype(np.float32), f.astype(np.float32), 12), 2e-4)
    check(poisson, (u, f.astype(np.float32), 12), 1e-5)
    check(poisson, (u.T.copy().T, f[::-1, ::-1], 12))
    check(poisson, (u, u, 12))
    check(poisson, (u, np.concatenate([f, f], axis=1), 12))


def test_what_is_added_may_be_too_small() -> None:
    """As in the loops."""
    u, f = grids(56, 20)
    for part in (f[:-2], f[:, :-2]):
        with pytest.raises(IndexError):
            value_and_grad(poisson, argnums=(0, 1), backend="numba", cache=False)(u, part, 12)
    check(poisson, (u, f[:-1, :-1].copy(), 12))


def test_all_bits_of_the_value() -> None:
    """What sweeps leave is compared bit by bit, NaN and infinities included."""

    def relaxed(u: Any, f: Any, steps: Any) -> Any:
        u = u.copy()
        for _ in range(steps):
            for i in range(1, u.shape[0] - 1):
                for j in range(1, u.shape[1] - 1):
                    u[i, j] = 0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] + f[i, j])
        return u[1:-1, 1:-1].sum(axis=1)

    u, f = grids(57, 30)
    for place, number in (((5, 7), np.nan), ((0, 3), np.inf), ((56, 29), -np.inf), ((30, 4), 1e300)):
        u[place] = number
        native, _ = value_and_grad_of_each(relaxed, u, f)
        plain = relaxed(u, f, 13)
        np.testing.assert_array_equal(native, plain)


def value_and_grad_of_each(f: Function, u: Any, extra: Any) -> tuple[Any, Any]:
    from ad_compiler import vjp

    value, pull = vjp(f, u, extra, 13, backend="numba", cache=False)
    return value, pull(np.ones_like(value))


@pytest.mark.parametrize("f", [poisson, twice, in_other_loops])
def test_parallel(f: Function) -> None:
    u, source = grids(57, 59)
    native = value_and_grad(f, argnums=(0, 1), backend="numba", parallel=True, cache=False)
    value, gradients = native(u, source, 13)
    expected, others = value_and_grad(f, argnums=(0, 1))(u, source, 13)
    np.testing.assert_allclose(value, expected, rtol=1e-11)
    np.testing.assert_allclose(gradients, others, rtol=1e-11, atol=1e-11)
    assert "= sweep_grid(" in native.native_source


def test_gradient_of_the_weight() -> None:
    """Sweeps whose weight needs a gradient keep what each cell was: loops do them."""
    u, f = grids(54, 10)
    native = value_and_grad(with_weight, argnums=(0, 3), backend="numba", cache=False)
    value, gradients = native(u, f, 12, 0.2)
    expected, others = value_and_grad(with_weight, argnums=(0, 3))(u, f, 12, 0.2)
    np.testing.assert_allclose(value, expected, rtol=1e-11)
    for gradient, other in zip(gradients, others, strict=True):
        np.testing.assert_allclose(gradient, other, rtol=1e-10, atol=1e-11)
    assert "sweep_grid" not in native.native_source
