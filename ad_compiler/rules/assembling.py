"""Functions that put arrays together, take them apart or turn them, in terms of joins and reads by index."""

from __future__ import annotations

from typing import Any

import numpy as np

from ad_compiler.analysis.types import ArrayType
from ad_compiler.ir import Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.notation import at_compile_time, constant, definition, written_out
from ad_compiler.rules.shapes import axis_if_not_negative, dtype_or, normalized_axes, rank_of


@definition(np.append, complex=True)
def append(arr: Any, values: Any, axis: Any = None) -> Any:
    if axis is None:
        return np.concatenate([np.ravel(arr), np.ravel(values)])
    return np.concatenate([arr, values], axis)


@written_out(np.atleast_3d)
def atleast_3d(array: Any) -> Any:
    if np.ndim(array) == 0:
        return np.reshape(array, (1, 1, 1))
    if np.ndim(array) == 1:
        return array[None, :, None]
    return array[:, :, None] if np.ndim(array) == 2 else array


@written_out(np.dstack)
def dstack(tup: Any) -> Any:
    return np.concatenate([atleast_3d(array) for array in tup], 2)


@written_out(np.dsplit)
def dsplit(ary: Any, indices_or_sections: Any) -> Any:
    return np.split(ary, indices_or_sections, 2)


@at_compile_time
def as_even_as_possible(sections: Any, total: Any) -> Any:
    """Where `np.array_split` cuts; the sections themselves where they are places."""
    if not isinstance(sections, int):
        return sections
    if not isinstance(total, int):
        return None
    small, larger = divmod(total, sections)
    sizes = [small + 1] * larger + [small] * (sections - larger)
    return [sum(sizes[: i + 1]) for i in range(sections - 1)]


@written_out(np.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: Any = 0) -> Any:
    places = as_even_as_possible(indices_or_sections, np.shape(ary)[axis])
    if places is None:
        total, sections = np.shape(ary)[axis], indices_or_sections
        small, larger = total // sections, total % sections
        places = [i * small + np.minimum(i, larger) for i in range(1, sections)]
    return np.split(ary, places, axis)


def unstack(x: Any, *, axis: Any = 0) -> Any:
    moved = np.moveaxis(x, axis, 0)
    return tuple([moved[i] for i in range(known_length(np.shape(moved)[0]))])


if hasattr(np, "unstack"):  # NumPy 2.1
    written_out(np.unstack)(unstack)


@at_compile_time
def known_length(length: Any) -> int:
    if isinstance(length, int):
        return length
    raise Refusal("how many arrays this gives is not known while compiling", "index the array instead")


def depth_of(arrays: Any) -> int:
    return 1 + max([0, *map(depth_of, arrays)]) if isinstance(arrays, list) else 0


@at_compile_time
def block_rank(arrays: Any) -> int:
    """The rank of what `np.block` gives: that of its arrays, or the depth of its lists."""
    if not isinstance(arrays, list):
        return rank_of(arrays)
    ranks: list[int] = [depth_of(arrays), *map(block_rank, arrays)]
    return max(ranks)


@at_compile_time
def list_depth(arrays: Any) -> int:
    return depth_of(arrays)


@written_out(np.block)
def block(arrays: Any) -> Any:
    return assembled(arrays, block_rank(arrays), list_depth(arrays))


def assembled(arrays: Any, rank: Any, depth: Any) -> Any:
    if depth == 0:
        return with_rank(arrays, rank)
    return np.concatenate([assembled(inner, rank, depth - 1) for inner in arrays], -depth)


def with_rank(array: Any, rank: Any) -> Any:
    missing = rank - np.ndim(array)
    return np.reshape(array, ones(missing) + np.shape(array)) if missing > 0 else np.asarray(array)


@at_compile_time
def ones(number: int) -> tuple[int, ...]:
    return (1,) * number


@written_out(np.rot90)
def rot90(m: Any, k: Any = 1, axes: Any = (0, 1)) -> Any:
    first, second = axes
    if k % 4 == 0:
        return m[...]
    if k % 4 == 2:
        return np.flip(np.flip(m, first), second)
    if k % 4 == 1:
        return np.swapaxes(np.flip(m, second), first, second)
    return np.flip(np.swapaxes(m, first, second), second)


@at_compile_time
def rolled_order(a: Any, axis: int, start: int) -> tuple[int, ...]:
    rank = rank_of(a)
    (place,) = normalized_axes(axis, rank)
    target = start + rank if start < 0 else start
    order = [i for i in range(rank) if i != place]
    order.insert(target - 1 if place < target else target, place)
    return tuple(order)


@written_out(np.rollaxis)
def rollaxis(a: Any, axis: Any, start: Any = 0) -> Any:
    return np.transpose(a, rolled_order(a, axis, start)) if np.ndim(a) > 1 else a[...]


@written_out(np.broadcast_arrays)
def broadcast_arrays(*args: Any) -> Any:
    zero = total([np.zeros_like(array, dtype=int) for array in args])
    return tuple([np.broadcast_to(array, np.shape(zero)) for array in args])


def total(arrays: Any) -> Any:
    return arrays[0] + total(arrays[1:]) if len(arrays) > 1 else arrays[0]


@at_compile_time
def mesh_shape(place: int, number: int, indexing: Any) -> tuple[int, ...]:
    if indexing == "xy" and number > 1 and place < 2:
        place = 1 - place
    return tuple(-1 if i == place else 1 for i in range(number))


@written_out(np.meshgrid)
def meshgrid(*xi: Any, copy: Any = True, sparse: Any = False, indexing: Any = "xy") -> Any:
    number = len(xi)
    grid = [np.reshape(x, mesh_shape(i, number, indexing)) for i, x in enumerate(xi)]
    wide = grid if sparse else broadcast_arrays(*grid)
    return tuple([np.copy(array) for array in wide]) if copy else tuple(wide)


@definition(np.kron, complex=True)
def kron(a: Any, b: Any) -> Any:
    rank = max(np.ndim(a), np.ndim(b))
    left, right = with_rank(a, rank), with_rank(b, rank)
    product = np.reshape(left, alternating(left, 0)) * np.reshape(right, alternating(right, 1))
    return np.reshape(product, products(left, right)) if rank > 0 else a * b


def alternating(a: Any, place: Any) -> Any:
    """The shape with a 1 beside every length."""
    return flattened([(n, 1) if place == 0 else (1, n) for n in np.shape(a)])


def products(a: Any, b: Any) -> Any:
    return tuple([m * n for m, n in zip(np.shape(a), np.shape(b))])  # noqa: B905


@at_compile_time
def flattened(pairs: Any) -> tuple[Any, ...]:
    return tuple(item for pair in pairs for item in pair)


@definition(np.cross, complex=True)
def cross(a: Any, b: Any, axisa: Any = -1, axisb: Any = -1, axisc: Any = -1, axis: Any = None) -> Any:
    if axis is not None:
        axisa = axisb = axisc = axis
    u, v = np.moveaxis(a, axisa, -1), np.moveaxis(b, axisb, -1)
    check_three(u, v)
    parts = [
        u[..., 1] * v[..., 2] - u[..., 2] * v[..., 1],
        u[..., 2] * v[..., 0] - u[..., 0] * v[..., 2],
        u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0],
    ]
    return np.stack(parts, axisc)


@at_compile_time
def check_three(u: Any, v: Any) -> None:
    from ad_compiler.rules.shapes import shape_of

    if any(isinstance(shape_of(x)[-1], int) and shape_of(x)[-1] != 3 for x in (u, v)):
        raise Refusal("a cross product of vectors that have not three components", "write it out")


def tri_type(N: Any, M: Any = None, k: Any = 0, dtype: Any = None) -> ArrayType:
    rows = axis_if_not_negative(N)
    return ArrayType(dtype_or(dtype, np.float64), (rows, rows if M is None else axis_if_not_negative(M)))


@constant(np.tri, infer=tri_type)
def tri(N: Any, M: Any = None, k: Any = 0, dtype: Any = None) -> None: ...


@written_out(np.tril_indices)
def tril_indices(n: Any, k: Any = 0, m: Any = None) -> Any:
    return np.nonzero(np.tri(n, m, k) > 0)


@written_out(np.triu_indices)
def triu_indices(n: Any, k: Any = 0, m: Any = None) -> Any:
    return np.nonzero(np.tri(n, m, k - 1) == 0)


@written_out(np.tril_indices_from)
def tril_indices_from(arr: Any, k: Any = 0) -> Any:
    return tril_indices(np.shape(arr)[0], k, np.shape(arr)[1])


@written_out(np.triu_indices_from)
def triu_indices_from(arr: Any, k: Any = 0) -> Any:
    return triu_indices(np.shape(arr)[0], k, np.shape(arr)[1])


@written_out(np.diag_indices)
def diag_indices(n: Any, ndim: Any = 2) -> Any:
    return tuple([np.arange(n) for _ in range(ndim)])


@written_out(np.diag_indices_from)
def diag_indices_from(arr: Any) -> Any:
    return diag_indices(np.shape(arr)[0], np.ndim(arr))


@definition(np.diagflat, complex=True)
def diagflat(v: Any, k: Any = 0) -> Any:
    return np.diag(np.ravel(v), k)


@definition(np.resize, structures=("new_shape",), complex=True)
def resize(a: Any, new_shape: Any) -> Any:
    return np.reshape(np.ravel(a)[np.arange(product(new_shape)) % np.size(a)], new_shape)


def product(shape: Any) -> Any:
    lengths = as_tuple(shape)
    return lengths[0] * product(lengths[1:]) if len(lengths) > 0 else 1


@at_compile_time
def as_tuple(shape: Any) -> tuple[Any, ...]:
    return tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)


@at_compile_time
def known_places(obj: Any, what: str) -> Any:
    """One place, or a list of places, known while compiling."""
    if isinstance(obj, Value):
        raise Refusal(f"where `np.{what}` works is not known while compiling", "use a constant index")
    if isinstance(obj, (list, tuple)):
        return [int(place) for place in obj]
    return obj


@definition(np.insert, structures=("obj",), complex=True)
def insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    if axis is None:
        return insert_along(np.ravel(arr), known_places(obj, "insert"), values, 0)
    return insert_along(arr, known_places(obj, "insert"), values, axis)


def insert_along(arr: Any, place: Any, values: Any, axis: Any) -> Any:
    check_one(place, "insert")
    moved = np.moveaxis(arr, axis, 0)
    start = place if place >= 0 else place + np.shape(moved)[0]
    if np.ndim(values) < np.ndim(moved):
        layer = np.full((1, *np.shape(moved)[1:]), values, moved.dtype)
    else:
        layer = np.moveaxis(values, axis, 0)
    return np.moveaxis(np.concatenate([moved[:start], layer, moved[start:]]), 0, axis)


@at_compile_time
def check_one(place: Any, what: str) -> None:
    if not isinstance(place, int):
        raise Refusal(f"`np.{what}` at several places has no rule", "join the parts with np.concatenate")


@definition(np.delete, structures=("obj",), complex=True)
def delete(arr: Any, obj: Any, axis: Any = None) -> Any:
    if axis is None:
        return delete_along(np.ravel(arr), known_places(obj, "delete"), 0)
    return delete_along(arr, known_places(obj, "delete"), axis)


def delete_along(arr: Any, places: Any, axis: Any) -> Any:
    moved = np.moveaxis(arr, axis, 0)
    if is_int(places):
        start = places if places >= 0 else places + np.shape(moved)[0]
        return np.moveaxis(np.concatenate([moved[:start], moved[start + 1 :]]), 0, axis)
    left = np.ones(np.shape(moved)[0], bool)
    left[places] = False
    return np.moveaxis(moved[left], 0, axis)


@at_compile_time
def is_int(place: Any) -> bool:
    return isinstance(place, int)


@written_out(np.indices)
def indices(dimensions: Any) -> Any:
    return np.stack(meshgrid(*[np.arange(n) for n in dimensions], indexing="ij"))
