"""Identities applied to generated code while it is built.

    g * 1.0                          ->  g
    g * (1 / x)                      ->  g / x
    g * where(c, 1.0, 0.0)           ->  where(c, g, 0.0)
    where(c, g, 0.0) * p             ->  where(c, g * p, 0.0)        (a strong zero: p may be inf there)
    broadcast_to(g, shape) * p       ->  g * p                       where p has that shape
    a + index_add(zeros, i, v)       ->  index_add(a, i, v)

Only operations that the compiler wrote itself are rewritten; the user's stay as they are. None of these
changes a value other than by rounding, and none drops an inf or a NaN that the mathematics has.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ad_compiler.analysis.types import broadcast, same_shape
from ad_compiler.builder import Builder
from ad_compiler.ir import Operand, Operation, Value
from ad_compiler.rules.notation import registry
from ad_compiler.rules.selection import select_type
from ad_compiler.rules.shapes import rank_of, shape_of, type_of

Rewrite = Callable[[Builder, tuple[Operand, ...]], Operand]
simplifications: dict[str, Rewrite] = {}

_NUMBERS = (bool, int, float, np.generic)


def rewrites(*names: str) -> Callable[[Rewrite], Rewrite]:
    def decorate(rewrite: Rewrite) -> Rewrite:
        for name in names:
            simplifications[name] = rewrite
        return rewrite

    return decorate


def is_number(operand: Operand, number: float | None = None) -> bool:
    return isinstance(operand, _NUMBERS) and (number is None or operand == number)


def made_by(operand: Operand, *names: str) -> Operation | None:
    """The operation an operand comes from, if it is one of these."""
    if isinstance(operand, Value) and isinstance(operand.operation, Operation):
        operation = operand.operation
        if operation.primitive.name in names:
            return operation
    return None


def call(builder: Builder, function: Any, *arguments: Operand) -> Operand:
    return builder.call(registry[function], arguments)


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
        if same_shape(shape_of(second), shape_of(first)) and not made_by(second, "broadcast_to"):
            return (inner, second) if first is a else (second, inner)
    return a, b


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


@rewrites("mul", "multiply")
def multiply(builder: Builder, arguments: tuple[Operand, ...]) -> Operand:
    a, b = arguments
    if is_number(a) and is_number(b):
        return a * b
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
        if chosen and (is_number(chosen.arguments[1], 0) or is_number(chosen.arguments[2], 0)):
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
                return call(builder, operator.mul, other * factor, rest)
            # The number goes where fewer elements are multiplied, or where it meets another one.
            if rank_of(other) < rank_of(rest) or (rank_of(other) == rank_of(rest) and has_factor(other)):
                return call(builder, operator.mul, call(builder, operator.mul, factor, other), rest)
        negated = made_by(one, "neg")
        if is_number(other) and negated:
            return call(builder, operator.mul, -other, negated.arguments[0])
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
        scatter = made_by(one, "index_add")
        if scatter and made_by(scatter.arguments[0], "zeros_like") and same_shape(shape_of(one), shape_of(other)):
            if type_of(one).dtype == type_of(other).dtype and not made_by(other, "broadcast_to"):
                return call(builder, "index_add", other, *scatter.arguments[1:])
    negated = made_by(b, "neg")
    if negated:
        return call(builder, operator.sub, a, negated.arguments[0])
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
    x, y = without_leading_axes(*without_broadcast(a, b))
    return call(builder, operator.sub, x, y) if x is not a or y is not b else NotImplemented


@rewrites("truediv", "divide")
def divide(builder: Builder, arguments: tuple[Operand, ...]) -> Operand:
    a, b = arguments
    if is_number(b, 1):
        return a
    if is_number(a) and is_number(b) and b != 0:
        return a / b
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
        return call(builder, np.broadcast_to, call(builder, operator.neg, stretched.arguments[0]), stretched.arguments[1])
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
            return call(builder, np.broadcast_to, call(builder, function, stretched.arguments[0], b), stretched.arguments[1])
        return call(builder, MIRRORED[function], b, a) if is_number(a) else NotImplemented

    return rewrite


for _function in (operator.eq, operator.ne, operator.lt, operator.gt, operator.le, operator.ge):
    simplifications[_function.__name__] = _comparison(_function)


def _write(name: str) -> Rewrite:
    """A number needs no broadcasting before it is written."""

    def rewrite(builder: Builder, arguments: tuple[Operand, ...]) -> Operand:
        array, index, value = arguments
        stretched = made_by(value, "broadcast_to")
        if stretched and rank_of(stretched.arguments[0]) == 0:
            return call(builder, name, array, index, stretched.arguments[0])
        return NotImplemented

    return rewrite


simplifications.update({name: _write(name) for name in ("index_add", "index_set")})


@rewrites("select")
def select(builder: Builder, arguments: tuple[Operand, ...]) -> Operand:
    condition, x, y = arguments
    if isinstance(condition, (bool, np.bool_)):
        return x if condition else y
    if is_number(x) and is_number(y) and x == y:
        return x
    shape = select_type(condition, x, y).shape
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


@rewrites("broadcast_to")
def broadcast_to(builder: Builder, arguments: tuple[Operand, ...]) -> Operand:
    a, shape = arguments
    primitive = registry[np.broadcast_to]
    return a if rank_of(a) == len(shape) and same_shape(shape_of(a), primitive.infer(a, shape).shape) else NotImplemented  # type: ignore[union-attr]


@rewrites("reshape")
def reshape(builder: Builder, arguments: tuple[Operand, ...]) -> Operand:
    a, shape = arguments
    target = registry[np.reshape].infer(a, shape)
    if same_shape(shape_of(a), target.shape) and isinstance(a, Value):  # type: ignore[union-attr]
        return a
    inner = made_by(a, "broadcast_to")
    if inner and rank_of(inner.arguments[0]) == 0:
        return call(builder, np.broadcast_to, inner.arguments[0], shape)
    return NotImplemented


@rewrites("transpose")
def transpose(builder: Builder, arguments: tuple[Operand, ...]) -> Operand:
    a, axes = arguments
    if rank_of(a) < 2 or (axes is not None and tuple(axes) == tuple(range(rank_of(a)))):
        return a
    inner = made_by(a, "transpose")
    if inner and axes is None and inner.arguments[1] is None:
        return inner.arguments[0]
    return NotImplemented


@rewrites("sum")
def total(builder: Builder, arguments: tuple[Operand, ...]) -> Operand:
    a, axis, keepdims = arguments
    if rank_of(a) == 0 or axis == ():
        return a
    negated = made_by(a, "neg")
    if negated:
        return call(builder, operator.neg, builder.call(registry[np.sum], (negated.arguments[0], axis, keepdims), True))
    matrices = made_by(a, "matmul")
    if matrices:
        return matmul_sum(builder, matrices, axis, keepdims)
    product = made_by(a, "mul")
    return NotImplemented if product is None else product_sum(builder, product, axis, keepdims)


def matmul_sum(builder: Builder, matrices: Operation, axis: Any, keepdims: Any) -> Operand:
    """A product of matrices summed over its rows or columns: the sum goes into the factor that has them."""
    a, b = matrices.arguments
    rank = rank_of(matrices.result)
    if rank < 2 or rank_of(a) < 2 or rank_of(b) < 2 or axis not in (rank - 1, rank - 2):
        return NotImplemented
    if axis == rank - 1:
        right = builder.call(registry[np.sum], (b, rank_of(b) - 1, True), True)
        summed = call(builder, operator.matmul, a, right)
    else:
        left = builder.call(registry[np.sum], (a, rank_of(a) - 2, True), True)
        summed = call(builder, operator.matmul, left, b)
    if keepdims:
        return summed
    index = [slice(None)] * rank
    index[axis] = 0  # type: ignore[call-overload]
    return call(builder, "getitem", summed, tuple(index))


def product_sum(builder: Builder, product: Operation, axis: Any, keepdims: Any) -> Operand:
    """`(x * y).sum()` over every axis of two vectors is a dot product: no temporary array."""
    a, b = product.arguments
    if axis is None and not keepdims and rank_of(a) == rank_of(b) == 1 and same_shape(shape_of(a), shape_of(b)):
        if type_of(a).dtype == type_of(b).dtype and type_of(a).dtype.kind == "f":
            return call(builder, operator.matmul, a, b)
    return NotImplemented


@rewrites("getitem")
def getitem(builder: Builder, arguments: tuple[Operand, ...]) -> Operand:
    """`a.sum(axis=1, keepdims=True)[:, 0]` is `a.sum(axis=1)`, and `(-a)[i]` is `-a[i]`."""
    array, index = arguments
    negated = made_by(array, "neg")
    if negated:
        return call(builder, operator.neg, call(builder, "getitem", negated.arguments[0], index))
    kept = made_by(array, "sum")
    if kept is None or kept.arguments[2] is not True or not isinstance(kept.arguments[1], int):
        return NotImplemented
    a, axis, _ = kept.arguments
    expected = [0 if i == axis % rank_of(a) else slice(None) for i in range(len(index))]
    if len(index) > axis % rank_of(a) and list(index) == expected:
        return builder.call(registry[np.sum], (a, axis, False), True)
    return NotImplemented


@rewrites("swapaxes")
def swapaxes(builder: Builder, arguments: tuple[Operand, ...]) -> Operand:
    a, first, second = arguments
    return call(builder, np.transpose, a, None) if rank_of(a) == 2 and (first - second) % 2 else NotImplemented


@rewrites("expand_dims")
def expand_dims(builder: Builder, arguments: tuple[Operand, ...]) -> Operand:
    a, axis = arguments
    return a if axis == () else NotImplemented
