"""The lengths of results, as they are when the program runs, and the checks that lengths fit."""

from __future__ import annotations

from collections.abc import Callable

from ad_compiler.analysis.types import ArrayType, is_one
from ad_compiler.backends.native import scalars
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.lowering.elements import Elements, affine, order_of
from ad_compiler.backends.native.lowering.frame import Extents, Frame
from ad_compiler.backends.native.lowering.indexing import select
from ad_compiler.backends.native.lowering.products import product_extents
from ad_compiler.backends.native.lowering.reductions import reduced_extents
from ad_compiler.ir import Operation, Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.indexing import window_of
from ad_compiler.rules.padding import pad_widths
from ad_compiler.rules.rearranging import diagonal_axes, repetitions
from ad_compiler.rules.shapes import normalized_axes, rank_of, shape_argument

Finder = Callable[[Frame, Elements, Operation], Extents]


def find_extents(frame: Frame, elements: Elements, node: Operation) -> Extents:
    """The lengths of the result of an operation."""
    kind = node.result.type
    if not isinstance(kind, ArrayType):
        return ()
    finder = FINDERS.get(node.primitive.name) if node.primitive.kind != "elementwise" else None
    if finder is not None:
        return tuple(map(frame.normal, finder(frame, elements, node)))
    if kind.rank == 0:
        if node.primitive.name in ("float", "item", "int", "bool"):
            for extent in frame.extents_of(node.arguments[0]):
                frame.require_equal(extent, Affine.of(1))
        return ()
    return frame.broadcast([frame.extents_of(operand) for operand in node.arguments if operand is not None])


def of_getitem(frame: Frame, elements: Elements, node: Operation) -> Extents:
    array = node.arguments[0]
    selection = select(frame, elements, node.arguments[1], frame.extents_of(array), rank_of(array))
    elements.selections[node] = selection
    return selection.extents


def of_first(frame: Frame, elements: Elements, node: Operation) -> Extents:
    return frame.extents_of(node.arguments[0])


def of_permuted(frame: Frame, elements: Elements, node: Operation) -> Extents:
    own = frame.extents_of(node.arguments[0])
    return tuple(own[axis] for axis in order_of(node))


def of_shape(frame: Frame, elements: Elements, node: Operation) -> Extents:
    result = []
    for n in shape_argument(node.arguments[0]):
        extent = affine(frame, elements, n)
        if not frame.is_nonnegative(extent):
            frame.depart_if(f"{extent} < 0")
            if extent.is_simple:
                frame.ranges.lengths.add(extent.terms[0][0])
            elif all(name.isidentifier() for name, _ in extent.terms):
                frame.ranges.facts.append(frame.normal(extent))
            else:
                extent = frame.define_number(str(extent), "length")
        result.append(extent)
    return tuple(result)


def of_identity(frame: Frame, elements: Elements, node: Operation) -> Extents:
    rows = affine(frame, elements, node.arguments[0])
    columns = node.arguments[1] if node.primitive.name == "eye" else None
    return rows, rows if columns is None else affine(frame, elements, columns)


def of_reshape(frame: Frame, elements: Elements, node: Operation) -> Extents:
    array, shape = node.arguments
    own = frame.extents_of(array)
    result = node.result.type
    assert isinstance(result, ArrayType)
    lengths = shape_argument(shape)
    total = frame.product(own)
    found: list[Affine | None] = [
        None if isinstance(n, int) and n == -1 else affine(frame, elements, n) for n in lengths
    ]
    if None in found:
        hole = found.index(None)
        left = list(own)
        rest: list[Affine] = []
        for extent in [e for e in found if e is not None]:
            normal = frame.normal(extent)
            if normal in left:
                left.remove(normal)
            elif normal != 1:
                rest.append(extent)
        if not rest:
            inferred = frame.product(tuple(left))
        else:
            others = frame.product(tuple(e for e in found if e is not None))
            bare = str(others) if others.is_simple else f"({others})"
            frame.depart_if(f"{bare} == 0")
            inferred = frame.define_number(f"{bracketed(total)} // {bare}", "length")
            frame.depart_if(f"{inferred} * {bare} != {total}")
        if is_one(result.shape[hole]):
            frame.require_equal(inferred, Affine.of(1))
            inferred = Affine.of(1)
        found[hole] = inferred
        return tuple(e for e in found if e is not None)
    extents = tuple(e for e in found if e is not None)
    if sorted(map(str, map(frame.normal, extents))) != sorted(map(str, own)):
        target = frame.product(extents)
        if target.terms and total.terms:
            frame.require_equal(target, total)
        else:
            frame.require_equal(total, target)
    return extents


def bracketed(number: Affine) -> str:
    return str(number) if number.is_simple else f"({number})"


def of_flat(frame: Frame, elements: Elements, node: Operation) -> Extents:
    return (frame.product(frame.extents_of(node.arguments[0])),)


def of_expand_dims(frame: Frame, elements: Elements, node: Operation) -> Extents:
    array, axis = node.arguments
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    own = frame.extents_of(array)
    places = normalized_axes(tuple(axes), len(own) + len(axes))
    rest = iter(own)
    return tuple(Affine.of(1) if n in places else next(rest) for n in range(len(own) + len(axes)))


def of_squeeze(frame: Frame, elements: Elements, node: Operation) -> Extents:
    array, axis = node.arguments
    own = frame.extents_of(array)
    kind = array.type
    axes = (
        tuple(i for i, n in enumerate(kind.shape) if is_one(n))
        if axis is None
        else normalized_axes(axis, len(own))
    )
    for place in axes:
        frame.require_equal(own[place], Affine.of(1))
    return tuple(e for n, e in enumerate(own) if n not in axes)


def of_broadcast_to(frame: Frame, elements: Elements, node: Operation) -> Extents:
    array, shape = node.arguments
    target = tuple(affine(frame, elements, n) for n in shape_argument(shape))
    own = frame.extents_of(array)
    for extent, wanted in zip(own, target[len(target) - len(own) :], strict=True):
        if frame.normal(extent) != 1:
            frame.require_equal(extent, wanted)
    return target


def of_full_like(frame: Frame, elements: Elements, node: Operation) -> Extents:
    own, fill = frame.extents_of(node.arguments[0]), frame.extents_of(node.arguments[1])
    frame.broadcast([own, fill])
    return own


def of_arange(frame: Frame, elements: Elements, node: Operation) -> Extents:
    start, stop, step = node.arguments
    if stop is None:
        start, stop = 0, start
    if all(isinstance(bound, (int, float)) or bound is None for bound in (start, stop, step)):
        import numpy as np

        return (Affine.of(len(np.arange(start, stop, step))),)
    if step is not None and not isinstance(step, int):
        raise Refusal("the step of `np.arange` is not known while compiling", scalars.ADVICE)
    first, last = affine(frame, elements, start), affine(frame, elements, stop)
    if step in (None, 1):
        length = frame.normal(last - first)
        return (
            length if frame.is_nonnegative(length) else frame.define_number(f"max({length}, 0)", "length"),
        )
    return (frame.define_number(f"turns({first}, {last}, {step})", "length"),)


def of_windows(frame: Frame, elements: Elements, node: Operation) -> Extents:
    own = list(frame.extents_of(node.arguments[0]))
    sizes, axes = window_of(*node.arguments)
    for size, axis in zip(sizes, axes, strict=True):
        rest = frame.normal(own[axis] - (size - 1))
        if not frame.is_nonnegative(rest):
            frame.depart_if(f"{rest} <= 0")
            rest = frame.define_number(str(rest), "length") if rest.terms else rest
        own[axis] = rest
    return (*own, *map(Affine.of, sizes))


def of_diagonal(frame: Frame, elements: Elements, node: Operation) -> Extents:
    array, offset, *axes = node.arguments
    own = frame.extents_of(array)
    first, second = diagonal_axes(array, *(axes or (0, 1)))
    rows, columns = own[first] + min(offset, 0), own[second] - max(offset, 0)
    if frame.normal(rows) == frame.normal(columns) and frame.is_nonnegative(rows):
        size = rows
    elif rows.known is not None and columns.known is not None:
        size = Affine.of(max(min(rows.known, columns.known), 0))
    else:
        size = frame.define_number(f"max(min({rows}, {columns}), 0)", "length")
    return (*(e for n, e in enumerate(own) if n not in (first, second)), size)


def of_diag(frame: Frame, elements: Elements, node: Operation) -> Extents:
    array, offset = node.arguments
    if rank_of(array) == 2:
        return of_diagonal(frame, elements, node)
    size = frame.extents_of(array)[0] + abs(offset)
    return size, size


def of_outer(frame: Frame, elements: Elements, node: Operation) -> Extents:
    a, b = node.arguments
    if rank_of(a) != 1 or rank_of(b) != 1:
        raise Refusal("`np.outer` of something else than vectors has no native form", "ravel its arguments")
    return frame.extents_of(a)[0], frame.extents_of(b)[0]


def of_sum_where_broadcast(frame: Frame, elements: Elements, node: Operation) -> Extents:
    array, count, one, axis, _ = node.arguments
    own = frame.extents_of(array)
    length = affine(frame, elements, count)
    if one == 1:  # the array has this length, or it would be summed
        frame.require_equal(own[axis], length)
    else:
        frame.depart_if(f"{length} == {one} and {own[axis]} != 1")
    return own


def of_spread(frame: Frame, elements: Elements, node: Operation) -> Extents:
    array, axis, _, keepdims = node.arguments
    return spread(frame.extents_of(array), axis, keepdims)


def spread(own: Extents, axis: object, keepdims: object) -> Extents:
    axes = normalized_axes(axis, len(own))
    if keepdims:
        return tuple(Affine.of(1) if n in axes else e for n, e in enumerate(own))
    return tuple(e for n, e in enumerate(own) if n not in axes)


def of_concatenate(frame: Frame, elements: Elements, node: Operation) -> Extents:
    arrays, axis = node.arguments
    shapes = [frame.extents_of(array) for array in arrays]
    (place,) = normalized_axes(axis, len(shapes[0]))
    result = list(shapes[0])
    for shape in shapes[1:]:
        for n, extent in enumerate(shape):
            if n == place:
                result[n] = result[n] + extent
            else:
                frame.require_equal(result[n], extent)
    return tuple(result)


def of_stack(frame: Frame, elements: Elements, node: Operation) -> Extents:
    arrays, axis = node.arguments
    own = frame.extents_of(arrays[0])
    for array in arrays[1:]:
        for a, b in zip(own, frame.extents_of(array), strict=True):
            frame.require_equal(a, b)
    (place,) = normalized_axes(axis, len(own) + 1)
    return (*own[:place], Affine.of(len(arrays)), *own[place:])


def of_array(frame: Frame, elements: Elements, node: Operation) -> Extents:
    return nested_extents(frame, node.arguments[0])


def nested_extents(frame: Frame, items: object) -> Extents:
    if isinstance(items, (list, tuple)):
        if not items:
            return (Affine.of(0),)
        inner = [nested_extents(frame, item) for item in items]
        for other in inner[1:]:
            for a, b in zip(inner[0], other, strict=True):
                frame.require_equal(a, b)
        return (Affine.of(len(items)), *inner[0])
    return frame.extents_of(items)


def of_linspace(frame: Frame, elements: Elements, node: Operation) -> Extents:
    return (affine(frame, elements, node.arguments[2]),)


def of_repeat(frame: Frame, elements: Elements, node: Operation) -> Extents:
    array, times, axis = node.arguments
    own = frame.extents_of(array)
    if axis is None:
        return (frame.product(own) * int(times),)
    (place,) = normalized_axes(axis, len(own))
    return (*own[:place], own[place] * int(times), *own[place + 1 :])


def of_tile(frame: Frame, elements: Elements, node: Operation) -> Extents:
    counts = repetitions(*node.arguments)
    own = frame.extents_of(node.arguments[0])
    own = (*(Affine.of(1),) * (len(counts) - len(own)), *own)
    return tuple(extent * count for extent, count in zip(own, counts, strict=True))


def of_pad(frame: Frame, elements: Elements, node: Operation) -> Extents:
    array, widths = node.arguments
    pairs = zip(frame.extents_of(array), pad_widths(array, widths), strict=True)
    return tuple(extent + before + after for extent, (before, after) in pairs)


def of_diff(frame: Frame, elements: Elements, node: Operation) -> Extents:
    array, axis = node.arguments
    own = list(frame.extents_of(array))
    (place,) = normalized_axes(axis, len(own))
    rest = frame.normal(own[place] - 1)
    own[place] = rest if frame.is_nonnegative(rest) else frame.define_number(f"max({rest}, 0)", "length")
    return tuple(own)


def of_nothing(frame: Frame, elements: Elements, node: Operation) -> Extents:
    return ()


def of_cumsum(frame: Frame, elements: Elements, node: Operation) -> Extents:
    own = frame.extents_of(node.arguments[0])
    return own if node.arguments[1] is not None or len(own) == 1 else (frame.product(own),)


FINDERS: dict[str, Finder] = {
    "getitem": of_getitem,
    "transpose": of_permuted,
    "swapaxes": of_permuted,
    "moveaxis": of_permuted,
    "reshape": of_reshape,
    "ravel": of_flat,
    "flatten": of_flat,
    "expand_dims": of_expand_dims,
    "squeeze": of_squeeze,
    "broadcast_to": of_broadcast_to,
    "sum_where_broadcast": of_sum_where_broadcast,
    "sliding_window_view": of_windows,
    "diagonal": of_diagonal,
    "diag": of_diag,
    "outer": of_outer,
    "zeros": of_shape,
    "ones": of_shape,
    "empty": of_shape,
    "full": of_shape,
    "eye": of_identity,
    "identity": of_identity,
    "arange": of_arange,
    "linspace": of_linspace,
    "full_like": of_full_like,
    "var": of_spread,
    "std": of_spread,
    "trace": of_nothing,
    "is_contiguous": of_nothing,
    "shares_memory": of_nothing,
    "repeat": of_repeat,
    "tile": of_tile,
    "pad": of_pad,
    "diff": of_diff,
    "cumsum": of_cumsum,
    "cumprod": of_cumsum,
    "concatenate": of_concatenate,
    "stack": of_stack,
    "array": of_array,
    **dict.fromkeys(
        [
            "flip",
            "copy",
            "ascontiguousarray",
            "tril",
            "triu",
            "zeros_like",
            "ones_like",
            "empty_like",
            "astype",
        ],
        of_first,
    ),
    **dict.fromkeys(["float64", "float32", "index_set", "index_add", "roll"], of_first),
    **dict.fromkeys(
        ["sum", "mean", "norm", "prod", "max", "min", "amax", "amin", "all", "any", "argmax", "argmin"],
        lambda frame, elements, node: reduced_extents(frame, node),
    ),
    "count_nonzero": lambda frame, elements, node: reduced_extents(frame, node),
    **dict.fromkeys(
        ["matmul", "dot", "inner", "tensordot", "einsum"],
        lambda frame, elements, node: product_extents(frame, node),
    ),
}


def is_array_value(operand: object) -> bool:
    return isinstance(operand, Value) and isinstance(operand.type, ArrayType) and operand.type.rank > 0


FINDERS["asarray"] = lambda frame, elements, node: (
    of_first(frame, elements, node) if is_array_value(node.arguments[0]) else of_array(frame, elements, node)
)
