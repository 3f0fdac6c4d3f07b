"""A function and its arguments' kinds to a program: the forward sweep.

def f(x, y):                 parameters  x: float, y: float
    return x * y      ->     forward     %1 = mul(x, y)
                             result      %1
"""

from __future__ import annotations

import ast
import inspect
import operator
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

import numpy as np

import ad_compiler.frontend.comparisons
import ad_compiler.frontend.comprehensions
import ad_compiler.frontend.expressions
import ad_compiler.frontend.loops
import ad_compiler.frontend.matching
import ad_compiler.frontend.protecting
import ad_compiler.rules  # noqa: F401 -- registers the rules
from ad_compiler.analysis.layout import is_array
from ad_compiler.blocks import Batched
from ad_compiler.builder import Builder
from ad_compiler.frontend.aliases import current
from ad_compiler.frontend.calls import call_operand
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.growing import check_grown
from ad_compiler.frontend.inlining import inline, run_in
from ad_compiler.frontend.inputs import describe_input, real_type
from ad_compiler.frontend.objects import is_value
from ad_compiler.frontend.operations import operation
from ad_compiler.frontend.scope import ArgumentLocation, Location, Scope, Undecided
from ad_compiler.frontend.source import Source, read_source
from ad_compiler.ir import Block, Function, Operand, Parameter, Record, Value
from ad_compiler.refusal import RecursionFound, Refusal, StretchingFound
from ad_compiler.rules.notation import registry, ruled
from ad_compiler.rules.shapes import type_of
from ad_compiler.transforms.share import share
from ad_compiler.traversal import inputs_of, map_values, nodes_in, values_in


@dataclass(frozen=True, slots=True)
class Results:
    """The arguments that a function writes its results into: their sum, or they themselves."""

    names: tuple[str, ...]
    single: bool
    summed: bool


@dataclass(slots=True)
class Known:
    """What is found only when a program is lowered, and lowers it again: see `Context`."""

    recursive: frozenset[Hashable] = frozenset()
    stretching: frozenset[Hashable] = frozenset()
    telling: frozenset[Hashable] = frozenset()


@dataclass(eq=False, slots=True)
class Lowered:
    """The forward sweep, what is differentiated, and the state of lowering, which later passes go on with."""

    function: Function
    differentiated: dict[str, Operand]  # parameter -> the structure of values it is differentiated as
    context: Context
    batched: Batched = field(default_factory=Batched)


def lower_program(
    primal: FunctionType,
    source: Source,
    arguments: Mapping[str, Any],
    wanted: tuple[str, ...],
    constants: frozenset[str],
    bound_self: tuple[str, Location] | None,
    results: Results | None = None,
) -> Lowered:
    """Lower `primal` for arguments of these kinds (`arguments` are examples, read for their types only).

    Raises `Unsupported` for what cannot be differentiated.
    """
    known = Known()
    while True:
        try:
            return lower_once(primal, source, arguments, wanted, constants, bound_self, results, known)
        except RecursionFound as found:
            known.recursive |= {found.function}
        except StretchingFound as found:
            known.stretching |= found.inside
            known.telling |= found.behind


def lower_once(
    primal: FunctionType,
    source: Source,
    arguments: Mapping[str, Any],
    wanted: tuple[str, ...],
    constants: frozenset[str],
    bound_self: tuple[str, Location] | None,
    results: Results | None,
    known: Known,
) -> Lowered:
    """Lower `primal`, given what lowering it before has found."""
    block = Block()
    builder = Builder(block)
    context = Context(builder, constants)
    builder.current = lambda operand: current(context, operand)
    context.recursive = known.recursive
    context.stretching, context.telling = known.stretching, known.telling
    node = source.node
    scope = Scope(source, primal)
    context.scope = scope
    context.names_taken.update(
        inner.id
        for inner in ast.walk(node)
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store)
    )
    context.names_taken.update(arguments)
    parameters: list[Parameter] = []
    differentiated: dict[str, Operand] = {}
    operands: dict[str, Operand] = {}
    shown = inspect.unwrap(primal)  # a decorator's wrapper is called as the function it wraps
    wrapped = shown is not primal and isinstance(shown, FunctionType)
    listed = parameters_of(read_source(shown).node if wrapped else node)
    try:
        for name, kind, default in listed:
            if bound_self is not None and name == bound_self[0]:
                location = bound_self[1]
                operands[name] = context.found(location, "", location.read())
                continue
            if name in ("np", "math") and not inspect.ismodule(arguments[name]):
                raise Refusal(
                    f"an argument is called `{name}`", "rename it: generated code calls NumPy by that name"
                )
            structure = describe_input(arguments[name], name, constants)
            remember_objects(context, name, structure)
            parameters.append(Parameter(name, structure, kind, default))
            context.records.update({record.cls: record.access for record in records_in(structure)})
            if name in wanted:
                structure = as_reals(builder, structure, name)
                differentiated[name] = structure
            operands[name] = map_values(lambda value: value, structure)  # the program may change containers
    except Refusal as refusal:
        raise source.refuse(node, refusal.reason, refusal.advice) from None
    for name in results.names if results is not None else ():
        scope.names[AFTER.format(name)] = operands[name]  # whatever the function binds the name itself to
    function = Function(getattr(primal, "__name__", "f"), parameters, block)
    if primal in ruled:
        function.result = call_operand(context, node, primal, *passed_on(listed, operands))
    elif wrapped:
        function.result = inline(context, node, primal, *passed_on(listed, operands))
    else:
        scope.names.update(operands)
        function.result = run_in(context, node, scope, node)
    context.scope = scope
    if results is not None:
        after = {name: scope.names[AFTER.format(name)] for name in results.names}
        function.result = written_results(context, node, after, results)
    function.result = current(context, function.result)
    check_overlaps(context, function)
    check_grown(context, function)
    context.newer = {}  # from here on every value is what it was when it was computed
    block.operations[:0] = context.checks.operations
    if not is_value(function.result):
        reason = "the function returns an iterator, or an object of a class that is no record"
        raise source.refuse(node, reason, "return numbers, arrays, tuples, lists, dicts or dataclasses")
    add_captures(function, context)
    share(function, context)
    return Lowered(function, differentiated, context)


def add_captures(function: Function, context: Context) -> None:
    """What is read from outside becomes parameters, where it is none yet."""
    parameters = function.parameters
    known = {parameter.name for parameter in parameters}
    end = len(parameters) - (bool(parameters) and parameters[-1].kind == "var_keyword")
    parameters[end:end] = [
        Parameter(capture.name, capture.operand, "keyword", literal(capture.example))
        for capture in context.captures.values()
        if capture.name not in known
        and any(True for _ in values_in(capture.operand))  # else it is a constant by now
    ]


def remember_objects(context: Context, access: str, structure: Operand) -> None:
    """Note under which name the objects in an argument are found: their attributes are read at every call."""
    if isinstance(structure, (tuple, list)):
        for place, item in enumerate(structure):
            remember_objects(context, f"{access}[{place}]", item)
    elif isinstance(structure, dict):
        for key, item in structure.items():
            remember_objects(context, f"{access}[{key!r}]", item)
    elif isinstance(structure, Record):
        for name, item in structure.fields.items():
            remember_objects(context, f"{access}.{name}", item)
    elif not isinstance(structure, Value):
        context.remember(ArgumentLocation(structure, access), "", structure)


AFTER = "{} after the call"


def written_results(context: Context, node: ast.AST, after: dict[str, Operand], results: Results) -> Operand:
    """What the arguments hold `after` the call that receive the results; or the sum of it."""
    found: list[Operand] = []
    for name in results.names:
        operand = after[name]
        if isinstance(operand, Undecided):
            reason = f"what `{name}` holds after the call is not known: {operand.reason}"
            raise context.refuse(node, reason, operand.advice)
        arrays = list(values_in(operand))
        if not any(map(is_array, arrays)) or (results.summed and not isinstance(operand, Value)):
            reason = f"`{name}` is not an array, so that the function cannot write its result into it"
            raise context.refuse(node, reason, "name an array in `of=`")
        if results.summed and type_of(operand).rank:
            operand = operation(context, node, registry[np.sum], (operand, None, False), method=True)
        found.append(operand)
    if not results.summed:
        return found[0] if results.single else tuple(found)
    total = found[0]
    for other in found[1:]:
        total = operation(context, node, registry[operator.add], (total, other))
    return total


def check_overlaps(context: Context, function: Function) -> None:
    """Refuse, when the program runs, arguments that share memory, where one of them is written into.

    The emitted code works on a copy of it, so that the other would not see the write.
    """
    inputs = [value for each in function.parameters for value in values_in(each.structure) if is_array(value)]
    inputs += [v for each in context.captures.values() for v in values_in(each.operand) if is_array(v)]
    read = {value for node in nodes_in(function.forward) for value in inputs_of(node)}
    read.update(values_in(function.result))
    checks = Builder(context.checks)
    for place, first in enumerate(inputs):
        for second in inputs[place + 1 :]:
            written = next((value for value in (first, second) if value in context.written), None)
            if (
                written is None
                or not {first, second} <= read
                or type_of(first).dtype != type_of(second).dtype
            ):
                continue
            overlap = checks.call(registry["shares_memory"], (first, second))
            message = (
                f"{first.access} and {second.access} share memory, and {written.access} is written into: "
                "pass a copy"
            )
            checks.call(registry["require"], (overlap, message))


def records_in(structure: Operand) -> list[Record]:
    """The named tuples and dataclasses in an argument, inner before outer."""
    items: Iterable[Operand] = ()
    if isinstance(structure, (tuple, list)):
        items = structure
    elif isinstance(structure, (dict, Record)):
        items = (structure if isinstance(structure, dict) else structure.fields).values()
    found = [record for item in items for record in records_in(item)]
    return [*found, structure] if isinstance(structure, Record) else found


def passed_on(
    listed: list[tuple[str, str, str | None]], operands: dict[str, Operand]
) -> tuple[list[Operand], dict[str, Operand]]:
    """The parameters as the arguments of a call, positional and by keyword."""
    positional: list[Operand] = []
    keywords: dict[str, Operand] = {}
    for name, kind, _ in listed:
        operand = operands[name]
        if kind == "var_positional":
            positional.extend(operand)
        elif kind == "var_keyword":
            keywords.update(operand)
        elif kind == "keyword":
            keywords[name] = operand
        else:
            positional.append(operand)
    return positional, keywords


def parameters_of(node: ast.FunctionDef | ast.Lambda) -> list[tuple[str, str, str | None]]:
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
    if (
        isinstance(example, np.ndarray)
        and example.size <= 16
        and example.dtype.kind in "biuf"
        and example.size
    ):
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
        raise Refusal(
            f"the argument `{name}` holds no number to differentiate", "name another one in `argnums`"
        )
    return map_values(convert, structure)


def is_empty(structure: Operand) -> bool:
    return isinstance(structure, (tuple, list, dict)) and not structure
