"""What names hold behind a branch: the same on both sides, one value of both, or nothing that is known."""

from __future__ import annotations

from copy import copy
from types import MethodType
from typing import Any

import numpy as np

from ad_compiler.analysis.joins import Different
from ad_compiler.analysis.layout import is_array
from ad_compiler.analysis.types import (
    ArrayType,
    Axis,
    Length,
    ObjectType,
    Type,
    may_be_one,
    python_type,
    same_length,
    same_shape,
)
from ad_compiler.builder import key_of
from ad_compiler.frontend.aliases import current, made_in, note_choice, reference_of
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.scope import Chosen, LocalFunction, Scope, Undecided, is_plain_function
from ad_compiler.frontend.snapshots import Snapshot, contents_of, fill
from ad_compiler.ir import UNBOUND, Branch, Iteration, Operand, Record, Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.list_elements import is_list
from ad_compiler.rules.shapes import type_of

NUMBERS = (bool, int, float, np.generic)


def carried_out(context: Context, branch: Branch, side: bool, value: Value, name: str) -> Value:
    """The value made on one side, as the result of the branch: the other side may leave it unbound."""
    if value in context.carried:
        return context.carried[value]
    mine, other = (branch.then, branch.otherwise) if side else (branch.otherwise, branch.then)
    for result, own in zip(branch.results, mine.results, strict=True):
        if own is value and same_type(result, value):
            break
    else:
        result = Value(value.type, name)
        result.immutable = not is_array(value)
        result.operation = branch
        branch.results.append(result)
        mine.results.append(value)
        other.results.append(UNBOUND)
    context.carried[value] = result
    return result


def same_type(a: Value, b: Value) -> bool:
    if not isinstance(a.type, ArrayType) or not isinstance(b.type, ArrayType):
        return a.type == b.type
    return (a.type.dtype, a.type.python) == (b.type.dtype, b.type.python) and same_shape(
        a.type.shape, b.type.shape
    )


def seen_outside(context: Context, branch: Branch, side: bool, function: Operand) -> Operand:
    """A function that one side has bound; what chose it there is carried out."""
    if not isinstance(function, Chosen):
        return function
    condition = function.condition
    if condition in set(made_in(branch.then if side else branch.otherwise)):
        condition = carried_out(context, branch, side, condition, "chosen")
    then, otherwise = (
        seen_outside(context, branch, side, each) for each in (function.then, function.otherwise)
    )
    return Chosen(condition, then, otherwise)


class Merging:
    """What two sides of a branch leave behind, container by container."""

    def __init__(self, branch: Branch, before: Snapshot, then: Snapshot) -> None:
        self.branch = branch
        self.before = before
        self.then = then
        self.memo: dict[tuple[int, int], tuple[Operand, Operand, Operand]] = {}


def merge_names(context: Context, branch: Branch, scope: Scope, then_names: dict[str, Operand]) -> None:
    for name in [*then_names, *(n for n in scope.names if n not in then_names)]:
        missing = Undecided(f"`{name}` is bound in one branch only")
        left, right = then_names.get(name, missing), scope.names.get(name, missing)
        scope.names[name] = merge(context, branch, left, right, name)


def merge(context: Context, branch: Branch, left: Operand, right: Operand, name: str | None) -> Operand:
    """One operand for two: a result of the branch where they differ."""
    if left is right and not is_container(left):
        return left
    merged = merge_operands(context, branch, left, right, name)
    return Undecided(merged.reason, branch, left, right) if isinstance(merged, Undecided) else merged


def is_container(operand: Operand) -> bool:
    return isinstance(operand, (tuple, list, dict, Record, Iteration, LocalFunction, MethodType))


def merge_operands(
    context: Context, branch: Branch, left: Operand, right: Operand, name: str | None
) -> Operand:
    if is_any_list(left) and is_any_list(right):
        return merge_lists(context, branch, left, right, name)
    if left is not right and is_plain_function(left) and is_plain_function(right):
        return Chosen(
            branch.condition,
            seen_outside(context, branch, True, left),
            seen_outside(context, branch, False, right),
        )
    if is_container(left) and is_container(right):
        return merge_containers(context, branch, left, right)
    if isinstance(left, Value) and isinstance(right, Value):
        reference = reference_of(context, left)
        if left is not right and reference is reference_of(context, right):
            try:
                return current(context, reference)  # the same array, written into on one side or both
            except Refusal as refusal:
                return Undecided(refusal.reason, advice=refusal.advice)
    if key_of(left) == key_of(right):
        return left
    if isinstance(left, (Value, *NUMBERS)) and isinstance(right, (Value, *NUMBERS)):
        kind = merge_types(left, right)
        if isinstance(kind, Undecided):
            return kind
        result = Value(kind, name)
        result.operation = branch
        branch.results.append(result)
        branch.then.results.append(left)
        branch.otherwise.results.append(right)
        note_choice(context, result, (left, right))
        return result
    for side in (left, right):
        if isinstance(side, Undecided):
            return side
    if left is None or right is None:
        return Undecided("one of the two branches gives None")
    return Undecided("the two branches give different kinds of values")


def is_any_list(operand: Operand) -> bool:
    return isinstance(operand, list) or is_list(operand)


def merge_lists(context: Context, branch: Branch, left: Operand, right: Operand, name: str | None) -> Operand:
    """One list for two; two names that hold one list on each side hold one list afterwards."""
    from ad_compiler.frontend.lists import joined_list, lifted

    if left is right and (isinstance(left, Value) or id(left) in context.outside):
        return left
    key = (id(branch), id(left), id(right))
    if key in context.lists.chosen:
        return context.lists.chosen[key]
    merging = merging_of(context, branch)
    ours = left
    if isinstance(left, list) and merging is not None:
        ours = list(merging.then.contents(left) or ())
    if left is right:
        context.lists.chosen[key] = left
        context.lists.kept += [branch, left]
        left[:] = [merge(context, branch, a, b, None) for a, b in zip(ours, right, strict=True)]
        return left
    merged: Operand
    if isinstance(left, list) and isinstance(right, list) and len(ours) == len(right):
        merged = [merge(context, branch, a, b, None) for a, b in zip(ours, right, strict=True)]
    else:
        try:
            kind = joined_list(ours, right)
        except (Refusal, Different) as error:
            return Undecided(f"it is a list on both sides of a branch, but {error}")
        merged = Value(kind, name)
        merged.operation = branch
        branch.results.append(merged)
        for side, block in ((ours, branch.then), (right, branch.otherwise)):
            with context.builder.inside(block), context.builder.literally():  # as they are on this side
                block.results.append(lifted(context, context.here.source.node, side, kind.element))
    context.lists.chosen[key] = merged
    context.lists.same(merged, left, right)
    context.lists.kept.append(branch)
    return merged


def merging_of(context: Context, branch: Branch) -> Merging | None:
    """What the two sides of a branch have left behind, if it is the one lowered last."""
    merging: Merging | None = context.merging
    return merging if merging is not None and merging.branch is branch else None


def merge_containers(context: Context, branch: Branch, left: Operand, right: Operand) -> Operand:
    """One container for two. What is the same object on both sides stays that object."""
    merging = merging_of(context, branch)
    memo = {} if merging is None else merging.memo
    key = id(left), id(right)
    if left is right and id(left) in context.outside:
        return left
    if key in memo:
        return memo[key][2]
    if isinstance(left, (LocalFunction, MethodType)):
        if left is not right:
            return Undecided("the two branches give different kinds of values")
        memo[key] = left, right, left
        for inner in (
            (left.defaults, left.keyword_defaults) if isinstance(left, LocalFunction) else [left.__self__]
        ):
            merge(context, branch, inner, inner, None)
        return left
    if type(left) is not type(right) or (isinstance(left, Record) and left.cls is not right.cls):
        return Undecided("the two branches give different kinds of values")
    before = contents_of(left) if merging is None else merging.then.contents(left)
    ours, theirs = items_of(left, before), items_of(right, contents_of(right))
    if list(ours) != list(theirs):
        return Undecided("the two branches give different kinds of values: containers of other structure")
    target = left if left is right else emptied(left)
    memo[key] = left, right, target
    known = merging.before.containers if merging is not None else {}
    if left is not right and isinstance(left, dict) and (id(left) in known or id(right) in known):
        context.chosen_containers.append((target, left, right))
    merged = {place: merge(context, branch, ours[place], theirs[place], None) for place in ours}
    if isinstance(left, tuple):
        same = all(merged[place] is right[place] for place in merged)
        return right if same else tuple(merged.values())
    fill(target, merged)
    return target


def items_of(container: Operand, contents: Any) -> dict[Any, Operand]:
    items = container if isinstance(container, tuple) else contents
    return items if isinstance(items, dict) else dict(enumerate(items))


def emptied(container: Operand) -> Operand:
    """A container of the same kind, to be filled."""
    if isinstance(container, Record):
        return Record(container.cls, {}, container.access)
    return copy(container) if isinstance(container, (Iteration, tuple)) else type(container)()


def merge_types(left: Operand, right: Operand) -> Type | Undecided:
    if any(isinstance(side, Value) and isinstance(side.type, ObjectType) for side in (left, right)):
        return Undecided("text is chosen by a branch")
    a, b = type_of(left), type_of(right)
    if a.rank != b.rank:
        return Undecided(f"one branch gives {named_rank(a)}, the other {named_rank(b)}")
    if a.python and b.python:
        return python_type(np.result_type(a.dtype, b.dtype))
    if a.dtype != b.dtype and not (a.python or b.python):
        return Undecided(f"the two branches give arrays of {a.dtype} and {b.dtype}")
    shape = tuple([merge_axes(m, n) for m, n in zip(a.shape, b.shape, strict=True)])
    return ArrayType(b.dtype if a.python else a.dtype, shape)


def named_rank(kind: ArrayType) -> str:
    return f"an array of rank {kind.rank}" if kind.rank else "a number"


def merge_axes(a: Axis, b: Axis) -> Axis:
    return a if same_length(a, b) else Length(("either", object()), may_be_one(a) or may_be_one(b))


def find_undecided(operand: Operand) -> Undecided | None:
    if isinstance(operand, Undecided):
        return operand
    items: Any = ()
    if isinstance(operand, (tuple, list)):
        items = operand
    elif isinstance(operand, dict):
        items = operand.values()
    elif isinstance(operand, Record):
        items = operand.fields.values()
    return next((found for item in items if (found := find_undecided(item))), None)
