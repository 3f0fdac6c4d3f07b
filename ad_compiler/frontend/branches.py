"""Branches taken at run time, and the merging of what their two sides leave behind."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from ad_compiler.analysis.layout import is_array
from ad_compiler.frontend.aliases import current, note_choice
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.merging import Merging, find_undecided, merge, merge_names
from ad_compiler.frontend.scope import Scope
from ad_compiler.frontend.snapshots import Snapshot, merge_memory
from ad_compiler.frontend.undecided import known_here, on_side, settle_names
from ad_compiler.ir import Block, Branch, Operand, Value
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
    note_homes(context, branch)
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


def note_homes(context: Context, branch: Branch) -> None:
    """Note on which side of a branch everything was made that stands there."""
    for side, block in ((True, branch.then), (False, branch.otherwise)):
        context.homes.update(dict.fromkeys(block.operations, (branch, side)))


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
            context.narrowed[merged] = left[name]


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


def scopes_around(scope: Scope | None) -> list[Scope]:
    result = []
    while scope is not None:
        result.append(scope)
        scope = scope.enclosing
    return result
