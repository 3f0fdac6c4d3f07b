"""What the reverse sweep needs of a turn that is over: put on a tape, or computed again.

    for i in range(n):                      for i in range(n):
        y = np.sin(y) * x[i]                    tape.append(y)
                                    ->          y = np.sin(y) * x[i]
    for i in reversed(range(n)):            for i in reversed(range(n)):
        y_bar = y_bar * np.cos(y) * x[i]        y = tape.pop()
                                                y_bar = y_bar * np.cos(y) * x[i]

Every block inside of a loop (its body, a side of a branch) has a tape of its own, to which each run of the
block adds one entry; its mirror image, which runs as often, in the opposite order, takes them off again.
Only what is read there is saved, or what that can be computed from for little (`transforms.saving`). An
array that is written into later is saved as a copy.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ad_compiler.analysis.storage import storages_of
from ad_compiler.analysis.types import STRING, ArrayType, ObjectType
from ad_compiler.ir import Block, Function, Loop, Node, Operand, Operation, Pop, Value
from ad_compiler.rules.notation import constant, registry
from ad_compiler.transforms.checkpoints import run_again
from ad_compiler.transforms.hoist import hoist_for_reverse
from ad_compiler.transforms.rollback import roll_back
from ad_compiler.transforms.saving import LONG, choose, price_of_saving
from ad_compiler.transforms.templates import use_templates
from ad_compiler.transforms.written_once import read_what_stays
from ad_compiler.traversal import (
    all_blocks,
    blocks_of,
    inputs_of,
    map_values,
    nodes_in,
    results_of,
    substitute,
    turn_values,
    values_in,
)

TAPE = ObjectType("list")
UPDATES = ("index_add", "index_set")


@constant("tape", infer=lambda: TAPE, fresh=True)
def tape() -> None: ...


@constant("tape_copy", infer=lambda _: TAPE, fresh=True, complex=True)
def tape_copy(recorded: Value) -> None: ...


@constant("push", infer=lambda *_: STRING, effect=True)
def push(recorded: Value, values: Operand) -> None: ...


def record(function: Function, repeated: bool) -> None:
    """Put on tapes what the reverse sweep reads; `repeated` if it may run more than once (a pullback)."""
    if function.reverse is not None and any(isinstance(n, Loop) for n in nodes_in(function.forward)):
        hoist_for_reverse(function)
        run_again(function, repeated)
        read_what_stays(function)
        roll_back(function)
        Recorder(function, repeated).run()


class Recorder:
    """Goes through the blocks of all loops, from the innermost to the outermost."""

    def __init__(self, function: Function, repeated: bool) -> None:
        assert function.reverse is not None
        self.function = function
        self.reverse = function.reverse
        self.repeated = repeated
        self.updated = {
            storage
            for node in nodes_in(function.forward)
            if isinstance(node, Operation) and node.primitive.name in UPDATES
            for storage in storages_of(node.arguments[0])
        }
        self.depths: dict[Value, int] = {}  # of what is made in loops: how many are around it
        self.find_depths(function.forward, 0)

    def find_depths(self, block: Block, depth: int) -> None:
        for node in block.operations:
            inner = depth + isinstance(node, Loop)
            self.depths.update(dict.fromkeys(turn_values(node), inner))
            if depth:
                self.depths.update(dict.fromkeys(results_of(node), depth))
            for each in blocks_of(node):
                self.find_depths(each, inner)

    def run(self) -> None:
        for loop in [node for node in self.function.forward.operations if isinstance(node, Loop)]:
            self.inside(loop, loop, 1)
        for node in self.function.forward.operations:
            if not isinstance(node, (Operation, Loop)):
                self.loops_in(node)

    def loops_in(self, node: Node) -> None:
        for block in blocks_of(node):
            for inner in block.operations:
                if isinstance(inner, Loop):
                    self.inside(inner, inner, 1)
                elif not isinstance(inner, (Operation, Pop)):
                    self.loops_in(inner)

    def inside(self, node: Node, outermost: Loop, depth: int) -> None:
        """Go through the blocks of a node, with so many loops around a run of them."""
        for block in blocks_of(node):
            for inner in list(block.operations):
                self.inside(inner, outermost, depth + isinstance(inner, Loop))
            mirror = self.function.mirrors.get(block)
            if mirror is not None:
                own = turn_values(node) if isinstance(node, Loop) and block is node.body else []
                self.block(block, mirror, own, outermost, depth)

    def block(self, block: Block, mirror: Block, own: list[Value], outermost: Loop, depth: int) -> None:
        """Make what `mirror` reads of a run of `block` available there."""
        here = [*own, *(value for node in block.operations for value in results_of(node))]
        use_templates(self.reverse, mirror, set(here))
        read = set(reads_in(mirror))
        wanted = [value for value in here if value in read]
        if not wanted:
            return
        saved, again = self.choose(wanted, set(here), depth)
        indices = self.function.indices
        known: dict[Value, Operand] = {value: indices[value] for value in here if value in indices}
        start: list[Node] = []
        if saved:
            start.append(self.save(block, own, [value for value in here if value in saved], known, outermost))
        start += [
            self.repeat(value.operation, known)
            for value in here
            if value in again and value not in known and isinstance(value.operation, Operation)
        ]
        substitute(mirror, known)
        mirror.operations[:0] = start
        for node in reversed(start):
            if isinstance(node, Operation):
                sink(node, mirror)

    def choose(self, wanted: list[Value], here: set[Value], depth: int) -> tuple[set[Value], set[Value]]:
        """What to save, and what to compute again; `depth` loops are around a run of the block."""
        indices = self.function.indices
        read = set(reads_in(self.reverse))

        def price_outside(value: Value) -> int | None:
            if value in indices:
                return 0
            if value in here:
                return None
            if value not in self.depths or value in read:
                return 0
            turns: int = LONG ** (depth - self.depths[value])
            return price_of_saving(value, False) // turns

        return choose(wanted, price_outside, self.is_changing)

    def save(
        self,
        block: Block,
        own: list[Value],
        saved: list[Value],
        known: dict[Value, Operand],
        outermost: Loop,
    ) -> Node:
        """Append the saved values to a tape in `block`; the node that takes them off again."""
        recorded = Value(TAPE, "tape")
        recorded.operation = Operation(registry["tape"], (), recorded)
        around = self.before(outermost, recorded.operation)
        place = 0
        for number, node in enumerate(block.operations):
            if any(value in saved for value in results_of(node)):
                place = number + 1
        kept: list[Operand] = list(saved)
        pushed = Value(STRING)
        pushed.operation = Operation(registry["push"], (recorded, ()), pushed)
        block.operations.insert(place, pushed.operation)
        for number, value in enumerate(saved):
            if self.is_changing(value):
                copied = kept[number] = Value(value.type)
                copied.operation = Operation(registry[np.copy], (value,), copied, method=True)
                place = 0 if value in own else block.operations.index(made_by(value)) + 1
                block.operations.insert(place, copied.operation)
        pushed.operation.arguments = (recorded, kept[0] if len(kept) == 1 else tuple(kept))
        taken = recorded
        if self.repeated:
            taken = Value(TAPE, "tape")
            taken.operation = Operation(registry["tape_copy"], (recorded,), taken)
            self.function.mirrors.get(around, self.reverse).operations.insert(0, taken.operation)
        results = []
        for value in saved:
            restored = Value(value.type, value.name)
            restored.immutable = value.immutable
            results.append(restored)
            known[value] = restored
        pop = Pop(taken, results)
        for restored in results:
            restored.operation = pop
        return pop

    def is_changing(self, value: Value) -> bool:
        """Whether it is an array that is written into later, or a view of one."""
        is_array = isinstance(value.type, ArrayType) and value.type.rank > 0
        return is_array and bool(self.updated & storages_of(value))

    def before(self, loop: Loop, node: Node) -> Block:
        """Insert a node in front of a loop; the block that both stand in."""
        block = next(block for block in all_blocks(self.function.forward) if loop in block.operations)
        block.operations.insert(block.operations.index(loop), node)
        return block

    def repeat(self, node: Operation, known: dict[Value, Operand]) -> Operation:
        """The same operation on what is at hand in the mirror image."""
        indices = self.function.indices
        result = Value(node.result.type, node.result.name)
        result.immutable = node.result.immutable
        arguments = map_values(lambda v: known.get(v, indices.get(v, v)), node.arguments)
        result.operation = Operation(
            node.primitive,
            arguments,
            result,
            node.statement,
            node.place,
            node.method,
            equations=node.equations,
        )
        known[node.result] = result
        return result.operation


def made_by(value: Value) -> Node:
    assert value.operation is not None
    return value.operation


def sink(node: Operation, block: Block) -> None:
    """Move an operation to where its result is read for the first time, as a part of that statement."""
    block.operations.remove(node)
    place = next(n for n, other in enumerate(block.operations) if node.result in set(inputs_of(other)))
    node.statement = block.operations[place].statement
    block.operations.insert(place, node)


def reads_in(block: Block) -> Iterator[Value]:
    for node in block.operations:
        yield from inputs_of(node)
    yield from values_in(block.results)
