"""The types of elementwise results: the dtype by promotion (NumPy 2, NEP 50), the shape by broadcasting.

Operators between Python's numbers have the types of Python; functions of `math` are given numbers only.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ad_compiler.analysis.broadcasting import broadcast
from ad_compiler.analysis.types import (
    BOOL,
    FLOAT,
    INT,
    ArrayType,
    Shape,
    ShapeMismatch,
    promote,
    python_type,
)
from ad_compiler.refusal import Refusal
from ad_compiler.rules.shapes import rank_of, type_of

UFUNC_OF_OPERATOR: dict[Any, np.ufunc] = {
    operator.add: np.add,
    operator.sub: np.subtract,
    operator.mul: np.multiply,
    operator.truediv: np.true_divide,
    operator.floordiv: np.floor_divide,
    operator.mod: np.remainder,
    operator.pow: np.power,
    operator.neg: np.negative,
    operator.pos: np.positive,
    operator.abs: np.absolute,
    operator.invert: np.invert,
    operator.and_: np.bitwise_and,
    operator.or_: np.bitwise_or,
    operator.xor: np.bitwise_xor,
    operator.lshift: np.left_shift,
    operator.rshift: np.right_shift,
    operator.lt: np.less,
    operator.le: np.less_equal,
    operator.gt: np.greater,
    operator.ge: np.greater_equal,
    operator.eq: np.equal,
    operator.ne: np.not_equal,
}

_WEAK: dict[str, Any] = {"b": np.dtype(bool), "i": int, "u": int, "f": float, "c": complex}
_WHOLE = {
    operator.and_,
    operator.or_,
    operator.xor,
    operator.invert,
    operator.lshift,
    operator.rshift,
}
_COMPARISONS = {operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne, operator.not_}


@lru_cache(maxsize=4096)
def ufunc_dtype(ufunc: np.ufunc, *inputs: Any) -> np.dtype[Any]:
    """The dtype a ufunc gives for these dtypes (Python types for weak scalars)."""
    return ufunc.resolve_dtypes((*inputs, *[None] * ufunc.nout))[-1]


def broadcast_types(types: Sequence[ArrayType]) -> Shape:
    try:
        return broadcast(*[t.shape for t in types])
    except ShapeMismatch as mismatch:
        raise Refusal(f"the shapes do not fit: {mismatch}", "check the shapes") from None


def elementwise_type(function: Any) -> Callable[..., ArrayType]:
    """The inference of one elementwise function, ufunc, operator or function of `math`."""
    module = getattr(function, "__module__", None)
    if module == "math":
        return math_type_bool if function in _MATH_PREDICATES else math_type
    ufunc = function if isinstance(function, np.ufunc) else UFUNC_OF_OPERATOR.get(function)
    is_operator = module == "_operator"

    def infer(*operands: Any) -> ArrayType:
        types = [type_of(operand) for operand in operands if operand is not None]
        if is_operator and all(t.python for t in types):
            return python_operator_type(function, types)
        shape = broadcast_types(types)
        if ufunc is None:
            return ArrayType(promote(types), shape)
        try:
            dtype = ufunc_dtype(ufunc, *[_WEAK[t.dtype.kind] if t.python else t.dtype for t in types])
        except TypeError:
            names = " and ".join(str(t.dtype) for t in types)
            raise Refusal(
                f"NumPy has no `{ufunc.__name__}` for {names}", "convert the operands first"
            ) from None
        return ArrayType(dtype, shape)

    return infer


_MATH_PREDICATES = {math.isnan, math.isinf, math.isfinite, math.isclose}


def math_type(*operands: Any) -> ArrayType:
    for operand in operands:
        if operand is not None and rank_of(operand):
            raise Refusal("a function of `math` is given an array", "use NumPy's function of that name")
    return FLOAT


def math_type_bool(*operands: Any) -> ArrayType:
    math_type(*operands)
    return BOOL


def math_type_int(*operands: Any) -> ArrayType:
    math_type(*operands)
    return INT


def python_operator_type(function: Any, types: Sequence[ArrayType]) -> ArrayType:
    if function in _COMPARISONS:
        return BOOL
    if function is operator.truediv:
        return python_type(np.result_type(*[t.dtype for t in types], np.float64))
    if function in _WHOLE and any(t.dtype.kind == "f" for t in types):
        raise Refusal(
            f"`{function.__name__.strip('_')}` is given a real number",
            "use whole numbers, or `np.logical_and` and its like",
        )
    dtype = np.result_type(*[t.dtype for t in types])
    if function is operator.abs and dtype.kind == "c":
        return FLOAT
    if dtype.kind == "b" and function not in (operator.and_, operator.or_, operator.xor):
        return INT
    return python_type(dtype)
