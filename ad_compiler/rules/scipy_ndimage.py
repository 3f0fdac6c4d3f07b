"""Rules of the filters of `scipy.ndimage`, and of its interpolation.

A filter reads the array beyond its edges by `mode`: that is a read by index, and what it then computes is a
sum over windows. A correlation conjugates its weights, a convolution turns them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import ndimage, signal

from ad_compiler.refusal import Refusal
from ad_compiler.rules.notation import at_compile_time, definition
from ad_compiler.rules.shapes import is_complex, normalized_axes, rank_of, type_of
from ad_compiler.rules.solving import conjugated


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


@at_compile_time
def filtered_dtype(input: Any, weights: Any) -> np.dtype[Any]:
    """That of the input; complex, if the weights are."""
    dtype = type_of(input).dtype
    return np.result_type(dtype, np.complex64) if is_complex(weights) else dtype


def along_axis(input: Any, weights: Any, axis: Any, mode: Any, cval: Any, before: Any) -> Any:
    """The sums of windows along one axis, `before` elements of a window standing in front of its place."""
    size = np.shape(weights)[0]
    wide = extended(input, before, size - 1 - before, axis, mode, cval)
    rows = np.moveaxis(wide, axis, -1)
    places = np.arange(np.shape(input)[axis])[:, None] + np.arange(size)
    filtered = np.sum(rows[..., places] * weights, axis=-1)
    return np.moveaxis(filtered, -1, axis).astype(filtered_dtype(input, weights))


@definition(ndimage.correlate1d, complex=True)
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
    return along_axis(input, conjugated(weights), axis, mode, cval, np.shape(weights)[0] // 2 + origin)


@definition(ndimage.convolve1d, complex=True)
def convolve1d(
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
    return along_axis(input, np.flip(weights), axis, mode, cval, size // 2 - origin + size % 2 - 1)


def widened(a: Any, sizes: Any, befores: Any, axis: Any, mode: Any, cval: Any) -> Any:
    if axis == len(sizes):
        return a
    size, before = sizes[axis], befores[axis]
    wide = extended(a, before, size - 1 - before, axis, mode, cval)
    return widened(wide, sizes, befores, axis + 1, mode, cval)


@definition(ndimage.correlate, complex=True)
def correlate(
    input: Any, weights: Any, output: Any = None, mode: Any = "reflect", cval: Any = 0.0, origin: Any = 0
) -> Any:
    check_filter(mode, origin)
    sizes = np.shape(weights)
    wide = widened(input, sizes, tuple([size // 2 + origin for size in sizes]), 0, mode, cval)
    return signal.correlate(wide, weights, "valid").astype(filtered_dtype(input, weights))


@definition(ndimage.convolve, complex=True)
def convolve(
    input: Any, weights: Any, output: Any = None, mode: Any = "reflect", cval: Any = 0.0, origin: Any = 0
) -> Any:
    check_filter(mode, origin)
    sizes = np.shape(weights)
    befores = tuple([size // 2 - origin + size % 2 - 1 for size in sizes])
    wide = widened(input, sizes, befores, 0, mode, cval)
    return signal.convolve(wide, weights, "valid").astype(filtered_dtype(input, weights))


def gaussian_weights(sigma: Any, order: Any, truncate: Any) -> Any:
    """A Gaussian, or a derivative of one: Hermite polynomials times it."""
    check_order(order)
    radius = int(truncate * sigma + 0.5)
    places = radius - np.arange(2 * radius + 1)
    heights = np.exp(-0.5 * (places / sigma) ** 2)
    bell = heights / np.sum(heights)
    z = places / sigma
    if order == 0:
        return bell
    if order == 1:
        return -z / sigma * bell
    if order == 2:
        return (z * z - 1) / sigma**2 * bell
    return (3 * z - z**3) / sigma**3 * bell


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
    return ndimage.correlate1d(input, gaussian_weights(sigma, order, truncate), axis, None, mode, cval)


@definition(ndimage.gaussian_filter, structures=("sigma", "order"))
def gaussian_filter(
    input: Any,
    sigma: Any,
    order: Any = 0,
    output: Any = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    truncate: Any = 4.0,
) -> Any:
    return smoothed_along(input, sigma, order, 0, mode, cval, truncate)


def smoothed_along(a: Any, sigma: Any, order: Any, axis: Any, mode: Any, cval: Any, truncate: Any) -> Any:
    if axis == np.ndim(a):
        return a
    weights = gaussian_weights(own(sigma, axis), own(order, axis), truncate)
    filtered = ndimage.correlate1d(a, weights, axis, None, mode, cval)
    return smoothed_along(filtered, sigma, order, axis + 1, mode, cval, truncate)


@at_compile_time
def own(setting: Any, axis: Any) -> Any:
    return setting[axis] if isinstance(setting, (tuple, list)) else setting


@at_compile_time
def check_order(order: Any) -> None:
    if order not in (0, 1, 2, 3):
        raise Refusal("a Gaussian filter of an order beyond 3 has no rule", "use order=0, 1, 2 or 3")


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


@definition(ndimage.uniform_filter, structures=("size",))
def uniform_filter(
    input: Any, size: Any = 3, output: Any = None, mode: Any = "reflect", cval: Any = 0.0, origin: Any = 0
) -> Any:
    return uniform_along(input, size, 0, mode, cval, origin)


def uniform_along(a: Any, size: Any, axis: Any, mode: Any, cval: Any, origin: Any) -> Any:
    if axis == np.ndim(a):
        return a
    filtered = uniform_filter1d(a, own(size, axis), axis, None, mode, cval, origin)
    return uniform_along(filtered, size, axis + 1, mode, cval, origin)


@definition(ndimage.sobel)
def sobel(input: Any, axis: Any = -1, output: Any = None, mode: Any = "reflect", cval: Any = 0.0) -> Any:
    return difference_across(input, axis, np.array([1.0, 2.0, 1.0]), mode, cval)


@definition(ndimage.prewitt)
def prewitt(input: Any, axis: Any = -1, output: Any = None, mode: Any = "reflect", cval: Any = 0.0) -> Any:
    return difference_across(input, axis, np.array([1.0, 1.0, 1.0]), mode, cval)


def difference_across(a: Any, axis: Any, weights: Any, mode: Any, cval: Any) -> Any:
    """A central difference along one axis, sums along the others."""
    steep = ndimage.correlate1d(a, np.array([-1.0, 0.0, 1.0]), axis, None, mode, cval)
    return summed_beside(steep, other_axes(a, axis), weights, mode, cval)


def summed_beside(a: Any, axes: Any, weights: Any, mode: Any, cval: Any) -> Any:
    if len(axes) == 0:
        return a
    return summed_beside(
        ndimage.correlate1d(a, weights, axes[0], None, mode, cval), axes[1:], weights, mode, cval
    )


@at_compile_time
def other_axes(a: Any, axis: Any) -> tuple[int, ...]:
    (place,) = normalized_axes(axis, rank_of(a))
    return tuple(i for i in range(rank_of(a)) if i != place)


@definition(ndimage.laplace)
def laplace(input: Any, output: Any = None, mode: Any = "reflect", cval: Any = 0.0) -> Any:
    return second_differences(input, 0, mode, cval)


def second_differences(a: Any, axis: Any, mode: Any, cval: Any) -> Any:
    bend = ndimage.correlate1d(a, np.array([1.0, -2.0, 1.0]), axis, None, mode, cval)
    return bend if axis == np.ndim(a) - 1 else bend + second_differences(a, axis + 1, mode, cval)


# --- interpolation ---


@definition(ndimage.map_coordinates, structures=("coordinates",))
def map_coordinates(
    input: Any,
    coordinates: Any,
    output: Any = None,
    order: Any = 3,
    mode: Any = "constant",
    cval: Any = 0.0,
    prefilter: Any = True,
) -> Any:
    check_coordinates(order, mode)
    where = [np.asarray(coordinates[i]) for i in range(np.ndim(input))]
    value = corners(input, where, (), 1.0)
    if mode == "constant":
        value = np.where(all_inside(input, where, 0), value, cval)
    return value.astype(np.asarray(input).dtype)


@at_compile_time
def check_coordinates(order: Any, mode: Any) -> None:
    if order != 1 or mode not in ("constant", "nearest"):
        raise Refusal(
            f"`map_coordinates` of order {order!r} in mode {mode!r} has no rule",
            'use order=1 and mode="constant" or "nearest"',
        )


def corners(a: Any, where: Any, places: Any, weight: Any) -> Any:
    """The elements at the corners of the cells, each with its weight."""
    axis = len(places)
    if axis == np.ndim(a):
        return weight * a[places]
    last = np.shape(a)[axis] - 1
    x = np.clip(where[axis], 0, last)
    i = np.clip(np.floor(x).astype(int), 0, np.maximum(last - 1, 0))
    share = x - i
    low = corners(a, where, (*places, i), weight * (1 - share))
    return low + corners(a, where, (*places, np.minimum(i + 1, last)), weight * share)


def all_inside(a: Any, where: Any, axis: Any) -> Any:
    inside = (where[axis] >= 0) & (where[axis] <= np.shape(a)[axis] - 1)
    return inside if axis == np.ndim(a) - 1 else inside & all_inside(a, where, axis + 1)
