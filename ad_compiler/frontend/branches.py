"""Branches taken at run time, and the merging of what their two sides leave behind."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ad_compiler.analysis.layout import is_array
from ad_compiler.frontend.aliases import (
    current,
    made_in,
    note_choice,
    viewing,
)
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.merging import Merging, carried_out, find_undecided, merge, merge_names
from ad_compiler.frontend.scope import Chosen, LocalFunction, Scope, Undecided
from ad_compiler.frontend.snapshots import Snapshot, merge_memory
from ad_compiler.ir import UNBOUND, Block, Branch, Operand, Operation, Value, map_values
from ad_compiler.refusal import ResultUnknown
from ad_compiler.rules.shapes import rank_of


def choose(
    context: Context,
    node: ast.AST,
    condition: Operand,
    then: Callable[[], Operand],
    otherwise: Callable[[], Operand],
) -> Operand:
    """`then() if condition else otherwise()`."""
    condition = known_here(context, condition)
    if not isinstance(condition, Value):
        return then() if condition else otherwise()
    branch, left, right = run_branches(context, node, condition, then, otherwise)
    merged = merge(context, branch, left, right, None)
    if undecided := find_undecided(merged):
        raise context.refuse(node, undecided.reason, "give both branches one kind of value (type, rank)")
    return merged


def run_branches(
    context: Context,
    node: ast.AST,
    condition: Value,
    then: Callable[[], Any],
    otherwise: Callable[[], Any],
) -> tuple[Branch, Any, Any]:
    """Lower both sides; names bound on either side are merged afterwards."""
    if rank_of(condition) > 0:
        raise context.refuse(
            node, "the truth of an array is ambiguous", "use `.any()` or `.all()`, or choose with `np.where`"
        )
    builder = context.builder
    branch = Branch(condition, Block(), Block(), [], builder.statement, (context.here.source, node))
    settle_names(context, node)
    before = Snapshot(context)
    with builder.inside(branch.then), on_side(context, condition, True):
        left = known_result(lambda: at_end(context, then()))
    after_then = Snapshot(context)
    before.restore()
    with builder.inside(branch.otherwise), on_side(context, condition, False):
        right = known_result(lambda: at_end(context, otherwise()))
    builder.append(branch)
    otherwise_names = dict(context.here.names)
    if isinstance(left, ResultUnknown):
        if isinstance(right, ResultUnknown):
            raise left
        return branch, right, right
    if isinstance(right, ResultUnknown):
        after_then.restore()
        return branch, left, left
    merge_memory(context, branch, before, after_then)
    context.merging = Merging(branch, before, after_then)
    for scope in before.scopes:
        merge_names(context, branch, scope, after_then.names_of(scope))
        if scope is context.here:
            forget_returned(
                context, branch, scope, (left, right), (after_then.names_of(scope), otherwise_names)
            )
    return branch, left, right


def forget_returned(
    context: Context,
    branch: Branch,
    scope: Scope,
    outcomes: tuple[Any, Any],
    names: tuple[dict[str, Operand], dict[str, Operand]],
) -> None:
    """If one side has returned, the other tells which array a name of this function is after the branch."""
    from ad_compiler.frontend.outcomes import RETURN, Outcome, tags_of

    returned = [isinstance(each, Outcome) and tags_of(each.tag) == {RETURN} for each in outcomes]
    if returned.count(True) != 1:
        return
    left = names[returned.index(False)]
    for name, merged in scope.names.items():
        if isinstance(merged, Value) and merged.operation is branch and is_array(left.get(name)):
            note_choice(context, merged, (left[name],))


def known_result(side: Callable[[], Any]) -> Any:
    """What a side of a branch comes to; where it asks for what a recursive call returns, the exception."""
    try:
        return side()
    except ResultUnknown as unknown:
        return unknown


def at_end(context: Context, result: Any) -> Any:
    """What one side comes to, as it is at its end."""
    from ad_compiler.frontend.outcomes import Outcome

    if isinstance(result, Outcome):
        return Outcome(result.tag, current(context, result.result))
    return current(context, result)


@contextmanager
def on_side(context: Context, condition: Value, side: bool) -> Iterator[None]:
    context.taken.append(decided(context, condition, side))
    try:
        yield
    finally:
        context.taken.pop()


def decided(context: Context, condition: Value, side: bool) -> tuple[Value, bool]:
    """The condition as it was first computed, without `not`, and the side of it."""
    node = condition.operation
    if isinstance(node, Operation) and node.primitive.name == "not":
        return decided(context, node.arguments[0], not side)
    if isinstance(node, Branch):
        place = node.results.index(condition)
        then, otherwise = node.then.results[place], node.otherwise.results[place]
        taken = side_taken(context, node.condition)
        if taken is None and (then is UNBOUND or otherwise is UNBOUND):
            taken = otherwise is UNBOUND
        chosen = None if taken is None else then if taken else otherwise
        if isinstance(chosen, Value):
            return decided(context, chosen, side)
    return condition, side


def known_here(context: Context, condition: Operand, node: ast.AST | None = None) -> Operand:
    """The condition, or its truth where we are inside of a branch on the same condition."""
    from ad_compiler.frontend.lists import truth_of

    condition = truth_of(context, node or context.here.source.node, condition)
    side = side_taken(context, condition) if isinstance(condition, Value) else None
    return condition if side is None else side


def side_taken(context: Context, condition: Value) -> bool | None:
    """The side on which we are of a branch on this condition; None if on neither."""
    first, side = decided(context, condition, True)
    return next((taken == side for known, taken in context.taken if known is first), None)


def settle_names(context: Context, node: ast.AST) -> None:
    """Bind the undecided names that a statement uses to what they are on this side of a branch.

    What is done with a list then changes what its name holds, in every turn of a loop and on both sides of
    another branch.
    """
    if context.taken:
        for name in {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}:
            scope = context.here.find(name)
            if scope is not None:
                settled(context, scope, name)


def settled(context: Context, scope: Scope, name: str) -> Operand:
    """What a name holds; what it is on this side of a branch is what it is from now on."""
    operand = scope.names[name]
    if isinstance(operand, Undecided):
        operand = scope.names[name] = on_this_side(context, operand, name)
    return operand


def on_this_side(context: Context, undecided: Undecided, name: str) -> Operand:
    """What an undecided name is inside of a branch on the same condition; else the name as it is.

    Generated code needs it: its reverse sweep branches again on what the forward sweep branched on.
    """
    branch = undecided.branch
    if branch is None:
        return undecided
    side = side_taken(context, branch.condition)
    if side is None:
        return undecided
    operand = undecided.then if side else undecided.otherwise
    if isinstance(operand, Undecided):
        operand = on_this_side(context, operand, name)
    if isinstance(operand, (Undecided, LocalFunction, Chosen)):
        return undecided
    inside = set(made_in(branch.then if side else branch.otherwise))

    def outside(part: Operand) -> Operand:
        """A value made on this side as it is after the branch: views are taken again of what they show."""
        if not isinstance(part, Value) or part not in inside:
            return current(context, part)
        seen = viewing(part)
        if seen is None and part in context.newer:
            return current(context, part)
        if seen is None:
            return current(context, carried_out(branch, side, part, name))
        arguments = map_values(outside, seen.arguments)
        return context.builder.call(seen.primitive, arguments, seen.method)

    return map_values(outside, operand)


def scopes_around(scope: Scope | None) -> list[Scope]:
    result = []
    while scope is not None:
        result.append(scope)
        scope = scope.enclosing
    return result
