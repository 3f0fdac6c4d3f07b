"""Functions that call a function for every element, or along an axis: they are written out as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from ad_compiler.rules.assembling import broadcast_arrays, product
from ad_compiler.rules.notation import at_compile_time, written_out
from ad_compiler.rules.shapes import normalized_axes, rank_of


@written_out(np.apply_over_axes)
def apply_over_axes(func: Any, a: Any, axes: Any) -> Any:
    result = a
    for axis in as_axes(a, axes):
        reduced = func(result, axis)
        result = reduced if np.ndim(reduced) == np.ndim(a) else np.expand_dims(reduced, axis)
    return result


@at_compile_time
def as_axes(a: Any, axes: Any) -> tuple[int, ...]:
    return normalized_axes(axes, rank_of(a))


@written_out(np.apply_along_axis)
def apply_along_axis(func1d: Any, axis: Any, arr: Any, *args: Any, **kwargs: Any) -> Any:
    rows = np.moveaxis(arr, axis, -1)
    flat = np.reshape(rows, (product(np.shape(rows)[:-1]), np.shape(rows)[-1]))
    results = np.array([func1d(row, *args, **kwargs) for row in flat])
    whole = np.reshape(results, np.shape(rows)[:-1] + np.shape(results)[1:])
    if np.ndim(results) == 1:
        return whole
    return np.moveaxis(whole, sources(whole, rows), destinations(whole, rows, axis))


@at_compile_time
def sources(whole: Any, rows: Any) -> tuple[int, ...]:
    """The axes of what each call gave, which come last."""
    return tuple(range(rank_of(rows) - 1, rank_of(whole)))


@at_compile_time
def destinations(whole: Any, rows: Any, axis: Any) -> tuple[int, ...]:
    """Where they belong: in the place of the axis the rows were taken from."""
    start = axis % rank_of(rows)
    return tuple(range(start, start + rank_of(whole) - rank_of(rows) + 1))


def vectorized(function: Any, *args: Any) -> Any:
    """What `np.vectorize(function)(*args)` computes: a call for every element."""
    arrays = broadcast_arrays(*args)
    results = np.array([function(*items) for items in zip(*[np.ravel(array) for array in arrays])])  # noqa: B905
    return np.reshape(results, np.shape(arrays[0]))
