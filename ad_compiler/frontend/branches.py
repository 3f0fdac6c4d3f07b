"""Branches taken at run time, and the merging of what their two sides leave behind."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import numpy as np

from ad_compiler.analysis.types import ArrayType, Axis, Length, ObjectType, Type, python_type, same_length
from ad_compiler.builder import key_of
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.scope import Scope, Undecided
from ad_compiler.ir import Block, Branch, Operand, Record, Value
from ad_compiler.rules.shapes import rank_of, type_of

_NUMBERS = (bool, int, float, np.generic)


def choose(
    context: Context,
    node: ast.AST,
    condition: Operand,
    then: Callable[[], Operand],
    otherwise: Callable[[], Operand],
) -> Operand:
    """`then() if condition else otherwise()`."""
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
    scopes = scopes_around(context.here)
    before = [dict(scope.names) for scope in scopes]
    with builder.inside(branch.then):
        left = then()
    after_then = [dict(scope.names) for scope in scopes]
    for scope, names in zip(scopes, before, strict=True):
        scope.names.clear()
        scope.names.update(names)
    with builder.inside(branch.otherwise):
        right = otherwise()
    for scope, names in zip(scopes, after_then, strict=True):
        merge_names(context, branch, scope, names)
    builder.append(branch)
    return branch, left, right


def scopes_around(scope: Scope | None) -> list[Scope]:
    result = []
    while scope is not None:
        result.append(scope)
        scope = scope.enclosing
    return result


def merge_names(context: Context, branch: Branch, scope: Scope, then_names: dict[str, Operand]) -> None:
    for name in [*then_names, *(n for n in scope.names if n not in then_names)]:
        missing = Undecided(f"`{name}` is bound in one branch only")
        left, right = then_names.get(name, missing), scope.names.get(name, missing)
        scope.names[name] = left if left is right else merge(context, branch, left, right, name)


def merge(context: Context, branch: Branch, left: Operand, right: Operand, name: str | None) -> Operand:
    """One operand for two: a result of the branch where they differ."""
    if key_of(left) == key_of(right):
        return left
    if isinstance(left, (Value, *_NUMBERS)) and isinstance(right, (Value, *_NUMBERS)):
        kind = merge_types(left, right)
        if isinstance(kind, Undecided):
            return kind
        result = Value(kind, name)
        result.operation = branch
        branch.results.append(result)
        branch.then.results.append(left)
        branch.otherwise.results.append(right)
        return result
    if type(left) is type(right):
        if isinstance(left, (tuple, list)) and len(left) == len(right):
            return type(left)(merge(context, branch, a, b, None) for a, b in zip(left, right, strict=True))
        if isinstance(left, dict) and list(left) == list(right):
            return {key: merge(context, branch, left[key], right[key], None) for key in left}
        if isinstance(left, Record) and left.cls is right.cls:
            fields = {key: merge(context, branch, left.fields[key], right.fields[key], None) for key in left.fields}
            return Record(left.cls, fields)
    for side in (left, right):
        if isinstance(side, Undecided):
            return side
    if left is None or right is None:
        return Undecided("one of the two branches gives None")
    return Undecided("the two branches give different kinds of values")


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
    return a if same_length(a, b) else Length(("either", object()), may_be_one=True)


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

