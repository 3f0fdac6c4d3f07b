"""Values in memory: loops that compute all elements of a value, and arrays for calls that need them."""

from __future__ import annotations

from ad_compiler.analysis.types import ArrayType
from ad_compiler.backends.native import scalars
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.lowering.elements import Elements
from ad_compiler.backends.native.lowering.frame import Extents, Frame
from ad_compiler.backends.native.lowering.planning import share_memory
from ad_compiler.backends.native.nests import Define, Expression, Load, Store, loads_in, text_of
from ad_compiler.ir import Operand, Operation, Value
from ad_compiler.rules.shapes import type_of


def materialise(frame: Frame, elements: Elements, node: Operation, extents: Extents) -> None:
    """Compute the result of an operation into memory: a scalar, or a new array."""
    result = node.result
    kind = result.type
    assert isinstance(kind, ArrayType)
    if kind.rank == 0:
        expression = elements.computed(node, ())
        frame.write(Define(frame.give(result), expression))
        return
    index = frame.subscripts_of(extents)
    if result in frame.writes.in_place and frame.extents_of(node.arguments[0]) == extents:
        base = frame.names[node.arguments[0]]
        expression = elements.computed(node, index)
        if not reads_elsewhere(frame, expression, base, index, node.arguments[0]):
            own = updated_in_place(expression, base, index)
            frame.nest(extents, [own])
            frame.give(result, base)
            return
    expression = elements.computed(node, index)
    name = frame.give(result)
    frame.allocate(name, extents, kind.dtype)
    if node.primitive.name not in ("empty", "empty_like"):
        frame.nest(extents, [Store(name, index, expression)])


def updated_in_place(expression: Expression, base: str, index: tuple[Affine, ...]) -> Store:
    """`a[i] += e` where the new element is the old one and something."""
    from ad_compiler.backends.native.nests import Apply

    if isinstance(expression, Apply) and expression.form == "{0} + {1}":
        first, second = expression.parts
        if first == Load(base, index) and not any(load.array == base for load in loads_in(second)):
            return Store(base, index, second, "+=")
    return Store(base, index, expression)


def reads_elsewhere(
    frame: Frame, expression: Expression, base: str, index: tuple[Affine, ...], value: Operand
) -> bool:
    """Whether an expression reads elements of the array that another turn writes, other ones than at `index`.

    An index that is itself read (`w[[0, 0, 3]] += e`) may be the same in two turns: NumPy reads all before
    it writes.
    """
    distinct = all(name.isidentifier() for part in index for name, _ in part.terms)
    for load in loads_in(expression):
        if load.array == base:
            if load.index != index or not distinct:
                return True
        elif load.array in frame.value_of and share_memory(frame.writes, frame.value_of[load.array], value):
            return True
    text = text_of(expression)
    return "at(" in text and f"{base}[" in text.replace(text_of(Load(base, index)), "")


def in_memory(frame: Frame, elements: Elements, operand: Operand) -> str:
    """The name of a contiguous array that holds a value, or of a number."""
    if isinstance(operand, Value) and operand in frame.names:
        return frame.names[operand]
    kind = type_of(operand)
    key = ("memory", operand) if isinstance(operand, Value) else None
    if key is not None and key in frame.known:
        found: str = frame.known[key]
        return found
    extents = frame.extents_of(operand)
    wanted = frame.wanted(operand) if isinstance(operand, Value) else "values"
    name = frame.fresh(wanted)
    index = frame.subscripts_of(extents)
    expression = elements.number(operand, kind.dtype, index)
    if kind.rank == 0:
        frame.write(Define(name, expression))
        return name
    frame.allocate(name, extents, kind.dtype)
    frame.nest(extents, [Store(name, index, expression)])
    return name


def as_scalar(frame: Frame, elements: Elements, operand: Operand, to: ArrayType) -> Expression:
    """A number converted to the type of what it becomes."""
    if isinstance(operand, Value):
        return scalars.cast(elements.element(operand, ()), type_of(operand).dtype, to.dtype)
    return scalars.number(operand, to.dtype)
