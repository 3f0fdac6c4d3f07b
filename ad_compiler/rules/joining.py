"""Rules of joining and splitting arrays."""

from __future__ import annotations

import operator
from itertools import pairwise
from typing import Any

import numpy as np

from ad_compiler.analysis.types import ArrayType, Length, promote
from ad_compiler.builder import Builder
from ad_compiler.ir import Operand
from ad_compiler.refusal import Refusal
from ad_compiler.rules.notation import expansion, registry, rule
from ad_compiler.rules.shapes import _contract, array_of, normalized_axes, rank_of, sum_of_axes, type_of
from ad_compiler.rules.structure import add_lengths, length, shape_values


def joined_type(arrays: Any, axis: Any = 0) -> ArrayType:
    """`np.concatenate`."""
    types = [type_of(array) for array in arrays]
    if axis is None:
        return ArrayType(promote(types), (Length(object(), may_be_one=True),))
    (place,) = normalized_axes(axis, types[0].rank)
    shape = list(types[0].shape)
    for t in types[1:]:
        if t.rank != len(shape):
            raise Refusal("the arrays joined differ in rank", "give arrays of one rank")
        for i, n in enumerate(t.shape):
            if i != place:
                _contract(shape[i], n)
    shape[place] = sum_of_axes([t.shape[place] for t in types])
    return ArrayType(np.result_type(*[t.dtype for t in types]), tuple(shape))


def stacked_type(arrays: Any, axis: Any = 0) -> ArrayType:
    """`np.stack`."""
    inner = array_of(list(arrays))
    (place,) = normalized_axes(axis, inner.rank)
    shape = list(inner.shape[1:])
    shape.insert(place, len(arrays))
    return ArrayType(inner.dtype, tuple(shape))


@rule(np.concatenate, infer=joined_type, linear="together", complex=True)
def concatenate(arrays: Any, axis: Any = 0, *, g: Any) -> Any:
    return slices_along(g, arrays, axis)


@expansion()
def slices_along(builder: Builder, g: Operand, arrays: Any, axis: Any) -> Operand:
    """The piece of `g` that each of the joined arrays became."""
    (place,) = normalized_axes(axis, rank_of(arrays[0]))
    pieces: list[Operand] = []
    start: Operand = 0
    for i, array in enumerate(arrays):
        stop = add_lengths(builder, start, length(builder, array, place))
        bounds = slice(None if start == 0 else start, None if i == len(arrays) - 1 else stop, None)
        pieces.append(builder.call(registry["getitem"], (g, (*[slice(None)] * place, bounds))))
        start = stop
    return pieces


@rule(np.stack, infer=stacked_type, linear="together", complex=True)
def stack(arrays: Any, axis: Any = 0, *, g: Any) -> Any:
    return layers_along(g, arrays, axis)


@expansion()
def layers_along(builder: Builder, g: Operand, arrays: Any, axis: Any) -> Operand:
    """The layer of `g` that each of the stacked arrays became."""
    (place,) = normalized_axes(axis, rank_of(g))
    return [builder.call(registry["getitem"], (g, (*[slice(None)] * place, i))) for i in range(len(arrays))]


@expansion(np.concatenate)
def concatenated(builder: Builder, arrays: Any, axis: Any = 0) -> Operand:
    """`np.concatenate`; with `axis=None` of the flattened arrays."""
    parts = list(arrays)
    if axis is None:
        parts = [builder.call(registry[np.ravel], (array, "C")) for array in parts]
    return builder.call(registry[np.concatenate], (parts, 0 if axis is None else axis))


@expansion(np.atleast_1d)
def atleast_1d(builder: Builder, array: Operand) -> Operand:
    return at_least(builder, array, 1)


@expansion(np.atleast_2d)
def atleast_2d(builder: Builder, array: Operand) -> Operand:
    return at_least(builder, array, 2)


@expansion(np.hstack)
def hstack(builder: Builder, arrays: Any) -> Operand:
    parts = [at_least(builder, array, 1) for array in arrays]
    return builder.call(registry[np.concatenate], (parts, 0 if rank_of(parts[0]) == 1 else 1))


@expansion(np.vstack, *([np.row_stack] if "row_stack" in vars(np) else []))
def vstack(builder: Builder, arrays: Any) -> Operand:
    return builder.call(registry[np.concatenate], ([at_least(builder, array, 2) for array in arrays], 0))


def at_least(builder: Builder, array: Operand, rank: int) -> Operand:
    """The array with axes of length 1 in front, as `np.atleast_1d` and `np.atleast_2d` give."""
    missing = rank - rank_of(array)
    if missing <= 0:
        return array
    return builder.call(registry[np.reshape], (array, (1,) * missing + shape_values(builder, array)))


@expansion(np.split)
def split(builder: Builder, a: Operand, sections: Any, axis: Any = 0) -> Operand:
    (place,) = normalized_axes(axis, rank_of(a))
    total = length(builder, a, place)
    if isinstance(sections, (tuple, list)):
        bounds: list[Operand] = [None, *sections, None]
    elif isinstance(sections, int):
        if isinstance(total, int):
            if total % sections:
                raise Refusal(
                    f"an axis of length {total} is split into {sections} equal parts", "check the shape"
                )
            inner = [i * (total // sections) for i in range(1, sections)]
        else:
            remainder = builder.call(registry[operator.mod], (total, sections))
            is_whole = builder.call(registry[operator.eq], (remainder, 0))
            builder.call(registry["assert"], (is_whole, "array split does not result in an equal division"))
            width = builder.call(registry[operator.floordiv], (total, sections))
            products = [builder.call(registry[operator.mul], (i, width)) for i in range(2, sections)]
            inner = [width, *products] if sections > 1 else []
        bounds = [None, *inner, None]
    elif place == 0 and rank_of(sections) == 1:
        return builder.call(registry["list_sections"], (a, sections))
    else:
        raise Refusal("the sections of `np.split` are not known while compiling", "write them as constants")
    return [
        builder.call(registry["getitem"], (a, (*[slice(None)] * place, slice(start, stop, None))))
        for start, stop in pairwise(bounds)
    ]
