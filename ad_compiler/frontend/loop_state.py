"""What is found out about a loop while its body is lowered, again and again.

A loop carries what names and elements of containers hold where they are bound anew (*places*), and the
arrays that are written into (*memory*): names that show such an array show, in a turn, what the turn before
has left of it.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from typing import Any

from ad_compiler.analysis.joins import Different
from ad_compiler.analysis.layout import is_array
from ad_compiler.analysis.types import Element, Length, ListType, Type, Unions
from ad_compiler.frontend.aliases import (
    reference_of,
    replace_storage,
    root_of,
    supersede,
)
from ad_compiler.frontend.carried import (
    is_leaf,
    kind_of,
    map_leaves,
    stored_names,
)
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.courses import Course, turns_for_sure
from ad_compiler.frontend.growing import grows, may_be_number
from ad_compiler.frontend.lists import lifted
from ad_compiler.frontend.outcomes import END, Outcome
from ad_compiler.frontend.scope import Scope, Undecided
from ad_compiler.frontend.snapshots import Snapshot
from ad_compiler.frontend.undecided import settle_names
from ad_compiler.ir import Iteration, Loop, Operand, Value
from ad_compiler.traversal import values_in

Place = tuple[int, Any]  # a scope or a container, by its number, and a name or an index in it
MISSING = object()
UNKNOWN = "known while compiling"  # every refusal for want of a constant says so


class LoopState:
    """One loop: its text, what held before it, and what is known by now of what its turns change."""

    def __init__(self, context: Context, node: ast.For | ast.While, course: Course | None) -> None:
        self.context = context
        self.node = node
        self.course = course
        settle_names(context, node)
        self.before = Snapshot(context)
        self.start = self.after = self.before  # what names hold when a turn starts, and when it ends
        containers = [each for each, _ in self.before.containers.values() if not isinstance(each, list)]
        self.holders: list[Any] = [*self.before.scopes, *containers]
        self.stored = stored_names(node)
        self.memory: dict[Value, None] = {}  # arrays that a turn writes into
        self.expected: set[Value] = set()  # those of them that its text only tells of
        self.lost: dict[Value, Undecided] = {}  # arrays that it may have written into
        self.vague: set[Place] = set()  # places that hold one array or another, which are written into
        self.ends: dict[
            Place, tuple[Value, ...]
        ] = {}  # which arrays from outside a place may hold after a turn
        self.kinds: dict[Place, dict[int, Type]] = {}  # of the leaves of what a place holds, by their number
        self.lengths: defaultdict[tuple[Place, int], set[Length]] = defaultdict(set)  # made for these
        self.lists: dict[Place, Element] = {}  # places whose lists have another length in every turn
        self.lifted: dict[int, Value] = {}  # lists from before the loop -> as one value
        self.bound: dict[Place, Operand] = {}  # what a place is bound to when a turn starts
        self.changes = len(context.lists.changes)  # of lists, before this loop
        self.different: dict[Place, str] = {}  # why what a place holds has no one kind
        self.inside: set[Value] = set()  # what a turn starts with, and makes
        self.unions: Unions = []  # lengths that a turn finds equal
        self.test_inside = False  # the condition of a `while` writes: it is lowered with the body
        self.outcome = Outcome(END)

    def number(self, holder: Any) -> int:
        return next(number for number, each in enumerate(self.holders) if each is holder)

    def is_bound(self, scope: Scope, name: str) -> bool:
        """Whether it is known what a name is before the loop."""
        names = self.before.names_of(scope)
        return name in names and not isinstance(names[name], Undecided)

    def held(self, snapshot: Snapshot, place: Place) -> Operand:
        """What a place holds; MISSING where it is gone."""
        number, name = place
        holder = self.holders[number]
        contents = snapshot.names_of(holder) if isinstance(holder, Scope) else snapshot.contents(holder)
        if isinstance(contents, list):
            return contents[name] if name < len(contents) else MISSING
        assert contents is not None
        return contents.get(name, MISSING)

    def content(self, snapshot: Snapshot, place: Place) -> Operand:
        """What a place holds, lists with the items that they had then."""
        return with_items_of(snapshot, self.held(snapshot, place))

    def initial(self, place: Place) -> Operand:
        operand = self.held(self.before, place)
        if place not in self.lists or isinstance(operand, Value):
            return operand
        if id(operand) not in self.lifted:
            made = lifted(self.context, self.node, operand, self.lists[place])
            made.name = place[1] if isinstance(place[1], str) else None
            self.lifted[id(operand)] = made
        return self.lifted[id(operand)]

    def bind(self, place: Place, operand: Operand) -> None:
        number, name = place
        holder = self.holders[number]
        if isinstance(holder, (list, dict)):
            holder[name] = operand
        elif isinstance(holder, Iteration):
            setattr(holder, name, operand)
        else:
            (holder.names if isinstance(holder, Scope) else holder.fields)[name] = operand

    def in_order(self, carried: set[Place]) -> list[Place]:
        return sorted(carried, key=lambda place: (place[0], str(place[1])))

    def first(self, root: Value) -> Value:
        return reference_of(self.context, root)

    def roots_in(self, operand: Operand) -> list[Value]:
        """The arrays that an operand shows, as they were before all writes."""
        return [self.first(root_of(value)) for value in values_in(operand) if is_array(value)]

    def note_end(self, place: Place, roots: list[Value]) -> None:
        """After a turn, a place may hold one of these arrays from outside."""
        self.ends[place] = tuple(dict.fromkeys([*self.ends.get(place, ()), *roots]))

    def endless(self, loop: Loop) -> bool:
        return loop.bounds is None and loop.condition is None

    def turns_for_sure(self) -> bool:
        return self.course is not None and turns_for_sure(self.course.bounds)

    def enter(self, memory: dict[Value, Value]) -> None:
        """Have names show what the turn before has left of the arrays that are written into."""
        for root, param in memory.items():
            replace_storage(self.context, root, param)
        for root, undecided in self.lost.items():
            supersede(self.context, root, undecided)

    def params(self, place: Place, loop: Loop) -> Operand:
        """Values that stand for what a place holds when a turn of the loop starts."""
        known = self.kinds.setdefault(place, {})
        initial = self.initial(place)
        name = place[1] if isinstance(place[1], str) and place[1].isidentifier() else None
        if place in self.lists:
            return Value(ListType(self.lists[place]), name)

        def param(operand: Operand) -> Value:
            kind = known.setdefault(len(made), kind_of(operand))
            value = Value(kind, name if is_leaf(initial) else leaf_name(operand))
            value.immutable = not is_array(operand)
            value.loop = loop
            made.append(value)
            if grows(kind_of(operand), kind) or (
                is_array(operand) and may_be_number(self.context, self.first(root_of(operand)))
            ):
                self.context.numbers.add(value)
            if is_array(operand):
                root = root_of(operand)
                others = [*self.context.choices.get(root, ()), *self.ends.get(place, ())]
                self.context.choices[value] = tuple(dict.fromkeys([root, *others]))
            return value

        made: list[Value] = []
        try:
            return map_leaves(param, initial)
        except Different:
            return initial


def with_items_of(snapshot: Snapshot, operand: Operand) -> Operand:
    """The operand, its lists with the items that they had at that moment."""
    if isinstance(operand, list):
        return [with_items_of(snapshot, item) for item in snapshot.contents(operand) or ()]
    if type(operand) is tuple:
        return tuple([with_items_of(snapshot, item) for item in operand])
    return operand


def leaf_name(operand: Operand) -> str | None:
    return operand.name if isinstance(operand, Value) else None


def taking_over(root: Value) -> Value:
    """A value that stands for an array after writes into it."""
    result = Value(root.type, root.name)
    result.memory_of = root
    return result
