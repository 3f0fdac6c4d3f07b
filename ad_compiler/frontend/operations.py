"""Small steps that every handler takes: append an operation, evaluate a constant, unpack a container."""

from __future__ import annotations

import ast
from typing import Any

from ad_compiler.analysis.types import representative
from ad_compiler.frontend.context import Context
from ad_compiler.ir import Operand, Record, Value
from ad_compiler.rules.notation import Primitive, registry
from ad_compiler.rules.shapes import describe, rank_of, shape_of


def operation(
    context: Context,
    node: ast.AST,
    primitive: Primitive,
    arguments: tuple[Operand, ...],
    method: bool = False,
) -> Operand:
    context.builder.place = (context.here.source, node)
    return context.builder.call(primitive, arguments, method)


def evaluate(context: Context, node: ast.AST, function: Any, *operands: Operand) -> Operand:
    """What Python itself gives, on operands known while compiling."""
    try:
        return function(*operands)
    except Exception as error:
        raise context.refuse(node, f"this fails with {type(error).__name__}: {error}", "correct it") from None


def describe_any(operand: Operand) -> str:
    return f"a {operand.cls.__name__}" if isinstance(operand, Record) else describe(operand)


def elements_of(context: Context, node: ast.AST, operand: Operand) -> list[Operand]:
    """The elements of an operand that is unpacked or starred."""
    if isinstance(operand, (tuple, list, str, range)):
        return list(operand)
    if isinstance(operand, dict):
        return list(operand)
    if isinstance(operand, Record) and issubclass(operand.cls, tuple):
        return list(operand.fields.values())
    if isinstance(operand, Value) and rank_of(operand) > 0:
        count = representative(shape_of(operand)[0])
        if isinstance(count, int):
            return [operation(context, node, registry["getitem"], (operand, (i,))) for i in range(count)]
        raise context.refuse(
            node,
            "how many elements the array has is not known while compiling",
            "take its elements by index: `a, b = x[0], x[1]`",
        )
    raise context.refuse(node, f"{describe_any(operand)} cannot be unpacked", "unpack a tuple or a list")
