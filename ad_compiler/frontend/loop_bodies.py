"""The body of a loop, lowered once for all its turns.

It is lowered on values that stand for what any turn may start with: of the names and elements that turns
bind anew, and of the arrays that they write into. Their kinds, and which arrays a name may hold, are known
only when the body has been lowered: so it is lowered again until nothing new is found (a fixed point).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ad_compiler.analysis.layout import is_array
from ad_compiler.analysis.types import INT, unions_made, unions_since
from ad_compiler.frontend.aliases import (
    COPY_ADVICE,
    current,
    root_of,
)
from ad_compiler.frontend.carried import (
    changed_lists,
    is_leaf,
)
from ad_compiler.frontend.checkpointed import check_repeatable
from ad_compiler.frontend.context import Context, lower
from ad_compiler.frontend.courses import Course
from ad_compiler.frontend.lists import truth_of
from ad_compiler.frontend.loop_changes import changed, join, writes
from ad_compiler.frontend.loop_results import finish
from ad_compiler.frontend.loop_state import LoopState, Place, taking_over
from ad_compiler.frontend.merging import is_any_list, items_of
from ad_compiler.frontend.outcomes import END, Outcome, tags_of
from ad_compiler.frontend.scope import Scope, Undecided
from ad_compiler.frontend.snapshots import Snapshot
from ad_compiler.frontend.statements import assign, in_statement, run
from ad_compiler.ir import Block, Iteration, Loop, Operand, Record, Value
from ad_compiler.refusal import Refusal, ResultUnknown
from ad_compiler.rules.list_elements import joined_items
from ad_compiler.rules.shapes import rank_of
from ad_compiler.traversal import map_values

MOST_ROUNDS = 12  # of lowering a body until the kinds fit: dtypes and lengths can be joined a few times only
_ENDLESS = "this loop does not end", "leave it with `break` or `return`"
_ONE_KIND = "give it one kind of value before the loop, and keep it"


class NoTurn(Exception):
    """The condition of a loop is known to be false before its first turn."""


@contextmanager
def in_body(context: Context) -> Iterator[None]:
    scope = context.here
    before, scope.in_loop = scope.in_loop, True
    try:
        yield
    finally:
        scope.in_loop = before


def lower_loop(context: Context, node: ast.For | ast.While, course: Course | None) -> Outcome:
    """Lower a loop, again and again until the kinds of what it carries fit."""
    state = LoopState(context, node, course)
    try:
        return settle(state)
    except ResultUnknown:  # what no turn at all comes to tells what a recursion returns
        if isinstance(state.node, ast.While) and is_true(state.node.test):
            raise
        state.before.restore()
        return Outcome(END)


def settle(state: LoopState) -> Outcome:
    carried = expected(state)
    lift_changed(state, carried)
    expect_writes(state)
    for _ in range(MOST_ROUNDS):
        carried |= other_places(state, carried)
        try:
            loop, params, memory = lower_body(state, carried)
        except NoTurn:
            state.before.restore()
            return Outcome(END)
        state.before.restore()
        more = changed(state, carried)
        grown = writes(state, loop, params, memory)
        fits = join(state, carried, params)
        if fits and not more and not grown:
            if state.endless(loop) and not tags_of(state.outcome.tag) - {END}:
                if state.context.result_unknown:
                    raise ResultUnknown(state.context.refuse(state.node, *_ENDLESS))
                raise state.context.refuse(state.node, *_ENDLESS)
            if loop.checkpoints is not None:
                check_repeatable(state.context, state.node, loop.body)
            return finish(state, loop, params, memory)
        carried |= more
    raise state.context.refuse(state.node, "the kinds of what this loop changes do not settle", _ONE_KIND)


def expected(state: LoopState) -> set[Place]:
    """The places that the body binds, as far as its text tells."""
    here = state.context.here
    found: set[Place] = set()
    updated, bound = augmented_names(state.node), bound_names(state.node)
    for name in {*state.stored, *changed_lists(state.node)}:
        if not state.is_bound(here, name):
            continue
        operand = state.before.names_of(here)[name]
        if isinstance(operand, dict) and id(operand) in state.before.containers:
            number = state.number(operand)
            contents = state.before.names_of(here)[name]
            found |= {(number, key) for key, item in contents.items() if is_leaf(item) and not is_array(item)}
        in_place = is_array(operand) or isinstance(operand, (dict, Record, Iteration))
        if is_any_list(operand) or (name in bound and not (name in updated and in_place)):
            found.add((state.number(here), name))
    return found


def other_places(state: LoopState, carried: set[Place]) -> set[Place]:
    """The other places of the lists that these places hold."""
    same: dict[int, set[Place]] = {}
    for number, holder in enumerate(state.holders):
        contents = (
            state.before.names_of(holder) if isinstance(holder, Scope) else state.before.contents(holder)
        )
        for name, operand in items_of(holder, contents).items():
            if is_any_list(operand) and id(operand) not in state.context.outside:
                same.setdefault(id(operand), set()).add((number, name))
    found: set[Place] = set()
    for places in same.values():
        if places & carried:
            found |= places
        for place in places & state.lists.keys():
            state.lists.update(dict.fromkeys(places, state.lists[place]))
    return found


def lift_changed(state: LoopState, carried: set[Place]) -> None:
    """Lists with items, whose methods the body calls, are expected to change their length."""
    for place in state.in_order(carried):
        operand = state.held(state.before, place)
        if isinstance(operand, list) and operand and place[1] in changed_lists(state.node):
            with suppress(Refusal):
                state.lists[place] = joined_items(operand)


def expect_writes(state: LoopState) -> None:
    """Arrays whose elements the body binds, as its text tells, are expected to be written into.

    Else every loop of a nest would be lowered twice for each time that the loop around it is.
    """
    context, here = state.context, state.context.here
    bound = bound_names(state.node) - augmented_names(state.node)
    for name in state.stored:
        operand = state.before.names_of(here).get(name)
        if name in bound or not is_array(operand):
            continue
        root = root_of(operand)
        if root not in context.newer and not context.choices.get(root):
            state.memory[root] = None
            state.expected.add(root)


def lower_body(
    state: LoopState, carried: set[Place]
) -> tuple[Loop, dict[Place, Operand], dict[Value, Value]]:
    """One try: the body on values of the kinds known so far."""
    context, node = state.context, state.node
    builder = context.builder
    loop = Loop(Block(), statement=builder.statement, place=(context.here.source, node))
    params: dict[Place, Operand] = {}
    shared: dict[int, Operand] = {}  # one list under two names stays one
    for place in state.in_order(carried):
        params[place] = state.params(place, loop)
        operand = map_values(lambda value: value, params[place])
        if is_any_list(operand):
            operand = shared.setdefault(id(state.initial(place)), operand)
            params[place] = map_values(lambda value: value, operand)
        state.bound[place] = operand
        state.bind(place, operand)
    for place in state.vague:
        state.bind(
            place, Undecided(f"which array `{place[1]}` is changes from turn to turn", advice=COPY_ADVICE)
        )
    for name in state.stored:
        if not state.is_bound(context.here, name):
            context.here.names[name] = Undecided(f"`{name}` may not be bound before this turn")
    memory = {root: taking_over(root) for root in state.memory}
    if state.course is not None:
        loop.bounds, loop.index = state.course.bounds, Value(INT)
        loop.index.loop = loop
        loop.checkpoints = state.course.checkpoints
    test = node.test if isinstance(node, ast.While) else None
    walrus = test is not None and any(isinstance(part, ast.NamedExpr) for part in ast.walk(test))
    if test is not None and not walrus and not state.test_inside:
        loop.condition = Block()
        outside = Snapshot(context)
        with builder.inside(loop.condition):
            state.enter(memory)
            written = len(context.newer)
            truth = in_statement(context, node, lambda: truth_of(context, test, lower(context, test)))
            state.test_inside = len(context.newer) > written
        outside.restore()
        if isinstance(truth, Value) and rank_of(truth):
            raise context.refuse(test, "the truth of an array is ambiguous", "use `.any()` or `.all()`")
        if not isinstance(truth, Value) and not truth and not state.test_inside:
            raise NoTurn
        loop.condition.results.append(truth)
        if (not isinstance(truth, Value) and truth) or state.test_inside:
            loop.condition = None
    body = node.body
    if test is not None and loop.condition is None and not is_true(test):
        body = [leave_unless(test), *body]
    unions = unions_made()
    with builder.inside(loop.body), in_body(context):
        state.enter(memory)
        state.start = Snapshot(context)
        if state.course is not None and isinstance(node, ast.For):
            assign(context, node.target, state.course.item(loop.index))
        outcome = run(context, body)
        state.outcome = Outcome(outcome.tag, current(context, outcome.result))
        state.after = Snapshot(context, state.holders)
        state.unions = unions_since(unions)
    return loop, params, memory


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


def is_true(test: ast.expr) -> bool:
    return isinstance(test, ast.Constant) and bool(test.value)


def leave_unless(test: ast.expr) -> ast.stmt:
    """`if not test: break`: for a condition that binds names, which the turn and what follows may read."""
    leave = ast.If(ast.UnaryOp(ast.Not(), test), [ast.Break()], [])
    ast.copy_location(leave, test)
    return ast.fix_missing_locations(leave)
