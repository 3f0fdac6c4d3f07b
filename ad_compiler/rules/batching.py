"""How an operation is done for many directions at once: the first axis of what varies counts the directions.

    y_dot = A @ x_dot        ->    y_dot = x_dot @ A.T         a row for each direction
    s_dot = np.sum(y_dot)    ->    s_dot = np.sum(y_dot, axis=1)
    z_dot = c * s_dot        ->    z_dot = c * s_dot[:, None]

One rule for each primitive (a rule serves a family of them), called with the directions and the operation
that it is to do; elementwise operations have one rule, since NumPy aligns axes from the end. What depends on
no direction is used as it is. An operation without a rule, or one that its rule cannot do, raises
`CannotBatch`, and the loop over the directions stays.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ad_compiler.ir import Operand, Operation, Value
from ad_compiler.rules.einsum import einsum_terms
from ad_compiler.rules.matrices import contraction
from ad_compiler.rules.notation import Primitive, registry
from ad_compiler.rules.padding import pad_widths, zeros_around
from ad_compiler.rules.rearranging import first_difference
from ad_compiler.rules.shapes import normalized_axes, rank_of, type_of
from ad_compiler.rules.structure import shape_values
from ad_compiler.rules.subscripts import expanded_index, getitem_type, is_array_index
from ad_compiler.traversal import values_in

if TYPE_CHECKING:
    from ad_compiler.transforms.batch import Directions

Rule = Callable[["Directions", Operation], Operand]
FULL = slice(None)

batching_rules: dict[Primitive, Rule] = {}


class CannotBatch(Exception):
    """An operation has no form for many directions at once."""


def batching(*functions: Any) -> Callable[[Rule], Rule]:
    """The rule of these functions."""

    def decorate(rule: Rule) -> Rule:
        batching_rules.update(dict.fromkeys([registry[function] for function in functions], rule))
        return rule

    return decorate


def rule_of(primitive: Primitive) -> Rule:
    """The rule of a primitive."""
    found = batching_rules.get(primitive)
    if found is not None:
        return found
    if primitive.kind == "elementwise" and not primitive.text.startswith("math."):
        return elementwise
    raise CannotBatch(primitive.name)


def shifted(axis: Any) -> Any:
    """Axes counted from the beginning stand one further on; those counted from the end stay."""
    if isinstance(axis, (tuple, list)):
        return tuple(shifted(each) for each in axis)
    if not isinstance(axis, (int, np.integer)):
        raise CannotBatch("an axis that is not known")
    return int(axis) + 1 if axis >= 0 else int(axis)


def only(directions: Directions, node: Operation, place: int = 0) -> Value:
    """The argument at a place, for all directions; the only one that may vary."""
    others = [argument for i, argument in enumerate(node.arguments) if i != place]
    if any(directions.varies(value) for value in values_in(others)):
        raise CannotBatch(node.primitive.name)
    found: Value = directions.lifted(node.arguments[place])
    return found


@batching(
    *(operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne),
    *(np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal),
    *(np.isnan, np.isinf, np.isfinite, np.sign, np.signbit, np.logical_not, np.logical_and, np.logical_or),
)
def elementwise(directions: Directions, node: Operation) -> Operand:
    """Any function of numbers.

    Python's own numbers, which are weak in NumPy's promotion, become arrays, which are not.
    """
    rank = rank_of(node.result)
    arguments = [directions.aligned(argument, rank) for argument in node.arguments]
    kinds = [None if argument is None else type_of(argument) for argument in node.arguments]
    strong = [kind.dtype for kind in kinds if kind is not None and not kind.python]
    for place, kind in enumerate(kinds):
        if kind is not None and kind.python and strong and directions.varies(node.arguments[place]):
            arguments[place] = directions.cast(arguments[place], np.result_type(*strong, 0.0))
    return directions.call(node.primitive, *arguments)


@batching(np.real, np.imag, np.conjugate, np.tril, np.triu, np.ascontiguousarray, np.copy)
@batching(np.zeros_like, np.ones_like, np.empty_like, np.ndarray.astype)
@batching(np.float16, np.float32, np.float64, np.longdouble)
def as_it_is(directions: Directions, node: Operation) -> Operand:
    """What does the same whatever axes there are in front."""
    array = only(directions, node)
    if node.primitive is registry[np.copy]:
        return directions.call(node.primitive, array, method=True)
    return directions.call(node.primitive, array, *node.arguments[1:], method=node.method)


@batching(float, np.ndarray.item)
def number(directions: Directions, node: Operation) -> Operand:
    """A number of each direction."""
    array = only(directions, node)
    if rank_of(array) > 1:
        array = directions.call(registry[np.reshape], array, (directions.count,))
    return directions.cast(array, np.dtype(np.float64))


# --- sums, and operations along axes ---


@batching(np.sum, np.mean)
def reduction(directions: Directions, node: Operation) -> Operand:
    _, axis, keepdims = node.arguments
    array, rank = only(directions, node), rank_of(node.arguments[0])
    if rank == 0:
        return array
    axes = tuple(range(1, rank + 1)) if axis is None else shifted(axis)
    if isinstance(axes, tuple) and len(axes) == 1:
        axes = axes[0]
    return directions.call(node.primitive, array, axes, keepdims, method=node.method)


@batching(np.cumsum, np.flip, np.squeeze, np.expand_dims, np.fft.fft, np.fft.ifft, np.fft.rfft)
@batching(np.fft.irfft, np.roll, np.repeat, sliding_window_view, first_difference, "sum_where_broadcast")
def along_axis(directions: Directions, node: Operation) -> Operand:
    """What has an argument `axis`; where that is None, all axes are meant, or the array is flattened."""
    place = node.primitive.parameters.index("axis")
    axis, rank = node.arguments[place], rank_of(node.arguments[0])
    arguments = [only(directions, node), *node.arguments[1:]]
    if node.primitive is registry[np.squeeze] and axis is None:
        arguments[place] = tuple(i + 1 for i, n in enumerate(type_of(node.arguments[0]).shape) if n == 1)
    elif axis is None and node.primitive is registry[np.flip]:
        arguments[place] = tuple(range(1, rank + 1))
    elif axis is None and rank == 1:
        arguments[place] = 1
    else:
        arguments[place] = shifted(axis)
    if not rank and node.primitive is not registry[np.expand_dims]:
        raise CannotBatch(node.primitive.name)
    return directions.call(node.primitive, *arguments, method=node.method)


@batching(np.diagonal)
def diagonal(directions: Directions, node: Operation) -> Operand:
    _, offset, axis1, axis2 = node.arguments
    return directions.call(node.primitive, only(directions, node), offset, shifted(axis1), shifted(axis2))


@batching(np.trace)
def trace(directions: Directions, node: Operation) -> Operand:
    array = directions.call(registry[np.diagonal], only(directions, node), node.arguments[1], 1, 2)
    return directions.call(registry[np.sum], array, 1, False, method=True)


@batching(np.tile)
def tile(directions: Directions, node: Operation) -> Operand:
    array, reps = only(directions, node), node.arguments[1]
    length = len(reps) if isinstance(reps, (tuple, list)) else 1
    if length > rank_of(node.arguments[0]):
        raise CannotBatch("tile")
    return directions.call(node.primitive, array, reps)


@batching(np.pad, zeros_around)
def pad(directions: Directions, node: Operation) -> Operand:
    """`np.pad` with zeros."""
    array, width, *options = node.arguments
    if options and (options[0] != "constant" or options[1] != 0):
        raise CannotBatch("what is padded with")
    widths = ((0, 0), *pad_widths(array, width))
    return directions.call(registry[zeros_around], only(directions, node), widths)


@batching(np.diff)
def diff(directions: Directions, node: Operation) -> Operand:
    """Differences of the first order."""
    _, order, axis, prepend, append = node.arguments
    if order != 1 or prepend is not None or append is not None:
        raise CannotBatch("differences of higher order")
    return directions.call(registry[first_difference], only(directions, node), shifted(axis))


# --- shapes ---


@batching(np.reshape)
def reshape(directions: Directions, node: Operation) -> Operand:
    shape = node.arguments[1] if isinstance(node.arguments[1], (tuple, list)) else (node.arguments[1],)
    return directions.call(node.primitive, only(directions, node), (directions.count, *shape))


@batching(np.ravel, np.ndarray.flatten)
def flat(directions: Directions, node: Operation) -> Operand:
    array = only(directions, node)
    if node.arguments[1] != "C":
        raise CannotBatch("the order of elements")
    if rank_of(array) != 2:
        length: Operand = 1
        for each in shape_values(directions.builder, array)[1:]:
            length = directions.call(registry[operator.mul], length, each)
        array = directions.call(registry[np.reshape], array, (directions.count, length))
    if node.primitive is registry[np.ravel]:
        return array
    return directions.call(registry[np.copy], array, method=True)


@batching(np.transpose)
def transpose(directions: Directions, node: Operation) -> Operand:
    array, axes = only(directions, node), node.arguments[1]
    rank = rank_of(node.arguments[0])
    if rank < 2:
        return array
    order = tuple(range(rank - 1, -1, -1)) if axes is None else normalized_axes(axes, rank)
    if rank == 2 and order == (1, 0):
        return directions.call(registry[np.swapaxes], array, 1, 2)
    return directions.call(node.primitive, array, (0, *shifted(order)))


@batching(np.swapaxes, np.moveaxis)
def two_axes(directions: Directions, node: Operation) -> Operand:
    return directions.call(node.primitive, only(directions, node), *map(shifted, node.arguments[1:]))


@batching(np.broadcast_to)
def broadcast_to(directions: Directions, node: Operation) -> Operand:
    only(directions, node)
    return stretched(directions, node.arguments[0], tuple(node.arguments[1]))


def stretched(directions: Directions, array: Operand, shape: tuple[Operand, ...]) -> Operand:
    """An array broadcast to a shape, for every direction."""
    aligned = directions.aligned(array, len(shape))
    return directions.call(registry[np.broadcast_to], aligned, (directions.count, *shape))


@batching(np.full)
def full(directions: Directions, node: Operation) -> Operand:
    shape, value, _ = node.arguments
    only(directions, node, 1)
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    return directions.cast(stretched(directions, value, shape), type_of(node.result).dtype)


@batching(np.full_like)
def full_like(directions: Directions, node: Operation) -> Operand:
    array, value, _ = node.arguments
    only(directions, node, 1)
    shape = shape_values(directions.builder, array)
    return directions.cast(stretched(directions, value, shape), type_of(node.result).dtype)


# --- parts of arrays, and arrays of parts ---


@batching("getitem")
def getitem(directions: Directions, node: Operation) -> Operand:
    array = only(directions, node)
    return directions.call(node.primitive, array, index_behind(node.arguments[1], rank_of(node.arguments[0])))


def index_behind(index: tuple[Operand, ...], rank: int) -> tuple[Operand, ...]:
    """The index of the same part of every row."""
    items = expanded_index(index, rank)
    if any(map(is_array_index, items)):
        selecting = [
            place for place, item in enumerate(items) if not (item is None or isinstance(item, slice))
        ]
        if selecting != list(range(selecting[0], selecting[-1] + 1)):
            raise CannotBatch("index arrays that stand apart")  # NumPy puts their axes in front
    return (FULL, *index)


@batching("index_set", "index_add")
def written(directions: Directions, node: Operation) -> Operand:
    array, index, value, path = node.arguments
    if path or any(directions.varies(each) for each in values_in(index)):
        raise CannotBatch("a write through a view")
    rank = len(getitem_type(array, index).shape)
    behind = index_behind(index, rank_of(array))
    target = directions.lifted(array)
    return directions.call(node.primitive, target, behind, directions.aligned(value, rank), ())


@batching(np.concatenate, np.stack)
def joined(directions: Directions, node: Operation) -> Operand:
    arrays, axis = node.arguments
    return directions.call(node.primitive, [directions.lifted(array) for array in arrays], shifted(axis))


@batching(np.array, np.asarray)
def array(directions: Directions, node: Operation) -> Operand:
    items, dtype = node.arguments
    made = stacked(directions, items)
    if node.primitive is registry[np.array] and isinstance(items, Value):
        made = directions.call(registry[np.copy], made, method=True)
    return made if dtype is None else directions.cast(made, type_of(node.result).dtype)


def stacked(directions: Directions, items: Operand) -> Operand:
    """`np.array` of nested lists of numbers and arrays."""
    if not isinstance(items, (list, tuple)):
        return directions.lifted(items)
    return directions.call(registry[np.stack], [stacked(directions, item) for item in items], 1)


# --- products ---


@batching(operator.matmul, np.matmul)
def matmul(directions: Directions, node: Operation) -> Operand:
    """A stack of vectors is a matrix; a stack of matrices multiplies along its last two axes."""
    a, b = node.arguments
    left, right = rank_of(a), rank_of(b)
    if directions.varies(a) and directions.varies(b):
        raise CannotBatch("a product that is not linear")
    if is_identity(directions, a) and right <= 2 and type_of(b).dtype == type_of(node.result).dtype:
        return b
    if is_identity(directions, b) and left <= 2 and type_of(a).dtype == type_of(node.result).dtype:
        return directions.call(registry[np.transpose], a, None) if left == 2 else a
    if directions.varies(a):
        rows = directions.of(a)
        if left == 1 and right <= 2:
            return directions.call(node.primitive, rows, b)
        if left > 1:
            return directions.call(node.primitive, directions.aligned(a, max(left, right)), b)
        rows = directions.at(rows, (FULL, *[None] * (right - 1), FULL))
        return directions.at(directions.call(node.primitive, rows, b), (..., 0, FULL))
    rows = directions.of(b)
    if right > 1:
        return directions.call(node.primitive, a, directions.aligned(b, max(left, right)))
    if left == 1:
        return directions.call(node.primitive, rows, a)
    if left == 2:
        return directions.call(node.primitive, rows, directions.call(registry[np.transpose], a, None))
    rows = directions.at(rows, (FULL, *[None] * (left - 2), FULL, None))
    return directions.at(directions.call(node.primitive, a, rows), (..., 0))


def is_identity(directions: Directions, operand: Operand) -> bool:
    """Whether the directions are the unit vectors, in order: a product with them is the other factor."""
    found = directions.of(operand) if directions.varies(operand) else None
    made = found.operation if isinstance(found, Value) else None
    return (
        isinstance(made, Operation)
        and made.primitive is registry[np.eye]
        and made.arguments[1:3] == (None, 0)
    )


@batching(np.dot)
def dot(directions: Directions, node: Operation) -> Operand:
    """`np.dot` of vectors and matrices is their product; by a number it is an elementwise one."""
    ranks = [rank_of(argument) for argument in node.arguments]
    if 0 in ranks:
        arguments = [directions.aligned(argument, max(ranks)) for argument in node.arguments]
        return directions.call(registry[operator.mul], *arguments)
    if max(ranks) > 2:
        raise CannotBatch("dot of more axes")
    product = Operation(registry[operator.matmul], node.arguments, node.result)
    return matmul(directions, product)


@batching(np.outer)
def outer(directions: Directions, node: Operation) -> Operand:
    a, b = node.arguments
    if rank_of(a) != 1 or rank_of(b) != 1:
        raise CannotBatch("outer of arrays that are no vectors")
    if directions.varies(a):
        only(directions, node)
        left = directions.at(directions.of(a), (FULL, FULL, None))
    else:
        left = directions.at(a, (FULL, None))
    return directions.call(registry[operator.mul], left, directions.aligned(b, 2))


@batching(np.einsum)
def einsum(directions: Directions, node: Operation) -> Operand:
    subscripts, *operands = node.arguments
    terms, result = einsum_terms(subscripts, tuple(rank_of(operand) for operand in operands))
    letter = next(c for c in "dDeEfFgGhHkKnNpPqQrRsStTuUvVwWxXyYzZ" if c not in "".join([*terms, result]))
    for place, operand in enumerate(operands):
        if directions.varies(operand):
            terms[place], operands[place] = letter + terms[place], directions.of(operand)
    return directions.call(node.primitive, f"{','.join(terms)}->{letter}{result}", *operands)


@batching(np.tensordot)
def tensordot(directions: Directions, node: Operation) -> Operand:
    a, b, axes = node.arguments
    left, right = contraction(a, b, axes)
    if directions.varies(a):
        return directions.call(node.primitive, only(directions, node), b, (shifted(left), right))
    made = directions.call(node.primitive, a, only(directions, node, 1), (left, shifted(right)))
    kept = rank_of(a) - len(left)
    return directions.call(registry[np.moveaxis], made, kept, 0) if kept else made


@batching(np.inner)
def inner(directions: Directions, node: Operation) -> Operand:
    a, b = node.arguments
    if rank_of(a) != 1 or rank_of(b) != 1:
        raise CannotBatch("inner of arrays that are no vectors")
    return matmul(directions, node)


@batching(np.linalg.solve)
def solve(directions: Directions, node: Operation) -> Operand:
    """Right sides as the columns of one matrix, or as a stack of matrices."""
    a, b = node.arguments
    sides = only(directions, node, 1)
    if rank_of(b) > 1 or rank_of(a) > 2:
        if rank_of(b) == 1:
            raise CannotBatch("a stack of systems with one right side")
        return directions.call(node.primitive, a, directions.aligned(b, max(rank_of(a), rank_of(b))))
    columns = directions.call(registry[np.transpose], sides, None)
    return directions.call(registry[np.transpose], directions.call(node.primitive, a, columns), None)
