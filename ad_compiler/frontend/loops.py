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
import operator
from collections.abc import Iterator

from ad_compiler.analysis.layout import is_array
from ad_compiler.errors import Unsupported
from ad_compiler.frontend.aliases import (
    root_of,
)
from ad_compiler.frontend.branches import run_branches
from ad_compiler.frontend.checkpointed import checkpointed_course
from ad_compiler.frontend.context import Context, controls, lower
from ad_compiler.frontend.courses import Course, course_of
from ad_compiler.frontend.iteration import CheckpointedTurns, Enumerated, Paired, is_known, items
from ad_compiler.frontend.list_checks import check_iterated
from ad_compiler.frontend.loop_bodies import in_body, lower_loop
from ad_compiler.frontend.loop_state import UNKNOWN
from ad_compiler.frontend.operations import describe_any, operation
from ad_compiler.frontend.outcomes import BREAK, END, RETURN, Outcome, merged_outcome, tags_of
from ad_compiler.frontend.raising import always_raises, raise_if
from ad_compiler.frontend.snapshots import Snapshot
from ad_compiler.frontend.statements import (
    assign,
    continue_on,
    has_exits,
    in_statement,
    run,
    run_to_end,
    to_end,
)
from ad_compiler.ir import UNBOUND, Operand, Value
from ad_compiler.rules.notation import registry
from ad_compiler.traversal import values_in

LONGEST_UNROLLED = 64  # turns


@controls(ast.For)
def run_for(context: Context, node: ast.For, rest: list[ast.stmt]) -> Outcome | None:
    """A `for`: an outcome where what follows was lowered with it."""

    def turns() -> Outcome:
        operand = lower(context, node.iter)
        changes = len(context.lists.changes)
        if isinstance(operand, CheckpointedTurns):
            return run_course(context, node, checkpointed_course(context, node, operand))
        course = course_of(context, node.iter, operand)
        outcome = None
        if course is not None:
            outcome = run_course(context, node, course)
            check_pairs(context, node, operand)
            check_iterated(context, node, operand, changes)
        elif is_known(operand):
            outcome = unrolled(context, node, items(context, node.iter, operand))
        if outcome is not None:
            return outcome
        raise context.refuse(
            node.iter,
            f"a loop runs over {describe_any(operand)}",
            "run over a range, an array or a container",
        )

    return after_loop(context, node, in_statement(context, node, turns), rest)


def check_pairs(context: Context, node: ast.For, operand: Operand) -> None:
    """Refuse a loop that writes into an array whose pairs it runs over: one of each was read before."""
    inner = operand
    while isinstance(inner, Enumerated):
        inner = inner.inner
    if isinstance(inner, Paired) and any(
        root_of(v) in context.newer for v in values_in(inner) if is_array(v)
    ):
        raise context.refuse(
            node, "this loop writes into an array whose pairs it runs over", "run over a copy: `.copy()`"
        )


@controls(ast.While)
def run_while(context: Context, node: ast.While, rest: list[ast.stmt]) -> Outcome | None:
    """A `while`: an outcome where what follows was lowered with it."""

    outcome = in_statement(context, node, lambda: lower_loop(context, node, None))
    return after_loop(context, node, outcome, rest)


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
                lambda: to_end(
                    context,
                    after_end(context, node, unreturned, tags - {RETURN}, rest) or run(context, rest),
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
        return run(context, [*node.orelse, *rest])
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
    if not any(isinstance(bound, Value) for bound in course.bounds) and not range(*course.bounds):
        return Outcome(END)
    before = Snapshot(context)
    try:
        return lower_loop(context, node, course)
    except Unsupported as error:
        unbounded = any(isinstance(bound, Value) for bound in course.bounds)
        if UNKNOWN not in error.reason or unbounded or course.checkpoints is not None:
            raise
        numbers = range(*course.bounds)
        if len(numbers) > LONGEST_UNROLLED:
            raise
        before.restore()
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
