"""Operations that make arrays out of shapes: no derivative flows through a shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from ad_compiler.analysis.types import FLOAT, ArrayType, Length, may_be_one, promote
from ad_compiler.builder import Builder
from ad_compiler.ir import Operand, Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.notation import constant, expansion, linear, registry, rule
from ad_compiler.rules.shapes import (
    axis_from_operand,
    axis_if_not_negative,
    same_as_first,
    shape_argument,
    shape_of,
    type_of,
)
from ad_compiler.rules.structure import dtype_of, sum_to_shape_of


def shaped_type(shape: Any, dtype: Any = None) -> ArrayType:
    axes = tuple([axis_from_operand(n) for n in shape_argument(shape)])
    return ArrayType(np.dtype(np.float64) if dtype is None else dtype_of(dtype), axes)


@constant(np.zeros, np.ones, np.empty, infer=shaped_type, fresh=True, keywords=False)
def shaped(shape: Any, dtype: Any = None) -> None: ...


@expansion(np.ndarray)
def ndarray(builder: Builder, shape: Operand, dtype: Any = None) -> Operand:
    return builder.call(registry[np.empty], (shape, dtype))


def like_type(a: Any, dtype: Any = None) -> ArrayType:
    kind = same_as_first(a)
    return kind if dtype is None else ArrayType(dtype_of(dtype), kind.shape)


@constant(np.zeros_like, np.ones_like, np.empty_like, infer=like_type, fresh=True)
def like(a: Any, dtype: Any = None) -> None: ...


def full_type(shape: Any, fill_value: Any, dtype: Any = None) -> ArrayType:
    kind = type_of(fill_value)
    return ArrayType(kind.dtype if dtype is None else dtype_of(dtype), shaped_type(shape).shape)


@linear(np.full, infer=full_type, of="fill_value", fresh=True, complex=True)
def full(shape: Any, fill_value: Any, dtype: Any = None, *, g: Any) -> Any:
    return sum_to_shape_of(g, fill_value)


def full_like_type(a: Any, fill_value: Any, dtype: Any = None) -> ArrayType:
    return ArrayType(type_of(a).dtype if dtype is None else dtype_of(dtype), shape_of(a))


@linear(np.full_like, infer=full_like_type, of="fill_value", fresh=True, complex=True)
def full_like(a: Any, fill_value: Any, dtype: Any = None, *, g: Any) -> Any:
    return sum_to_shape_of(g, fill_value)


def arange_type(start: Any, stop: Any = None, step: Any = None) -> ArrayType:
    bounds = [bound for bound in (start, stop, step) if bound is not None]
    kinds = [type_of(bound) for bound in bounds]
    if any(isinstance(bound, Value) and t.dtype.kind == "f" for bound, t in zip(bounds, kinds, strict=True)):
        # Its elements depend on such a bound, and so does how many there are.
        raise Refusal("a bound of `np.arange` is a real number", "write `start + step * np.arange(n)`")
    dtype = np.result_type(*[t.dtype for t in kinds])
    if dtype.kind == "f" and not any(isinstance(bound, Value) for bound in bounds):
        return ArrayType(dtype, (len(np.arange(*bounds)),))
    if len(bounds) == 1 and isinstance(start, (int, np.integer)):
        return ArrayType(dtype, (max(int(start), 0),))
    if len(bounds) == 1:
        axis = axis_if_not_negative(start)
        if not may_be_one(axis) or isinstance(axis, Length):
            return ArrayType(dtype, (axis,))
    if all(isinstance(bound, (int, np.integer)) for bound in bounds):
        return ArrayType(dtype, (len(range(*bounds)),))
    return ArrayType(dtype, (Length(("arange", *bounds), may_be_one=True),))


@constant(np.arange, infer=arange_type, keywords=False)
def arange(start: Any, stop: Any = None, step: Any = None) -> None: ...


@expansion(np.arange)
def arange_of(
    builder: Builder, start: Operand, stop: Any = None, step: Any = None, dtype: Any = None
) -> Operand:
    if stop is None and step is not None:
        start, stop = 0, start
    result = builder.call(registry[np.arange], (start, stop, step))
    if dtype is None or dtype_of(dtype) == type_of(result).dtype:
        return result
    return builder.call(registry[np.ndarray.astype], (result, dtype_of(dtype)), method=True)


def linspace_type(start: Any, stop: Any, num: Any = 50) -> ArrayType:
    types = [type_of(start), type_of(stop)]
    if any(t.rank for t in types):
        raise Refusal(
            "the ends given to `np.linspace` are arrays", "use `a + (b - a) * np.linspace(0, 1, n)`"
        )
    return ArrayType(promote([*types, FLOAT]), (axis_from_operand(num),))


@rule(np.linspace, infer=linspace_type, linear="together", complex=True)
def linspace(start: Any, stop: Any, num: Any = 50, *, g: Any) -> Any:
    return g @ np.linspace(1.0, 0.0, num), g @ np.linspace(0.0, 1.0, num)


def eye_type(N: Any, M: Any = None, k: Any = 0, dtype: Any = None) -> ArrayType:
    rows = axis_from_operand(N)
    kind = np.dtype(np.float64) if dtype is None else dtype_of(dtype)
    return ArrayType(kind, (rows, rows if M is None else axis_from_operand(M)))


@constant(np.eye, infer=eye_type)
def eye(N: Any, M: Any = None, k: Any = 0, dtype: Any = None) -> None: ...


@constant(np.identity, infer=lambda n, dtype=None: eye_type(n, None, 0, dtype))
def identity(n: Any, dtype: Any = None) -> None: ...
