"""Arguments of common functions that are written out: `where=`, `initial=`, `dtype=` and others.

np.sum(x, where=mask)                   ->    np.where(mask, x, 0.0).sum()
np.linspace(a, b, n, endpoint=False)    ->    a + (b - a) * (np.arange(n) / n)
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ad_compiler.analysis.types import FLOAT, ArrayType, Length, promote
from ad_compiler.builder import Builder
from ad_compiler.ir import Operand, Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.notation import constant, expansion, expansions, registry
from ad_compiler.rules.shapes import normalized_axes, rank_of, static_int, type_of
from ad_compiler.rules.structure import dtype_of, length, shape_values

# What is put in the place of an element that `where` leaves out, and how `initial` is joined.
REDUCTIONS: dict[Any, tuple[float, Any]] = {
    np.sum: (0.0, operator.add),
    np.prod: (1.0, operator.mul),
    np.max: (-np.inf, np.maximum),
    np.min: (np.inf, np.minimum),
}


def converted(builder: Builder, a: Operand, dtype: Any) -> Operand:
    if dtype is None or dtype_of(dtype) == type_of(a).dtype:
        return a
    return builder.call(registry[np.ndarray.astype], (as_array(builder, a), dtype_of(dtype)), method=True)


def as_array(builder: Builder, a: Operand) -> Operand:
    return (
        a if isinstance(a, Value) and not type_of(a).python else builder.call(registry[np.asarray], (a, None))
    )


def with_options(function: Any) -> Callable[..., Operand]:
    """A reduction with `where`, `initial` and `dtype`."""
    neutral, join = REDUCTIONS[function]

    def call(builder: Builder, *positional: Operand, **keywords: Operand) -> Operand:
        options = {name: keywords.pop(name) for name in ("where", "initial", "dtype") if name in keywords}
        primitive = registry[function]
        a, *rest = primitive.bind(positional, keywords)
        a = converted(builder, a, options.get("dtype"))
        if options.get("where", True) is not True:
            filling = neutral if type_of(a).dtype.kind in "fc" or np.isinf(neutral) else int(neutral)
            a = builder.call(registry[np.where], (options["where"], a, filling))
        result = builder.call(primitive, (a, *rest))
        if options.get("initial") is not None:
            result = builder.call(registry[join], (result, options["initial"]))
        return result

    return call


for _function in REDUCTIONS:
    expansion(_function)(with_options(_function))


@expansion(np.mean)
def mean(builder: Builder, *positional: Operand, **keywords: Operand) -> Operand:
    """`np.mean`; of some of the elements it is a sum divided by their number."""
    where, dtype = keywords.pop("where", True), keywords.pop("dtype", None)
    primitive = registry[np.mean]
    a, axis, keepdims = primitive.bind(positional, keywords)
    a = converted(builder, a, dtype)
    if where is True:
        return builder.call(primitive, (a, axis, keepdims))
    if type_of(a).dtype.kind in "biu":
        a = converted(builder, a, np.float64)
    kept = builder.call(registry[np.broadcast_to], (where, shape_values(builder, a)))
    number = builder.call(registry[np.sum], (kept, axis, keepdims))
    total = builder.call(
        registry[np.sum], (builder.call(registry[np.where], (where, a, 0.0)), axis, keepdims)
    )
    number = builder.call(registry[np.asarray], (number, type_of(a).dtype))
    return builder.call(registry[operator.truediv], (total, number))


def corrected(function: Any) -> None:
    """`correction=` is another name of `ddof=`."""

    @expansion(function)
    def call(builder: Builder, *positional: Operand, **keywords: Operand) -> Operand:
        if "correction" in keywords:
            keywords["ddof"] = keywords.pop("correction")
        primitive = registry[function]
        return builder.call(primitive, primitive.bind(positional, keywords))


corrected(np.var)
corrected(np.std)


@expansion(np.linspace)
def linspace(
    builder: Builder,
    start: Operand,
    stop: Operand,
    num: Operand = 50,
    endpoint: Any = True,
    retstep: Any = False,
    dtype: Any = None,
) -> Operand:
    """`np.linspace`; between arrays the points lie along a new first axis."""
    if retstep:
        raise Refusal("`np.linspace` gives the step, too", "compute `(stop - start) / (num - 1)`")
    if endpoint and not rank_of(start) and not rank_of(stop):
        return converted(builder, builder.call(registry[np.linspace], (start, stop, num)), dtype)
    places = builder.call(registry[np.arange], (num, None, None))
    steps = num if not endpoint else builder.call(registry[operator.sub], (num, 1))
    parts = builder.call(registry[operator.truediv], (places, steps))
    rank = max(rank_of(start), rank_of(stop))
    if rank:
        parts = builder.call(registry[np.expand_dims], (parts, tuple(range(1, rank + 1))))
    width = builder.call(registry[operator.sub], (stop, start))
    points = builder.call(
        registry[operator.add], (start, builder.call(registry[operator.mul], (width, parts)))
    )
    own = promote([type_of(start), type_of(stop), FLOAT])
    return converted(builder, points, own if dtype is None else dtype)


def repeated_type(places: Any, repeats: Any) -> ArrayType:
    return ArrayType(np.dtype(np.intp), (Length(object(), may_be_one=True),))


def repeated_places(places: Any, repeats: Any) -> Any:
    """`np.repeat` of the places of an axis."""


@constant(repeated_places, infer=repeated_type, text="np.repeat", name="repeat_places")
def repeated_places_signature(places: Any, repeats: Any) -> None: ...


@expansion(np.repeat)
def repeat(builder: Builder, a: Operand, repeats: Operand, axis: Any = None) -> Operand:
    """`np.repeat`; as often as an array says, it is a read by index."""
    if isinstance(repeats, (int, np.integer)):
        return builder.call(registry[np.repeat], (a, repeats, axis))
    if axis is None:
        a, axis = builder.call(registry[np.ravel], (a, "C")), 0
    (place,) = normalized_axes(axis, rank_of(a))
    places = builder.call(registry[np.arange], (length(builder, a, place), None, None))
    index = builder.call(registry[repeated_places], (places, repeats))
    return builder.call(registry["getitem"], (a, (*[slice(None)] * place, index)))


@expansion(np.trace)
def trace(builder: Builder, a: Operand, offset: Any = 0, axis1: Any = 0, axis2: Any = 1) -> Operand:
    """`np.trace`; of a stack of matrices it is a sum along the diagonals."""
    if rank_of(a) == 2 and (axis1, axis2) == (0, 1):
        return builder.call(registry[np.trace], (a, offset))
    lines = builder.call(registry[np.diagonal], (a, static_int(offset, "the offset"), axis1, axis2))
    return builder.call(registry[np.sum], (lines, -1, False))


@expansion(np.sort)
def sort(builder: Builder, a: Operand, axis: Any = -1, kind: Any = None, *, stable: Any = None) -> Operand:
    """`np.sort`: equal elements are equal, in whatever order."""
    return builder.call(registry[np.sort], (a, axis))


@expansion(np.clip)
def clip(
    builder: Builder, a: Operand, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None
) -> Operand:
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    return builder.call(registry[np.clip], (a, low, high))


@expansion(np.ptp)
def ptp(builder: Builder, a: Operand, axis: Any = None, keepdims: Any = False) -> Operand:
    high, low = (builder.call(registry[f], (a, axis, keepdims)) for f in (np.max, np.min))
    return builder.call(registry[operator.sub], (high, low))


expansions[np.amax], expansions[np.amin] = expansions[np.max], expansions[np.min]
