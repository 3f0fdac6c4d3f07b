"""Identities of sums, products, quotients and powers."""

from __future__ import annotations

import math
import operator
from decimal import Decimal
from typing import Any

import numpy as np

from ad_compiler.analysis.slice_lengths import equal_together, same_shape_together
from ad_compiler.analysis.types import Shape, is_one, same_shape
from ad_compiler.builder import Builder
from ad_compiler.ir import Operand, Operation
from ad_compiler.rules.notation import registry
from ad_compiler.rules.shapes import rank_of, shape_of, type_of
from ad_compiler.rules.structure import shape_values
from ad_compiler.transforms.simplify.table import call, is_number, made_by, rewrites


def both_broadcast(builder: Builder, function: Any, a: Operand, b: Operand) -> Operand:
    """Two operands stretched to one shape are combined before they are stretched."""
    first, second = made_by(a, "broadcast_to"), made_by(b, "broadcast_to")
    if first and second and same_shape(shape_of(a), shape_of(b)):
        inner = call(builder, function, first.arguments[0], second.arguments[0])
        return call(builder, np.broadcast_to, inner, first.arguments[1])
    return None


def without_broadcast(a: Operand, b: Operand) -> tuple[Operand, Operand]:
    """Drop a `broadcast_to` that the other operand's shape makes superfluous."""
    for first, second in ((a, b), (b, a)):
        operation = made_by(first, "broadcast_to")
        if operation is None:
            continue
        inner = operation.arguments[0]
        if covers(shape_of(second), shape_of(first)) and not made_by(second, "broadcast_to"):
            return (inner, second) if first is a else (second, inner)
    return a, b


def covers(shape: Shape, other: Shape) -> bool:
    """Whether an array of the `other` shape, broadcast with one of this shape, takes this shape."""
    last = shape[len(shape) - len(other) :]
    return len(other) <= len(shape) and all(
        is_one(n) or equal_together(m, n) for m, n in zip(last, other, strict=True)
    )


def without_leading_axes(a: Operand, b: Operand) -> tuple[Operand, Operand]:
    """Axes of length 1 in front come by themselves where the other operand has them."""
    for first, second in ((a, b), (b, a)):
        expanded = made_by(first, "expand_dims")
        if expanded is None or rank_of(second) < rank_of(first):
            continue
        inner, axis = expanded.arguments
        axes = axis if isinstance(axis, tuple) else (axis,)
        if tuple(axes) == tuple(range(len(axes))):
            return (inner, second) if first is a else (second, inner)
    return a, b


def has_factor(operand: Operand) -> bool:
    """Whether a product begins with a number, with which another number would fold."""
    expanded = made_by(operand, "expand_dims")
    inner = operand if expanded is None else expanded.arguments[0]
    product = made_by(inner, "mul")
    return bool(made_by(inner, "neg")) or (product is not None and is_number(product.arguments[0]))


def is_constant_choice(operand: Operand) -> bool:
    """A `select` whose arms are numbers, or such choices again."""
    operation = made_by(operand, "select")
    if operation is None:
        return False
    return all(is_number(arm) or is_constant_choice(arm) for arm in operation.arguments[1:])


def product_of_numbers(a: float, b: float) -> float:
    """The product of two constants; of the numbers that are a rounding apart, the one that is short.

    >>> product_of_numbers(3, 0.1), 3 * 0.1
    (0.3, 0.30000000000000004)
    """
    product = a * b
    if not isinstance(product, float) or not math.isfinite(product):
        return product
    decimal = float(Decimal(repr(float(a))) * Decimal(repr(float(b))))
    is_short = len(repr(decimal)) < len(repr(product)) and abs(decimal - product) <= math.ulp(product)
    return decimal if is_short else product


@rewrites("mul", "multiply")
def multiply(builder: Builder, arguments: tuple[Operand, ...]) -> Operand:
    a, b = arguments
    if is_number(a) and is_number(b):
        return product_of_numbers(a, b)
    for one, other in ((a, b), (b, a)):
        if is_number(one, 1):
            return other
        if is_number(one, -1):
            return call(builder, operator.neg, other)
    for one, other in ((a, b), (b, a)):
        if is_constant_choice(one):
            condition, x, y = one.operation.arguments
            return select_scaled(builder, condition, other, x, y)
    for one, other in ((a, b), (b, a)):
        chosen = made_by(one, "select")
        is_part = chosen and any(is_number(arm, 0) for arm in chosen.arguments[1:])
        if chosen and is_part and rank_of(other) <= rank_of(one):
            condition, x, y = chosen.arguments
            return select_scaled(builder, condition, other, x, y)
    for one, other in ((a, b), (b, a)):
        quotient = made_by(one, "truediv")
        if quotient and quotient.result in builder.own and is_number(quotient.arguments[0]):
            factor, divisor = quotient.arguments
            return call(builder, operator.truediv, call(builder, operator.mul, factor, other), divisor)
        product = made_by(one, "mul")
        if product and is_number(product.arguments[0]):
            factor, rest = product.arguments
            if is_number(other):
                return call(builder, operator.mul, product_of_numbers(other, factor), rest)
            # The number goes where fewer elements are multiplied, or where it meets another one.
            if rank_of(other) < rank_of(rest) or (rank_of(other) == rank_of(rest) and has_factor(other)):
                return call(builder, operator.mul, call(builder, operator.mul, factor, other), rest)
        negated = made_by(one, "neg")
        if is_number(other) and negated:
            return call(builder, operator.mul, -other, negated.arguments[0])
        if negated and negated.result in builder.own:  # outwards, where a sum takes it in
            factors = [negated.arguments[0] if factor is one else factor for factor in (a, b)]
            return call(builder, operator.neg, call(builder, operator.mul, *factors))
        expanded = made_by(one, "expand_dims")
        if is_number(other) and expanded:
            inner, axis = expanded.arguments
            return call(builder, np.expand_dims, call(builder, operator.mul, other, inner), axis)
    for one, other in ((a, b), (b, a)):
        stretched = made_by(one, "broadcast_to")
        if stretched and rank_of(other) == 0:
            inner, shape = stretched.arguments
            return call(builder, np.broadcast_to, call(builder, operator.mul, inner, other), shape)
    x, y = without_leading_axes(*without_broadcast(a, b))
    if x is not a or y is not b:
        return call(builder, operator.mul, x, y)
    if is_number(b):
        return call(builder, operator.mul, b, a)
    return NotImplemented


def select_scaled(builder: Builder, condition: Operand, factor: Operand, x: Operand, y: Operand) -> Operand:
    """`where(condition, x, y) * factor`, the factor moved into the arms."""
    return call(
        builder,
        "select",
        condition,
        0.0 if is_number(x, 0) else call(builder, operator.mul, factor, x),
        0.0 if is_number(y, 0) else call(builder, operator.mul, factor, y),
    )


def scatter_in(builder: Builder, operand: Operand) -> tuple[Operation | None, tuple[Operand, ...]]:
    """What writes into zeros, seen in another shape or not, and the path to where it writes."""
    view = made_by(operand, "reshape")
    scatter = made_by(operand if view is None else view.arguments[0], "index_add")
    zeros = scatter and made_by(scatter.arguments[0], "zeros_like")
    if not scatter or not zeros:
        return None, ()
    path = scatter.arguments[3]
    if view is not None:
        template = zeros.arguments[0]
        seen = made_by(template, "reshape", "ravel")
        if seen and same_shape(shape_of(seen.arguments[0]), shape_of(operand)):
            step = (seen.primitive, *seen.arguments[1:])
        else:
            step = (registry[np.reshape], shape_values(builder, template))
        path = (step, *path)
    return scatter, path


@rewrites("add")
def add(builder: Builder, arguments: tuple[Operand, ...]) -> Operand:
    a, b = arguments
    if is_number(a) and is_number(b):
        return a + b
    if is_number(a, 0):
        return b
    if is_number(b, 0):
        return a
    if a is b:
        return call(builder, operator.mul, 2, a)
    for one, other in ((b, a), (a, b)):
        scatter, path = scatter_in(builder, one)
        if (
            scatter
            and same_shape_together(shape_of(one), shape_of(other))
            and type_of(one).dtype == type_of(other).dtype
            and not made_by(other, "broadcast_to")
        ):
            return call(builder, "index_add", other, *scatter.arguments[1:3], path)
    negated = made_by(b, "neg")
    if negated:
        return call(builder, operator.sub, a, negated.arguments[0])
    negated = made_by(a, "neg")
    if negated and negated.result in builder.own:
        return call(builder, operator.sub, b, negated.arguments[0])
    if isinstance(b, (int, float)) and b < 0:
        return call(builder, operator.sub, a, -b)
    product = made_by(b, "mul")
    if product and product.result in builder.own and is_number(product.arguments[0]):
        factor, rest = product.arguments
        if factor < 0:
            return call(builder, operator.sub, a, call(builder, operator.mul, -factor, rest))
    both = both_broadcast(builder, operator.add, a, b)
    if both is not None:
        return both
    x, y = without_leading_axes(*without_broadcast(a, b))
    return call(builder, operator.add, x, y) if x is not a or y is not b else NotImplemented


@rewrites("sub")
def subtract(builder: Builder, arguments: tuple[Operand, ...]) -> Operand:
    a, b = arguments
    if is_number(a) and is_number(b):
        return a - b
    if is_number(b, 0):
        return a
    for one, other, function in ((b, a, operator.add), (a, b, operator.neg)):
        negated = made_by(one, "neg")
        if negated and negated.result in builder.own:
            total = call(builder, operator.add, *((other, negated.arguments[0])[:: 1 if one is b else -1]))
            return total if function is operator.add else call(builder, operator.neg, total)
    x, y = without_leading_axes(*without_broadcast(a, b))
    return call(builder, operator.sub, x, y) if x is not a or y is not b else NotImplemented


@rewrites("truediv", "divide")
def divide(builder: Builder, arguments: tuple[Operand, ...]) -> Operand:
    a, b = arguments
    if is_number(b, 1):
        return a
    if is_number(a) and is_number(b) and b != 0:
        return a / b
    negated = made_by(a, "neg")
    if negated and negated.result in builder.own:
        return call(builder, operator.neg, call(builder, operator.truediv, negated.arguments[0], b))
    chosen = made_by(a, "select")
    if chosen and any(is_number(arm, 0) for arm in chosen.arguments[1:]):
        condition, x, y = chosen.arguments
        arms = [0.0 if is_number(arm, 0) else call(builder, operator.truediv, arm, b) for arm in (x, y)]
        return call(builder, "select", condition, *arms)
    x, y = without_leading_axes(*without_broadcast(a, b))
    return call(builder, operator.truediv, x, y) if x is not a or y is not b else NotImplemented


@rewrites("neg")
def negate(builder: Builder, arguments: tuple[Operand, ...]) -> Operand:
    (a,) = arguments
    if is_number(a):
        return -a
    inner = made_by(a, "neg")
    if inner:
        return inner.arguments[0]
    difference = made_by(a, "sub")
    if difference:
        return call(builder, operator.sub, difference.arguments[1], difference.arguments[0])
    stretched = made_by(a, "broadcast_to")
    if stretched:
        return call(
            builder,
            np.broadcast_to,
            call(builder, operator.neg, stretched.arguments[0]),
            stretched.arguments[1],
        )
    product = made_by(a, "mul")
    if product and is_number(product.arguments[0]):
        return call(builder, operator.mul, -product.arguments[0], product.arguments[1])
    return NotImplemented


@rewrites("pow", "power")
def power(builder: Builder, arguments: tuple[Operand, ...]) -> Operand:
    a, b = arguments
    if is_number(a) and is_number(b):
        return a**b
    if is_number(b, 1):
        return a
    return 1.0 if is_number(b, 0) else NotImplemented
