"""Rules of reads and writes by index, of `take`, and of sliding windows.

The cotangent of `a[i]` is zero but at `i`; where an index is repeated, the contributions add up. Three
operations of the program's own stand for this: `index_add(a, i, v)` and `index_set(a, i, v)` are `a`
after `a[i] += v` (every repetition counted) and after `a[i] = v`. Where the write goes through views, as in
`a.T[i] = v`, they are the `path` to what is indexed: steps of an operation and its other arguments.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view as numpy_windows

from ad_compiler.analysis.types import (
    ArrayType,
    Axis,
    Length,
    representative,
    shortened,
)
from ad_compiler.builder import Builder
from ad_compiler.ir import Operand, Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.notation import (
    at_compile_time,
    constant,
    expansion,
    linear,
    pushforward,
    registry,
    rule,
)
from ad_compiler.rules.shapes import normalized_axes, rank_of, static_int, type_of
from ad_compiler.rules.structure import length
from ad_compiler.rules.subscripts import getitem_type, has_repetitions, is_basic, only_adds_axes


@linear("getitem", infer=getitem_type, view=True, complex=True)
def getitem(a: Any, index: Any, *, g: Any) -> Any:
    if only_adds_axes(index):
        return g[without_new_axes(index)] if np.ndim(g) > np.ndim(a) else g
    return index_add(np.zeros_like(a), index, g)


@at_compile_time
def without_new_axes(index: Any) -> tuple[Any, ...]:
    """The index that takes the new axes away again."""
    return tuple(0 if item is None else item for item in index)


def written_type(a: Any, index: Any, value: Any, path: Any = ()) -> ArrayType:
    target = getitem_type(part_of(a, path), index).shape
    if rank_of(value) > len(target):
        raise Refusal("a value of higher rank than the indexed part is written", "write a value that fits")
    return type_of(a)


def part_of(a: Any, path: Any) -> Any:
    """What an array is seen as through views: an operand of the right type."""
    for primitive, *arguments in path:
        a = Value(primitive.infer(a, *arguments))
    return a


@expansion()
def part(builder: Builder, a: Operand, path: Any) -> Operand:
    """The view of an array that a path leads to."""
    for primitive, *arguments in path:
        a = builder.call(primitive, (a, *arguments), method=primitive.method is not None)
    return a


@rule("index_add", infer=written_type, differentiable=("a", "value"), complex=True)
def index_add_rule(a: Any, index: Any, value: Any, path: Any = (), *, g: Any) -> Any:
    return g, sum_to_shape(part(g, path)[index], value)


@rule("index_set", infer=written_type, differentiable=("a", "value"), complex=True)
def index_set_rule(a: Any, index: Any, value: Any, path: Any = (), *, g: Any) -> Any:
    selected = last_written(part(g, path)[index], a, index, path)
    overwritten = sum_to_shape(selected, value)  # read first: then zeros can be written in place
    return index_set(g, index, 0.0, path), overwritten


@pushforward("index_add")
def index_add_tangent(a: Any, index: Any, value: Any, path: Any = (), *, a_dot: Any, value_dot: Any) -> Any:
    return added_at(a, index, path, a_dot, value_dot)


@pushforward("index_set")
def index_set_tangent(a: Any, index: Any, value: Any, path: Any = (), *, a_dot: Any, value_dot: Any) -> Any:
    return index_set(in_full(a_dot, a), index, value_dot, path)


@expansion()
def in_full(builder: Builder, tangent: Operand, a: Operand) -> Operand:
    """A tangent that can be written into: zeros in the shape of `a` where there is none."""
    return tangent if isinstance(tangent, Value) else builder.call(registry[np.zeros_like], (a, None))


@expansion()
def added_at(
    builder: Builder, a: Operand, index: Any, path: Any, a_dot: Operand, value_dot: Operand
) -> Operand:
    if not isinstance(value_dot, Value):
        return a_dot  # what is added does not move
    return index_add(builder, in_full(builder, a_dot, a), index, value_dot, path)


@expansion()
def last_written(builder: Builder, selected: Operand, a: Operand, index: Any, path: Any) -> Operand:
    """What is selected, but only once where an index names an element again: the last value written stays."""
    import operator

    from ad_compiler.rules.structure import shape_values, size

    if is_basic(index) or not has_repetitions(index):
        return selected
    numbers = builder.call(registry[np.arange], (size(builder, selected), None, None))
    if rank_of(selected) > 1:
        numbers = builder.call(registry[np.reshape], (numbers, shape_values(builder, selected)))
    shape = shape_values(builder, part(builder, a, path))
    blank = builder.call(registry[np.zeros], (shape, np.dtype(np.int64)))
    written = builder.call(registry["index_set"], (blank, index, numbers, ()))
    found = builder.call(registry["getitem"], (written, index))
    is_last = builder.call(registry[operator.eq], (found, numbers))
    return builder.call(registry["select"], (is_last, selected, 0.0))


@expansion()
def sum_to_shape(builder: Builder, g: Operand, x: Operand) -> Operand:
    from ad_compiler.rules.structure import sum_to_shape_of

    return sum_to_shape_of(builder, g, x)


@expansion()
def index_add(builder: Builder, a: Operand, index: Operand, value: Operand, path: Any = ()) -> Operand:
    return builder.call(registry["index_add"], (a, index, value, path))


@expansion()
def index_set(builder: Builder, a: Operand, index: Operand, value: Operand, path: Any = ()) -> Operand:
    return builder.call(registry["index_set"], (a, index, value, path))


@expansion(slice)
def slice_of(builder: Builder, *bounds: Operand) -> Operand:
    return slice(*bounds)


@expansion(np.take)
def take(builder: Builder, a: Operand, indices: Operand, axis: Any = None) -> Operand:
    """`a[..., indices, ...]`; `np.take` itself with its default mode."""
    if axis is None:
        if rank_of(a) != 1:
            a = builder.call(registry[np.ravel], (a, "C"))
        axis = 0
    (place,) = normalized_axes(axis, rank_of(a))
    return builder.call(registry["getitem"], (a, (*[slice(None)] * place, indices)))


def positions_type(a: Any) -> ArrayType:
    return ArrayType(np.dtype(np.intp), (Length(object(), may_be_one=True),))


@constant(np.flatnonzero, infer=positions_type)
def flatnonzero(a: Any) -> None: ...


def all_positions_type(a: Any) -> ArrayType:
    return ArrayType(np.dtype(np.intp), (Length(object(), may_be_one=True), rank_of(a)))


@constant(np.argwhere, infer=all_positions_type)
def argwhere(a: Any) -> None: ...


@expansion(np.nonzero)
def nonzero(builder: Builder, a: Operand) -> Operand:
    """The columns of `np.argwhere`."""
    if rank_of(a) == 1:
        return (builder.call(registry[np.flatnonzero], (a,)),)
    places = builder.call(registry[np.argwhere], (a,))
    return tuple(builder.call(registry["getitem"], (places, (slice(None), i))) for i in range(rank_of(a)))


@expansion(np.ix_)
def ix_(builder: Builder, *sequences: Operand) -> Operand:
    """Each sequence along an axis of its own: the index of a grid."""
    grid: list[Operand] = []
    for place, sequence in enumerate(sequences):
        if rank_of(sequence) != 1:
            raise Refusal(
                "`np.ix_` is given something else than vectors", "give one list of indices for each axis"
            )
        if type_of(sequence).dtype.kind == "b":
            sequence = builder.call(registry[np.flatnonzero], (sequence,))
        after = len(sequences) - 1 - place
        if isinstance(sequence, Value):
            axes = (*range(place), *range(place + 1, place + 1 + after))
            grid.append(builder.call(registry[np.expand_dims], (sequence, axes)) if axes else sequence)
        else:
            grid.append(nested([nested(item, after) for item in sequence], place))
    return tuple(grid)


def nested(item: Operand, depth: int) -> Operand:
    return [nested(item, depth - 1)] if depth else item


def windows_type(x: Any, window_shape: Any, axis: Any = None) -> ArrayType:
    kind = type_of(x)
    sizes, axes = window_of(x, window_shape, axis)
    shape = list(kind.shape)
    for size, place in zip(sizes, axes, strict=True):
        shape[place] = window_count(shape[place], size)
    return ArrayType(kind.dtype, (*shape, *sizes))


def window_count(axis: Axis, size: int) -> Axis:
    axis = representative(axis)
    return axis - size + 1 if isinstance(axis, int) else shortened(axis, size - 1)


@at_compile_time
def window_of(x: Any, window_shape: Any, axis: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Sizes and axes of the windows."""
    sizes = window_shape if isinstance(window_shape, (tuple, list)) else (window_shape,)
    sizes = tuple(static_int(size, "the size of a window") for size in sizes)
    axes = normalized_axes(axis, rank_of(x))
    if len(axes) != len(sizes) or len(set(axes)) != len(axes):
        raise Refusal("the windows do not have one size for each axis", "name the axes with `axis=`")
    return sizes, axes


@linear(numpy_windows, infer=windows_type, view=True, complex=True)
def sliding_window_view(x: Any, window_shape: Any, axis: Any = None, *, g: Any) -> Any:
    return overlapped(x, window_of(x, window_shape, axis), g)


@expansion()
def overlapped(builder: Builder, x: Operand, windows: Any, g: Operand) -> Operand:
    """Every tap of the window adds its layer of `g` to the part of `x` it looked at."""
    import operator

    sizes, axes = windows
    rank = rank_of(x)
    result: Operand = builder.call(registry[np.zeros_like], (x, None))
    for tap in np.ndindex(*sizes):
        index: list[Operand] = [slice(None)] * rank
        for offset, place in zip(tap, axes, strict=True):
            count = length(builder, g, place)
            stop = (
                count + offset
                if isinstance(count, int)
                else builder.call(registry[operator.add], (offset, count))
            )
            index[place] = slice(offset, stop, None)
        layer = builder.call(registry["getitem"], (g, (*[slice(None)] * rank, *tap)))
        result = builder.call(registry["index_add"], (result, tuple(index), layer, ()))
    return result
