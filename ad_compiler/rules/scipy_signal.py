"""Rules of `scipy.signal.convolve` and its relatives, and of the linear filters of `scipy.ndimage`.

A convolution of arrays of any rank is a part of the full one, whose cotangents are correlations where the
factors overlap in full. A filter reads the array beyond its edges by `mode`: that is a read by index, and
what it then computes is a sum over windows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import ndimage, signal

from ad_compiler.analysis.types import ArrayType, Length, promote
from ad_compiler.refusal import Refusal
from ad_compiler.rules.notation import at_compile_time, definition, rule
from ad_compiler.rules.shapes import normalized_axes, rank_of, type_of


def full_type(a: Any, v: Any) -> ArrayType:
    left, right = type_of(a), type_of(v)
    if left.rank != right.rank:
        raise Refusal("arrays of different ranks are convolved", "give both the same rank")
    return ArrayType(promote([left, right]), tuple([Length(object(), may_be_one=True) for _ in left.shape]))


def full_convolution(a: Any, v: Any) -> Any:
    """`scipy.signal.convolve(a, v)`."""


@rule(full_convolution, infer=full_type, text="scipy.signal.convolve", name="convolve")
def convolved(a: Any, v: Any, *, g: Any) -> Any:
    return signal.correlate(g, v, "valid"), signal.correlate(g, a, "valid")


def reversed_all(a: Any) -> Any:
    return np.flip(a)


def part(full: Any, a: Any, v: Any, mode: Any) -> Any:
    """The part of a full convolution that a mode asks for: "same" is as large as the first factor."""
    if mode == "full":
        return full
    return full[window(a, v, mode, tuple([(m, n) for m, n in zip(np.shape(a), np.shape(v))]))]  # noqa: B905


def bounds(m: Any, n: Any, mode: Any) -> Any:
    if mode == "same":
        start = (n - 1) // 2
        return slice(start, start + m)
    start = np.minimum(m, n) - 1
    return slice(start, np.maximum(m, n))


def window(a: Any, v: Any, mode: Any, lengths: Any) -> Any:
    check_mode(mode)
    return tuple([bounds(m, n, mode) for m, n in lengths])


@at_compile_time
def check_mode(mode: Any) -> None:
    if mode not in ("full", "same", "valid"):
        raise Refusal(f"the mode {mode!r} of a convolution is not known", 'use "full", "same" or "valid"')


@definition(signal.convolve)
def convolve(in1: Any, in2: Any, mode: Any = "full", method: Any = "auto") -> Any:
    return part(full_convolution(in1, in2), in1, in2, mode)


@definition(signal.fftconvolve)
def fftconvolve(in1: Any, in2: Any, mode: Any = "full") -> Any:
    return part(full_convolution(in1, in2), in1, in2, mode)


@definition(signal.oaconvolve)
def oaconvolve(in1: Any, in2: Any, mode: Any = "full") -> Any:
    return part(full_convolution(in1, in2), in1, in2, mode)


@definition(signal.convolve2d)
def convolve2d(in1: Any, in2: Any, mode: Any = "full") -> Any:
    return part(full_convolution(in1, in2), in1, in2, mode)


@definition(signal.correlate)
def correlate(in1: Any, in2: Any, mode: Any = "full", method: Any = "auto") -> Any:
    return part(full_convolution(in1, reversed_all(in2)), in1, in2, mode)


@definition(signal.correlate2d)
def correlate2d(in1: Any, in2: Any, mode: Any = "full") -> Any:
    return part(full_convolution(in1, reversed_all(in2)), in1, in2, mode)


# --- scipy.ndimage ---


@at_compile_time
def check_filter(mode: Any, origin: Any) -> None:
    if mode not in (
        "reflect",
        "constant",
        "nearest",
        "mirror",
        "wrap",
        "grid-mirror",
        "grid-wrap",
        "grid-constant",
    ):
        raise Refusal(f"the mode {mode!r} of a filter is not known", 'use "reflect", "constant" or "nearest"')
    if not isinstance(origin, int):
        raise Refusal("the origin of a filter is not one whole number", "give an int")


def extended(a: Any, before: Any, after: Any, axis: Any, mode: Any, cval: Any) -> Any:
    """The array read beyond its edges along one axis."""
    n = np.shape(a)[axis]
    places = np.arange(n + before + after) - before
    if mode in ("reflect", "grid-mirror"):
        folded = places % (2 * n)
        return np.take(a, np.where(folded < n, folded, 2 * n - 1 - folded), axis)
    if mode == "mirror":
        folded = places % np.maximum(2 * n - 2, 1)
        return np.take(a, np.where(folded < n, folded, 2 * n - 2 - folded), axis)
    if mode in ("wrap", "grid-wrap"):
        return np.take(a, places % n, axis)
    inner = np.take(a, np.clip(places, 0, n - 1), axis)
    if mode == "nearest":
        return inner
    inside = np.reshape((places >= 0) & (places < n), along(a, axis))
    return np.where(inside, inner, cval)


@at_compile_time
def along(a: Any, axis: Any) -> tuple[int, ...]:
    (place,) = normalized_axes(axis, rank_of(a))
    return tuple(-1 if i == place else 1 for i in range(rank_of(a)))


@definition(ndimage.correlate1d)
def correlate1d(
    input: Any,
    weights: Any,
    axis: Any = -1,
    output: Any = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    origin: Any = 0,
) -> Any:
    check_filter(mode, origin)
    size = np.shape(weights)[0]
    before = size // 2 + origin
    wide = extended(input, before, size - 1 - before, axis, mode, cval)
    rows = np.moveaxis(wide, axis, -1)
    places = np.arange(np.shape(input)[axis])[:, None] + np.arange(size)
    filtered = np.sum(rows[..., places] * weights, axis=-1)
    return np.moveaxis(filtered, -1, axis).astype(np.asarray(input).dtype)


@definition(ndimage.convolve1d)
def convolve1d(
    input: Any,
    weights: Any,
    axis: Any = -1,
    output: Any = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    origin: Any = 0,
) -> Any:
    shift = np.shape(weights)[0] % 2 - 1
    check_filter(mode, origin)
    size = np.shape(weights)[0]
    before = size // 2 - origin + shift
    wide = extended(input, before, size - 1 - before, axis, mode, cval)
    rows = np.moveaxis(wide, axis, -1)
    places = np.arange(np.shape(input)[axis])[:, None] + np.arange(size)
    filtered = np.sum(rows[..., places] * np.flip(weights), axis=-1)
    return np.moveaxis(filtered, -1, axis).astype(np.asarray(input).dtype)


def widened(a: Any, sizes: Any, befores: Any, axis: Any, mode: Any, cval: Any) -> Any:
    if axis == len(sizes):
        return a
    size, before = sizes[axis], befores[axis]
    wide = extended(a, before, size - 1 - before, axis, mode, cval)
    return widened(wide, sizes, befores, axis + 1, mode, cval)


@definition(ndimage.correlate)
def correlate_nd(
    input: Any, weights: Any, output: Any = None, mode: Any = "reflect", cval: Any = 0.0, origin: Any = 0
) -> Any:
    check_filter(mode, origin)
    sizes = np.shape(weights)
    befores = tuple([size // 2 + origin for size in sizes])
    wide = widened(input, sizes, befores, 0, mode, cval)
    return signal.correlate(wide, weights, "valid").astype(np.asarray(input).dtype)


@definition(ndimage.convolve)
def convolve_nd(
    input: Any, weights: Any, output: Any = None, mode: Any = "reflect", cval: Any = 0.0, origin: Any = 0
) -> Any:
    check_filter(mode, origin)
    sizes = np.shape(weights)
    befores = tuple([size // 2 - origin + size % 2 - 1 for size in sizes])
    wide = widened(input, sizes, befores, 0, mode, cval)
    return signal.convolve(wide, weights, "valid").astype(np.asarray(input).dtype)


def gaussian_weights(sigma: Any, truncate: Any) -> Any:
    radius = int(truncate * sigma + 0.5)
    places = np.arange(2 * radius + 1) - radius
    heights = np.exp(-0.5 * (places / sigma) ** 2)
    return heights / np.sum(heights)


@definition(ndimage.gaussian_filter1d)
def gaussian_filter1d(
    input: Any,
    sigma: Any,
    axis: Any = -1,
    order: Any = 0,
    output: Any = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    truncate: Any = 4.0,
) -> Any:
    check_order(order)
    return ndimage.correlate1d(input, gaussian_weights(sigma, truncate), axis, None, mode, cval)


@definition(ndimage.gaussian_filter)
def gaussian_filter(
    input: Any,
    sigma: Any,
    order: Any = 0,
    output: Any = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    truncate: Any = 4.0,
) -> Any:
    check_order(order)
    return filtered_along(input, sigma, 0, mode, cval, truncate)


def filtered_along(a: Any, sigma: Any, axis: Any, mode: Any, cval: Any, truncate: Any) -> Any:
    if axis == np.ndim(a):
        return a
    weights = gaussian_weights(own_width(sigma, axis), truncate)
    return filtered_along(
        ndimage.correlate1d(a, weights, axis, None, mode, cval), sigma, axis + 1, mode, cval, truncate
    )


@at_compile_time
def own_width(sigma: Any, axis: Any) -> Any:
    return sigma[axis] if isinstance(sigma, (tuple, list)) else sigma


@at_compile_time
def check_order(order: Any) -> None:
    if order != 0:
        raise Refusal("a derivative of a Gaussian as filter has no rule", "use order=0")


@definition(ndimage.uniform_filter1d)
def uniform_filter1d(
    input: Any,
    size: Any,
    axis: Any = -1,
    output: Any = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    origin: Any = 0,
) -> Any:
    return ndimage.correlate1d(input, np.full(size, 1.0 / size), axis, None, mode, cval, origin)
