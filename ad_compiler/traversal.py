"""Walks over a program: the values in an operand, what a node reads and makes, the nodes of a block.

`values_in` and `map_values` go through the structure of an operand, `nodes_in` and `all_blocks` through
what is inside of control flow. `substitute` is the one that changes a program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import fields

from ad_compiler.ir import (
    Block,
    Branch,
    Call,
    Function,
    Iteration,
    Loop,
    Node,
    Operand,
    Operation,
    Pop,
    PullbackCall,
    Record,
    Value,
)


def function_of(call: PullbackCall) -> Function:
    """The function of whose call this is the pullback."""
    made = call.pullback.operation
    assert isinstance(made, Call)
    return made.function


def values_in(operand: Operand) -> Iterator[Value]:
    """The values an operand is made of, in order.

    >>> list(values_in((1, None, [2.0])))
    []
    """
    if isinstance(operand, Value):
        yield operand
    elif isinstance(operand, (tuple, list)):
        for item in operand:
            yield from values_in(item)
    elif isinstance(operand, dict):
        for item in operand.values():
            yield from values_in(item)
    elif isinstance(operand, slice):
        yield from values_in((operand.start, operand.stop, operand.step))
    elif isinstance(operand, Record):
        yield from values_in(operand.fields)
    elif isinstance(operand, Iteration):
        yield from values_in([getattr(operand, field.name) for field in fields(operand)])


def map_values(function: Callable[[Value], Operand], operand: Operand) -> Operand:
    """The same structure with every value replaced."""
    if isinstance(operand, Value):
        return function(operand)
    if isinstance(operand, tuple):
        return tuple([map_values(function, item) for item in operand])
    if isinstance(operand, list):
        return [map_values(function, item) for item in operand]
    if isinstance(operand, dict):
        return {key: map_values(function, item) for key, item in operand.items()}
    if isinstance(operand, slice):
        return slice(*[map_values(function, part) for part in (operand.start, operand.stop, operand.step)])
    if isinstance(operand, Record):
        return Record(operand.cls, map_values(function, operand.fields), operand.access)
    if isinstance(operand, Iteration):
        result = copy(operand)
        for part in fields(operand):
            setattr(result, part.name, map_values(function, getattr(operand, part.name)))
        return result
    return operand


def blocks_of(node: Node) -> tuple[Block, ...]:
    """The blocks inside a node, in the order in which they run."""
    if isinstance(node, Branch):
        return (node.then, node.otherwise)
    if isinstance(node, Loop):
        return (node.body,) if node.condition is None else (node.condition, node.body)
    return ()


def arguments_of(node: Node) -> Operand:
    """What a node reads itself, before the blocks inside it run."""
    if isinstance(node, Operation):
        return node.arguments
    if isinstance(node, Branch):
        return node.condition
    if isinstance(node, Pop):
        return node.tape
    if isinstance(node, Call):
        return node.arguments
    if isinstance(node, PullbackCall):
        return (node.pullback, node.cotangents)
    return (node.bounds, node.initial)


def inputs_of(node: Node) -> Iterator[Value]:
    """The values a node reads, those of the blocks inside it included."""
    yield from values_in(arguments_of(node))
    for block in blocks_of(node):
        for inner in block.operations:
            yield from inputs_of(inner)
        yield from values_in(block.results)
    if isinstance(node, Loop):
        yield from values_in(node.leave)


def results_of(node: Node) -> list[Value]:
    return [node.result] if isinstance(node, Operation) else node.results


def turn_values(node: Node) -> list[Value]:
    """What a turn of a loop starts with."""
    if not isinstance(node, Loop):
        return []
    return [*node.carried, *([] if node.index is None else [node.index])]


def functions_called(function: Function, derivatives: bool = True) -> list[Function]:
    """The functions that this one runs as calls, each after those that it calls itself.

    Without `derivatives` and what these call: those that are differentiated with it.
    """
    found: list[Function] = []

    def visit(caller: Function, entered: list[Function]) -> None:
        for block in caller.blocks:
            for node in nodes_in(block):
                if not isinstance(node, Call) or node.function in (*entered, *found):
                    continue
                if derivatives or node.function.derivatives is None:
                    visit(node.function, [*entered, node.function])
                    found.append(node.function)

    visit(function, [function])
    return found


def modules_of(function: Function) -> set[str]:
    """The modules of the functions of other libraries that a program calls as they are."""
    return {
        node.primitive.module
        for each in [function, *functions_called(function)]
        for block in each.blocks
        for node in nodes_in(block)
        if isinstance(node, Operation) and node.primitive.module is not None
    }


def nodes_in(block: Block) -> Iterator[Node]:
    """Every node, those inside of others included."""
    for node in block.operations:
        yield node
        for inner in blocks_of(node):
            yield from nodes_in(inner)


def all_blocks(block: Block) -> Iterator[Block]:
    """A block, and those inside of its nodes."""
    yield block
    for node in block.operations:
        for inner in blocks_of(node):
            yield from all_blocks(inner)


def origins_of(value: Value) -> tuple[Operand, ...] | None:
    """The operands that control flow chooses a value from; None for what an operation makes.

    Those of a branch are what its sides yield, those of a loop what it starts with and what a turn yields.
    """
    node = value.operation
    if isinstance(node, Branch):
        place = node.results.index(value)
        return node.then.results[place], node.otherwise.results[place]
    loop = node if isinstance(node, Loop) else value.loop
    if loop is None or value is loop.index:
        return None
    listed = loop.results if loop is node else loop.carried
    if value not in listed:
        return None  # of a loop that is still being made
    place = listed.index(value)
    return loop.initial[place], loop.body.results[place]


def substitute(block: Block, known: dict[Value, Operand]) -> None:
    """Replace values by operands in everything that a block reads."""

    def replaced(operand: Operand) -> Operand:
        return map_values(lambda value: known.get(value, value), operand)

    for node in block.operations:
        if isinstance(node, Operation):
            node.arguments = replaced(node.arguments)
        elif isinstance(node, Branch):
            node.condition = replaced(node.condition)
        elif isinstance(node, Loop):
            node.bounds, node.initial = replaced(node.bounds), replaced(node.initial)
            node.leave = replaced(node.leave)
        elif isinstance(node, Call):
            node.arguments = replaced(node.arguments)
        elif isinstance(node, PullbackCall):
            node.pullback, node.cotangents = replaced((node.pullback, node.cotangents))
        for inner in blocks_of(node):
            substitute(inner, known)
    block.results[:] = replaced(block.results)
