"""Writes by index: in the memory of the array where it is read no more, else into a copy."""

from __future__ import annotations

from typing import Any

from ad_compiler.analysis.types import ArrayType
from ad_compiler.backends.native import scalars
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.lowering.elements import Elements
from ad_compiler.backends.native.lowering.frame import Frame, dtype_of
from ad_compiler.backends.native.lowering.materialising import reads_elsewhere
from ad_compiler.backends.native.nests import Allocate, Apply, Code, Define, Expression, Load, Scalar, Store
from ad_compiler.ir import Operand, Operation, Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.notation import registry


def update(frame: Frame, elements: Elements, node: Operation) -> None:
    """`index_set` and `index_add`."""
    array, index, value, path = node.arguments
    kind = node.result.type
    assert isinstance(kind, ArrayType)
    extents = frame.extents_of(array)
    if kind.rank == 0:
        update_number(frame, elements, node)
        return
    name = target_memory(frame, elements, node)
    root = Value(kind)
    frame.names[root] = name
    frame.extents[root] = extents
    selected = selected_part(root, index, path)
    lengths = elements_extents(frame, elements, selected)
    check_written(frame, lengths, frame.extents_of(value))
    lengths = tuple(map(frame.normal, lengths))
    place = frame.subscripts_of(lengths)
    load = elements.element(selected, place)
    if not isinstance(load, Load):
        raise Refusal("a write through this view has no native form", scalars.ADVICE)
    part = written_part(frame, elements, value, lengths, place, kind)
    if reads_elsewhere(frame, part, name, load.index, node.result):
        moved = frame.fresh("written")
        if lengths:
            frame.allocate(moved, lengths, kind.dtype)
            frame.nest(lengths, [Store(moved, place, part)])
            part = Load(moved, place)
        else:
            frame.write(Define(moved, part))
            part = Scalar(moved)
    operator = "+=" if node.primitive.name == "index_add" else "="
    frame.nest(lengths, [added(name, load, part, operator)])
    frame.extents[node.result] = extents


def added(name: str, load: Load, part: Expression, operator: str) -> Code:
    if operator == "+=" and isinstance(part, Apply) and part.form == "-{0}":
        return Store(name, load.index, part.parts[0], "-=")
    return Store(name, load.index, part, operator)


def check_written(frame: Frame, lengths: tuple[Affine, ...], own: tuple[Affine, ...]) -> None:
    """Check that what is written fits."""
    for length, extent in zip(lengths[len(lengths) - len(own) :], own, strict=True):
        if frame.normal(extent) != 1:
            frame.require_equal(length, extent)


def written_part(
    frame: Frame,
    elements: Elements,
    value: Operand,
    lengths: tuple[Affine, ...],
    place: tuple[Affine, ...],
    kind: ArrayType,
) -> Expression:
    own = frame.extents_of(value)
    if not isinstance(value, (Value, list, tuple, range)) and not own:
        return scalars.number(value, kind.dtype)
    return scalars.cast(elements.broadcast_element(value, place), dtype_of(value), kind.dtype)


def target_memory(frame: Frame, elements: Elements, node: Operation) -> str:
    """The array that is written into."""
    array, kind = node.arguments[0], node.result.type
    assert isinstance(kind, ArrayType)
    if node.result in frame.writes.in_place and array in frame.names:
        return frame.give(node.result, frame.names[array])
    name = frame.give(node.result)
    extents = frame.extents_of(array)
    if is_zeros(array):
        frame.write(Allocate(name, extents, scalars.dtype_text(kind.dtype), zeros=True))
        return name
    place = frame.subscripts_of(extents)
    part = elements.element(array, place)
    frame.allocate(name, extents, kind.dtype)
    frame.nest(extents, [Store(name, place, part)])
    return name


def is_zeros(operand: Operand) -> bool:
    node = operand.operation if isinstance(operand, Value) else None
    return isinstance(node, Operation) and node.primitive.name in ("zeros", "zeros_like")


def selected_part(root: Value, index: Operand, path: tuple[tuple[Any, ...], ...]) -> Value:
    """What is written, as a view of the array."""
    seen = root
    steps: list[tuple[Any, ...]] = [*path, (registry["getitem"], index)]
    for primitive, *arguments in steps:
        base, seen = seen, Value(primitive.infer(seen, *arguments))
        seen.operation = Operation(primitive, (base, *arguments), seen)
    return seen


def elements_extents(frame: Frame, elements: Elements, value: Value) -> tuple[Affine, ...]:
    from ad_compiler.backends.native.lowering.extents import find_extents

    if value not in frame.extents:
        node = value.operation
        assert isinstance(node, Operation)
        elements_extents(frame, elements, node.arguments[0])
        frame.extents[value] = find_extents(frame, elements, node)
    return frame.extents_of(value)


def update_number(frame: Frame, elements: Elements, node: Operation) -> None:
    """A write into an array without axes: the new number."""
    array, _, value, path = node.arguments
    kind = node.result.type
    assert isinstance(kind, ArrayType)
    if path:
        raise Refusal("a write through a view of a number has no native form", scalars.ADVICE)
    part = elements.number(value, kind.dtype)
    if node.primitive.name == "index_add":
        part = scalars.infix("+", scalars.ADD, elements.element(array, ()), part)
    frame.write(Define(frame.give(node.result), part))
