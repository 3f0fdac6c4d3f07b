"""Reads of an array for its shape alone, turned to another array of that shape that is at hand.

    tape.append(b)                               nothing is saved
    ...                                    ->    ...
    b_bar = b_bar + np.zeros_like(b)             b_bar = b_bar + np.zeros_like(a_bar)

    part.sum(...) if a[1:-1].shape[0] == 1 else part    ->    part.sum(...) if a.shape[0] == 3 else part

Else the reverse sweep would have to be given an array of every turn for the sake of its shape; and an
argument whose name means another array by then would have to be kept under its own.
"""

from __future__ import annotations

from collections.abc import Iterable

from ad_compiler.analysis.types import ArrayType, Length, representative, same_shape
from ad_compiler.ir import Block, Function, Loop, Operation, Value
from ad_compiler.transforms.cotangents import may_be_unbound
from ad_compiler.traversal import all_blocks, blocks_of, inputs_of, nodes_in, results_of, values_in

SHAPE_ONLY = frozenset({"zeros_like", "ones_like", "full_like", "length", "size"})


def shape_reads(block: Block) -> list[Operation]:
    """The operations, at any depth, that read an array for its shape."""
    return [
        node
        for node in nodes_in(block)
        if isinstance(node, Operation)
        and node.primitive.name in SHAPE_ONLY
        and isinstance(node.arguments[0], Value)
    ]


def use_templates(reverse: Block, mirror: Block, here: set[Value]) -> None:
    """Take what is not of this turn for a template, in the mirror image of a block that makes `here`."""
    reads = [node for node in shape_reads(mirror) if node.arguments[0] in here]
    if not reads:
        return
    around = carried_around(reverse, mirror)
    at_hand = [
        value
        for node in nodes_in(reverse)
        if isinstance(node, Loop)
        for value in node.carried
        if value in around and (value.cotangent_of is None or not may_be_unbound(value.cotangent_of))
    ]
    needed = read_otherwise(mirror)
    for node in reads:
        template = node.arguments[0]
        other = next((other for other in at_hand if has_shape_of(other, template)), None)
        if other is not None:
            node.arguments = (other, *node.arguments[1:])
        elif template not in needed:
            measure_base(node, mirror)


def read_otherwise(mirror: Block) -> set[Value]:
    """What is read for more than its shape."""
    read: set[Value] = set()
    for node in nodes_in(mirror):
        if not (isinstance(node, Operation) and node.primitive.name in SHAPE_ONLY):
            read.update(inputs_of(node) if not blocks_of(node) else ())
    for block in all_blocks(mirror):
        read.update(values_in(block.results))
    return read


def measure_base(node: Operation, mirror: Block) -> None:
    """Test the length of `a` where that of `a[1:-1]` is compared with 1."""
    readers = [each for each in nodes_in(mirror) if node.result in set(inputs_of(each))]
    if node.primitive.name != "length" or not all(is_test_of_one(each, node.result) for each in readers):
        return
    array, axis = node.arguments
    length = representative(array.type.shape[axis])
    if not isinstance(length, Length) or not isinstance(length.key, tuple):
        return
    what, *of = length.key
    base = representative(of[0])
    if not isinstance(base, Length) or base.origin is None:
        return
    if what == "shortened":
        skipped = of[1]
    elif what == "slice" and is_stretch(*of[1]):
        skipped = of[1][0]
    else:
        return
    node.arguments = base.origin
    for each in readers:
        assert isinstance(each, Operation)
        summed, count, one, *rest = each.arguments
        each.arguments = (summed, count, one + skipped, *rest)


def is_test_of_one(node: object, count: Value) -> bool:
    return (
        isinstance(node, Operation)
        and node.primitive.name == "sum_where_broadcast"
        and node.arguments[0] is not count
    )


def is_stretch(start: object, stop: object, step: object) -> bool:
    """Whether a slice has one element where there is only one behind its start: `a[2:5]`."""
    return (
        isinstance(start, int)
        and isinstance(stop, int)
        and 0 <= start < stop - 1
        and (step is None or step == 1)
    )


def has_shape_of(value: Value, template: Value) -> bool:
    a, b = value.type, template.type
    return (
        isinstance(a, ArrayType)
        and isinstance(b, ArrayType)
        and a.dtype == b.dtype
        and a.rank == b.rank
        and same_shape(a.shape, b.shape)
    )


def carried_around(block: Block, wanted: Block) -> set[Value]:
    """What the loops around a block carry."""
    for node in block.operations:
        for inner in blocks_of(node):
            if inner is wanted or any(each is wanted for each in all_blocks(inner)):
                own = set(node.carried) if isinstance(node, Loop) else set()
                return own if inner is wanted else own | carried_around(inner, wanted)
    return set()


def use_current(function: Function) -> None:
    """Take, for the shape of an argument, what has its name at the end of the forward sweep."""
    if function.reverse is None:
        return
    made = [value for node in function.forward.operations for value in results_of(node)]
    for node in shape_reads(function.reverse):
        given = node.arguments[0]
        if given.access is not None:
            node.arguments = (latest(given, made), *node.arguments[1:])


def latest(given: Value, made: Iterable[Value]) -> Value:
    """The last of the values that took over the name of an argument, and have its shape."""
    current = given
    for value in made:
        if value.name == given.access:
            if not has_shape_of(value, given) or may_be_unbound(value):
                return given
            current = value
    return current
