"""Identities of comparisons and of `select`."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ad_compiler.analysis.broadcasting import broadcast
from ad_compiler.analysis.types import same_shape
from ad_compiler.builder import Builder
from ad_compiler.ir import Operand
from ad_compiler.rules.selection import select_type
from ad_compiler.rules.shapes import shape_of
from ad_compiler.rules.structure import shape_values
from ad_compiler.transforms.simplify.table import Rewrite, call, is_number, made_by, rewrites, simplifications

MIRRORED: dict[Any, Any] = {
    operator.eq: operator.eq,
    operator.ne: operator.ne,
    operator.lt: operator.gt,
    operator.gt: operator.lt,
    operator.le: operator.ge,
    operator.ge: operator.le,
}


def _comparison(function: Callable[[Any, Any], bool]) -> Rewrite:
    def rewrite(builder: Builder, arguments: tuple[Operand, ...]) -> Operand:
        a, b = arguments
        if is_number(a) and is_number(b):
            return bool(function(a, b))
        stretched = made_by(a, "broadcast_to")
        if stretched and is_number(b):
            return call(
                builder,
                np.broadcast_to,
                call(builder, function, stretched.arguments[0], b),
                stretched.arguments[1],
            )
        return call(builder, MIRRORED[function], b, a) if is_number(a) else NotImplemented

    return rewrite


for _function in (operator.eq, operator.ne, operator.lt, operator.gt, operator.le, operator.ge):
    simplifications[_function.__name__] = _comparison(_function)


@rewrites("select")
def select(builder: Builder, arguments: tuple[Operand, ...]) -> Operand:
    condition, x, y = arguments
    if isinstance(condition, (bool, np.bool_)):
        return x if condition else y
    shape = select_type(condition, x, y).shape
    if is_number(x) and is_number(y) and x == y:
        same = same_shape(shape_of(condition), shape)
        if not shape:
            return x
        return call(builder, np.broadcast_to, x, shape_values(builder, condition)) if same else NotImplemented
    if len(shape) and same_shape(broadcast_shape(x, y), shape):
        condition = inside_of_broadcast(condition)
    x = unstretched(condition, x)
    y = unstretched(condition, y)
    if any(new is not old for new, old in zip((condition, x, y), arguments, strict=True)):
        return call(builder, "select", condition, x, y)
    return NotImplemented


def broadcast_shape(*operands: Operand) -> Any:
    return broadcast(*[shape_of(operand) for operand in operands])


def inside_of_broadcast(operand: Operand) -> Operand:
    stretched = made_by(operand, "broadcast_to")
    return operand if stretched is None else stretched.arguments[0]


def unstretched(condition: Operand, arm: Operand) -> Operand:
    """An arm of a `select` without a `broadcast_to` to the condition's own shape."""
    stretched = made_by(arm, "broadcast_to")
    if stretched and same_shape(shape_of(condition), shape_of(arm)):
        return stretched.arguments[0]
    return arm
