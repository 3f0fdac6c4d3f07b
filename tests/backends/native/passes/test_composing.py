"""The derivatives of turns, multiplied beside the forward loop: numbers of turns, loops, and what departs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from ad_compiler import grad, value_and_grad

pytest.importorskip("numba")

from ad_compiler.backends.native.passes.composed_loops import BLOCK, LANES, MARK
from ad_compiler.backends.native.run_time.departure import Departure

TURNS = [0, 1, 3, LANES, LANES + 1, BLOCK - 1, BLOCK, BLOCK + 1, BLOCK + LANES, 2 * BLOCK, 3 * BLOCK + 5, 201]


def oscillator(x: Any, v: Any, k: Any, steps: Any) -> Any:
    for _ in range(steps):
        a = k * (1 - x * x) * v - x
        x, v = x + 0.02 * v, v + 0.02 * a
    return x * x + v


def with_a_total(x: Any, r: Any, steps: Any) -> Any:
    total = 0.0
    for n in range(steps):
        total = total + x * x + 0.5 * x
        x = r * x * (1 - x) + n * x / 1000
    return total + x


def midpoint(x: Any, v: Any, k: Any, steps: Any) -> Any:
    for _ in range(steps):
        a = x + 0.01 * v
        b = v + 0.01 * (k * (1 - x * x) * v - x)
        x, v = x + 0.02 * b, v + 0.02 * (k * (1 - a * a) * b - a)
    return x * v


def backwards(x: Any, r: Any, steps: Any) -> Any:
    for n in range(steps, 0, -1):
        x = r * x * (1 - x) + n * x / 1000
    return x * x


def from_five(x: Any, r: Any, steps: Any) -> Any:
    for n in range(5, 5 + steps):
        x = r * x * (1 - x) + n * x / 1000
    return x * x


def while_below(x: Any, r: Any, steps: Any) -> Any:
    n = 0
    while n < steps and x < 2.0:
        x = r * x * (1 - x) + 0.1
        n += 1
    return x * x


def left_in_the_middle(x: Any, r: Any, steps: Any) -> Any:
    n = 0
    while True:
        if n >= steps:
            break
        x = r * x * (1 - x) + 0.1
        n += 1
        if x > 5.0:
            break
    return x * x


def with_a_search(x: Any, r: Any, steps: Any) -> Any:
    n = 0
    while n < steps:
        k = 0
        while True:
            k += 1
            if k * k > n:
                break
        x = r * x * (1 - x) + 0.0001 * k
        n += 1
    return x * x


def with_another_bound(x: Any, r: Any, steps: Any) -> Any:
    for _ in range(steps):
        steps = steps - 1
        x = r * x * (1 - x) + 0.1
    return x * x + steps


@pytest.mark.parametrize(
    ("f", "args", "is_rewritten"),
    [
        (oscillator, (0.5, 0.3, 1.1), True),
        (with_a_total, (0.3, 2.9), True),
        (midpoint, (0.5, 0.3, 1.1), True),
        (backwards, (0.3, 2.5), True),
        (from_five, (0.3, 2.5), True),
        (while_below, (0.3, 2.6), True),
        (left_in_the_middle, (0.3, 2.6), False),
        (with_a_search, (0.3, 2.6), True),
        (with_another_bound, (0.3, 2.6), True),
    ],
)
def test_any_number_of_turns(f: Any, args: tuple[float, ...], is_rewritten: bool) -> None:
    argnums = tuple(range(len(args)))
    native = value_and_grad(f, argnums, backend="numba", cache=False)
    plain = value_and_grad(f, argnums)
    for steps in TURNS:
        value, gradients = native(*args, steps)
        expected_value, expected = plain(*args, steps)
        assert value == pytest.approx(expected_value, rel=1e-11)
        np.testing.assert_allclose(gradients, expected, rtol=1e-9, atol=1e-13)
        native.native(*args, steps)
    assert (MARK in native.native_source) is is_rewritten


def fitted(x: Any, k: Any, u: Any) -> Any:
    total = 0.0
    for t in range(len(u)):
        x = x + 0.1 * (u[t] * x * (1 - x) - k * x)
        total = total + (x - u[t]) * (x - u[t])
    return total


def fitted_backwards(x: Any, k: Any, u: Any) -> Any:
    for t in range(len(u) - 1, -1, -1):
        x = x + 0.1 * (u[t] * x * (1 - x) - k * x * u[len(u) - 1 - t])
    return x


def changed_behind(x: Any, k: Any, u: Any) -> Any:
    u = u.copy()
    for t in range(len(u)):
        x = x + 0.1 * (u[t] * x * (1 - x) - k * x)
    u[:] = 0.0
    return x + np.sum(u)


@pytest.mark.parametrize("f", [fitted, fitted_backwards, changed_behind])
def test_numbers_of_arrays(f: Any) -> None:
    native = value_and_grad(f, (0, 1), backend="numba", cache=False)
    for count in TURNS[1:]:
        u = np.random.default_rng(count).uniform(0.5, 1.0, 2 * count)[::2]
        value, gradients = native(0.3, 0.7, u)
        expected_value, expected = value_and_grad(f, (0, 1))(0.3, 0.7, u)
        assert value == pytest.approx(expected_value, rel=1e-12)
        np.testing.assert_allclose(gradients, expected, rtol=1e-10)


def test_two_loops_have_states_of_their_own() -> None:
    def f(x: Any, r: Any, steps: Any) -> Any:
        for _ in range(steps):
            x = r * x * (1 - x)
        y = x * 0.5
        for _ in range(2 * steps):
            y = x * 0.1 + r * y * (1 - y)
        return x * y

    native = grad(f, (0, 1), backend="numba", cache=False)
    for steps in TURNS:
        expected = grad(f, (0, 1))(0.3, 1.7, steps)
        np.testing.assert_allclose(native(0.3, 1.7, steps), expected, rtol=1e-10, atol=1e-14)
    assert native.native_source.count(MARK) == 2


def scaled(x: Any, y: Any, weight: Any, steps: Any) -> Any:
    for _ in range(steps):
        x = x * y * y * y * 1e-3
    return x * weight


@pytest.mark.parametrize(
    ("x", "y", "weight"),
    [
        (1e-300, 1e18, 1e-200),  # the product of 8 turns is 1e408
        (1e-300, 1e18, 0.0),
        (1e300, 1e-16, 1e200),  # and here 1e-408, but the derivative 1e-208
        (math.nan, 1.0, 1.0),
        (1.0, math.inf, 0.0),
    ],
)
def test_what_gets_lost_is_left_to_numpy_code(x: float, y: float, weight: float) -> None:
    native = grad(scaled, (0, 1), backend="numba", cache=False)
    for steps in (8, 40):
        with np.errstate(all="ignore"):
            expected = grad(scaled, (0, 1))(x, y, weight, steps)
            np.testing.assert_allclose(native(x, y, weight, steps), expected, rtol=1e-12)
        with pytest.raises(Departure):
            native.native(x, y, weight, steps)
    assert MARK in native.native_source
    native.native(1.0, 5.0, 1.0, 40)


def with_factors(x: Any, r: Any, u: Any, weight: Any) -> Any:
    for t in range(len(u)):
        x = x * u[t] * r * (1.0 + 0 * x)
    return x * weight


def test_a_product_that_underflows_and_grows_back() -> None:
    """The last three derivatives are 1e-330 together, and all of them 1e-30."""
    u = np.array([1e300, 1.0, 1.0, 1.0, 1.0, 1e-150, 1e-150, 1e-30])
    native = grad(with_factors, (0, 1), backend="numba", cache=False)
    for weight in (1e-20, 1.0, 1e4, 1e30, 1e49, 1e200):
        expected = grad(with_factors, (0, 1))(1e-300, 1.0, u, weight)
        np.testing.assert_allclose(native(1e-300, 1.0, u, weight), expected, rtol=1e-9, atol=1e-300)
    assert MARK in native.native_source


def test_large_cotangents_where_nothing_underflows() -> None:
    u = np.full(100, 1e3)
    native = grad(with_factors, (0, 1), backend="numba", cache=False)
    expected = grad(with_factors, (0, 1))(1e-200, 1.0, u, 1e-10)
    np.testing.assert_allclose(native(1e-200, 1.0, u, 1e-10), expected, rtol=1e-12)
    native.native(1e-200, 1.0, u, 1e-10)


def test_a_turn_that_is_not_finite_in_the_middle() -> None:
    def f(x: Any, r: Any, u: Any) -> Any:
        for t in range(len(u)):
            x = r * x * (1 - x) * u[t]
        return x

    native = grad(f, (0, 1), backend="numba", cache=False)
    for place in (0, 20, 49):
        for bad in (math.nan, math.inf, 1e308):
            u = np.ones(50)
            u[place] = bad
            with np.errstate(all="ignore"):
                np.testing.assert_array_equal(native(0.3, 2.0, u), grad(f, (0, 1))(0.3, 2.0, u))


def divided(x: Any, r: Any, steps: Any) -> Any:
    for _ in range(steps):
        x = r * x * (1 - x) + 1.0 / (x + 2.0)
    return x


def with_exp(x: Any, r: Any, steps: Any) -> Any:
    for _ in range(steps):
        x = r * x * (1 - x) + np.exp(-x * x) / 4
    return x


@pytest.mark.parametrize(("f", "is_rewritten"), [(divided, False), (with_exp, True)])
def test_turns_that_do_not_take_place_divide_nothing(f: Any, is_rewritten: bool) -> None:
    """The states of such turns are 0: what may depart stays in the turns that there are."""
    native = grad(f, (0, 1), backend="numba", cache=False)
    for steps in TURNS:
        expected = grad(f, (0, 1))(0.7, 1.3, steps)
        np.testing.assert_allclose(native(0.7, 1.3, steps), expected, rtol=1e-9)
        native.native(0.7, 1.3, steps)
    assert (MARK in native.native_source) is is_rewritten
