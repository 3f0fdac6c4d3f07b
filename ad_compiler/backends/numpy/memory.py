"""Which writes may be done in place, and which arrays a loop must own for that.

A write `a' = index_set(a, i, e)` is done in the memory of `a` if nobody reads that memory later, and if it
is the program's own. What a loop carries is its own if it starts with a copy, or with an array that was
made for it and is read no more; and if every turn hands on memory of its own, too. Where a carried array
is written into, the loop is made to own it: a copy in front of the loop instead of one in every turn.
"""

from __future__ import annotations

from ad_compiler.analysis.storage import is_fresh, shared_with, storage_of, storages_of
from ad_compiler.analysis.types import ArrayType, ListType
from ad_compiler.backends.numpy.plan import UPDATES, Plan, Step
from ad_compiler.ir import Block, Branch, Loop, Operand, Operation, Value
from ad_compiler.traversal import nodes_in, origins_of, results_of, values_in

IN_PLACE = {"add": "+=", "sub": "-=", "mul": "*=", "truediv": "/="}


class Memory:
    """Who shares memory with whom, and when it is read, given that loops own what they write into."""

    def __init__(self, plan: Plan, blocks: list[Block], separate: bool) -> None:
        self.plan = plan
        self.separate = separate  # the reverse sweep is a function of its own, which may be called again
        self.loops = [node for block in blocks for node in nodes_in(block) if isinstance(node, Loop)]
        self.writes = [
            node
            for loop in self.loops
            for node in nodes_in(loop.body)
            if isinstance(node, Operation) and is_write(node)
        ]
        self.new: set[Value] = set()  # made in memory of their own, though they could be written in place
        self.owned: set[Value] = set()  # carried values, and what is left of them after the loop
        self.copied_at_start: set[Value] = set()
        self.copied_at_end: set[Value] = set()
        self.reads: dict[
            Value, list[tuple[int, ...]]
        ] = {}  # positions; with them where sides of branches yield
        self.find_owned()

    def settled(self, in_place: set[Value]) -> bool:
        """Whether the loops own no more than what is written into in place; else they are made to."""
        self.new |= {node.result for node in self.writes if self.is_wasted(node)}
        in_place = in_place - self.new
        writes = [node for node in self.writes if node.result in in_place]
        if len(writes) == len(self.writes):
            return True
        before, self.writes = self.owned, writes
        self.find_owned()
        return self.owned == before

    def is_wasted(self, node: Operation) -> bool:
        """Whether `a += b` writes into what every turn copies for it: `a = a + b` makes a new array."""
        base = node.arguments[0]
        if node.primitive.name in UPDATES or not isinstance(base, Value):
            return False
        return bool(storages_of(base) & self.copied_at_end)

    def find_owned(self) -> None:
        """What is written into while a loop carries it, and what it is handed on from or to."""
        self.owned = set()
        written: set[Value] = set()
        for node in self.writes:
            base = node.arguments[0]
            written |= storages_of(base) if isinstance(base, Value) else set()
        before = -1
        while len(self.owned) > before:
            before = len(self.owned)
            for loop in self.loops:
                for param, initial, end, result in zip(
                    loop.carried, loop.initial, loop.body.results, loop.results, strict=True
                ):
                    if param in written and is_array(param):
                        self.owned |= {param, result}
                        written.update(v for v in (initial,) if isinstance(v, Value))
                        if isinstance(end, Value):
                            written |= storages_of(end)
        self.reads = {}
        pushed = [(value, [self.plan.end]) for value in self.plan.pushed]
        for value, positions in [*self.plan.reads.items(), *pushed]:
            for storage, yielded in self.ways_to(value):
                self.reads.setdefault(storage, []).extend((read, *yielded) for read in positions)

    def ways_to(self, value: Value) -> list[tuple[Value, tuple[int, ...]]]:
        """The values whose memory this one may share, each with the positions at which branches yield it."""
        found: dict[Value, list[tuple[int, ...]]] = {}
        waiting: list[tuple[Value, tuple[int, ...]]] = [(value, ())]
        while waiting:
            current, yielded = waiting.pop()
            root = storage_of(current)
            if yielded in found.setdefault(root, []) or len(found[root]) > 8:
                continue
            found[root].append(yielded)
            if root in self.owned:
                continue
            node = root.operation
            ends = self.plan.branch_ends.get(node) if isinstance(node, Branch) else None
            for side, origin in enumerate(shared_with(root)):
                if isinstance(origin, Value):
                    waiting.append((origin, (*yielded, ends[side]) if ends else yielded))
        return [(root, way) for root, ways in found.items() for way in (ways if len(ways) <= 8 else [()])]

    def storages(self, value: Value) -> frozenset[Value]:
        """Every value whose memory this one may share."""
        found: set[Value] = set()
        waiting = [value]
        while waiting:
            root = storage_of(waiting.pop())
            if root not in found:
                found.add(root)
                if root not in self.owned:
                    waiting += values_in(shared_with(root))
        return frozenset(found)

    def is_own(self, value: Value) -> bool:
        """Whether all memory this value may have was made by the program, and is no view of anything."""
        seen: set[Value] = set()
        waiting = [value]
        while waiting:
            current = waiting.pop()
            if current in seen:
                continue
            seen.add(current)
            if storage_of(current) is not current:
                return False
            origins = None if current in self.owned else origins_of(current)
            if origins is not None:
                waiting += [origin for origin in origins if isinstance(origin, Value)]
            elif current not in self.owned and not is_fresh(current):
                return False
        return True

    def is_read_later(self, value: Value, position: int, elsewhere: tuple[tuple[int, int], ...]) -> bool:
        """Whether any memory that `value` may share is read after `position`.

        What only the other sides of the branches around read, or yield, does not count.
        """
        return any(
            read[0] > position and not any(low < place <= high for place in read for low, high in elsewhere)
            for storage in self.storages(value)
            for read in self.reads.get(storage, [])
        )

    def enter(self, step: Step) -> None:
        """Decide what is copied where a loop starts, and where a turn ends."""
        loop = step.node
        assert isinstance(loop, Loop)
        made = {value for node in nodes_in(loop.body) for value in results_of(node)}
        for place, param in enumerate(loop.carried):
            self.copied_at_start.discard(param)
            self.copied_at_end.discard(param)
            if param not in self.owned:
                continue
            others = [n for n in range(len(loop.carried)) if n != place]
            initial, end = loop.initial[place], loop.body.results[place]
            if self.must_copy(initial, step.position, [loop.initial[n] for n in others]) or (
                self.separate and isinstance(initial, Value) and not self.is_made_in(initial, step.reverse)
            ):
                self.copied_at_start.add(param)
            inside = isinstance(end, Value) and all(
                root in made or root in loop.carried for root in self.storages(end)
            )
            if not inside or self.must_copy(end, step.end, [loop.body.results[n] for n in others]):
                self.copied_at_end.add(param)

    def is_made_in(self, value: Value, reverse: bool) -> bool:
        """Whether all its memory was made in this sweep: a pullback leaves what was made before alone."""
        return all(self.plan.section.get(root) == reverse for root in self.storages(value))

    def must_copy(self, operand: Operand, position: int, others: list[Operand]) -> bool:
        """Whether the memory of what is handed to a loop may not be written into."""
        if not isinstance(operand, Value):
            return False
        if not self.is_own(operand) or self.is_read_later(operand, position, ()):
            return True
        own = self.storages(operand)
        return any(isinstance(other, Value) and self.storages(other) & own for other in others)


def is_write(node: Operation) -> bool:
    return node.primitive.name in UPDATES or (
        node.primitive.name in IN_PLACE and not node.primitive.text and is_array(node.result)
    )


def is_array(value: Value) -> bool:
    return isinstance(value.type, ListType) or (isinstance(value.type, ArrayType) and value.type.rank > 0)
