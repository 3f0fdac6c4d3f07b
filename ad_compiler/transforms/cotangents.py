"""Cotangents: what they are called, what zero is, and how they are handed out."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ad_compiler.analysis.classes import scalar_classes
from ad_compiler.analysis.types import Length, representative
from ad_compiler.builder import Builder
from ad_compiler.frontend.context import Context
from ad_compiler.ir import UNBOUND, Block, Branch, Operand, Operation, Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.list_elements import is_list
from ad_compiler.rules.lists import zeros
from ad_compiler.rules.notation import registry
from ad_compiler.rules.shapes import rank_of, type_of
from ad_compiler.traversal import map_values, origins_of

Cotangents = dict[Value, Operand]
Tangents = dict[Value, Operand]


def is_zero(operand: Operand) -> bool:
    """Whether a cotangent is the number 0, stretched or not."""
    if is_broadcast(operand):
        operand = operand.operation.arguments[0]
    return isinstance(operand, (int, float)) and operand == 0


def in_precision_of(builder: Builder, value: Value, cotangent: Operand) -> Operand:
    """A selection between Python's numbers, which NumPy makes float64, in the precision of the primal.

    np.where(x > 0, s, 0.0)   ->   np.where(x > 0, np.float32(s), 0.0)      of an x in float32
    """
    if is_list(value) or not isinstance(cotangent, Value) or is_list(cotangent):
        return cotangent
    kind, found = type_of(value), type_of(cotangent)
    if kind.dtype.kind != "f" or not found.rank or found.dtype == kind.dtype:
        return cotangent
    return narrowed(builder, cotangent, kind.dtype)


def narrowed(builder: Builder, operand: Operand, dtype: np.dtype[Any]) -> Operand:
    """Python's numbers, where they are selected, as numbers of NumPy's; anything else stays as it is."""
    if isinstance(operand, (int, float)):
        return dtype.type(operand) if operand else operand
    if not isinstance(operand, Value):
        return operand
    if type_of(operand).python:
        return builder.call(registry[dtype.type], (operand,))
    node = operand.operation
    if not isinstance(node, Operation) or node.primitive.name != "select":
        return operand
    condition, *sides = node.arguments
    return builder.call(registry["select"], (condition, *[narrowed(builder, side, dtype) for side in sides]))


def name_cotangent(value: Value, cotangent: Operand) -> None:
    if isinstance(cotangent, Value) and cotangent.name is None:
        name = value.name or leaf_name(value.access)
        if name is not None:
            cotangent.name = f"{name}_bar"
        elif cotangent.cotangent_of is None:
            cotangent.cotangent_of = value


def leaf_name(access: str | None) -> str | None:
    """A name for a part of an argument: `W` for `params["W"]` and `params.W`, `x_0` for `x[0]`."""
    if access is None:
        return None
    words = re.findall(r"\w+", access)
    name = words[-1] if not words[-1].isdigit() else "_".join(words[-2:])
    return name if name.isidentifier() else None


def zero_like(context: Context, value: Value) -> Operand:
    if is_list(value):
        return zeros(context.builder, value)
    if rank_of(value) == 0:
        return 0.0
    if may_be_unbound(value):
        shape = known_shape(context, value)
        if shape is not None:
            return context.builder.call(registry[np.zeros], (shape, type_of(value).dtype))
        if may_be_unbound(value, in_loops=True):
            name = f"`{value.name}`" if value.name else "an array"
            raise Refusal(f"{name} is bound in a loop only, and read behind it", "bind it before the loop")
        if isinstance(value.operation, Branch):
            return zero_where_bound(context, value, value.operation)
    return context.builder.call(registry[np.zeros_like], (template_of(value), None))


def template_of(value: Value) -> Value:
    """What a value has its shape and its dtype from: of zeros like `x`, that is `x`."""
    node = value.operation
    if not isinstance(node, Operation) or node.primitive.name not in ("zeros_like", "full_like"):
        return value
    like: Value = node.arguments[0]
    return template_of(like) if type_of(like).dtype == type_of(value).dtype else value


def zero_where_bound(context: Context, value: Value, branch: Branch) -> Operand:
    """Zero in the shape of a value that only one side of a branch binds; nobody reads that of the other."""
    builder = context.builder
    place = branch.results.index(value)
    mirror = Branch(branch.condition, Block(), Block(), [], builder.statement, branch.place)
    for forward, block in ((branch.then, mirror.then), (branch.otherwise, mirror.otherwise)):
        operand = forward.results[place]
        with builder.inside(block):
            bound = isinstance(operand, Value)
            block.results.append(zero_like(context, operand) if bound else placeholder(context, value))
    result = Value(type_of(value))
    result.operation = mirror
    mirror.results.append(result)
    builder.append(mirror)
    return result


def known_shape(context: Context, value: Value) -> tuple[Operand, ...] | None:
    """The shape of a value, without reading it, where that can be told from the inputs."""
    axes = [representative(axis) for axis in type_of(value).shape]
    if any(isinstance(axis, Length) and axis.origin is None for axis in axes):
        return None
    origins = [axis.origin if isinstance(axis, Length) else None for axis in axes]
    pairs = zip(axes, origins, strict=True)
    return tuple([context.builder.call(registry["length"], at) if at else axis for axis, at in pairs])


def may_be_unbound(value: Value, *, in_loops: bool = False) -> bool:
    """Whether it is a value of a loop, or of a branch, that may never have been computed."""
    seen: set[Value] = set()
    waiting: list[Operand] = [value]
    while waiting:
        current = waiting.pop()
        if not isinstance(current, Value) or current in seen:
            continue
        seen.add(current)
        origins = origins_of(current) or ()
        if any(origin is UNBOUND for origin in origins) and not (
            in_loops and isinstance(current.operation, Branch)
        ):
            return True
        waiting += origins
    return False


def placeholder(context: Context, value: Value) -> Operand:
    """What stands for the cotangent of a value that was never computed: nobody reads more than its rank."""
    rank = rank_of(value)
    return context.builder.call(registry[np.zeros], ((1,) * rank, type_of(value).dtype)) if rank else 0.0


def is_unbound_where(value: Value, condition: Operand, side: bool) -> bool:
    """Whether a value is known not to be computed where a condition, on how a block was left, has gone this
    way: what a loop returns, where it has not returned."""
    test = condition.operation if isinstance(condition, Value) else None
    if not isinstance(test, Operation):
        return False
    if test.primitive.name == "not":
        return is_unbound_where(value, test.arguments[0], not side)
    if test.primitive.name not in ("eq", "ne") or not isinstance(test.arguments[0], Value):
        return False
    tag, number = test.arguments
    tags = tags_where_bound(value, tag)
    equal = side if test.primitive.name == "eq" else not side
    return tags is not None and not any((each == number) is equal for each in tags)


def tags_where_bound(value: Operand, tag: Operand) -> set[int] | None:
    """What a number that control flow chooses may be, where a value that it chooses too is bound.

    None where that is not known.
    """
    found: set[int] = set()
    seen: set[tuple[Operand, Operand]] = set()
    waiting = [(value, tag)]
    while waiting:
        pair = waiting.pop()
        chosen, number = pair
        if chosen is UNBOUND or pair in seen:
            continue
        seen.add(pair)
        if not isinstance(number, Value):
            found.add(number)
            continue
        numbers = origins_of(number)
        if numbers is None:
            return None
        origins = origins_of(chosen) if isinstance(chosen, Value) else None
        together = isinstance(chosen, Value) and (chosen.operation, chosen.loop) == (
            number.operation,
            number.loop,
        )
        if origins is None or not together:
            origins = tuple(chosen for _ in numbers)
        waiting += zip(origins, numbers, strict=True)
    return found


# What a gradient may be at run time: NumPy's double is a Python float.
CLASSES_OF: dict[type, set[type]] = {
    np.float64: {float, np.float64},
    np.complex128: {complex, np.complex128},
}


def gradient_of(context: Context, cotangents: Cotangents, structure: Operand) -> Operand:
    """The gradient of an argument in its own structure: dtype and shape of every leaf."""
    with context.builder.generating():
        return map_values(lambda value: finished(context, value, cotangents.get(value)), structure)


def finished(context: Context, value: Value, cotangent: Operand) -> Operand:
    """A cotangent made ready to be handed out."""
    if cotangent is None:
        cotangent = zero_like(context, value)
    name_cotangent(value, cotangent)
    cotangent = converted(context, value, cotangent)
    if type_of(value).rank:
        name_cotangent(value, cotangent)
    return cotangent


def converted(context: Context, value: Value, cotangent: Operand) -> Operand:
    """A derivative in the class, shape and dtype of its value."""
    builder = context.builder
    kind = type_of(value)
    if kind.rank == 0:
        if scalar_classes(cotangent) <= CLASSES_OF.get(kind.dtype.type, {kind.dtype.type}):
            return cotangent
        python = complex if kind.dtype.kind == "c" else float
        return builder.call(registry[python if kind.python else kind.dtype.type], (cotangent,))
    if rank_of(cotangent) == 0 or is_broadcast(cotangent):
        inner = cotangent.operation.arguments[0] if is_broadcast(cotangent) else cotangent
        cotangent = builder.call(registry[np.full_like], (value, inner, None))
    elif type_of(cotangent).dtype != kind.dtype:
        cotangent = builder.call(registry[np.ndarray.astype], (cotangent, kind.dtype), method=True)
    return cotangent


def is_broadcast(operand: Operand) -> bool:
    node = operand.operation if isinstance(operand, Value) else None
    return isinstance(node, Operation) and node.primitive.name == "broadcast_to"
