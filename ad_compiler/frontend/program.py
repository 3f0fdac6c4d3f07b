"""A function and its arguments' kinds to a program: the forward sweep.

    def f(x, y):                 parameters  x: float, y: float
        return x * y      ->     forward     %1 = mul(x, y)
                                 result      %1
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import numpy as np

import ad_compiler.frontend.expressions  # noqa: F401 -- registers the handlers of expressions
import ad_compiler.rules  # noqa: F401 -- registers the rules
from ad_compiler.builder import Builder
from ad_compiler.frontend.calls import run_in
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.inputs import describe_input, real_type
from ad_compiler.frontend.scope import Location, Scope
from ad_compiler.frontend.source import Source
from ad_compiler.ir import Block, Function, Operand, Parameter, Value, map_values, values_in
from ad_compiler.refusal import Refusal
from ad_compiler.rules.notation import registry
from ad_compiler.rules.shapes import type_of


@dataclass(eq=False, slots=True)
class Lowered:
    """The forward sweep, what is differentiated, and the state of lowering, which later passes go on with."""

    function: Function
    differentiated: dict[str, Operand]  # parameter -> the structure of values it is differentiated as
    context: Context


def lower_program(
    primal: FunctionType,
    source: Source,
    arguments: Mapping[str, Any],
    wanted: tuple[str, ...],
    constants: frozenset[str],
    bound_self: tuple[str, Location] | None,
) -> Lowered:
    """Lower `primal` for arguments of these kinds (`arguments` are examples, read for their types only).

    Raises `Unsupported` for what cannot be differentiated.
    """
    block = Block()
    builder = Builder(block)
    context = Context(builder, constants)
    node = source.node
    scope = Scope(source, primal)
    context.scope = scope
    context.names_taken.update(
        inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store)
    )
    context.names_taken.update(arguments)
    parameters: list[Parameter] = []
    differentiated: dict[str, Operand] = {}
    try:
        for name, kind, default in parameters_of(node, source):
            if bound_self is not None and name == bound_self[0]:
                location = bound_self[1]
                scope.names[name] = location.read()
                context.constants_read[location.key] = (location, location.read())
                continue
            if name in ("np", "math") and not inspect.ismodule(arguments[name]):
                raise Refusal(f"an argument is called `{name}`", "rename it: generated code calls NumPy by that name")
            structure = describe_input(arguments[name], name, constants)
            parameters.append(Parameter(name, structure, kind, default))
            if name in wanted:
                structure = as_reals(builder, structure, name)
                differentiated[name] = structure
            scope.names[name] = structure
    except Refusal as refusal:
        raise source.refuse(node, refusal.reason, refusal.advice) from None
    function = Function(getattr(primal, "__name__", "f"), parameters, block)
    context.scope = scope
    function.result = run_in(context, node, scope, node)
    context.scope = scope
    for capture in context.captures.values():
        if not any(True for _ in values_in(capture.operand)):
            continue  # a constant by now
        parameters.append(Parameter(capture.name, capture.operand, "keyword", literal(capture.example)))
    return Lowered(function, differentiated, context)


def parameters_of(node: ast.FunctionDef | ast.Lambda, source: Source) -> list[tuple[str, str, str | None]]:
    """Name, kind and default (as source text, where it is a literal) of every parameter."""
    arguments = node.args
    result: list[tuple[str, str, str | None]] = []
    positional = [*arguments.posonlyargs, *arguments.args]
    missing: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    for argument, default in zip(positional, [*missing, *arguments.defaults], strict=True):
        kind = "positional_only" if argument in arguments.posonlyargs else "positional"
        result.append((argument.arg, kind, default_text(default)))
    if arguments.vararg is not None:
        result.append((arguments.vararg.arg, "var_positional", None))
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        result.append((argument.arg, "keyword", default_text(default)))
    if arguments.kwarg is not None:
        result.append((arguments.kwarg.arg, "var_keyword", None))
    return result


def default_text(default: ast.expr | None) -> str | None:
    """A default's source; what is not a literal becomes None, and the loader gives the object itself."""
    if default is None:
        return None
    try:
        ast.literal_eval(default)
    except ValueError:
        return "None"
    return ast.unparse(default)


def literal(example: Any) -> str | None:
    """A default for a value read from outside, where it can be written down."""
    if isinstance(example, (int, float)):
        text = repr(float(example)) if isinstance(example, float) else repr(int(example))
        return text if text not in ("inf", "-inf", "nan") else f"np.{text}" if text != "-inf" else "-np.inf"
    if isinstance(example, np.ndarray) and example.size <= 16 and example.dtype.kind in "biuf" and example.size:
        dtype = "" if example.dtype in (np.float64, np.int64, np.bool_) else f", dtype=np.{example.dtype}"
        return f"np.array({example.tolist()}{dtype})"
    return None


def as_reals(builder: Builder, structure: Operand, name: str) -> Operand:
    """The structure with whole numbers converted: they are differentiated as reals."""

    def convert(value: Value) -> Operand:
        kind = type_of(value)
        wanted = real_type(kind)
        if wanted is kind:
            return value
        if kind.python:
            real = builder.call(registry[float], (value,))
        elif kind.rank == 0:
            real = builder.call(registry[np.float64], (value,))
        else:
            real = builder.call(registry[np.ndarray.astype], (value, np.dtype(np.float64)), method=True)
        real.name = value.name
        value.name = None
        return real

    if not any(True for _ in values_in(structure)) and not is_empty(structure):
        raise Refusal(f"the argument `{name}` holds no number to differentiate", "name another one in `argnums`")
    return map_values(convert, structure)


def is_empty(structure: Operand) -> bool:
    return isinstance(structure, (tuple, list, dict)) and not structure


