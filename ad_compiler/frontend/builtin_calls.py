"""Calls of Python's built-in functions, on operands."""

from __future__ import annotations

import ast
import itertools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ad_compiler.analysis.types import STRING, ListType, ObjectType, TupleType
from ad_compiler.frontend.comprehensions import row_of
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.folds import FOLDS
from ad_compiler.frontend.iteration import MAKERS
from ad_compiler.frontend.itertools_calls import accumulated, chained, combined, paired
from ad_compiler.frontend.lists import length_of
from ad_compiler.frontend.objects import OBJECTS, has_attribute, is_value
from ad_compiler.frontend.operations import operation
from ad_compiler.frontend.sorting import ordered
from ad_compiler.ir import Iteration, Operand, Record, Value
from ad_compiler.rules.list_elements import is_list
from ad_compiler.rules.notation import constant, registry
from ad_compiler.rules.shapes import rank_of, shape_of
from ad_compiler.rules.structure import length

Builtin = Callable[[Context, ast.AST, list[Operand], dict[str, Operand]], Operand]


def _length(
    context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    (operand,) = positional
    if is_list(operand):
        return length_of(context, node, operand)
    if isinstance(operand, Value):
        if rank_of(operand) == 0:
            raise context.refuse(node, "a number has no length", "use an array")
        return length(context.builder, operand, 0)
    if isinstance(operand, Iteration):
        raise context.refuse(node, f"the length of {operand!r} is not known while compiling", "use a list")
    return len(operand.fields if isinstance(operand, Record) else operand)


def _isinstance(
    context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    operand, classes = positional
    return is_instance(operand, classes)


def is_instance(operand: Operand, classes: Any) -> bool:
    """Python's `isinstance`, of an operand."""
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
    if isinstance(value.type, ListType):
        return list
    if isinstance(value.type, TupleType):
        return tuple
    if value.type.python:
        return {"b": bool, "i": int, "f": float, "c": complex}[value.type.dtype.kind]
    return np.ndarray if shape_of(value) else value.type.dtype.type


def _print(
    context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    if not is_value(positional):
        raise context.refuse(node, "an iterator or an object is printed", "print the numbers in it")
    operation(context, node, registry[print], (tuple(positional), keywords))
    return None


@constant(print, infer=lambda *_: STRING, effect=True)
def show(arguments: Any, keywords: Any) -> None: ...


def _divmod(
    context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    from ad_compiler.frontend.expressions import apply_binary

    return tuple(apply_binary(context, node, op, *positional) for op in (operator.floordiv, operator.mod))


def _getattr(
    context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    from ad_compiler.frontend import attributes

    owner, name, *default = positional
    if default and has_attribute(context, node, [owner, name], {}) is False:
        return default[0]
    synthetic = ast.copy_location(ast.Attribute(ast.Constant(None), str(name), ast.Load()), node)
    return attributes.get(context, synthetic, owner, name)


BUILTINS: dict[Any, Builtin] = {
    **MAKERS,
    **FOLDS,
    sorted: ordered,
    **OBJECTS,
    len: _length,
    abs: lambda context, node, positional, keywords: _abs(context, node, positional),
    pow: lambda context, node, positional, keywords: _pow(context, node, positional),
    isinstance: _isinstance,
    type: _type,
    print: _print,
    divmod: _divmod,
    getattr: _getattr,
    row_of: row_of,
    itertools.accumulate: accumulated,
    itertools.chain: chained,
    itertools.combinations: combined(itertools.combinations),
    itertools.combinations_with_replacement: combined(itertools.combinations_with_replacement),
    itertools.pairwise: paired,
    itertools.permutations: combined(itertools.permutations),
    itertools.product: combined(itertools.product),
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
