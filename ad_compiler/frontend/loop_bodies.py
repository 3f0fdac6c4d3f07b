"""The body of a loop, lowered once for all its turns.

It is lowered on values that stand for what any turn may start with: of the names and elements that turns
bind anew, and of the arrays that they write into. Their kinds, and which arrays a name may hold, are known
only when the body has been lowered: so it is lowered again until nothing new is found (a fixed point).
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ad_compiler.analysis.joins import Different, same_element
from ad_compiler.analysis.layout import is_array
from ad_compiler.analysis.types import INT, Element, ListType, Type
from ad_compiler.builder import key_of
from ad_compiler.frontend.aliases import (
    COPY_ADVICE,
    current,
    made_in,
    note_choice,
    reference_of,
    replace_storage,
    root_of,
    supersede,
)
from ad_compiler.frontend.branches import is_any_list, items_of
from ad_compiler.frontend.carried import (
    as_result,
    changed_lists,
    is_leaf,
    joined,
    kind_of,
    map_leaves,
    same_kind,
    stored_names,
)
from ad_compiler.frontend.checkpointed import check_repeatable
from ad_compiler.frontend.context import Context, lower
from ad_compiler.frontend.courses import Course
from ad_compiler.frontend.lists import check_items, joined_list, lifted, lists_in, truth_of
from ad_compiler.frontend.outcomes import END, Outcome, tags_of
from ad_compiler.frontend.scope import Scope, Undecided
from ad_compiler.frontend.snapshots import Snapshot
from ad_compiler.frontend.statements import assign, in_statement, run
from ad_compiler.ir import (
    UNBOUND,
    Block,
    Iteration,
    Loop,
    Operand,
    Record,
    Shortcut,
    Value,
    inputs_of,
    map_values,
    substitute,
    values_in,
)
from ad_compiler.refusal import Refusal, ResultUnknown
from ad_compiler.rules.lists import is_list, joined_items
from ad_compiler.rules.shapes import rank_of

MOST_ROUNDS = 12  # of lowering a body until the kinds fit: dtypes and lengths can be joined a few times only
UNKNOWN = "known while compiling"  # every refusal for want of a constant says so
Place = tuple[int, Any]  # a scope or a container, by its number, and a name or an index in it
MISSING = object()
_ENDLESS = "this loop does not end", "leave it with `break` or `return`"
_ONE_KIND = "give it one kind of value before the loop, and keep it"


@contextmanager
def in_body(context: Context) -> Iterator[None]:
    scope = context.here
    before, scope.in_loop = scope.in_loop, True
    try:
        yield
    finally:
        scope.in_loop = before


class LoopLowering:
    """Lowers one loop, again and again until the kinds of what it carries fit.

    A loop carries what names and elements of containers hold where they are bound anew (*places*), and the
    arrays that are written into (*memory*): names that show such an array show, in a turn, what the turn
    before has left of it.
    """

    def __init__(self, context: Context, node: ast.For | ast.While, course: Course | None) -> None:
        self.context = context
        self.node = node
        self.course = course
        self.before = Snapshot(context)
        self.start = self.after = self.before  # what names hold when a turn starts, and when it ends
        containers = [each for each, _ in self.before.containers.values() if not isinstance(each, list)]
        self.holders: list[Any] = [*self.before.scopes, *containers]
        self.stored = stored_names(node)
        self.memory: dict[Value, None] = {}  # arrays that a turn writes into
        self.lost: dict[Value, Undecided] = {}  # arrays that it may have written into
        self.vague: set[Place] = set()  # places that hold one array or another, which are written into
        self.ends: dict[
            Place, tuple[Value, ...]
        ] = {}  # which arrays from outside a place may hold after a turn
        self.kinds: dict[Place, dict[int, Type]] = {}  # of the leaves of what a place holds, by their number
        self.lists: dict[Place, Element] = {}  # places whose lists have another length in every turn
        self.lifted: dict[int, Value] = {}  # lists from before the loop -> as one value
        self.bound: dict[Place, Operand] = {}  # what a place is bound to when a turn starts
        self.changes = len(context.lists.changes)  # of lists, before this loop
        self.different: dict[Place, str] = {}  # why what a place holds has no one kind
        self.inside: set[Value] = set()  # what a turn starts with, and makes
        self.test_inside = False  # the condition of a `while` writes: it is lowered with the body
        self.outcome = Outcome(END)

    def run(self) -> Outcome:
        try:
            return self.settle()
        except ResultUnknown:  # what no turn at all comes to tells what a recursion returns
            if isinstance(self.node, ast.While) and is_true(self.node.test):
                raise
            self.restore()
            return Outcome(END)

    def settle(self) -> Outcome:
        carried = self.expected()
        self.lift_changed(carried)
        for _ in range(MOST_ROUNDS):
            carried |= self.other_places(carried)
            loop, params, memory = self.lower(carried)
            self.restore()
            more = self.changed(carried)
            grown = self.writes(loop, params, memory)
            fits = self.join(carried, params)
            if fits and not more and not grown:
                if self.endless(loop) and not tags_of(self.outcome.tag) - {END}:
                    if self.context.result_unknown:
                        raise ResultUnknown(self.context.refuse(self.node, *_ENDLESS))
                    raise self.context.refuse(self.node, *_ENDLESS)
                return self.finish(loop, carried, params, memory)
            carried |= more
        raise self.context.refuse(self.node, "the kinds of what this loop changes do not settle", _ONE_KIND)

    def expected(self) -> set[Place]:
        """The places that the body binds, as far as its text tells."""
        here = self.context.here
        found: set[Place] = set()
        updated, bound = augmented_names(self.node), bound_names(self.node)
        for name in self.stored | changed_lists(self.node):
            if not self.is_bound(here, name):
                continue
            operand = self.before.names_of(here)[name]
            if isinstance(operand, dict) and id(operand) in self.before.containers:
                number = self.number(operand)
                contents = self.before.names_of(here)[name]
                found |= {
                    (number, key) for key, item in contents.items() if is_leaf(item) and not is_array(item)
                }
            in_place = is_array(operand) or isinstance(operand, (dict, Record, Iteration))
            if is_any_list(operand) or (name in bound and not (name in updated and in_place)):
                found.add((self.number(here), name))
        return found

    def number(self, holder: Any) -> int:
        return next(number for number, each in enumerate(self.holders) if each is holder)

    def is_bound(self, scope: Scope, name: str) -> bool:
        """Whether it is known what a name is before the loop."""
        names = self.before.names_of(scope)
        return name in names and not isinstance(names[name], Undecided)

    def restore(self) -> None:
        """Names and containers as they were before the loop."""
        self.before.restore()

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

    def other_places(self, carried: set[Place]) -> set[Place]:
        """The other places of the lists that these places hold."""
        same: dict[int, set[Place]] = {}
        for number, holder in enumerate(self.holders):
            contents = (
                self.before.names_of(holder) if isinstance(holder, Scope) else self.before.contents(holder)
            )
            for name, operand in items_of(holder, contents).items():
                if is_any_list(operand) and id(operand) not in self.context.outside:
                    same.setdefault(id(operand), set()).add((number, name))
        found: set[Place] = set()
        for places in same.values():
            if places & carried:
                found |= places
            for place in places & self.lists.keys():
                self.lists.update(dict.fromkeys(places, self.lists[place]))
        return found

    def lift_changed(self, carried: set[Place]) -> None:
        """Lists with items, whose methods the body calls, are expected to change their length."""
        for place in carried:
            operand = self.held(self.before, place)
            if isinstance(operand, list) and operand and place[1] in changed_lists(self.node):
                with suppress(Refusal):
                    self.lists[place] = joined_items(operand)

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

    def lower(self, carried: set[Place]) -> tuple[Loop, dict[Place, Operand], dict[Value, Value]]:
        """One try: the body on values of the kinds known so far."""
        context, node = self.context, self.node
        builder = context.builder
        loop = Loop(Block(), statement=builder.statement, place=(context.here.source, node))
        params: dict[Place, Operand] = {}
        shared: dict[int, Operand] = {}  # one list under two names stays one
        for place in self.in_order(carried):
            params[place] = self.params(place)
            operand = map_values(lambda value: value, params[place])
            if is_any_list(operand):
                operand = shared.setdefault(id(self.initial(place)), operand)
                params[place] = map_values(lambda value: value, operand)
            self.bound[place] = operand
            self.bind(place, operand)
        for place in self.vague:
            self.bind(
                place, Undecided(f"which array `{place[1]}` is changes from turn to turn", advice=COPY_ADVICE)
            )
        for name in self.stored:
            if not self.is_bound(context.here, name):
                context.here.names[name] = Undecided(f"`{name}` may not be bound before this turn")
        memory = {root: taking_over(root) for root in self.memory}
        if self.course is not None:
            loop.bounds, loop.index = self.course.bounds, Value(INT)
            loop.index.loop = loop
            loop.checkpoints = self.course.checkpoints
        test = node.test if isinstance(node, ast.While) else None
        walrus = test is not None and any(isinstance(part, ast.NamedExpr) for part in ast.walk(test))
        if test is not None and not walrus and not self.test_inside:
            loop.condition = Block()
            outside = Snapshot(context)
            with builder.inside(loop.condition):
                self.enter(memory)
                written = len(context.newer)
                truth = in_statement(context, node, lambda: truth_of(context, test, lower(context, test)))
                self.test_inside = len(context.newer) > written
            outside.restore()
            if isinstance(truth, Value) and rank_of(truth):
                raise context.refuse(test, "the truth of an array is ambiguous", "use `.any()` or `.all()`")
            loop.condition.results.append(truth)
            if (not isinstance(truth, Value) and truth) or self.test_inside:
                loop.condition = None
        body = node.body
        if test is not None and loop.condition is None and not is_true(test):
            body = [leave_unless(test), *body]
        with builder.inside(loop.body), in_body(context):
            self.enter(memory)
            self.start = Snapshot(context)
            if self.course is not None and isinstance(node, ast.For):
                assign(context, node.target, self.course.item(loop.index))
            outcome = run(context, body)
            self.outcome = Outcome(outcome.tag, current(context, outcome.result))
            self.after = Snapshot(context, self.holders)
        return loop, params, memory

    def enter(self, memory: dict[Value, Value]) -> None:
        """Have names show what the turn before has left of the arrays that are written into."""
        for root, param in memory.items():
            replace_storage(self.context, root, param)
        for root, undecided in self.lost.items():
            supersede(self.context, root, undecided)

    def endless(self, loop: Loop) -> bool:
        return loop.bounds is None and loop.condition is None

    def params(self, place: Place) -> Operand:
        """Values that stand for what a place holds when a turn starts."""
        known = self.kinds.setdefault(place, {})
        initial = self.initial(place)
        name = place[1] if isinstance(place[1], str) and place[1].isidentifier() else None
        if place in self.lists:
            return Value(ListType(self.lists[place]), name)

        def param(operand: Operand) -> Value:
            kind = known.setdefault(len(made), kind_of(operand))
            value = Value(kind, name if is_leaf(initial) else leaf_name(operand))
            value.immutable = not is_array(operand)
            made.append(value)
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

    def changed(self, carried: set[Place]) -> set[Place]:
        """Places that the body did bind anew, against expectation: through another name, or in a caller."""
        found: set[Place] = set()
        for number, holder in enumerate(self.holders):
            if isinstance(holder, Scope):
                before, start, after = (s.names_of(holder) for s in (self.before, self.start, self.after))
            else:
                before, start, after = (
                    items_of(holder, s.contents(holder)) for s in (self.before, self.start, self.after)
                )
            if not isinstance(holder, Scope) and list(before) != list(after):
                kind = holder.cls.__name__ if isinstance(holder, Record) else type(holder).__name__
                raise self.context.refuse(
                    self.node,
                    f"the structure of a {kind} must be {UNKNOWN}, and it changes from turn to turn",
                    "run over a container or a range of constants, or write into an array",
                )
            for name, operand in before.items():
                place = (number, name)
                if place in carried or place in self.vague or isinstance(operand, Undecided):
                    continue
                if name not in after or not self.is_same(start[name], after[name]):
                    found.add(place)
        return found

    def is_same(self, start: Operand, now: Operand) -> bool:
        """Whether two operands are the same object, written into or not."""
        if start is now or isinstance(start, Undecided):
            return True
        if isinstance(start, Value) and isinstance(now, (Value, Undecided)):
            if isinstance(now, Undecided):
                return isinstance(self.after.latest(root_of(start)), Undecided)
            context = self.context
            return is_array(start) and reference_of(context, start) is reference_of(context, now)
        if type(start) is tuple and type(now) is tuple and len(start) == len(now):
            return all(map(self.is_same, start, now))
        return (
            not isinstance(start, Value)
            and not is_any_list(start)
            and not isinstance(start, (dict, Record, Iteration))
            and key_of(start) == key_of(now)
        )

    def writes(self, loop: Loop, params: dict[Place, Operand], memory: dict[Value, Value]) -> bool:
        """Note which arrays a turn has written into; whether there are new ones, or new doubts."""
        before = len(self.memory), len(self.lost), len(self.vague), sum(map(len, self.ends.values()))
        self.inside = {*made_in(loop.body), *values_in(list(params.values())), *memory.values()}
        if loop.condition is not None:
            self.inside.update(made_in(loop.condition))
        known = self.start.newer
        for root in [*memory, *self.after.newer]:
            if root in self.inside or (root in known and root not in memory):
                continue
            latest = self.after.latest(root)
            if isinstance(latest, Undecided):
                self.lost[root] = latest
                self.memory.pop(root, None)
            elif root not in self.lost:
                self.memory[root] = None
        written = {
            self.first(root)
            for root, newer in self.after.newer.items()
            if root not in known and newer in self.inside
        }
        self.note_vague(params, written)
        return before != (
            len(self.memory),
            len(self.lost),
            len(self.vague),
            sum(map(len, self.ends.values())),
        )

    def first(self, root: Value) -> Value:
        return reference_of(self.context, root)

    def roots_in(self, operand: Operand) -> list[Value]:
        """The arrays that an operand shows, as they were before all writes."""
        return [self.first(root_of(value)) for value in values_in(operand) if is_array(value)]

    def note_vague(self, params: dict[Place, Operand], written: set[Value]) -> None:
        """Find the places whose array is not one of their own, and written into by this name or another."""
        carried = {self.first(root) for root in self.memory}
        starts: dict[Value, list[Place]] = {}
        ends: dict[Value, list[Place]] = {}
        for place, operand in params.items():
            mine = written & set(values_in(operand))
            held = self.held(self.after, place)
            for root in self.roots_in(self.initial(place)):
                starts.setdefault(root, []).append(place)
                if root in carried:
                    self.vague.add(place)
            for root in self.roots_in(() if held is MISSING else held):
                ends.setdefault(root, []).append(place)
                if root in carried:
                    self.vague.add(place)
                elif root not in self.inside and (mine or root in written):
                    self.note_end(place, [root])
            self.note_end(place, self.arrays_handed_on(place, () if held is MISSING else held, params))
        for groups in (starts, ends):
            for root, places in groups.items():
                written_here = any(written & set(values_in(params[place])) for place in places)
                if len(places) > 1 and (written_here or root in written):
                    self.vague.update(places)

    def arrays_handed_on(self, place: Place, held: Operand, params: dict[Place, Operand]) -> list[Value]:
        """The arrays from outside that a place may hold after a turn because of what other places held, or
        a branch has chosen."""
        ends = self.roots_in(held)
        chosen = {self.first(each) for root in ends for each in self.after.choices.get(root, ())}
        found = [root for root in chosen if root not in self.inside]
        for other, param in params.items():
            if other != place and set(values_in(param)) & {*ends, *chosen}:
                found += [*self.roots_in(self.initial(other)), *self.ends.get(other, ())]
        return found

    def note_end(self, place: Place, roots: list[Value]) -> None:
        """After a turn, a place may hold one of these arrays from outside."""
        self.ends[place] = tuple(dict.fromkeys([*self.ends.get(place, ()), *roots]))

    def join(self, carried: set[Place], params: dict[Place, Operand]) -> bool:
        """Join the kinds after a turn to those before; whether they were that already."""
        self.different.clear()
        fits = True
        for place in carried:
            kinds = self.kinds[place]
            places = itertools.count()
            now = self.held(self.after, place)
            if now is not self.bound[place] and is_any_list(now) and is_any_list(self.initial(place)):
                fits = self.join_lists(place, params[place], now) and fits
                if place in self.lists or place in self.different:
                    continue

            def join(
                param: Operand,
                initial: Operand,
                operand: Operand,
                kinds: dict[int, Type] = kinds,
                places: Iterator[int] = places,
            ) -> Operand:
                nonlocal fits
                number = next(places)
                if operand is not param:
                    kind = joined(kinds[number], operand, initial)
                    fits = fits and same_kind(kind, kinds[number])
                    kinds[number] = kind
                return operand

            try:
                map_leaves(join, params[place], self.initial(place), self.content(self.after, place))
            except Different as error:
                self.different[place] = str(error)
        return fits

    def join_lists(self, place: Place, param: Operand, now: Operand) -> bool:
        """The kind of the items of a list, if turns change its length; whether it was that already."""
        initial = self.initial(place)
        static = isinstance(param, list) and isinstance(now, list) and isinstance(initial, list)
        if static and len(now) == len(initial):
            return True
        try:
            element = joined_list(initial, param, now).element
        except (Refusal, Different) as error:
            self.different[place] = str(error)
            return True
        fits = place in self.lists and same_element(self.lists[place], element)
        if not fits:
            self.lifted.clear()
        self.lists[place] = element
        return fits

    def finish(
        self,
        loop: Loop,
        carried: set[Place],
        params: dict[Place, Operand],
        memory: dict[Value, Value],
    ) -> Outcome:
        """The loop with what it carries, and the names that hold its results."""
        context = self.context
        if loop.checkpoints is not None:
            check_repeatable(context, self.node, loop.body)
        invariant: dict[Value, Operand] = {}
        carried_before: dict[Value, Operand] = {}
        lists_left: dict[int, Operand] = {}  # one list under two names stays one
        left: dict[Place, Operand] = {}
        shown: dict[Value, list[Value]] = {}  # the root that a turn ends with -> the results that show it

        def carry(param: Operand, initial: Operand, operand: Operand) -> Operand:
            assert isinstance(param, Value)
            if param in carried_before:
                return carried_before[param]
            if is_list(param):
                with context.builder.inside(loop.body):
                    operand = lifted(context, self.node, operand, self.lists.get(place))
            if operand is param:
                invariant[param] = carried_before[param] = initial
                param.loop = loop
                return initial
            result = Value(as_result(param.type), param.name)
            result.immutable = param.immutable and not is_array(operand)
            loop.carry(param, initial, operand, result)
            carried_before[param] = result
            if is_array(operand):
                shown.setdefault(root_of(operand), []).append(result)
                note_choice(
                    context,
                    result,
                    (UNBOUND if self.turns_for_sure() else initial, *self.ends.get(place, ())),
                )
            return result

        self.check_lists()
        after_memory: dict[Value, Value] = {}
        for root, param in memory.items():
            end = self.after.latest(param)
            if end is param:
                invariant[param] = root
                param.loop = loop
                continue
            result = taking_over(root)
            loop.carry(param, root, end, result)
            after_memory[root] = result
            shown.setdefault(root_of(end), []).append(result)
        for place in self.in_order(set(params)):
            now = self.content(self.after, place)
            try:
                if now is MISSING:
                    raise Different("it is deleted")
                if isinstance(now, Undecided):
                    raise Different(now.reason)
                if place in self.different:
                    raise Different(self.different[place])
                if place in self.vague:
                    raise Different("it is one array or another, and they are written into")
                operand = map_leaves(carry, params[place], self.initial(place), now)
                left[place] = lists_left.setdefault(id(self.bound[place]), operand)
            except Different as error:
                left[place] = Undecided(f"`{place[1]}` changes from turn to turn: {error}")
                self.check_unread(loop, place, params[place], str(error))
        here = context.here
        now = self.after.names_of(here)
        for name in sorted(self.stored):
            if name in now and not self.is_bound(here, name):
                left[self.number(here), name] = self.bound_inside(loop, name, now[name], shown)
        outcome = self.leaving(loop, shown)
        context.builder.append(loop)
        for place, operand in left.items():
            self.bind(place, operand)
        for root, result in after_memory.items():
            replace_storage(context, root, result)
        for root, undecided in self.lost.items():
            supersede(context, root, undecided)
        self.note_results(shown, after_memory)
        if invariant:
            self.replace(loop, invariant)
        check_items(context, self.node, loop)
        return outcome

    def check_lists(self) -> None:
        """Refuse a loop after whose turns two names may hold one list that did not before, or the reverse."""
        identities = self.context.lists
        changed = [old for old, _ in identities.changes[self.changes :]]
        places: list[tuple[str, Operand, Operand]] = []  # where lists are held: in a turn, and before
        for number, names in enumerate(self.before.names):
            for name, operand in names.items():
                inside = lists_in(self.bound.get((number, name)))
                places += [(name, next(inside, None), each) for each in lists_in(operand)]
        for name, param, before in places:
            if not any(param is old for old in changed):
                continue
            for other, second, each in places:
                if second is not param and identities.family(before) & identities.family(each):
                    raise self.context.refuse(
                        self.node,
                        f"a list of `{name}` is changed in this loop, and `{other}` may hold the same list",
                        "use one name for a list, or copy it: `list(xs)`",
                    )
        held = [
            (place[1], param, self.held(self.after, place))
            for place, param in self.bound.items()
            if is_any_list(param)
        ]
        for (name, param, now), (other, second, then) in itertools.combinations(held, 2):
            if (param is second) != (now is then) or (
                now is not then and identities.family(now) & identities.family(then)
            ):
                raise self.context.refuse(
                    self.node,
                    f"`{name}` and `{other}` may be one list or two after a turn of this loop",
                    "use one name for a list, or copy it: `list(xs)`",
                )

    def turns_for_sure(self) -> bool:
        """Whether there is at least one turn, whatever the numbers are."""
        bounds = self.course.bounds if self.course is not None else (0, 0, 1)
        return not any(isinstance(bound, Value) for bound in bounds) and len(range(*bounds)) > 0

    def note_results(self, shown: dict[Value, list[Value]], after_memory: dict[Value, Value]) -> None:
        """Note which results show one array, and which show one from outside of the loop."""
        choices = self.context.choices
        left = {self.first(root): result for root, result in after_memory.items()}
        for root, results in shown.items():
            first = self.first(root)
            same = [*results, left.get(first, first)]
            for result in results:
                others = [
                    other for other in dict.fromkeys(same) if other is not result and other not in self.inside
                ]
                if others and result not in left.values():
                    choices[result] = tuple(dict.fromkeys([*choices.get(result, ()), *others]))

    def check_unread(self, loop: Loop, place: Place, param: Operand, difference: str) -> None:
        """Refuse a loop that reads, at the start of a turn, what has no one kind."""
        wanted = set(values_in(param))
        read = {value for node in loop.body.operations for value in inputs_of(node)}
        if not wanted or wanted & read or wanted & set(values_in(loop.body.results)):
            reason = f"what `{place[1]}` is must be {UNKNOWN}, and it changes from turn to turn: {difference}"
            raise self.context.refuse(self.node, reason, _ONE_KIND)

    def bound_inside(
        self, loop: Loop, name: str, operand: Operand, shown: dict[Value, list[Value]]
    ) -> Operand:
        """What a name is after the loop that only the loop binds."""

        def carry(leaf: Operand) -> Operand:
            kind = kind_of(leaf)
            result = Value(as_result(kind), leaf_name(leaf) or name)
            result.immutable = not is_array(leaf)
            loop.carry(Value(kind, name), UNBOUND, leaf, result)
            if is_array(leaf):
                shown.setdefault(root_of(leaf), []).append(result)
            return result

        if isinstance(operand, Undecided):
            return operand
        try:
            return map_leaves(carry, operand)
        except Different:
            return Undecided(f"`{name}` is bound in a loop")

    def leaving(self, loop: Loop, shown: dict[Value, list[Value]]) -> Outcome:
        """How the loop ends: by itself, or as its last turn says."""
        inside = self.outcome
        tags = tags_of(inside.tag)
        if tags == {END}:
            return Outcome(END)
        loop.leave = inside.tag
        endless = self.endless(loop)
        left = tags - {END} if endless else tags | {END}
        tag: Operand
        if len(left) == 1:
            (tag,) = left
        else:
            tag = Value(INT, "leaving")
            loop.carry(Value(INT, "leaving"), min(left), inside.tag, tag)

        def carry(leaf: Value) -> Value:
            name = leaf.name or "result"
            result = Value(as_result(leaf.type), name)
            result.immutable = not is_array(leaf)
            loop.carry(Value(leaf.type, name), UNBOUND, leaf, result)
            if is_array(leaf):
                shown.setdefault(root_of(leaf), []).append(result)
            return result

        return Outcome(tag, map_values(carry, inside.result))

    def replace(self, loop: Loop, invariant: dict[Value, Operand]) -> None:
        """What no turn changes is what it was before the loop."""
        wrapper = Block([loop])
        substitute(wrapper, invariant)
        for result, shortcut in list(self.context.shortcuts.items()):
            if any(value in invariant for value in values_in((shortcut.inputs, shortcut.given))):
                inputs = map_values(lambda v: invariant.get(v, v), shortcut.inputs)
                given = map_values(lambda v: invariant.get(v, v), shortcut.given)
                self.context.shortcuts[result] = Shortcut(
                    result, inputs, shortcut.partials, given, shortcut.singular
                )


def with_items_of(snapshot: Snapshot, operand: Operand) -> Operand:
    """The operand, its lists with the items that they had at that moment."""
    if isinstance(operand, list):
        return [with_items_of(snapshot, item) for item in snapshot.contents(operand) or ()]
    if type(operand) is tuple:
        return tuple([with_items_of(snapshot, item) for item in operand])
    return operand


def taking_over(root: Value) -> Value:
    """A value that stands for an array after writes into it."""
    result = Value(root.type, root.name)
    result.memory_of = root
    return result


def augmented_names(node: ast.AST) -> set[str]:
    """The names that a statement only binds by `name op= value`."""
    targets = {id(inner.target) for inner in ast.walk(node) if isinstance(inner, ast.AugAssign)}
    stored = [
        inner for inner in ast.walk(node) if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store)
    ]
    return {name.id for name in stored} - {name.id for name in stored if id(name) not in targets}


def bound_names(node: ast.AST) -> set[str]:
    """The names that a statement binds or deletes themselves, and not an item of what they hold."""
    return {
        inner.id
        for inner in ast.walk(node)
        if isinstance(inner, ast.Name) and not isinstance(inner.ctx, ast.Load)
    }


def leaf_name(operand: Operand) -> str | None:
    return operand.name if isinstance(operand, Value) else None


def is_true(test: ast.expr) -> bool:
    return isinstance(test, ast.Constant) and bool(test.value)


def leave_unless(test: ast.expr) -> ast.stmt:
    """`if not test: break`: for a condition that binds names, which the turn and what follows may read."""
    leave = ast.If(ast.UnaryOp(ast.Not(), test), [ast.Break()], [])
    ast.copy_location(leave, test)
    return ast.fix_missing_locations(leave)
