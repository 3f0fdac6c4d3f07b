"""Calls of Python's built-in functions, on operands."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ad_compiler.analysis.types import STRING, ObjectType
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.iteration import MAKERS
from ad_compiler.frontend.operations import elements_of, operation
from ad_compiler.ir import Iteration, Operand, Record, Value
from ad_compiler.rules.notation import constant, registry
from ad_compiler.rules.shapes import rank_of, shape_of
from ad_compiler.rules.structure import length

Builtin = Callable[[Context, ast.AST, list[Operand], dict[str, Operand]], Operand]


def _length(
    context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    (operand,) = positional
    if isinstance(operand, Value):
        if rank_of(operand) == 0:
            raise context.refuse(node, "a number has no length", "use an array")
        return length(context.builder, operand, 0)
    if isinstance(operand, Iteration):
        raise context.refuse(node, f"the length of {operand!r} is not known while compiling", "use a list")
    return len(operand.fields if isinstance(operand, Record) else operand)


def _extremum(function: Any) -> Builtin:
    def handler(
        context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
    ) -> Operand:
        if keywords:
            raise context.refuse(
                node, f"`{function.__name__}` is called with keywords", "use NumPy's function"
            )
        items = positional if len(positional) > 1 else elements_of(context, node, positional[0])
        result = items[0]
        for item in items[1:]:
            if isinstance(result, Value) or isinstance(item, Value):
                result = operation(context, node, registry[function], (result, item))
            else:
                result = function(result, item)
        return result

    return handler


def _sum(context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]) -> Operand:
    if isinstance(positional[0], Value):
        raise context.refuse(node, "`sum` loops over an array", "use `np.sum`")
    from ad_compiler.frontend.expressions import apply_binary

    items = elements_of(context, node, positional[0])
    total: Operand = positional[1] if len(positional) > 1 else keywords.get("start", 0)
    for item in items:
        plain = not isinstance(total, Value) and isinstance(total, int) and total == 0
        total = item if plain else apply_binary(context, node, operator.add, total, item)
    return total


def _isinstance(
    context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    operand, classes = positional
    wanted = classes if isinstance(classes, tuple) else (classes,)
    if isinstance(operand, Value):
        cls = class_of(operand)
        return any(issubclass(cls, one) for one in wanted)
    if isinstance(operand, Record):
        return any(issubclass(operand.cls, one) for one in wanted)
    return isinstance(operand, classes)


def _type(
    context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    if len(positional) != 1 or keywords:
        raise context.refuse(node, "a class is made", "define it outside")
    (operand,) = positional
    if isinstance(operand, Record):
        return operand.cls
    return class_of(operand) if isinstance(operand, Value) else type(operand)


def class_of(value: Value) -> type:
    if isinstance(value.type, ObjectType):
        return str
    if value.type.python:
        return {"b": bool, "i": int, "f": float, "c": complex}[value.type.dtype.kind]
    return np.ndarray if shape_of(value) else value.type.dtype.type


def _print(
    context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    operation(context, node, registry[print], (tuple(positional), keywords))
    return None


@constant(print, infer=lambda *_: STRING, effect=True)
def show(arguments: Any, keywords: Any) -> None: ...


def _sequence(cls: type) -> Builtin:
    def handler(
        context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
    ) -> Operand:
        return cls(elements_of(context, node, positional[0]) if positional else ())

    return handler


def _dict(
    context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    if positional and not isinstance(positional[0], dict):
        raise context.refuse(node, "`dict` is made of something else than a dict", "write its items: `{...}`")
    return {**(positional[0] if positional else {}), **keywords}


def _divmod(
    context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    from ad_compiler.frontend.expressions import apply_binary

    return tuple(apply_binary(context, node, op, *positional) for op in (operator.floordiv, operator.mod))


def _getattr(
    context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    from ad_compiler.frontend import attributes

    owner, name = positional[:2]
    synthetic = ast.copy_location(ast.Attribute(ast.Constant(None), str(name), ast.Load()), node)
    return attributes.get(context, synthetic, owner, name)


BUILTINS: dict[Any, Builtin] = {
    **MAKERS,
    len: _length,
    max: _extremum(max),
    min: _extremum(min),
    sum: _sum,
    abs: lambda context, node, positional, keywords: _abs(context, node, positional),
    pow: lambda context, node, positional, keywords: _pow(context, node, positional),
    isinstance: _isinstance,
    type: _type,
    print: _print,
    tuple: _sequence(tuple),
    list: _sequence(list),
    dict: _dict,
    divmod: _divmod,
    getattr: _getattr,
}


def _abs(context: Context, node: ast.AST, positional: list[Operand]) -> Operand:
    (operand,) = positional
    if isinstance(operand, Value):
        return operation(context, node, registry[operator.abs], (operand,))
    return abs(operand)


def _pow(context: Context, node: ast.AST, positional: list[Operand]) -> Operand:
    from ad_compiler.frontend.expressions import apply_binary

    base, exponent = positional
    return apply_binary(context, node, operator.pow, base, exponent)
