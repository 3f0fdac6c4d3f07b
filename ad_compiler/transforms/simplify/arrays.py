"""Identities of what moves, sums and writes elements."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ad_compiler.analysis.slice_lengths import same_shape_together
from ad_compiler.analysis.types import same_shape
from ad_compiler.builder import Builder, key_of
from ad_compiler.ir import Operand, Operation, Value
from ad_compiler.rules.notation import registry
from ad_compiler.rules.shapes import (
    broadcast_to_type,
    has_inferred_length,
    normalized_axes,
    rank_of,
    reshape_type,
    shape_of,
    type_of,
)
from ad_compiler.rules.structure import length
from ad_compiler.rules.subscripts import getitem_type, has_repetitions
from ad_compiler.transforms.simplify.table import Rewrite, call, is_number, made_by, rewrites, simplifications


def _write(name: str) -> Rewrite:
    """A number needs no broadcasting before it is written; nothing is added to zeros just written.

    And what is read is not written again where it stands.
    """

    def rewrite(builder: Builder, arguments: tuple[Operand, ...]) -> Operand:
        array, index, value, path = arguments
        stretched = made_by(value, "broadcast_to")
        if stretched and rank_of(stretched.arguments[0]) == 0:
            return call(builder, name, array, index, stretched.arguments[0], path)
        cleared = made_by(array, "index_set") if name == "index_add" else None
        if cleared and is_number(cleared.arguments[2], 0) and not has_repetitions(index):
            before, *rest = cleared.arguments
            if key_of((rest[0], rest[2])) == key_of((index, path)):
                return call(builder, "index_set", before, index, value, path)
        read = made_by(value, "getitem") if name == "index_set" and not path else None
        if read and key_of(read.arguments) == key_of((array, index)):
            return array
        return NotImplemented

    return rewrite


simplifications.update({name: _write(name) for name in ("index_add", "index_set")})


@rewrites("broadcast_to")
def broadcast_to(builder: Builder, arguments: tuple[Operand, ...]) -> Operand:
    a, shape = arguments
    target = broadcast_to_type(a, shape).shape
    keeps = isinstance(a, Value) or is_number(a)
    return a if keeps and same_shape(shape_of(a), target) else NotImplemented


@rewrites("reshape")
def reshape(builder: Builder, arguments: tuple[Operand, ...]) -> Operand:
    a, shape = arguments
    keeps = isinstance(a, Value) or is_number(a)
    if keeps and same_shape(shape_of(a), reshape_type(*arguments).shape):
        return a
    inner = made_by(a, "broadcast_to")
    if inner and rank_of(inner.arguments[0]) == 0 and not has_inferred_length(shape):
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
        return call(
            builder,
            operator.neg,
            builder.call(registry[np.sum], (negated.arguments[0], axis, keepdims), True),
        )
    matrices = made_by(a, "matmul", "dot")
    if matrices:
        return matmul_sum(builder, matrices, axis, keepdims)
    scatter = made_by(a, "index_add")
    if scatter and isinstance(axis, int):
        return scatter_sum(builder, scatter, axis % rank_of(a), keepdims)
    product = made_by(a, "mul")
    return NotImplemented if product is None else product_sum(builder, product, axis, keepdims)


def total_over(builder: Builder, a: Operand, axis: int, keepdims: bool = False) -> Operand:
    return builder.call(registry[np.sum], (a, axis, keepdims), True)


def scatter_sum(builder: Builder, scatter: Operation, axis: int, keepdims: Any) -> Operand:
    """Zeros with `v[i]` written into row i, `a[np.arange(n), columns] += v`: their sums by row are `v`."""
    array, index, value, path = scatter.arguments
    if path or not made_by(array, "zeros_like") or rank_of(array) != 2 or len(index) != 2:
        return NotImplemented
    other = 1 - axis
    counted = made_by(index[other], "arange")
    rows = (shape_of(array)[other],)
    if (
        counted is None
        or counted.arguments[1] is not None
        or not same_shape(shape_of(counted.result), rows)
        or not same_shape(getitem_type(array, index).shape, rows)
        or type_of(value).dtype != type_of(array).dtype
    ):
        return NotImplemented
    if keepdims and rank_of(value):
        value = call(builder, np.expand_dims, value, axis)
    lengths = [length(builder, array, other)]
    if keepdims:
        lengths.insert(axis, 1)
    return call(builder, np.broadcast_to, value, tuple(lengths))


def matmul_sum(builder: Builder, matrices: Operation, axis: Any, keepdims: Any) -> Operand:
    """A product of matrices summed over its rows or columns: the sum goes into the factor that has them."""
    a, b = matrices.arguments
    rank = rank_of(matrices.result)
    if rank < 2 or rank_of(a) < 2 or rank_of(b) < 2 or axis not in (rank - 1, rank - 2):
        return NotImplemented
    if matrices.primitive.name == "dot" and rank > 2:
        return NotImplemented  # `np.dot` pairs every matrix of one with every matrix of the other
    if rank == 2 and not keepdims:  # a product with a vector
        if axis == 1:
            return builder.call(registry[np.dot], (a, total_over(builder, b, 1)), True)
        return builder.call(registry[np.dot], (total_over(builder, a, 0), b), True)
    if axis == rank - 1:
        summed = call(builder, operator.matmul, a, total_over(builder, b, rank_of(b) - 1, True))
    else:
        summed = call(builder, operator.matmul, total_over(builder, a, rank_of(a) - 2, True), b)
    if keepdims:
        return summed
    index = tuple([0 if place == axis else slice(None) for place in range(rank)])
    return call(builder, "getitem", summed, index)


def product_sum(builder: Builder, product: Operation, axis: Any, keepdims: Any) -> Operand:
    """`(x * y).sum()` over every axis of two vectors is a dot product: no temporary array."""
    a, b = product.arguments
    are_vectors = rank_of(a) == rank_of(b) == 1 and same_shape_together(shape_of(a), shape_of(b))
    are_real = type_of(a).dtype == type_of(b).dtype and type_of(a).dtype.kind == "f"
    if axis is None and not keepdims and are_vectors and are_real:
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
    return (
        call(builder, np.transpose, a, None) if rank_of(a) == 2 and (first - second) % 2 else NotImplemented
    )


@rewrites("expand_dims")
def expand_dims(builder: Builder, arguments: tuple[Operand, ...]) -> Operand:
    a, axis = arguments
    return a if axis == () else NotImplemented


@rewrites("moveaxis")
def moveaxis(builder: Builder, arguments: tuple[Operand, ...]) -> Operand:
    a, source, destination = arguments
    rank = rank_of(a)
    return a if normalized_axes(source, rank) == normalized_axes(destination, rank) else NotImplemented
