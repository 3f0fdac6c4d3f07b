"""Moves what is the same in every turn of a loop in front of it, if the reverse sweep reads it.

    for _ in range(steps):                  product = 0.5 * dt
        x = x + 0.5 * dt * v       ->       for _ in range(steps):
                                                x = x + product * v

Otherwise each turn of the reverse sweep would save it or compute it again. What it does not read stays on
the user's line. Only arithmetic that cannot raise an exception is moved, for the loop may do no turn.
(Muchnick, Advanced Compiler Design and Implementation (1997), section 13.2.)
"""

from __future__ import annotations

from ad_compiler.ir import (
    Block,
    Function,
    Loop,
    Operand,
    Operation,
    Value,
    blocks_of,
    inputs_of,
    nodes_in,
    results_of,
    turn_values,
    values_in,
)
from ad_compiler.transforms.saving import price_of_computing


def hoist(function: Function) -> None:
    """Move the invariants of all loops as far out as they can be computed."""
    assert function.reverse is not None
    read = {value for node in nodes_in(function.reverse) for value in inputs_of(node)}
    written = {
        value
        for node in nodes_in(function.forward)
        if isinstance(node, Operation) and node.primitive.name in ("index_add", "index_set")
        for value in values_in(node.arguments[0])
    }
    hoist_from(function.forward, read, written)


def hoist_from(block: Block, read: set[Value], written: set[Value]) -> None:
    for node in list(block.operations):
        for inner in blocks_of(node):
            hoist_from(inner, read, written)
        if isinstance(node, Loop):
            moved = invariants(node, read, written)
            for operation in moved:
                node.body.operations.remove(operation)
                operation.statement = node.statement
            place = block.operations.index(node)
            block.operations[place:place] = moved


def invariants(loop: Loop, read: set[Value], written: set[Value]) -> list[Operation]:
    """The operations of a turn, in order, that the reverse sweep reads and that every turn repeats."""
    changing = set(turn_values(loop))
    for node in nodes_in(loop.body):
        changing.update((*results_of(node), *turn_values(node)))
    found: dict[Value, Operation] = {}
    for node in loop.body.operations:
        if not isinstance(node, Operation) or (set(inputs_of(node)) - set(found)) & changing:
            continue
        if is_movable(node) and node.result not in written:
            found[node.result] = node
    needed: set[Value] = set()
    for result, node in reversed(list(found.items())):
        if result in read or result in needed:
            needed |= {result, *inputs_of(node)}
    return [node for result, node in found.items() if result in needed]


def is_movable(node: Operation) -> bool:
    """Whether it computes a number or an array anew, and can do so in any case."""
    primitive = node.primitive
    if node.kept or primitive.effect or primitive.fresh or primitive.view or not is_costly(node):
        return False
    return not primitive.may_raise or (primitive.name == "truediv" and is_not_zero(node.arguments[1]))


def is_costly(node: Operation) -> bool:
    """Whether a variable pays: a length is read again as easily."""
    price = price_of_computing(node.result)
    return price is None or price >= 10


def is_not_zero(operand: Operand) -> bool:
    return isinstance(operand, (int, float)) and operand != 0
