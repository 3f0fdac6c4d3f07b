"""Reads parts of an array before it is written into, so that the write can be done in place.

    part = a_bar[1:]                          part = a_bar[1:]
    updated = index_set(a_bar, 1:, 0)    ->   b_bar = part * c
    b_bar = part * c                          updated = index_set(a_bar, 1:, 0)      now in place

A view sees what is written into its array. What is computed from one is therefore computed before the write,
if everything else it needs is there; else the view is copied, which is less than to copy the array. Both
is done only where nothing but views is read of the old array behind the write.
"""

from __future__ import annotations

import numpy as np

from ad_compiler.analysis.storage import is_view, storage_of
from ad_compiler.ir import Block, Function, Node, Operand, Operation, Value
from ad_compiler.rules.notation import registry
from ad_compiler.rules.shapes import rank_of
from ad_compiler.traversal import all_blocks, inputs_of, results_of, substitute, values_in

UPDATES = ("index_add", "index_set")


def protect_views(function: Function) -> None:
    """Have no view outlive a write into its array, in both sweeps."""
    for top in (function.forward, function.reverse):
        for block in all_blocks(top) if top is not None else ():
            protect(block)


def protect(block: Block) -> None:
    place = 0
    while place < len(block.operations):
        node = block.operations[place]
        if isinstance(node, Operation) and node.primitive.name in UPDATES:
            place += read_before(block, place, node)
            place += copy_views(block, place, node.arguments[0])
        place += 1


def read_before(block: Block, place: int, update: Operation) -> int:
    """Move what reads views of the old array in front of the write at `place`; how much was moved."""
    base = update.arguments[0]
    if not isinstance(base, Value):
        return 0
    behind = block.operations[place + 1 :]
    made = {result for node in [update, *behind] for result in results_of(node)}
    views = {
        node.result
        for node in block.operations[:place]
        if isinstance(node, Operation) and is_view(node) and storage_of(node.result) is base
    }
    moved: list[Node] = []
    for node in behind:
        inputs = set(inputs_of(node))
        if views & inputs and isinstance(node, Operation) and can_move(node) and not made & inputs:
            moved.append(node)
            made.discard(node.result)
            if is_view(node):
                views.add(node.result)
    if not any(not is_view(node) for node in moved if isinstance(node, Operation)):
        return 0
    for node in moved:
        block.operations.remove(node)
    block.operations[place:place] = moved
    return len(moved)


def can_move(node: Operation) -> bool:
    return not node.primitive.effect and node.primitive.name not in UPDATES


def copy_views(block: Block, place: int, base: object) -> int:
    """Copy the views of `base` that are read behind `place`; how many were copied."""
    if not isinstance(base, Value):
        return 0
    late = {value for node in block.operations[place + 1 :] for value in inputs_of(node)}
    late.update(values_in(block.results))
    views = [
        node
        for node in block.operations[:place]
        if isinstance(node, Operation)
        and node.result in late
        and node.arguments
        and node.arguments[0] is base
        and rank_of(node.result) > 0
        and is_view(node)
    ]
    if base in late or not views:
        return 0
    for view in views:
        copied = Value(view.result.type, view.result.name)
        copied.cotangent_of = view.result.cotangent_of
        view.result.name = None
        copied.operation = Operation(
            registry[np.copy], (view.result,), copied, view.statement, view.place, True
        )
        known: dict[Value, Operand] = {view.result: copied}
        behind = Block(block.operations[block.operations.index(view) + 1 :], list(block.results))
        substitute(behind, known)
        block.results[:] = behind.results
        block.operations.insert(block.operations.index(view) + 1, copied.operation)
    return len(views)
