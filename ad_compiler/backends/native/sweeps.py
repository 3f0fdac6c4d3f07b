"""The sweeps of a program as functions of the native module, and those of functions that it calls."""

from __future__ import annotations

from ad_compiler.analysis.types import GENERATOR, ArrayType, ListType
from ad_compiler.backends.native import scalars
from ad_compiler.backends.native.kernels import (
    HELPERS,
    INDENT,
    code_only,
    conditional_names,
    function,
    lines_of,
    prologue_lines,
    tuple_text,
)
from ad_compiler.backends.native.lowering.control_flow import nothing
from ad_compiler.backends.native.lowering.frame import is_placed
from ad_compiler.backends.native.lowering.program import Lowered, lower
from ad_compiler.backends.native.lowering.recursion import DEEPEST, Callee, Callees, before, kept_as
from ad_compiler.backends.native.nests import Allocate, Nest, codes_in, names_in
from ad_compiler.parsing import parse_module
from ad_compiler.refusal import Refusal
from ad_compiler.traversal import nodes_in


def kernel(lowered: Lowered, name: str) -> str:
    """One function: both sweeps."""
    body = [*record_lines(lowered), *lines_of(lowered.frame.checks, 1), *lines_of(lowered.forward, 1)]
    reverse = lines_of(lowered.reverse, 1)
    if body and reverse:
        body.append("")
    body += reverse
    body.append(f"{INDENT}return {tuple_text([*lowered.results, *lowered.gradients])}")
    return function(lowered, name, body, [lowered.frame.names[value] for value in lowered.inputs])


def sweeps(lowered: Lowered, name: str) -> tuple[list[str], list[str]]:
    """Two functions, the forward and the reverse sweep, and what the first one returns for the second."""
    frame = lowered.frame
    inputs = [frame.names[value] for value in lowered.inputs]
    seeds = [frame.names[value] for value in lowered.seeds]
    reverse = [*lines_of(lowered.reverse, 1), f"{INDENT}return {tuple_text(lowered.gradients)}"]
    forward = [*record_lines(lowered), *lines_of(frame.checks, 1), *lines_of(lowered.forward, 1)]
    if lowered.callees.records:
        if any(value.type is GENERATOR for value in lowered.inputs):
            raise frame.refused(Refusal("numbers drawn twice have no native form", scalars.ADVICE))
        first = function(lowered, name, [*forward, f"{INDENT}return {tuple_text(lowered.results)}"], inputs)
        second = function(lowered, f"{name}_pullback", [*forward, "", *reverse], [*inputs, *seeds])
        return [first, second], []
    used = names_in(code_only(reverse))
    known = {*inputs, *seeds, *indices_of(lowered)}
    made = [each for each in defined_in(forward) if each in used and each not in known]
    conditional = conditional_names(lowered.forward)
    unset = [unset_line(lowered, each) for each in made if each in conditional]
    forward = [*unset, *forward, f"{INDENT}return {tuple_text([*lowered.results, *made])}"]
    first = function(lowered, name, forward, inputs)
    second = function(lowered, f"{name}_pullback", reverse, [*inputs, *made, *seeds])
    return [first, second], made


def indices_of(lowered: Lowered) -> set[str]:
    """Names of the indices of nests, which nobody reads behind them: both sweeps may have loops over them."""
    nests = [code for code in codes_in(lowered.forward) if isinstance(code, Nest)]
    return {*lowered.frame.subscripts, *(index for nest in nests for index, _ in nest.loops)}


def unset_line(lowered: Lowered, name: str) -> str:
    """What stands for a name that only one side of a branch makes, and only the same side reads."""
    value = lowered.frame.value_of.get(name)
    if value is not None:
        assert isinstance(value.type, (ArrayType, ListType))
        (code,) = nothing(name, value.type)
        return "\n".join(lines_of([code], 1))
    for code in codes_in(lowered.forward):
        if isinstance(code, Allocate) and code.name == name:
            return f"{INDENT}{name} = np.empty(({'0, ' * len(code.extents)}), {code.dtype})"
    return f"{INDENT}{name} = 0"


def defined_in(lines: list[str]) -> list[str]:
    """The names that a text assigns, in order."""
    import ast
    import textwrap

    found: dict[str, None] = {}
    tree = parse_module(textwrap.dedent(code_only(lines)))
    targets = [node.target for node in ast.walk(tree) if isinstance(node, ast.comprehension)]
    inner = {node for target in targets for node in ast.walk(target)}
    for node in ast.walk(tree):
        if node not in inner and isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found[node.id] = None
    return list(found)


def record_lines(lowered: Lowered) -> list[str]:
    """The lists of records, which the program makes for the functions that it calls."""
    callees = [each for each in lowered.callees if each.has_pullback]
    return [f"{INDENT}{each.records} = [{each.example} for _ in range(0)]" for each in callees]


def lower_callee(callee: Callee, callees: Callees) -> None:
    """The texts of a function that calls itself, and of its pullback; or of a derivative that is called."""
    if callee.function.derivatives is not None:
        lower_derivative(callee, callees)
        return
    lowered = lower(callee.function, True, HELPERS, callees)
    frame = lowered.frame
    inputs = [frame.names[value] for value in lowered.inputs]
    seeds = [frame.names[value] for value in lowered.seeds]
    forward = [*depth_lines(), *lines_of(frame.checks, 1), *lines_of(lowered.forward, 1)]
    results = list(lowered.results)
    if callee.has_pullback:
        reverse = [*lines_of(lowered.reverse, 1), f"{INDENT}return {tuple_text(lowered.gradients)}"]
        reverse = with_prologue(lowered, reverse)
        used = names_in(code_only(reverse)) - {*seeds, *indices_of(lowered)}
        made = [each for each in dict.fromkeys([*inputs, *defined_in(forward)]) if each in used]
        conditional = conditional_names(lowered.forward)
        forward = [*(unset_line(lowered, each) for each in made if each in conditional), *forward]
        try:
            kept = [kept_as(frame, lowered.forward, each) for each in made]
        except Refusal as refusal:
            frame.placed = next(filter(is_placed, nodes_in(callee.function.forward)), None)
            raise frame.refused(refusal) from None
        callee.example = one_tuple([text for _, text in kept]) if kept else "0"
        record = one_tuple([text for text, _ in kept]) if kept else "0"
        forward.append(f"{INDENT}{callee.records}.append({record})")
        results.append(f"len({callee.records}) - 1")
    else:
        reverse, made = [], []
    forward.append(f"{INDENT}return {tuple_text(results)}")
    callee.texts.append(callee_text(lowered, callee, forward))
    if callee.has_pullback:
        head = f"def {callee.pullback}({', '.join(['record', *seeds, *callees.records])}):"
        taken = [f"{INDENT}{one_tuple(made)[1:-1]} = {callee.records}[record]"] if made else []
        callee.texts.append("\n".join([head, *taken, *reverse]) + "\n")


def lower_derivative(callee: Callee, callees: Callees) -> None:
    """The text of a function that runs both its sweeps."""
    lowered = lower(callee.function, False, HELPERS, callees)
    body = [*lines_of(lowered.frame.checks, 1), *lines_of(lowered.forward, 1), *lines_of(lowered.reverse, 1)]
    used = names_in(code_only(body))
    grown = [each for each in callees.records if each in used]
    counted = [f"{INDENT}{before(each)} = len({each})" for each in grown]
    dropped = [f"{INDENT}del {each}[{before(each)}:]" for each in grown]
    returned = f"{INDENT}return {tuple_text([*lowered.results, *lowered.gradients])}"
    body = [*depth_lines(), *counted, *body, *dropped, returned]
    callee.texts.append(callee_text(lowered, callee, body))


def depth_lines() -> list[str]:
    return [f"{INDENT}if depth > {DEEPEST}:", f"{INDENT * 2}raise Departure"]


def callee_text(lowered: Lowered, callee: Callee, body: list[str]) -> str:
    """A function that is given the lists of records, and how deep the call is."""
    inputs = [lowered.frame.names[value] for value in lowered.inputs]
    head = f"def {callee.name}({', '.join([*inputs, *lowered.callees.records, 'depth'])}):"
    return "\n".join([head, *with_prologue(lowered, body)]) + "\n"


def with_prologue(lowered: Lowered, body: list[str]) -> list[str]:
    """The lines of a function, behind those that say what lengths it reads."""
    return [*prologue_lines(lowered.frame, names_in(code_only(body))), *body]


def one_tuple(items: list[str]) -> str:
    return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
