"""Rules of what changes shapes, dtypes and kinds: reshape, transpose, broadcast, array, astype."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ad_compiler.analysis.slice_lengths import equal_together
from ad_compiler.analysis.types import (
    ArrayType,
    Axis,
    is_one,
    may_be_one,
    representative,
    type_of_number,
)
from ad_compiler.builder import Builder
from ad_compiler.ir import Operand, Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.notation import at_compile_time, constant, expansion, linear, registry, rule
from ad_compiler.rules.shapes import (
    bool_type,
    broadcast_to_type,
    describe,
    expand_dims_type,
    int_type,
    normalized_axes,
    product_of_axes,
    rank_of,
    reshape_type,
    same_as_first,
    shape_argument,
    shape_of,
    squeeze_type,
    transpose_type,
    type_of,
)


@at_compile_time
def inverse_permutation(axes: Any) -> Any:
    """The permutation that undoes `axes`; None (reversal) undoes itself."""
    if axes is None:
        return None
    order = normalized_axes(tuple(axes), len(axes))
    return tuple(sorted(range(len(order)), key=lambda i: order[i]))


@linear(np.reshape, infer=reshape_type, method="reshape", view=True, complex=True)
def reshape(a: Any, shape: Any, *, g: Any) -> Any:
    return np.reshape(g, np.shape(a))


def in_order(order: Any) -> bool:
    """Whether elements are taken with the last axis fastest ("C"); with "F" it is the first."""
    if order not in ("C", "F"):
        raise Refusal(f"the order {order!r} depends on how the array lies in memory", 'use "C" or "F"')
    return bool(order == "C")


@expansion(np.reshape)
def reshaped(builder: Builder, a: Operand, shape: Any, order: Any = "C") -> Operand:
    """`np.reshape`; in Fortran's order it is `a.T.reshape(shape[::-1]).T`."""
    if in_order(order) or (rank_of(a) < 2 and len(shape_argument(shape)) < 2):
        return builder.call(registry[np.reshape], (a, shape))
    turned = builder.call(registry[np.transpose], (a, None)) if rank_of(a) > 1 else a
    turned = builder.call(registry[np.reshape], (turned, shape_argument(shape)[::-1]))
    return builder.call(registry[np.transpose], (turned, None)) if rank_of(turned) > 1 else turned


def flat_type(a: Any, order: Any = "C") -> ArrayType:
    in_order(order)
    kind = type_of(a)
    return ArrayType(kind.dtype, (product_of_axes(kind.shape, None),))


@linear(np.ravel, infer=flat_type, method="ravel", view=True, complex=True)
def ravel(a: Any, order: Any = "C", *, g: Any) -> Any:
    return np.reshape(g, np.shape(a), order)


@linear(np.ndarray.flatten, infer=flat_type, method="flatten", complex=True)
def flatten(a: Any, order: Any = "C", *, g: Any) -> Any:
    return np.reshape(g, np.shape(a), order)


@linear(np.transpose, infer=transpose_type, method="transpose", view=True, cheap=True, complex=True)
def transpose(a: Any, axes: Any = None, *, g: Any) -> Any:
    return np.transpose(g, inverse_permutation(axes))


def swapaxes_type(a: Any, axis1: Any, axis2: Any) -> ArrayType:
    return transpose_type(a, swapped(a, axis1, axis2))


def swapped(a: Any, axis1: Any, axis2: Any) -> tuple[int, ...]:
    rank = rank_of(a)
    (first,), (second,) = normalized_axes(axis1, rank), normalized_axes(axis2, rank)
    order = list(range(rank))
    order[first], order[second] = order[second], order[first]
    return tuple(order)


@linear(np.swapaxes, infer=swapaxes_type, method="swapaxes", view=True, cheap=True, complex=True)
def swapaxes(a: Any, axis1: Any, axis2: Any, *, g: Any) -> Any:
    return np.swapaxes(g, axis1, axis2)


def moveaxis_type(a: Any, source: Any, destination: Any) -> ArrayType:
    rank = rank_of(a)
    sources, destinations = normalized_axes(source, rank), normalized_axes(destination, rank)
    if len(sources) != len(destinations):
        raise Refusal("`np.moveaxis` is given different numbers of axes", "name as many on both sides")
    order = [i for i in range(rank) if i not in sources]
    for to, start in sorted(zip(destinations, sources, strict=True)):
        order.insert(to, start)
    return transpose_type(a, tuple(order))


@linear(np.moveaxis, infer=moveaxis_type, view=True, cheap=True, complex=True)
def moveaxis(a: Any, source: Any, destination: Any, *, g: Any) -> Any:
    return np.moveaxis(g, destination, source)


@linear(np.squeeze, infer=squeeze_type, method="squeeze", view=True, complex=True)
def squeeze(a: Any, axis: Any = None, *, g: Any) -> Any:
    return np.reshape(g, np.shape(a))


@linear(np.expand_dims, infer=expand_dims_type, view=True, cheap=True, complex=True)
def expand_dims(a: Any, axis: Any, *, g: Any) -> Any:
    return np.squeeze(g, axis)


@linear(np.broadcast_to, infer=broadcast_to_type, view=True, complex=True)
def broadcast_to(a: Any, shape: Any, *, g: Any) -> Any:
    return sum_to_shape_of(g, a)


@expansion(np.broadcast_to)
def broadcast_to_lengths(builder: Builder, array: Operand, shape: Any) -> Operand:
    """`np.broadcast_to`, a single length written as a shape."""
    return builder.call(registry[np.broadcast_to], (array, shape_argument(shape)))


def flip_type(a: Any, axis: Any = None) -> ArrayType:
    normalized_axes(axis, rank_of(a))
    return same_as_first(a)


@linear(np.flip, infer=flip_type, view=True, complex=True)
def flip(a: Any, axis: Any = None, *, g: Any) -> Any:
    return np.flip(g, axis)


def length_type(a: Any, axis: int) -> ArrayType:
    return int_type()


@constant("length", infer=length_type, cheap=True)
def length_of(a: Any, axis: Any) -> None: ...


@constant("is_contiguous", infer=bool_type)
def is_contiguous(a: Any) -> None: ...


@constant("shares_memory", infer=bool_type)
def shares_memory(a: Any, b: Any) -> None: ...


@constant("size", infer=int_type, cheap=True)
def size_of(a: Any) -> None: ...


def length(builder: Builder, a: Operand, axis: int) -> Operand:
    """`a.shape[axis]`: a number where it is known."""
    known = representative(shape_of(a)[axis])
    if isinstance(known, int):
        return known
    if known.origin is not None and isinstance(a, Value) and a.access is None:
        a, axis = known.origin
    return builder.call(registry["length"], (a, axis))


def add_lengths(builder: Builder, a: Operand, b: Operand) -> Operand:
    if isinstance(a, int) and isinstance(b, int):
        return a + b
    return b if isinstance(a, int) and a == 0 else builder.call(registry[operator.add], (a, b))


def shape_values(builder: Builder, a: Operand) -> tuple[Operand, ...]:
    return tuple([length(builder, a, axis) for axis in range(rank_of(a))])


@expansion(np.shape)
def shape(builder: Builder, a: Operand) -> Operand:
    return shape_values(builder, a)


@expansion(np.ndim)
def ndim(builder: Builder, a: Operand) -> Operand:
    return rank_of(a)


@expansion(np.size)
def size(builder: Builder, a: Operand, axis: Any = None) -> Operand:
    if axis is not None:
        (place,) = normalized_axes(axis, rank_of(a))
        return length(builder, a, place)
    if rank_of(a) == 0:
        return 1
    if rank_of(a) == 1:
        return length(builder, a, 0)
    total = product_of_axes(shape_of(a), None)
    return total if isinstance(total, int) else builder.call(registry["size"], (a,))


def one_axis_type(a: Any, count: Any, one: int, axis: int, length: Axis) -> ArrayType:
    kind = type_of(a)
    return ArrayType(kind.dtype, tuple([length if i == axis else n for i, n in enumerate(kind.shape)]))


@linear("sum_where_broadcast", infer=one_axis_type, view=True, complex=True)
def sum_where_broadcast(
    a: Any, count: Any = None, one: Any = 1, axis: Any = 0, length: Any = 1, *, g: Any
) -> Any:
    """`a` summed over an axis where `count` is `one`, and as it is elsewhere: `length` is what is left."""
    return np.broadcast_to(g, np.shape(a))


@expansion()
def sum_to_shape_of(builder: Builder, g: Operand, x: Operand) -> Operand:
    """The transpose of broadcasting `x`: the cotangent summed over the axes that were stretched."""
    kind = type_of(g)
    own = type_of(x).shape
    extra = kind.rank - len(own)
    stretched = [
        i for i in range(kind.rank) if i < extra or (is_one(own[i - extra]) and not is_one(kind.shape[i]))
    ]
    if stretched:
        kept = [i for i in stretched if i >= extra]
        axis: Any = None if len(stretched) == kind.rank and not kept else tuple(stretched)
        if axis is not None and len(axis) == 1:
            axis = axis[0]
        g = builder.call(registry[np.sum], (g, axis, bool(kept)), method=isinstance(g, Value))
        if kept and extra:
            g = builder.call(registry[np.reshape], (g, shape_values(builder, x)))
    for i, axis_length in enumerate(own):
        found = type_of(g).shape[i]
        if may_be_one(axis_length) and not equal_together(found, axis_length):
            count = length(builder, x, i)
            g = builder.call(registry["sum_where_broadcast"], (g, count, 1, i, axis_length))
    return g


def array_type(items: Any, dtype: Any = None) -> ArrayType:
    from ad_compiler.rules.shapes import array_of

    kind = array_of(items)
    return ArrayType(kind.dtype if dtype is None else dtype_of(dtype), kind.shape)


@rule(np.asarray, infer=array_type, linear="together", view=True, complex=True)
@rule(np.array, infer=array_type, linear="together", fresh=True, complex=True)
def array(items: Any, dtype: Any = None, *, g: Any) -> Any:
    return unpacked(g, items)


@expansion()
def unpacked(builder: Builder, g: Operand, items: Any, index: tuple[int, ...] = ()) -> Operand:
    """The cotangent of every part of an array made from nested lists."""
    if isinstance(items, (list, tuple)):
        return [unpacked(builder, g, item, (*index, i)) for i, item in enumerate(items)]
    return builder.call(registry["getitem"], (g, index)) if index else g


def dtype_of(dtype: Any) -> np.dtype[Any]:
    if isinstance(dtype, Value):
        raise Refusal("a dtype is not known while compiling", "write it as a constant")
    try:
        found: np.dtype[Any] = np.dtype(dtype)
        return found
    except TypeError:
        raise Refusal(f"{describe(dtype)} is not a dtype", "write np.float64 or np.float32") from None


def astype_type(a: Any, dtype: Any, *_: Any) -> ArrayType:
    return ArrayType(dtype_of(dtype), shape_of(a))


@linear(np.ndarray.astype, infer=astype_type, method="astype", fresh=True, complex=True)
def astype(a: Any, dtype: Any, *, g: Any) -> Any:
    return g


@linear(np.ascontiguousarray, infer=same_as_first, view=True, complex=True)
@linear(np.copy, infer=same_as_first, method="copy", fresh=True, complex=True)
def copy(a: Any, *, g: Any) -> Any:
    return g


@linear(float, infer=lambda a: type_of_number(0.0))
def python_float(a: Any, *, g: Any) -> Any:
    return np.reshape(g, np.shape(a)) if np.ndim(a) else g


@linear(np.ndarray.item, infer=lambda a: type_of_number(0.0), method="item", complex=True)
def item(a: Any, *, g: Any) -> Any:
    return np.reshape(g, np.shape(a)) if np.ndim(a) else g


@linear(np.float64, infer=lambda a: ArrayType(np.dtype(np.float64), shape_of(a)), view=True)
@linear(np.float16, infer=lambda a: ArrayType(np.dtype(np.float16), shape_of(a)), view=True)
@linear(np.float32, infer=lambda a: ArrayType(np.dtype(np.float32), shape_of(a)), view=True)
def numpy_float(a: Any, *, g: Any) -> Any:
    return g


@linear(complex, infer=lambda a: type_of_number(0j), complex=True)
@linear(np.complex64, infer=lambda a: ArrayType(np.dtype(np.complex64), shape_of(a)), view=True, complex=True)
@linear(
    np.complex128, infer=lambda a: ArrayType(np.dtype(np.complex128), shape_of(a)), view=True, complex=True
)
@linear(np.longdouble, infer=lambda a: ArrayType(np.dtype(np.longdouble), shape_of(a)), view=True)
@linear(
    np.clongdouble, infer=lambda a: ArrayType(np.dtype(np.clongdouble), shape_of(a)), view=True, complex=True
)
def numpy_number(a: Any, *, g: Any) -> Any:
    return g


def whole_number(dtype: Any) -> None:
    """The conversion to a dtype of whole numbers or truth values: steps, whose derivative is 0."""
    kind = np.dtype(dtype)

    @constant(dtype, infer=lambda a: ArrayType(kind, shape_of(a)), keywords=False)
    def convert(a: Any) -> None: ...


SIGNED: list[Any] = [np.bool_, np.int8, np.int16, np.int32, np.int64, np.intp, np.longlong]
UNSIGNED: list[Any] = [np.uint8, np.uint16, np.uint32, np.uint64, np.uintp, np.ulonglong]
for _scalar in SIGNED + UNSIGNED:
    whole_number(_scalar)


@constant(int, infer=int_type)
@constant(bool, infer=lambda a: type_of_number(True))
def python_int(a: Any) -> None: ...
