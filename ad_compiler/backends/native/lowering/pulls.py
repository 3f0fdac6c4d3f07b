"""Views, and arrays that are computed from their subscripts: element `[i, j, ...]` of each, by operation.

a[1:, ::-1][i, j]    a[i + 1, n - 1 - j]
np.eye(n)[i, j]      1.0 if i == j else 0.0
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ad_compiler.analysis.types import ArrayType, is_one
from ad_compiler.backends.native import scalars
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.lowering import arithmetic
from ad_compiler.backends.native.lowering.elements import Elements, Index, affine, order_of, sum_of_names
from ad_compiler.backends.native.lowering.frame import Extents, dtype_of
from ad_compiler.backends.native.lowering.indexing import select, unravelled
from ad_compiler.backends.native.lowering.planning import is_plain_reshape
from ad_compiler.backends.native.nests import (
    Apply,
    Expression,
    Whole,
)
from ad_compiler.ir import Operand, Operation, Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.indexing import window_of
from ad_compiler.rules.padding import pad_widths
from ad_compiler.rules.rearranging import diagonal_axes
from ad_compiler.rules.shapes import normalized_axes, rank_of, type_of

Pull = Callable[[Elements, Operation, Index], Expression]


def pulls_getitem(elements: Elements, node: Operation, index: Index) -> Expression:
    frame = elements.frame
    array = node.arguments[0]
    selection = elements.selections.get(node)
    if selection is None:
        selection = select(frame, elements, node.arguments[1], frame.extents_of(array), rank_of(array))
        elements.selections[node] = selection
    return elements.element(array, selection.place(index))


def permuted(order: Callable[[Operation], tuple[int, ...]]) -> Pull:
    def pull(elements: Elements, node: Operation, index: Index) -> Expression:
        source = [Affine.of(0)] * len(index)
        for place, axis in enumerate(order(node)):
            source[axis] = index[place]
        return elements.element(node.arguments[0], tuple(source))

    return pull


def pulls_same(elements: Elements, node: Operation, index: Index) -> Expression:
    return elements.element(node.arguments[0], index)


def pulls_cast(elements: Elements, node: Operation, index: Index) -> Expression:
    array = node.arguments[0]
    kind = node.result.type
    assert isinstance(kind, ArrayType)
    if not index and rank_of(array):
        index = (Affine.of(0),) * rank_of(array)
    return arithmetic.elementwise(node, [array], [elements.element(array, index)], [type_of(array)])


def pulls_reshape(elements: Elements, node: Operation, index: Index) -> Expression:
    """The element at the same place of the flat array: easily found where only axes of length 1 differ."""
    array, result = node.arguments[0], node.result.type
    assert isinstance(result, ArrayType)
    if not is_plain_reshape(node):
        place = flat_place(index, elements.frame.extents_of(node.result))
        own = elements.frame.extents_of(array)
        if len(own) == 1:
            return elements.element(array, (place,))
        return elements.element(array, tuple(unravelled(f"({place})", own)))
    kept = iter([i for i, length in zip(index, result.shape, strict=True) if not is_one(length)])
    source = [Affine.of(0) if is_one(length) else next(kept) for length in type_of(array).shape]
    return elements.element(array, tuple(source))


def flat_place(index: Index, extents: Extents) -> Affine:
    """The place of an element in the flat array."""
    place = Affine.of(0)
    for i, extent in zip(index, extents, strict=True):
        known = extent.known
        if known is not None or place == 0:
            place = place * (known or 0) + i
        else:
            bare = str(extent) if extent.is_simple else f"({extent})"
            place = Affine.of(f"({place}) * {bare}") + i
    return place


def pulls_expand_dims(elements: Elements, node: Operation, index: Index) -> Expression:
    array, axis = node.arguments
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    places = normalized_axes(tuple(axes), len(index))
    return elements.element(array, tuple(i for n, i in enumerate(index) if n not in places))


def pulls_squeeze(elements: Elements, node: Operation, index: Index) -> Expression:
    array, axis = node.arguments
    shape = type_of(array).shape
    axes = (
        tuple(i for i, n in enumerate(shape) if is_one(n))
        if axis is None
        else normalized_axes(axis, len(shape))
    )
    rest = iter(index)
    return elements.element(
        array, tuple(Affine.of(0) if n in axes else next(rest) for n in range(len(shape)))
    )


def pulls_broadcast_to(elements: Elements, node: Operation, index: Index) -> Expression:
    return elements.broadcast_element(node.arguments[0], index)


def pulls_flip(elements: Elements, node: Operation, index: Index) -> Expression:
    array, axis = node.arguments
    extents = elements.frame.extents_of(array)
    axes = normalized_axes(axis, len(index))
    return elements.element(array, tuple(extents[n] - 1 - i if n in axes else i for n, i in enumerate(index)))


def pulls_windows(elements: Elements, node: Operation, index: Index) -> Expression:
    array = node.arguments[0]
    _, axes = window_of(*node.arguments)
    source = list(index[: rank_of(array)])
    for place, axis in enumerate(axes):
        source[axis] = source[axis] + index[rank_of(array) + place]
    return elements.element(array, tuple(source))


def pulls_diagonal(elements: Elements, node: Operation, index: Index) -> Expression:
    array, offset, *axes = node.arguments
    first, second = diagonal_axes(array, *(axes or (0, 1)))
    rest = iter(index[:-1])
    source = []
    for axis in range(rank_of(array)):
        if axis == first:
            source.append(index[-1] + max(-offset, 0))
        elif axis == second:
            source.append(index[-1] + max(offset, 0))
        else:
            source.append(next(rest))
    return elements.element(array, tuple(source))


def pulls_diag(elements: Elements, node: Operation, index: Index) -> Expression:
    array, offset = node.arguments
    if rank_of(array) == 2:
        return pulls_diagonal(elements, node, index)
    row, column = index
    on_diagonal = compared(column - row, "==", Affine.of(int(offset)))
    part = elements.element(array, (row - max(-offset, 0),))
    return scalars.choice(on_diagonal, part, scalars.number(0, dtype_of(array)))


def compared(a: Affine, symbol: str, b: Affine) -> Expression:
    return Apply(f"{{0}} {symbol} {{1}}", (Whole(a), Whole(b)), scalars.COMPARE, (6, 6))


def pulls_triangle(symbol: str) -> Pull:
    def pull(elements: Elements, node: Operation, index: Index) -> Expression:
        array, offset = node.arguments
        inside = compared(index[-1], symbol, index[-2] + int(offset))
        part = elements.element(array, index)
        return scalars.choice(inside, part, scalars.number(0, dtype_of(array)))

    return pull


def pulls_number(number: int) -> Pull:
    def pull(elements: Elements, node: Operation, index: Index) -> Expression:
        return scalars.number(number, dtype_of(node.result))

    return pull


def pulls_full(elements: Elements, node: Operation, index: Index) -> Expression:
    fill = node.arguments[1]
    aligned = elements.frame.extents_of(fill)
    del aligned
    part = elements.broadcast_element(fill, index)
    if not isinstance(fill, Value) and not isinstance(fill, (list, tuple)):
        return scalars.number(fill, dtype_of(node.result))
    return scalars.cast(part, dtype_of(fill), dtype_of(node.result))


def pulls_eye(elements: Elements, node: Operation, index: Index) -> Expression:
    offset = node.arguments[2] if node.primitive.name == "eye" else 0
    if not isinstance(offset, int):
        raise Refusal("the offset of a diagonal is not known while compiling", scalars.ADVICE)
    dtype = dtype_of(node.result)
    on_diagonal = compared(index[1], "==", index[0] + offset)
    return scalars.choice(on_diagonal, scalars.number(1, dtype), scalars.number(0, dtype))


def pulls_arange(elements: Elements, node: Operation, index: Index) -> Expression:
    start, stop, step = node.arguments
    if stop is None:
        start, stop = 0, start
    step = 1 if step is None else step
    dtype = dtype_of(node.result)
    if dtype.kind == "i" and isinstance(step, int):
        first = affine(elements.frame, elements, start)
        return scalars.cast(Whole(first + index[0] * step), np.dtype(np.int64), dtype)
    first_part, step_part = (elements.number(operand, dtype) for operand in (start, step))
    i = scalars.cast(Whole(index[0]), np.dtype(np.int64), dtype)
    product = scalars.infix("*", scalars.MULTIPLY, i, step_part)
    return scalars.infix("+", scalars.ADD, first_part, product)


def pulls_length(elements: Elements, node: Operation, index: Index) -> Expression:
    found = sum_of_names(elements.frame, elements, node)
    assert found is not None
    return Whole(found)


def pulls_clip(elements: Elements, node: Operation, index: Index) -> Expression:
    a, low, high = node.arguments
    dtype = dtype_of(node.result)
    part = as_dtype(elements, a, dtype, index)
    if low is not None:
        part = scalars.call("maximum", part, as_dtype(elements, low, dtype, index))
    if high is not None:
        part = scalars.call("minimum", part, as_dtype(elements, high, dtype, index))
    return scalars.narrowed(part, dtype)


def as_dtype(elements: Elements, operand: Operand, dtype: np.dtype[Any], index: Index) -> Expression:
    if not isinstance(operand, (Value, list, tuple)):
        return scalars.number(operand, dtype)
    return scalars.cast(elements.broadcast_element(operand, index), dtype_of(operand), dtype)


def pulls_nan_to_num(elements: Elements, node: Operation, index: Index) -> Expression:
    x, _, nan, highest, lowest = node.arguments
    dtype = dtype_of(node.result)
    if dtype.kind != "f":
        return as_dtype(elements, x, dtype, index)
    limits = np.finfo(dtype)
    given = [
        nan,
        float(limits.max) if highest is None else highest,
        float(limits.min) if lowest is None else lowest,
    ]
    parts = [as_dtype(elements, operand, dtype, index) for operand in (x, *given)]
    return scalars.call("nan_to_num", *parts)


def pulls_outer(elements: Elements, node: Operation, index: Index) -> Expression:
    dtype = dtype_of(node.result)
    a, b = node.arguments
    parts = [
        scalars.cast(elements.element(operand, (i,)), dtype_of(operand), dtype)
        for operand, i in ((a, index[0]), (b, index[1]))
    ]
    return scalars.times(dtype, *parts)


def pulls_roll(elements: Elements, node: Operation, index: Index) -> Expression:
    array, shift, axis = node.arguments
    extents = elements.frame.extents_of(array)
    if axis is None and len(index) != 1:
        raise Refusal("`np.roll` over all axes has no native form", scalars.ADVICE)
    axes = normalized_axes(axis, len(index))
    shifts = shift if isinstance(shift, (tuple, list)) else (shift,) * len(axes)
    source = list(index)
    for place, each in zip(axes, shifts, strict=True):
        moved = index[place] - affine(elements.frame, elements, each)
        bare = str(extents[place]) if extents[place].is_simple else f"({extents[place]})"
        source[place] = Affine.of(f"(({moved}) % {bare})")
    return elements.element(array, tuple(source))


def pulls_repeat(elements: Elements, node: Operation, index: Index) -> Expression:
    array, times, axis = node.arguments
    if axis is None and rank_of(array) != 1:
        raise Refusal("`np.repeat` without an axis has no native form", "ravel the array first")
    (place,) = normalized_axes(0 if axis is None else axis, len(index))
    source = Affine.of(f"(({index[place]}) // {int(times)})")
    return elements.element(array, (*index[:place], source, *index[place + 1 :]))


def pulls_tile(elements: Elements, node: Operation, index: Index) -> Expression:
    array = node.arguments[0]
    extents = elements.frame.extents_of(array)
    own = index[len(index) - len(extents) :]
    source = tuple(
        i if e == 1 else Affine.of(f"(({i}) % {e if e.is_simple else f'({e})'})")
        for i, e in zip(own, extents, strict=True)
    )
    return elements.element(
        array, tuple(Affine.of(0) if e == 1 else i for i, e in zip(source, extents, strict=True))
    )


def pulls_pad(elements: Elements, node: Operation, index: Index) -> Expression:
    array, widths = node.arguments
    extents = elements.frame.extents_of(array)
    dtype = dtype_of(node.result)
    source, tests = [], []
    for i, extent, (before, after) in zip(index, extents, pad_widths(array, widths), strict=True):
        source.append(i - before)
        if before or after:
            tests.append(compared(Affine.of(before), "<=", i))
            tests.append(compared(i, "<", extent + before))
    if not tests:
        return elements.element(array, index)
    inside: Expression = Apply(
        " and ".join(f"{{{n}}}" for n in range(len(tests))), tuple(tests), 3, (4,) * len(tests)
    )
    return scalars.choice(inside, elements.element(array, tuple(source)), scalars.number(0, dtype))


def pulls_diff(elements: Elements, node: Operation, index: Index) -> Expression:
    array, axis = node.arguments
    (place,) = normalized_axes(axis, len(index))
    following = (*index[:place], index[place] + 1, *index[place + 1 :])
    if dtype_of(node.result).kind == "b":
        raise Refusal("`np.diff` of bools has no native form", scalars.ADVICE)
    parts = elements.element(array, following), elements.element(array, index)
    return scalars.narrowed(scalars.infix("-", scalars.ADD, *parts), dtype_of(node.result))


def pulls_item(elements: Elements, node: Operation, index: Index) -> Expression:
    array = node.arguments[0]
    return pulls_cast(elements, node, (Affine.of(0),) * rank_of(array))


PULLS: dict[str, Pull] = {
    "getitem": pulls_getitem,
    "transpose": permuted(order_of),
    "swapaxes": permuted(order_of),
    "moveaxis": permuted(order_of),
    "copy": pulls_same,
    "ascontiguousarray": pulls_same,
    "asarray": lambda elements, node, index: scalars.cast(
        elements.element(node.arguments[0], index), dtype_of(node.arguments[0]), dtype_of(node.result)
    ),
    "array": lambda elements, node, index: scalars.cast(
        elements.element(node.arguments[0], index), dtype_of(node.arguments[0]), dtype_of(node.result)
    ),
    "sum_where_broadcast": pulls_same,
    "reshape": pulls_reshape,
    "ravel": pulls_reshape,
    "expand_dims": pulls_expand_dims,
    "squeeze": pulls_squeeze,
    "broadcast_to": pulls_broadcast_to,
    "flip": pulls_flip,
    "sliding_window_view": pulls_windows,
    "diagonal": pulls_diagonal,
    "diag": pulls_diag,
    "tril": pulls_triangle("<="),
    "triu": pulls_triangle(">="),
    "zeros": pulls_number(0),
    "zeros_like": pulls_number(0),
    "empty": pulls_number(0),
    "empty_like": pulls_number(0),
    "ones": pulls_number(1),
    "ones_like": pulls_number(1),
    "full": pulls_full,
    "full_like": pulls_full,
    "eye": pulls_eye,
    "identity": pulls_eye,
    "arange": pulls_arange,
    "length": pulls_length,
    "size": pulls_length,
    "clip": pulls_clip,
    "nan_to_num": pulls_nan_to_num,
    "outer": pulls_outer,
    "roll": pulls_roll,
    "repeat": pulls_repeat,
    "tile": pulls_tile,
    "pad": pulls_pad,
    "diff": pulls_diff,
    "astype": pulls_cast,
    "float64": pulls_cast,
    "float32": pulls_cast,
    "float": pulls_cast,
    "int": pulls_cast,
    "bool": pulls_cast,
    "real": pulls_cast,
    "imag": pulls_cast,
    "conjugate": pulls_cast,
    "item": pulls_item,
}
