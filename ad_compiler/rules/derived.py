"""Functions that are written out as several operations which have rules."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from ad_compiler.builder import Builder
from ad_compiler.ir import Operand, Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.joining import at_least
from ad_compiler.rules.notation import expansion, expansions, registry
from ad_compiler.rules.shapes import _contract, is_complex, rank_of, shape_of


@expansion(np.average)
def average(builder: Builder, a: Operand, axis: Any = None, weights: Any = None) -> Operand:
    if weights is None:
        return builder.call(registry[np.mean], (a, axis, False))
    if rank_of(a) != rank_of(weights):
        raise Refusal("`np.average` has weights of another rank", "give every element its weight")
    for one, other in zip(shape_of(a), shape_of(weights), strict=True):
        _contract(one, other)
    weighted = builder.call(registry[operator.mul], (a, weights))
    total, scale = (builder.call(registry[np.sum], (x, axis, False)) for x in (weighted, weights))
    return builder.call(registry[operator.truediv], (total, scale))


@expansion(np.vdot)
def vdot(builder: Builder, a: Operand, b: Operand) -> Operand:
    left, right = (x if rank_of(x) == 1 else builder.call(registry[np.ravel], (x, "C")) for x in (a, b))
    if is_complex(left):
        left = builder.call(registry[np.conj], (left,))
    return builder.call(registry[np.dot], (left, right))


@expansion(np.column_stack)
def column_stack(builder: Builder, tup: Any) -> Operand:
    columns = []
    for array in tup:
        column = at_least(builder, array, 1)
        if rank_of(column) == 1:
            column = builder.call(registry[np.expand_dims], (column, 1))
        columns.append(column)
    return builder.call(registry[np.concatenate], (columns, 1))


@expansion(np.vsplit)
def vsplit(builder: Builder, ary: Operand, indices_or_sections: Any) -> Operand:
    return expansions[np.split](builder, ary, indices_or_sections, 0)


@expansion(np.hsplit)
def hsplit(builder: Builder, ary: Operand, indices_or_sections: Any) -> Operand:
    return expansions[np.split](builder, ary, indices_or_sections, min(rank_of(ary) - 1, 1))


@expansion(np.matrix_transpose)
def matrix_transpose(builder: Builder, x: Operand) -> Operand:
    return builder.call(registry[np.swapaxes], (x, -1, -2))


@expansion(math.prod)
def product(builder: Builder, iterable: Operand, start: Operand = 1) -> Operand:
    if isinstance(iterable, Value):
        raise Refusal("`math.prod` loops over an array", "use `np.prod`")
    result = start
    for factor in iterable:
        known = not isinstance(result, Value) and result == 1
        result = factor if known else builder.call(registry[operator.mul], (result, factor))
    return result
