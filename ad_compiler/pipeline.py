"""The road of a program, step by step: this page is the table of contents of the compiler.

    1 source         frontend/source.py            a function object to its syntax tree
    2 lower          frontend/program.py           syntax to a typed graph; every refusal is made here
    3 gates          transforms/gates.py           chains of scalars whose derivative is simpler as a whole
    4 differentiate  transforms/differentiate.py   the chain rule, backwards (simplified as it is built),
                     transforms/forward.py         or forwards
    5 dead code      transforms/dead_code.py       what neither sweep needs
    6 tape           transforms/tape.py            what the reverse sweep needs of the turns of loops
    7 factor         transforms/factor.py          what products of the reverse sweep have in common
    8 protect        transforms/protect.py         parts of arrays are read before the array is written into
    9 emit           backends/numpy/emit.py        the graph to Python source
                     backends/native/lowering/program.py   the graph to loops, where the backend is "numba"
   10 load           backends/loader.py            source to a function

Types are inferred while lowering, and identities and common subexpressions are applied while building
(`builder.py`), so neither is a step of its own.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any, Literal

from ad_compiler.analysis.saturation import saturation_of
from ad_compiler.analysis.shift import shift_maxima
from ad_compiler.analysis.types import ArrayType, ListType
from ad_compiler.backends.numpy.emit import emit
from ad_compiler.backends.numpy.names import RESERVED
from ad_compiler.closures import close_all
from ad_compiler.frontend.program import Lowered, Results, add_captures, lower_program
from ad_compiler.frontend.scope import Location
from ad_compiler.frontend.source import Source, read_source
from ad_compiler.ir import Function, Operand, Operation, Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.markers import remove_markers
from ad_compiler.rules.shapes import describe, is_complex, type_of
from ad_compiler.transforms.batch_directions import batch_directions
from ad_compiler.transforms.bind_unbound import bind_unbound
from ad_compiler.transforms.check_hooks import check_hooks
from ad_compiler.transforms.coefficients import collect_coefficients
from ad_compiler.transforms.cotangents import gradient_of
from ad_compiler.transforms.dead_code import remove_dead_code
from ad_compiler.transforms.differentiate import ReverseSweep
from ad_compiler.transforms.factor import factor_products
from ad_compiler.transforms.forward_over_reverse import push_gradient_forward
from ad_compiler.transforms.forward_program import push_forward
from ad_compiler.transforms.gates import find_gates
from ad_compiler.transforms.hoist import hoist_from_directions
from ad_compiler.transforms.keep_checks import clean
from ad_compiler.transforms.norms import find_norms
from ad_compiler.transforms.outputs import one_like, owned
from ad_compiler.transforms.protect import protect_views
from ad_compiler.transforms.roots import find_roots
from ad_compiler.transforms.share import share, share_sweeps
from ad_compiler.transforms.tape import record
from ad_compiler.transforms.templates import use_current
from ad_compiler.traversal import functions_called, modules_of, nodes_in, values_in

Mode = Literal["grad", "value_and_grad", "vjp", "jvp", "hvp", "value"]
SUFFIX: dict[Mode, str] = {
    "grad": "grad",
    "value_and_grad": "value_and_grad",
    "vjp": "vjp",
    "jvp": "jvp",
    "hvp": "hvp",
    "value": "",  # the program itself, in which derivatives are called
}


@dataclass(frozen=True, slots=True)
class Backend:
    """What the derivative is emitted as."""

    name: Literal["numpy", "numba"] = "numpy"
    fastmath: bool = False  # sums in another order, a/b as a * (1/b)
    parallel: bool = False  # loops that are large enough are done by several threads
    cache: bool = True  # compiled code is kept for the next process


NUMPY = Backend()


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be differentiated, and how."""

    primal: FunctionType
    mode: Mode
    argnums: tuple[str, ...]
    single: bool  # one gradient, not a tuple of them
    has_aux: bool = False
    of: tuple[str, ...] = ()  # the arguments that receive the results, of a function that returns none
    single_of: bool = True  # one of them, not a tuple
    backend: Backend = NUMPY
    holomorphic: bool = False  # the result is complex, and so is the derivative
    block: int | None = 1  # how many directions a loop over them does at once; None: all

    @property
    def of_given(self) -> str | tuple[str, ...] | None:
        """As the user wrote it."""
        if not self.of:
            return None
        return self.of[0] if self.single_of else self.of

    bound_self: tuple[str, Location] | None = None


@dataclass(frozen=True, slots=True)
class Program:
    """A differentiated program, as text, with what it reads from outside."""

    request: Request
    source: str
    function: Function
    lowered: Lowered
    name: str


def compile_program(request: Request, arguments: Mapping[str, Any], constants: frozenset[str]) -> Program:
    """Differentiate for arguments of these kinds; raises `Unsupported`."""
    source = read_source(request.primal)
    lowered = lower_program(
        request.primal,
        source,
        arguments,
        request.argnums,
        constants,
        request.bound_self,
        results_of_call(request),
    )
    show("lower", lowered.function)
    differentiated(request, source, lowered)
    text = written(request, primal_name(request.primal), lowered)
    return Program(request, text, lowered.function, lowered, lowered.function.name)


def differentiated(request: Request, source: Source, lowered: Lowered, whole: bool = True) -> None:
    """Steps 3 to 5; of a program that is not `whole`, what it reads from around it is not passed yet."""
    function = lowered.function
    inputs = list(values_in(lowered.differentiated))
    if inputs:
        check_hooks(function, inputs)
        function.shortcuts = find_gates(lowered, inputs) | find_roots(function.forward)
        if request.mode != "jvp":
            function.shortcuts |= find_norms(function.forward)
        derive(request, source, lowered)
    for each in [function, *functions_called(function)]:
        remove_markers(each, whole)
    if whole:
        add_captures(function, lowered.context)  # those that rules of the user's own read
    for called in functions_called(function):
        remove_dead_code(called.blocks, (called.result, called.reverse_result), inside=True)
    close_all(function)
    if whole:
        show("differentiate", function)
    clean(function)
    if request.mode == "hvp":
        share_sweeps(function)
    if request.mode == "value":
        hoist_from_directions(function.forward)
        collect_coefficients(function.forward, lowered.context)
        if request.block != 1:
            lowered.batched = batch_directions(function, lowered.context, request.block)
        remove_dead_code(function.blocks, function.result)
        share(function, lowered.context)


def written(request: Request, name: str, lowered: Lowered, whole: bool = True) -> str:
    """Steps 6 to 9: the text, of a function called after `name`; it is read again where it is not `whole`."""
    function = lowered.function
    check_names(function)
    for each in [function, *functions_called(function)]:
        if each.reverse is not None:
            record(each, repeated=request.mode == "vjp")
            outputs = (each.result, each.reverse_result)
            remove_dead_code(each.blocks, outputs, inside=each is not function)  # what is not computed again
            if request.mode == "hvp":
                share_sweeps(
                    each
                )  # what tangents read of a turn is computed again beside what gradients read
            use_current(each)
            factor_products(each)
        protect_views(each)
        bind_unbound(each, (ListType,) if whole else (ListType, ArrayType))
    show("tape", function)
    function.name = f"{name}_{SUFFIX[request.mode]}" if SUFFIX[request.mode] else name
    function.documentation = documentation(request, name)
    name_functions(function)
    return emit(function, seed_name(lowered) if request.mode == "vjp" else None)


def check_names(function: Function) -> None:
    """Refuse parameters that are called as a module which the emitted text has to import."""
    tops = {module.split(".")[0] for module in modules_of(function)}
    for parameter in function.parameters:
        if parameter.name in tops:
            calls = (
                node for block in function.blocks for node in nodes_in(block) if isinstance(node, Operation)
            )
            place = next(node.place for node in calls if node.primitive.module is not None)
            assert place is not None
            reason = f"the argument `{parameter.name}` is called as a module that generated code imports"
            raise place[0].refuse(place[1], reason, "rename it")


def results_of_call(request: Request) -> Results | None:
    """What the program computes, where that is not what the function returns."""
    if not request.of:
        return None
    return Results(request.of, single=request.single_of, summed=request.mode not in ("vjp", "jvp"))


def name_functions(function: Function) -> None:
    """Give the functions inside of a program names of their own."""
    called = functions_called(function)
    taken = {*RESERVED, "pullback"}
    taken.update(parameter.name for each in [function, *called] for parameter in each.parameters)
    for each in called:
        wanted, number = each.name, 0
        while each.name in taken:
            number += 1
            each.name = f"{wanted}_{number}"
        taken.add(each.name)


def primal_name(primal: FunctionType) -> str:
    return "function" if primal.__name__ == "<lambda>" else primal.__name__


def documentation(request: Request, name: str) -> str:
    if request.mode == "value":
        return inspect.getdoc(request.primal) or f"Value of {name}."
    names = " and ".join(
        [", ".join(request.argnums[:-1]), request.argnums[-1]]
        if len(request.argnums) > 1
        else request.argnums
    )
    written = " and ".join(request.of)
    value = f"{written} after a call of {name}" if written else f"{name}"
    total = f"the sum of {value}" if written else name
    what = {
        "grad": f"Gradient of {total} with respect to {names}.",
        "value_and_grad": f"Value of {total}, and its gradient with respect to {names}.",
        "vjp": f"Value of {value}, and the pullback of cotangents to {names}.",
        "jvp": f"Value of {value}, and its derivative along a tangent of {names}.",
        "hvp": f"Product of the Hessian of {total} by {names} and a vector.",
    }
    return what[request.mode]


def derive(request: Request, source: Source, lowered: Lowered) -> None:
    """Differentiate the program, in the mode that is asked for."""
    function, context = lowered.function, lowered.context
    if request.has_aux and not (isinstance(function.result, tuple) and len(function.result) == 2):
        raise source.refuse(
            source.node, "with `has_aux` the function must return (value, aux)", "return a pair"
        )
    try:
        if request.mode == "jvp":
            tangent = push_forward(lowered, request.argnums, request.has_aux)
            context.builder.statement = None
            tangent = owned(context, tangent, function)
            if request.has_aux:
                output, aux = function.result
                function.result = (output, tangent, aux)
            else:
                function.result = (function.result, tangent)
        else:
            differentiate(request, source, lowered)
    except Refusal as refusal:
        at = context.builder.statement
        where, node = (source, source.node) if at is None else (at.source, at.node)
        raise where.refuse(node, refusal.reason, refusal.advice) from None


def differentiate(request: Request, source: Source, lowered: Lowered) -> None:
    """Add the reverse sweep to the program."""
    from ad_compiler.ir import Block

    function, context = lowered.function, lowered.context
    function.reverse = Block()
    context.builder.block = function.reverse
    inputs = list(values_in(lowered.differentiated))
    blocked = frozenset(shift_maxima(function.forward, function.result))
    saturation = saturation_of(function.forward, function.result)
    sweep = ReverseSweep(context, function.forward, inputs, function.shortcuts, blocked, saturation)
    output, aux = function.result, None
    if request.has_aux:
        output, aux = output
    if request.mode == "vjp":
        function.seed = seed_structure(output, seed_name(lowered))
        seeds: list[tuple[Value, Operand]] = [*pairs(output, function.seed)]
    else:
        if request.holomorphic:
            check_complex_numbers(source, output, lowered, request.argnums)
        else:
            check_scalar(source, output)
        seeds = [(output, one_like(output))] if isinstance(output, Value) else []
    cotangents = sweep.run(function.forward, seeds)
    function.mirrors, function.indices = sweep.mirrors, sweep.indices
    context.builder.statement = None
    found = tuple(gradient_of(context, cotangents, lowered.differentiated[name]) for name in request.argnums)
    gradients: Operand = found[0] if request.single else found
    if request.mode == "hvp":
        function.reverse_result = gradients
        for each in [function, *functions_called(function)]:
            remove_markers(each, whole=False, shortcuts=context.shortcuts)
        gradients = function.reverse_result
        gates = find_gates(
            lowered, inputs
        )  # without norms: the derivative of one is that of what it is made of
        gradients = push_gradient_forward(lowered, request.argnums, request.single, gradients, gates)
    function.reverse_result = owned(context, gradients, function)
    if request.mode in ("grad", "hvp"):
        function.result = None
        if request.has_aux:
            function.reverse_result = (function.reverse_result, aux)
    elif request.has_aux:
        function.result = (output, aux)


def check_scalar(source: Source, output: Operand) -> None:
    if isinstance(output, Value) and type_of(output).rank == 0 and type_of(output).dtype.kind in "biuf":
        return
    if isinstance(output, (int, float)) and not isinstance(output, bool):
        return
    what = describe(output) if not isinstance(output, (tuple, list)) else f"a {type(output).__name__}"
    raise source.refuse(
        source.node,
        f"the function returns {what}, and a gradient is defined for a single number",
        "return a scalar (for instance a sum), or use `vjp`, which takes the cotangent of the result",
    )


def check_complex_numbers(
    source: Source, output: Operand, lowered: Lowered, argnums: tuple[str, ...]
) -> None:
    """A holomorphic function takes complex numbers and gives one."""
    given = [value for name in argnums for value in values_in(lowered.differentiated[name])]
    if isinstance(output, Value) and type_of(output).rank == 0 and all(map(is_complex, [output, *given])):
        return
    raise source.refuse(
        source.node,
        "with `holomorphic=True` the arguments and the result must be complex numbers",
        "leave `holomorphic` out, or convert the arguments with `complex` or `astype(complex)`",
    )


def seed_name(lowered: Lowered) -> str:
    """The parameter of a pullback, under a name that is no parameter of the function around it."""
    name = "result_bar"
    while any(parameter.name == name for parameter in lowered.function.parameters):
        name = f"{name}_bar"
    return name


def seed_structure(output: Operand, access: str) -> Operand:
    """The parameter of a pullback: a cotangent for every number and array of the result."""
    if isinstance(output, Value):
        return Value(output.type, None, access)
    if isinstance(output, (tuple, list)):
        return type(output)(seed_structure(item, f"{access}[{i}]") for i, item in enumerate(output))
    if isinstance(output, dict):
        return {key: seed_structure(item, f"{access}[{key!r}]") for key, item in output.items()}
    from ad_compiler.ir import Record

    if isinstance(output, Record):
        return Record(output.cls, {k: seed_structure(v, f"{access}.{k}") for k, v in output.fields.items()})
    return None


def pairs(output: Operand, seed: Operand) -> list[tuple[Value, Value]]:
    return list(zip(values_in(output), values_in(seed), strict=True))


def show(step: str, function: Function) -> None:
    """Print the program after the step `AD_COMPILER_PRINT`; check it under `AD_COMPILER_VERIFY`."""
    if os.environ.get("AD_COMPILER_VERIFY"):
        from ad_compiler.verify import verify

        for each in [*functions_called(function), function]:
            verify(each, taped=step == "tape" or each.reverse is None)
    if os.environ.get("AD_COMPILER_PRINT") == step:
        from ad_compiler.printer import program_text

        print(program_text(function), file=sys.stderr)
