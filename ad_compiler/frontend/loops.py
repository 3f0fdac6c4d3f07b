"""`for` and `while`.

A loop over a container whose items are known while compiling (a list of layers, the items of a dict) is
run through item by item. A loop over a range, an array, or one with a condition, becomes a `Loop`: its
body is lowered once, on values that stand for what any turn may start with.

    total = 0.0                     total' = loop i in range(0, n), carried t from 0.0
    for i in range(n):      ->          u = t + x[i]
        total += x[i]                   yield u

Where that fails because a number must be known while compiling (the index into a list of layers), and the
range is short and known, the loop is run through item by item too.
"""

from __future__ import annotations

import ast
import dataclasses
import itertools
import operator
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ad_compiler.analysis.joins import Different, same_element
from ad_compiler.analysis.storage import storage_of, storages_of
from ad_compiler.analysis.types import INT, Element, ListType, Type
from ad_compiler.errors import Unsupported
from ad_compiler.frontend.branches import is_any_list, run_branches
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
from ad_compiler.frontend.context import Context, controls, lower
from ad_compiler.frontend.courses import Course, course_of
from ad_compiler.frontend.iteration import is_known, items
from ad_compiler.frontend.lists import joined_list, lifted, lists_in, truth_of
from ad_compiler.frontend.operations import describe_any, operation
from ad_compiler.frontend.outcomes import BREAK, END, RETURN, Outcome, merged_outcome, tags_of
from ad_compiler.frontend.raising import always_raises, raise_if
from ad_compiler.frontend.scope import Scope, Undecided
from ad_compiler.frontend.statements import assign, continue_on, has_exits, in_statement, run, run_to_end
from ad_compiler.frontend.writes import active_scopes, is_array
from ad_compiler.ir import (
    UNBOUND,
    Block,
    Loop,
    Operand,
    Shortcut,
    Value,
    inputs_of,
    map_values,
    substitute,
    values_in,
)
from ad_compiler.refusal import Refusal, ResultUnknown
from ad_compiler.rules.lists import is_list, joined_items
from ad_compiler.rules.notation import registry
from ad_compiler.rules.shapes import rank_of

LONGEST_UNROLLED = 64  # turns
MOST_ROUNDS = 12  # of lowering a body until the kinds fit: dtypes and lengths can be joined a few times only
UNKNOWN = "known while compiling"  # every refusal for want of a constant says so
Key = tuple[Scope, str]
_ENDLESS = "this loop does not end", "leave it with `break` or `return`"
_ONE_KIND = "give it one kind of value before the loop, and keep it"


@controls(ast.For)
def run_for(context: Context, node: ast.For, rest: list[ast.stmt]) -> Outcome | None:
    """A `for`: an outcome where what follows was lowered with it."""

    def turns() -> Outcome:
        operand = lower(context, node.iter)
        course = course_of(context, node.iter, operand)
        if course is not None:
            arrays = frozenset(values_in(operand))
            return run_course(context, node, dataclasses.replace(course, arrays=arrays))
        if is_known(operand):
            return unrolled(context, node, items(context, node.iter, operand))
        raise context.refuse(
            node.iter,
            f"a loop runs over {describe_any(operand)}",
            "run over a range, an array or a container",
        )

    return after_loop(context, node, in_statement(context, node, turns), rest)


@controls(ast.While)
def run_while(context: Context, node: ast.While, rest: list[ast.stmt]) -> Outcome | None:
    """A `while`: an outcome where what follows was lowered with it."""

    def turns() -> Outcome:
        return LoopLowering(context, node, None).run()

    return after_loop(context, node, in_statement(context, node, turns), rest)


def after_loop(
    context: Context, node: ast.For | ast.While, outcome: Outcome, rest: list[ast.stmt]
) -> Outcome | None:
    """What follows a loop: its `else` if it came to its end, then the rest, unless it returned."""
    tags = tags_of(outcome.tag)
    if tags == {RETURN}:
        return outcome
    if RETURN in tags:
        returns = in_statement(context, node, lambda: is_tag(context, node, outcome, RETURN))
        if tags == {RETURN, END} and always_raises([*node.orelse, *rest]):
            raise_if(context, node, returns, False, [*node.orelse, *rest])
            return Outcome(RETURN, outcome.result)
        unreturned = Outcome(outcome.tag if len(tags) > 2 else min(tags), UNBOUND)
        ended: Outcome = in_statement(
            context,
            node,
            lambda: continue_on(
                context,
                node,
                returns,
                lambda: Outcome(RETURN, outcome.result),
                lambda: (
                    after_end(context, node, unreturned, tags - {RETURN}, rest) or run_to_end(context, rest)
                ),
            ),
        )
        return ended
    return after_end(context, node, outcome, tags, rest)


def after_end(
    context: Context, node: ast.For | ast.While, outcome: Outcome, tags: set[int], rest: list[ast.stmt]
) -> Outcome | None:
    """What follows a loop that did not return."""
    if not node.orelse or tags == {BREAK}:
        return None
    if tags == {END}:
        return run_to_end(context, [*node.orelse, *rest])
    broke = in_statement(context, node, lambda: is_tag(context, node, outcome, BREAK))
    if always_raises(node.orelse):
        raise_if(context, node, broke, False, node.orelse)
        return None
    if has_exits(node.orelse):
        return continue_on(
            context,
            node,
            broke,
            lambda: run_to_end(context, rest),
            lambda: run_to_end(context, [*node.orelse, *rest]),
        )
    run_branches(context, node, broke, lambda: None, lambda: run(context, node.orelse))
    return None


def is_tag(context: Context, node: ast.AST, outcome: Outcome, tag: int) -> Value:
    """The condition that the loop ended in this way."""
    condition = operation(context, node, registry[operator.eq], (outcome.tag, tag))
    assert isinstance(condition, Value)
    return condition


def run_course(context: Context, node: ast.For, course: Course) -> Outcome:
    """A loop over a range; run through item by item where its numbers must be known."""
    lowering = LoopLowering(context, node, course)
    try:
        return lowering.run()
    except Unsupported as error:
        if UNKNOWN not in error.reason or any(isinstance(bound, Value) for bound in course.bounds):
            raise
        numbers = range(*course.bounds)
        if len(numbers) > LONGEST_UNROLLED:
            raise
        lowering.restore()
    return unrolled(context, node, map(course.item, numbers))


def unrolled(context: Context, node: ast.For, rest: Iterator[Operand]) -> Outcome:
    """The turns of a loop one after the other, up to one that leaves it."""
    for item in rest:
        assign(context, node.target, item)
        with in_body(context):
            outcome = run(context, node.body)
        if not isinstance(outcome.tag, Value):
            if outcome.tag == END:
                continue
            return outcome
        leaves = operation(context, node, registry[operator.ne], (outcome.tag, END))
        if not isinstance(leaves, Value):
            return outcome
        return left_or_unrolled(context, node, leaves, outcome, rest)
    return Outcome(END)


def left_or_unrolled(
    context: Context, node: ast.For, leaves: Value, outcome: Outcome, rest: Iterator[Operand]
) -> Outcome:
    branch, left, right = run_branches(
        context, node, leaves, lambda: outcome, lambda: unrolled(context, node, rest)
    )
    return merged_outcome(context, node, branch, left, right)


@contextmanager
def in_body(context: Context) -> Iterator[None]:
    scope = context.here
    before, scope.in_loop = scope.in_loop, True
    try:
        yield
    finally:
        scope.in_loop = before


class LoopLowering:
    """Lowers one loop, again and again until the kinds of what it carries fit."""

    def __init__(self, context: Context, node: ast.For | ast.While, course: Course | None) -> None:
        self.context = context
        self.node = node
        self.course = course
        self.scopes = active_scopes(context)
        self.before = [dict(scope.names) for scope in self.scopes]
        self.stored = stored_names(node)
        self.kinds: dict[Key, dict[int, Type]] = {}  # of the leaves of what a name holds, by their number
        self.lists: dict[Key, Element] = {}  # names whose lists have another length in every turn
        self.lifted: dict[int, Value] = {}  # lists from before the loop -> as one value
        self.different: dict[Key, str] = {}  # why what a name holds has no one kind
        self.changes = len(context.lists.changes)  # of lists, before this loop
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
        here = self.context.here
        changing = self.stored | changed_lists(self.node)
        carried: set[Key] = {(here, name) for name in changing if self.is_bound(here, name)}
        self.lift_changed(carried)
        for _ in range(MOST_ROUNDS):
            carried |= self.other_names(carried)
            loop, params = self.lower(carried)
            after = [dict(scope.names) for scope in self.scopes]
            self.restore()
            more = self.changed(carried, after)
            fits = self.join(carried, params, after)
            if fits and not more:
                if self.endless(loop) and not tags_of(self.outcome.tag) - {END}:
                    if self.context.result_unknown:
                        raise ResultUnknown(self.context.refuse(self.node, *_ENDLESS))
                    raise self.context.refuse(self.node, *_ENDLESS)
                return self.finish(loop, carried, params, after)
            carried |= more
        raise self.context.refuse(self.node, "the kinds of what this loop changes do not settle", _ONE_KIND)

    def is_bound(self, scope: Scope, name: str) -> bool:
        """Whether it is known what a name is before the loop."""
        names = self.before[self.scopes.index(scope)]
        return name in names and not isinstance(names[name], Undecided)

    def restore(self) -> None:
        """The names as they were before the loop."""
        for scope, names in zip(self.scopes, self.before, strict=True):
            scope.names.clear()
            scope.names.update(names)

    def before_of(self, key: Key) -> Operand:
        scope, name = key
        return self.before[self.scopes.index(scope)][name]

    def initial(self, key: Key) -> Operand:
        operand = self.before_of(key)
        if key not in self.lists or isinstance(operand, Value):
            return operand
        if id(operand) not in self.lifted:
            made = lifted(self.context, self.node, operand, self.lists[key])
            made.name = key[1]
            self.lifted[id(operand)] = made
        return self.lifted[id(operand)]

    def other_names(self, carried: set[Key]) -> set[Key]:
        """The other names of the lists that these names hold."""
        same: dict[int, set[Key]] = {}
        for scope, names in zip(self.scopes, self.before, strict=True):
            for name, operand in names.items():
                if is_any_list(operand):
                    same.setdefault(id(operand), set()).add((scope, name))
        found: set[Key] = set()
        for keys in same.values():
            if keys & carried:
                found |= keys
            for key in keys & self.lists.keys():
                self.lists.update(dict.fromkeys(keys, self.lists[key]))
        return found

    def lift_changed(self, carried: set[Key]) -> None:
        """Lists with items, whose methods the body calls, are expected to change their length."""
        for key in carried:
            scope, name = key
            operand = self.before_of(key)
            if isinstance(operand, list) and operand and name in changed_lists(self.node):
                with suppress(Refusal):
                    self.lists[key] = joined_items(operand)

    def lower(self, carried: set[Key]) -> tuple[Loop, dict[Key, Operand]]:
        """One try: the body on values of the kinds known so far."""
        context, node = self.context, self.node
        builder = context.builder
        shared: dict[int, Operand] = {}  # one list under two names stays one
        loop = Loop(Block(), statement=builder.statement, place=(context.here.source, node))
        params: dict[Key, Operand] = {}
        for key in sorted(carried, key=lambda each: (self.scopes.index(each[0]), each[1])):
            scope, name = key
            operand = self.params(key)
            if is_any_list(operand):
                operand = shared.setdefault(id(self.initial(key)), operand)
            params[key] = scope.names[name] = operand
        for name in self.stored:
            if not self.is_bound(context.here, name):
                context.here.names[name] = Undecided(f"`{name}` may not be bound before this turn")
        if self.course is not None:
            loop.bounds, loop.index = self.course.bounds, Value(INT)
            loop.index.loop = loop
        test = node.test if isinstance(node, ast.While) else None
        if test is not None and not any(isinstance(part, ast.NamedExpr) for part in ast.walk(test)):
            loop.condition = Block()
            with builder.inside(loop.condition):
                truth = in_statement(context, node, lambda: truth_of(context, test, lower(context, test)))
            if isinstance(truth, Value) and rank_of(truth):
                raise context.refuse(test, "the truth of an array is ambiguous", "use `.any()` or `.all()`")
            loop.condition.results.append(truth)
            if not isinstance(truth, Value) and truth:
                loop.condition = None
        body = node.body
        if test is not None and loop.condition is None and not is_true(test):
            body = [leave_unless(test), *body]
        with builder.inside(loop.body), in_body(context):
            if self.course is not None and isinstance(node, ast.For):
                assign(context, node.target, self.course.item(loop.index))
            self.outcome = run(context, body)
        return loop, params

    def endless(self, loop: Loop) -> bool:
        return loop.bounds is None and loop.condition is None

    def params(self, key: Key) -> Operand:
        """Values that stand for what a name holds when a turn starts."""
        known = self.kinds.setdefault(key, {})
        _, name = key
        if key in self.lists:
            return Value(ListType(self.lists[key]), name)

        def param(operand: Operand) -> Value:
            kind = known.setdefault(len(made), kind_of(operand))
            value = Value(kind, name if is_leaf(self.initial(key)) else leaf_name(operand))
            value.immutable = not is_array(operand)
            made.append(value)
            return value

        made: list[Value] = []
        try:
            return map_leaves(param, self.initial(key))
        except Different:
            return self.initial(key)

    def changed(self, carried: set[Key], after: list[dict[str, Operand]]) -> set[Key]:
        """Names that the body did change, against expectation: through another name, or in a caller."""
        return {
            (scope, name)
            for scope, names, now in zip(self.scopes, self.before, after, strict=True)
            for name, operand in names.items()
            if (scope, name) not in carried and self.is_bound(scope, name) and now.get(name) is not operand
        }

    def join(self, carried: set[Key], params: dict[Key, Operand], after: list[dict[str, Operand]]) -> bool:
        """Join the kinds after a turn to those before; whether they were that already."""
        self.different.clear()
        fits = True
        for key in carried:
            scope, name = key
            now = after[self.scopes.index(scope)].get(name)
            kinds = self.kinds[key]
            places = itertools.count()
            if now is not params[key] and is_any_list(now) and is_any_list(self.initial(key)):
                fits = self.join_lists(key, params[key], now) and fits
                if key in self.lists or key in self.different:
                    continue

            def join(
                param: Operand,
                initial: Operand,
                operand: Operand,
                kinds: dict[int, Type] = kinds,
                places: Iterator[int] = places,
            ) -> Operand:
                nonlocal fits
                place = next(places)
                if operand is not param:
                    kind = joined(kinds[place], operand, initial)
                    fits = fits and same_kind(kind, kinds[place])
                    kinds[place] = kind
                return operand

            try:
                map_leaves(join, params[key], self.initial(key), now)
            except Different as error:
                self.different[key] = str(error)
        return fits

    def join_lists(self, key: Key, param: Operand, now: Operand) -> bool:
        """The kind of the items of a list, if turns change its length; whether it was that already."""
        initial = self.initial(key)
        static = isinstance(param, list) and isinstance(now, list) and isinstance(initial, list)
        if static and len(now) == len(initial):
            return True
        try:
            element = joined_list(initial, param, now).element
        except (Refusal, Different) as error:
            self.different[key] = str(error)
            return True
        fits = key in self.lists and same_element(self.lists[key], element)
        if not fits:
            self.lifted.clear()
        self.lists[key] = element
        return fits

    def finish(
        self,
        loop: Loop,
        carried: set[Key],
        params: dict[Key, Operand],
        after: list[dict[str, Operand]],
    ) -> Outcome:
        """The loop with what it carries, and the names that hold its results."""
        context = self.context
        invariant: dict[Value, Operand] = {}
        carried_lists: dict[Value, Value] = {}
        late: list[tuple[Scope, str, Operand]] = []

        def carry(param: Operand, initial: Operand, operand: Operand) -> Operand:
            assert isinstance(param, Value)
            if param in carried_lists:
                return carried_lists[param]
            if is_list(param):
                with context.builder.inside(loop.body):
                    operand = lifted(context, self.node, operand, self.lists.get(key))
            if param in context.written and isinstance(initial, Value):
                self.check_alone(scope, name, initial)
            if operand is param:
                invariant[param] = initial
                param.loop = loop
                return initial
            result = Value(as_result(param.type), param.name)
            result.immutable = param.immutable and not is_array(operand)
            loop.carry(param, initial, operand, result)
            if is_list(param):
                carried_lists[param] = result
            return result

        self.check_lists(params, after)
        for key in params:
            scope, name = key
            now = after[self.scopes.index(scope)].get(name)
            try:
                if now is None and name not in after[self.scopes.index(scope)]:
                    raise Different("it is deleted")
                if isinstance(now, Undecided):
                    raise Different(now.reason)
                if key in self.different:
                    raise Different(self.different[key])
                left = map_leaves(carry, params[key], self.initial(key), now)
            except Different as error:
                left = Undecided(f"`{name}` changes from turn to turn: {error}")
                self.check_unread(loop, key, params[key], str(error))
            late.append((scope, name, left))
        here = context.here
        now = after[self.scopes.index(here)]
        for name in sorted(self.stored):
            if name in now and not self.is_bound(here, name):
                left = self.bound_inside(loop, name, now[name])
                late.append((here, name, left))
        outcome = self.leaving(loop)
        for scope, name, left in late:
            scope.names[name] = left
        if invariant:
            self.replace(loop, invariant)
        context.builder.append(loop)
        return outcome

    def check_lists(self, params: dict[Key, Operand], after: list[dict[str, Operand]]) -> None:
        """Refuse a loop after whose turns two names may hold one list that did not before, or the reverse."""
        identities = self.context.lists
        changed = [old for old, _ in identities.changes[self.changes :]]
        for name, operand in [entry for names in self.before for entry in names.items()]:
            for each in lists_in(operand):
                for key, param in params.items():
                    if any(old is param for old in changed) and each is not self.before_of(key):
                        if identities.family(each) & identities.family(self.before_of(key)):
                            raise self.context.refuse(
                                self.node,
                                f"`{key[1]}` is changed in this loop, and `{name}` may hold the same list",
                                "use one name for a list, or copy it: `list(xs)`",
                            )
        held = [
            (key[1], params[key], after[self.scopes.index(key[0])].get(key[1]))
            for key in params
            if is_any_list(params[key])
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

    def check_alone(self, scope: Scope, name: str, array: Value) -> None:
        """Refuse a loop that writes into an array which other names hold, or which is a view."""
        context = self.context
        context.written.add(array)
        others = [
            other
            for owner, names in zip(self.scopes, self.before, strict=True)
            for other, operand in names.items()
            if (owner, other) != (scope, name)
            and any(storages_of(v) & storages_of(array) for v in values_in(operand))
        ]
        iterated = self.course.arrays if self.course is not None else ()
        if any(storages_of(value) & storages_of(array) for value in iterated):
            raise context.refuse(
                self.node,
                f"this loop runs over `{name}` and writes into it",
                "run over a copy: `.copy()`",
            )
        if others or storage_of(array) is not array:
            reason = (
                f"`{others[0]}` holds the same array" if others else f"`{name}` is a view of another array"
            )
            raise context.refuse(
                self.node,
                f"`{name}` is written in place in this loop, and {reason}",
                "write into a copy: `.copy()`",
            )

    def check_unread(self, loop: Loop, key: Key, param: Operand, difference: str) -> None:
        """Refuse a loop that reads, at the start of a turn, what has no one kind."""
        wanted = set(values_in(param))
        read = {value for node in loop.body.operations for value in inputs_of(node)}
        if not wanted or wanted & read or wanted & set(values_in(loop.body.results)):
            reason = f"what `{key[1]}` is must be {UNKNOWN}, and it changes from turn to turn: {difference}"
            raise self.context.refuse(self.node, reason, _ONE_KIND)

    def bound_inside(self, loop: Loop, name: str, operand: Operand) -> Operand:
        """What a name is after the loop that only the loop binds."""

        def carry(leaf: Operand) -> Operand:
            kind = kind_of(leaf)
            result = Value(as_result(kind), leaf_name(leaf) or name)
            loop.carry(Value(kind, name), UNBOUND, leaf, result)
            return result

        if isinstance(operand, Undecided):
            return operand
        try:
            return map_leaves(carry, operand)
        except Different:
            return Undecided(f"`{name}` is bound in a loop")

    def leaving(self, loop: Loop) -> Outcome:
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
            loop.carry(Value(leaf.type, name), UNBOUND, leaf, result)
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


def leaf_name(operand: Operand) -> str | None:
    return operand.name if isinstance(operand, Value) else None


def is_true(test: ast.expr) -> bool:
    return isinstance(test, ast.Constant) and bool(test.value)


def leave_unless(test: ast.expr) -> ast.stmt:
    """`if not test: break`: for a condition that binds names, which the turn and what follows may read."""
    leave = ast.If(ast.UnaryOp(ast.Not(), test), [ast.Break()], [])
    ast.copy_location(leave, test)
    return ast.fix_missing_locations(leave)
