"""Kinds that fit several values: of what a loop carries, and of the elements of a list."""

from __future__ import annotations

import numpy as np

from ad_compiler.analysis.types import (
    ArrayType,
    Axis,
    Element,
    Length,
    Unions,
    may_be_one,
    python_type,
    representative,
    same_length,
    unifying_again,
)


class Different(Exception):
    """Two structures that cannot be one: `str(error)` says how."""


def joined_axis(a: Axis, b: Axis, made: set[Length] | None = None, equal: Unions | None = None) -> Axis:
    """A length that both of these are; what a turn found to be `equal` holds for what it hands on.

    `made` are those that were made here before, and are added to; for items of lists, all that may differ.
    What differs from turn to turn of a loop around is one length, and not another one, in a loop inside.
    """
    a = representative(a)
    with unifying_again(equal or []):
        if same_length(a, b):
            return a
    if may_be_one(a) >= may_be_one(b) and (is_any(a) if made is None else a in made):
        return a
    joined = any_length(may_be_one(a) or may_be_one(b))
    if made is not None:
        made.add(joined)
    return joined


def any_length(may_be_one: bool) -> Length:
    """A length that may differ from turn to turn."""
    return Length(("turn", object()), may_be_one)


def is_any(axis: Axis) -> bool:
    return isinstance(axis, Length) and isinstance(axis.key, tuple) and axis.key[0] == "turn"


def settled(kind: ArrayType) -> ArrayType:
    """The kind of one of many values: a length in which they differ is a length of its own."""
    shape = tuple([any_length(may_be_one(axis)) if is_any(axis) else axis for axis in kind.shape])
    return ArrayType(kind.dtype, shape, kind.python)


def joined_element(a: Element, b: Element) -> Element:
    """An element that both of these are."""
    if isinstance(a, tuple) and isinstance(b, tuple):
        if len(a) != len(b):
            raise Different(f"one of its items has {len(a)} parts, another {len(b)}")
        return tuple([joined_element(one, other) for one, other in zip(a, b, strict=True)])
    if isinstance(a, tuple) or isinstance(b, tuple) or a.rank != b.rank:
        raise Different("its items are of different kinds")
    if a.python and b.python:
        return python_type(np.result_type(a.dtype, b.dtype))
    dtypes = [t.dtype for t in (a, b) if not t.python]
    if any(t.python and t.dtype.kind == "f" for t in (a, b)):
        dtypes.append(np.result_type(*dtypes, np.float16))
    shape = tuple([joined_axis(one, other) for one, other in zip(a.shape, b.shape, strict=True)])
    return ArrayType(np.result_type(*dtypes), shape)


def same_element(a: Element, b: Element) -> bool:
    if isinstance(a, tuple) or isinstance(b, tuple):
        return (
            isinstance(a, tuple)
            and isinstance(b, tuple)
            and len(a) == len(b)
            and all(map(same_element, a, b))
        )
    return (
        a.dtype == b.dtype
        and a.python == b.python
        and a.rank == b.rank
        and all(map(same_length, a.shape, b.shape))
    )
