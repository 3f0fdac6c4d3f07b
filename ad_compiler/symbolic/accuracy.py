"""Is a formula as accurate as another, over the whole range of doubles?

A formula is run at many points, extremes included, and compared with the expression evaluated in
thousands of bits. Its error at a point is relative to the exact value, or, where the function is
bounded, to its largest value (at most 1): `1 - y` is as good as it need be where it is next to 0, for
such a derivative is added to others or scales a step. A formula is accepted if at every point its error
is 32 units in the last place or no more than twice that of the other formula, and if it overflows,
divides by zero or is NaN nowhere that the other one is not.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
import sympy as sp

Point = tuple[float, ...]
_TOLERANCE = 32 * 2.0**-52
_MAGNITUDES = (
    *(1e-300, 1e-200, 1e-154, 1e-100, 1e-20, 1e-10, 1e-5, 1e-3, 0.1, 0.5, 0.9, 1.0, 1.1, 1.5, 2.0, 3.0, 5.0),
    *(10.0, 18.0, 20.0, 30.0, 36.0, 37.0, 38.0, 50.0, 100.0, 300.0, 350.0, 354.0, 356.0, 400.0, 700.0, 709.5),
    *(710.0, 720.0, 740.0, 745.0, 746.0, 750.0, 1e3, 1e4, 1e6, 1e8, 1e10, 1e16, 1e20, 1e50, 1e100, 1e154),
    *(1e155, 1e200, 1e300),
)
_TINY = 1e-290  # below, doubles lose digits


def points(count: int) -> list[Point]:
    """Where formulas of `count` arguments are compared: always the same points."""
    random = np.random.default_rng(0)
    special = [0.0, *(sign * m for m in _MAGNITUDES for sign in (1.0, -1.0))]
    usual = [float(x) for scale in (1.0, 10.0) for x in random.normal(0.0, scale, 30)]
    if count == 1:
        return [(x,) for x in special + usual]
    choices = [random.permutation(np.resize(special, 160)) for _ in range(count)]
    near = [random.permutation(np.resize(usual, 60)) for _ in range(count)]
    diagonal = [(x,) * count for x in special[::2]]
    kinks = [
        tuple(kink if i == place else other for i in range(count))
        for kink, other, place in itertools.product((0.0, 1.0, -1.0), (2.0, 0.5, 3.0, -1.5), range(count))
    ]
    mixed = itertools.chain(zip(*choices, strict=True), zip(*near, strict=True))
    return [*diagonal, *kinks, *(tuple(map(float, point)) for point in mixed)]


class Unknown(Exception):
    """A number too large even for arbitrary precision."""


def _guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(*arguments: Any) -> Any:
        if any(mpmath.mag(x) > 3000 for x in arguments if mpmath.isfinite(x) and x != 0):
            raise Unknown
        return function(*arguments)

    return guarded


_GROWING = ("exp", "sin", "cos", "tan", "sinh", "cosh", "tanh", "power")
_MODULE = {name: _guarded(getattr(mpmath, name)) for name in _GROWING}


class Exact:
    """An expression in arbitrary precision."""

    def __init__(self, expression: sp.Expr, symbols: Sequence[sp.Symbol]) -> None:
        power = sp.Function("power")
        checked = expression.replace(
            lambda e: e.is_Pow and e.base != sp.E and not e.exp.is_number, lambda e: power(e.base, e.exp)
        )
        self.function = sp.lambdify(symbols, checked, modules=[_MODULE, "mpmath"])

    def at(self, point: Point) -> Any:
        """The value, or the limit from where there is one; None where it is not known or not real."""
        value = self._precisely([mpmath.mpf(x) for x in point])
        if value is not None:
            return value
        sides = []
        for sign in (1, -1):
            with mpmath.workprec(3000):
                step = sign * mpmath.mpf(2) ** -1400
                sides.append(self._precisely([mpmath.mpf(x) * (1 + step) if x else step for x in point]))
        known = [side for side in sides if side is not None]
        if not known or not _agree(known[0], known[-1], 1e-15):
            return None
        return known[0]

    def _precisely(self, point: list[Any]) -> Any:
        before = None
        first = 200 + max(_bits_to_see(x) for x in point)
        for bits in (first, first * 3 // 2, 2500, 4000):
            with mpmath.workprec(bits):
                try:
                    value = mpmath.mpmathify(self.function(*point))
                except (Unknown, ZeroDivisionError, ValueError, OverflowError, TypeError):
                    return None
                if isinstance(value, mpmath.mpc) or not mpmath.isfinite(value):
                    return None
                agrees = before is not None and _agree(before, value, 1e-20)
                if agrees and (value != 0 or bits >= 2500):
                    return value
            before = value
        return None


def _bits_to_see(x: Any) -> int:
    """How many bits tell `1 + x * x` from 1, and `1 + exp(x)` from 1 or from `exp(x)`."""
    small = max(0, -2 * mpmath.mag(x)) if x else 0
    return int(small + (1.5 * abs(x) if abs(x) < 1000 else 0))


def _agree(a: Any, b: Any, tolerance: float) -> bool:
    return bool(abs(a - b) <= tolerance * abs(b) + mpmath.mpf(10) ** -330)


@dataclass(frozen=True, slots=True)
class Report:
    """How a formula did: an error for every point, and where it raised a floating-point flag."""

    errors: tuple[float, ...]
    flagged: tuple[bool, ...]

    @property
    def wrong(self) -> int:
        """At how many points more than half of the digits are lost."""
        return sum(error > 1e-8 for error in self.errors)

    def no_worse_than(self, other: Report) -> bool:
        return all(
            mine <= max(_TOLERANCE, 2 * its) and (its_flag or not my_flag)
            for mine, its, my_flag, its_flag in zip(
                self.errors, other.errors, self.flagged, other.flagged, strict=True
            )
        )

    def better_than(self, other: Report) -> bool:
        """No worse anywhere, and right where the other one is wrong."""
        return self.no_worse_than(other) and self.wrong < other.wrong


class Examination:
    """What formulas for one expression are compared with, computed once."""

    def __init__(
        self, expression: sp.Expr, symbols: Sequence[sp.Symbol], where: Callable[[Point], bool]
    ) -> None:
        exact = Exact(expression, symbols)
        found = [(point, exact.at(point)) for point in points(len(symbols)) if where(point)]
        largest = 1.7976931348623157e308
        self.cases = [(point, value) for point, value in found if value is not None and abs(value) <= largest]
        bound = max((float(abs(value)) for _, value in self.cases), default=0.0)
        self.scale = min(bound, 1.0) if bound <= 1e3 else 0.0

    def report(self, formula: Callable[..., Any]) -> Report:
        errors, flagged = [], []
        for point, expected in self.cases:
            value, flag = run(formula, point)
            flagged.append(flag)
            if not math.isfinite(value):
                errors.append(math.inf)
                continue
            size = max(abs(expected), self.scale, _TINY)
            with mpmath.workprec(120):
                errors.append(float(abs(mpmath.mpf(value) - expected) / size))
        return Report(tuple(errors), tuple(flagged))


def run(formula: Callable[..., Any], point: Point) -> tuple[float, bool]:
    """The formula in doubles, and whether it overflowed, divided by zero or made a NaN on the way."""
    numbers = [np.float64(x) for x in point]
    try:
        with np.errstate(over="raise", divide="raise", invalid="raise", under="ignore"):
            return float(formula(*numbers)), False
    except FloatingPointError:
        with np.errstate(all="ignore"):
            return float(formula(*numbers)), True
