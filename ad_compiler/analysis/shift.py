"""Maxima that a program subtracts for the sake of range only, and that carry no derivative.

    m = np.max(x, axis=1, keepdims=True)
    e = np.exp(x - m)
    p = e / e.sum(axis=1, keepdims=True)          does not depend on m at all

Softmax, log-softmax and logsumexp are invariant under the shift `m`, so its cotangent is exactly zero
and need not be computed. That is proved here by pushing a tangent `dm` through everything that reads
`m`: a value is *shifted* when its tangent is `c * dm`, *scaled* when it is `c * dm * value` (`exp` of a
shifted value is scaled, `log` of a scaled value is shifted); the program is invariant when every such
tangent cancels. What this little calculus does not know ends the proof, and `m` keeps its derivative.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ad_compiler.analysis.types import ArrayType, is_one, same_length
from ad_compiler.ir import Block, Operand, Operation, Value
from ad_compiler.rules.shapes import normalized_axes, rank_of, shape_of
from ad_compiler.rules.subscripts import is_array_index, is_full_slice
from ad_compiler.traversal import inputs_of, values_in

Axes = tuple[int | None, ...]  # for every axis of a value the axis of `m` it runs along, None where constant


@dataclass(frozen=True, slots=True)
class Tangent:
    """`factor * dm` where `scaled` is false, `factor * dm * value` where it is true."""

    factor: float
    scaled: bool
    axes: Axes


class Unprovable(Exception):
    """The proof ends here."""


def shift_maxima(block: Block, outputs: Operand) -> set[Value]:
    """The maxima (and minima) on which nothing that is returned depends."""
    return {
        node.result
        for node in block.operations
        if isinstance(node, Operation)
        and node.primitive.name in ("max", "amax", "min", "amin")
        and node.result.type.differentiable
        and is_invariant(block, node.result, outputs)
    }


def is_invariant(block: Block, m: Value, outputs: Operand) -> bool:
    axes = tuple(None if is_one(n) else i for i, n in enumerate(shape_of(m)))
    tangents: dict[Value, Tangent] = {m: Tangent(1.0, False, axes)}
    try:
        for node in block.operations:
            if not isinstance(node, Operation):
                if any(value in tangents for value in inputs_of(node)):
                    return False
            elif any(value in tangents for value in values_in(node.arguments)):
                tangent = push(node, tangents)
                if tangent is not None:
                    tangents[node.result] = tangent
    except Unprovable:
        return False
    return not any(value in tangents for value in values_in(outputs))


def push(node: Operation, tangents: dict[Value, Tangent]) -> Tangent | None:
    """The tangent of a result; None where it is zero."""
    if node.primitive.rule is None:
        return None
    if not isinstance(node.result.type, ArrayType):
        raise Unprovable
    rank = rank_of(node.result)
    given = [tangents.get(a) if isinstance(a, Value) else None for a in node.arguments]
    first = given[0]
    match node.primitive.name:
        case "add" | "sub":
            sign = 1.0 if node.primitive.name == "add" else -1.0
            return sum_of(aligned(given[0], rank), aligned(given[1], rank), sign)
        case "neg" if first:
            return first if first.scaled else Tangent(-first.factor, False, first.axes)
        case "exp" if first and not first.scaled:
            return Tangent(first.factor, True, first.axes)
        case "log" if first and first.scaled:
            return Tangent(first.factor, False, first.axes)
        case "mul" | "truediv":
            sign = 1.0 if node.primitive.name == "mul" else -1.0
            return product_of(node.arguments, aligned(given[0], rank), aligned(given[1], rank), sign)
        case "sum" | "mean" if first and first.scaled:
            _, axis, keepdims = node.arguments
            return reduced(first, normalized_axes(axis, len(first.axes)), keepdims)
        case "squeeze" if first:
            return reduced(first, removed_axes(node), False)
        case "getitem" if first:
            array, index = node.arguments
            return picked(first, array, index) or indexed(first, index)
    raise Unprovable


def removed_axes(node: Operation) -> tuple[int, ...]:
    """The axes that `np.squeeze` takes away."""
    array, axis = node.arguments
    if axis is None:
        return tuple(i for i, n in enumerate(shape_of(array)) if is_one(n))
    return normalized_axes(axis, rank_of(array))


def aligned(tangent: Tangent | None, rank: int) -> Tangent | None:
    """The tangent as it is broadcast to a result of this rank."""
    if tangent is None:
        return None
    return Tangent(tangent.factor, tangent.scaled, (None,) * (rank - len(tangent.axes)) + tangent.axes)


def combined(factor: float, scaled: bool, axes: Axes) -> Tangent | None:
    return None if factor == 0 else Tangent(factor, scaled, axes)


def sum_of(a: Tangent | None, b: Tangent | None, sign: float) -> Tangent | None:
    if a and b:
        if a.axes != b.axes or a.scaled != b.scaled or (a.scaled and a.factor != b.factor):
            raise Unprovable
        return a if a.scaled else combined(a.factor + sign * b.factor, False, a.axes)
    one = a or b
    if one is None or one.scaled:
        raise Unprovable
    return one if one is a else Tangent(sign * one.factor, False, one.axes)


def product_of(
    operands: tuple[Operand, ...], a: Tangent | None, b: Tangent | None, sign: float
) -> Tangent | None:
    if a and b:
        if a.axes != b.axes or not (a.scaled and b.scaled):
            raise Unprovable
        return combined(a.factor + sign * b.factor, True, a.axes)
    if a:
        if a.scaled:
            return a
        if isinstance(operands[1], (int, float)) and operands[1] != 0:
            return Tangent(a.factor * float(operands[1]) ** sign, False, a.axes)
    elif b:
        if b.scaled:
            return Tangent(sign * b.factor, True, b.axes)
        if isinstance(operands[0], (int, float)) and sign > 0:
            return combined(b.factor * float(operands[0]), False, b.axes)
    raise Unprovable


def reduced(tangent: Tangent, axes: tuple[int, ...], keepdims: Any) -> Tangent:
    """A scaled value summed over axes along which `m` is constant stays scaled."""
    if any(tangent.axes[axis] is not None for axis in axes):
        raise Unprovable
    kept = tuple(own for i, own in enumerate(tangent.axes) if keepdims or i not in axes)
    return Tangent(tangent.factor, tangent.scaled, kept)


def picked(tangent: Tangent, array: Value, index: tuple[Operand, ...]) -> Tangent | None:
    """`a[np.arange(n), labels]`: one element of every row, where `m` runs along the rows."""
    if len(index) != len(tangent.axes) or not all(is_array_index(item) for item in index):
        return None
    running = [i for i, axis in enumerate(tangent.axes) if axis is not None]
    if len(running) != 1 or any(rank_of(item) != 1 for item in index):
        return None
    (place,) = running
    rows = index[place]
    node = rows.operation if isinstance(rows, Value) else None
    if (
        not isinstance(node, Operation)
        or node.primitive.name != "arange"
        or node.arguments[1:] != (None, None)
    ):
        return None
    if not same_length(shape_of(rows)[0], shape_of(array)[place]):
        return None
    return Tangent(tangent.factor, tangent.scaled, (tangent.axes[place],))


def indexed(tangent: Tangent, index: tuple[Operand, ...]) -> Tangent:
    """New axes, and axes of constant tangent taken away by a number."""
    result: list[int | None] = []
    rest = list(tangent.axes)
    for item in index:
        if item is None:
            result.append(None)
        elif isinstance(item, (int, np.integer)) and rest and rest[0] is None:
            rest.pop(0)
        elif is_full_slice(item) and rest:
            result.append(rest.pop(0))
        else:
            raise Unprovable
    return Tangent(tangent.factor, tangent.scaled, (*result, *rest))
