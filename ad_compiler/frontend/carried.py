"""What a loop carries from turn to turn: the names that are bound anew, and the kinds of what they hold.

The kind of a carried value must be right for every turn, the first one included, so it is the join of
what it is before the loop and after a turn: `total = 0` becomes a float where floats are added to it. The
loop is lowered again until nothing has to be joined any more (a fixed point, as in data-flow analysis:
Nielson, Nielson and Hankin, Principles of Program Analysis (1999), chapter 2).
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ad_compiler.analysis.joins import (
    Different,
    any_length,
    joined_axis,
    joined_element,
    same_element,
    settled,
)
from ad_compiler.analysis.types import (
    ArrayType,
    Length,
    ListType,
    Type,
    Unions,
    may_be_one,
    python_type,
    representative,
    same_shape,
)
from ad_compiler.builder import key_of
from ad_compiler.frontend.merging import named_rank
from ad_compiler.ir import Operand, Record, Value
from ad_compiler.rules.shapes import type_of

NUMBERS = (bool, int, float, np.generic)


def is_leaf(operand: Operand) -> bool:
    return isinstance(operand, (Value, *NUMBERS))


def map_leaves(function: Callable[..., Operand], first: Operand, *others: Operand) -> Operand:
    """The same structure, with `function` of the numbers and arrays that stand at each place."""
    if is_leaf(first) and all(map(is_leaf, others)):
        return function(first, *others)
    if any(type(other) is not type(first) for other in others):
        kinds = [name_of_kind(operand) for operand in (first, *others)]
        raise Different(f"it is {kinds[0]} first, and {kinds[-1]} after a turn")
    if isinstance(first, (tuple, list)):
        if any(len(other) != len(first) for other in others):
            raise Different(f"it has {len(first)} items first, and {len(others[0])} after a turn")
        mapped = [map_leaves(function, *items) for items in zip(first, *others, strict=True)]
        return tuple(mapped) if isinstance(first, tuple) else mapped
    if isinstance(first, dict):
        if any(list(other) != list(first) for other in others):
            raise Different("its keys change")
        return {key: map_leaves(function, first[key], *[other[key] for other in others]) for key in first}
    if isinstance(first, Record):
        if any(other.cls is not first.cls for other in others):
            raise Different("its class changes")
        return Record(first.cls, map_leaves(function, first.fields, *[o.fields for o in others]))
    if any(key_of(other) != key_of(first) for other in others):
        raise Different("it is not a number or an array")
    return first


def name_of_kind(operand: Operand) -> str:
    if operand is None:
        return "None"
    if is_leaf(operand) and isinstance(type_of(operand), ArrayType):
        return named_rank(type_of(operand))
    return f"a {type(operand).__name__}"


def kind_of(operand: Operand) -> Type:
    return operand.type if isinstance(operand, Value) else type_of(operand)


def joined(kind: Type, operand: Operand, made: set[Length], equal: Unions | None = None) -> Type:
    """A kind that fits what had `kind` before, and this operand too; `made` are the lengths made for that.

    Lengths that the turn has found to be `equal` are so for what it hands on.
    """
    other = kind_of(operand)
    if isinstance(kind, ListType) and isinstance(other, ListType):
        return ListType(joined_element(kind.element, other.element))
    if not isinstance(kind, ArrayType) or not isinstance(other, ArrayType):
        raise Different(f"it is a {kind} first, and a {other} after a turn")
    if kind.rank != other.rank:
        raise Different(f"it is {named_rank(kind)} first, and {named_rank(other)} after a turn")
    if kind.python and other.python:
        return python_type(np.result_type(kind.dtype, other.dtype))
    dtypes = [t.dtype for t in (kind, other) if not t.python]
    if any(t.python and t.dtype.kind == "f" for t in (kind, other)):
        dtypes.append(np.result_type(*dtypes, np.float16))  # whole numbers first, real ones later
    shape = tuple([joined_axis(a, b, made, equal) for a, b in zip(kind.shape, other.shape, strict=True)])
    return ArrayType(np.result_type(*dtypes), shape)


def same_kind(a: Type, b: Type) -> bool:
    if isinstance(a, ListType) and isinstance(b, ListType):
        return same_element(a.element, b.element)
    if not isinstance(a, ArrayType) or not isinstance(b, ArrayType):
        return a == b
    return a.dtype == b.dtype and a.python == b.python and same_shape(a.shape, b.shape)


def as_result(kind: Type) -> Type:
    """The kind of what is left after the loop: a length that changed is a length of its own."""
    return settled(kind) if isinstance(kind, ArrayType) else kind


def unrelated(kind: Type) -> Type:
    """The kind of what the turn before has left under a name that every turn binds anew."""
    if not isinstance(kind, ArrayType):
        return kind
    axes = map(representative, kind.shape)
    shape = tuple([axis if isinstance(axis, int) else any_length(may_be_one(axis)) for axis in axes])
    return ArrayType(kind.dtype, shape, kind.python)


def changed_lists(node: ast.AST) -> set[str]:
    """The names of lists whose methods are called that change their length."""
    return {
        call.func.value.id
        for call in ast.walk(node)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in ("append", "extend", "pop", "clear", "insert")
        and isinstance(call.func.value, ast.Name)
    }


def stored_names(node: ast.AST) -> list[str]:
    """The names that a statement binds, in order, inner functions and comprehensions left out."""
    return list(dict.fromkeys(stores(node)))


def stores(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
        yield node.id
    elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        yield node.name
        return
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        for alias in node.names:
            yield alias.asname or alias.name.split(".")[0]
    elif isinstance(node, (ast.MatchAs, ast.MatchStar)) and node.name is not None:
        yield node.name
    elif isinstance(node, (ast.Subscript, ast.Attribute)) and isinstance(node.ctx, ast.Store):
        written: Any = node
        while isinstance(written, (ast.Subscript, ast.Attribute)):
            written = written.value
        if isinstance(written, ast.Name):
            yield written.id  # an array or a container that is written into
    elif isinstance(node, ast.Lambda):
        return
    comprehension = isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp))
    for child in ast.iter_child_nodes(node):
        if comprehension and isinstance(child, ast.comprehension):
            yield from stores(child.iter)
        else:
            yield from stores(child)
