"""Reductions as loops: a scalar that runs over the reduced axes, or a whole array of them.

    a.sum(axis=1)                        a.sum(axis=0)
    for i in range(n):                   for j in range(m):
        total = 0.0                          s[j] = 0.0
        for j in range(m):               for i in range(n):
            total += a[i, j]                 for j in range(m):
        s[i] = total                             s[j] += a[i, j]

On the right, the axis that lies together in memory stays the innermost. Sums of float32 run in float64:
NumPy adds pairwise, and a plain sum of many float32 would be far less accurate.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ad_compiler.analysis.types import ArrayType
from ad_compiler.backends.native import scalars
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.lowering.elements import Elements
from ad_compiler.backends.native.lowering.frame import Extents, Frame
from ad_compiler.backends.native.nests import (
    Apply,
    Code,
    Define,
    Expression,
    Line,
    Load,
    Loops,
    Nest,
    Scalar,
    Store,
    Whole,
    text_of,
)
from ad_compiler.ir import Operand, Operation
from ad_compiler.refusal import Refusal
from ad_compiler.rules.shapes import normalized_axes, rank_of, type_of


@dataclass(frozen=True, slots=True)
class Reduction:
    """The start, and how an element joins what is there."""

    start: Callable[[np.dtype[Any]], Expression]
    join: Callable[[Expression, Expression], Expression] | None  # None: `+=`
    dtype: Callable[[np.dtype[Any]], np.dtype[Any]]  # what it is computed in
    empty: bool = True  # whether there is a result for no elements


def lowest(dtype: np.dtype[Any]) -> Expression:
    if dtype.kind == "b":
        return Scalar("False")
    return scalars.number(-np.inf if dtype.kind == "f" else np.iinfo(dtype).min, dtype)


def highest(dtype: np.dtype[Any]) -> Expression:
    if dtype.kind == "b":
        return Scalar("True")
    if dtype.kind == "u" and dtype.itemsize == 8:
        raise Refusal("minima of unsigned numbers of 64 bits have no native form", scalars.ADVICE)
    return scalars.number(np.inf if dtype.kind == "f" else np.iinfo(dtype).max, dtype)


def joined(name: str) -> Callable[[Expression, Expression], Expression]:
    return lambda old, new: scalars.call(name, old, new)


def infix(symbol: str, precedence: int) -> Callable[[Expression, Expression], Expression]:
    return lambda old, new: scalars.infix(symbol, precedence, old, new)


def same(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype


SUM = Reduction(lambda dtype: scalars.number(0, dtype), None, same)
KINDS: dict[str, Reduction] = {
    "sum": SUM,
    "mean": SUM,
    "norm": SUM,
    "prod": Reduction(lambda dtype: scalars.number(1, dtype), infix("*", scalars.MULTIPLY), same),
    "max": Reduction(lowest, joined("maximum"), same, empty=False),
    "amax": Reduction(lowest, joined("maximum"), same, empty=False),
    "min": Reduction(highest, joined("minimum"), same, empty=False),
    "amin": Reduction(highest, joined("minimum"), same, empty=False),
    "all": Reduction(lambda dtype: Scalar("True"), infix("&", scalars.AND), same),
    "any": Reduction(lambda dtype: Scalar("False"), infix("|", scalars.OR), same),
}


def split(node: Operation) -> tuple[Operand, tuple[int, ...], bool]:
    """The array, the reduced axes, and whether they are kept with length 1."""
    array, axis, *rest = node.arguments
    keepdims = bool(rest[-1]) if rest else False
    return array, normalized_axes(axis, rank_of(array)), keepdims


def reduced_extents(frame: Frame, node: Operation) -> Extents:
    array, axes, keepdims = split(node)
    extents = frame.extents_of(array)
    if keepdims:
        return tuple(Affine.of(1) if i in axes else e for i, e in enumerate(extents))
    return tuple(e for i, e in enumerate(extents) if i not in axes)


def reduce(frame: Frame, elements: Elements, node: Operation, extents: Extents) -> None:
    """Reductions along axes: what is reduced is an element of the operand, or a form of it."""
    name = node.primitive.name
    kind, source = node.result.type, type_of(node.arguments[0])
    assert isinstance(kind, ArrayType)
    array, axes, keepdims = split(node)
    if name == "count_nonzero":
        name, source = "sum", ArrayType(np.dtype(bool), source.shape)
    if name in ("argmax", "argmin"):
        reduce_to_position(frame, elements, node, extents)
        return
    reduction = KINDS[name]
    work = (
        np.dtype(np.float64) if kind.dtype == np.float32 and name in ("sum", "mean", "norm") else kind.dtype
    )
    own = frame.extents_of(array)
    if not reduction.empty:
        for axis in axes:
            if not frame.is_nonnegative(own[axis] - 1):
                frame.depart_if(f"{own[axis]} == 0")
    index = frame.subscripts_of(own)
    part = scalars.cast(elements.element(array, index), type_of(array).dtype, work)
    if node.primitive.name == "count_nonzero":
        truth = scalars.cast(elements.element(array, index), type_of(array).dtype, np.dtype(bool))
        part = scalars.cast(truth, np.dtype(bool), work)
    finish: Callable[[Expression], Expression] | None = None
    if name == "norm":
        if isinstance(part, Load):
            part = scalars.infix("*", scalars.MULTIPLY, part, part)
        else:
            part = Apply("{0} ** 2", (part,), scalars.POWER, (scalars.POWER + 1,))
        finish = root
    if name == "mean":
        finish = functools.partial(
            quotient, scalars.cast(count_of(frame, own, axes), np.dtype(np.int64), work)
        )
    reduce_parts(frame, node, extents, own, axes, keepdims, part, reduction, work, finish)


def root(total: Expression) -> Expression:
    return scalars.call("np.sqrt", total)


def quotient(divisor: Expression, total: Expression) -> Expression:
    return scalars.infix("/", scalars.MULTIPLY, total, divisor)


def count_of(frame: Frame, own: Extents, axes: tuple[int, ...]) -> Expression:
    return Whole(frame.product(tuple(own[axis] for axis in axes), "count"))


def reduce_parts(
    frame: Frame,
    node: Operation,
    extents: Extents,
    own: Extents,
    axes: tuple[int, ...],
    keepdims: bool,
    part: Expression,
    reduction: Reduction,
    work: np.dtype[Any],
    finish: Callable[[Expression], Expression] | None,
) -> None:
    """The loops of a reduction of `part`, an element of an array of the extents `own`."""
    kind = node.result.type
    assert isinstance(kind, ArrayType)
    index = frame.subscripts_of(own)
    loops = [(str(i), e) for i, e in zip(index, own, strict=True) if frame.normal(e) != 1]
    inner = [loop for place, loop in zip_places(frame, own, loops) if place in axes]
    outer = [loop for place, loop in zip_places(frame, own, loops) if place not in axes]
    name = frame.give(node.result)

    def done(total: Expression) -> Expression:
        found = total if finish is None else finish(total)
        return scalars.cast(found, work, kind.dtype)

    def join(old: Expression, target: Callable[[Expression, str], Code]) -> Code:
        if reduction.join is None:
            return target(part, "+=")
        return target(reduction.join(old, part), "=")

    if kind.rank == 0:
        total = Scalar(name)
        body = [join(total, lambda value, operator: Define(name, value, operator))]
        frame.write(Define(name, reduction.start(work)))
        frame.write(*([Nest(inner, body)] if inner else body))
        if finish is not None or work != kind.dtype:
            frame.write(Define(name, done(total)))
        return
    frame.allocate(name, extents, kind.dtype)
    kept = subscripts_of_result(index, axes, keepdims)
    places = [place for place, _ in zip_places(frame, own, loops)]
    trailing = all(place in axes for place in places[len(outer) :])
    if trailing or not outer:
        total = Scalar(frame.fresh(f"{name}_sum" if reduction.join is None else f"{name}_part"))
        body = [
            Define(total.name, reduction.start(work)),
            *wrapped(inner, [join(total, lambda value, operator: Define(total.name, value, operator))]),
            Store(name, kept, done(total)),
        ]
        frame.write(*wrapped(outer, body))
        return
    start: list[Code] = [Store(name, kept, scalars.cast(reduction.start(work), work, kind.dtype))]
    frame.write(*wrapped(outer, start))
    old = scalars.cast(Load(name, kept), kind.dtype, work)
    frame.write(*wrapped(loops, [join(old, lambda value, operator: Store(name, kept, value, operator))]))
    if finish is not None:
        frame.write(*wrapped(outer, [Store(name, kept, done(Load(name, kept)))]))


def subscripts_of_result(
    index: tuple[Affine, ...], axes: tuple[int, ...], keepdims: bool
) -> tuple[Affine, ...]:
    """The element of the result in which an element of the operand ends."""
    return tuple(
        Affine.of(0) if place in axes else number
        for place, number in enumerate(index)
        if keepdims or place not in axes
    )


def zip_places(frame: Frame, own: Extents, loops: Loops) -> list[tuple[int, tuple[str, Affine]]]:
    places = [place for place, e in enumerate(own) if frame.normal(e) != 1]
    return list(zip(places, loops, strict=True))


def wrapped(loops: Loops, body: list[Code]) -> list[Code]:
    return [Nest(loops, body)] if loops else body


def reduce_to_position(frame: Frame, elements: Elements, node: Operation, extents: Extents) -> None:
    """`argmax` and `argmin`: the first of the greatest, or the first nan."""
    array, axes, keepdims = split(node)
    axis = node.arguments[1]
    own = frame.extents_of(array)
    for each in axes:
        if not frame.is_nonnegative(own[each] - 1):
            frame.depart_if(f"{own[each]} == 0")
    index = frame.subscripts_of(own)
    dtype = type_of(array).dtype
    part = elements.element(array, index)
    place: Affine | Expression = index[axes[0]] if axis is not None else Affine.of(0)
    if axis is None:
        place = Affine.of(0)
        for i, e in zip(index, own, strict=True):
            text = f"({place}) * ({e}) + {i}" if place != 0 else str(i)
            place = Affine.of(f"({text})") if place != 0 else i
    best, found, new = (frame.fresh(wanted) for wanted in ("best", "found", "candidate"))
    symbol = ">" if node.primitive.name == "argmax" else "<"
    start = (lowest if symbol == ">" else highest)(dtype)
    first = Scalar(f"{found} < 0")
    better = Apply(
        f"{{0}} or {{1}} {symbol} {{2}} or ({{1}} != {{1}} and {{2}} == {{2}})",
        (first, Scalar(new), Scalar(best)),
    )
    update = Line(
        f"if {text_of(better)}:\n    {best} = {new}\n    {found} = {place}",
        frozenset({best, new, found}),
        frozenset({best, found}),
    )
    loops = [(str(i), e) for i, e in zip(index, own, strict=True) if frame.normal(e) != 1]
    inner = [loop for spot, loop in zip_places(frame, own, loops) if spot in axes]
    outer = [loop for spot, loop in zip_places(frame, own, loops) if spot not in axes]
    body: list[Code] = [
        Define(best, start),
        Define(found, Scalar("-1")),
        *wrapped(inner, [Define(new, part), update]),
    ]
    kind = node.result.type
    assert isinstance(kind, ArrayType)
    name = frame.give(node.result)
    if kind.rank == 0:
        frame.write(*body, Define(name, Scalar(found)))
        return
    frame.allocate(name, extents, kind.dtype)
    kept = subscripts_of_result(index, axes, keepdims)
    frame.write(*wrapped(outer, [*body, Store(name, kept, Scalar(found))]))


def reduce_diagonal(frame: Frame, elements: Elements, node: Operation, extents: Extents) -> None:
    """`np.trace`."""
    array, offset = node.arguments
    rows, columns = frame.extents_of(array)
    length = frame.define_number(
        f"max(min({rows + min(offset, 0)}, {columns - max(offset, 0)}), 0)", "length"
    )
    i = Affine.of(frame.subscripts[0])
    part = elements.element(array, (i + max(-offset, 0), i + max(offset, 0)))
    kind = node.result.type
    assert isinstance(kind, ArrayType)
    name = frame.give(node.result)
    frame.write(Define(name, scalars.number(0, kind.dtype)))
    frame.write(
        Nest([(str(i), length)], [Define(name, scalars.cast(part, type_of(array).dtype, kind.dtype), "+=")])
    )


def reduce_to_spread(frame: Frame, elements: Elements, node: Operation, extents: Extents) -> None:
    """`var` and `std`: the mean first, then the squares of the deviations."""
    from ad_compiler.backends.native.lowering.materialising import in_memory

    array, axis, ddof, keepdims = node.arguments
    axes = normalized_axes(axis, rank_of(array))
    own = frame.extents_of(array)
    kind = node.result.type
    assert isinstance(kind, ArrayType)
    if not isinstance(ddof, (int, float)):
        raise Refusal("`ddof` is not known while compiling", "write it as a constant")
    work = np.dtype(np.float64)
    index = frame.subscripts_of(own)
    if own:
        read: Expression = Load(in_memory(frame, elements, array), index)
    else:
        read = elements.element(array, ())
    outer = [(str(i), e) for p, (i, e) in enumerate(zip(index, own, strict=True)) if p not in axes and e != 1]
    inner = [(str(i), e) for p, (i, e) in enumerate(zip(index, own, strict=True)) if p in axes and e != 1]
    mean, total = frame.fresh("mean"), frame.fresh("squares")
    count = count_of(frame, own, axes)
    part = scalars.cast(read, type_of(array).dtype, work)
    deviation = scalars.infix("-", scalars.ADD, part, Scalar(mean))
    real_count = scalars.cast(count, np.dtype(np.int64), work)
    spread = scalars.infix(
        "/",
        scalars.MULTIPLY,
        Scalar(total),
        scalars.infix("-", scalars.ADD, real_count, scalars.number(ddof, work)) if ddof else real_count,
    )
    if node.primitive.name == "std":
        spread = scalars.call("np.sqrt", spread)
    spread = scalars.cast(spread, work, kind.dtype)
    body: list[Code] = [
        Define(mean, Scalar("0.0")),
        *wrapped(inner, [Define(mean, part, "+=")]),
        Define(mean, scalars.infix("/", scalars.MULTIPLY, Scalar(mean), real_count)),
        Define(total, Scalar("0.0")),
        *wrapped(inner, [Define(total, scalars.infix("*", scalars.MULTIPLY, deviation, deviation), "+=")]),
    ]
    name = frame.give(node.result)
    if kind.rank == 0:
        frame.write(*body, Define(name, spread))
        return
    frame.allocate(name, extents, kind.dtype)
    kept = tuple(
        i if p not in axes else Affine.of(0) for p, i in enumerate(index) if keepdims or p not in axes
    )
    frame.write(*wrapped(outer, [*body, Store(name, kept, spread)]))


def accumulate(frame: Frame, elements: Elements, node: Operation, extents: Extents) -> None:
    """`cumsum` and `cumprod`."""
    from ad_compiler.backends.native.lowering.materialising import in_memory

    array, axis = node.arguments
    kind = node.result.type
    assert isinstance(kind, ArrayType)
    name = frame.give(node.result)
    if axis is None and rank_of(array) != 1:
        source = in_memory(frame, elements, array)
        flat = frame.fresh("flat")
        frame.write(Line(f"{flat} = {source}.ravel()", frozenset({source}), frozenset({flat})))
        index: tuple[Affine, ...] = (Affine.of(frame.subscripts[0]),)
        part: Expression = Load(flat, index)
        place = 0
    else:
        (place,) = normalized_axes(0 if axis is None else axis, rank_of(array))
        index = frame.subscripts_of(extents)
        part = elements.element(array, index)
    part = scalars.cast(part, type_of(array).dtype, kind.dtype)
    frame.allocate(name, extents, kind.dtype)
    total = frame.fresh("running")
    loops = [
        (str(i), e) for p, (i, e) in enumerate(zip(index, extents, strict=True)) if p != place and e != 1
    ]
    along = [(str(index[place]), extents[place])] if extents[place] != 1 else []
    if node.primitive.name == "cumsum":
        start, step = scalars.number(0, kind.dtype), Define(total, part, "+=")
    else:
        product = scalars.infix("*", scalars.MULTIPLY, Scalar(total), part)
        start, step = scalars.number(1, kind.dtype), Define(total, product)
    body: list[Code] = [
        Define(total, start),
        *wrapped(along, [step, Store(name, index, Scalar(total))]),
    ]
    frame.write(*wrapped(loops, body))
