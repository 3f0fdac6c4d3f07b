"""Rules of what selects or rearranges elements by a fixed pattern: diagonals, triangles, copies, order."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ad_compiler.analysis.types import ArrayType, Axis, Length, representative, same_length, shortened
from ad_compiler.builder import Builder
from ad_compiler.ir import Operand, Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.indexing import index_add
from ad_compiler.rules.notation import at_compile_time, constant, expansion, linear, pushforward, registry
from ad_compiler.rules.shapes import (
    normalized_axes,
    product_of_axes,
    rank_of,
    same_as_first,
    static_int,
    sum_of_axes,
    type_of,
)
from ad_compiler.rules.structure import length


def triangle_type(m: Any, k: Any = 0) -> ArrayType:
    if rank_of(m) < 2:
        raise Refusal("a triangle is taken of an array without rows and columns", "pass a matrix")
    return same_as_first(m)


@linear(np.tril, infer=triangle_type, complex=True)
def tril(m: Any, k: Any = 0, *, g: Any) -> Any:
    return np.tril(g, k)


@linear(np.triu, infer=triangle_type, complex=True)
def triu(m: Any, k: Any = 0, *, g: Any) -> Any:
    return np.triu(g, k)


@at_compile_time
def diagonal_axes(a: Any, axis1: Any, axis2: Any) -> tuple[int, int]:
    """The two axes a diagonal is taken of, counted from 0."""
    first, second = normalized_axes((axis1, axis2), rank_of(a))
    return first, second


def diagonal_type(a: Any, offset: Any = 0, axis1: Any = 0, axis2: Any = 1) -> ArrayType:
    kind = type_of(a)
    if kind.rank < 2:
        raise Refusal(f"a diagonal is taken of an array of rank {kind.rank}", "pass a matrix")
    places = diagonal_axes(a, axis1, axis2)
    shift = static_int(offset, "the offset of a diagonal")
    rows, columns = (representative(kind.shape[place]) for place in places)
    size: Axis = Length(object(), may_be_one=True)
    if isinstance(rows, int) and isinstance(columns, int):
        size = max(min(rows + min(shift, 0), columns - max(shift, 0)), 0)
    elif same_length(rows, columns):
        size = shortened(rows, abs(shift))
    return ArrayType(kind.dtype, (*[n for i, n in enumerate(kind.shape) if i not in places], size))


@linear(np.diagonal, infer=diagonal_type, method="diagonal", view=True, complex=True)
def diagonal(a: Any, offset: Any = 0, axis1: Any = 0, axis2: Any = 1, *, g: Any) -> Any:
    index = diagonal_index(a, offset, diagonal_axes(a, axis1, axis2), np.arange(np.shape(g)[-1]))
    place = diagonal_place(a, axis1, axis2)
    return index_add(np.zeros_like(a), index, g if place == np.ndim(g) - 1 else np.moveaxis(g, -1, place))


@expansion()
def diagonal_index(builder: Builder, a: Operand, offset: int, axes: Any, i: Operand) -> Operand:
    """Where a diagonal lies: `i` on both axes, one of them shifted by the offset."""
    first, second = axes
    index: list[Operand] = [slice(None)] * rank_of(a)
    index[first] = builder.call(registry[operator.add], (i, max(-offset, 0)))
    index[second] = builder.call(registry[operator.add], (i, max(offset, 0)))
    return tuple(index)


@at_compile_time
def diagonal_place(a: Any, axis1: Any, axis2: Any) -> int:
    """Which axis of `a[diagonal_index(...)]` runs along the diagonal."""
    first, second = diagonal_axes(a, axis1, axis2)
    return min(first, second) if abs(first - second) == 1 else 0


def diag_type(v: Any, k: Any = 0) -> ArrayType:
    kind = type_of(v)
    if kind.rank == 2:
        return diagonal_type(v, k)
    if kind.rank != 1:
        raise Refusal(f"`np.diag` is given an array of rank {kind.rank}", "pass a vector or a matrix")
    size = sum_of_axes([kind.shape[0], abs(static_int(k, "the offset of a diagonal"))])
    return ArrayType(kind.dtype, (size, size))


@linear(np.diag, infer=diag_type, view=True, complex=True)
def diag(v: Any, k: Any = 0, *, g: Any) -> Any:
    if np.ndim(v) == 1:
        return np.reshape(np.diag(g, k), np.shape(v))
    return index_add(np.zeros_like(v), diagonal_index(v, k, (0, 1), np.arange(np.size(g))), g)


def trace_type(a: Any, offset: Any = 0) -> ArrayType:
    if rank_of(a) != 2:
        raise Refusal(f"a trace is taken of an array of rank {rank_of(a)}", "pass a matrix")
    return ArrayType(diagonal_type(a, offset).dtype)


@linear(np.trace, infer=trace_type, method="trace", complex=True)
def trace(a: Any, offset: Any = 0, *, g: Any) -> Any:
    return g * np.eye(np.shape(a)[0], np.shape(a)[1], offset)


def roll_type(a: Any, shift: Any, axis: Any = None) -> ArrayType:
    normalized_axes(axis, rank_of(a))
    if isinstance(shift, (tuple, list)):
        for one in shift:
            static_int(one, "one of several shifts")
    return same_as_first(a)


@linear(np.roll, infer=roll_type, complex=True)
def roll(a: Any, shift: Any, axis: Any = None, *, g: Any) -> Any:
    return np.roll(g, backwards(shift), axis)


@expansion()
def backwards(builder: Builder, shift: Operand) -> Operand:
    if isinstance(shift, Value):
        return builder.call(registry[operator.neg], (shift,))
    return tuple(-one for one in shift) if isinstance(shift, (tuple, list)) else -shift


@expansion(np.flipud)
def flipud(builder: Builder, m: Operand) -> Operand:
    return builder.call(registry[np.flip], (m, 0))


@expansion(np.fliplr)
def fliplr(builder: Builder, m: Operand) -> Operand:
    return builder.call(registry[np.flip], (m, 1))


def repeat_type(a: Any, repeats: Any, axis: Any = None) -> ArrayType:
    kind = type_of(a)
    times = static_int(repeats, "how often `np.repeat` repeats")
    if axis is None:
        return ArrayType(kind.dtype, (product_of_axes((*kind.shape, times), None),))
    (place,) = normalized_axes(axis, kind.rank)
    stretched = product_of_axes((kind.shape[place], times), None)
    return ArrayType(kind.dtype, (*kind.shape[:place], stretched, *kind.shape[place + 1 :]))


@linear(np.repeat, infer=repeat_type, method="repeat", complex=True)
def repeat(a: Any, repeats: Any, axis: Any = None, *, g: Any) -> Any:
    if axis is None:
        return np.reshape(np.reshape(g, (np.size(a), repeats)).sum(axis=1), np.shape(a))
    after = axis_after(a, axis)
    return np.reshape(g, (*np.shape(a)[:after], repeats, *np.shape(a)[after:])).sum(axis=after)


@at_compile_time
def axis_after(a: Any, axis: Any) -> int:
    return normalized_axes(axis, rank_of(a))[0] + 1


@at_compile_time
def repetitions(a: Any, reps: Any) -> tuple[int, ...]:
    """How often `np.tile` repeats along each axis of the result."""
    counts = reps if isinstance(reps, (tuple, list)) else (reps,)
    found = tuple(static_int(n, "how often `np.tile` repeats") for n in counts)
    return (1,) * (rank_of(a) - len(found)) + found


def tile_type(A: Any, reps: Any) -> ArrayType:
    kind = type_of(A)
    counts = repetitions(A, reps)
    shape = (*[1] * (len(counts) - kind.rank), *kind.shape)
    axes = [product_of_axes(pair, None) for pair in zip(shape, counts, strict=True)]
    return ArrayType(kind.dtype, tuple(axes))


@linear(np.tile, infer=tile_type, complex=True)
def tile(A: Any, reps: Any, *, g: Any) -> Any:
    counts = repetitions(A, reps)
    copies = np.reshape(g, interleaved(counts, np.shape(A)))
    return np.reshape(copies.sum(axis=even_axes(counts)), np.shape(A))


@at_compile_time
def interleaved(counts: tuple[int, ...], shape: tuple[Any, ...]) -> tuple[Any, ...]:
    padded = (*[1] * (len(counts) - len(shape)), *shape)
    return tuple(n for pair in zip(counts, padded, strict=True) for n in pair)


@at_compile_time
def even_axes(counts: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(range(0, 2 * len(counts), 2))


def diff_type(a: Any, axis: Any = -1) -> ArrayType:
    kind = type_of(a)
    (place,) = normalized_axes(axis, kind.rank)
    size = representative(kind.shape[place])
    less = max(size - 1, 0) if isinstance(size, int) else shortened(size, 1)
    return ArrayType(kind.dtype, (*kind.shape[:place], less, *kind.shape[place + 1 :]))


def first_difference(a: Any, axis: Any = -1) -> Any:
    """`np.diff` of the first order."""


@linear(first_difference, infer=diff_type, text="np.diff", name="diff", complex=True)
def difference(a: Any, axis: Any = -1, *, g: Any) -> Any:
    upper = index_add(np.zeros_like(a), slice_along(a, axis, 1, None), g)
    return index_add(upper, slice_along(a, axis, None, -1), -g)


@at_compile_time
def slice_along(a: Any, axis: Any, start: Any, stop: Any) -> tuple[slice, ...]:
    (place,) = normalized_axes(axis, rank_of(a))
    return (*[slice(None)] * place, slice(start, stop))


def order_type(a: Any, axis: Any = -1, kind: Any = None) -> ArrayType:
    return ArrayType(np.dtype(np.intp), sorted_type(a, axis).shape)


def sorted_type(a: Any, axis: Any = -1) -> ArrayType:
    kind = type_of(a)
    if axis is None:
        return ArrayType(kind.dtype, (product_of_axes(kind.shape, None),))
    normalized_axes(axis, kind.rank)
    return same_as_first(a)


@constant(np.argsort, infer=order_type, method="argsort")
def argsort(a: Any, axis: Any = -1, kind: Any = None) -> None: ...


@linear(np.sort, infer=sorted_type)
def sort(a: Any, axis: Any = -1, *, g: Any) -> Any:
    if axis is None:
        return np.reshape(g[np.argsort(np.argsort(a, None))], np.shape(a))
    return np.take_along_axis(g, np.argsort(np.argsort(a, axis), axis), axis)


@pushforward(np.sort)
def sort_tangent(a: Any, axis: Any = -1, *, a_dot: Any) -> Any:
    if axis is None:
        return np.ravel(a_dot)[np.argsort(a, None)]
    return np.take_along_axis(a_dot, np.argsort(a, axis), axis)


@expansion(np.take_along_axis)
def take_along_axis(builder: Builder, arr: Operand, indices: Operand, axis: Any = -1) -> Operand:
    """A read by index: `indices` along the axis, an `np.arange` along each other one."""
    if axis is None:
        flat = builder.call(registry[np.ravel], (arr, "C"))
        return builder.call(registry["getitem"], (flat, (indices,)))
    rank = rank_of(arr)
    if rank_of(indices) != rank:
        raise Refusal(
            "`np.take_along_axis` is given arrays of different ranks", "give indices of the same rank"
        )
    (place,) = normalized_axes(axis, rank)
    index: list[Operand] = []
    for i in range(rank):
        if i == place:
            index.append(indices)
            continue
        count = builder.call(registry[np.arange], (length(builder, arr, i), None, None))
        others = tuple(j for j in range(rank) if j != i)
        index.append(builder.call(registry[np.expand_dims], (count, others)))
    return builder.call(registry["getitem"], (arr, tuple(index)))
