"""Statistics in terms of sums and sorted arrays: order statistics, covariances, reductions that skip NaN.

An order statistic is an element of the sorted array, or lies between two of them: its derivative goes to
these. Source of the positions of quantiles: Hyndman and Fan, Sample quantiles in statistical packages (1996).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ad_compiler.analysis.types import is_one, may_be_one
from ad_compiler.refusal import Refusal
from ad_compiler.rules.notation import at_compile_time, definition
from ad_compiler.rules.reductions import count, restored
from ad_compiler.rules.scipy_precision import double
from ad_compiler.rules.shapes import normalized_axes, rank_of, shape_of
from ad_compiler.rules.solving import adjoint


@at_compile_time
def other_axes(a: Any, axis: Any) -> tuple[int, ...]:
    """The axes that are not reduced."""
    reduced = normalized_axes(axis, rank_of(a))
    return tuple(i for i in range(rank_of(a)) if i not in reduced)


def lanes(a: Any, axis: Any) -> Any:
    """The array with the reduced axes as one, which is the last."""
    kept = other_axes(a, axis)
    moved = np.moveaxis(a, kept, leading(kept)) if kept else a
    return np.reshape(moved, (*np.shape(moved)[: len(kept)], count(a, axis)))


@at_compile_time
def leading(axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(range(len(axes)))


def position(q: Any, n: Any, method: Any) -> Any:
    """Where in the sorted array, counted from 0, the quantile lies."""
    if method == "weibull":
        return q * (n + 1.0) - 1.0
    if method == "hazen":
        return q * n - 0.5
    if method == "median_unbiased":
        return q * (n + 1 / 3) + (1 / 3 - 1.0)
    if method == "normal_unbiased":
        return q * (n + 0.25) + (0.375 - 1.0)
    if method == "interpolated_inverted_cdf":
        return q * n - 1.0
    return q * (n - 1.0)


JUMPING = ("inverted_cdf", "averaged_inverted_cdf", "closest_observation")


@at_compile_time
def check_method(method: Any) -> None:
    if method in JUMPING:
        raise Refusal(f"quantiles by the method {method!r} jump between elements", 'use method="linear"')


def between(ordered: Any, n: Any, q: Any, method: Any, at: Any) -> Any:
    """The quantile `q` of lanes that are sorted along the last axis, `n` elements of each counted.

    `at` reads the lanes at places, which are the same for all of them or differ.
    """
    check_method(method)
    place = np.clip(position(q, n, method), 0.0, n - 1.0)
    if method == "nearest":
        return at(ordered, np.rint(place))
    low, high = at(ordered, np.floor(place)), at(ordered, np.ceil(place))
    if method == "lower":
        return low
    if method == "higher":
        return high
    if method == "midpoint":
        return (low + high) / 2
    weight = place - np.floor(place)
    return low + (high - low) * (weight.astype(ordered.dtype) if np.ndim(q) == 0 else weight)


def at_places(ordered: Any, place: Any) -> Any:
    """The elements of all lanes at the same places."""
    return ordered[..., place.astype(int)]


def at_own_place(ordered: Any, place: Any) -> Any:
    """The element of each lane at a place of its own."""
    if np.ndim(place) == 0:
        return ordered[place.astype(int)]
    return np.take_along_axis(ordered, place.astype(int)[..., None], -1)[..., 0]


def finished(result: Any, a: Any, axis: Any, keepdims: Any, q: Any) -> Any:
    """The axes of `q` put in front, those that were reduced put back if they are to be kept."""
    if np.ndim(q) == 0:
        return restored(result, a, axis, False) if keepdims else result
    if np.ndim(q) > 1 or keepdims:
        refuse_many()
    return np.moveaxis(result, -1, 0)


@at_compile_time
def refuse_many() -> None:
    raise Refusal("several quantiles are taken with `keepdims`, or a table of them", "take them one by one")


@definition(np.quantile)
def quantile(a: Any, q: Any, axis: Any = None, method: Any = "linear", keepdims: Any = False) -> Any:
    ordered = np.sort(lanes(a, axis))
    result = between(ordered, count(a, axis), q, method, at_places)
    return finished(result, a, every(a, axis), keepdims, q)


@at_compile_time
def every(a: Any, axis: Any) -> tuple[int, ...]:
    return normalized_axes(axis, rank_of(a))


@definition(np.percentile)
def percentile(a: Any, q: Any, axis: Any = None, method: Any = "linear", keepdims: Any = False) -> Any:
    return quantile(a, q / 100, axis, method, keepdims)


@definition(np.median)
def median(a: Any, axis: Any = None, keepdims: Any = False) -> Any:
    ordered, n = np.sort(lanes(a, axis)), count(a, axis)
    middle = (ordered[..., (n - 1) // 2] + ordered[..., n // 2]) / 2
    return finished(middle, a, every(a, axis), keepdims, 0.5)


@definition(np.nanquantile)
def nanquantile(a: Any, q: Any, axis: Any = None, method: Any = "linear", keepdims: Any = False) -> Any:
    if np.ndim(q) > 0:
        refuse_many()
    rows = lanes(a, axis)
    result = between(np.sort(rows), np.sum(~np.isnan(rows), axis=-1), q, method, at_own_place)
    return finished(result, a, every(a, axis), keepdims, q)


@definition(np.nanpercentile)
def nanpercentile(a: Any, q: Any, axis: Any = None, method: Any = "linear", keepdims: Any = False) -> Any:
    return nanquantile(a, q / 100, axis, method, keepdims)


@definition(np.nanmedian)
def nanmedian(a: Any, axis: Any = None, keepdims: Any = False) -> Any:
    return nanquantile(a, 0.5, axis, "linear", keepdims)


@definition(np.nansum, positional=2)
def nansum(a: Any, axis: Any = None, keepdims: Any = False) -> Any:
    return np.sum(np.where(np.isnan(a), 0.0, a), axis=axis, keepdims=keepdims)


@definition(np.nanprod, positional=2)
def nanprod(a: Any, axis: Any = None, keepdims: Any = False) -> Any:
    return np.prod(np.where(np.isnan(a), 1.0, a), axis=axis, keepdims=keepdims)


@definition(np.nanmean, positional=2)
def nanmean(a: Any, axis: Any = None, keepdims: Any = False) -> Any:
    number = np.sum(~np.isnan(a), axis=axis, keepdims=keepdims)
    return nansum(a, axis, keepdims) / np.asarray(number).astype(np.asarray(a).dtype)


@definition(np.nanmax, positional=2)
def nanmax(a: Any, axis: Any = None, keepdims: Any = False) -> Any:
    return np.max(np.where(np.isnan(a), -np.inf, a), axis=axis, keepdims=keepdims)


@definition(np.nanmin, positional=2)
def nanmin(a: Any, axis: Any = None, keepdims: Any = False) -> Any:
    return np.min(np.where(np.isnan(a), np.inf, a), axis=axis, keepdims=keepdims)


@definition(np.nanvar, positional=2)
def nanvar(a: Any, axis: Any = None, ddof: Any = 0, keepdims: Any = False) -> Any:
    number = np.sum(~np.isnan(a), axis=axis, keepdims=keepdims)
    deviation = a - nanmean(a, axis, True)
    return nansum(deviation * deviation, axis, keepdims) / np.asarray(number - ddof).astype(
        np.asarray(a).dtype
    )


@definition(np.nanstd, positional=2)
def nanstd(a: Any, axis: Any = None, ddof: Any = 0, keepdims: Any = False) -> Any:
    return root(nanvar(a, axis, ddof, keepdims))


def root(variance: Any) -> Any:
    """The square root, whose slope at 0 counts as 0: a spread is a norm."""
    return np.where(variance == 0, 0.0, np.sqrt(np.where(variance == 0, 1.0, variance)))


@definition(np.cov, complex=True)
def cov(
    m: Any,
    y: Any = None,
    rowvar: Any = True,
    bias: Any = False,
    ddof: Any = None,
    fweights: Any = None,
    aweights: Any = None,
) -> Any:
    x = variables(m, rowvar)
    if y is not None:
        x = np.concatenate([x, variables(y, rowvar)], 0)
    lost = ddof if ddof is not None else 0 if bias else 1
    if fweights is None and aweights is None:
        deviation = x - np.mean(x, axis=1, keepdims=True)
        c = deviation @ adjoint(deviation) / (np.shape(x)[1] - lost)
    else:
        weights = aweights if fweights is None else fweights if aweights is None else fweights * aweights
        total = np.sum(weights)
        deviation = x - (np.sum(x * weights, axis=1) / total)[:, None]
        shared = 1.0 if aweights is None else np.sum(weights * aweights) / total
        c = deviation @ adjoint(deviation * weights) / (total - lost * shared)
    return c[0, 0] if y is None and is_single(x) else c


def variables(m: Any, rowvar: Any) -> Any:
    """One row for each variable, in double precision at least."""
    if np.ndim(m) < 2:
        return double(np.reshape(m, (1, np.size(m))))
    return double(m if rowvar else m.T)


@at_compile_time
def is_single(x: Any) -> bool:
    """Whether there is one variable, for which NumPy gives a number in the place of a matrix."""
    rows = shape_of(x)[0]
    if may_be_one(rows) and not is_one(rows):
        raise Refusal("whether there is more than one variable is not known while compiling", "use `np.var`")
    return is_one(rows)


@definition(np.corrcoef, complex=True)
def corrcoef(x: Any, y: Any = None, rowvar: Any = True) -> Any:
    c = cov(x, y, rowvar)
    if np.ndim(c) == 0:
        return c / c
    spread = np.sqrt(np.real(np.diagonal(c)))
    return c / spread[:, None] / spread[None, :]
