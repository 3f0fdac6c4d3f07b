"""Kinks, ties and strong zeros: gradients that must come out exactly, where formulas give NaN.

Strong zeros: what a selection leaves out contributes exactly 0, even where its partial is
infinite or not a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from ad_compiler import grad, value_and_grad, vjp
from tests.helpers import function_from_expression, function_from_source, snapshot

inf, nan = np.inf, np.nan
ARRAY = np.array

# Expression of x, x, the gradient with respect to x.
UNSELECTED_IS_ZERO: list[tuple[str, Any, Any]] = [
    ("np.where(x > 0, np.log(x), 0.0).sum()", ARRAY([0.0, 1.0, 2.0]), ARRAY([0.0, 1.0, 0.5])),
    ("np.sum(np.where(x > 0, x * np.log(x), 0))", ARRAY([0.0, 1.0]), ARRAY([0.0, 1.0])),
    ("np.where(x > 0, np.sqrt(x), 0.0).sum()", ARRAY([0.0, 4.0]), ARRAY([0.0, 0.25])),
    ("np.where(x > -1, x * np.sqrt(x), 0.0).sum()", ARRAY([0.0, 4.0]), ARRAY([0.0, 3.0])),
    ("np.where(x != 0, x * np.sqrt(x), 0.0).sum()", ARRAY([0.0, 4.0]), ARRAY([0.0, 3.0])),
    ("np.where(x > 0, np.sqrt(x), x).sum()", ARRAY([-1.0, 4.0]), ARRAY([1.0, 0.25])),
    ("np.where(x != 0, 1 / x, 0.0).sum()", ARRAY([0.0, 2.0]), ARRAY([0.0, -0.25])),
    ("np.where(x == 0, 1.0, np.sin(x) / x).sum()", ARRAY([0.0]), ARRAY([0.0])),
    ("np.where(x < 1, np.exp(x), 0.0).sum()", ARRAY([1000.0, 0.0]), ARRAY([0.0, 1.0])),
    ("np.where(x < 1, np.exp(x * x), 0.0).sum()", ARRAY([1000.0, 0.0]), ARRAY([0.0, 0.0])),
    ("np.where(x < 1, np.arccos(x), 0.0).sum()", ARRAY([1.0, 0.0]), ARRAY([0.0, -1.0])),
    ("np.where(x > 0, x ** 0.5, 0.0).sum()", ARRAY([0.0, 4.0]), ARRAY([0.0, 0.25])),
    ("np.where(x > 0, x ** -1.0, 0.0).sum()", ARRAY([0.0, 2.0]), ARRAY([0.0, -0.25])),
    ("np.where(x > 0, np.log(x) ** 2, 0.0).sum()", ARRAY([0.0, 1.0]), ARRAY([0.0, 0.0])),
    ("np.where(x > 0, 3.0 * np.log(2.0 * x), 0.0).sum()", ARRAY([0.0, 1.0]), ARRAY([0.0, 3.0])),
    ("np.where(x > 0, np.log(np.where(x > 0, x, 1)), 0).sum()", ARRAY([0.0, 2.0]), ARRAY([0, 0.5])),
    (
        "np.where(x > 0, 0.0, x).sum() + np.where(x > 0, np.log(x), 0).sum()",
        ARRAY([0.0]),
        ARRAY([1]),
    ),
    ("np.where(x > 0, np.log(x), 0.0)", 0.0, 0.0),
    ("np.log(x) if x > 0 else 0.0", 0.0, 0.0),
    ("np.log(x)[x > 0].sum()", ARRAY([0.0, 1.0, 2.0]), ARRAY([0.0, 1.0, 0.5])),
    ("np.log(x)[x > 0].mean()", ARRAY([0.0, 1.0, 2.0]), ARRAY([0.0, 0.5, 0.25])),
    ("(x * np.log(x))[x > 0].sum()", ARRAY([0.0, 1.0]), ARRAY([0.0, 1.0])),
    ("np.log(x)[1:].sum()", ARRAY([0.0, 1.0, 2.0]), ARRAY([0.0, 1.0, 0.5])),
    ("np.log(x)[::-2].sum()", ARRAY([1.0, 0.0, 2.0]), ARRAY([1.0, 0.0, 0.5])),
    ("np.log(x)[-1]", ARRAY([0.0, 2.0]), ARRAY([0.0, 0.5])),
    ("np.log(x)[[1, 1]].sum()", ARRAY([0.0, 2.0]), ARRAY([0.0, 1.0])),
    ("np.take(np.log(x), [1, 1]).sum()", ARRAY([0.0, 2.0]), ARRAY([0.0, 1.0])),
    ("np.sqrt(x)[1:, 1].sum()", ARRAY([[0.0, 0.0], [0.0, 4.0]]), ARRAY([[0.0, 0.0], [0.0, 0.25]])),
    ("np.split(np.log(x), [1])[1].sum()", ARRAY([0.0, 1.0]), ARRAY([0.0, 1.0])),
    ("(1 / x)[x != 0].sum()", ARRAY([0.0, 2.0]), ARRAY([0.0, -0.25])),
    ("np.log(x).reshape(2, 2)[1].sum()", ARRAY([0.0, 0, 1, 2]), ARRAY([0.0, 0.0, 1.0, 0.5])),
    ("np.maximum(0, np.log(x)).sum()", ARRAY([0.0, 2.0]), ARRAY([0.0, 0.5])),
    ("np.maximum(np.log(x), -1.0).sum()", ARRAY([0.0, 2.0]), ARRAY([0.0, 0.5])),
    ("np.fmax(0, np.log(x)).sum()", ARRAY([0.0, 2.0]), ARRAY([0.0, 0.5])),
    ("np.minimum(np.exp(x), 1.0).sum()", ARRAY([1000.0, -1000.0]), ARRAY([0.0, 0.0])),
    ("np.minimum(1 / x, 1.0).sum()", ARRAY([0.0, 2.0]), ARRAY([0.0, -0.25])),
    ("np.clip(np.log(x), -1.0, 1.0).sum()", ARRAY([0.0, 1.0, 9.0]), ARRAY([0.0, 1.0, 0.0])),
    ("np.clip(np.exp(x), 0.0, 5.0).sum()", ARRAY([1000.0, 0.0]), ARRAY([0.0, 1.0])),
    ("np.max(np.log(x))", ARRAY([0.0, 1.0, 2.0]), ARRAY([0.0, 0.0, 0.5])),
    ("np.min(1 / x)", ARRAY([0.0, 2.0]), ARRAY([0.0, -0.25])),
    (
        "np.max(np.sqrt(x), axis=0).sum()",
        ARRAY([[0.0, 4.0], [1.0, 0.0]]),
        ARRAY([[0, 0.25], [0.5, 0]]),
    ),
    ("np.log(np.maximum(x, 1.0)).sum()", ARRAY([0.0, 2.0]), ARRAY([0.0, 0.5])),
    ("np.nan_to_num(np.log(x), neginf=0.0).sum()", ARRAY([0.0, 2.0]), ARRAY([0.0, 0.5])),
]

TIES_AND_KINKS: list[tuple[str, Any, Any]] = [
    ("np.max(x)", ARRAY([1.0, 3.0, 3.0]), ARRAY([0.0, 0.5, 0.5])),
    ("x.min()", ARRAY([1.0, 1.0, 1.0, 1.0]), ARRAY([0.25, 0.25, 0.25, 0.25])),
    ("np.max(x, axis=0).sum()", ARRAY([[1.0, 2.0], [1.0, 3.0]]), ARRAY([[0.5, 0.0], [0.5, 1.0]])),
    ("np.min(x, axis=1, keepdims=True).sum()", ARRAY([[1.0, 1.0, 4.0]]), ARRAY([[0.5, 0.5, 0.0]])),
    ("np.max(x, axis=(0, 1))", ARRAY([[1.0, 2.0], [2.0, 1.0]]), ARRAY([[0.0, 0.5], [0.5, 0.0]])),
    ("np.maximum(x, 0).sum()", ARRAY([-1.0, 0.0, 1.0]), ARRAY([0.0, 0.5, 1.0])),
    ("np.maximum(x, x).sum()", ARRAY([-1.0, 0.0, 1.0]), ARRAY([1.0, 1.0, 1.0])),
    ("np.minimum(x[1:], x[:-1]).sum()", ARRAY([2.0, 2.0, 1.0]), ARRAY([0.5, 0.5, 1.0])),
    ("np.clip(x, -1.0, 1.0).sum()", ARRAY([-2.0, -1.0, 0.0, 1.0, 2.0]), ARRAY([0, 0.5, 1, 0.5, 0])),
    ("np.where(x >= 0, x, 0.0).sum()", ARRAY([-1.0, 0.0, 1.0]), ARRAY([0.0, 1.0, 1.0])),
    ("np.where(x > 0, x, 0.0).sum()", ARRAY([-1.0, 0.0, 1.0]), ARRAY([0.0, 0.0, 1.0])),
    ("np.abs(x).sum()", ARRAY([-2.0, 0.0, -0.0, 3.0]), ARRAY([-1.0, 0.0, 0.0, 1.0])),
    ("np.linalg.norm(x)", ARRAY([0.0, 0.0, 0.0]), ARRAY([0.0, 0.0, 0.0])),
    ("np.linalg.norm(x)", ARRAY([3.0, 0.0, -4.0]), ARRAY([0.6, 0.0, -0.8])),
    (
        "np.linalg.norm(x, axis=1).sum()",
        ARRAY([[0.0, 0.0], [3.0, 4.0]]),
        ARRAY([[0, 0], [0.6, 0.8]]),
    ),
    ("np.sqrt(np.sum(x * x))", ARRAY([0.0, 0.0]), ARRAY([0.0, 0.0])),
    ("np.sqrt(np.sum(x ** 2))", ARRAY([1e-200, 0.0]), ARRAY([0.0, 0.0])),
    ("np.sqrt(np.square(x).sum())", ARRAY([3.0, -4.0]), ARRAY([0.6, -0.8])),
    ("np.sqrt(x @ x)", ARRAY([0.0, 0.0]), ARRAY([0.0, 0.0])),
    ("np.hypot(x[0], x[1])", ARRAY([3e-200, 4e-200]), ARRAY([0.6, 0.8])),
    ("np.linalg.norm(x, 1)", ARRAY([-2.0, 0.0]), ARRAY([-1.0, 0.0])),
    ("np.linalg.norm(x, np.inf)", ARRAY([-2.0, 2.0]), ARRAY([-0.5, 0.5])),
    ("np.linalg.norm(x, 3)", ARRAY([0.0, 0.0]), ARRAY([0.0, 0.0])),
    ("np.median(x)", ARRAY([1.0, 1.0, 5.0]), ARRAY([0.0, 1.0, 0.0])),
    ("np.nansum(x) + np.nanmax(x)", ARRAY([nan, 1.0, 2.0]), ARRAY([0.0, 1.0, 2.0])),
    (
        "np.nan_to_num(np.array([np.nan, np.inf, 2.0]), nan=x[0], posinf=x[1]).sum()",
        ARRAY([5.0, 6.0]),
        ARRAY([1, 1]),
    ),
    ("np.nanvar(x)", ARRAY([nan, 1.0, 3.0]), ARRAY([0.0, -1.0, 1.0])),
    ("np.nanstd(x)", ARRAY([nan, 2.0, 2.0]), ARRAY([0.0, 0.0, 0.0])),
    ("np.interp(x, [0.0, 1.0], [0.0, 2.0]).sum()", ARRAY([-1.0, 0.5, 2.0]), ARRAY([0.0, 2.0, 0.0])),
    ("np.cumprod(x).sum()", ARRAY([2.0, 0.0, 3.0, 0.0]), ARRAY([1.0, 8.0, 0.0, 0.0])),
    ("np.std(x)", ARRAY([2.0, 2.0, 2.0]), ARRAY([0.0, 0.0, 0.0])),
    ("np.var(x)", ARRAY([2.0, 2.0]), ARRAY([0.0, 0.0])),
    ("(x ** 2).sum()", ARRAY([0.0, -1.0]), ARRAY([0.0, -2.0])),
    ("(x ** 0).sum()", ARRAY([0.0, -1.0]), ARRAY([0.0, 0.0])),
    ("(x ** np.array([0.0, 1.0, 2.0])).sum()", ARRAY([0.0, 0.0, 0.0]), ARRAY([0.0, 1.0, 0.0])),
    ("(0.0 ** x).sum()", ARRAY([2.0, 0.5]), ARRAY([0.0, 0.0])),
]

PRODUCTS_WITH_ZEROS: list[tuple[str, Any, Any]] = [
    ("np.prod(x)", ARRAY([2.0, 0.0, 3.0]), ARRAY([0.0, 6.0, 0.0])),
    ("x.prod()", ARRAY([0.0, 0.0, 3.0]), ARRAY([0.0, 0.0, 0.0])),
    ("np.prod(x)", ARRAY([0.0]), ARRAY([1.0])),
    ("np.prod(x)", ARRAY([0.0, 0.0]), ARRAY([0.0, 0.0])),
    ("np.prod(x)", ARRAY([0.0, 5.0]), ARRAY([5.0, 0.0])),
    ("np.prod(x, axis=0).sum()", ARRAY([[0.0, 2.0], [3.0, 4.0]]), ARRAY([[3.0, 4.0], [0.0, 2.0]])),
    ("np.prod(x, axis=1).sum()", ARRAY([[0.0, 2.0], [0.0, 0.0]]), ARRAY([[2.0, 0.0], [0.0, 0.0]])),
    ("x.prod(axis=-1, keepdims=True).sum()", ARRAY([[0.0, 2.0, 5.0]]), ARRAY([[10.0, 0.0, 0.0]])),
    ("np.prod(x, axis=(0, 1))", ARRAY([[0.0, 2.0], [3.0, 4.0]]), ARRAY([[24.0, 0.0], [0.0, 0.0]])),
]

REPEATED_READS: list[tuple[str, Any, Any]] = [
    ("x[[1, 1, 1]].sum()", np.zeros(3), ARRAY([0.0, 3.0, 0.0])),
    ("x[[-1, 2, 0]].sum()", np.zeros(3), ARRAY([1.0, 0.0, 2.0])),
    ("x[[0, 0], [1, 1]].sum()", np.zeros((2, 2)), ARRAY([[0.0, 2.0], [0.0, 0.0]])),
    ("np.take(x, [1, 1], axis=1).sum()", np.zeros((2, 2)), ARRAY([[0.0, 2.0], [0.0, 2.0]])),
    ("x[1] + x[1] + x[1:].sum()", np.zeros(3), ARRAY([0.0, 3.0, 1.0])),
    ("x[[True, False]].sum()", np.zeros((2, 2)), ARRAY([[1.0, 1.0], [0.0, 0.0]])),
    ("np.einsum('ii', x)", np.zeros((2, 2)), np.eye(2)),
]

EXTREMES: list[tuple[str, Any, Any]] = [
    ("np.sum(1 / (1 + np.exp(-x)))", ARRAY([-1000.0, 0.0, 1000.0]), ARRAY([0.0, 0.25, 0.0])),
    ("np.sum(np.tanh(x) ** 2)", ARRAY([-1e300, 0.0, 1e300]), ARRAY([0.0, 0.0, 0.0])),
    ("np.logaddexp(x[0], x[1])", ARRAY([1e5, -1e5]), ARRAY([1.0, 0.0])),
    ("np.logaddexp(0, -x).sum()", ARRAY([-1e5, 0.0, 1e5]), ARRAY([-1.0, -0.5, 0.0])),
    ("np.sum(np.exp(-x * x))", ARRAY([1e5, 0.0]), ARRAY([0.0, 0.0])),
    ("np.max(x) + np.log(np.sum(np.exp(x - np.max(x))))", ARRAY([1e5, -1e5]), ARRAY([1.0, 0.0])),
]

EVERY_ROW = [
    pytest.param(expression, point, gradient, id=f"{expression} at {np.array2string(ARRAY(point))}")
    for row in (UNSELECTED_IS_ZERO + TIES_AND_KINKS + PRODUCTS_WITH_ZEROS + REPEATED_READS + EXTREMES)
    for expression, point, gradient in [row]
]


@pytest.mark.parametrize(("expression", "point", "expected"), EVERY_ROW)
def test_gradient(expression: str, point: Any, expected: Any) -> None:
    """The stated gradient; its zeros are zeros exactly; the argument is left alone."""
    before = snapshot([point])
    f = function_from_expression(expression)
    with np.errstate(all="ignore"):
        value, gradient = value_and_grad(f)(point)
        plain = f(point)
    np.testing.assert_allclose(value, plain, rtol=1e-14)
    assert np.shape(gradient) == np.shape(point)
    np.testing.assert_allclose(gradient, expected, rtol=1e-12, atol=0)
    assert snapshot([point]) == before


@pytest.mark.parametrize(("argnum", "expected"), [(0, [0.0, 1.0]), (1, [3.0, 0.0])])
def test_unselected_argument_of_where_gets_nothing(argnum: int, expected: Sequence[float]) -> None:
    """Both choices carry derivatives, and each is infinite where the other is taken."""
    f = function_from_expression("np.where(c, np.log(x), np.log(y) * 3).sum()", c=ARRAY([False, True]))
    with np.errstate(all="ignore"):
        gradient = grad(f, argnum)(ARRAY([0.0, 1.0]), ARRAY([1.0, 0.0]))
    np.testing.assert_array_equal(gradient, expected)


@pytest.mark.parametrize("operation", ["np.sqrt(x)", "x ** 0.5", "np.linalg.norm(x, axis=1)"])
def test_root_under_a_zero_cotangent(operation: str) -> None:
    """A root of 0 that nothing depends on contributes 0: 0 times infinity is not NaN here."""
    f = function_from_expression(operation)
    x = ARRAY([[0.0], [4.0]])
    value, pullback = vjp(f, x)
    slope = 1.0 if "norm" in operation else 0.25
    with np.errstate(all="ignore"):
        (gradient,) = pullback(np.reshape(ARRAY([0.0, 1.0]), np.shape(value)))
    np.testing.assert_array_equal(gradient, [[0.0], [slope]])


def test_root_of_a_scalar_under_a_zero_cotangent() -> None:
    f = function_from_expression("0.0 * np.sqrt(x) + x")
    with np.errstate(all="ignore"):
        assert grad(f)(0.0) == 1.0


@pytest.mark.parametrize("function", ["np.maximum", "np.fmax"])
def test_ties_between_broadcast_arguments(function: str) -> None:
    """Each tied pair gives one half to either side, summed over the broadcast axis."""
    f = function_from_expression(f"{function}(x, y).sum()")
    x_bar, y_bar = grad(f, argnums=(0, 1))(ARRAY([[1.0], [2.0]]), ARRAY([1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(x_bar, [[0.5], [1.5]])
    np.testing.assert_array_equal(y_bar, [0.5, 1.5, 2.0])


@pytest.mark.parametrize("branch", [0.0, -1.0, 2.0])
def test_branch_not_taken_is_not_differentiated(branch: float) -> None:
    text = """
        def f(x):
            if x > 0:
                y = np.log(x)
            else:
                y = 3 * x
            return y * y
    """
    expected = 2 * np.log(branch) / branch if branch > 0 else 18 * branch
    np.testing.assert_allclose(grad(function_from_source(text))(branch), expected, rtol=1e-14)
