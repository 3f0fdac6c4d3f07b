"""Every elementwise rule against SymPy, against finite differences, and at its special values."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pytest
import sympy as sp

from ad_compiler import grad, vjp
from tests.helpers import (
    assert_gradient_matches_finite_differences,
    assert_same_kind,
    assert_second_derivatives_match_finite_differences,
    function_from_expression,
    generator,
)

mpmath = pytest.importorskip("mpmath")

x, y, z = sp.symbols("x y z", real=True)
Interval = tuple[float, float]
inf, nan, pi = math.inf, math.nan, math.pi


@dataclass(frozen=True)
class Case:
    """One elementwise operation: as Python writes it, as SymPy writes it, and where it lives.

    `special` maps points to partial derivatives that must come out: zeros exactly, the others to 1e-12.
    `integers` is false where integers are not accepted or are the very kinks.
    """

    forms: Sequence[str]
    oracle: Any
    domain: Mapping[Any, Interval]
    special: Mapping[Any, Any] = field(default_factory=dict)
    integers: bool = True
    rtol: float = 1e-12


def truncated(q: Any) -> Any:
    return sp.sign(q) * sp.floor(sp.Abs(q))


def larger(a: Any, b: Any) -> Any:
    return sp.Piecewise((a, a > b), (b, True))


def smaller(a: Any, b: Any) -> Any:
    return sp.Piecewise((a, a < b), (b, True))


REAL, POSITIVE, NEGATIVE, UNIT = (-2.6, 2.4), (0.3, 3.5), (-3.5, -0.3), (-0.9, 0.9)
TIE = {(1.5, 1.5): (0.5, 0.5), (0.0, 0.0): (0.5, 0.5)}
POWER_AT_ZERO = {
    (0.0, 2.0): (0.0, 0.0),
    (0.0, 3.5): (0.0, 0.0),
    (0.0, 1.0): (1.0, 0.0),
    (0.0, 0.0): (0.0, 0.0),
    (2.0, 0.0): (0.0, math.log(2)),
}

# fmt: off
CASES = [
    # Arithmetic.
    Case(["x + y", "np.add(x, y)"], x + y, {x: REAL, y: REAL}),
    Case(["x - y", "np.subtract(x, y)"], x - y, {x: REAL, y: REAL}),
    Case(["x * y", "np.multiply(x, y)"], x * y, {x: REAL, y: REAL}, {(0.0, 0.0): (0.0, 0.0)}),
    Case(["x / y", "np.divide(x, y)", "np.true_divide(x, y)"], x / y, {x: REAL, y: POSITIVE},
         {(0.0, 2.0): (0.5, 0.0), (1.0, 1e200): (1e-200, 0.0)}),
    Case(["x // y", "np.floor_divide(x, y)"], sp.floor(x / y), {x: REAL, y: POSITIVE},
         integers=False),
    Case(["x % y", "np.mod(x, y)", "np.remainder(x, y)"], x - y * sp.floor(x / y),
         {x: REAL, y: POSITIVE}, {(-1.0, 3.0): (1.0, 1.0), (5.0, -3.0): (1.0, 2.0)},
         integers=False),
    Case(["np.fmod(x, y)", "math.fmod(x, y)"], x - y * truncated(x / y), {x: REAL, y: POSITIVE},
         {(-1.0, 3.0): (1.0, 0.0), (-5.0, 3.0): (1.0, 1.0)}, integers=False),
    Case(["-x", "np.negative(x)"], -x, {x: REAL}),
    Case(["+x", "np.positive(x)"], x, {x: REAL}),
    Case(["abs(x)", "np.abs(x)", "np.absolute(x)", "np.fabs(x)", "math.fabs(x)"], sp.Abs(x),
         {x: REAL}, {0.0: 0.0, -2.0: -1.0, 1e-300: 1.0}),
    # Powers and roots.
    Case(["x ** y", "np.power(x, y)", "np.float_power(x, y)", "math.pow(x, y)"], x**y,
         {x: POSITIVE, y: (-0.9, 2.4)}, POWER_AT_ZERO),
    Case(["x ** 0", "np.power(x, 0)"], sp.Integer(1), {x: REAL}, {0.0: 0.0, 3.0: 0.0}),
    Case(["x ** 1"], x, {x: REAL}, {0.0: 1.0}),
    Case(["x ** 2", "x ** 2.0", "np.square(x)", "np.power(x, 2)", "math.pow(x, 2)"], x**2,
         {x: REAL}, {0.0: 0.0, -3.0: -6.0, 1e-200: 2e-200}),
    Case(["x ** 3", "math.pow(x, 3.0)"], x**3, {x: REAL}, {0.0: 0.0, -1.0: 3.0}),
    Case(["x ** -2"], x**-2, {x: NEGATIVE}, integers=False),
    Case(["x ** 0.5", "np.sqrt(x)", "math.sqrt(x)"], sp.sqrt(x), {x: POSITIVE},
         {4.0: 0.25, inf: 0.0}),
    Case(["x ** 1.5"], x ** sp.Rational(3, 2), {x: POSITIVE}, {0.0: 0.0}),
    Case(["2.0 ** x", "np.exp2(x)", "math.exp2(x)"], 2**x, {x: REAL}, {-2000.0: 0.0}),
    Case(["1 / x", "x ** -1", "np.reciprocal(x)"], 1 / x, {x: NEGATIVE}, {2.0: -0.25},
         integers=False),
    Case(["np.cbrt(x)", "math.cbrt(x)"], sp.cbrt(x), {x: POSITIVE}, {8.0: 1 / 12}),
    Case(["np.cbrt(x)", "math.cbrt(x)"], -sp.cbrt(-x), {x: NEGATIVE}, {-8.0: 1 / 12}),
    Case(["np.hypot(x, y)", "math.hypot(x, y)"], sp.sqrt(x**2 + y**2), {x: REAL, y: REAL},
         {(0.0, 0.0): (0.0, 0.0), (3.0, -4.0): (0.6, -0.8), (0.0, 2.0): (0.0, 1.0),
          (1e200, 1e200): (math.sqrt(0.5), math.sqrt(0.5))}),
    # Exponentials and logarithms.
    Case(["np.exp(x)", "math.exp(x)"], sp.exp(x), {x: REAL}, {-1000.0: 0.0, 0.0: 1.0, -inf: 0.0}),
    Case(["np.expm1(x)", "math.expm1(x)"], sp.exp(x) - 1, {x: REAL}, {0.0: 1.0, -1000.0: 0.0}),
    Case(["np.log(x)", "math.log(x)"], sp.log(x), {x: POSITIVE}, {1e-300: 1e300, inf: 0.0}),
    Case(["math.log(x, y)"], sp.log(x, y), {x: POSITIVE, y: (1.4, 3.5)}),
    Case(["np.log1p(x)", "math.log1p(x)"], sp.log(1 + x), {x: UNIT}, {0.0: 1.0, 1e-300: 1.0}),
    Case(["np.log2(x)", "math.log2(x)"], sp.log(x, 2), {x: POSITIVE}, {1.0: 1 / math.log(2)}),
    Case(["np.log10(x)", "math.log10(x)"], sp.log(x, 10), {x: POSITIVE}, {1.0: 1 / math.log(10)}),
    Case(["np.logaddexp(x, y)"], sp.log(sp.exp(x) + sp.exp(y)), {x: REAL, y: REAL},
         {(1000.0, 1000.0): (0.5, 0.5), (800.0, -800.0): (1.0, 0.0), (-1e308, 1e308): (0.0, 1.0),
          (inf, 0.0): (1.0, 0.0), (-inf, 0.0): (0.0, 1.0), (-1000.0, -1000.0): (0.5, 0.5)}),
    Case(["np.logaddexp2(x, y)"], sp.log(2**x + 2**y, 2), {x: REAL, y: REAL},
         {(2000.0, 2000.0): (0.5, 0.5), (inf, 0.0): (1.0, 0.0), (-inf, 0.0): (0.0, 1.0)}),
    # Trigonometric and hyperbolic functions.
    Case(["np.sin(x)", "math.sin(x)"], sp.sin(x), {x: (-4, 4)}, {0.0: 1.0}),
    Case(["np.cos(x)", "math.cos(x)"], sp.cos(x), {x: (-4, 4)}, {0.0: 0.0}),
    Case(["np.tan(x)", "math.tan(x)"], sp.tan(x), {x: (-1.2, 1.2)}, {0.0: 1.0}),
    Case(["np.arcsin(x)", "math.asin(x)"], sp.asin(x), {x: UNIT}, {0.0: 1.0}),
    Case(["np.arccos(x)", "math.acos(x)"], sp.acos(x), {x: UNIT}, {0.0: -1.0}),
    Case(["np.arctan(x)", "math.atan(x)"], sp.atan(x), {x: REAL}, {0.0: 1.0, inf: 0.0}),
    Case(["np.arctan2(x, y)", "math.atan2(x, y)"], sp.atan2(x, y), {x: REAL, y: POSITIVE},
         {(0.0, 1.0): (1.0, 0.0), (1.0, 0.0): (0.0, -1.0), (0.0, -1.0): (-1.0, 0.0),
          (-1.0, -1.0): (-0.5, 0.5)}),
    Case(["np.sinh(x)", "math.sinh(x)"], sp.sinh(x), {x: REAL}, {0.0: 1.0}),
    Case(["np.cosh(x)", "math.cosh(x)"], sp.cosh(x), {x: REAL}, {0.0: 0.0}),
    Case(["np.tanh(x)", "math.tanh(x)"], sp.tanh(x), {x: REAL},
         {0.0: 1.0, 1000.0: 0.0, -1000.0: 0.0, inf: 0.0}),
    Case(["np.arcsinh(x)", "math.asinh(x)"], sp.asinh(x), {x: REAL}, {0.0: 1.0}),
    Case(["np.arccosh(x)", "math.acosh(x)"], sp.acosh(x), {x: (1.2, 5)}),
    Case(["np.arctanh(x)", "math.atanh(x)"], sp.atanh(x), {x: UNIT}, {0.0: 1.0}),
    Case(["np.sinc(x)"], sp.sin(sp.pi * x) / (sp.pi * x), {x: POSITIVE}, {0.0: 0.0}),
    Case(["np.deg2rad(x)", "np.radians(x)", "math.radians(x)"], x * sp.pi / 180, {x: (-90, 90)}),
    Case(["np.rad2deg(x)", "np.degrees(x)", "math.degrees(x)"], x * 180 / sp.pi, {x: REAL}),
    # Special functions.
    Case(["math.erf(x)"], sp.erf(x), {x: REAL}, {0.0: 2 / math.sqrt(pi), 100.0: 0.0}),
    Case(["math.erfc(x)"], sp.erfc(x), {x: REAL}, {0.0: -2 / math.sqrt(pi), -100.0: 0.0}),
    Case(["math.gamma(x)"], sp.gamma(x), {x: POSITIVE}, rtol=1e-10),
    Case(["math.gamma(x)"], sp.gamma(x), {x: (-1.9, -1.1)}, integers=False, rtol=1e-10),
    Case(["math.lgamma(x)"], sp.loggamma(x), {x: POSITIVE}, rtol=1e-10),
    Case(["math.lgamma(x)"], sp.log(-sp.gamma(x)), {x: (-0.9, -0.1)}, integers=False, rtol=1e-10),
    # Selections: ties share equally, what is not selected gets nothing.
    Case(["np.maximum(x, y)", "np.fmax(x, y)"], larger(x, y), {x: REAL, y: REAL}, TIE),
    Case(["np.minimum(x, y)", "np.fmin(x, y)"], smaller(x, y), {x: REAL, y: REAL}, TIE),
    Case(["np.maximum(x, 0)", "np.maximum(0.0, x)"], larger(x, 0), {x: REAL}, {0.0: 0.5}),
    Case(["np.clip(x, -0.5, 0.7)"], smaller(larger(x, -0.5), 0.7), {x: REAL},
         {-0.5: 0.5, 0.7: 0.5, -9.0: 0.0, 9.0: 0.0, 0.0: 1.0}),
    Case(["np.clip(x, y, z)"], smaller(larger(x, y), z), {x: REAL, y: (-1.5, 0), z: (0.2, 1.5)},
         {(-9.0, 0.0, 1.0): (0.0, 1.0, 0.0), (9.0, 0.0, 1.0): (0.0, 0.0, 1.0),
          (0.0, 0.0, 1.0): (0.5, 0.5, 0.0), (1.0, 0.0, 1.0): (0.5, 0.0, 0.5)}),
    Case(["np.where(x > 0.25, x, y)"], sp.Piecewise((x, x > 0.25), (y, True)), {x: REAL, y: REAL},
         {(0.25, 1.0): (0.0, 1.0), (0.5, 1.0): (1.0, 0.0)}),
    Case(["np.where(x > y, x * z, z)"], sp.Piecewise((x * z, x > y), (z, True)),
         {x: REAL, y: REAL, z: REAL}, {(1.0, 1.0, 3.0): (0.0, 0.0, 1.0)}),
    Case(["np.copysign(x, y)", "math.copysign(x, y)"], sp.Abs(x) * sp.sign(y), {x: REAL, y: REAL},
         {(-2.0, 3.0): (-1.0, 0.0), (-2.0, -3.0): (1.0, 0.0)}, integers=False),
    Case(["np.nan_to_num(x)"], x, {x: REAL}, {nan: 0.0, inf: 0.0, -inf: 0.0, 0.0: 1.0}),
    # Constant in pieces.
    Case(["np.sign(x)"], sp.sign(x), {x: REAL}, {0.0: 0.0}, integers=False),
    Case(["np.floor(x)"], sp.floor(x), {x: REAL}, {2.0: 0.0}, integers=False),
    Case(["np.ceil(x)"], sp.ceiling(x), {x: REAL}, {2.0: 0.0}, integers=False),
    Case(["np.trunc(x)"], truncated(x), {x: REAL}, {2.0: 0.0}, integers=False),
    Case(["np.rint(x)"], sp.floor(x + sp.Rational(1, 2)), {x: REAL}, {2.0: 0.0}),
    Case(["x * math.floor(x)"], x * sp.floor(x), {x: REAL}, {2.0: 2.0}, integers=False),
    Case(["x * math.ceil(x)"], x * sp.ceiling(x), {x: REAL}, {2.0: 2.0}, integers=False),
    Case(["x * math.trunc(x)"], x * truncated(x), {x: REAL}, {2.0: 2.0}, integers=False),
    Case(["np.heaviside(x, y)"], sp.Piecewise((0, x < 0), (1, x > 0), (y, True)),
         {x: REAL, y: REAL}, {(0.0, 0.3): (0.0, 1.0)}, integers=False),
    Case(["np.ldexp(x, 3)"], 8 * x, {x: REAL}),
    # Chains that must not overflow on the way back.
    Case(["1 / (1 + np.exp(-x))"], 1 / (1 + sp.exp(-x)), {x: REAL},
         {-1000.0: 0.0, 0.0: 0.25, 1000.0: 0.0}),
    Case(["np.logaddexp(0, x)"], sp.log(1 + sp.exp(x)), {x: REAL}, {-1e4: 0.0, 0.0: 0.5, 1e4: 1.0}),
]
# fmt: on

# How the arguments of a call may look: for one, two and three arguments.
LAYOUTS: dict[int, list[tuple[str, ...]]] = {
    1: [
        *[("float",), ("np.float64",), ("np.float32",), ("0-d",), ("int",), ("(0,)",), ("(1,)",)],
        *[("(3,)",), ("(2, 3)",), ("every other",), ("transposed",), ("reversed",)],
        *[("float32",), ("int array",)],
    ],
    2: [
        *[("float", "float"), ("np.float64", "float"), ("0-d", "(3,)"), ("(3,)", "float")],
        *[("(0,)", "(1,)"), ("(1,)", "(3,)"), ("(2, 3)", "(3,)"), ("(3,)", "(2, 3)")],
        *[("(2, 1)", "(3,)"), ("(3,)", "(2, 1)"), ("every other", "(3,)")],
        *[("transposed", "(2, 3)"), ("(2, 3)", "reversed"), ("float32", "float32")],
        *[("float32", "float"), ("float32", "(2, 3)"), ("int", "float"), ("(3,)", "int")],
        *[("int", "int"), ("int array", "int array")],
    ],
    3: [
        *[("float", "float", "float"), ("(3,)", "float", "float"), ("(2, 1)", "(3,)", "0-d")],
        *[("(2, 3)", "(3,)", "(2, 1)"), ("(0,)", "(1,)", "float"), ("float32",) * 3],
        *[("(2, 3)", "transposed", "every other"), ("int", "float", "float")],
    ],
}
SCALARS = {"float", "np.float64", "int"}


def sample(interval: Interval, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(*interval, shape)


def integers_in(interval: Interval, parity: int) -> list[int]:
    """Integers well inside the interval; those of even arguments are even, to avoid ties."""
    inside = list(range(math.ceil(interval[0] + 0.01), math.floor(interval[1] - 0.01) + 1))
    return [k for k in inside if k % 2 == parity] or inside


MAKERS: dict[str, Callable[[Interval, np.random.Generator, int], Any]] = {
    "float": lambda interval, rng, _: float(sample(interval, (), rng)),
    "np.float64": lambda interval, rng, _: np.float64(sample(interval, (), rng)),
    "np.float32": lambda interval, rng, _: np.float32(sample(interval, (), rng)),
    "0-d": lambda interval, rng, _: np.array(sample(interval, (), rng)),
    "(0,)": lambda interval, rng, _: sample(interval, (0,), rng),
    "(1,)": lambda interval, rng, _: sample(interval, (1,), rng),
    "(3,)": lambda interval, rng, _: sample(interval, (3,), rng),
    "(2, 1)": lambda interval, rng, _: sample(interval, (2, 1), rng),
    "(2, 3)": lambda interval, rng, _: sample(interval, (2, 3), rng),
    "every other": lambda interval, rng, _: sample(interval, (6,), rng)[::2],
    "transposed": lambda interval, rng, _: sample(interval, (3, 2), rng).T,
    "reversed": lambda interval, rng, _: sample(interval, (2, 3), rng)[::-1, ::-1],
    "float32": lambda interval, rng, _: sample(interval, (3,), rng).astype(np.float32),
    "int": lambda interval, rng, k: int(rng.choice(integers_in(interval, k % 2))),
    "int array": lambda interval, rng, k: rng.choice(integers_in(interval, k % 2), 3),
}

EVERY_FORM = [pytest.param(case, form, id=form) for case in CASES for form in case.forms]
EVERY_LAYOUT = [
    pytest.param(case, form, layout, id=f"{form} at {' and '.join(layout)}")
    for case in CASES
    for form in case.forms
    for layout in LAYOUTS[len(case.domain)]
    if case.integers or not any("int" in kind for kind in layout)
    if "math." not in form or SCALARS.issuperset(layout)
]
EVERY_SPECIAL_VALUE = [
    pytest.param(case, form, np.atleast_1d(point), np.atleast_1d(partials), id=f"{form} at {point}")
    for case in CASES
    for form in case.forms
    for point, partials in case.special.items()
]

operation = cache(function_from_expression)


def partial_derivative(expression: Any, symbol: Any) -> Any:
    """SymPy's derivative, floor, ceiling and sign being constant away from their jumps."""
    steps = expression.atoms(sp.floor, sp.ceiling, sp.sign)
    constants = {step: sp.Dummy(real=True) for step in steps}
    derivative = sp.diff(expression.xreplace(constants), symbol)
    return derivative.xreplace({constant: step for step, constant in constants.items()})


def evaluate(expression: Any, symbols: Sequence[Any], points: np.ndarray) -> np.ndarray:
    """SymPy's expression at the columns of `points`, computed with 30 digits."""
    exact = sp.lambdify(symbols, expression, "mpmath")
    with mpmath.workdps(30):
        return np.array([float(exact(*map(mpmath.mpf, point))) for point in points.T])


def sample_points(case: Case, count: int = 24) -> np.ndarray:
    """Points of the domain, one per column: random ones, and the ends of a single interval."""
    rng = generator(case.forms, "points")
    intervals = list(case.domain.values())
    inside = np.array([sample(interval, (count,), rng) for interval in intervals])
    return np.hstack([inside, np.array(intervals)]) if len(intervals) == 1 else inside


@pytest.mark.parametrize(("case", "form"), EVERY_FORM)
def test_oracle_is_the_operation(case: Case, form: str) -> None:
    """SymPy's counterpart has the operation's values, so its derivatives are the ones to match."""
    points = sample_points(case)
    values = [operation(form)(*map(float, point)) for point in points.T]
    expected = evaluate(case.oracle, list(case.domain), points)
    np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("case", "form"), EVERY_FORM)
def test_partials_are_those_of_sympy(case: Case, form: str) -> None:
    f = operation(form)
    points = sample_points(case)
    argnums = tuple(range(len(points)))
    if "math." in form:
        gradient = grad(f, argnums=argnums)
        partials = np.array([gradient(*map(float, point)) for point in points.T]).T
    else:
        _, pullback = vjp(f, *points)
        partials = np.array(pullback(np.ones(points.shape[1])))
    assert partials.shape == points.shape
    for symbol, partial in zip(case.domain, partials, strict=True):
        expected = evaluate(partial_derivative(case.oracle, symbol), list(case.domain), points)
        np.testing.assert_allclose(partial, expected, rtol=case.rtol, atol=1e-14)


@pytest.mark.parametrize(("case", "form", "layout"), EVERY_LAYOUT)
def test_finite_differences(case: Case, form: str, layout: tuple[str, ...]) -> None:
    rng = generator(form, layout)
    kinds = zip(layout, case.domain.values(), strict=True)
    args = [MAKERS[kind](interval, rng, k) for k, (kind, interval) in enumerate(kinds)]
    assert_gradient_matches_finite_differences(operation(form), args)


@pytest.mark.parametrize(("case", "form", "point", "partials"), EVERY_SPECIAL_VALUE)
def test_special_values(case: Case, form: str, point: np.ndarray, partials: np.ndarray) -> None:
    """The stated partials at the stated points: for floats, for arrays, and for each argument."""
    f = operation(form)
    floats = [float(p) for p in point]
    arrays = [np.array([p, p]) for p in point]
    with np.errstate(all="ignore"):
        gradients = grad(f, argnums=tuple(range(len(point))))(*floats)
        for gradient, arg, expected in zip(gradients, floats, partials, strict=True):
            assert_same_kind(gradient, arg)
            np.testing.assert_allclose(gradient, expected, rtol=1e-12, atol=0)
        for argnum, expected in enumerate(partials):
            np.testing.assert_allclose(grad(f, argnum)(*floats), expected, rtol=1e-12, atol=0)
        if "math." not in form:
            for gradient, expected in zip(vjp(f, *arrays)[1](np.ones(2)), partials, strict=True):
                np.testing.assert_allclose(gradient, [expected] * 2, rtol=1e-12, atol=0)


@pytest.mark.parametrize(("case", "form"), EVERY_FORM)
def test_second_derivatives(case: Case, form: str) -> None:
    """The generated gradient is differentiated again: of floats, and of arrays."""
    rng = generator(form, "second")
    for kind in ("float", "(3,)") if "math." not in form else ("float",):
        args = [MAKERS[kind](interval, rng, k) for k, interval in enumerate(case.domain.values())]
        assert_second_derivatives_match_finite_differences(form, args)
