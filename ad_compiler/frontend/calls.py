"""Calls: library functions become operations, the user's functions are inlined."""

from __future__ import annotations

import ast
import builtins
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

import numpy as np

from ad_compiler.analysis.types import ArrayType
from ad_compiler.errors import Unsupported
from ad_compiler.frontend import lists
from ad_compiler.frontend.activations import activation_of
from ad_compiler.frontend.builtin_calls import BUILTINS
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.objects import MISSING, call_object, construct
from ad_compiler.frontend.operations import describe_any, operation
from ad_compiler.frontend.recursion import ENDLESS, call_recursive
from ad_compiler.frontend.scope import LocalFunction, Scope, containers_in
from ad_compiler.frontend.source import compiled_function, read_source
from ad_compiler.frontend.statements import run_body
from ad_compiler.frontend.write_calls import WRITERS, taken_out, takes_out
from ad_compiler.frontend.writes import write_out
from ad_compiler.gate import Gate
from ad_compiler.ir import Block, Operand, Shortcut, Value
from ad_compiler.refusal import RecursionFound, Refusal
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
    signature_of,
)
from ad_compiler.rules.shapes import is_complex, type_of

BUILTINS.update(WRITERS)
MAX_DEPTH = 100

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


def inline(
    context: Context,
    node: ast.AST,
    function: FunctionType,
    positional: list[Operand],
    keywords: dict[str, Operand],
) -> Operand:
    """Run the body of a Python function over the operands."""
    scope = scope_of_call(context, node, function, positional, keywords)
    return run_in(context, node, scope, scope.source.node)


def scope_of_call(
    context: Context,
    node: ast.AST,
    function: FunctionType,
    positional: list[Operand],
    keywords: dict[str, Operand],
    generator: bool = False,
) -> Scope:
    """The scope of a Python function, its parameters bound."""
    try:
        source = read_source(function, generator)
    except Unsupported as error:
        raise context.refuse(
            node, f"`{function.__name__}` cannot be read: {error.reason}", error.advice
        ) from None
    scope = Scope(source, function)
    arguments = source.node.args
    defaults = list(function.__defaults__ or ())
    context.outside.update({id(inner): inner for inner in containers_in(defaults[:])})
    by_keyword = [(function.__kwdefaults__ or {}).get(a.arg, MISSING) for a in arguments.kwonlyargs]
    scope.names = bind(
        context, node, function.__name__, arguments, positional, keywords, defaults, by_keyword
    )
    return scope


def inline_local(
    context: Context,
    node: ast.AST,
    callee: LocalFunction,
    positional: list[Operand],
    keywords: dict[str, Operand],
) -> Operand:
    by_keyword = [MISSING if d is None else d for d in callee.keyword_defaults]
    names = bind(
        context, node, callee.__name__, callee.node.args, positional, keywords, callee.defaults, by_keyword
    )
    scope = Scope(callee.scope.source, callee.scope.function, names, callee.scope)
    return run_in(context, node, scope, callee.node)


def inline_gate(
    context: Context, node: ast.AST, gate: Gate, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    """The expression of a user's gate, and the shortcut over it."""
    source = read_source(gate.forward)
    written = source.node.body[-1] if isinstance(source.node, ast.FunctionDef) else None
    assert isinstance(written, ast.Return) and written.value is not None
    names = bind(context, node, gate.__name__, source.node.args, positional, keywords, (), ())
    inputs = tuple([names[argument] for argument in gate.arguments])
    for operand in inputs:
        if not isinstance(operand, (Value, int, float, np.generic)):
            reason = f"{describe_any(operand)} is given to the gate `{gate.__name__}`"
            raise context.refuse(node, reason, "give it numbers and arrays")
    expression = ast.Lambda(source.node.args, written.value)
    try:
        result = run_in(context, node, Scope(source, gate.forward, {**names, "np": np}), expression)
    except Unsupported as error:
        raise context.refuse(node, error.reason, error.advice) from None
    is_real = not any(map(is_complex, inputs))
    is_new = isinstance(result, Value) and all(result is not x for x in inputs)
    if gate.partials is not None and is_real and is_new:
        given = dict.fromkeys(signature_of(gate.partials)[2], result)
        context.shortcuts[result] = Shortcut(result, inputs, gate.partials, given, gate.singular)
    return result


def bind(
    context: Context,
    node: ast.AST,
    name: str,
    arguments: ast.arguments,
    positional: list[Operand],
    keywords: dict[str, Operand],
    defaults: Sequence[Operand],
    keyword_defaults: Sequence[Any],
) -> dict[str, Operand]:
    """Python's binding of arguments to parameters."""
    parameters = [a.arg for a in [*arguments.posonlyargs, *arguments.args]]
    bound: dict[str, Operand] = dict(zip(parameters, positional, strict=False))
    rest = dict(keywords)
    if len(positional) > len(parameters) and arguments.vararg is None:
        raise context.refuse(node, f"`{name}` takes {len(parameters)} positional arguments", "give no more")
    for parameter in [*(a.arg for a in arguments.args), *(a.arg for a in arguments.kwonlyargs)]:
        if parameter in rest:
            if parameter in bound:
                raise context.refuse(node, f"`{name}` gets `{parameter}` twice", "give it once")
            bound[parameter] = rest.pop(parameter)
    given = dict(zip(parameters[len(parameters) - len(defaults) :], defaults, strict=True))
    given.update(
        {a.arg: d for a, d in zip(arguments.kwonlyargs, keyword_defaults, strict=True) if d is not MISSING}
    )
    if arguments.vararg is not None:
        bound[arguments.vararg.arg] = tuple(positional[len(parameters) :])
    if arguments.kwarg is not None:
        bound[arguments.kwarg.arg] = rest
        rest = {}
    if rest:
        raise context.refuse(node, f"`{name}` has no parameter `{next(iter(rest))}`", "check the name")
    for parameter in [*parameters, *(a.arg for a in arguments.kwonlyargs)]:
        if parameter not in bound:
            if parameter not in given:
                raise context.refuse(node, f"`{name}` needs an argument `{parameter}`", "give it")
            bound[parameter] = given[parameter]
    return bound


def run_in(context: Context, node: ast.AST, scope: Scope, callee: ast.FunctionDef | ast.Lambda) -> Operand:
    """The result of a function's body in its own scope."""
    activation = activation_of(scope, callee)
    if activation.function in context.recursive:
        return call_recursive(
            context, node, scope, callee, lambda inner: run_inlined(context, node, inner, callee)
        )
    if activation in context.activations:
        raise RecursionFound(activation.function)
    if context.depth >= MAX_DEPTH:
        raise endless(context, node)
    context.activations.append(activation)
    try:
        return run_inlined(context, node, scope, callee)
    finally:
        context.activations.pop()


def run_inlined(
    context: Context, node: ast.AST, scope: Scope, callee: ast.FunctionDef | ast.Lambda
) -> Operand:
    """The result of a function's body, written right where the call stands."""
    caller = context.here
    protected, context.in_protected = context.in_protected, context.builder.keeping
    context.callers.append(caller)
    context.scope = scope
    context.depth += 1
    try:
        if isinstance(callee, ast.Lambda):
            from ad_compiler.frontend.context import lower

            return lower(context, callee.body)
        return run_body(context, callee.body)
    except RecursionError:
        context.scope = caller
        raise endless(context, node) from None
    finally:
        context.in_protected = protected
        context.depth -= 1
        context.scope = caller
        context.callers.pop()


def endless(context: Context, node: ast.AST) -> Exception:
    """What to raise where calls are nested too deep: which function calls itself, or a refusal."""
    counts = Counter(activation.function for activation in context.activations)
    function, count = counts.most_common(1)[0] if counts else (None, 0)
    if count > 1:
        return RecursionFound(function)
    return context.refuse(node, ENDLESS, "rewrite it without recursion")
