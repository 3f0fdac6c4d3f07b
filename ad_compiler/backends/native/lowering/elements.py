"""What element `[i, j, ...]` of a value is, in terms of elements of what it is made from.

A value in memory is read there. Of any other one the operation says it: an elementwise operation computes
with the elements of its operands, a view changes the subscripts, a constant needs none:

    (a * b.T)[i, j]      a[i, j] * b[j, i]
    a[1:, ::-1][i, j]    a[i + 1, n - 1 - j]
    np.eye(n)[i, j]      1.0 if i == j else 0.0
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ad_compiler.analysis.types import ArrayType
from ad_compiler.backends.native import scalars
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.lowering import arithmetic
from ad_compiler.backends.native.lowering.frame import Frame, dtype_of
from ad_compiler.backends.native.lowering.indexing import Selection
from ad_compiler.backends.native.nests import (
    Expression,
    Load,
    Scalar,
    Whole,
    text_of,
)
from ad_compiler.ir import Operand, Operation, Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.shapes import normalized_axes, rank_of, type_of
from ad_compiler.rules.structure import swapped
from ad_compiler.traversal import values_in

Index = tuple[Affine, ...]


class Elements:
    """Reads elements of values."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.selections: dict[Operation, Selection] = {}

    def element(self, operand: Operand, index: Index) -> Expression:
        if not isinstance(operand, Value):
            return self.constant(operand, index)
        name = self.frame.names.get(operand)
        if operand in self.frame.numbers and not index:
            return Whole(self.frame.numbers[operand])
        if name is not None:
            return Load(name, index) if index else Scalar(name)
        node = operand.operation
        if not isinstance(node, Operation):
            raise Refusal("a value of this kind has no native form", scalars.ADVICE)
        return self.computed(node, index)

    def computed(self, node: Operation, index: Index) -> Expression:
        """An element of the result of an operation, whether or not it is in memory."""
        from ad_compiler.backends.native.lowering.pulls import PULLS

        pull = PULLS.get(node.primitive.name)
        if pull is not None:
            return pull(self, node, index)
        return self.elementwise(node, index)

    def elementwise(self, node: Operation, index: Index) -> Expression:
        operands = [operand for operand in node.arguments if operand is not None]
        if any(isinstance(each, (str, dict)) or rank_of(each) > len(index) for each in operands):
            primitive = node.primitive
            raise Refusal(f"`{primitive.text or primitive.name}` has no native form yet", scalars.ADVICE)
        parts = [self.broadcast_element(operand, index) for operand in operands]
        return arithmetic.elementwise(node, operands, parts, [type_of(operand) for operand in operands])

    def broadcast_element(self, operand: Operand, index: Index) -> Expression:
        """The element that broadcasting aligns with `index` of the result."""
        extents = self.frame.extents_of(operand)
        aligned = index[len(index) - len(extents) :] if extents else ()
        return self.element(
            operand, tuple(Affine.of(0) if e == 1 else i for i, e in zip(aligned, extents, strict=True))
        )

    def constant(self, operand: Operand, index: Index) -> Expression:
        if isinstance(operand, (list, tuple)):
            return self.of_list(operand, index)
        if isinstance(operand, range):
            operand = np.array(operand)
        if isinstance(operand, np.ndarray) and index:
            return Load(self.frame.constant_array(operand, operand.dtype), index)
        return scalars.number(operand, dtype_of(operand))

    def of_list(self, items: Any, index: Index) -> Expression:
        first = index[0].known
        if first is not None:
            return self.element(items[first], index[1:])
        kind = type_of(items)
        try:
            return Load(self.frame.constant_array(items, kind.dtype), index)
        except (TypeError, ValueError):
            return Load(self.list_in_memory(items, kind), index)

    def list_in_memory(self, items: Any, kind: ArrayType) -> str:
        """An array of numbers that are not known while compiling."""
        from ad_compiler.backends.native.lowering.joining import put_items

        frame = self.frame
        key = ("items", tuple(values_in(items)), repr(items))
        if key not in frame.known:
            name = frame.fresh("values")
            put_items(frame, self, name, items, kind, frame.extents_of(items))
            frame.known[key] = name
        found: str = frame.known[key]
        return found

    def number(self, operand: Operand, dtype: np.dtype[Any], index: Index = ()) -> Expression:
        """An element converted to a dtype."""
        if not isinstance(operand, (Value, list, tuple, range, np.ndarray)):
            return scalars.number(operand, dtype)
        return scalars.cast(self.element(operand, index), dtype_of(operand), dtype)


def affine(frame: Frame, elements: Elements, operand: Operand) -> Affine:
    """A whole number as a sum of names; of another form it gets a name."""
    if isinstance(operand, (bool, np.bool_)):
        raise Refusal("a bool stands where a whole number is needed", "pass an int")
    if isinstance(operand, (int, np.integer)):
        return Affine.of(int(operand))
    assert isinstance(operand, Value)
    if operand in frame.numbers:
        return frame.normal(frame.numbers[operand])
    if operand not in frame.names:
        node = operand.operation
        if isinstance(node, Operation) and isinstance(operand.type, ArrayType) and operand.type.python:
            found = sum_of_names(frame, elements, node)
            if found is not None:
                return found
        expression = elements.element(operand, ())
        if isinstance(expression, Whole):
            return expression.number
        return frame.define_number(text_of(expression), frame.wanted(operand), is_length=False)
    return Affine.of(frame.names[operand])


def sum_of_names(frame: Frame, elements: Elements, node: Operation) -> Affine | None:
    """What an operation on whole numbers of Python is, as a sum of names, if it is one."""
    name = node.primitive.name
    if not isinstance(node.result.type, ArrayType) or node.result.type.dtype.kind != "i":
        return None
    if name == "length":
        array, axis = node.arguments
        return frame.extents_of(array)[axis]
    if name == "size":
        return frame.product(frame.extents_of(node.arguments[0]))
    if node.primitive.text or not node.result.type.python:
        return None
    if not all(type_of(argument).dtype.kind == "i" for argument in node.arguments):
        return None
    if name == "neg":
        return -affine(frame, elements, node.arguments[0])
    if name in ("add", "sub"):
        a, b = (affine(frame, elements, argument) for argument in node.arguments)
        if not (a.known is not None or b.known is not None or (frame.is_small(a) and frame.is_small(b))):
            return None  # it may be too large for 64 bits
        return a + b if name == "add" else a - b
    if name == "mul":
        a, b = (affine(frame, elements, argument) for argument in node.arguments)
        for one, other in ((a, b), (b, a)):
            if one.known is not None and abs(one.known) <= 1000 and frame.is_small(other):
                return other * one.known
    return None


def order_of(node: Operation) -> tuple[int, ...]:
    """Which axis of the argument each axis of the result is."""
    array, *rest = node.arguments
    rank, name = rank_of(array), node.primitive.name
    if name == "transpose":
        return tuple(range(rank - 1, -1, -1)) if rest[0] is None else normalized_axes(tuple(rest[0]), rank)
    if name == "swapaxes":
        return swapped(array, *rest)
    sources, destinations = normalized_axes(rest[0], rank), normalized_axes(rest[1], rank)
    order = [i for i in range(rank) if i not in sources]
    for to, start in sorted(zip(destinations, sources, strict=True)):
        order.insert(to, start)
    return tuple(order)
