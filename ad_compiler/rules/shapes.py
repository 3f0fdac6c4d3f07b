"""The types of operands, and of the results of families of operations: dtype and shape.

Each function named `..._type` takes the operands of an operation and returns the type of its result, or
raises `Refusal`. They are the abstract counterparts of NumPy's own functions. Elementwise operations are in
`elementwise_types.py`, subscripts in `subscripts.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ad_compiler.analysis.slice_lengths import is_nonnegative, sum_of
from ad_compiler.analysis.types import (
    BOOL,
    FLOAT,
    INT,
    ArrayType,
    Axis,
    Length,
    Shape,
    ShapeMismatch,
    is_one,
    may_be_one,
    promote,
    representative,
    type_of_number,
    unify,
)
from ad_compiler.ir import Operation, Value
from ad_compiler.refusal import NeedsConstant, Refusal
from ad_compiler.rules.notation import compile_time


def type_of(operand: Any) -> ArrayType:
    """The type of an operand that stands for a number or an array."""
    if isinstance(operand, Value):
        if isinstance(operand.type, ArrayType):
            return operand.type
    elif isinstance(operand, (bool, int, float, complex, np.generic)):
        return type_of_number(operand)
    elif isinstance(operand, (list, tuple)):
        return array_of(operand)
    elif isinstance(operand, range):
        return ArrayType(np.dtype(np.int64), (len(operand),))
    raise Refusal(
        f"{describe(operand)} stands where a number or an array is needed", "pass a number or an array"
    )


def describe(operand: Any) -> str:
    if isinstance(operand, Value):
        kind = operand.type
        if isinstance(kind, ArrayType) and kind.rank:
            return f"an array of {kind.dtype} and rank {kind.rank}"
        return f"a {kind.dtype if isinstance(kind, ArrayType) and not kind.python else kind}"
    if operand is None:
        return "None"
    if isinstance(operand, (str, tuple, list, dict, slice)):
        return f"a {type(operand).__name__}"
    return f"`{getattr(operand, '__name__', repr(operand))}`"


def shape_of(operand: Any) -> Shape:
    return type_of(operand).shape


def rank_of(operand: Any) -> int:
    return len(type_of(operand).shape)


def same_as_first(a: Any, *_: Any) -> ArrayType:
    """An array of the type of the first operand (a scalar becomes NumPy's)."""
    kind = type_of(a)
    return ArrayType(kind.dtype, kind.shape)


def static_int(operand: Any, what: str, advice: str = "write it as a constant") -> int:
    """A whole number that must be known while compiling; what is computed from arguments can be."""
    if isinstance(operand, (int, np.integer)):
        return int(operand)
    needed = operand.access if isinstance(operand, Value) else None
    needed = needed or whole_argument(operand)
    if needed is not None:
        raise NeedsConstant(needed)
    raise Refusal(f"{what} is not known while compiling", advice)


def whole_argument(operand: Any) -> str | None:
    """The first argument or global that a whole number is computed from, if it is from nothing else."""
    kind = operand.type if isinstance(operand, Value) else None
    if not isinstance(kind, ArrayType) or kind.rank or kind.dtype.kind not in "iu":
        return None
    given: str | None = operand.access or operand.outside
    if given is not None or not isinstance(operand.operation, Operation):
        return given
    parts = [whole_argument(part) for part in operand.operation.arguments if isinstance(part, Value)]
    return parts[0] if parts and all(parts) else None


def normalized_axes(axis: Any, rank: int) -> tuple[int, ...]:
    """Axis numbers from 0 to rank - 1 of an `axis` argument: None is every axis."""
    if axis is None:
        return tuple(range(rank))
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    result = []
    for one in axes:
        one = static_int(one, "an axis", "pass it as a plain int or a default")
        if not -rank <= one < rank:
            raise Refusal(f"axis {one} is out of bounds for an array of rank {rank}", "check the axis")
        result.append(one % rank)
    if len(set(result)) != len(result):
        raise Refusal("an axis is given twice", "give each axis once")
    return tuple(result)


def reduced_shape(shape: Shape, axis: Any, keepdims: Any) -> Shape:
    if not isinstance(keepdims, (bool, int, np.bool_)):
        raise Refusal("`keepdims` is not known while compiling", "write True or False")
    axes = normalized_axes(axis, len(shape))
    if keepdims:
        return tuple([1 if i in axes else n for i, n in enumerate(shape)])
    return tuple([n for i, n in enumerate(shape) if i not in axes])


def sum_type(a: Any, axis: Any = None, keepdims: Any = False, *_: Any) -> ArrayType:
    kind = type_of(a)
    dtype = kind.dtype
    if dtype.kind in "biu":
        dtype = np.result_type(dtype, np.int64) if dtype.kind != "u" else np.dtype(np.uint64)
    return ArrayType(dtype, reduced_shape(kind.shape, axis, keepdims))


def mean_type(a: Any, axis: Any = None, keepdims: Any = False, *_: Any) -> ArrayType:
    kind = type_of(a)
    dtype = np.dtype(np.float64) if kind.dtype.kind in "biu" else kind.dtype
    return ArrayType(dtype, reduced_shape(kind.shape, axis, keepdims))


def extremum_type(a: Any, axis: Any = None, keepdims: Any = False, *_: Any) -> ArrayType:
    kind = type_of(a)
    return ArrayType(kind.dtype, reduced_shape(kind.shape, axis, keepdims))


def bool_reduction_type(a: Any, axis: Any = None, keepdims: Any = False) -> ArrayType:
    return ArrayType(np.dtype(bool), reduced_shape(shape_of(a), axis, keepdims))


def index_reduction_type(a: Any, axis: Any = None, keepdims: Any = False) -> ArrayType:
    return ArrayType(np.dtype(np.intp), reduced_shape(shape_of(a), axis, keepdims))


def product_of_axes(axes: Sequence[Axis], key: Any) -> Axis:
    axes = [representative(axis) for axis in axes]
    known = [axis for axis in axes if isinstance(axis, int)]
    symbols = [axis for axis in axes if isinstance(axis, Length)]
    product = math.prod(known)
    if not symbols or product == 0:
        return product
    if product == 1 and len(symbols) == 1:
        return symbols[0]
    return Length(("product", product, *symbols), may_be_one=any(map(may_be_one, symbols)) and product == 1)


def axis_from_operand(operand: Any) -> Axis:
    """The axis a shape argument makes: a static int, or the length a value stands for."""
    if isinstance(operand, (bool, np.bool_)):
        raise Refusal("a bool stands where a length is needed", "pass an int")
    if isinstance(operand, (int, np.integer)):
        return int(operand)
    if isinstance(operand, Value) and isinstance(operand.type, ArrayType):
        if operand.type.dtype.kind not in "iu" or operand.type.rank:
            raise Refusal(f"{describe(operand)} stands where a length is needed", "pass an int")
        if operand.outside is not None:
            raise NeedsConstant(operand.outside)
        operation = operand.operation
        if isinstance(operation, Operation) and operation.primitive.name == "length":
            array, axis = operation.arguments
            return shape_of(array)[axis]
        return Length(("value", operand), may_be_one=True)
    raise Refusal(f"{describe(operand)} stands where a length is needed", "pass an int")


def axis_if_not_negative(operand: Any) -> Axis:
    """The axis that a number makes where NumPy takes one below 0, too, and makes another length of it."""
    axis = axis_from_operand(operand)
    if isinstance(axis, Length) and axis.key == ("value", operand):
        total = sum_of(operand)
        if total is None or not is_nonnegative(total):
            return Length(("value if not negative", operand), may_be_one=True)
    return axis


def shape_argument(shape: Any) -> tuple[Any, ...]:
    return tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)


def has_inferred_length(shape: Any) -> bool:
    """Whether NumPy is to find one of the lengths: -1."""
    return any(isinstance(n, int) and n == -1 for n in shape_argument(shape))


def reshape_type(a: Any, shape: Any, *_: Any) -> ArrayType:
    kind = type_of(a)
    lengths = shape_argument(shape)
    inferred = [isinstance(n, int) and n == -1 for n in lengths]
    axes: list[Axis] = [
        0 if unknown else axis_if_not_negative(n) for n, unknown in zip(lengths, inferred, strict=True)
    ]
    if sum(inferred) > 1:
        raise Refusal("more than one length is -1", "give all lengths but one")
    if any(inferred):
        axes[inferred.index(True)] = _inferred_length(kind.shape, axes, inferred.index(True))
    return ArrayType(kind.dtype, tuple(axes))


def _inferred_length(shape: Shape, axes: list[Axis], hole: int) -> Axis:
    """What -1 stands for: the lengths on the left not found again on the right."""
    left = [representative(axis) for axis in shape]
    for position, axis in enumerate(axes):
        axis = representative(axis)
        if position != hole and axis in left:
            left.remove(axis)
        elif position != hole and axis != 1:
            total = [n for n in left if isinstance(n, int)]
            if (
                isinstance(axis, int)
                and axis > 0
                and len(total) == len(left)
                and math.prod(total) % axis == 0
            ):
                left = [math.prod(total) // axis]
            else:
                return Length(object(), may_be_one=True)
    return product_of_axes(left, None)


def transpose_type(a: Any, axes: Any = None) -> ArrayType:
    kind = type_of(a)
    order = range(kind.rank - 1, -1, -1) if axes is None else normalized_axes(axes, kind.rank)
    if len(order) != kind.rank:
        raise Refusal(f"{len(order)} axes are given for an array of rank {kind.rank}", "name every axis once")
    return ArrayType(kind.dtype, tuple([kind.shape[i] for i in order]))


def broadcast_to_type(a: Any, shape: Any) -> ArrayType:
    return ArrayType(type_of(a).dtype, tuple([axis_from_operand(n) for n in shape_argument(shape)]))


def expand_dims_type(a: Any, axis: Any) -> ArrayType:
    kind = type_of(a)
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    places = normalized_axes(tuple(axes), kind.rank + len(axes))
    rest = iter(kind.shape)
    return ArrayType(
        kind.dtype, tuple([1 if i in places else next(rest) for i in range(kind.rank + len(axes))])
    )


def squeeze_type(a: Any, axis: Any = None) -> ArrayType:
    kind = type_of(a)
    if axis is None:
        if any(may_be_one(n) and not is_one(n) for n in kind.shape):
            raise Refusal(
                "which axes `squeeze` removes is not known while compiling", "name them with `axis=`"
            )
        axes: tuple[int, ...] = tuple(i for i, n in enumerate(kind.shape) if is_one(n))
    else:
        axes = normalized_axes(axis, kind.rank)
    return ArrayType(kind.dtype, tuple([n for i, n in enumerate(kind.shape) if i not in axes]))


def array_of(items: Any) -> ArrayType:
    """The type of `np.array` of nested lists of operands."""
    if not isinstance(items, (list, tuple)):
        return type_of(items)
    if not items:
        return ArrayType(np.dtype(np.float64), (0,))
    types = [array_of(item) for item in items]
    if len({t.rank for t in types}) != 1:
        raise Refusal("the parts of an array differ in rank", "give parts of one shape")
    shape = types[0].shape
    for t in types[1:]:
        try:
            for a, b in zip(shape, t.shape, strict=True):
                unify(a, b)
        except ShapeMismatch as mismatch:
            raise Refusal(f"the parts of an array differ: {mismatch}", "give parts of one shape") from None
    strong = [t for t in types if not t.python]
    dtype = np.result_type(*[t.dtype for t in types]) if len(strong) != len(types) else promote(types)
    return ArrayType(dtype, (len(items), *shape))


def _contract(a: Axis, b: Axis) -> None:
    try:
        unify(a, b)
    except ShapeMismatch as mismatch:
        raise Refusal(f"the contracted axes differ: {mismatch}", "check the shapes") from None


def sum_of_axes(axes: Sequence[Axis]) -> Axis:
    found = [representative(axis) for axis in axes]
    known = sum(axis for axis in found if isinstance(axis, int))
    symbols = [axis for axis in found if isinstance(axis, Length)]
    if not symbols:
        return known
    if known == 0 and len(symbols) == 1:
        return symbols[0]
    return Length(("sum", known, *symbols), may_be_one=known <= 1)


def is_complex(operand: Any) -> bool:
    """Whether an operand is complex: rules may ask."""
    return type_of(operand).dtype.kind == "c"


compile_time.add(is_complex)


def dtype_or(dtype: Any, default: Any) -> np.dtype[Any]:
    """The dtype asked for, or the default."""
    from ad_compiler.rules.structure import dtype_of

    return np.dtype(default) if dtype is None else dtype_of(dtype)


def number_type(*_: Any) -> ArrayType:
    return FLOAT


def int_type(*_: Any) -> ArrayType:
    return INT


def bool_type(*_: Any) -> ArrayType:
    return BOOL
