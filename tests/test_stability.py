"""Formulas as users write them: where the mathematics has a finite derivative, the gradient has it.

First and second derivatives, in both modes, at the points where the chain rule taken literally gives NaN:
overflow that saturates, kinks of norms, zeros of products, what `where` and masks leave out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ad_compiler import grad, hessian, jacfwd, jvp, value_and_grad
from tests.helpers import function_from_expression

inf, nan = np.inf, np.nan
ARRAY = np.array
LARGE = ARRAY([-800.0, 0.0, 800.0])
ZEROS = np.zeros(2)

# Expression of x, x, the gradient, and the diagonal of the Hessian, or all of it.
SATURATION: list[tuple[str, Any, Any, Any]] = [
    ("np.sum(1 / (1 + np.exp(-x)))", LARGE, [0, 0.25, 0], [0, 0, 0]),
    ("np.sum(3 / (1 + np.exp(-x)))", LARGE, [0, 0.75, 0], [0, 0, 0]),
    ("np.sum(1 / (1 + np.exp(-2 * x)))", LARGE, [0, 0.5, 0], [0, 0, 0]),
    ("np.sum(1 / (1 + np.exp(-x)) ** 2)", LARGE, [0, 0.25, 0], [0, 0.125, 0]),
    ("np.sum((1 + np.exp(-x)) ** -0.5)", LARGE, [0, 0.25 / 2**0.5, 0], [0, -1 / (16 * 2**0.5), 0]),
    ("np.sum(x * x / (1 + np.exp(-x)))", LARGE, [0, 0, 1600], None),
    ("np.sum(2 / (1 + np.exp(-2 * x)) - 1)", LARGE, [0, 1, 0], [0, 0, 0]),
    ("np.sum(1 / np.cosh(x))", LARGE, [0, 0, 0], [0, -1, 0]),
    ("np.sum(1 / np.cosh(x) ** 2)", LARGE, [0, 0, 0], [0, -2, 0]),
    ("np.sum(1 / (np.exp(x) + np.exp(-x)))", LARGE, [0, 0, 0], [0, -0.5, 0]),
    ("np.sum(np.arctan(np.exp(x)))", LARGE, [0, 0.5, 0], [0, 0, 0]),
    ("np.sum(np.tanh(np.exp(x)))", LARGE, [0, 1 / np.cosh(1) ** 2, 0], None),
    ("np.sum(np.exp(-np.exp(x)))", LARGE, [0, -np.exp(-1), 0], [0, 0, 0]),
    ("np.sum(1 - np.exp(-np.exp(-x)))", LARGE, [0, -np.exp(-1), 0], [0, 0, 0]),
    ("np.sum(np.log(np.cosh(x)))", ARRAY([-700.0, 0.0, 700.0]), [-1, 0, 1], [0, 1, 0]),
    ("np.sum(-np.log(1 / (1 + np.exp(-x))))", ARRAY([-700.0, 0.0, 800.0]), [-1, -0.5, 0], [0, 0.25, 0]),
    ("np.sum(np.log(1 + np.exp(x)))", ARRAY([-800.0, 0.0, 700.0]), [0, 0.5, 1], [0, 0.25, 0]),
    ("np.sum(np.log1p(np.exp(-x)))", ARRAY([-700.0, 0.0, 800.0]), [-1, -0.5, 0], [0, 0.25, 0]),
    ("np.sum(np.logaddexp(0, x))", LARGE, [0, 0.5, 1], [0, 0.25, 0]),
    ("np.sum(np.exp(-x ** 2))", ARRAY([1e5, 0.0]), [0, 0], [0, -2]),
    ("np.sum(x / np.sqrt(1 + x ** 2))", ARRAY([-1e200, 0.0, 1e100]), [0, 1, 0], [0, 0, 0]),
]

NORMALISED: list[tuple[str, Any, Any, Any]] = [
    (
        "np.log(np.sum(np.exp(x - np.max(x)))) + np.max(x)",
        ARRAY([1000.0, 0.0, 1000.0]),
        [0.5, 0.0, 0.5],
        [[0.25, 0, -0.25], [0, 0, 0], [-0.25, 0, 0.25]],
    ),
    ("np.log(np.sum(np.exp(x)))", ARRAY([700.0, 700.0]), [0.5, 0.5], [[0.25, -0.25], [-0.25, 0.25]]),
    ("(np.exp(x) / np.sum(np.exp(x)))[0]", ARRAY([-800.0, 1.0]), [0, 0], [0, 0]),
    (
        "-np.log(np.exp(x - np.max(x)) / np.sum(np.exp(x - np.max(x))))[0]",
        ARRAY([1000.0, 1000.0]),
        [-0.5, 0.5],
        [[0.25, -0.25], [-0.25, 0.25]],
    ),
    ("np.logaddexp(x[0], x[1])", ARRAY([-inf, 0.0]), [0, 1], [0, 0]),
]

NORMS: list[tuple[str, Any, Any, Any]] = [
    ("np.linalg.norm(x)", ZEROS, [0, 0], None),
    ("np.sqrt(np.sum(x ** 2))", ZEROS, [0, 0], None),
    ("np.sqrt(x[0] ** 2 + x[1] ** 2)", ZEROS, [0, 0], None),
    ("np.sum(np.sqrt(x ** 2))", ZEROS, [0, 0], None),
    ("np.sum(x * x) ** 0.5", ZEROS, [0, 0], None),
    ("np.sum(np.sqrt(np.sum(np.outer(x, x) ** 2, axis=1)))", ZEROS, [0, 0], None),
    ("np.sqrt(np.mean((x - np.mean(x)) ** 2))", ARRAY([2.0, 2.0]), [0, 0], None),
    ("np.sqrt(np.var(x))", ARRAY([2.0, 2.0]), [0, 0], None),
    ("np.sqrt(np.sum(x ** 2) / len(x))", ARRAY([3.0, 4.0]), [0.3 * 2**0.5, 0.4 * 2**0.5], None),
    ("np.std(x) + np.hypot(x[0], x[1])", ZEROS, [0, 0], None),
    # Squares of norms are smooth at 0, and have their second derivatives.
    ("np.linalg.norm(x) ** 2", ZEROS, [0, 0], [2, 2]),
    ("np.linalg.norm(x) * np.linalg.norm(x)", ZEROS, [0, 0], [2, 2]),
    ("np.sum(np.linalg.norm(x[:, None] * 3.0, axis=1) ** 2)", ZEROS, [0, 0], [18, 18]),
    ("np.square(np.sqrt(x @ x))", ZEROS, [0, 0], [2, 2]),
    ("np.sqrt(x[0] ** 2 + 3 * x[1] ** 2) ** 2", ZEROS, [0, 0], [2, 6]),
    ("np.std(x) ** 2", ARRAY([2.0, 2.0]), [0, 0], [[0.5, -0.5], [-0.5, 0.5]]),
    ("np.hypot(x[0], x[1]) ** 2", ZEROS, [0, 0], [2, 2]),
    ("np.sum(np.abs(x) ** 2)", ZEROS, [0, 0], [2, 2]),
    ("np.sum(np.abs(x + 2j * x) ** 2)", ZEROS, [0, 0], [10, 10]),
    ("np.linalg.norm(x + 2j * x) ** 2", ZEROS, [0, 0], [10, 10]),
    ("np.var(x)", ARRAY([2.0, 2.0]), [0, 0], [[0.5, -0.5], [-0.5, 0.5]]),
]

POWERS: list[tuple[str, Any, Any, Any]] = [
    ("np.sum(x ** 2)", ARRAY([0.0, -3.0]), [0, -6], [2, 2]),
    ("np.sum(x ** 2.0)", ARRAY([0.0, -3.0]), [0, -6], [2, 2]),
    ("np.sum(np.power(x, 3))", ARRAY([0.0, -2.0]), [0, 12], [0, -12]),
    ("np.sum(np.power(x, -2))", ARRAY([-2.0, 0.5]), [0.25, -16], [0.375, 96]),
    ("np.sum(x ** 1)", ARRAY([0.0, -2.0]), [1, 1], [0, 0]),
    ("x[0] ** x[1]", ARRAY([0.0, 2.0]), [0, 0], None),
    ("x[0] ** 2 * x[1] ** 0", ZEROS, [0, 0], [2, 0]),
    ("np.sum(np.sqrt(x) * 0.0 + x)", ARRAY([0.0, 1.0]), [1, 1], [0, 0]),
]

PRODUCTS: list[tuple[str, Any, Any, Any]] = [
    ("np.prod(x)", ARRAY([0.0, 2.0, 3.0]), [6, 0, 0], [[0, 3, 2], [3, 0, 0], [2, 0, 0]]),
    ("np.prod(x)", ARRAY([0.0, 0.0, 3.0]), [0, 0, 0], [[0, 3, 0], [3, 0, 0], [0, 0, 0]]),
    ("np.prod(x)", np.zeros(3), [0, 0, 0], np.zeros((3, 3))),
    ("np.sum(np.prod(x * np.ones((2, 1)), axis=1))", ARRAY([0.0, 5.0]), [10, 0], [[0, 2], [2, 0]]),
    (
        "np.sum(np.cumprod(x))",
        ARRAY([2.0, 0.0, 3.0, 0.0]),
        [1, 8, 0, 0],
        [[0, 4, 0, 0], [4, 0, 2, 6], [0, 2, 0, 0], [0, 6, 0, 0]],
    ),
    ("np.cumprod(x)[2]", ARRAY([0.0, 0.0, 3.0]), [0, 0, 0], [[0, 3, 0], [3, 0, 0], [0, 0, 0]]),
]

SELECTED: list[tuple[str, Any, Any, Any]] = [
    ("np.sum(np.where(x > 0, x * np.log(x), 0))", ARRAY([0.0, 1.0]), [0, 1], [0, 1]),
    ("np.sum(np.where(x != 0, np.sin(x) / x, 1))", ARRAY([0.0, np.pi]), [0, -1 / np.pi], [0, 2 / np.pi**2]),
    ("np.sum(np.where(x > 0, np.log(x), 0))", ARRAY([0.0, -1.0, 1.0]), [0, 0, 1], [0, 0, -1]),
    ("np.sum(np.where(x != 0, 1 / x, 0))", ARRAY([0.0, 2.0]), [0, -0.25], [0, 0.25]),
    ("np.sum(np.where(x > 0, np.exp(-1 / x), 0))", ARRAY([0.0, 1e-4]), [0, 0], [0, 0]),
    ("np.sum(np.where(np.abs(x) < 1, np.arcsin(x), 0))", ARRAY([1.0, 0.0, 2.0]), [0, 1, 0], [0, 0, 0]),
    ("np.where(np.linalg.norm(x) > 0, x / np.linalg.norm(x), 0.0)[0]", ZEROS, [0, 0], [0, 0]),
    ("np.sum(np.sqrt(x) * (x > 0))", ARRAY([0.0, 1.0]), [0, 0.5], [0, -0.25]),
    ("np.sum(x * (x > 0))", ARRAY([-inf, 1.0]), [0, 1], [0, 0]),
    ("np.sum((x / x)[x != 0])", ARRAY([0.0, 2.0]), [0, 0], [0, 0]),
    ("np.sum(np.sqrt(np.maximum(x, 1e-12)))", ARRAY([0.0, 4.0]), [0, 0.25], [0, -1 / 32]),
    ("np.sum(np.log(np.maximum(x, 1e-300)))", ARRAY([0.0, 4.0]), [0, 0.25], [0, -1 / 16]),
]

ROWS = [
    pytest.param(*row, id=f"{row[0]} at {row[1]}")
    for row in SATURATION + NORMALISED + NORMS + POWERS + PRODUCTS + SELECTED
]


@pytest.mark.parametrize(("text", "x", "gradient", "second"), ROWS)
def test_derivatives(text: str, x: Any, gradient: Any, second: Any) -> None:
    f = function_from_expression(text)
    with np.errstate(all="ignore"):
        value, found = value_and_grad(f)(x)
        np.testing.assert_allclose(value, f(x), rtol=1e-14)
        np.testing.assert_allclose(found, gradient, rtol=1e-12, atol=1e-300)
        for direction in np.eye(len(x)):
            _, tangent = jvp(f, (x,), (direction,))
            np.testing.assert_allclose(tangent, found @ direction, rtol=1e-12, atol=1e-300)
        if second is not None:
            matrix = np.diag(second) if np.ndim(second) == 1 else np.asarray(second)
            for made in (hessian(f), jacfwd(jacfwd(f))):
                np.testing.assert_allclose(made(x), matrix, rtol=1e-11, atol=1e-13)


# In single precision exp overflows at 89, and squares underflow at 1e-23.
SINGLE: list[tuple[str, Any, Any]] = [
    ("np.sum(1 / (1 + np.exp(-x)))", [-100.0, 0.0, 100.0], [0, 0.25, 0]),
    ("np.sum(3 / (1 + np.exp(-x)) ** 2)", [-100.0, 0.0, 100.0], [0, 0.75, 0]),
    ("np.sum(np.logaddexp(0, x))", [-100.0, 0.0, 100.0], [0, 0.5, 1]),
    ("np.sqrt(np.sum(x ** 2))", [3e-30, 0.0], [0, 0]),
    ("np.log(np.sum(np.exp(x - np.max(x)))) + np.max(x)", [1e30, 1e30], [0.5, 0.5]),
    ("np.hypot(x[0], x[1])", [3e-30, 4e-30], [0.6, 0.8]),
    ("np.sum(np.exp(-np.exp(x)))", [100.0, -100.0], [0, 0]),
]


@pytest.mark.parametrize(("text", "x", "gradient"), SINGLE)
def test_single_precision(text: str, x: Any, gradient: Any) -> None:
    with np.errstate(all="ignore"):
        found = grad(function_from_expression(text))(np.array(x, np.float32))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, gradient, rtol=1e-5, atol=1e-40)


@pytest.mark.parametrize("text", ["3 / (1 + np.exp(-x))", "1 / (1 + np.exp(-x)) ** 2", "1 / np.cosh(x)"])
def test_numbers_that_saturate(text: str) -> None:
    """NumPy's numbers overflow to inf, where Python's raise."""
    with np.errstate(all="ignore"):
        assert grad(function_from_expression(text))(np.float64(-800.0)) == 0


NOT_A_NUMBER: list[tuple[str, Any]] = [
    ("np.max(x)", [1.0, 0.0, 0.0]),
    ("np.min(x)", [1.0, 0.0, 0.0]),
    ("np.max(x) ** 2", [nan, 0.0, 0.0]),
    ("np.ptp(x)", [0.0, 0.0, 0.0]),
    ("np.max(x[None], axis=1).sum()", [1.0, 0.0, 0.0]),
    ("np.sum(np.maximum(x, 0.0) ** 2)", [nan, 2.0, 4.0]),
    ("np.sum(np.clip(x, 0.0, 1.5) ** 2)", [nan, 2.0, 0.0]),
    ("np.sum(np.abs(x))", [nan, 1.0, 1.0]),
    ("np.median(x) ** 2", [0.0, 0.0, nan]),
    ("np.sum(np.sort(x) * np.arange(3.0))", [2.0, 0.0, 1.0]),
]


@pytest.mark.parametrize(("text", "gradient"), NOT_A_NUMBER)
def test_not_a_number(text: str, gradient: Any) -> None:
    """NaN is selected, as NumPy selects it: the derivative goes there, and is NaN as soon as it is read."""
    f = function_from_expression(text)
    x = np.array([nan, 1.0, 2.0])
    with np.errstate(all="ignore"):
        value, found = value_and_grad(f)(x)
        assert np.isnan(value)
        np.testing.assert_array_equal(found, gradient)
        _, tangent = jvp(f, (x,), (np.array([1.0, 0.5, 0.25]),))
        np.testing.assert_array_equal(tangent, found @ [1.0, 0.5, 0.25])


@pytest.mark.parametrize(
    ("text", "x"),
    [
        ("np.sum(np.exp(x) / (1 + np.exp(x)) ** 2)", [800.0]),
        ("np.sum(x / np.linalg.norm(x))", [0.0, 0.0]),
        ("np.sum(x * np.log(x))", [0.0]),
        ("np.sum(np.log(x) * (x > 0))", [0.0, 1.0]),
        ("np.log(np.sum(np.exp(x)))", [800.0, 0.0]),
        ("(np.exp(x) / np.sum(np.exp(x)))[0]", [800.0, 0.0]),
    ],
)
def test_where_the_value_is_lost_the_gradient_is_not_zero(text: str, x: Any) -> None:
    """A value that is infinite or NaN has no gradient that looks as if it were converged."""
    with np.errstate(all="ignore"):
        value, found = value_and_grad(function_from_expression(text))(np.array(x))
    assert not np.isfinite(value)
    assert not np.all(np.isfinite(found))
