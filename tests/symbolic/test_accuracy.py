"""The examination of formulas: it must know what is right, and let nothing wrong pass."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy as sp

from ad_compiler.symbolic.accuracy import Exact, Examination, points

x, n = sp.symbols("x n", real=True)


def everywhere(point: tuple[float, ...]) -> bool:
    return True


@pytest.mark.parametrize(
    ("expression", "point", "value"),
    [
        (sp.sin(x) / x, 0.0, 1.0),
        ((sp.exp(x) - 1) / x, 1e-300, 1.0),
        (sp.log(1 + sp.exp(x)), 1e300, 1e300),
        (sp.log(1 + sp.exp(x)), -745.0, 5e-324),
        (sp.sqrt(1 + x**2) - x, 1e10, 5e-11),
        (x * sp.log(x), 0.0, 0.0),
        (sp.tanh(x), 1e200, 1.0),
    ],
)
def test_exact_values_and_limits(expression: Any, point: float, value: float) -> None:
    assert float(Exact(expression, [x]).at((point,))) == pytest.approx(value, rel=1e-15, abs=1e-320)


@pytest.mark.parametrize(
    ("expression", "point"),
    [
        (1 / x, 0.0),
        (sp.log(x), -1.0),
        (sp.sign(x) / x**2, 0.0),
        (sp.exp(sp.exp(x)), 1e300),
        (sp.sin(sp.exp(x)), 1e9),
    ],
)
def test_unknown_values(expression: Any, point: float) -> None:
    assert Exact(expression, [x]).at((point,)) is None


def test_points_are_the_same_every_time_and_include_extremes() -> None:
    assert points(1) == points(1) and points(3) == points(3)
    assert {(0.0,), (1e300,), (-1e300,), (745.0,), (-745.0,), (1e-300,)} <= set(points(1))
    assert all(len(point) == 3 for point in points(3))


SIGMOID_SLOPE = sp.exp(-x) / (1 + sp.exp(-x)) ** 2


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize(
    ("formula", "accepted"),
    [
        (lambda x: (1 - sigmoid(x)) * sigmoid(x), True),
        (lambda x: np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))) ** 2, True),
        (lambda x: 0.25 / np.cosh(x / 2) ** 2, False),  # overflows on both sides, where the other does on one
        (lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2, False),  # NaN from exp(-x)**2 at -400
        (lambda x: (1 - sigmoid(x)) * sigmoid(x) * (1 + 1e-13), False),
        (lambda x: np.where(x > 40, np.nan, (1 - sigmoid(x)) * sigmoid(x)), False),
        (lambda x: (1 - sigmoid(x)) ** 2, False),
    ],
)
def test_formulas_for_the_slope_of_the_sigmoid(formula: Callable[..., Any], accepted: bool) -> None:
    examination = Examination(SIGMOID_SLOPE, [x], everywhere)
    chain_rule = examination.report(lambda x: sigmoid(x) * (1 / (1 + np.exp(-x))) * np.exp(-x))
    assert examination.report(formula).no_worse_than(chain_rule) is accepted


def test_power_rule_at_zero() -> None:
    examination = Examination(n * x**n / x, [x, n], lambda point: point[0] >= 0 and 1 <= point[1] < 50)
    with np.errstate(all="ignore"):
        by_rule = examination.report(lambda x, n: n * x ** (n - 1))
        by_sympy = examination.report(lambda x, n: n * x**n / x)
    assert by_rule.wrong == 0
    assert not by_sympy.no_worse_than(by_rule)
    assert by_rule.better_than(by_sympy)


def test_overflow_of_logaddexp() -> None:
    examination = Examination(sp.log(1 + sp.exp(x)), [x], everywhere)
    naive = examination.report(lambda x: np.log(1 + np.exp(x)))
    stable = examination.report(lambda x: np.logaddexp(0, x))
    assert stable.better_than(naive) and not naive.no_worse_than(stable)
    assert math.inf in naive.errors and max(stable.errors) < 1e-15


def test_precision_of_mpmath_is_left_alone() -> None:
    before = mpmath.mp.prec
    Exact(sp.exp(x), [x]).at((3.0,))
    assert mpmath.mp.prec == before
