"""Linear interpolation of `scipy.interpolate`, on a line and on grids; see `scipy_interpolate`."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import interpolate

from ad_compiler.refusal import Refusal
from ad_compiler.rules.notation import at_compile_time, stand_in, written_out
from ad_compiler.rules.scipy_interpolate import before, real_points, setting, trailing_axes


class Interpolation:
    """`interp1d` of the kind "linear", between values along their last axis."""

    def __init__(self, x: Any, y: Any, beyond: Any) -> None:
        self.x = x
        self.y = y
        self.beyond = beyond

    def __call__(self, x: Any) -> Any:
        knots, points = self.x, real_points(x)
        i = np.clip(np.searchsorted(knots, points), 1, np.shape(knots)[0] - 1)
        low, high = self.y[..., i - 1], self.y[..., i]
        value = low + (high - low) / (knots[i] - knots[i - 1]) * (points - knots[i - 1])
        if self.beyond == "extrapolate":
            return value
        if self.beyond == "refuse":
            out = (points < knots[0]) | (points > knots[-1])
            assert np.all(~out), "a point lies outside of the knots"
            return value
        left, right = ends_of(self.beyond)
        return np.where(points < knots[0], left, np.where(points > knots[-1], right, value))


@at_compile_time
def ends_of(beyond: Any) -> Any:
    return beyond if isinstance(beyond, tuple) else (beyond, beyond)


@at_compile_time
def beyond_of(kind: Any, axis: Any, bounds_error: Any, fill_value: Any, rank: int) -> Any:
    """What happens outside of the knots: "extrapolate", "refuse", or the value there."""
    if kind not in ("linear", "slinear", 1):
        raise Refusal(f"`interp1d` of the kind {kind!r} has no rule", 'use "linear", or `CubicSpline`')
    if axis not in (-1, rank - 1):
        raise Refusal("`interp1d` along an axis that is not the last has no rule", "move the axis to the end")
    if isinstance(fill_value, str):
        return fill_value
    if bounds_error or (bounds_error is None and fill_value is None):
        return "refuse"
    return np.nan if fill_value is None else fill_value


@written_out(interpolate.interp1d)
def interp1d(
    x: Any,
    y: Any,
    kind: Any = "linear",
    axis: Any = -1,
    copy: Any = True,
    bounds_error: Any = None,
    fill_value: Any = None,
    assume_sorted: Any = False,
) -> Any:
    beyond = beyond_of(kind, axis, bounds_error, fill_value, np.ndim(y))
    if assume_sorted:
        return Interpolation(x, y, beyond)
    order = np.argsort(x)
    return Interpolation(x[order], y[..., order], beyond)


@stand_in(interpolate.interp1d)
def interp1d_outside(curve: Any) -> Any:
    beyond = beyond_of(
        setting(curve, "_kind"),
        setting(curve, "axis"),
        curve.bounds_error,
        fill_of(curve),
        np.ndim(curve.y),
    )
    return Interpolation(curve.x, curve.y, beyond)


@at_compile_time
def fill_of(curve: Any) -> Any:
    """Where points lie outside: `interp1d` keeps a number as an array."""
    value = curve.fill_value
    if isinstance(value, tuple):
        return tuple(float(each) for each in value)
    return value if isinstance(value, str) else float(value)


class Grid:
    """`RegularGridInterpolator` of the method "linear"."""

    def __init__(self, points: Any, values: Any, bounds_error: Any, fill_value: Any) -> None:
        self.points = points
        self.values = values
        self.bounds_error = bounds_error
        self.fill_value = fill_value

    def __call__(self, xi: Any) -> Any:
        if is_tuple(xi):
            axes = [real_points(x) for x in xi]
        else:
            stacked = real_points(xi)
            axes = [stacked[..., i] for i in range(len(self.points))]
        value = corners(self.points, self.values, axes, (), 1.0)
        if not self.bounds_error and self.fill_value is None:
            return value
        inside = within(self.points, axes)
        if self.bounds_error:
            assert np.all(inside), "a point lies outside of the grid"
            return value
        return np.where(before(inside, trailing_axes(self.values, len(self.points))), value, self.fill_value)


@at_compile_time
def is_tuple(xi: Any) -> bool:
    return isinstance(xi, tuple)


def within(points: Any, axes: Any) -> Any:
    inside = (axes[0] >= points[0][0]) & (axes[0] <= points[0][-1])
    return inside if len(axes) == 1 else inside & within(points[1:], axes[1:])


def corners(points: Any, values: Any, axes: Any, places: Any, weight: Any) -> Any:
    """The values at the corners of the cells, each with its weight, summed axis by axis."""
    n = len(places)
    if n == len(points):
        return before(weight, trailing_axes(values, n)) * values[places]
    knots, x = points[n], axes[n]
    i = np.clip(np.searchsorted(knots, x) - 1, 0, np.shape(knots)[0] - 2)
    share = (x - knots[i]) / (knots[i + 1] - knots[i])
    low = corners(points, values, axes, (*places, i), weight * (1 - share))
    return low + corners(points, values, axes, (*places, i + 1), weight * share)


@at_compile_time
def check_linear(method: Any) -> None:
    if method != "linear":
        raise Refusal(f"a grid with the method {method!r} has no rule", 'use method="linear"')


@written_out(interpolate.RegularGridInterpolator)
def regular_grid_interpolator(
    points: Any, values: Any, method: Any = "linear", bounds_error: Any = True, fill_value: Any = np.nan
) -> Any:
    check_linear(method)
    return Grid(points, values, bounds_error, fill_value)


@written_out(interpolate.interpn)
def interpn(
    points: Any,
    values: Any,
    xi: Any,
    method: Any = "linear",
    bounds_error: Any = True,
    fill_value: Any = np.nan,
) -> Any:
    check_linear(method)
    return Grid(points, values, bounds_error, fill_value)(xi)


@stand_in(interpolate.RegularGridInterpolator)
def grid_outside(curve: Any) -> Any:
    check_linear(curve.method)
    return Grid(curve.grid, curve.values, curve.bounds_error, setting(curve, "fill_value"))
