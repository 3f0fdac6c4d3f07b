"""Computes what is the same in every turn of a loop once, in front of it.

    for e in directions:                c = np.cos(x)
        y_dot = np.cos(x) * e    ->     for e in directions:
        ...                                 y_dot = c * e

It is done for loops over directions, whose turns all run the same program at the same point. What makes
memory of its own to be written into stays, and so does what is cheap.
"""

from __future__ import annotations

from ad_compiler.ir import (
    Block,
    Loop,
    Operation,
    Value,
    blocks_of,
    inputs_of,
    nodes_in,
    results_of,
    turn_values,
)

KEPT = ("index_add", "index_set", "zeros", "zeros_like", "empty", "array")


def hoist_from_directions(block: Block) -> None:
    """Move operations in front of the loops of a block, inner loops first."""
    place = 0
    while place < len(block.operations):
        node = block.operations[place]
        for inner in blocks_of(node):
            hoist_from_directions(inner)
        if isinstance(node, Loop):
            moved = invariant(node)
            node.body.operations[:] = [each for each in node.body.operations if each not in moved]
            block.operations[place:place] = moved
            place += len(moved)
        place += 1


def invariant(loop: Loop) -> list[Operation]:
    """The operations of a body that depend on nothing of it."""
    made: set[Value] = {*turn_values(loop)}
    for each in nodes_in(loop.body):
        made.update(results_of(each), turn_values(each))
    found: list[Operation] = []
    for node in loop.body.operations:
        if isinstance(node, Operation) and may_move(node) and not any(v in made for v in inputs_of(node)):
            found.append(node)
            made.discard(node.result)
    return found


def may_move(node: Operation) -> bool:
    primitive = node.primitive
    return not (
        primitive.effect
        or primitive.fresh
        or primitive.cheap
        or node.kept
        or primitive.name in KEPT
        or primitive.name.startswith("list_")
    )
