"""Which elements of its operands each element of a result depends on, operation by operation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ad_compiler.dependencies.sets import Sets
from ad_compiler.dependencies.values import Seen, called, plain, through, values_of
from ad_compiler.rules.notation import Primitive, registry
from ad_compiler.rules.padding import zeros_around

KINDS = {
    registry[kind]
    for kind in (
        *(float, np.float16, np.float32, np.float64, np.longdouble, np.ndarray.astype, np.ndarray.item),
        *(np.copy, np.ascontiguousarray),
    )
}
MOVING = KINDS | {
    registry[function]
    for function in (
        *("getitem", np.reshape, np.ravel, np.ndarray.flatten, np.transpose, np.swapaxes, np.moveaxis),
        *(np.squeeze, np.expand_dims, np.broadcast_to, np.flip, np.roll, np.repeat, np.tile, np.diagonal),
        *(np.tril, np.triu, np.diag, sliding_window_view, zeros_around),
        *(np.concatenate, np.stack, np.array, np.asarray, np.full, np.full_like),
    )
}
REDUCING = {
    registry[function]
    for function in (
        *(np.sum, np.mean, np.prod, np.max, np.min, np.std, np.var, np.cumsum, np.cumprod, np.linalg.norm),
    )
}


class Rules:
    """What the elements of results depend on."""

    def __init__(self, sets: Sets) -> None:
        self.sets = sets

    def rows(self, primitive: Primitive, arguments: list[Any], value: Any) -> Any:
        """What the elements of a result depend on."""
        if primitive.name in ("index_set", "index_add"):
            return self.written(primitive, *arguments)
        if primitive.kind == "elementwise":
            return self.sets.sum([self.sets.spread(each, np.shape(value)) for each in arguments])
        if primitive in MOVING and others_known(primitive, arguments):
            return self.moved(primitive, arguments)
        if primitive in REDUCING:
            return self.reduced(primitive, arguments, value)
        if primitive.name in ("matmul", "dot") and all(np.ndim(each.value) for each in arguments):
            return self.product(arguments[0], arguments[1], value)
        if primitive.name == "outer":
            return self.crossed(arguments[0], arguments[1])
        parts = [part for each in arguments for part in values_of(each)]
        return self.sets.everything(value, self.sets.union(parts))

    def written(self, primitive: Primitive, array: Seen, index: Any, value: Seen, path: Any) -> Any:
        """Parts that are written depend on what is written, and on what was there if that is added."""
        size, old = np.size(array.value), self.sets.of(array)
        if not all(part.known for part in values_of(index)):
            return old + self.sets.everything(array.value, self.sets.union([value]))
        numbers = np.arange(size).reshape(np.shape(array.value))
        target = through(numbers, plain(path))[plain(index)]
        places = np.ravel(target)
        if primitive.name == "index_set":
            kept = np.ones(size, bool)
            kept[places] = False
            old = self.sets.pick(old, np.where(kept, np.arange(size), -1))
        if value.rows is None:
            return old
        return old + self.sets.collect(self.sets.spread(value, np.shape(target)), places, size)

    def moved(self, primitive: Primitive, arguments: list[Any]) -> Any:
        """Elements that only change their places: the same is done to their numbers, 0 being none."""
        tables: list[Any] = []
        start = 1

        def numbered(part: Any) -> Any:
            nonlocal start
            if isinstance(part, (tuple, list)):
                return type(part)(map(numbered, part))
            if part.rows is None:
                return np.zeros(np.shape(part.value), np.intp)
            tables.append(part.rows)
            numbers = np.arange(start, start + np.size(part.value)).reshape(np.shape(part.value))
            start += np.size(part.value)
            return numbers

        place = 1 if primitive.name == "full" or primitive.name == "full_like" else 0
        given = [numbered(each) if i == place else plain(each) for i, each in enumerate(arguments)]
        if primitive in KINDS:  # which convert the elements
            given = given[:1]
        if primitive.name in ("array", "asarray", "full", "full_like") and len(given) > 1:
            given[-1] = np.intp
        if primitive.name == "getitem":
            numbers = given[0][given[1]]
        else:
            numbers = given[0] if primitive in KINDS else called(primitive, given)
        table = self.sets.stack(tables)
        return self.sets.pick(table, np.ravel(numbers) - 1)

    def reduced(self, primitive: Primitive, arguments: list[Any], value: Any) -> Any:
        """Along the axes that are reduced, everything depends on everything."""
        array = arguments[0]
        axis = plain(arguments[primitive.parameters.index("axis")])
        shape = np.shape(array.value)
        axes = range(len(shape)) if axis is None else np.atleast_1d(axis)
        kept = list(shape)
        for each in axes:
            kept[each] = 1
        count = int(np.prod(kept))
        groups = np.broadcast_to(np.arange(count).reshape(kept), shape)
        rows = self.sets.collect(array.rows, np.ravel(groups), count)
        return rows if np.size(value) == count else self.sets.pick(rows, np.ravel(groups))

    def product(self, a: Seen, b: Seen, value: Any) -> Any:
        """An element of a matrix product depends on a row of the one, and on a column of the other."""
        left = np.ndim(a.value) - 1
        right = max(np.ndim(b.value) - 2, 0)
        parts = []
        if a.rows is not None:
            rows, shape = self.along(a, left)
            shape = (*shape, 1) if np.ndim(b.value) > 1 else shape
            parts.append(self.sets.spread_rows(rows, shape, np.shape(value)))
        if b.rows is not None:
            rows, shape = self.along(b, right)
            if np.ndim(a.value) > 1 and np.ndim(b.value) > 1:
                shape = (*shape[:-1], 1, shape[-1])
            parts.append(self.sets.spread_rows(rows, shape, np.shape(value)))
        return self.sets.sum(parts)

    def along(self, array: Seen, axis: int) -> tuple[Any, tuple[int, ...]]:
        """The union along one axis, and the shape that is left."""
        shape = np.shape(array.value)
        left = (*shape[:axis], *shape[axis + 1 :])
        count = int(np.prod(left))
        groups = np.broadcast_to(np.expand_dims(np.arange(count).reshape(left), axis), shape)
        return self.sets.collect(array.rows, np.ravel(groups), count), left

    def crossed(self, a: Seen, b: Seen) -> Any:
        shape = (np.size(a.value), np.size(b.value))
        parts = []
        for part, own in ((a, (shape[0], 1)), (b, (shape[1],))):
            if part.rows is not None:
                parts.append(self.sets.spread_rows(part.rows, own, shape))
        return self.sets.sum(parts)


def others_known(primitive: Primitive, arguments: list[Any]) -> bool:
    """Whether all but the elements that move are known: indices, shapes, axes."""
    moving = 1 if primitive.name in ("full", "full_like") else 0
    rest = [each for i, each in enumerate(arguments) if i != moving]
    if primitive.name == "full_like":
        rest = rest[1:]
    return all(part.known for part in values_of(rest))


# --- lists ---
