"""Arrays that loops fill element by element, read again in the reverse sweep instead of being saved.

    for i in range(1, n):                         for i in reversed(range(1, n)):
        x[i] = x[i - 1] * r + f[i]         ->         ... x[i - 1] ...           from x as it was left

Where every element is written at most once, it stays as it is from then on: what a turn has read of the
elements written in earlier turns, and what it has written itself, can be read from the array that the loop
leaves behind (as from a variable in single assignment: Feautrier, Dataflow analysis of array and scalar
references, 1991). Trajectories, recurrences and tables of dynamic programming are filled like that.

The proof. Each loop around the write steps by a constant, and the write is at its index plus a constant
along an axis of its own, so that no two turns write the same place. A read is of an earlier turn if the
first of these axes along which it differs from the write lies behind, as the loop goes. No index may be
negative, for it would count from the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ad_compiler.analysis.slice_lengths import same_shape_together
from ad_compiler.analysis.storage import storages_of
from ad_compiler.analysis.types import ArrayType
from ad_compiler.ir import Block, Function, Loop, Operand, Operation, Value
from ad_compiler.rules.subscripts import is_basic
from ad_compiler.transforms.rollback import UPDATES, Chain, chain_to, operation, reads_in
from ad_compiler.traversal import blocks_of, nodes_in, results_of, substitute


@dataclass(frozen=True, eq=False, slots=True)
class Place:
    """Where a loop around the write puts it: at `index + offset` along `axis`, going up or down."""

    axis: int
    index: Value
    offset: int
    lowest: int  # that the index can be
    upwards: bool


def read_what_stays(function: Function) -> None:
    """Let the reverse sweep read elements again that no later turn overwrites."""
    assert function.reverse is not None
    for loop in [node for node in function.forward.operations if isinstance(node, Loop)]:
        for param, end, result in zip(loop.carried, loop.body.results, loop.results, strict=True):
            chain = chain_to(loop.body, param, end)
            write = only_write(chain) if chain is not None else None
            if chain is None or write is None or is_written_later(function, result, chain):
                continue
            places = [*places_of([loop, *loops_in(chain)], write)]
            if len(places) == 1 + len(loops_in(chain)):
                Rereading(function, chain, write, places, result).run()


def only_write(chain: Chain) -> Operation | None:
    """The one write into the array, if there is one only."""
    nodes = [node for inner, _ in chain.chains(0) for node, _, _ in inner.links]
    writes = [node for node in nodes if isinstance(node, Operation)]
    return writes[0] if len(writes) == 1 else None


def loops_in(chain: Chain) -> list[Loop]:
    """The loops inside of the chain that carry the array on to the write."""
    found = []
    for node, _, inner in chain.links:
        if inner is not None and isinstance(node, Loop):
            found += [node, *loops_in(inner)]
    return found


def is_written_later(function: Function, result: Value, chain: Chain) -> bool:
    """Whether what the loop leaves behind is written into by anything else."""
    own = {node for inner, _ in chain.chains(0) for node, _, _ in inner.links}
    return any(
        result in storages_of(node.arguments[0])
        for node in nodes_in(function.forward)
        if isinstance(node, Operation) and node.primitive.name in UPDATES and node not in own
    )


def places_of(loops: list[Loop], write: Operation) -> Iterator[Place]:
    """For each loop around the write, an axis along which each of its turns writes elsewhere."""
    axes: dict[Value | None, tuple[int, int]] = {}
    for axis, item in enumerate(write.arguments[1]):
        if item is None or item is Ellipsis:
            return
        base, offset = shifted(item)
        axes.setdefault(base, (axis, offset))
    for loop in loops:
        if loop.bounds is None or loop.index is None or loop.index not in axes:
            return
        start, stop, step = loop.bounds
        if not isinstance(step, int) or step == 0:
            return
        first = start if step > 0 else stop
        if not isinstance(first, int):
            return
        axis, offset = axes[loop.index]
        lowest = first if step > 0 else first + 1
        if lowest + offset >= 0:
            yield Place(axis, loop.index, offset, lowest, step > 0)


def shifted(item: Operand) -> tuple[Value | None, int]:
    """`i + 2` as (i, 2); (None, 2) for the number 2."""
    if isinstance(item, int) and not isinstance(item, bool):
        return None, item
    node = item.operation if isinstance(item, Value) else None
    if isinstance(node, Operation) and node.primitive.name in ("add", "sub") and item.type.python:
        first, second = node.arguments
        if isinstance(second, int) and isinstance(first, Value):
            return first, second if node.primitive.name == "add" else -second
        if isinstance(first, int) and isinstance(second, Value) and node.primitive.name == "add":
            return second, first
    return (item, 0) if isinstance(item, Value) else (None, -1)


def compared(item: Operand, place: Place) -> str:
    """Whether elements were written "before" (or never are), are written "now", or may be "later"."""
    if isinstance(item, slice):
        return "before" if lies_behind(item, place) else "later"
    base, offset = shifted(item)
    if base is None:
        return "before" if 0 <= offset < place.lowest + place.offset else "later"
    if base is not place.index or place.lowest + offset < 0:
        return "later"
    if offset == place.offset:
        return "now"
    return "before" if (offset < place.offset) == place.upwards else "later"


def lies_behind(item: slice, place: Place) -> bool:
    """Whether a slice ends before the element that is written: `a[:i]`, or `a[i + 1:]` as `i` falls."""
    if not (item.step is None or (isinstance(item.step, int) and item.step > 0)):
        return False
    bounds = [(None, 0) if bound is None else shifted(bound) for bound in (item.start, item.stop)]
    for base, offset in bounds:
        if offset + (place.lowest if base is place.index else 0) < 0 or base not in (None, place.index):
            return False
    (first, start), (last, stop) = bounds
    if place.upwards:
        return last is place.index and stop <= place.offset
    return first is place.index and start > place.offset


class Rereading:
    """Replaces, in the mirror image of a loop, what is read of an array by reads of what is left of it."""

    def __init__(
        self, function: Function, chain: Chain, write: Operation, places: list[Place], result: Value
    ) -> None:
        self.function = function
        self.chain = chain
        self.write = write
        self.places = places
        self.result = result
        self.entered: dict[Value, tuple[int, bool]] = {}  # states, with the loops around, and whether written
        for inner, depth in chain.chains(1):
            self.entered[inner.start] = (depth, False)
            for _, made, _ in inner.links:
                self.entered[made] = (depth, True)

    def run(self) -> None:
        self.block(self.chain.block)

    def block(self, block: Block) -> None:
        mirror = self.function.mirrors.get(block)
        for node in block.operations:
            for inner in blocks_of(node):
                self.block(inner)
            if mirror is None or not isinstance(node, Operation):
                continue
            if node is self.write and self.is_written_as_it_is(block):
                self.read_again(node.arguments[2], node.arguments[1], mirror, node)
            elif node.primitive.name == "getitem" and self.stays(node):
                self.read_again(node.result, node.arguments[1], mirror, node)

    def is_written_as_it_is(self, block: Block) -> bool:
        """Whether the array holds just what was computed in this block, and written."""
        array, index, value, _ = self.write.arguments
        made = {result for node in block.operations for result in results_of(node)}
        if self.write.primitive.name != "index_set" or value not in made:
            return False
        kind, part = value.type, operation("getitem", (array, index), self.write).result.type
        assert isinstance(part, ArrayType)
        return (
            isinstance(kind, ArrayType)
            and not kind.python
            and kind.dtype == part.dtype
            and same_shape_together(kind.shape, part.shape)
        )

    def stays(self, node: Operation) -> bool:
        """Whether the elements that are read are not written in a later turn, nor later in this one."""
        state, index = node.arguments
        if state not in self.entered or not is_basic(index):
            return False
        if any(item is None or item is Ellipsis for item in index):
            return False
        depth, is_written = self.entered[state]
        for place in self.places[:depth]:
            if place.axis >= len(index):
                return False
            when = compared(index[place.axis], place)
            if when != "now":
                return when == "before"
        return is_written

    def read_again(self, value: Value, index: Operand, mirror: Block, like: Operation) -> None:
        if value not in reads_in(mirror):
            return
        again = operation("getitem", (self.result, index), like)
        again.result.name = value.name
        mirror.operations.insert(0, again)
        substitute(mirror, {value: again.result})
