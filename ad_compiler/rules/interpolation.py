"""Interpolation, differences and integrals of samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from ad_compiler.refusal import Refusal
from ad_compiler.rules.notation import at_compile_time, definition, written_out
from ad_compiler.rules.rearranging import first_difference
from ad_compiler.rules.shapes import normalized_axes, rank_of, type_of


@definition(np.interp)
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    if period is not None:
        order = np.argsort(xp % period)
        knots, values = (xp % period)[order], fp[order]
        knots = np.concatenate([knots[-1:] - period, knots, knots[:1] + period])
        return interp(x % period, knots, np.concatenate([values[-1:], values, values[:1]]))
    i = np.clip(np.searchsorted(xp, x, "right"), 1, np.shape(xp)[0] - 1)
    slope = (fp[i] - fp[i - 1]) / (xp[i] - xp[i - 1])
    inside = fp[i - 1] + slope * (x - xp[i - 1])
    above = np.where(x > xp[-1], fp[-1] if right is None else right, inside)
    result = np.where(x < xp[0], fp[0] if left is None else left, above)
    return np.asarray(result).astype(np.float64)


@written_out(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: Any = 1) -> Any:
    axes = gradient_axes(f, axis)
    steps = gradient_steps(varargs, len(axes))
    parts = [slopes(f, place, step, edge_order) for place, step in zip(axes, steps)]  # noqa: B905
    return parts[0] if len(parts) == 1 else tuple(parts)


@at_compile_time
def gradient_axes(f: Any, axis: Any) -> tuple[int, ...]:
    return normalized_axes(axis, rank_of(f))


@at_compile_time
def gradient_steps(varargs: Any, number: int) -> list[Any]:
    """The spacing along each axis."""
    steps = list(varargs) or [1.0]
    if len(steps) == 1:
        steps = steps * number
    if len(steps) != number:
        raise Refusal(f"{len(steps)} spacings are given for {number} axes", "give one for each axis")
    return steps


def slopes(f: Any, axis: Any, step: Any, edge_order: Any) -> Any:
    """Second-order differences inside; one-sided ones at the ends."""
    y = np.moveaxis(f, axis, 0)
    if np.ndim(step) == 0:
        inner = (y[2:] - y[:-2]) / (2.0 * step)
        first, last = (y[1] - y[0]) / step, (y[-1] - y[-2]) / step
        if edge_order == 2:
            first = (-1.5 * y[0] + 2.0 * y[1] - 0.5 * y[2]) / step
            last = (0.5 * y[-3] - 2.0 * y[-2] + 1.5 * y[-1]) / step
    else:
        h = np.reshape(np.diff(step), column_shape(y))
        a, b = h[:-1], h[1:]
        inner = -b / (a * (a + b)) * y[:-2] + (b - a) / (a * b) * y[1:-1] + a / (b * (a + b)) * y[2:]
        first, last = (y[1] - y[0]) / h[0], (y[-1] - y[-2]) / h[-1]
        if edge_order == 2:
            a, b = h[0], h[1]
            first = (
                -(2.0 * a + b) / (a * (a + b)) * y[0] + (a + b) / (a * b) * y[1] - a / (b * (a + b)) * y[2]
            )
            a, b = h[-2], h[-1]
            last = (
                b / (a * (a + b)) * y[-3] - (a + b) / (a * b) * y[-2] + (2.0 * b + a) / (b * (a + b)) * y[-1]
            )
    slopes_along = np.concatenate([first[None], inner, last[None]])
    return np.moveaxis(slopes_along.astype(as_real(f)), 0, axis)


@at_compile_time
def as_real(f: Any) -> np.dtype[Any]:
    dtype = type_of(f).dtype
    return np.dtype(np.float64) if dtype.kind in "biu" else dtype


@at_compile_time
def column_shape(y: Any) -> tuple[int, ...]:
    return (-1,) + (1,) * (rank_of(y) - 1)


@definition(np.trapezoid, *([vars(np)["trapz"]] if "trapz" in vars(np) else []), complex=True)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: Any = -1) -> Any:
    heights = np.moveaxis(y, axis, -1)
    sums = 0.5 * (heights[..., 1:] + heights[..., :-1])
    if x is None:
        return np.sum(dx * sums, axis=-1)
    return np.sum(np.diff(x if np.ndim(x) == 1 else np.moveaxis(x, axis, -1)) * sums, axis=-1)


@definition(np.ediff1d, complex=True)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    parts = [np.diff(np.ravel(ary))]
    if to_begin is not None:
        parts = [np.ravel(to_begin).astype(parts[0].dtype)] + parts
    if to_end is not None:
        parts = parts + [np.ravel(to_end).astype(parts[0].dtype)]
    return np.concatenate(parts)


@definition(np.unwrap)
def unwrap(p: Any, discont: Any = None, axis: Any = -1, period: Any = 6.283185307179586) -> Any:
    phases = np.moveaxis(p, axis, -1)
    steps = np.diff(phases)
    half = 0.5 * period
    wrapped = (steps + half) % period - half
    wrapped = np.where((wrapped == -half) & (steps > 0), half, wrapped)
    jumps = np.where(
        np.abs(steps) < (half if discont is None else np.maximum(discont, half)), 0.0, wrapped - steps
    )
    return np.moveaxis(
        np.concatenate([phases[..., :1], phases[..., 1:] + np.cumsum(jumps, -1)], -1), -1, axis
    )


@definition(np.diff, complex=True)
def diff(a: Any, n: Any = 1, axis: Any = -1, prepend: Any = None, append: Any = None) -> Any:
    parts = [a]
    if prepend is not None:
        parts = [beside(prepend, a, axis)] + parts
    if append is not None:
        parts = parts + [beside(append, a, axis)]
    return differences(np.concatenate(parts, axis) if len(parts) > 1 else a, n, axis)


def beside(value: Any, a: Any, axis: Any) -> Any:
    """A number to be joined along an axis, stretched to the other ones."""
    if np.ndim(value) > 0:
        return value
    return np.broadcast_to(value, with_one(np.shape(a), axis))


@at_compile_time
def with_one(shape: Any, axis: int) -> tuple[Any, ...]:
    lengths = list(shape)
    lengths[axis] = 1
    return tuple(lengths)


@at_compile_time
def check_order(n: Any) -> None:
    if not isinstance(n, int) or n < 1:
        raise Refusal(f"`np.diff` of order {n!r} is the array itself, or an error", "take a positive order")


def differences(a: Any, n: Any, axis: Any) -> Any:
    check_order(n)
    once = first_difference(a, axis)
    return once if n == 1 else differences(once, n - 1, axis)
