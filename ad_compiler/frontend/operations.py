"""Small steps that every handler takes: append an operation, evaluate a constant, unpack a container."""

from __future__ import annotations

import ast
from typing import Any

from ad_compiler.errors import Unsupported
from ad_compiler.frontend.context import Context
from ad_compiler.ir import Iteration, Operand, Record, Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.notation import Primitive
from ad_compiler.rules.shapes import describe, rank_of


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
    except (Unsupported, Refusal):
        raise
    except Exception as error:
        raise context.refuse(node, f"this fails with {type(error).__name__}: {error}", "correct it") from None


def describe_any(operand: Operand) -> str:
    return f"a {operand.cls.__name__}" if isinstance(operand, Record) else describe(operand)


def elements_of(context: Context, node: ast.AST, operand: Operand) -> list[Operand]:
    """The elements of an operand that is unpacked or starred."""
    from ad_compiler.frontend.iteration import known_items

    found = known_items(context, node, operand)
    if found is not None:
        return found
    if isinstance(operand, Value) and rank_of(operand) > 0:
        raise context.refuse(
            node,
            "how many elements the array has is not known while compiling",
            "take its elements by index: `a, b = x[0], x[1]`",
        )
    if isinstance(operand, Iteration):
        raise context.refuse(
            node,
            f"how many items {operand!r} gives is not known while compiling",
            "run over a container whose length is known: a tuple, a list, a `range` of constants",
        )
    raise context.refuse(node, f"{describe_any(operand)} cannot be unpacked", "unpack a tuple or a list")
