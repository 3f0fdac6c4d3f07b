"""Rules of running products, and of running sums and products that leave out what is not a number."""

from __future__ import annotations

from typing import Any

import numpy as np

from ad_compiler.rules.notation import definition, rule, written_out
from ad_compiler.rules.reductions import cumsum_type


@rule(np.cumprod, infer=cumsum_type, method="cumprod", complex=True)
def cumprod(a: Any, axis: Any = None, *, g: Any) -> Any:
    if axis is None:
        return np.reshape(along(np.ravel(a), 0, np.ravel(g)), np.shape(a))
    return along(a, axis, g)


def along(a: Any, axis: Any, g: Any) -> Any:
    """An element is a factor of all that follow it: the product of the others is `y / a`, but at a zero.

    The first zero is left out of the products that it makes zero. What stands behind it is multiplied by it,
    and has the derivative 0; but that changes with the first zero, also at the second one.
    """
    zero = a == 0
    number = np.cumsum(zero, axis)
    first, second = zero & (number == 1), zero & (number == 2)
    others = behind(g * np.cumprod(a, axis), axis) / np.where(zero, 1.0, a)
    return np.where(first, without(first, a, axis, g), np.where(second, without(second, a, axis, g), others))


def without(chosen: Any, a: Any, axis: Any, g: Any) -> Any:
    return behind(g * np.cumprod(np.where(chosen, 1.0, a), axis), axis)


def behind(a: Any, axis: Any) -> Any:
    """The sums of each element and all that follow it."""
    return np.flip(np.cumsum(np.flip(a, axis), axis), axis)


@definition(np.nancumsum)
def nancumsum(a: Any, axis: Any = None) -> Any:
    return np.cumsum(np.where(np.isnan(a), 0.0, a), axis)


@definition(np.nancumprod)
def nancumprod(a: Any, axis: Any = None) -> Any:
    return np.cumprod(np.where(np.isnan(a), 1.0, a), axis)


def cumulative_sum(x: Any, *, axis: Any = None, include_initial: Any = False) -> Any:
    sums = np.cumsum(x, 0 if axis is None else axis)
    return started(sums, np.zeros, axis) if include_initial else sums


def cumulative_prod(x: Any, *, axis: Any = None, include_initial: Any = False) -> Any:
    products = np.cumprod(x, 0 if axis is None else axis)
    return started(products, np.ones, axis) if include_initial else products


def started(running: Any, made: Any, axis: Any) -> Any:
    place = 0 if axis is None else axis
    shape = list(np.shape(running))
    shape[place] = 1
    return np.concatenate([made(tuple(shape), running.dtype), running], place)


if hasattr(np, "cumulative_sum"):  # NumPy 2.1
    written_out(np.cumulative_sum)(cumulative_sum)
    written_out(np.cumulative_prod)(cumulative_prod)
