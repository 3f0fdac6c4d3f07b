"""The shape of an operation on arrays of several shapes.

    >>> n, m = Length("n"), Length("m")
    >>> broadcast((n, 3), (m, 1))
    (m, 3)
    >>> same_length(n, m)
    True

A length that may turn out to be 1 at run time (a slice of unknown extent) is never unified by a
broadcast; the reverse sweep then tests it where it must.
"""

from __future__ import annotations

from ad_compiler.analysis.slice_lengths import equal_together, has_conditions
from ad_compiler.analysis.types import (
    Axis,
    Length,
    Shape,
    may_be_one,
    representative,
    same_length,
    unify,
)


def broadcast_axis(a: Axis, b: Axis) -> Axis:
    a, b = representative(a), representative(b)
    if same_length(a, b) or b == 1:
        return a
    if a == 1:
        return b
    if not may_be_one(a) and not may_be_one(b):
        unify(a, b)
        return representative(a)
    if equal_together(a, b):
        return b if has_conditions(a) else a
    if not may_be_one(b):
        return b
    if not may_be_one(a):
        return a
    return Length(("broadcast", a, b), may_be_one=True)


def broadcast(*shapes: Shape) -> Shape:
    """The shape of an elementwise operation on arrays of these shapes (NumPy's rule)."""
    rank = max(map(len, shapes), default=0)
    result: list[Axis] = []
    for position in range(rank):
        axis: Axis = 1
        for shape in shapes:
            offset = position - (rank - len(shape))
            if offset >= 0:
                axis = broadcast_axis(axis, shape[offset])
        result.append(axis)
    return tuple(result)
