"""Which slices are as long as other arrays, for whatever their bounds are in a turn of a loop.

    out = np.zeros(n)
    for i in range(k):                      n is x.shape[0] - k + 1
        out = out + w[i] * x[i : i + n]     `x[i : i + n]` is as long as `out`

NumPy would stretch a slice of length 1, so the reverse sweep would have to look. That a slice has exactly
`stop - start` elements is true where `0 <= start <= stop <= length of the axis`. These conditions, and the
lengths, are sums of whole numbers; a sum is not negative if it is one when the indices of loops are replaced
by the ends of their ranges, and what is left are lengths. Where two arrays meet, both exist: that is
why `n` is not negative here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ad_compiler.analysis.types import ArrayType, Axis, Length, Shape, representative, same_length
from ad_compiler.ir import Operand, Operation, Value

MOST_LOOPS = 8  # whose indices are replaced
DEEPEST = 8  # sum of sums that is looked into


@dataclass(frozen=True, slots=True)
class Sum:
    """A constant and multiples of whole numbers, which are lengths or values."""

    constant: int
    terms: dict[Length | Value, int]

    def plus(self, other: Sum, factor: int = 1) -> Sum:
        terms = dict(self.terms)
        for term, count in other.terms.items():
            terms[term] = terms.get(term, 0) + factor * count
        nonzero = {term: count for term, count in terms.items() if count}
        return Sum(self.constant + factor * other.constant, nonzero)


NOTHING = Sum(0, {})


@dataclass(frozen=True, slots=True)
class Known:
    """A length as a sum, which it is where no sum of `conditions` is negative."""

    length: Sum
    conditions: tuple[Sum, ...] = ()


def equal_together(a: Axis, b: Axis) -> bool:
    """Whether two lengths are equal wherever arrays with these lengths meet."""
    a, b = representative(a), representative(b)
    if same_length(a, b):
        return True
    if not is_computed(a) and not is_computed(b):
        return False
    one, other = known_length(a), known_length(b)
    if one is None or other is None or one.length != other.length:
        return False
    facts = [known.length for known in (one, other) if not known.conditions]
    conditions = (*one.conditions, *other.conditions)
    return all(is_nonnegative(condition, facts) for condition in conditions)


def same_shape_together(a: Shape, b: Shape) -> bool:
    """Whether two arrays have one shape wherever they meet."""
    return len(a) == len(b) and all(map(equal_together, a, b))


def has_conditions(axis: Axis) -> bool:
    known = known_length(axis)
    return known is None or bool(known.conditions)


def is_computed(axis: Axis) -> bool:
    return isinstance(axis, Length) and isinstance(axis.key, tuple)


def known_length(axis: Axis, depth: int = DEEPEST) -> Known | None:
    axis = representative(axis)
    if isinstance(axis, int):
        return Known(Sum(axis, {}))
    match axis.key:
        case ("value", Value() as value):
            total = sum_of(value, depth)
            return None if total is None else Known(total)
        case ("value if not negative", Value() as value):
            total = sum_of(value, depth)
            return None if total is None else Known(total, (total,))
        case ("shortened", (int() | Length()) as whole, int(by)):
            known = known_length(whole, depth)
            if known is None:
                return None
            rest = known.length.plus(Sum(by, {}), -1)
            return Known(rest, (*known.conditions, rest))
        case ("slice", (int() | Length()) as whole, (start, stop, step)) if step in (None, 1):
            return known_slice(whole, start, stop, depth)
        case _:
            return Known(Sum(0, {axis: 1}))


def known_slice(axis: Axis, start: Operand, stop: Operand, depth: int) -> Known | None:
    """The length of `x[start:stop]` on an axis."""
    whole = known_length(axis, depth)
    if whole is None:
        return None
    ends = []
    for bound, absent in ((start, NOTHING), (stop, whole.length)):
        end = absent if bound is None else sum_of(bound, depth)
        if end is None:
            return None
        if is_nonnegative(NOTHING.plus(end, -1).plus(Sum(-1, {}))):  # counted from the end
            end = end.plus(whole.length)
        ends.append(end)
    first, behind = ends
    length = behind.plus(first, -1)
    return Known(length, (*whole.conditions, first, behind, length, whole.length.plus(behind, -1)))


def sum_of(operand: Operand, depth: int = DEEPEST) -> Sum | None:
    """A whole number as a sum; what is computed otherwise is a term of its own."""
    if isinstance(operand, (int, np.integer)):
        return Sum(int(operand), {})
    if not isinstance(operand, Value) or not is_whole(operand):
        return None
    node = operand.operation
    if not isinstance(node, Operation) or not depth:
        return Sum(0, {operand: 1})
    name, arguments = node.primitive.name, node.arguments
    if name == "length":
        array, axis = arguments
        return length_as_sum(array, axis, depth - 1)
    parts = [sum_of(argument, depth - 1) for argument in arguments] if name in ("add", "sub", "neg") else []
    match name, parts:
        case "add", [Sum() as first, Sum() as second]:
            return first.plus(second)
        case "sub", [Sum() as first, Sum() as second]:
            return first.plus(second, -1)
        case "neg", [Sum() as first]:
            return NOTHING.plus(first, -1)
    return Sum(0, {operand: 1})


def length_as_sum(array: Value, axis: int, depth: int) -> Sum:
    """`array.shape[axis]`."""
    assert isinstance(array.type, ArrayType)
    length = representative(array.type.shape[axis])
    known = known_length(length, depth)
    if known is not None and not known.conditions:
        return known.length
    return Sum(length, {}) if isinstance(length, int) else Sum(0, {length: 1})


def is_whole(value: Value) -> bool:
    """Whether sums of it do not wrap."""
    kind = value.type
    return isinstance(kind, ArrayType) and kind.rank == 0 and kind.dtype == np.int64


def is_nonnegative(total: Sum, facts: list[Sum] | None = None) -> bool:
    """Whether a sum is not negative, if none of `facts` is."""
    for _ in range(MOST_LOOPS):
        if any(all_nonnegative(total.plus(fact, -1)) for fact in (NOTHING, *(facts or ()))):
            return True
        replaced = without_an_index(total)
        if replaced is None:
            return False
        total = replaced
    return False


def all_nonnegative(total: Sum) -> bool:
    return total.constant >= 0 and all(
        isinstance(term, Length) and count >= 0 for term, count in total.terms.items()
    )


def without_an_index(total: Sum) -> Sum | None:
    """A sum that is not greater, in which the index of a loop is replaced by an end of its range."""
    for term, count in total.terms.items():
        ends = ends_of(term) if isinstance(term, Value) else None
        if ends is not None:
            return total.plus(ends[count < 0], count).plus(Sum(0, {term: 1}), -count)
    return None


def ends_of(value: Value) -> tuple[Sum, Sum] | None:
    """The least and the greatest number that the index of a loop may be."""
    loop = value.loop
    if loop is None or loop.index is not value or loop.bounds is None:
        return None
    start, stop, step = loop.bounds
    first, behind = sum_of(start), sum_of(stop)
    if first is None or behind is None or not isinstance(step, int) or step == 0:
        return None
    one = Sum(1, {})
    return (first, behind.plus(one, -1)) if step > 0 else (behind.plus(one), first)
