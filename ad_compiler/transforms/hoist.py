"""Moves what is the same in every turn of a loop in front of it.

    for _ in range(steps):                  product = 0.5 * dt
        x = x + 0.5 * dt * v       ->       for _ in range(steps):
                                                x = x + product * v

It is done twice. In a program with a reverse sweep (`hoist_for_reverse`) each turn of that would save such a
value or compute it again, so what the reverse sweep reads is moved, and the rest stays on the user's line:
only arithmetic that cannot raise an exception, for the loop may do no turn. In a loop over directions
(`hoist_from_directions`), whose turns all run the same program at the same point, everything is moved that
is not cheap: so a Jacobian evaluates its function once. What makes memory to be written into stays.
(Muchnick, Advanced Compiler Design and Implementation (1997), section 13.2.)
"""

from __future__ import annotations

from collections.abc import Callable

from ad_compiler.ir import Block, Function, Loop, Operand, Operation, Value
from ad_compiler.transforms.saving import price_of_computing
from ad_compiler.traversal import blocks_of, inputs_of, nodes_in, results_of, turn_values, values_in

UPDATES = ("index_add", "index_set")
KEPT = (*UPDATES, "zeros", "zeros_like", "empty", "array")


def hoist_for_reverse(function: Function) -> None:
    """Move the invariants of all loops that the reverse sweep reads as far out as they can be computed."""
    assert function.reverse is not None
    read = {value for node in nodes_in(function.reverse) for value in inputs_of(node)}
    written = {
        value
        for node in nodes_in(function.forward)
        if isinstance(node, Operation) and node.primitive.name in UPDATES
        for value in values_in(node.arguments[0])
    }

    def chosen(loop: Loop) -> list[Operation]:
        moved = read_of(
            invariants(loop, lambda node: is_arithmetic(node) and node.result not in written), read
        )
        for node in moved:
            node.statement = loop.statement
        return moved

    hoist(function.forward, chosen)


def hoist_from_directions(block: Block) -> None:
    """Move operations in front of the loops over directions in a block."""
    hoist(block, lambda loop: invariants(loop, is_not_cheap))


def hoist(block: Block, chosen: Callable[[Loop], list[Operation]]) -> None:
    """Move the chosen operations in front of the loops that they stand in, inner loops first."""
    for node in list(block.operations):
        for inner in blocks_of(node):
            hoist(inner, chosen)
        if isinstance(node, Loop):
            moved = chosen(node)
            node.body.operations[:] = [each for each in node.body.operations if each not in moved]
            place = block.operations.index(node)
            block.operations[place:place] = moved


def invariants(loop: Loop, may_move: Callable[[Operation], bool]) -> list[Operation]:
    """The operations of a turn, in order, that depend on nothing that a turn makes, but on each other."""
    changing = {*turn_values(loop)}
    for node in nodes_in(loop.body):
        changing.update((*results_of(node), *turn_values(node)))
    found: list[Operation] = []
    for node in loop.body.operations:
        if isinstance(node, Operation) and changing.isdisjoint(inputs_of(node)) and may_move(node):
            found.append(node)
            changing.discard(node.result)
    return found


def read_of(invariant: list[Operation], read: set[Value]) -> list[Operation]:
    """Those whose results are read, and those that they are made of."""
    needed: set[Value] = set()
    for node in reversed(invariant):
        if node.result in read or node.result in needed:
            needed |= {node.result, *inputs_of(node)}
    return [node for node in invariant if node.result in needed]


def is_arithmetic(node: Operation) -> bool:
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


def is_not_cheap(node: Operation) -> bool:
    """Whether it is worth a variable, and makes nothing that is written into.

    So are calls of functions of other libraries, and the comparison of what they give (`custom_rules`).
    """
    primitive = node.primitive
    if primitive.guard or primitive.module is not None:
        return not node.kept
    own = primitive.name in KEPT or primitive.name.startswith("list_")
    return not (primitive.effect or primitive.fresh or primitive.cheap or node.kept or own)
