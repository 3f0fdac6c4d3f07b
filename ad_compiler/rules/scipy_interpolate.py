"""Rules of `scipy.interpolate`: curves through points, evaluated where the program wants.

A curve that a program reads from outside, or makes itself, is an object of ours that stands for it: its
evaluation is written out, so that it is differentiated by the points, and by what the curve was made of where
the program made it. Which piece a point lies on is constant. Here are polynomials and splines; linear
interpolation is in `scipy_interpolate_linear`. Sources: de Boor, A Practical Guide to Splines
(1978), chapters IV and X; Fritsch and Butland, A method for constructing local monotone piecewise cubic
interpolants (1984).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import interpolate, linalg

from ad_compiler.refusal import Refusal
from ad_compiler.rules.notation import at_compile_time, stand_in, written_out
from ad_compiler.rules.shapes import is_complex, rank_of


@at_compile_time
def setting(curve: Any, name: str) -> Any:
    """An attribute of a curve from outside that says how it is evaluated."""
    return getattr(curve, name)


@at_compile_time
def order_of(curve: Any) -> int:
    return len(curve.c)


@at_compile_time
def check_along_first(axis: Any) -> None:
    if axis != 0:
        raise Refusal("a curve along an axis that is not the first has no rule", "move the axis to the front")


@at_compile_time
def times(power: int, nu: int) -> float:
    """The factor of a power that is differentiated `nu` times."""
    return float(np.prod([power - i for i in range(nu)], initial=1.0))


@at_compile_time
def check_order(nu: Any) -> None:
    if not isinstance(nu, int) or nu < 0:
        raise Refusal(f"a curve is differentiated {nu!r} times", "write the number as a constant")


def real_points(x: Any) -> Any:
    check_real(x)
    return np.asarray(x)


@at_compile_time
def check_real(x: Any) -> None:
    if not isinstance(x, (list, tuple)) and is_complex(x):
        raise Refusal("a curve is evaluated at complex points", "evaluate it at real ones")


def before(a: Any, trailing: Any) -> Any:
    """An array with axes of length 1 behind its own, as many as `trailing` says."""
    return np.reshape(a, np.shape(a) + (1,) * trailing) if trailing else a


@at_compile_time
def trailing_axes(a: Any, own: int) -> int:
    return rank_of(a) - own


class PiecewisePolynomial:
    """A polynomial on every interval: `c[i, j]` is that of the power `order - 1 - i` on the j-th."""

    def __init__(self, x: Any, c: Any, order: Any, extrapolate: Any, nu: Any) -> None:
        self.x = x
        self.c = c
        self.order = order
        self.extrapolate = extrapolate
        self.nu = nu

    def __call__(self, x: Any, nu: Any = 0, extrapolate: Any = None) -> Any:
        check_order(nu)
        breaks, points = self.x, real_points(x)
        beyond = self.extrapolate if extrapolate is None else extrapolate
        if beyond == "periodic":
            points = breaks[0] + (points - breaks[0]) % (breaks[-1] - breaks[0])
        piece = np.clip(np.searchsorted(breaks, points, "right") - 1, 0, np.shape(breaks)[0] - 2)
        step = before(points - breaks[piece], trailing_axes(self.c, 2))
        value = nested_powers(self.c, piece, step, self.order, self.nu + nu)
        if beyond:
            return value
        inside = (points >= breaks[0]) & (points <= breaks[-1])
        return np.where(before(inside, trailing_axes(self.c, 2)), value, np.nan)

    def derivative(self, nu: Any = 1) -> Any:
        check_order(nu)
        return PiecewisePolynomial(self.x, self.c, self.order, self.extrapolate, self.nu + nu)


def nested_powers(c: Any, piece: Any, step: Any, order: Any, nu: Any) -> Any:
    """Horner's scheme for a derivative of order `nu`."""
    if nu >= order:
        return 0.0 * (step * c[0, piece])
    first = scaled(c, 0, piece, order, nu)
    return first + 0.0 * step if nu == order - 1 else horner(first, c, 1, piece, step, order, nu)


def horner(value: Any, c: Any, row: Any, piece: Any, step: Any, order: Any, nu: Any) -> Any:
    if row == order - nu:
        return value
    return horner(value * step + scaled(c, row, piece, order, nu), c, row + 1, piece, step, order, nu)


def scaled(c: Any, row: Any, piece: Any, order: Any, nu: Any) -> Any:
    factor = times(order - 1 - row, nu)
    return c[row, piece] if factor == 1 else factor * c[row, piece]


@stand_in(
    interpolate.PPoly,
    interpolate.CubicSpline,
    interpolate.CubicHermiteSpline,
    interpolate.PchipInterpolator,
    interpolate.Akima1DInterpolator,
)
def piecewise_polynomial(curve: Any) -> Any:
    check_along_first(setting(curve, "axis"))
    return PiecewisePolynomial(curve.x, curve.c, order_of(curve), curve.extrapolate, 0)


# --- curves that the program makes ---


@written_out(interpolate.CubicHermiteSpline)
def cubic_hermite_spline(x: Any, y: Any, dydx: Any, axis: Any = 0, extrapolate: Any = None) -> Any:
    check_along_first(axis)
    widths = before(np.diff(x), trailing_axes(y, 1))
    slope = np.diff(y, axis=0) / widths
    bend = (dydx[:-1] + dydx[1:] - 2 * slope) / widths
    c = np.stack([bend / widths, (slope - dydx[:-1]) / widths - bend, dydx[:-1], y[:-1]])
    return PiecewisePolynomial(x, c, 4, True if extrapolate is None else extrapolate, 0)


@written_out(interpolate.CubicSpline)
def cubic_spline(x: Any, y: Any, axis: Any = 0, bc_type: Any = "not-a-knot", extrapolate: Any = None) -> Any:
    check_ends(bc_type)
    return cubic_hermite_spline(x, y, slopes_of_spline(x, y, bc_type), axis, extrapolate)


@at_compile_time
def check_ends(bc_type: Any) -> None:
    if bc_type not in ("not-a-knot", "natural", "clamped"):
        raise Refusal(
            f"a cubic spline with the ends {bc_type!r} has no rule",
            'use "not-a-knot", "natural" or "clamped", or make the spline outside',
        )


def slopes_of_spline(x: Any, y: Any, bc_type: Any) -> Any:
    """The slopes at the knots, by which the second derivative is continuous: a tridiagonal system."""
    h = np.diff(x)
    wide = before(h, trailing_axes(y, 1))
    slope = np.diff(y, axis=0) / wide
    inner = 3 * (wide[1:] * slope[:-1] + wide[:-1] * slope[1:])
    if bc_type == "not-a-knot":
        assert np.shape(x)[0] > 3, "a spline through less than four points has no knot to leave out"
        first, last = x[2:3] - x[:1], x[-1:] - x[-3:-2]
        start = end_slope(before(first, trailing_axes(y, 1)), wide[:1], wide[1:2], slope[:1], slope[1:2])
        end = end_slope(before(last, trailing_axes(y, 1)), wide[-1:], wide[-2:-1], slope[-1:], slope[-2:-1])
        middle = [h[1:2], h[-2:-1]]
    elif bc_type == "natural":
        first, last = h[:1], h[-1:]
        start, end = 3 * wide[:1] * slope[:1], 3 * wide[-1:] * slope[-1:]
        middle = [2 * h[:1], 2 * h[-1:]]
    else:
        first, last = 0.0 * h[:1], 0.0 * h[-1:]
        start, end = 0.0 * slope[:1], 0.0 * slope[-1:]
        middle = [np.ones(1), np.ones(1)]
    none = np.zeros(1)
    above = np.concatenate([none, first, h[:-1]])
    below = np.concatenate([h[1:], last, none])
    ab = np.stack([above, np.concatenate([middle[0], 2 * (h[:-1] + h[1:]), middle[1]]), below])
    return linalg.solve_banded((1, 1), ab, np.concatenate([start, inner, end]), check_finite=False)


def end_slope(both: Any, outer: Any, inner: Any, slope: Any, next_slope: Any) -> Any:
    """The right-hand side where the outermost two pieces are one polynomial."""
    return ((outer + 2 * both) * inner * slope + outer**2 * next_slope) / both


@written_out(interpolate.PchipInterpolator)
def pchip_interpolator(x: Any, y: Any, axis: Any = 0, extrapolate: Any = None) -> Any:
    return cubic_hermite_spline(x, y, monotone_slopes(x, y), axis, extrapolate)


def monotone_slopes(x: Any, y: Any) -> Any:
    """Weighted harmonic means of the slopes beside a knot; 0 where they turn."""
    assert np.shape(x)[0] > 2, "a monotone curve through less than three points is a line"
    h = before(np.diff(x), trailing_axes(y, 1))
    slope = np.diff(y, axis=0) / h
    left, right = slope[:-1], slope[1:]
    turns = (np.sign(left) != np.sign(right)) | (left == 0) | (right == 0)
    more, less = 2 * h[1:] + h[:-1], h[1:] + 2 * h[:-1]
    quotients = more / np.where(turns, 1.0, left) + less / np.where(turns, 1.0, right)
    inner = np.where(turns, 0.0, (more + less) / np.where(turns, 1.0, quotients))
    first = one_sided(h[:1], h[1:2], slope[:1], slope[1:2])
    last = one_sided(h[-1:], h[-2:-1], slope[-1:], slope[-2:-1])
    return np.concatenate([first, inner, last])


def one_sided(h: Any, next_h: Any, slope: Any, next_slope: Any) -> Any:
    """The slope at an end, of three points, kept monotone."""
    end = ((2 * h + next_h) * slope - h * next_slope) / (h + next_h)
    steep = (np.sign(slope) != np.sign(next_slope)) & (np.abs(end) > 3 * np.abs(slope))
    return np.where(np.sign(end) != np.sign(slope), 0.0, np.where(steep, 3.0 * slope, end))


# --- B-splines ---


class BSpline:
    """A spline by its knots and coefficients: the algorithm of de Boor, written out for its degree."""

    def __init__(self, t: Any, c: Any, k: Any, extrapolate: Any) -> None:
        self.t = t
        self.c = c
        self.k = k
        self.extrapolate = extrapolate

    def __call__(self, x: Any, nu: Any = 0, extrapolate: Any = None) -> Any:
        check_order(nu)
        knots, points, k = self.t, real_points(x), self.k
        number = np.shape(knots)[0] - k - 1
        beyond = self.extrapolate if extrapolate is None else extrapolate
        if beyond == "periodic":
            first, last = knots[k], knots[number]
            points = first + (points - first) % (last - first)
        if nu > k:
            return 0.0 * before(points, trailing_axes(self.c, 1)) * self.c[0]
        t, c = differentiated(knots, self.c, k, nu)
        value = de_boor(t, c, k - nu, points)
        if beyond:
            return value
        inside = (points >= knots[k]) & (points <= knots[number])
        return np.where(before(inside, trailing_axes(c, 1)), value, np.nan)

    def derivative(self, nu: Any = 1) -> Any:
        check_order(nu)
        check_degree(nu, self.k)
        t, c = differentiated(self.t, self.c, self.k, nu)
        return BSpline(t, c, self.k - nu, self.extrapolate)


@at_compile_time
def check_degree(nu: int, k: int) -> None:
    if nu > k:
        raise Refusal("a spline is differentiated more often than its degree", "it is 0")


def differentiated(t: Any, c: Any, k: Any, nu: Any) -> Any:
    """Knots and coefficients of the derivative of order `nu`."""
    if nu == 0:
        return t, c
    number = np.shape(t)[0] - k - 1
    widths = before(t[k + 1 : k + number] - t[1:number], trailing_axes(c, 1))
    slopes = np.where(widths == 0, 0.0, k * np.diff(c[:number], axis=0) / np.where(widths == 0, 1.0, widths))
    return differentiated(t[1:-1], slopes, k - 1, nu - 1)


def de_boor(t: Any, c: Any, k: Any, x: Any) -> Any:
    place = np.clip(np.searchsorted(t, x, "right") - 1, k, np.shape(t)[0] - k - 2)
    return averaged(t, c, k, x, place, k, k)


def averaged(t: Any, c: Any, k: Any, x: Any, place: Any, j: Any, r: Any) -> Any:
    """The j-th value of the r-th round, an average of two of the round before."""
    if r == 0:
        return c[place + (j - k)]
    low, high = t[place + (j - k)], t[place + (j + 1 - r)]
    weight = before((x - low) / (high - low), trailing_axes(c, 1))
    first, second = averaged(t, c, k, x, place, j - 1, r - 1), averaged(t, c, k, x, place, j, r - 1)
    return (1 - weight) * first + weight * second


@stand_in(interpolate.BSpline)
def bspline_outside(curve: Any) -> Any:
    check_along_first(setting(curve, "axis"))
    return BSpline(curve.t, curve.c, setting(curve, "k"), curve.extrapolate)


@written_out(interpolate.BSpline)
def bspline(t: Any, c: Any, k: Any, extrapolate: Any = True, axis: Any = 0) -> Any:
    check_along_first(axis)
    return BSpline(t, c, k, extrapolate)
