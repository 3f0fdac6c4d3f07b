"""Copies the part of an array that is read on after the array is written into, instead of the whole array.

    part = a_bar[1:]                          part = a_bar[1:].copy()
    updated = index_set(a_bar, 1:, 0)    ->   updated = index_set(a_bar, 1:, 0)      now in place
    b_bar = part * c                          b_bar = part * c

A view sees what is written into its array, so that the write could not be done in place while the view
is still read. Where nothing but views is read of the old array, copies of them are the smaller ones.
"""

from __future__ import annotations

import numpy as np

from ad_compiler.analysis.storage import is_view
from ad_compiler.ir import (
    Block,
    Function,
    Operand,
    Operation,
    Value,
    all_blocks,
    inputs_of,
    substitute,
    values_in,
)
from ad_compiler.rules.notation import registry
from ad_compiler.rules.shapes import rank_of

UPDATES = ("index_add", "index_set")


def protect_views(function: Function) -> None:
    """Copy views that outlive a write into their arrays, in both sweeps."""
    for top in (function.forward, function.reverse):
        for block in all_blocks(top) if top is not None else ():
            protect(block)


def protect(block: Block) -> None:
    place = 0
    while place < len(block.operations):
        node = block.operations[place]
        if isinstance(node, Operation) and node.primitive.name in UPDATES:
            place += copy_views(block, place, node.arguments[0])
        place += 1


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
