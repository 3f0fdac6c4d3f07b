"""Rules of reads and writes by index, of `take`, and of sliding windows.

The cotangent of `a[i]` is zero but at `i`; where an index is repeated, the contributions add up. Three
operations of the program's own stand for this: `index_add(a, i, v)` and `index_set(a, i, v)` are `a`
after `a[i] += v` (every repetition counted) and after `a[i] = v`. Where the write goes through views, as in
`a.T[i] = v`, they are the `path` to what is indexed: steps of an operation and its other arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view as numpy_windows

from ad_compiler.analysis.broadcasting import broadcast
from ad_compiler.analysis.slice_lengths import equal_together
from ad_compiler.analysis.types import (
    ArrayType,
    Axis,
    Identity,
    Length,
    Shape,
    is_one,
    may_be_one,
    representative,
    shortened,
)
from ad_compiler.builder import Builder
from ad_compiler.ir import Operand, Operation, Value
from ad_compiler.refusal import NeedsConstant, Refusal
from ad_compiler.rules.notation import (
    at_compile_time,
    constant,
    expansion,
    linear,
    pushforward,
    registry,
    rule,
)
from ad_compiler.rules.shapes import describe, normalized_axes, rank_of, shape_of, static_int, type_of
from ad_compiler.rules.structure import length


def is_array_index(item: Operand) -> bool:
    """An index that selects by list: an integer or boolean array (not a number, slice or None)."""
    if isinstance(item, (list, tuple, range, np.ndarray)):
        return True
    return isinstance(item, Value) and (type_of(item).rank > 0 or type_of(item).dtype.kind == "b")


def is_mask(item: Operand) -> bool:
    return is_array_index(item) and type_of(item).dtype.kind == "b"


def mask_length(mask: Operand) -> Length:
    """How many elements a mask selects: known only at run time."""
    return Length(("mask", Identity(mask)), may_be_one=True)


def consumed_axes(item: Operand) -> int:
    """How many axes of the array an index item stands for."""
    if item is None or item is Ellipsis:
        return 0
    return type_of(item).rank if is_mask(item) else 1


def expanded_index(index: tuple[Operand, ...], rank: int) -> list[Operand]:
    """The index with its ellipsis, or its missing end, spelled out as full slices."""
    used = sum(consumed_axes(item) for item in index)
    if used > rank:
        raise Refusal(
            f"{used} indices are given for an array of rank {rank}", "give at most one for each axis"
        )
    places = [i for i, item in enumerate(index) if item is Ellipsis]
    if len(places) > 1:
        raise Refusal("an index has more than one `...`", "write at most one")
    place = places[0] if places else len(index)
    fill = [slice(None)] * (rank - used)
    return [*index[:place], *fill, *index[place + 1 :]]


def slice_length(axis: Axis, item: slice) -> Axis:
    start, stop, step = item.start, item.stop, item.step
    for bound in (start, stop, step):
        if isinstance(bound, Value) and bound.outside is not None:
            raise NeedsConstant(bound.outside)  # a global: its value is part of the signature
        if bound is not None:
            check_integer(bound)
    axis = representative(axis)
    if start is None and stop is None and step in (None, 1, -1):
        return axis
    known = all(bound is None or isinstance(bound, (int, np.integer)) for bound in (start, stop, step))
    if isinstance(axis, int) and known:
        return len(range(*item.indices(axis)))
    if known and step in (None, 1):
        low = start or 0
        if low >= 0 and (stop is None or stop < 0):
            return shortened(axis, low - (stop or 0))
        if low == 0 and stop is not None and stop > 1 and not may_be_one(axis):
            return Length(("first", axis, stop))  # min(axis, stop), and axis is not 1
    return Length(("slice", axis, (start, stop, step)), may_be_one=True)


def getitem_type(a: Any, index: Any) -> ArrayType:
    kind = type_of(a)
    items = expanded_index(index, kind.rank)
    has_arrays = any(map(is_array_index, items))
    shape: list[Axis] = []
    selected: list[Shape] = []
    first, last = -1, -1
    axis = 0
    for place, item in enumerate(items):
        if item is None:
            shape.append(1)
        elif isinstance(item, slice):
            shape.append(slice_length(kind.shape[axis], item))
        elif is_array_index(item):
            t = type_of(item)
            if is_mask(item):
                selected.append((mask_length(item),))
            elif t.dtype.kind in "iu" or t.shape == (0,):
                selected.append(t.shape)
            else:
                raise Refusal(
                    f"{describe(item)} stands where an index is needed", "use an array of ints or bools"
                )
        else:
            check_integer(item)
            if has_arrays:
                selected.append(())
        if has_arrays and not (item is None or isinstance(item, slice)):
            if first < 0:
                first, insertion = place, len(shape)
            elif last != place - 1:
                insertion = 0
            last = place
        axis += consumed_axes(item)
    if has_arrays:
        shape[insertion:insertion] = broadcast(*selected)
    return ArrayType(kind.dtype, tuple(shape))


def check_integer(item: Operand) -> None:
    if isinstance(item, (int, np.integer)) and not isinstance(item, bool):
        return
    if isinstance(item, Value) and type_of(item).dtype.kind in "iu":
        return
    raise Refusal(
        f"{describe(item)} stands where an index is needed", "use an int, a slice or an integer array"
    )


def has_repetitions(index: tuple[Operand, ...]) -> bool:
    """Whether an index may name an element twice (False only where that is excluded).

    It cannot, if along each axis of what is selected one of the index arrays has no element twice and is
    not stretched.
    """
    arrays = [item for item in index if is_array_index(item)]
    shapes = [(mask_length(item),) if is_mask(item) else shape_of(item) for item in arrays]
    for axis in range(-max(map(len, shapes), default=0), 0):
        lengths = [shape[axis] if len(shape) >= -axis else 1 for shape in shapes]
        if all(map(is_one, lengths)):
            continue
        if not any(
            is_distinct(item) and not is_one(n) and is_full_length(n, lengths)
            for item, n in zip(arrays, lengths, strict=True)
        ):
            return True
    return False


def is_full_length(axis: Axis, lengths: Sequence[Axis]) -> bool:
    """Whether broadcasting leaves this length as it is."""
    return not may_be_one(axis) or all(is_one(n) or equal_together(n, axis) for n in lengths)


def is_distinct(item: Operand) -> bool:
    """Whether an index array is known to name no element twice."""
    if is_mask(item):
        return True
    if isinstance(item, (list, tuple, range)):
        if not all(isinstance(i, (int, np.integer)) for i in item):
            return False
        one_sign = all(i >= 0 for i in item) or all(i < 0 for i in item)
        return one_sign and len(set(item)) == len(item)
    node = item.operation if isinstance(item, Value) else None
    if not isinstance(node, Operation):
        return False
    if is_arange(item):
        start, stop, step = node.arguments
        from_zero = stop is None or (isinstance(start, int) and start >= 0)
        return from_zero and (step is None or (isinstance(step, int) and step > 0))
    if node.primitive.name in ("flatnonzero", "argsort"):
        return rank_of(item) == 1
    if node.primitive.name == "expand_dims" or is_new_axes(node):
        return is_distinct(node.arguments[0])
    return False


def is_arange(item: Operand) -> bool:
    node = item.operation if isinstance(item, Value) else None
    return isinstance(node, Operation) and node.primitive.name == "arange"


def is_new_axes(node: Operation) -> bool:
    return node.primitive.name == "getitem" and only_adds_axes(node.arguments[1])


def is_basic(index: Sequence[Operand]) -> bool:
    return not any(map(is_array_index, index))


@linear("getitem", infer=getitem_type, view=True, complex=True)
def getitem(a: Any, index: Any, *, g: Any) -> Any:
    if only_adds_axes(index):
        return g[without_new_axes(index)] if np.ndim(g) > np.ndim(a) else g
    return index_add(np.zeros_like(a), index, g)


@at_compile_time
def only_adds_axes(index: Any) -> bool:
    """Whether an index is made of full slices, `...` and None alone."""
    return all(item is None or item is Ellipsis or is_full_slice(item) for item in index)


def is_full_slice(item: Operand) -> bool:
    return isinstance(item, slice) and item.start is None and item.stop is None and item.step is None


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
