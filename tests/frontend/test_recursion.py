"""Recursion whose end is known at run time only: compiled as functions, whose pullbacks are their tape."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ad_compiler import grad, value_and_grad, vjp
from tests.helpers import assert_gradient_matches_finite_differences, function_from_source
from tests.test_refusals import Refused, assert_refused

V = np.array([0.5, 0.3, 0.8, 0.2, 1.1, 0.7, 0.4])
FACTOR = 0.6


def power(x, n):
    if n == 0:
        return 1.0
    return x * power(x, n - 1)


def fibonacci(x, n):
    return x if n < 2 else fibonacci(x, n - 1) + fibonacci(x, n - 2) * x


def pairwise(x):
    n = len(x)
    if n <= 2:
        return np.sum(np.sin(x))
    return pairwise(x[: n // 2]) + 0.9 * pairwise(x[n // 2 :])


def butterflies(x):
    n = len(x)
    if n <= 1:
        return x
    even, odd = butterflies(x[::2]), butterflies(x[1::2])
    return np.concatenate([even + 0.5 * odd, even * odd])


def smoothed(a, depth):
    if depth == 0:
        return a
    return smoothed(0.1 * (a[:-2] + 2 * a[1:-1] + a[2:]) ** 2, depth - 1)


def swapped(x, y, n):
    if n == 0:
        return x, y
    a, b = swapped(y * 1.1, np.sin(x), n - 1)
    return a * b, b + x


def moved(state, n):
    if n == 0:
        return state
    return moved({"x": state["x"] * 1.1 + state["v"], "v": state["v"] - 0.1 * state["x"]}, n - 1)


def same_twice(x, n):
    if n == 0:
        return x, x
    a, _ = same_twice(x * 1.2, n - 1)
    return a, a


def writes_its_own(x, n):
    if n == 0:
        return x.copy()
    y = writes_its_own(x * 0.9, n - 1)
    y[0] = y[0] * y[1]
    y[1:] += x[1:] * y[0]
    return y


def product_with_sine(a, n):
    if n == 0:
        return np.sum(a * a)
    return product_with_sine(np.sin(a), n - 1) * a[0]


def branches_in_a_loop(x, n):
    total = x
    for i in range(n):
        total = total + branches_in_a_loop(total * 0.5 * (i + 1), n - 1) * x
    return total


def branches_in_a_while(x, n):
    total = x
    while n > 0:
        n = n - 1
        total = total + branches_in_a_while(total * 0.5, n - 1) * x
    return total


def leaves_a_loop(x):
    if x > 3:
        return x * x
    while True:
        x = x * 1.3
        if x > 2.5:
            return leaves_a_loop(x + 1)


def selected(x, n):
    if n == 0:
        return np.sqrt(x)
    return np.where(x > 0.45, selected(x * 1.01, n - 1), x)


def bisection(f, low, high, n):
    middle = 0.5 * (low + high)
    if n == 0:
        return middle * f(middle)
    return bisection(f, low, middle, n - 1) if f(middle) > 0 else bisection(f, middle, high, n - 1)


def accumulated(x, n, total=0.0):
    return total if n == 0 else accumulated(x, n - 1, total + x * x * n)


def remainder(a, b):
    return a if b < 0.1 else remainder(b, math.fmod(a, b))


def nested_calls(x, n):
    return x - 10 * n if x > 100 else nested_calls(nested_calls(x + 11, n), n)


def by_keyword(x, *, n, scale=0.5):
    return x if n == 0 else by_keyword(x * x, n=n - 1, scale=scale) * scale


def variadic(*xs, n):
    return xs[0] * xs[1] if n == 0 else variadic(xs[1], xs[0] + 1, n=n - 1)


def guarded(x, n):
    if n < 0:
        raise ValueError("negative")
    return x if n == 0 else guarded(x, n - 1) * x


def reads_a_global(x, n):
    return x if n == 0 else reads_a_global(x * FACTOR + FACTOR, n - 1)


def even_turn(x, n):
    return x if n == 0 else odd_turn(math.sin(x), n - 1)


def odd_turn(x, n):
    return x if n == 0 else even_turn(x * x + 0.3, n - 1)


class Model:
    def __init__(self, factor):
        self.factor = factor

    def run(self, x, n):
        return x if n <= 0 else self.factor * self.run(math.sin(x) + x, n - 1) + 1


MODEL = Model(0.7)


def in_a_loop(x, m):
    total = 0.0
    for i in range(m):
        total += power(x, i) * math.sin(x)
    return total


def carried_by_a_loop(x, m):
    y = x
    for i in range(m):
        y = power(y, i) + 0.1 * x
    return y


def in_a_branch_of_a_loop(x, m, v):
    y = v * 1.0
    for i in range(m):
        if y[0] > 0.1 * i:
            y = y * power(x, i + 1)
    return np.sum(y * y)


def closure_in_a_loop(x, c, m):
    out = 0.0
    for i in range(m):
        y = x * (i + 1)

        def go(n, acc):
            if n <= 0:
                return acc
            return go(n - 1, acc * np.sum(y) * 0.03 + c)  # noqa: B023 -- called in its turn

        out = out + go(m, 1.0) * c
    return out


def two_recursions_nested(x, n, k):
    def inner(y, j):
        return y * x if j == 0 else inner(y * y * 0.9, j - 1)

    if n == 0:
        return x
    return inner(x, k) + two_recursions_nested(x * 0.8, n - 1, k)


def argument_overwritten_later(x, n):
    a = x.copy()
    total = 0.0
    for i in range(n):
        total = total + product_with_sine(a, i)
        a[i] = a[i + 1] * a[i]
        a *= 1.1
    return total


def view_overwritten_later(x, n):
    a = x * 1.0
    total = product_with_sine(a[1:], n)
    a[1] = x[0] * 3
    return total + np.sum(a)


def result_overwritten_later(x, n):
    y = writes_its_own(x, n)
    z = np.sum(y * y)
    y[1:] = y[:-1] * y[0]
    return z + np.sum(y)


def number_updated_later(x, n):
    y = product_with_sine(x, n)
    y += 1.0
    y *= y
    return y


def lengths_found_equal(x, y, n):
    """The body finds the lengths of its two arguments equal, and the next call is given others."""
    if n <= 0:
        return (x + y) * x
    inner = lengths_found_equal(0.1 * np.where(x > -9.0, y, 1.3), 0.1 * x, n - 1)
    for _ in range(2):
        inner = lengths_found_equal(y + 0.7, np.sin(inner), n - 1)
    return inner * y


EXAMPLES: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (power, (1.2, 4)),
    (power, (1.2, 0)),
    (fibonacci, (0.6, 6)),
    (pairwise, (V,)),
    (lambda x: np.sum(butterflies(x) ** 2), (V[:4],)),
    (lambda x, n: np.sum(smoothed(x, n)), (V, 2)),
    (lambda x, y, n: swapped(x, y, n)[0] + 2 * swapped(x, y, n)[1], (0.4, 0.7, 3)),
    (lambda x, y, n: swapped(x, y, n)[1], (0.4, 0.7, 3)),
    (lambda x, v, n: np.sum(moved({"x": x, "v": v}, n)["x"]), (V, V[::-1] * 0.3, 4)),
    (lambda x, n: np.sum(same_twice(x, n)[0] * same_twice(x, n)[1]), (V, 3)),
    (lambda x, n: np.sum(writes_its_own(x, n)), (V, 3)),
    (branches_in_a_loop, (0.4, 3)),
    (branches_in_a_while, (0.4, 3)),
    (leaves_a_loop, (0.43,)),
    (lambda x, n: np.sum(selected(x, n)), (V, 3)),
    (lambda c, n: bisection(lambda t: t * t - c, 0.0, 2.0, n), (1.3, 5)),
    (accumulated, (1.3, 5)),
    (remainder, (2.35, 0.9)),
    (nested_calls, (88.3, 1.0)),
    (lambda x, n: by_keyword(x, n=n), (1.1, 3)),
    (lambda x, y, n: variadic(x, y, n=n), (1.1, 0.3, 3)),
    (guarded, (1.1, 3)),
    (reads_a_global, (1.1, 3)),
    (even_turn, (0.8, 5)),
    (MODEL.run, (0.3, 3)),
    (lambda x, n: MODEL.run(x, n), (0.3, 3)),
    (in_a_loop, (1.2, 4)),
    (carried_by_a_loop, (1.2, 3)),
    (in_a_branch_of_a_loop, (1.2, 3, V)),
    (closure_in_a_loop, (V, 2.0, 3)),
    (two_recursions_nested, (1.1, 3, 2)),
    (argument_overwritten_later, (V, 3)),
    (view_overwritten_later, (V, 2)),
    (result_overwritten_later, (V, 3)),
    (number_updated_later, (V, 3)),
    (lambda x, y, n: np.sum(lengths_found_equal(x, y, n)), (V, V[::-1] * 0.3, 2)),
]


@pytest.mark.parametrize(("f", "args"), EXAMPLES)
def test_gradient(f, args):
    reals = [i for i, arg in enumerate(args) if not isinstance(arg, int)]
    assert_gradient_matches_finite_differences(f, args, argnums=reals)


def test_recursion_becomes_a_function_with_a_pullback():
    expected = '''
def power_grad(x, n):
    """Gradient of power with respect to x."""

    def power(x, n):
        equal = n == 0
        if equal:
            chosen = 1.0
        else:
            result, pullback_1 = power(x, n - 1)
            chosen = x * result

        def pullback(result_bar):
            # d(if n == 0:)
            if equal:
                x_bar = 0.0
            else:
                # d(return x * power(x, n - 1))
                x_bar_1 = pullback_1(result_bar * x)
                x_bar = result_bar * result + x_bar_1
            return x_bar

        return chosen, pullback
'''
    function = grad(power)
    function(1.5, 3)
    assert expected in function.source


def test_what_is_not_active_has_no_pullback():
    def f(x, n):
        return x * power(2.0, n)

    function = grad(f)
    assert function(3.0, 4) == 16.0
    assert "pullback" not in function.source


def test_a_pullback_of_a_recursion_may_be_called_again():
    _, pullback = vjp(fibonacci, 0.6, 6, argnums=0)
    assert pullback(1.0) == pullback(1.0)


def test_one_derivative_serves_every_depth():
    function = value_and_grad(power)
    for n in range(5):
        value, gradient = function(1.3, n)
        assert value == pytest.approx(1.3**n, rel=1e-14)
        assert gradient == pytest.approx(n * 1.3 ** (n - 1), rel=1e-14)


def test_a_check_inside_of_a_recursion_is_kept():
    with pytest.raises(ValueError, match="negative"):
        grad(guarded)(1.1, -1)


def test_a_recursion_too_deep_for_python_says_so():
    with pytest.raises(RecursionError):
        grad(power)(1.0, 10**6)


REFUSED = [
    Refused(
        "write into both halves of an array",
        """
        def merge(a, b, n):
            if n > 0:
                a[0] += b[0] * a[1]
                merge(b, a, n - 1)

        def f(x, n):
            y = 2 * x
            merge(y[:2], y[1:], n)
            ^^^^^^^^^^^^^^^^^^^^^^
            return np.sum(y)
        """,
        (V, 3),
        "`merge` calls itself, writes into an array, and may be given it twice",
        "write into a copy: `.copy()`",
    ),
    Refused(
        "no end",
        """
        def f(x, n):
            return f(x, n - 1) * x
                   ^^^^^^^^^^^
        """,
        (1.5, 3),
        "this recursion does not end while compiling: what ends it is known at run time only",
        "rewrite it without recursion",
    ),
    Refused(
        "a list that grows",
        """
        def f(x, n, parts=()):
            if n == 0:
                return sum(parts)
            return f(x * 2, n - 1, (*parts, x))
                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        """,
        (1.5, 3),
        "`f` calls itself with arguments of another structure: it has 0 items first, and 1 in another call",
        "give every call arguments of one structure",
    ),
    Refused(
        "a number that becomes an array",
        """
        def f(x, n, total=0.0):
            if n == 0:
                return np.sum(total)
            return f(x, n - 1, total + x * x * n)
                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        """,
        (V, 3),
        "`f` calls itself with arguments of another kind: it is a number first, and an array of rank 1 "
        "in another call",
        "give every call arguments of one kind",
    ),
    Refused(
        "two recursions that call each other and themselves",
        """
        def f(x, n):
            def g(y, k):
                if k == 0:
                    return y
                return h(y * y, k - 1) + g(y * 0.5, k - 1)

            def h(y, k):
                if k == 0:
                    return y
                return g(y * 1.1, k - 1) * h(y * 0.9, k - 1)
                       ^^^^^^^^^^^^^^^^^

            return g(x, n)
        """,
        (1.5, 3),
        "`g` is called by a function inside of it that calls itself, too",
        "let one of the two functions call itself only",
    ),
]


@pytest.mark.parametrize("refused", REFUSED, ids=[refused.name for refused in REFUSED])
def test_refused(refused, tmp_path):
    assert_refused(refused, tmp_path)


def test_the_source_of_a_recursive_derivative_is_not_differentiated_again():
    function = grad(power)
    function(1.5, 3)
    again = function_from_source(function.source)
    with pytest.raises(Exception, match="calls itself, and returns a function"):
        grad(again)(1.5, 3)


def test_two_closures_of_one_text_are_two_functions():
    def scaled(factor, function):
        def wrapper(x):
            return factor * function(x)

        return wrapper

    assert grad(scaled(2.0, scaled(3.0, math.sin)))(0.0) == 6.0
