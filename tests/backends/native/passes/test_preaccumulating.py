"""The derivatives of the turns of scalar loops, computed for all turns at once: the cases at the edges."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from ad_compiler import grad, value_and_grad, vjp

pytest.importorskip("numba")

from ad_compiler.backends.native.run_time.departure import Departure

MARK = "# the derivatives of "


def growing(x: Any, y: Any, weight: Any, steps: Any) -> Any:
    for _ in range(steps):
        x = x * y * y * y * 1e-200
    return x * weight


@pytest.mark.parametrize("weight", [0.0, 1e-300, -1e-250])
def test_a_derivative_that_overflows_is_left_to_numpy_code(weight: float) -> None:
    """1e-300 * 1e200 * 1e200 is 1e100, but 1e200 * 1e200 is inf, and inf * 0 nan."""
    args = (1e-300, 1e200, weight, 1)
    native = grad(growing, (0, 1), backend="numba", cache=False)
    expected = grad(growing, (0, 1))(*args)
    assert all(map(math.isfinite, expected))
    np.testing.assert_allclose(native(*args), expected, rtol=1e-14)
    assert MARK in native.native_source
    with pytest.raises(Departure):
        native.native(*args)
    np.testing.assert_allclose(native.native(0.5, 1.5, 2.0, 3), grad(growing, (0, 1))(0.5, 1.5, 2.0, 3))


def shrinking(x: Any, y: Any, u: Any, weight: Any) -> Any:
    for t in range(len(u)):
        x = x * y * y * y * 1e-3 + u[t]
    return x * weight


@pytest.mark.parametrize(("y", "weight", "departs"), [(1e-106, 1e300, True), (1e-50, 1e300, False)])
def test_a_derivative_that_underflows(y: float, weight: float, departs: bool) -> None:
    """1e-3 * (1e-106)**3 is 1e-321, of which there are two digits, but 1e300 times that is 1e-21."""
    native = grad(shrinking, (0, 1, 2), backend="numba", cache=False)
    args = (1.0, y, np.zeros(2), weight)
    for mine, expected in zip(native(*args), grad(shrinking, (0, 1, 2))(*args), strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-12)
    assert MARK in native.native_source
    if departs:
        with pytest.raises(Departure):
            native.native(*args)
    else:
        native.native(*args)


@pytest.mark.parametrize("start", [math.nan, math.inf])
def test_what_is_not_finite_is_that_of_numpy_code(start: float) -> None:
    native = grad(growing, (0, 1), backend="numba", cache=False)
    mine, expected = native(start, 1.5, 1.0, 3), grad(growing, (0, 1))(start, 1.5, 1.0, 3)
    np.testing.assert_array_equal(mine, expected)


def two_loops(x: Any, r: Any, steps: Any) -> Any:
    for _ in range(steps):
        x = r * x * (1 - x)
    y = x * 0.5
    for _ in range(steps):
        y, x = x * 0.1 + r * y * (1 - y), y
    return x * y


def nested(x: Any, r: Any, steps: Any) -> Any:
    for _ in range(steps):
        for _ in range(3):
            x = r * x * (1 - x)
        x = x * 1.01
    return x


def until(x: Any, r: Any, steps: Any) -> Any:
    n = 0
    while n < steps and x < 2.0:
        x = r * x * (1 - x) + 0.1
        n += 1
    return x * x


def from_the_end(x: Any, r: Any, steps: Any) -> Any:
    total = 0.0
    for _ in range(steps, 0, -1):
        x = np.sin(r * x)
        total = total + x
    return total


@pytest.mark.parametrize(
    ("f", "is_rewritten"), [(two_loops, True), (nested, False), (until, True), (from_the_end, False)]
)
def test_programs(f: Any, is_rewritten: bool) -> None:
    native = value_and_grad(f, (0, 1), backend="numba", cache=False)
    for steps in (0, 1, 2, 7, 40):
        value, gradients = native(0.3, 1.7, steps)
        expected_value, expected = value_and_grad(f, (0, 1))(0.3, 1.7, steps)
        assert value == pytest.approx(expected_value, rel=1e-12)
        np.testing.assert_allclose(gradients, expected, rtol=1e-11, atol=1e-14)
        native.native(0.3, 1.7, steps)
    assert (MARK in native.native_source) is is_rewritten


def test_a_pullback_runs_again() -> None:
    _, pullback = vjp(two_loops, 0.3, 1.7, 9, backend="numba", cache=False)
    _, expected_pullback = vjp(two_loops, 0.3, 1.7, 9)
    for cotangent in (1.0, -3.0, 0.0, 1.0):
        np.testing.assert_allclose(pullback(cotangent)[:2], expected_pullback(cotangent)[:2], rtol=1e-11)


def forced(x: Any, k: Any, u: Any) -> Any:
    for t in range(len(u)):
        x = x + 0.1 * (u[t] * x * (1 - x) - k * x) + 0.01 * t
    return x


def forced_backwards(x: Any, k: Any, u: Any) -> Any:
    for t in range(len(u) - 1, 0, -1):
        x = x + 0.1 * (u[t - 1] * x * (1 - x) - k * x * u[t]) + t / 100
    return x


def of_every_second(x: Any, k: Any, u: Any) -> Any:
    for t in range(len(u) // 2):
        x = k * x * (1 - x * u[2 * t]) + 0.1 * u[len(u) - 1 - t]
    return x


def from_the_middle(x: Any, k: Any, u: Any) -> Any:
    for t in range(2, len(u)):
        x = k * x * (1 - x * u[t]) + u[t - 2] * t / 100
    return x


def short_chain(x: Any, k: Any, u: Any) -> Any:
    total = 0.0
    for t in range(len(u)):
        x = k * x + (1 - k) * u[t]
        total = total + (x - u[t]) ** 2
    return total


def written(x: Any, k: Any, u: Any) -> Any:
    u = u.copy()
    for t in range(1, len(u)):
        x = k * x * (1 - x * u[t - 1])
        u[t] = u[t] * x
    return x + np.sum(u)


def of_single_precision(x: Any, k: Any, u: Any) -> Any:
    narrow = np.array([0.5, 0.25, 0.75, 0.1, 0.2, 0.3, 0.4, 0.6], dtype=np.float32)
    for t in range(len(narrow)):
        x = k * x * (1 - x * u[0] * narrow[t])
    return x


@pytest.mark.parametrize(
    ("f", "is_rewritten"),
    [
        (forced, True),
        (forced_backwards, True),
        (of_every_second, False),
        (from_the_middle, True),
        (short_chain, False),
        (written, False),
        (of_single_precision, False),
    ],
)
def test_arrays_beside_what_is_carried(f: Any, is_rewritten: bool) -> None:
    native = value_and_grad(f, (0, 1, 2), backend="numba", cache=False)
    for count in (1, 2, 3, 8, 21):
        u = np.random.default_rng(count).uniform(0.5, 1.0, count)
        value, gradients = native(0.3, 1.7, u)
        expected_value, expected = value_and_grad(f, (0, 1, 2))(0.3, 1.7, u)
        assert value == pytest.approx(expected_value, rel=1e-12)
        for mine, other in zip(gradients, expected, strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-11, atol=1e-14)
        if count > 1:  # one step back from the end: there is none, and the program is another one
            native.native(0.3, 1.7, u)
    assert (MARK in native.native_source) is is_rewritten


def test_an_element_that_overflows_is_left_to_numpy_code() -> None:
    def f(x: Any, y: Any, w: Any, u: Any) -> Any:
        for t in range(len(u)):
            x = x * (1 + u[t]) * y * y * y * 1e-200
        return x * w

    u = np.zeros(1)
    args = (1e-300, 1e200, 0.0, u)
    native = grad(f, (0, 3), backend="numba", cache=False)
    for mine, other in zip(native(*args), grad(f, (0, 3))(*args), strict=True):
        np.testing.assert_array_equal(mine, other)
        assert np.all(np.isfinite(other))
    assert MARK in native.native_source
