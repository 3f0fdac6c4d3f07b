"""Functions of the emitted code closed over what they read from outside: it becomes their parameters."""

from __future__ import annotations

from collections.abc import Iterator

from ad_compiler.ir import Block, Call, Function, Operand, Parameter, Shortcut, Value
from ad_compiler.traversal import (
    functions_called,
    inputs_of,
    map_values,
    nodes_in,
    results_of,
    substitute,
    turn_values,
    values_in,
)


def close(
    shortcuts: dict[Value, Shortcut], function: Function, outside: list[Value], calls: list[Call]
) -> None:
    """Pass what a function reads from outside as arguments, here and in the calls of itself."""
    known: dict[Value, Operand] = {}
    for value in outside:
        known[value] = inner = Value(value.type, value.name)
        inner.immutable = value.immutable
        add_parameters(function, [inner], value.access)
    for call in calls:
        call.arguments += outside
    for block in function.blocks:
        for node in nodes_in(block):
            if isinstance(node, Call) and node.function is function:
                node.arguments += outside
        substitute(block, known)
    function.result, function.reverse_result = map_values(
        lambda value: known.get(value, value), (function.result, function.reverse_result)
    )
    for result, shortcut in list(shortcuts.items()):
        if any(value in known for value in values_in((shortcut.inputs, shortcut.given))):
            inputs, given = map_values(
                lambda value: known.get(value, value), (shortcut.inputs, shortcut.given)
            )
            shortcuts[result] = Shortcut(result, inputs, shortcut.partials, given, shortcut.singular)


def add_parameters(
    function: Function, values: list[Value], access: str | None = None, names: list[str] | None = None
) -> None:
    """More parameters, under names of their own; `names` says how they are to be called."""
    taken = {parameter.name for parameter in function.parameters}
    for place, value in enumerate(values):
        wanted = value.name or (access if access is not None and access.isidentifier() else "given")
        if names is not None:
            wanted = names[place]
        name, number = wanted, 0
        while name in taken:
            number += 1
            name = f"{wanted}_{number}"
        taken.add(name)
        value.access = name
        function.parameters.append(Parameter(name, value, "positional"))


def reads_in(function: Function) -> Iterator[Value]:
    """Everything that a function reads, what it makes itself included."""
    for block in function.blocks:
        for node in block.operations:
            yield from inputs_of(node)
    yield from values_in((function.result, function.reverse_result))


def made_in(block: Block) -> set[Value]:
    made: set[Value] = set()
    for node in nodes_in(block):
        made.update(results_of(node))
        made.update(turn_values(node))
    return made


def close_all(function: Function) -> None:
    """Pass on what the reverse sweeps of the functions called came to read from outside: lengths."""
    called = functions_called(function)
    for each in called:
        own = {value for parameter in each.parameters for value in values_in(parameter.structure)}
        own.update(value for block in each.blocks for value in made_in(block))
        own.update(values_in(each.seed))
        outside = [value for value in dict.fromkeys(reads_in(each)) if value not in own]
        calls = [
            node
            for caller in (function, *called)
            if caller is not each
            for node in nodes_in(caller.forward)
            if isinstance(node, Call) and node.function is each
        ]
        close({}, each, outside, calls)
