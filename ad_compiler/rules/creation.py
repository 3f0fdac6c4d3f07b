"""Operations that make arrays out of shapes: no derivative flows through a shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from ad_compiler.analysis.types import ArrayType
from ad_compiler.rules.indexing import arange_type
from ad_compiler.rules.notation import constant, linear
from ad_compiler.rules.shapes import axis_from_operand, same_as_first, shape_argument, shape_of, type_of
from ad_compiler.rules.structure import dtype_of, sum_to_shape_of


def shaped_type(shape: Any, dtype: Any = None) -> ArrayType:
    axes = tuple([axis_from_operand(n) for n in shape_argument(shape)])
    return ArrayType(np.dtype(np.float64) if dtype is None else dtype_of(dtype), axes)


@constant(np.zeros, np.ones, np.empty, infer=shaped_type, fresh=True, keywords=False)
def shaped(shape: Any, dtype: Any = None) -> None: ...


def like_type(a: Any, dtype: Any = None) -> ArrayType:
    kind = same_as_first(a)
    return kind if dtype is None else ArrayType(dtype_of(dtype), kind.shape)


@constant(np.zeros_like, np.ones_like, np.empty_like, infer=like_type, fresh=True)
def like(a: Any, dtype: Any = None) -> None: ...


def full_type(shape: Any, fill_value: Any, dtype: Any = None) -> ArrayType:
    kind = type_of(fill_value)
    return ArrayType(kind.dtype if dtype is None else dtype_of(dtype), shaped_type(shape).shape)


@linear(np.full, infer=full_type, of="fill_value", fresh=True)
def full(shape: Any, fill_value: Any, dtype: Any = None, *, g: Any) -> Any:
    return sum_to_shape_of(g, fill_value)


def full_like_type(a: Any, fill_value: Any, dtype: Any = None) -> ArrayType:
    return ArrayType(type_of(a).dtype if dtype is None else dtype_of(dtype), shape_of(a))


@linear(np.full_like, infer=full_like_type, of="fill_value", fresh=True)
def full_like(a: Any, fill_value: Any, dtype: Any = None, *, g: Any) -> Any:
    return sum_to_shape_of(g, fill_value)


@constant(np.arange, infer=arange_type, keywords=False)
def arange(start: Any, stop: Any = None, step: Any = None) -> None: ...


def eye_type(N: Any, M: Any = None) -> ArrayType:  # noqa: N803 -- the names NumPy gives its parameters
    rows = axis_from_operand(N)
    return ArrayType(np.dtype(np.float64), (rows, rows if M is None else axis_from_operand(M)))


@constant(np.eye, np.identity, infer=eye_type)
def eye(N: Any, M: Any = None) -> None: ...  # noqa: N803
