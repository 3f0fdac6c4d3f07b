"""Calls: library functions become operations, the user's functions are inlined (`inlining.py`)."""

from __future__ import annotations

import ast
import builtins
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

import numpy as np

from ad_compiler.analysis.types import ArrayType
from ad_compiler.errors import Unsupported
from ad_compiler.frontend import lists
from ad_compiler.frontend.builtin_calls import BUILTINS
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.inlining import inline, inline_gate, inline_local
from ad_compiler.frontend.objects import MISSING, call_object, construct
from ad_compiler.frontend.operations import operation
from ad_compiler.frontend.scope import LocalFunction
from ad_compiler.frontend.source import compiled_function
from ad_compiler.frontend.write_calls import WRITERS, taken_out, takes_out
from ad_compiler.frontend.writes import write_out
from ad_compiler.gate import Gate
from ad_compiler.ir import Block, Operand, Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules import load_rules_of
from ad_compiler.rules.arithmetic import maximum, minimum
from ad_compiler.rules.inventory import reason_against
from ad_compiler.rules.list_elements import is_list
from ad_compiler.rules.mapping import vectorized
from ad_compiler.rules.notation import (
    Primitive,
    compile_time,
    elementwise,
    expansions,
    is_definition,
    registry,
    replaced,
    ruled,
)
from ad_compiler.rules.shapes import type_of

BUILTINS.update(WRITERS)

elementwise(builtins.max, infer=lambda a, b: number_of(a, b))(maximum)
elementwise(builtins.min, infer=lambda a, b: number_of(a, b))(minimum)


def number_of(*operands: Operand) -> ArrayType:
    """The type of Python's `max` or `min` of numbers."""
    types = [type_of(operand) for operand in operands]
    if any(t.rank for t in types):
        raise Refusal(
            "`max` and `min` of arrays compare them as wholes", "use `np.maximum`, `np.minimum` or `np.max`"
        )
    python = all(t.python for t in types)
    return ArrayType(np.result_type(*[t.dtype for t in types]), (), python)


def call_operand(
    context: Context, node: ast.AST, callee: Operand, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    """The result of calling `callee`."""
    if is_hashable(callee):
        load_rules_of(callee)
    inlined = getattr(type(callee), "inline_in", None)
    if inlined is not None:  # an object that knows what its call means
        return inlined(callee, context, node, positional, keywords)
    handler = BUILTINS.get(callee) if is_hashable(callee) else None
    if handler is not None:
        return handler(context, node, positional, keywords)
    if isinstance(callee, MethodType) and callee in replaced:
        return write_out_definition(context, node, replaced[callee], positional, keywords)
    if callee is np.vectorize and len(positional) == 1 and not keywords:
        return Vectorized(positional[0])
    if isinstance(callee, (np.vectorize, Vectorized)):
        function = vectorized_function(context, node, callee)
        return write_out_definition(context, node, vectorized, [function, *positional], keywords)
    if context.in_rule and is_of_user(callee):
        return outside_rule(context, lambda: call_operand(context, node, callee, positional, keywords))
    if isinstance(callee, LocalFunction):
        return inline_local(context, node, callee, positional, keywords)
    if isinstance(callee, Gate):
        return inline_gate(context, node, callee, positional, keywords)
    if isinstance(callee, MethodType) and callee.__func__ in ruled:
        return call_operand(context, node, callee.__func__, [callee.__self__, *positional], keywords)
    if isinstance(callee, MethodType) and isinstance(callee.__func__, FunctionType):
        if is_definition(callee):
            return write_out_definition(
                context, node, callee.__func__, [callee.__self__, *positional], keywords
            )
        return inline(context, node, callee.__func__, [callee.__self__, *positional], keywords)
    if is_hashable(callee):
        known = callee in registry or callee in expansions or callee in replaced
        if known and not context.builder.generated and any(map(is_list, positional)):
            positional = lists.given(context, node, callee, positional)
            if callee in lists.STACKING and "dtype" not in keywords and not keywords.get("axis"):
                return positional[0]
            if callee in lists.STACKING[2:]:
                raise context.refuse(node, "items of a list are joined along another axis", "use `np.array`")
        if context.in_rule and callee in _IN_RULES:
            callee = _IN_RULES[callee]
        if context.in_rule == "math." and all(is_python_number(x) for x in positional):
            callee = getattr(math, _MATH_NAMES.get(callee, getattr(callee, "__name__", "")), callee)
        if takes_out(callee, positional, keywords) and not context.in_rule:
            out, where = taken_out(context, node, callee, positional, keywords)
            result = call_operand(context, node, callee, positional, keywords)
            return write_out(context, node, out, result, where)
        if callee in compile_time:
            return callee(*positional, **keywords)
        if callee in expansions:
            context.builder.place = (context.here.source, node)
            try:
                return expansions[callee](context.builder, *positional, **keywords)
            except TypeError as error:
                raise context.refuse(
                    node, f"this call does not fit: {error}", "check the arguments"
                ) from None
        if callee in replaced:
            return write_out_definition(context, node, replaced[callee], positional, keywords)
        if callee in registry:
            return call_primitive(context, node, callee, positional, keywords)
    if isinstance(callee, type):
        return construct(context, node, callee, positional, keywords)
    result = call_object(context, node, callee, positional, keywords)
    if result is not MISSING:
        return result
    callee = compiled_function(callee)
    if isinstance(callee, FunctionType) and callee in ruled:
        return call_operand(context, node, callee, positional, keywords)
    if isinstance(callee, FunctionType) and not is_library(callee):
        return inline(context, node, callee, positional, keywords)
    if not callable(callee):
        raise context.refuse(node, f"`{name_of(callee)}` is called, and is not a function", "check the name")
    reason, advice = reason_against(callee)
    raise context.refuse(node, f"`{name_of(callee)}` {reason}", advice)


def is_of_user(callee: Any) -> bool:
    """Whether it is a function of the user, which a definition was given to call."""
    if isinstance(callee, MethodType):
        callee = callee.__func__
    if isinstance(callee, FunctionType):
        return not is_library(callee) and not (callee.__module__ or "").startswith("ad_compiler.")
    return isinstance(callee, LocalFunction)


def outside_rule(context: Context, call: Callable[[], Operand]) -> Operand:
    """Lower a function of the user: what it reads is not the compiler's own."""
    before, context.in_rule = context.in_rule, None
    try:
        return call()
    finally:
        context.in_rule = before


@dataclass(frozen=True, slots=True)
class Vectorized:
    """What `np.vectorize` makes of a local function."""

    function: Operand


def vectorized_function(context: Context, node: ast.AST, callee: np.vectorize | Vectorized) -> Any:
    """The function inside of a `np.vectorize` that is called for every element."""
    if isinstance(callee, Vectorized):
        return callee.function
    if callee.excluded or callee.signature is not None:
        raise context.refuse(
            node, "`np.vectorize` with `excluded` or `signature` has no rule", "write a loop"
        )
    return callee.pyfunc


def is_hashable(obj: Any) -> bool:
    return (
        isinstance(obj, (type, FunctionType, BuiltinFunctionType, np.ufunc)) or type(obj).__hash__ is not None
    )


def is_python_number(operand: Operand) -> bool:
    return not isinstance(operand, Value) or (isinstance(operand.type, ArrayType) and operand.type.python)


_IN_RULES: dict[Any, Any] = {np.where: "select"}
_MATH_NAMES: dict[Any, str] = {np.arctan: "atan", np.arcsin: "asin", np.absolute: "fabs"}


def name_of(callee: Any) -> str:
    name = getattr(callee, "__qualname__", None) or getattr(callee, "__name__", None) or type(callee).__name__
    module = getattr(callee, "__module__", None)
    return f"{module}.{name}" if module and module not in ("__main__", "builtins") else str(name)


def is_library(function: FunctionType) -> bool:
    """Functions of libraries are not inlined: their code is not the user's."""
    import sys

    top = (function.__module__ or "").split(".")[0]
    return top in ("numpy", "scipy") or (top in sys.stdlib_module_names and top != "__main__")


def call_primitive(
    context: Context, node: ast.AST, callee: Any, positional: Sequence[Operand], keywords: dict[str, Operand]
) -> Operand:
    primitive = registry[callee]
    arguments = primitive.bind(positional, keywords)
    if primitive.kind == "definition":
        return call_definition(context, node, primitive, arguments)
    return operation(context, node, primitive, arguments)


def call_definition(
    context: Context, node: ast.AST, primitive: Primitive, arguments: tuple[Operand, ...]
) -> Operand:
    """A call that is kept: its definition is lowered aside, only to learn the type of the result."""
    assert primitive.rule is not None
    with context.builder.separately(Block()):
        result = lower_definition(
            context, node, primitive.rule, with_lists_as_arrays(context, primitive, arguments), {}
        )
    if not isinstance(result, Value):
        return result
    kind = type_of(result)
    context.builder.place = (context.here.source, node)
    return context.builder.call(primitive, arguments, kind=ArrayType(kind.dtype, kind.shape))


def with_lists_as_arrays(
    context: Context, primitive: Primitive, arguments: Sequence[Operand]
) -> list[Operand]:
    """The arguments as a definition gets them: lists stand for arrays, as everywhere in NumPy."""
    return [
        context.builder.call(registry[np.array], (argument, None))
        if isinstance(argument, list) and name not in primitive.structures
        else argument
        for name, argument in zip(primitive.parameters, arguments, strict=True)
    ]


def write_out_definition(
    context: Context,
    node: ast.AST,
    function: Any,
    positional: list[Operand],
    keywords: dict[str, Operand],
) -> Operand:
    """The operations of a definition, in the place of the call."""
    block = context.builder.block
    before = len(block.operations)
    result = lower_definition(context, node, function, positional, keywords)
    for made in block.operations[before:]:
        made.place = (context.here.source, node)
    return result


def lower_definition(
    context: Context,
    node: ast.AST,
    function: Any,
    positional: list[Operand],
    keywords: dict[str, Operand],
) -> Operand:
    """Run a definition over operands; what it refuses is refused at the call."""
    in_rule, wanted = context.in_rule, context.wanted
    context.in_rule, context.wanted = "np.", None
    try:
        return inline(context, node, function, positional, keywords)
    except Unsupported as error:
        raise context.refuse(node, error.reason, error.advice) from None
    finally:
        context.in_rule, context.wanted = in_rule, wanted
