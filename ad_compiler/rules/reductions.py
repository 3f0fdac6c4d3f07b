"""Rules of the reductions: sum, mean, prod, max, min, var, std, cumulative sums.

In NumPy `dtype` and `out` stand between `axis` and the other parameters, which are given by name.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ad_compiler.analysis.types import ArrayType
from ad_compiler.rules.notation import at_compile_time, constant, linear, pushforward, rule
from ad_compiler.rules.shapes import (
    bool_reduction_type,
    extremum_type,
    index_reduction_type,
    is_complex,
    mean_type,
    normalized_axes,
    rank_of,
    sum_type,
    type_of,
)


@at_compile_time
def lost_axes(a: Any, axis: Any, keepdims: Any) -> tuple[int, ...]:
    """The axes a reduction removed, to be put back as axes of length 1."""
    return () if keepdims or axis is None else normalized_axes(axis, rank_of(a))


@at_compile_time
def every_axis(a: Any) -> tuple[int, ...]:
    return tuple(range(rank_of(a)))


@at_compile_time
def reduced_axes(a: Any, axis: Any) -> tuple[int, ...]:
    return normalized_axes(axis, rank_of(a))


def restored(r: Any, a: Any, axis: Any, keepdims: Any) -> Any:
    """The result of a reduction of `a`, with the lost axes back: it broadcasts against `a`."""
    lost = lost_axes(a, axis, keepdims)
    return np.expand_dims(r, lost) if lost else r


def count(a: Any, axis: Any) -> Any:
    """How many elements each result of a reduction is made of."""
    total = 1
    if axis is None:
        total = np.size(a)
    else:
        total = lengths_product(a, reduced_axes(a, axis))
    return total


def lengths_product(a: Any, axes: Any) -> Any:
    return np.shape(a)[axes[0]] * lengths_product(a, axes[1:]) if axes else 1


@linear(np.sum, infer=sum_type, method="sum", positional=2, complex=True)
def sum(a: Any, axis: Any = None, keepdims: Any = False, *, g: Any) -> Any:
    return np.broadcast_to(restored(g, a, axis, keepdims), np.shape(a))


@linear(np.mean, infer=mean_type, method="mean", positional=2, complex=True)
def mean(a: Any, axis: Any = None, keepdims: Any = False, *, g: Any) -> Any:
    return np.broadcast_to(restored(g / count(a, axis), a, axis, keepdims), np.shape(a))


@rule(np.prod, infer=sum_type, method="prod", positional=2, complex=True)
def prod(a: Any, axis: Any = None, keepdims: Any = False, *, y: Any, g: Any) -> Any:
    return restored(g, a, axis, keepdims) * other_factors(a, axis)


def other_factors(a: Any, axis: Any) -> Any:
    """For each element the product of the others: y / a, unless a factor is zero.

    Factors that are zero are not divided by. `zero` is their sum: it is 0, but has their derivative, as the
    product of the others has if one of them is zero; so second derivatives are right, too.
    """
    zeros = a == 0
    zero_count = zeros.sum(axis=axis, keepdims=True)
    without_zeros = np.where(zeros, 1.0, a)
    rest = np.prod(without_zeros, axis=axis, keepdims=True)
    zero = np.sum(np.where(zeros, a, 0.0), axis=axis, keepdims=True)
    for_zeros = np.where(zero_count == 1, 1.0, np.where(zero_count == 2, zero - a, 0.0))
    for_others = np.where(zero_count == 0, 1.0, np.where(zero_count == 1, zero, 0.0))
    return rest * np.where(zeros, for_zeros, for_others / without_zeros)


def attaining(a: Any, y: Any, axis: Any, keepdims: Any) -> Any:
    """Where the extremum is attained: of what holds NaN it is NaN, as in NumPy."""
    return (a == restored(y, a, axis, keepdims)) | (a != a)


@rule(np.max, np.amax, infer=extremum_type, method="max", positional=2)
def max(a: Any, axis: Any = None, keepdims: Any = False, *, y: Any, g: Any) -> Any:
    attained = attaining(a, y, axis, keepdims)
    share = restored(g, a, axis, keepdims) / attained.sum(axis=axis, keepdims=True)
    return np.where(attained, share, 0.0)


@rule(np.min, np.amin, infer=extremum_type, method="min", positional=2)
def min(a: Any, axis: Any = None, keepdims: Any = False, *, y: Any, g: Any) -> Any:
    attained = attaining(a, y, axis, keepdims)
    share = restored(g, a, axis, keepdims) / attained.sum(axis=axis, keepdims=True)
    return np.where(attained, share, 0.0)


@pushforward(np.max, np.amax, np.min, np.amin)
def extremum_tangent(a: Any, axis: Any = None, keepdims: Any = False, *, y: Any, a_dot: Any) -> Any:
    attained = attaining(a, y, axis, keepdims)
    total = np.sum(np.where(attained, a_dot, 0.0), axis, keepdims=keepdims)
    return total / np.sum(attained, axis, keepdims=keepdims)


@pushforward(np.prod)
def prod_tangent(a: Any, axis: Any = None, keepdims: Any = False, *, a_dot: Any) -> Any:
    return np.sum(other_factors(a, axis) * a_dot, axis, keepdims=keepdims)


def var_type(a: Any, axis: Any = None, ddof: Any = 0, keepdims: Any = False) -> ArrayType:
    kind = mean_type(a, axis, keepdims)
    return ArrayType(kind.dtype.type(0).real.dtype, kind.shape)


@rule(np.var, infer=var_type, method="var", positional=2, complex=True)
def var(a: Any, axis: Any = None, ddof: Any = 0, keepdims: Any = False, *, g: Any) -> Any:
    deviation = conjugated(a - a.mean(axis=axis, keepdims=True))
    return restored(2 * g / (count(a, axis) - ddof), a, axis, keepdims) * deviation


@rule(np.std, infer=var_type, method="std", positional=2, complex=True)
def std(a: Any, axis: Any = None, ddof: Any = 0, keepdims: Any = False, *, y: Any, g: Any) -> Any:
    # A spread is a norm: where all elements are equal its gradient is 0.
    deviation = conjugated(a - a.mean(axis=axis, keepdims=True))
    scale = np.where(y == 0, 0.0, g / (np.where(y == 0, 1.0, y) * (count(a, axis) - ddof)))
    return restored(scale, a, axis, keepdims) * deviation


def conjugated(x: Any) -> Any:
    return np.conj(x) if is_complex(x) else x


def cumsum_type(a: Any, axis: Any = None) -> ArrayType:
    from ad_compiler.rules.shapes import product_of_axes

    kind = sum_type(a, axis)
    shape = type_of(a).shape
    return ArrayType(kind.dtype, shape if axis is not None else (product_of_axes(shape, None),))


@linear(np.cumsum, infer=cumsum_type, method="cumsum", complex=True)
def cumsum(a: Any, axis: Any = None, *, g: Any) -> Any:
    if axis is None:
        return np.flip(np.cumsum(np.flip(g))).reshape(np.shape(a))
    return np.flip(np.cumsum(np.flip(g, axis), axis), axis)


@constant(np.all, infer=bool_reduction_type, method="all", positional=2)
@constant(np.any, infer=bool_reduction_type, method="any", positional=2)
def truth(a: Any, axis: Any = None, keepdims: Any = False) -> None: ...


@constant(np.argmax, infer=index_reduction_type, method="argmax", positional=2)
@constant(np.argmin, infer=index_reduction_type, method="argmin", positional=2)
def position(a: Any, axis: Any = None, keepdims: Any = False) -> None: ...


@constant(np.count_nonzero, infer=index_reduction_type)
def count_nonzero(a: Any, axis: Any = None) -> None: ...
