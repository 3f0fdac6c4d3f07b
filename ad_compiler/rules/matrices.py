"""Rules of products of matrices and tensors.

Source: Giles, An extended collection of matrix derivative results for forward and reverse mode
algorithmic differentiation (2008), section 2.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ad_compiler.analysis.types import ArrayType, promote
from ad_compiler.refusal import Refusal
from ad_compiler.rules.elementwise_types import broadcast_types
from ad_compiler.rules.notation import at_compile_time, rule
from ad_compiler.rules.shapes import _contract, normalized_axes, rank_of, shape_of, type_of
from ad_compiler.rules.structure import inverse_permutation, sum_to_shape_of


def matmul_type(a: Any, b: Any) -> ArrayType:
    left, right = type_of(a), type_of(b)
    if left.rank == 0 or right.rank == 0:
        raise Refusal("`@` needs arrays, not numbers", "use `*`")
    contracted = right.shape[-2] if right.rank > 1 else right.shape[0]
    _contract(left.shape[-1], contracted)
    batch = broadcast_types(
        [ArrayType(left.dtype, left.shape[:-2]), ArrayType(right.dtype, right.shape[:-2])]
    )
    rows = left.shape[-2:-1] if left.rank > 1 else ()
    columns = right.shape[-1:] if right.rank > 1 else ()
    return ArrayType(promote([left, right]), (*batch, *rows, *columns))


@rule(operator.matmul, np.matmul, infer=matmul_type, linear="each", complex=True)
def matmul(a: Any, b: Any, *, g: Any) -> Any:
    if np.ndim(a) <= 2 and np.ndim(b) <= 2:
        return product_of_matrices(a, b, g)
    if np.ndim(a) == 1:
        return (
            sum_to_shape_of((b @ g[..., :, None])[..., 0], a),
            sum_to_shape_of(a[:, None] * g[..., None, :], b),
        )
    if np.ndim(b) == 1:
        return (
            g[..., :, None] * b,
            sum_to_shape_of((np.swapaxes(a, -1, -2) @ g[..., :, None])[..., 0], b),
        )
    if np.ndim(b) == 2 and np.ndim(a) > 2:
        return g @ b.T, a.reshape(-1, a.shape[-1]).T @ g.reshape(-1, g.shape[-1])
    return (
        sum_to_shape_of(g @ np.swapaxes(b, -1, -2), a),
        sum_to_shape_of(np.swapaxes(a, -1, -2) @ g, b),
    )


def product_of_matrices(a: Any, b: Any, g: Any) -> Any:
    """Both cotangents for matrices and vectors, where `a.dot(b)` is `a @ b` at half the overhead (0.5 us)."""
    if np.ndim(a) == 1 and np.ndim(b) == 1:
        return g * b, g * a
    if np.ndim(b) == 1:
        return np.outer(g, b), a.T.dot(g)
    if np.ndim(a) == 1:
        return b.dot(g), np.outer(a, g)
    return g.dot(b.T), a.T.dot(g)


def dot_type(a: Any, b: Any) -> ArrayType:
    left, right = type_of(a), type_of(b)
    if left.rank == 0 or right.rank == 0:
        return ArrayType(promote([left, right]), left.shape + right.shape)
    position = -2 if right.rank > 1 else 0
    _contract(left.shape[-1], right.shape[position])
    rest = right.shape[:-2] + right.shape[-1:] if right.rank > 1 else ()
    return ArrayType(promote([left, right]), left.shape[:-1] + rest)


@rule(np.dot, infer=dot_type, linear="each", method="dot", complex=True)
def dot(a: Any, b: Any, *, g: Any) -> Any:
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return sum_to_shape_of(g * b, a), sum_to_shape_of(g * a, b)
    if np.ndim(a) <= 2 and np.ndim(b) <= 2:
        return product_of_matrices(a, b, g)
    if np.ndim(b) == 1:
        return g[..., None] * b, np.tensordot(g, a, (leading(g), leading(g)))
    return (
        np.tensordot(g, b, (trailing(g, np.ndim(b) - 1), all_but_second_last(b))),
        np.moveaxis(np.tensordot(a, g, (leading(a)[:-1], leading(a)[:-1])), 0, -2),
    )


@at_compile_time
def leading(a: Any) -> tuple[int, ...]:
    return tuple(range(rank_of(a)))


@at_compile_time
def trailing(a: Any, number: int) -> tuple[int, ...]:
    return tuple(range(rank_of(a) - number, rank_of(a)))


@at_compile_time
def all_but_second_last(b: Any) -> tuple[int, ...]:
    return tuple(i for i in range(rank_of(b)) if i != rank_of(b) - 2)


def inner_type(a: Any, b: Any) -> ArrayType:
    left, right = type_of(a), type_of(b)
    if left.rank == 0 or right.rank == 0:
        return ArrayType(promote([left, right]), left.shape + right.shape)
    _contract(left.shape[-1], right.shape[-1])
    return ArrayType(promote([left, right]), left.shape[:-1] + right.shape[:-1])


@rule(np.inner, infer=inner_type, linear="each", complex=True)
def inner(a: Any, b: Any, *, g: Any) -> Any:
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return sum_to_shape_of(g * b, a), sum_to_shape_of(g * a, b)
    return (
        np.tensordot(g, b, (trailing(g, np.ndim(b) - 1), leading(b)[:-1])),
        np.tensordot(g, a, (leading(a)[:-1], leading(a)[:-1])),
    )


def outer_type(a: Any, b: Any) -> ArrayType:
    from ad_compiler.rules.shapes import product_of_axes

    left, right = type_of(a), type_of(b)
    return ArrayType(
        promote([left, right]), (product_of_axes(left.shape, None), product_of_axes(right.shape, None))
    )


@rule(np.outer, infer=outer_type, linear="each", complex=True)
def outer(a: Any, b: Any, *, g: Any) -> Any:
    return (
        np.reshape(g @ np.ravel(b), np.shape(a)),
        np.reshape(np.ravel(a) @ g, np.shape(b)),
    )


@at_compile_time
def contraction(a: Any, b: Any, axes: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The contracted axes of both operands of `np.tensordot`, counted from 0."""
    if isinstance(axes, (int, np.integer)):
        n = int(axes)
        return tuple(range(rank_of(a) - n, rank_of(a))), tuple(range(n))
    if not isinstance(axes, (tuple, list)) or len(axes) != 2:
        raise Refusal("the axes of `np.tensordot` are not known while compiling", "write them as constants")
    return normalized_axes(axes[0], rank_of(a)), normalized_axes(axes[1], rank_of(b))


def tensordot_type(a: Any, b: Any, axes: Any = 2) -> ArrayType:
    left, right = contraction(a, b, axes)
    if len(left) != len(right):
        raise Refusal("`np.tensordot` contracts different numbers of axes", "name as many on both sides")
    first, second = shape_of(a), shape_of(b)
    for i, j in zip(left, right, strict=True):
        _contract(first[i], second[j])
    shape = [n for i, n in enumerate(first) if i not in left]
    shape += [n for i, n in enumerate(second) if i not in right]
    return ArrayType(promote([type_of(a), type_of(b)]), tuple(shape))


@at_compile_time
def kept(a: Any, contracted: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(i for i in range(rank_of(a)) if i not in contracted)


@at_compile_time
def matching(own: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    """`own` in the order in which `other` is sorted: the order the contracted axes come back in."""
    return tuple(i for _, i in sorted(zip(other, own, strict=True)))


@rule(np.tensordot, infer=tensordot_type, linear="each", complex=True)
def tensordot(a: Any, b: Any, axes: Any = 2, *, g: Any) -> Any:
    left, right = contraction(a, b, axes)
    kept_left, kept_right = kept(a, left), kept(b, right)
    g_left = leading(g)[: len(kept_left)]
    g_right = leading(g)[len(kept_left) :]
    return (
        np.transpose(
            np.tensordot(g, b, (g_right, kept_right)),
            inverse_permutation(kept_left + matching(left, right)),
        ),
        np.transpose(
            np.tensordot(a, g, (kept_left, g_left)),
            inverse_permutation(matching(right, left) + kept_right),
        ),
    )
