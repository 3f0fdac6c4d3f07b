"""Subscripts of the user's as subscripts of loops: slices, numbers, new axes, index arrays and masks.

a[1:-1, j]       [i]      a[i + 1, j]       for i in range(n - 2), if 0 <= j < m is known
a[rows, ::2]     [i, k]   a[at(rows[i], n), 2 * k]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ad_compiler.backends.native import scalars
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.lowering.frame import Extents, Frame
from ad_compiler.backends.native.nests import Line, Whole, text_of
from ad_compiler.ir import Operand, Value
from ad_compiler.rules.shapes import rank_of, type_of
from ad_compiler.rules.subscripts import expanded_index, is_array_index, is_mask

if TYPE_CHECKING:
    from ad_compiler.backends.native.lowering.elements import Elements

Index = tuple[Affine, ...]


@dataclass(eq=False, slots=True)
class Selection:
    """What an index selects: the lengths of the result, and where its elements stand in the array."""

    extents: Extents
    place: Callable[[Index], Index]


def select(
    frame: Frame, elements: Elements, index: tuple[Operand, ...], extents: Extents, rank: int
) -> Selection:
    """Compute what an index needs (in front of the loops that read it)."""
    items = expanded_index(index, rank)
    has_arrays = any(map(is_array_index, items))
    shape: list[Affine] = []
    parts: list[tuple[str, Any]] = []  # for every axis of the array, how its subscript is made
    selected: list[Extents] = []
    axis, first, last, insertion = 0, -1, -1, 0
    for place, item in enumerate(items):
        if item is None:
            shape.append(Affine.of(1))
            continue
        if isinstance(item, slice):
            start, length, step = slice_of(frame, elements, item, extents[axis])
            parts.append(("slice", (len(shape), start, step)))
            shape.append(length)
            axis += 1
            continue
        if is_array_index(item):
            if is_mask(item):
                flat, count = positions(frame, elements, item, extents[axis : axis + rank_of(item)])
                selected.append((count,))
                parts.append(("mask", (len(selected) - 1, flat, extents[axis : axis + rank_of(item)])))
                axis += rank_of(item)
            else:
                selected.append(frame.extents_of(item))
                parts.append(("array", (len(selected) - 1, item, extents[axis])))
                axis += 1
        else:
            parts.append(("number", subscript(frame, elements, item, extents[axis])))
            if has_arrays:
                selected.append(())
            axis += 1
        if has_arrays:
            if first < 0:
                first, insertion = place, len(shape)
            elif last != place - 1:
                insertion = 0
            last = place
    grid: Extents = ()
    if has_arrays:
        grid = frame.broadcast(selected)
        shape[insertion:insertion] = grid

    def place_of(given: Index) -> Index:
        inner = given[insertion : insertion + len(grid)]
        outer = (*given[:insertion], *given[insertion + len(grid) :])
        result: list[Affine] = []
        for kind, data in parts:
            if kind == "slice":
                number, start, step = data
                result.append(start + stepped(outer[number], step))
            elif kind == "number":
                result.append(data)
            elif kind == "array":
                number, item, length = data
                own = aligned(frame, inner, selected[number])
                part = elements.element(item, own)
                if isinstance(part, Whole) and is_within(frame, part.number, length, inner, grid):
                    result.append(part.number)
                    continue
                whole = scalars.cast(part, type_of(item).dtype, np.dtype(np.int64))
                result.append(Affine.of(f"at({text_of(whole)}, {length})"))
            else:
                number, flat, lengths = data
                (own_place,) = aligned(frame, inner, selected[number])
                result += unravelled(f"{flat}[{own_place}]", lengths)
        return tuple(result)

    return Selection(tuple(map(frame.normal, shape)), place_of)


def stepped(number: Affine, step: int | Affine) -> Affine:
    if isinstance(step, int):
        return number * step
    if number.known is not None:
        return step * number.known
    return Affine.of(f"({number}) * ({step})")


def is_within(frame: Frame, number: Affine, length: Affine, index: Index, grid: Extents) -> bool:
    """Whether a sum of the subscripts of loops lies within an axis."""
    names = [str(i) for i in index if i.known is None]
    frame.ranges.bounds.update(
        {str(i): (Affine.of(0), e - 1) for i, e in zip(index, grid, strict=True) if i.known is None}
    )
    try:
        return frame.is_nonnegative(number) and frame.is_nonnegative(length - 1 - number)
    finally:
        for name in names:
            del frame.ranges.bounds[name]


def aligned(frame: Frame, index: Index, extents: Extents) -> Index:
    own = index[len(index) - len(extents) :] if extents else ()
    return tuple(Affine.of(0) if frame.normal(e) == 1 else i for i, e in zip(own, extents, strict=True))


def unravelled(flat: str, lengths: Extents) -> list[Affine]:
    """A position in the flat array as subscripts."""
    if len(lengths) == 1:
        return [Affine.of(flat)]
    result, stride = [], Affine.of(1)
    text = ""
    for place, length in reversed(list(enumerate(lengths))):
        whole = flat if not text else f"{flat} // {text}"
        bare = length if length.is_simple else f"({length})"
        result.append(Affine.of(f"({whole})" if place == 0 else f"({whole} % {bare})"))
        text = f"{bare}" if not text else f"({text} * {bare})"
    del stride
    return result[::-1]


def positions(frame: Frame, elements: Elements, mask: Operand, lengths: Extents) -> tuple[str, Affine]:
    """Where a mask is true, as positions in the flat array, and how many there are."""
    from ad_compiler.backends.native.lowering.materialising import in_memory

    for own, length in zip(frame.extents_of(mask), lengths, strict=True):
        frame.require_equal(own, length)
    key = ("mask", mask if isinstance(mask, Value) else id(mask))
    if key not in frame.known:
        array = in_memory(frame, elements, mask)
        name = frame.fresh("places")
        source = array if rank_of(mask) == 1 else f"{array}.ravel()"
        frame.write(Line(f"{name} = np.flatnonzero({source})", frozenset({array}), frozenset({name})))
        count = frame.define_number(f"{name}.size", f"{name}_0")
        frame.known[key] = (name, count)
    result: tuple[str, Affine] = frame.known[key]
    return result


def subscript(frame: Frame, elements: Elements, item: Operand, length: Affine) -> Affine:
    """A number as a subscript counted from the start, within the axis."""
    from ad_compiler.backends.native.lowering.elements import affine

    number = affine(frame, elements, item)
    if number.known is not None:
        number = length + number if number.known < 0 else number
        slack = number if number.known is None else length - 1 - number
        if not frame.is_nonnegative(slack) and not frame.require_nonnegative(slack):
            frame.depart_if(f"{slack} < 0")
        return number
    if frame.is_nonnegative(number):
        slack = length - 1 - number
        if frame.is_nonnegative(slack) or frame.require_nonnegative(slack):
            return number
    text = f"at({number}, {length})"
    found = frame.define_number(text, f"{number.terms[0][0]}_at", is_length=False)
    ((name, _),) = found.terms
    frame.ranges.bounds[name] = (Affine.of(0), length - 1)
    return found


def slice_of(
    frame: Frame, elements: Elements, item: slice, length: Affine
) -> tuple[Affine, Affine, int | Affine]:
    """The first position, the length and the step of a slice."""
    from ad_compiler.backends.native.lowering.elements import affine

    start, stop, step = item.start, item.stop, item.step
    step = 1 if step is None else step
    low = None if start is None else affine(frame, elements, start)
    high = None if stop is None else affine(frame, elements, stop)
    if not isinstance(step, (int, np.integer)):
        return strided(frame, low, high, affine(frame, elements, step), length)
    step = int(step)
    if step == 1:
        first = (
            low if low is not None and frame.is_nonnegative(low) else end_of(frame, low, length, Affine.of(0))
        )
        if high is not None and high.known is not None and high.known < 0:
            last = length + high  # where it is in front of the axis, nothing is selected
        else:
            last = end_of(frame, high, length, length)
        return first, difference(frame, first, last), 1
    if low is None and high is None and step == -1:
        return length - 1, length, -1
    if step > 0 and high is None:
        first = end_of(frame, low, length, Affine.of(0))
        return first, frame.define_number(f"max({length - first} + {step - 1}, 0) // {step}", "steps"), step
    return strided(frame, low, high, step, length)


def strided(
    frame: Frame, low: Affine | None, high: Affine | None, step: int | Affine, length: Affine
) -> tuple[Affine, Affine, int | Affine]:
    """A slice of any step."""
    begin = frame.define_number(
        f"slice_start({low is not None}, {low or 0}, {step}, {length})", "first", is_length=False
    )
    count = frame.define_number(
        f"slice_length({begin}, {high is not None}, {high or 0}, {step}, {length})", "steps"
    )
    return begin, count, step


def end_of(frame: Frame, given: Affine | None, length: Affine, default: Affine) -> Affine:
    """One end of a slice, cut to the axis."""
    if given is None:
        return default
    number = given.known
    if number is not None and number < 0:
        counted = length + number
        if frame.is_nonnegative(counted):
            return counted
        return frame.define_number(f"max({counted}, 0)", "end") if counted.known is None else Affine.of(0)
    if frame.is_nonnegative(given):
        if frame.is_nonnegative(length - given):
            return given
        if length.known is not None and number is not None:
            return Affine.of(min(length.known, number))
        return frame.define_number(f"min({given}, {length})", "end")
    return frame.define_number(f"bound({given}, {length})", "end")


def difference(frame: Frame, first: Affine, last: Affine) -> Affine:
    found = frame.normal(last - first)
    if frame.is_nonnegative(found):
        return found
    if found.known is not None:
        return Affine.of(max(found.known, 0))
    return frame.define_number(f"max({found}, 0)", "length")
