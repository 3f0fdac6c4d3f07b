"""What finds places in ordered or unordered data: no derivative flows through a place."""

from __future__ import annotations

from typing import Any

import numpy as np

from ad_compiler.analysis.types import BOOL, ArrayType, Length
from ad_compiler.rules.elementwise_types import broadcast_types
from ad_compiler.rules.notation import constant, rule, written_out
from ad_compiler.rules.rearranging import order_type
from ad_compiler.rules.shapes import bool_type, index_reduction_type, shape_of, type_of

INDEX = np.dtype(np.intp)


@constant(np.argpartition, infer=lambda a, kth, axis=-1: order_type(a, axis), method="argpartition")
def argpartition(a: Any, kth: Any, axis: Any = -1) -> None: ...


@written_out(np.partition)
def partition(a: Any, kth: Any, axis: Any = -1) -> Any:
    if axis is None:
        return np.ravel(a)[np.argpartition(np.ravel(a), kth)]
    return np.take_along_axis(a, np.argpartition(a, kth, axis), axis)


@constant(np.lexsort, infer=lambda keys, axis=-1: ArrayType(INDEX, shape_of(keys)[1:]))
def lexsort(keys: Any, axis: Any = -1) -> None: ...


def places_type(a: Any, v: Any, side: Any = "left", sorter: Any = None) -> ArrayType:
    return ArrayType(INDEX, shape_of(v))


@constant(
    np.linalg.matrix_rank, infer=lambda A, tol=None, hermitian=False: ArrayType(INDEX, shape_of(A)[:-2])
)
def matrix_rank(A: Any, tol: Any = None, hermitian: Any = False) -> None: ...


@constant(np.searchsorted, infer=places_type, method="searchsorted", keywords=False)
def searchsorted(a: Any, v: Any, side: Any = "left", sorter: Any = None) -> None: ...


@constant(np.digitize, infer=lambda x, bins, right=False: ArrayType(INDEX, shape_of(x)))
def digitize(x: Any, bins: Any, right: Any = False) -> None: ...


@constant(np.nanargmax, np.nanargmin, infer=index_reduction_type)
def nan_position(a: Any, axis: Any = None, keepdims: Any = False) -> None: ...


@constant(np.array_equal, np.array_equiv, infer=bool_type)
def equal_arrays(a1: Any, a2: Any) -> None: ...


def truth_type(x: Any, *_: Any) -> ArrayType:
    return ArrayType(BOOL.dtype, shape_of(x))


@constant(np.isposinf, np.isneginf, np.iscomplex, np.isreal, infer=truth_type)
def is_of_kind(x: Any) -> None: ...


@constant(np.isin, infer=truth_type)
def isin(element: Any, test_elements: Any) -> None: ...


def whole_type(*operands: Any) -> ArrayType:
    types = [type_of(operand) for operand in operands]
    return ArrayType(np.result_type(*[t.dtype for t in types]), broadcast_types(types))


@constant(np.gcd, np.lcm, infer=whole_type)
def common(x1: Any, x2: Any) -> None: ...


@constant(np.bitwise_count, infer=lambda x: ArrayType(np.dtype(np.uint8), shape_of(x)))
def bitwise_count(x: Any) -> None: ...


def bins_type(x: Any, weights: Any = None, minlength: Any = 0) -> ArrayType:
    dtype = INDEX if weights is None else np.dtype(np.float64)
    return ArrayType(dtype, (Length(object(), may_be_one=True),))


@rule(np.bincount, infer=bins_type, differentiable=("weights",))
def bincount(x: Any, weights: Any = None, minlength: Any = 0, *, g: Any) -> Any:
    return g[x]


@written_out(np.unravel_index)
def unravel_index(indices: Any, shape: Any) -> Any:
    lengths = shape if isinstance(shape, (tuple, list)) else (shape,)
    places: Any = ()
    rest = indices
    for n in reversed(lengths):
        places = (rest % n,) + places
        rest = rest // n
    return places


@written_out(np.ravel_multi_index)
def ravel_multi_index(multi_index: Any, dims: Any) -> Any:
    place = 0
    for index, n in zip(multi_index, dims):  # noqa: B905
        place = place * n + index
    return place
