"""Gives every value that needs a variable its name, and finds the writes that may be done in place.

The user's names are kept; a cotangent is `x_bar`. A name is used again when the value that had it is no
longer read; where two values of one name live at the same time, the later one gets a number. A value
made from a dead one by `+=` or by an indexed write takes over its name, and its memory.
"""

from __future__ import annotations

import ast
import keyword
from collections.abc import Callable, Iterable

import numpy as np

from ad_compiler.analysis.classes import scalar_classes
from ad_compiler.analysis.layout import shows_memory
from ad_compiler.analysis.slice_lengths import equal_together, same_shape_together
from ad_compiler.analysis.types import (
    ArrayType,
    ListType,
    Shape,
    Type,
    may_be_one,
)
from ad_compiler.backends.numpy.memory import IN_PLACE, Memory, is_array
from ad_compiler.backends.numpy.nouns import noun, noun_of, same_rank
from ad_compiler.backends.numpy.plan import LIST_UPDATES, UPDATES, Plan, Step
from ad_compiler.ir import Branch, Call, Loop, Operand, Operation, Pop, PullbackCall, Value
from ad_compiler.traversal import values_in

# What generated code may call: everything else may be a variable, if the user called it so.
USED = ("abs", "bool", "dict", "float", "int", "max", "min", "print", "range", "round", "slice", "type")
RESERVED = frozenset([*keyword.kwlist, *USED, "np", "math", "scipy"])
Blocks = Callable[[int], bool]  # whether a read of the name's holder at this position forbids the name
REUSED_FROM_RANK = 3  # from here on arrays are large enough that memory of their own costs more than `out=`


def fit(result: Shape, base: Shape) -> bool:
    """Whether a result made from `base`, element by element, has its shape."""
    return len(result) == len(base) and all(
        equal_together(a, b) or not (may_be_one(a) or may_be_one(b))
        for a, b in zip(result, base, strict=True)
    )


def is_number(kind: Type) -> bool:
    return isinstance(kind, ArrayType) and kind.rank == 0


def is_immutable(value: Value) -> bool:
    """Whether it is a number that nobody can change: Python's, or one of NumPy's scalars."""
    is_python = isinstance(value.type, ArrayType) and value.type.python
    return is_python or (is_number(value.type) and np.ndarray not in scalar_classes(value))


def is_augmented(node: Operation) -> bool:
    """Whether the user wrote `x += y`, or the compiler counts."""
    return node.statement is None or isinstance(node.statement.node, ast.AugAssign)


class Names:
    """The names of one function's values."""

    def __init__(self, plan: Plan, memory: Memory, taken: Iterable[str], separate_sections: bool) -> None:
        self.plan = plan
        self.memory = memory
        self.separate = separate_sections  # the reverse sweep is a function of its own (a pullback)
        self.taken = set(taken)
        self.names: dict[Value, str] = {}
        self.holders: dict[str, list[Value]] = {}
        self.in_place: set[Value] = set()
        self.becomes: dict[Value, Value] = {}  # what is overwritten -> by what
        self.reused: dict[Value, Value] = {}  # results that take the memory of an operand: `out=`
        self.forward_names: set[str] = set()
        self.wish: dict[Value, str] = {}
        self.yielded: dict[Value, list[Value]] = {}  # what branches and loops hand a value on as
        self.merged: dict[Value, tuple[Value, int, int]] = {}

    def assign(self) -> None:
        for value in self.plan.inputs:
            assert value.access is not None
            self.holders[value.access] = [value]
        while True:
            self.in_place.clear()
            self.reused.clear()
            for steps in (self.plan.forward, self.plan.reverse):
                self.find_updates(steps, ())
            if self.memory.settled(self.in_place):
                break
        for steps in (self.plan.forward, self.plan.reverse):
            self.find_wishes(steps)
        self.steps(self.plan.forward)
        self.forward_names = set(self.holders)
        self.steps(self.plan.reverse)

    def find_updates(self, steps: list[Step], elsewhere: tuple[tuple[int, int], ...]) -> None:
        """Which results may overwrite the value they are made from.

        `elsewhere` are the positions of the other sides of the branches around: what is read there is
        not read after a write here.
        """
        for step in steps:
            node = step.node
            if isinstance(node, Branch):
                self.find_updates(step.then, (*elsewhere, (step.end_then, step.end)))
                self.find_updates(step.otherwise, elsewhere)
            elif isinstance(node, Loop):
                self.memory.enter(step)
                self.find_updates(step.test, elsewhere)
                self.find_updates(step.body, elsewhere)
            elif not isinstance(node, Operation):
                continue
            elif (
                node.arguments
                and isinstance(node.arguments[0], Value)
                and self.may_overwrite(node, step, elsewhere)
            ):
                self.in_place.add(node.result)
            elif step.reverse and not self.separate:
                self.find_reuse(node, step, elsewhere)

    def find_wishes(self, steps: list[Step]) -> None:
        """What is updated in place should have the name of what it becomes."""
        for step in reversed(steps):
            for inner in (step.then, step.otherwise, step.test, step.body):
                self.find_wishes(inner)
            node = step.node
            if isinstance(node, (Branch, Loop)):
                blocks = (node.body,) if isinstance(node, Loop) else (node.then, node.otherwise)
                for block in blocks:
                    for result, operand in zip(node.results, block.results, strict=True):
                        if isinstance(operand, Value):
                            self.yielded.setdefault(operand, []).append(result)
            if isinstance(node, Loop):
                for param, initial, result in zip(node.carried, node.initial, node.results, strict=True):
                    if param in self.memory.owned - self.memory.copied_at_start and isinstance(
                        initial, Value
                    ):
                        self.becomes[initial] = result
                        self.call_after(initial, result.name or param.name, param)
            if isinstance(node, Operation) and node.result in self.in_place:
                base = node.arguments[0]
                self.becomes[base] = node.result
                self.yielded.setdefault(base, []).append(node.result)
                self.call_after(base, node.result.name or self.wish.get(node.result), node.result)

    def call_after(self, base: Value, name: str | None, becoming: Value) -> None:
        """Call a value that is written into like what it becomes, which may have a name."""
        if base.name is None and name is not None:
            self.wish[base] = name
        elif base.name is None and base.cotangent_of is None:
            base.cotangent_of = becoming.cotangent_of

    def find_reuse(self, node: Operation, step: Step, elsewhere: tuple[tuple[int, int], ...]) -> None:
        """An operand of the result's own shape that is read here for the last time."""
        result = node.result.type
        if node.primitive.name not in IN_PLACE or node.primitive.text or not isinstance(result, ArrayType):
            return
        for operand in node.arguments:
            if (
                result.rank < REUSED_FROM_RANK
                or not isinstance(operand, Value)
                or operand in self.plan.inlined
            ):
                continue
            kind = operand.type
            if (
                isinstance(kind, ArrayType)
                and kind.dtype == result.dtype
                and same_shape_together(kind.shape, result.shape)
                and self.memory.is_own(operand)
                and not self.memory.is_read_later(operand, step.position, elsewhere)
            ):
                self.reused[node.result] = operand
                return

    def may_overwrite(self, node: Operation, step: Step, elsewhere: tuple[tuple[int, int], ...]) -> bool:
        name = node.primitive.name
        base = node.arguments[0]
        if name not in UPDATES and (name not in IN_PLACE or node.primitive.text):
            return False
        if node.result in self.memory.new:
            return False
        result_type, base_type = node.result.type, base.type
        if name not in LIST_UPDATES and not (
            isinstance(result_type, ArrayType) and isinstance(base_type, ArrayType)
        ):
            return False
        if base.name is not None and node.result.name is not None and base.name != node.result.name:
            return False
        section = self.plan.section[node.result]
        if name in IN_PLACE and is_number(result_type) and is_immutable(base):
            return self.may_rebind(node, step, elsewhere)
        storages = self.memory.storages(base)
        if base in self.plan.inlined or any(self.plan.section.get(s) != section for s in storages):
            return False  # a pullback may be called again: it leaves what the forward sweep made alone
        if self.memory.is_read_later(base, step.position, elsewhere):
            return False
        if name in UPDATES and not (self.memory.is_own(base) and is_array(base)):
            return False
        if name in UPDATES:
            return name in LIST_UPDATES or shows_memory(base, node.arguments[3])
        assert isinstance(result_type, ArrayType) and isinstance(base_type, ArrayType)
        others = list(values_in(node.arguments[1:]))
        if any(self.memory.storages(value) & self.memory.storages(base) for value in others):
            return False
        if not step.reverse and (base.name is None or base.name != node.result.name):
            return False  # the forward sweep keeps the user's lines: only `a += b` writes
        if result_type.rank == 0:
            return (
                base_type.rank == 0 and node.result.name is not None and base.name in (None, node.result.name)
            )
        fits = result_type.dtype == base_type.dtype and fit(result_type.shape, base_type.shape)
        return fits and self.memory.is_own(base)

    def may_rebind(self, node: Operation, step: Step, elsewhere: tuple[tuple[int, int], ...]) -> bool:
        """Whether a number that no memory is shared with may be written as `x += y`."""
        base, result = node.arguments[0], node.result
        if not step.reverse and not is_augmented(node):
            return False
        if result.name is None or base.name not in (None, result.name) or not is_number(base.type):
            return False
        if base in self.plan.inlined or self.plan.section.get(base) != step.reverse:
            return False
        return not any(
            read > step.position and not any(low < read <= high for low, high in elsewhere)
            for read in self.plan.reads.get(base, [])
        )

    def steps(self, steps: list[Step]) -> None:
        for step in steps:
            node = step.node
            if isinstance(node, Branch):
                self.branch(step)
            elif isinstance(node, Loop):
                self.loop(step)
            elif isinstance(node, Pop):
                self.restored(node, step)
            elif isinstance(node, (Call, PullbackCall)):
                self.call(node, step)
            elif not node.primitive.effect:
                self.operation(node, step)

    def call(self, node: Call | PullbackCall, step: Step) -> None:
        for value in node.results:
            wanted = value.name or self.derived(value) or "result"
            if value not in self.plan.reads:
                self.take(value, "_")
            elif not self.take_merged(value, step.position, step.reverse):
                self.give(value, wanted, step.reverse, lambda read: read > step.position)

    def operation(self, node: Operation, step: Step) -> None:
        value = node.result
        # An update is written as a copy and a write: what it reads must outlive the first of them.
        position = step.position - (node.primitive.name in UPDATES)
        if self.take_merged(value, position, step.reverse):
            return

        def blocks(read: int) -> bool:
            return read > position

        wish = self.wish.get(value)
        if wish is not None and value.name is None and self.is_free_for(value, wish, step.reverse, blocks):
            self.take(value, wish)
        else:
            self.give(value, self.wanted(node), step.reverse, blocks)

    def restored(self, node: Pop, step: Step) -> None:
        """What was saved, under the name that it had then."""
        for value, saved in zip(node.results, self.saved_on(node.tape), strict=True):
            known = value.name or self.names.get(saved) or noun_of(saved, self.names.get)
            self.give(value, known or "saved", step.reverse, lambda read: read > step.position)

    def saved_on(self, tape: Value) -> list[Value]:
        """What one entry of a tape holds."""
        while isinstance(tape.operation, Operation) and tape.operation.primitive.name == "tape_copy":
            tape = tape.operation.arguments[0]  # a copy
        return self.plan.entries[tape]

    def take_merged(self, value: Value, position: int, reverse: bool) -> bool:
        """Compute a value right into the variable in which a branch or loop hands it on, if that is free.

        So is what is written into to become that value.
        """
        handed_on = value
        while handed_on not in self.merged and handed_on in self.becomes and value.name is None:
            handed_on = self.becomes[handed_on]
        merged = self.merged.get(handed_on)
        if merged is None:
            return False
        result, until, end = merged

        def inside(read: int) -> bool:
            return position < read <= until or read > end

        if not self.is_free(self.names[result], reverse, inside, {*self.base_of(value), *self.heirs(value)}):
            return False
        self.take(value, self.names[result])
        return True

    def heirs(self, value: Value) -> set[Value]:
        """What the variable of `value` will hold next: it is updated in place, or handed on."""
        found: set[Value] = set()
        waiting = [value]
        while waiting:
            current = waiting.pop()
            handed = self.merged.get(current)
            following = [self.becomes.get(current) if handed is None else handed[0]]
            if isinstance(current.type, ListType):
                following += self.yielded.get(current, [])
            for each in following:
                if each is not None and each not in found:
                    found.add(each)
                    waiting.append(each)
        return found

    def base_of(self, value: Value) -> list[Value]:
        node = value.operation
        return [node.arguments[0]] if isinstance(node, Operation) and value in self.in_place else []

    def wanted(self, node: Operation) -> str:
        value = node.result
        if value in self.in_place:
            return self.names[node.arguments[0]]
        known = value.name or self.derived(value) or self.noun_derived(value) or self.wish.get(value)
        return known or noun(node, self.names.get)

    def noun_derived(self, value: Value) -> str | None:
        """What the cotangent of a value is called that has no name at all: `product_bar`."""
        of = value.cotangent_of if self.plan.section[value] else None
        primal = noun_of(of, self.names.get) if of is not None and same_rank(value, of) else None
        return None if primal is None else f"{primal}_bar"

    def derived(self, value: Value) -> str | None:
        """What the derivative of a value is called that the user gave no name."""
        for primal, suffix in ((value.cotangent_of, "_bar"), (value.tangent_of, "_dot")):
            name = None if primal is None else self.names.get(primal)
            if name is not None and name != "_":  # of what a call returns and nobody reads
                return f"{name}{suffix}"
        return None

    def give(self, value: Value, wanted: str, reverse: bool, blocks: Blocks) -> None:
        """The wanted name, with a number where a value that has it is still read."""
        name, number = wanted, 0
        while not self.is_free_for(value, name, reverse, blocks):
            number += 1
            name = f"{wanted}_{number}"
        self.take(value, name)

    def take(self, value: Value, name: str) -> None:
        self.names[value] = name
        self.holders.setdefault(name, []).append(value)

    def is_free_for(self, value: Value, name: str, reverse: bool, blocks: Blocks) -> bool:
        return self.is_free(name, reverse, blocks, {*self.base_of(value), *self.heirs(value)})

    def is_free(self, name: str, reverse: bool, blocks: Blocks, ignored: set[Value]) -> bool:
        if name in RESERVED or name in self.taken:
            return False
        if self.separate and reverse and name in self.forward_names:
            return False
        holders = [holder for holder in self.holders.get(name, []) if holder not in ignored]
        return not any(blocks(read) for holder in holders for read in self.plan.reads.get(holder, []))

    def branch(self, step: Step) -> None:
        """A result of a branch, and the values of both sides that can be computed right into its name."""
        node = step.node
        assert isinstance(node, Branch)
        for value, left, right in zip(node.results, node.then.results, node.otherwise.results, strict=True):
            wanted = value.name or next(
                (s.name for s in (left, right) if isinstance(s, Value) and s.name), None
            )
            wanted = wanted or self.name_before(left) or self.name_before(right) or "chosen"
            if not self.take_merged(value, step.end, step.reverse):
                self.give(value, wanted, step.reverse, lambda read: read > step.end)
            self.merge_into(value, left, step.then, step.end_then, step.end)
            self.merge_into(value, right, step.otherwise, step.end, step.end)
        self.steps(step.then)
        self.steps(step.otherwise)

    def name_before(self, operand: Operand) -> str | None:
        """The name of the variable that is updated in place to become `operand`, or of what it is already."""
        while isinstance(operand, Value) and operand in self.in_place:
            assert isinstance(operand.operation, Operation)
            operand = operand.operation.arguments[0]
        return self.names.get(operand) if isinstance(operand, Value) else None

    def merge_into(self, value: Value, side: Operand, steps: list[Step], until: int, end: int) -> None:
        """Note that `side`, if it is made by these steps, may be made in the variable of `value`."""
        for step in steps:
            if isinstance(step.node, (Branch, Loop, Call, PullbackCall)):
                made = step.node.results
            else:
                made = [step.node.result] if isinstance(step.node, Operation) else []
            if any(result is side for result in made):
                self.merged.setdefault(side, (value, until, end))

    def loop(self, step: Step) -> None:
        """One variable for a carried value: before the loop, in every turn, and after it."""
        node = step.node
        assert isinstance(node, Loop)

        def blocks(read: int) -> bool:
            return read > step.position

        for param, initial, end, result in zip(
            node.carried, node.initial, node.body.results, node.results, strict=True
        ):
            wanted = result.name or param.name or self.derived(param) or "carried"
            if self.becomes.get(initial) is result:
                wanted = self.names.get(initial, wanted)
            if not self.take_merged(result, step.position, step.reverse):
                self.give(result, wanted, step.reverse, blocks)
            self.take(param, self.names[result])
            self.merge_into(result, end, step.body, step.end, step.end)
        if node.index is not None:
            self.give(node.index, self.index_name(step), step.reverse, lambda read: step.position < read)
        self.steps(step.test)
        self.steps(step.body)

    def index_name(self, step: Step) -> str:
        assert isinstance(step.node, Loop)
        index = step.node.index
        assert index is not None
        if index not in self.plan.reads:
            return "_"
        if index.name not in (None, "_"):
            return str(index.name)
        names = [
            name
            for name in "ijk"
            if self.is_free(name, step.reverse, lambda read: step.position < read, set())
        ]
        return names[0] if names else "index"
