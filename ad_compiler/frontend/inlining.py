"""Functions of the user are inlined: a body is run over the operands of the call, in a scope of its own.

    def norm(v):                                    def loss(x):
        return np.sqrt(np.sum(v * v))       ->          return np.sqrt(np.sum(x * x))

    def loss(x):
        return norm(x)

A function that calls itself becomes one of the program's functions instead (`recursion.py`).
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Sequence
from types import FunctionType
from typing import Any

import numpy as np

from ad_compiler.errors import Unsupported
from ad_compiler.frontend.activations import activation_of
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.objects import MISSING
from ad_compiler.frontend.operations import describe_any
from ad_compiler.frontend.recursion import ENDLESS, call_recursive
from ad_compiler.frontend.scope import LocalFunction, Scope, containers_in
from ad_compiler.frontend.source import read_source
from ad_compiler.frontend.statements import run_body
from ad_compiler.gate import Gate
from ad_compiler.ir import Operand, Shortcut, Value
from ad_compiler.refusal import RecursionFound
from ad_compiler.rules.notation import (
    signature_of,
)
from ad_compiler.rules.shapes import is_complex

MAX_DEPTH = 100


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
