"""Changes of the program for the sake of native code: the order of writes, and what tapes hold.

A write is moved down to where the array it gives is read first. What is computed from the array as it was is
then computed before, and the write is done in place:

    zeroed = index_set(a_bar, i, 0.0)         product = 0.2 * a_bar[i]
    product = 0.2 * a_bar[i]            ->    zeroed = index_set(a_bar, i, 0.0)

An array of which the reverse sweep needs only the lengths is taken off its tape.
"""

from __future__ import annotations

from collections.abc import Iterator

from ad_compiler.backends.native.lowering.planning import UPDATES
from ad_compiler.ir import Block, Function, Operation, Pop, Value
from ad_compiler.traversal import all_blocks, arguments_of, blocks_of, inputs_of, nodes_in, values_in

SHAPE_ARGUMENT = {
    "zeros_like": 0,
    "ones_like": 0,
    "empty_like": 0,
    "full_like": 0,
    "length": 0,
    "size": 0,
}


def arrange(function: Function) -> None:
    """Apply both to a whole program."""
    for block in function.blocks:
        for inner in all_blocks(block):
            sink_writes(inner)


def sink_writes(block: Block) -> None:
    """Move each write down to the first node that reads the array it gives."""
    order = list(block.operations)
    for node in reversed(block.operations):
        if not isinstance(node, Operation) or node.primitive.name not in UPDATES or node.kept:
            continue
        start = order.index(node)
        end = start + 1
        while end < len(order) and node.result not in set(inputs_of(order[end])):
            end += 1
        order.insert(end, node)
        del order[start]
    block.operations = order


def shape_only(function: Function) -> set[Value]:
    """The values taken off tapes of which only the lengths are read."""
    restored = [
        v
        for block in function.blocks
        for node in nodes_in(block)
        if isinstance(node, Pop)
        for v in node.results
    ]
    read = set(data_read(function))
    return {value for value in restored if value not in read}


def data_read(function: Function) -> Iterator[Value]:
    """The values of which elements are read."""
    for block in function.blocks:
        for inner in all_blocks(block):
            for node in inner.operations:
                if isinstance(node, Operation) and node.primitive.name in SHAPE_ARGUMENT:
                    place = SHAPE_ARGUMENT[node.primitive.name]
                    yield from values_in([a for n, a in enumerate(node.arguments) if n != place])
                else:
                    yield from values_in(arguments_of(node))
                if blocks_of(node):
                    yield from values_in(getattr(node, "leave", None))
            yield from values_in(inner.results)
    yield from values_in((function.result, function.reverse_result))


def tapes_read(function: Function) -> dict[Value, Pop]:
    """What takes the entries of each tape off it."""
    nodes = [node for block in function.blocks for node in nodes_in(block)]
    copies = {
        node.result: node.arguments[0]
        for node in nodes
        if isinstance(node, Operation) and node.primitive.name == "tape_copy"
    }
    return {copies.get(node.tape, node.tape): node for node in nodes if isinstance(node, Pop)}


def pushed_for_shape(function: Function) -> set[tuple[Operation, int]]:
    """The entries of pushes whose elements nobody takes off."""
    unread = shape_only(function)
    pops = tapes_read(function)
    return {
        (node, place)
        for block in function.blocks
        for node in nodes_in(block)
        if isinstance(node, Operation) and node.primitive.name == "push" and node.arguments[0] in pops
        for place, value in enumerate(pops[node.arguments[0]].results)
        if value in unread
    }
