"""Calls of functions that have a definition are written out: native code knows only what they are made of.

    y = np.trapezoid(x)     ->    y = 0.5 * np.sum(x[1:] + x[:-1])

NumPy code keeps such calls, with NumPy's own rounding.
"""

from __future__ import annotations

from ad_compiler.frontend.context import Context
from ad_compiler.ir import Block, Function, Operand, Operation, Value
from ad_compiler.transforms.apply_definitions import lowered
from ad_compiler.traversal import all_blocks, map_values, substitute


def write_out(function: Function, context: Context) -> None:
    """Write out every such call of a program; raises `Unsupported` where that is not possible."""
    for outer in function.blocks:
        for block in list(all_blocks(outer)):
            write_out_in(function, block, context)


def write_out_in(function: Function, block: Block, context: Context) -> None:
    builder = context.builder
    place = 0
    while place < len(block.operations):
        node = block.operations[place]
        if not isinstance(node, Operation) or node.primitive.kind != "definition":
            place += 1
            continue
        written = Block()
        builder.block, builder.statement, builder.place = written, node.statement, node.place
        with lowered(context, node) as body:
            result = body.result
        block.operations[place : place + 1] = written.operations
        replace(function, node.result, body.actual(result))
        for made in written.operations:
            if made.statement is None:
                made.statement, made.place = node.statement, node.place


def replace(function: Function, old: Value, new: Operand) -> None:
    """Have everything read another operand."""
    for block in function.blocks:
        substitute(block, {old: new})
    function.result, function.reverse_result = map_values(
        lambda value: new if value is old else value, (function.result, function.reverse_result)
    )
