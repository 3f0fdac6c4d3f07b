"""Subscripts: the shape of what they select, and what is known of the places while compiling.

They are those of NumPy: whole numbers, slices, None, `...`, masks, arrays and lists of whole numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

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
from ad_compiler.ir import Operand, Operation, Value
from ad_compiler.refusal import NeedsConstant, Refusal
from ad_compiler.rules.notation import at_compile_time
from ad_compiler.rules.shapes import describe, rank_of, shape_of, type_of


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


@at_compile_time
def only_adds_axes(index: Any) -> bool:
    """Whether an index is made of full slices, `...` and None alone."""
    return all(item is None or item is Ellipsis or is_full_slice(item) for item in index)


def is_full_slice(item: Operand) -> bool:
    return isinstance(item, slice) and item.start is None and item.stop is None and item.step is None


def is_new_axes(node: Operation) -> bool:
    return node.primitive.name == "getitem" and only_adds_axes(node.arguments[1])


def is_basic(index: Sequence[Operand]) -> bool:
    return not any(map(is_array_index, index))
