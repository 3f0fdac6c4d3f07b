"""Which arrays may be one array when the program runs: those that branches and loops choose between.

    a = p if c else q               a write into `a` changes `p` or `q`, and `b` with them:
    b = p[1:] if c else q[:2]       what they hold is not known any more
    a[0] = 1.0

Two choices are compared where they were made: of one branch, what they are on either side; of one loop,
what they are before it, and what a turn makes of them. So arrays that turns exchange stay two.
"""

from __future__ import annotations

from collections.abc import Iterator

from ad_compiler.analysis.layout import is_array
from ad_compiler.analysis.storage import shared_with, storages_of
from ad_compiler.frontend.aliases import reachable_scopes, root_of, viewing
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.courses import turns_for_sure
from ad_compiler.frontend.scope import LocalFunction, containers_in, sides_of
from ad_compiler.frontend.undecided import side_taken
from ad_compiler.ir import Branch, Call, Loop, Operand, Value
from ad_compiler.traversal import origins_of, values_in


def latest_root(context: Context, root: Value) -> Value | None:
    """The root that a root has become; None where that is not known any more."""
    found = root
    while True:
        newer = context.newer.get(found, context.left.get(found, context.carried.get(found)))
        if newer is None:
            return found
        if not isinstance(newer, Value):
            return None
        found = root_of(newer)


def possible_roots(context: Context, chosen: Value) -> list[Value]:
    """The other arrays that a chosen one, or what a function that calls itself has returned, may be."""
    roots = list(context.choices.get(chosen, ()))
    if isinstance(chosen.operation, Call):
        roots += [root_of(each) for each in storages_of(chosen) if is_array(each)]
    if isinstance(chosen.operation, Branch):
        roots = [root for root in roots if Comparison(context).may_be_one(root, chosen)]
    found = [latest_root(context, root) for root in roots]
    return [root for root in dict.fromkeys(found) if root is not None and root is not chosen]


def choices_between(context: Context, root: Value) -> list[Value]:
    """What may have been chosen to be this array."""
    return [
        chosen
        for chosen in context.choices
        if chosen is not root and chosen not in context.newer and root in possible_roots(context, chosen)
    ]


def sharing_with(context: Context, written: Value) -> list[Value]:
    """The other arrays, of names and of what was chosen, that may be this one."""
    held = [
        root_of(value)
        for scope in reachable_scopes(context)
        for name in scope.names.values()
        for operand in sides_of(name)
        for value in held_in(operand)
        if is_array(value)
    ]
    latest = dict.fromkeys(latest_root(context, root) for root in [*held, *context.choices])
    return [
        root
        for root in latest
        if root not in (None, written) and Comparison(context).may_be_one(root, written)
    ]


def held_in(operand: Operand) -> Iterator[Value]:
    """The values in an operand, and in the defaults of local functions."""
    yield from values_in(operand)
    for container in containers_in(operand):
        if isinstance(container, LocalFunction):
            yield from values_in([container.defaults, container.keyword_defaults])
        else:
            yield from values_in(container)


class Comparison:
    """Whether two arrays may be one, pairs that are being compared taken to be different."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.seen: set[frozenset[Value]] = set()

    def may_be_one(self, a: Operand, b: Operand) -> bool:
        if not (is_array(a) and is_array(b)):
            return False
        a, b = memory_of(a), memory_of(b)
        if a is b:
            return True
        pair = frozenset((a, b))
        if pair in self.seen:
            return False
        self.seen.add(pair)
        mine, theirs = self.sources(a), self.sources(b)
        if chosen_together(a, b) and not {a, b} & self.context.narrowed.keys():
            return any(map(self.may_be_one, mine, theirs))
        if mine:
            return any(self.may_be_one(each, b) for each in mine)
        return any(self.may_be_one(a, each) for each in theirs)

    def sources(self, value: Value) -> list[Operand]:
        """What it was chosen from, as far as the branches around tell."""
        context, node = self.context, value.operation
        if value in context.narrowed:
            return [context.narrowed[value]]
        origins = list(origins_of(value) or ())
        if not origins:  # of a loop that is being lowered: what is known by now, first what it starts with
            return list(values_in(shared_with(value))) or list(context.choices.get(value, ()))
        if isinstance(node, Branch):
            side = side_taken(context, node.condition)
            return origins if side is None else origins[:1] if side else origins[1:]
        return origins[1:] if isinstance(node, Loop) and turns_for_sure(node.bounds) else origins


def memory_of(value: Value) -> Value:
    """The first array that was in the memory that this one shows."""
    while True:
        seen = viewing(value)
        before = value.memory_of if seen is None else seen.arguments[0]
        if before is None:
            return value
        value = before


def chosen_together(a: Value, b: Value) -> bool:
    """Whether one branch or loop has chosen both."""
    if isinstance(a.operation, (Branch, Loop)):
        return a.operation is b.operation
    return a.loop is not None and a.loop is b.loop and b.operation is None
