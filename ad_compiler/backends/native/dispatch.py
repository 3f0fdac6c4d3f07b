"""The way from a call to compiled code and back: containers flattened, results put together again.

    def loss_grad(params, x):
        try:
            made = kernel(params["W"], params["b"], x)
        except departures:
            made = departures
        if made is departures:
            return numpy_code(params, x)
        r0, r1 = made; return {"W": r0, "b": r1}

The loader puts the guards in front of it, as it does for NumPy code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ad_compiler.analysis.types import GENERATOR, ArrayType, Element, ListType, Type
from ad_compiler.backends.native.entry.conventions import Kernel
from ad_compiler.backends.native.kernels import (
    HELPERS,
    INDENT,
    module,
    parameters_of,
)
from ad_compiler.backends.native.loading import (
    announced,
    compile_for,
    load_functions,
)
from ad_compiler.backends.native.lowering.definitions import write_out
from ad_compiler.backends.native.lowering.frame import RESERVED
from ad_compiler.backends.native.lowering.program import Lowered, lower
from ad_compiler.backends.native.lowering.recursion import callees_of
from ad_compiler.backends.native.numba_extensions.disabling import is_disabled
from ad_compiler.backends.native.passes.parallelising import parallelise
from ad_compiler.backends.native.run_time.departure import Departure
from ad_compiler.backends.native.run_time.generators import replayed, restore, states
from ad_compiler.backends.native.sweeps import kernel, lower_callee, sweeps
from ad_compiler.backends.numpy.emit import header
from ad_compiler.backends.numpy.expressions import Expressions
from ad_compiler.errors import Unsupported
from ad_compiler.ir import Function, Operand, Value
from ad_compiler.pipeline import Program
from ad_compiler.rules.shapes import type_of
from ad_compiler.traversal import values_in

FASTMATH = '{"contract", "nsz", "arcp", "reassoc"}'


@dataclass(eq=False, slots=True)
class Native:
    """Compiled code, and the function that calls it with the user's arguments."""

    source: str
    wrapper: str
    namespace: dict[str, Any]
    kernel: Any
    entered: Kernel | None  # what machine code can enter without Python


def compile_native(program: Program, forwarding: list[str]) -> Native:
    """Lower and compile a program; raises `Unsupported` for what has no native form."""
    separate = program.request.mode == "vjp"
    callees = callees_of(program.function, HELPERS | RESERVED)
    for each in [program.function, *callees.known]:
        write_out(each, program.lowered.context)
    for callee in callees:
        lower_callee(callee, callees)
    parallel = program.request.backend.parallel
    lowered = lower(program.function, separate, HELPERS, callees, parallel)
    chunks = parallelise(lowered) if parallel else []
    texts, saved = sweeps(lowered, program.name) if separate else ([kernel(lowered, program.name)], [])
    options = 'error_model="numpy", no_cfunc_wrapper=True'
    if program.request.backend.fastmath:
        options += f", fastmath={FASTMATH}"
    library, modules = lowered.frame.library, lowered.frame.modules
    called = [text for callee in callees for text in callee.texts]
    plain, cached = (
        module(texts, each, library, modules, called, chunks) for each in (options, f"{options}, cache=True")
    )
    names = [text[len("def ") : text.index("(")] for text in texts]
    try:
        with announced(program.name):
            functions = load_functions(
                plain,
                cached if program.request.backend.cache else None,
                names,
                lambda made: compile_all(lowered, texts, saved, made),
            )
    except Exception as error:
        raise gap(program, error) from None
    namespace = {f"_ad_kernel_{n}": entry_point(each) for n, each in enumerate(functions)}
    namespace["_ad_departures"] = (Exception,) if library else (Departure, OverflowError)
    namespace |= {"_ad_states": states, "_ad_restore": restore, "_ad_replayed": replayed}
    namespace |= scalar_types(program)
    if separate:
        text = pullback_wrapper(program, lowered, texts, saved, forwarding)
    else:
        text = wrapper(program, lowered, texts, forwarding)
    return Native(plain, text, namespace, functions[0], entered(program, lowered, texts, functions[0]))


def entered(program: Program, lowered: Lowered, texts: list[str], function: Any) -> Kernel | None:
    """The kernel as machine code may enter it: if it calls no library, which Python code would run in."""
    if len(texts) > 1 or lowered.frame.library or is_disabled():
        return None
    (compiled,) = function.overloads.values()
    value_named = {lowered.frame.names[value]: value for value in lowered.inputs}
    accesses = [str(value_named[name].access) for name in parameters_of(texts[0])]
    return Kernel(compiled, function.targetctx, accesses, parts_of(program.function))


def parts_of(function: Function) -> list[tuple[Operand, bool]]:
    """What a call gives, one thing or two, and whether it is the gradient."""
    parts = [] if function.result is None and function.reverse is not None else [(function.result, False)]
    return parts if function.reverse is None else [*parts, (function.reverse_result, True)]


def compile_all(lowered: Lowered, texts: list[str], saved: list[str], functions: list[Any]) -> None:
    """Have Numba compile now, so that what it says is said as a refusal."""
    if is_disabled():
        return
    given = (*lowered.inputs, *lowered.seeds)
    by_name = {lowered.frame.names[value]: numba_type(value.type) for value in given}
    returned = compile_for(functions[0], tuple(by_name[name] for name in parameters_of(texts[0])))
    if len(functions) > 1:
        parts = list(returned) if len(lowered.results) + len(saved) != 1 else [returned]
        by_name |= dict(zip(saved, parts[len(lowered.results) :], strict=True))
        compile_for(functions[1], tuple(by_name[name] for name in parameters_of(texts[1])))


def gap(program: Program, error: Exception) -> Unsupported:
    """What is said of an error of Numba's or LLVM's: no traceback of theirs reaches a user."""
    scope = program.lowered.context.scope
    assert scope is not None
    source = scope.source
    first = str(error).strip().split("\n")[0]
    return source.refuse(
        source.node,
        f"Numba cannot compile the native code of this function ({first})",
        'use backend="numpy", and report this: it is a gap in the native backend',
    )


def entry_point(function: Any) -> Any:
    """The machine code itself: the guard has seen to the types, so Numba's dispatcher need not."""
    if is_disabled():
        return function
    (compiled,) = function.overloads.values()
    return compiled.entry_point


def numba_type(kind: Type | Element) -> Any:
    import numba

    if kind is GENERATOR:
        made: Any = numba.typeof
        return made(np.random.default_rng(0))
    if isinstance(kind, ListType):
        made = numba.types.List
        return made(numba_type(kind.element))
    if isinstance(kind, tuple):
        made = numba.types.Tuple
        return made([numba_type(part) for part in kind])
    assert isinstance(kind, ArrayType)
    scalar = numba.from_dtype(kind.dtype)
    return scalar if kind.rank == 0 else numba.types.Array(scalar, kind.rank, "C")


def argument(lowered: Lowered, name: str) -> str:
    """How the caller's number or array is handed to compiled code."""
    value = next(v for v in (*lowered.inputs, *lowered.seeds) if lowered.frame.names[v] == name)
    access = str(value.access)
    if value.type is GENERATOR:
        return access
    if isinstance(value.type, ListType):
        return f"[{item_given('item', value.type.element)} for item in {access}]"
    if type_of(value).rank:
        return f"{access} if {access}.flags.carray else {access}.copy()"
    is_array = not value.immutable and not type_of(value).python
    return f"{access}[()]" if is_array and value not in lowered.seeds else access


def item_given(item: str, element: Element) -> str:
    """An item of a list of cotangents, of the type that compiled code takes."""
    if isinstance(element, tuple):
        parts = [item_given(f"{item}[{place}]", part) for place, part in enumerate(element)]
        return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
    if element.rank:
        return f"np.array({item}, np.{element.dtype.name})"
    return f"np.{element.dtype.name}({item}).item()"


def rebuilt(structure: Operand, names: dict[Value, str]) -> str:
    """The structure as an expression."""
    text = Expressions(lambda value: names[value]).text(structure)
    return text[1:-1] if isinstance(structure, tuple) and len(structure) > 1 else text


def results_by_value(parts: list[tuple[Operand, bool]], prefix: str) -> tuple[list[str], dict[Value, str]]:
    """Names for what compiled code returns, and how each value of the parts is made from them.

    Derivatives by numbers of type float64 are Python's floats, the numbers of compiled code.
    """
    names, texts = [], {}
    found = [(value, is_gradient) for part, is_gradient in parts for value in values_in(part)]
    for place, (value, is_gradient) in enumerate(found):
        name = f"_ad_{prefix}{place}"
        names.append(name)
        kind = value.type
        if not isinstance(kind, ArrayType) or kind.rank or kind.python:
            texts[value] = name
        elif is_gradient and kind.dtype == np.float64:
            texts[value] = f"float({name})"
        else:
            texts[value] = f"_ad_{kind.dtype.name}({name})"
    return names, texts


def scalar_types(program: Program) -> dict[str, Any]:
    kinds = [v.type for v in values_in((program.function.result, program.function.reverse_result))]
    numbers = [kind for kind in kinds if isinstance(kind, ArrayType) and kind.rank == 0]
    return {f"_ad_{kind.dtype.name}": np.dtype(kind.dtype).type for kind in numbers}


def call_lines(call: str, then: str, fallback: str, indent: str) -> list[str]:
    """Call compiled code, and do `then` with what it makes; the NumPy code answers where it departs."""
    return [
        f"{indent}try:",
        f"{indent}{INDENT}_ad_made = {call}",
        f"{indent}except _ad_departures:",
        f"{indent}{INDENT}_ad_made = _ad_departures",
        f"{indent}if _ad_made is _ad_departures:",  # behind `except`: NumPy code raises exceptions of its own
        f"{indent}{INDENT}return {fallback}",
        *([f"{indent}{then}"] if then else []),
    ]


def generators_of(lowered: Lowered) -> str:
    """The random generators among the arguments, as a tuple."""
    found = [str(value.access) for value in lowered.inputs if value.type is GENERATOR]
    return f"({', '.join(found)},)" if found else ""


def taken_apart(names: list[str], returned: str) -> str:
    """Return the structure `returned` of the `names` that compiled code returned together."""
    if returned == ", ".join(names):
        return "return _ad_made"
    return f"{', '.join(names)} = _ad_made; return {returned}" if names else f"return {returned}"


def wrapper(program: Program, lowered: Lowered, texts: list[str], forwarding: list[str]) -> str:
    """The Python function around one kernel."""
    fn = program.function
    parts = parts_of(fn)
    names, by_value = results_by_value(parts, "r")
    structure = parts[0][0] if len(parts) == 1 else tuple([part for part, _ in parts])
    given = ", ".join(argument(lowered, name) for name in parameters_of(texts[0]))
    lines = [header(fn), f'{INDENT}"""{fn.documentation}"""']
    fallback = f"_ad_numpy({', '.join(forwarding)})"
    generators = generators_of(lowered)
    if generators:
        lines.append(f"{INDENT}_ad_before = _ad_states({generators})")
        fallback = f"(_ad_restore({generators}, _ad_before), {fallback})[1]"
    returned = taken_apart(names, rebuilt(structure, by_value))
    lines += call_lines(f"_ad_kernel_0({given})", returned, fallback, INDENT)
    return "\n".join(lines) + "\n"


def pullback_wrapper(
    program: Program, lowered: Lowered, texts: list[str], saved: list[str], forwarding: list[str]
) -> str:
    """The Python function around both sweeps."""
    fn = program.function
    names, by_value = results_by_value([(fn.result, False)], "r")
    gradients, gradient_by_value = results_by_value([(fn.reverse_result, True)], "g")
    kept = {name: f"_ad_saved_{name}" for name in saved}
    given = ", ".join(argument(lowered, name) for name in parameters_of(texts[0]))
    numpy_call = f"_ad_numpy({', '.join(forwarding)})"
    lines = [header(fn), f'{INDENT}"""{fn.documentation}"""']
    all_names = ", ".join([*names, *kept.values()])
    then = f"{all_names} = _ad_made" if all_names else ""
    generators = generators_of(lowered)
    again = numpy_call
    if generators:
        lines.append(f"{INDENT}_ad_before = _ad_states({generators})")
        numpy_call = f"(_ad_restore({generators}, _ad_before), {numpy_call})[1]"
        again = f"_ad_replayed({generators}, _ad_before, lambda: {again})"
    lines += call_lines(f"_ad_kernel_0({given})", then, numpy_call, INDENT)
    seed = next((str(v.access).split("[")[0].split(".")[0] for v in lowered.seeds), "result_bar")
    lines += ["", f"{INDENT}def pullback({seed}):"]
    parts = [kept[name] if name in kept else argument(lowered, name) for name in parameters_of(texts[1])]
    call = f"_ad_kernel_1({', '.join(parts)})"
    taken = taken_apart(gradients, rebuilt(fn.reverse_result, gradient_by_value))
    lines += [*call_lines(call, taken, f"{again}[1]({seed})", INDENT * 2), ""]
    lines.append(f"{INDENT}return {Expressions(lambda value: by_value[value]).text(fn.result)}, pullback")
    return "\n".join(lines) + "\n"
