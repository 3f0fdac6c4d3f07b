"""Curves of `scipy.interpolate`, made outside and inside of the program, against finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ad_compiler import grad
from tests.helpers import (
    assert_gradient_matches_finite_differences,
    directional_derivative,
    function_from_expression,
    function_from_source,
    random_direction,
)

interpolate = pytest.importorskip("scipy.interpolate")

KNOTS = np.array([0.0, 0.5, 1.3, 2.0, 3.1])
VALUES = np.array([1.0, 0.3, -0.4, 0.8, 1.1])
COLUMNS = np.stack([VALUES, VALUES**2], 1)
TABLE = np.outer(VALUES, VALUES[:3])
POINTS = np.array([0.2, 0.95, 1.9, 2.8])
OTHERS = np.array([0.1, 0.3, 0.9, 1.2])
CURVES: dict[str, Any] = {
    "cubic": interpolate.CubicSpline(KNOTS, VALUES),
    "columns": interpolate.CubicSpline(KNOTS, COLUMNS, bc_type="natural", extrapolate=False),
    "periodic": interpolate.CubicSpline(KNOTS, [*VALUES[:-1], VALUES[0]], bc_type="periodic"),
    "pchip": interpolate.PchipInterpolator(KNOTS, VALUES),
    "akima": interpolate.Akima1DInterpolator(KNOTS, VALUES),
    "spline": interpolate.make_interp_spline(KNOTS, VALUES, k=3),
    "quadratic": interpolate.make_interp_spline(KNOTS, COLUMNS, k=2),
    "line": interpolate.interp1d(KNOTS, VALUES),
    "beyond": interpolate.interp1d(KNOTS, VALUES, fill_value="extrapolate"),
    "filled": interpolate.interp1d(KNOTS, VALUES, bounds_error=False, fill_value=(2.0, 3.0)),
    "lines": interpolate.interp1d(KNOTS, COLUMNS.T),
    "grid": interpolate.RegularGridInterpolator((KNOTS, KNOTS[:3]), TABLE),
    "outside": interpolate.RegularGridInterpolator((KNOTS,), COLUMNS, bounds_error=False, fill_value=0.5),
}
NAMES = {**CURVES, "interpolate": interpolate, "knots": KNOTS}
WIDE = np.array([-1.0, 0.2, 5.0])

# Expressions of x, y and z, and these.
CASES: list[tuple[str, list[Any]]] = [
    ("cubic(x)", [POINTS]),
    ("cubic(x)", [0.7]),
    ("cubic(x)", [WIDE]),
    ("cubic(x, 1) + cubic(x, 2) + cubic(x, 3) + cubic(x, 4)", [POINTS]),
    ("cubic.derivative()(x) * cubic.derivative(2)(x)", [POINTS]),
    ("columns(x)", [POINTS]),
    ("columns(x)", [POINTS.reshape(2, 2)]),
    ("periodic(x)", [POINTS + 6.4]),
    ("pchip(x) + akima(x)", [POINTS]),
    ("spline(x)", [POINTS]),
    ("spline(x, 1) + spline(x, nu=2) + spline.derivative()(x) + spline(x, 4)", [POINTS]),
    ("quadratic(x)", [POINTS]),
    ("quadratic(x)", [0.7]),
    ("line(x)", [POINTS]),
    ("line(x)", [0.7]),
    ("beyond(x) * filled(x)", [WIDE]),
    ("lines(x)", [POINTS]),
    ("grid(np.stack([x, y], -1))", [POINTS, OTHERS]),
    ("grid((x, y))", [POINTS, OTHERS]),
    ("outside(x[:, None])", [np.array([-1.0, 0.2, 2.2])]),
    ("interpolate.CubicSpline(z, y)(x)", [POINTS, VALUES, KNOTS]),
    ('interpolate.CubicSpline(z, y, bc_type="natural")(x)', [POINTS, COLUMNS, KNOTS]),
    ('interpolate.CubicSpline(z, y, bc_type="clamped")(x, 1)', [POINTS, VALUES, KNOTS]),
    ("interpolate.PchipInterpolator(z, y)(x)", [POINTS, VALUES, KNOTS]),
    ("interpolate.PchipInterpolator(z, y)(x)", [POINTS, COLUMNS, KNOTS]),
    ("interpolate.CubicHermiteSpline(knots, y, z)(x)", [POINTS, VALUES, VALUES**2]),
    ("interpolate.BSpline(np.arange(9.0), y, 3)(x)", [POINTS + 3, VALUES]),
    ("interpolate.BSpline(np.arange(9.0), y, 3, extrapolate=False)(x, 1)", [POINTS[:3] / 2 + 3.07, VALUES]),
    ("interpolate.interp1d(knots, y)(x)", [POINTS, VALUES]),
    ('interpolate.interp1d(z, y, fill_value="extrapolate")(x)', [POINTS, VALUES, KNOTS]),
    ("interpolate.interp1d(knots, y, bounds_error=False, fill_value=0.3)(x)", [POINTS * 2, VALUES]),
    ("interpolate.interpn((knots, knots[:3]), z, np.stack([x, y], -1))", [POINTS, OTHERS, TABLE]),
    ("interpolate.RegularGridInterpolator((knots, knots[:3]), z)((x, y))", [POINTS, OTHERS, TABLE]),
]


@pytest.mark.parametrize(("expression", "args"), CASES)
def test_curve(expression: str, args: list[Any]) -> None:
    assert_gradient_matches_finite_differences(function_from_expression(expression, **NAMES), args, rtol=1e-6)


@pytest.mark.parametrize(("expression", "args"), [case for case in CASES if np.ndim(case[1][0]) == 1])
def test_second_derivative(expression: str, args: list[Any]) -> None:
    f = function_from_expression(f"0.5 * np.sum(({expression}) ** 2)", **NAMES)
    names = f.__code__.co_varnames[: len(args)]
    rng = np.random.default_rng(len(expression))
    weights = {f"w_{name}": random_direction(rng, arg) for name, arg in zip(names, args, strict=True)}
    gradient = grad(f, argnums=tuple(range(len(args))))
    terms = " + ".join(f"np.sum(g[{i}] * w_{name})" for i, name in enumerate(names))
    along = function_from_source(
        f"def along({', '.join(names)}):\n    g = gradient({', '.join(names)})\n    return {terms}\n",
        gradient=gradient,
        **weights,
    )
    for place, second in enumerate(grad(along, argnums=tuple(range(len(args))))(*args)):
        moved: list[Any] = [None] * len(args)
        moved[place] = random_direction(rng, args[place])
        expected = directional_derivative(along, args, moved)
        assert np.sum(second * moved[place]) == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_a_curve_is_read_at_every_call() -> None:
    """Another curve under the name, and other coefficients in it."""
    f = function_from_source("def f(x):\n    return curve(x)\n", curve=interpolate.CubicSpline(KNOTS, KNOTS))
    gradient = grad(f)
    assert gradient(0.7) == pytest.approx(1.0)
    f.__globals__["curve"] = interpolate.CubicSpline(KNOTS, 3 * KNOTS)
    assert gradient(0.7) == pytest.approx(3.0)
    f.__globals__["curve"].c *= 2
    assert gradient(0.7) == pytest.approx(6.0)
    f.__globals__["curve"] = interpolate.PPoly(np.array([[1.0], [0.0], [0.0]]), np.array([0.0, 1.0]))
    assert gradient(0.7) == pytest.approx(1.4)


def test_points_outside() -> None:
    """What SciPy raises for is not computed."""
    for text in ("line(x)", "grid((x, 0.3))"):
        with pytest.raises(AssertionError, match="lies outside"):
            grad(function_from_expression(text, **NAMES))(9.0)
    f = function_from_expression("np.sum(columns(x))", **NAMES)
    assert np.isnan(f(9.0)) and grad(f)(9.0) == 0.0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("interpolate.interp1d(knots, knots, kind='cubic')(x)", "has no rule"),
        ("interpolate.CubicSpline(knots, knots, bc_type='periodic')(x)", "has no rule"),
        ("interpolate.CubicSpline(knots, np.eye(5), axis=1)(x)[0]", "move the axis"),
        ("interpolate.RegularGridInterpolator((knots,), knots, 'cubic')((x,))", "has no rule"),
        ("cubic.antiderivative()(x)", "has no derivative rule"),
        ("interpolate.UnivariateSpline(knots, knots)(x)", "has no derivative rule"),
    ],
)
def test_refused(text: str, reason: str) -> None:
    with pytest.raises(SyntaxError, match=reason) as caught:
        grad(function_from_expression(text, **NAMES))(0.7)
    assert reason in str(caught.value) or reason in caught.value.advice  # type: ignore[attr-defined]
