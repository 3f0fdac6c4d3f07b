"""Arrays put together from parts: every part is copied by loops of its own."""

from __future__ import annotations

from collections.abc import Callable

from ad_compiler.analysis.types import ArrayType
from ad_compiler.backends.native import scalars
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.lowering.elements import Elements
from ad_compiler.backends.native.lowering.frame import Extents, Frame
from ad_compiler.backends.native.lowering.materialising import in_memory
from ad_compiler.backends.native.nests import Define, Line, Scalar, Store
from ad_compiler.ir import Operand, Operation
from ad_compiler.rules.shapes import normalized_axes, rank_of


def put(
    frame: Frame,
    elements: Elements,
    name: str,
    operand: Operand,
    kind: ArrayType,
    place: Callable[..., tuple[Affine, ...]],
) -> None:
    """Copy a part to where it stands in the result."""
    extents = frame.extents_of(operand)
    index = frame.subscripts_of(extents)
    part = elements.number(operand, kind.dtype, index)
    frame.nest(extents, [Store(name, place(index), part)])


def concatenate(frame: Frame, elements: Elements, node: Operation, extents: Extents) -> None:
    arrays, axis = node.arguments
    kind = node.result.type
    assert isinstance(kind, ArrayType)
    (place,) = normalized_axes(axis, kind.rank)
    name = frame.give(node.result)
    frame.allocate(name, extents, kind.dtype)
    start = Affine.of(0)
    for array in arrays:
        offset = start
        put(
            frame,
            elements,
            name,
            array,
            kind,
            lambda index, offset=offset: (*index[:place], index[place] + offset, *index[place + 1 :]),
        )
        start = start + frame.extents_of(array)[place]


def stack(frame: Frame, elements: Elements, node: Operation, extents: Extents) -> None:
    arrays, axis = node.arguments
    kind = node.result.type
    assert isinstance(kind, ArrayType)
    (place,) = normalized_axes(axis, kind.rank)
    name = frame.give(node.result)
    frame.allocate(name, extents, kind.dtype)
    for number, array in enumerate(arrays):
        put(
            frame,
            elements,
            name,
            array,
            kind,
            lambda index, number=number: (*index[:place], Affine.of(number), *index[place:]),
        )


def array(frame: Frame, elements: Elements, node: Operation, extents: Extents) -> None:
    """`np.array` of nested lists."""
    kind = node.result.type
    assert isinstance(kind, ArrayType)
    items = node.arguments[0]
    if kind.rank == 0:
        frame.write(Define(frame.give(node.result), elements.number(items, kind.dtype)))
        return
    put_items(frame, elements, frame.give(node.result), items, kind, extents)


def put_items(
    frame: Frame, elements: Elements, name: str, items: Operand, kind: ArrayType, extents: Extents
) -> None:
    """An array of the items of nested lists."""
    frame.allocate(name, extents, kind.dtype)

    def fill(part: Operand, prefix: tuple[Affine, ...]) -> None:
        if isinstance(part, (list, tuple)):
            for number, item in enumerate(part):
                fill(item, (*prefix, Affine.of(number)))
        else:
            put(frame, elements, name, part, kind, lambda index: (*prefix, *index))

    fill(items, ())


def reshape(frame: Frame, elements: Elements, node: Operation, extents: Extents) -> None:
    """Another shape of the same memory, or of a copy where the elements do not lie in that order."""
    source = in_memory(frame, elements, node.arguments[0])
    kind = node.result.type
    assert isinstance(kind, ArrayType)
    name = frame.give(node.result)
    if kind.rank == 0:
        zeros = ", ".join("0" for _ in range(rank_of(node.arguments[0])))
        frame.write(Define(name, Scalar(f"{source}[{zeros}]")))
        return
    lengths = ", ".join(map(str, extents))
    if rank_of(node.arguments[0]) == 0:
        frame.allocate(name, extents, kind.dtype)
        frame.write(Store(name, (Affine.of(0),) * kind.rank, Scalar(source)))
        return
    shape = f"({lengths},)" if len(extents) == 1 else f"({lengths})"
    suffix = ".copy()" if node.primitive.name == "flatten" else ""
    frame.write(Line(f"{name} = {source}.reshape({shape}){suffix}", frozenset({source}), frozenset({name})))


def linspace(frame: Frame, elements: Elements, node: Operation, extents: Extents) -> None:
    start, stop, _ = node.arguments
    kind = node.result.type
    assert isinstance(kind, ArrayType)
    first, last = (elements.number(operand, kind.dtype) for operand in (start, stop))
    (length,) = extents
    name = frame.give(node.result)
    frame.allocate(name, extents, kind.dtype)
    step, begin, end = frame.fresh("step"), frame.fresh("start"), frame.fresh("stop")
    frame.write(Define(begin, first), Define(end, last))
    frame.write(Define(step, Scalar(f"({end} - {begin}) / max({length - 1}, 1)")))
    index = frame.subscripts_of(extents)
    i = index[0]
    text = f"{i} * {step} + {begin}" if i.known is None else begin
    frame.nest(extents, [Store(name, index, Scalar(text, scalars.ADD))])
    if frame.normal(length) != 1:
        condition = Line(
            f"if {length} > 1:\n    {name}[{length - 1}] = {end}", frozenset({name, end}), frozenset({name})
        )
        frame.write(condition)
