"""Lists of run-time length: lists in compiled code too, of numbers, arrays, or tuples of these.

    xs = xs.append(y)       xs.append(y.copy())
    e = xs[i]               e = xs[at(i, len(xs))]

A list owns its arrays (it is given copies), and nobody writes into them: a list that is copied may share
them with the copy. Every item has the type that is known of all of them. The changes are done in place where
the list as it was is needed no more, as in NumPy code.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ad_compiler.analysis.types import ArrayType, Element, ListType, leaves_of, representative
from ad_compiler.backends.native import scalars
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.lowering.elements import Elements, affine
from ad_compiler.backends.native.lowering.frame import Extents, Frame
from ad_compiler.backends.native.lowering.materialising import as_scalar, in_memory
from ad_compiler.backends.native.nests import Define, Line, Scalar, names_in, text_of
from ad_compiler.backends.numpy.lists import subscripts
from ad_compiler.ir import Operand, Operation, Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.list_elements import element_type
from ad_compiler.rules.shapes import type_of


def item_text(frame: Frame, elements: Elements, item: Operand, element: Element) -> str:
    """An item as it is put into a list."""
    if isinstance(element, tuple):
        parts = [item_text(frame, elements, each, kind) for each, kind in zip(item, element, strict=True)]
        return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
    check(element)
    if element.rank == 0:
        return text_of(as_scalar(frame, elements, item, element))
    source = in_memory(frame, elements, item)
    if type_of(item).dtype != element.dtype:
        return f"{source}.astype({scalars.dtype_text(element.dtype)})"
    return f"{source}.copy()"


def check_element(element: Element) -> None:
    for _, leaf in leaves_of(element):
        check(leaf)


def check(kind: ArrayType) -> None:
    if not scalars.has_memory(kind):
        raise Refusal(f"numbers of {kind.dtype} have no native form", scalars.ADVICE)


def example(element: Element) -> str:
    """An item of this type, whatever its value."""
    if isinstance(element, tuple):
        parts = list(map(example, element))
        return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
    check(element)
    if element.rank == 0:
        return text_of(scalars.number(0, element.dtype))
    return f"np.empty(({'0, ' * element.rank}), {scalars.dtype_text(element.dtype)})"


def empty_list(kind: ListType) -> str:
    return f"[{example(kind.element)} for _ in range(0)]"


def list_name(frame: Frame, xs: Operand) -> str:
    """The variable of a list."""
    if not isinstance(xs, Value) or xs not in frame.names:
        raise Refusal("a list of this kind has no native form", scalars.ADVICE)
    return frame.names[xs]


def change(frame: Frame, elements: Elements, node: Operation) -> None:
    """`append`, `pop`, `extend` and `xs[i] = e`."""
    kind, name = node.result.type, node.primitive.name
    assert isinstance(kind, ListType)
    xs, *rest = node.arguments
    old = list_name(frame, xs)
    if name == "list_append":
        done = f"{{0}}.append({item_text(frame, elements, rest[0], kind.element)})"
    elif name == "list_set":
        item = item_text(frame, elements, rest[1], kind.element)
        done = f"{{0}}[{place(frame, elements, old, rest[0])}] = {item}"
    elif name == "list_extend":
        done = f"{{0}}.extend({list_name(frame, rest[0])})"
    else:
        frame.depart_if(f"len({old}) == 0")
        done = "{0}.pop()"
    if node.result in frame.writes.in_place:
        new = frame.give(node.result, old)
    else:
        new = frame.give(node.result)
        define(frame, new, f"{old}.copy()")
    text = done.format(new)
    frame.write(Line(text, names_in(text), frozenset({new})))


def place(frame: Frame, elements: Elements, name: str, index: Operand) -> str:
    return f"at({affine(frame, elements, index)}, len({name}))"


def define(frame: Frame, name: str, text: str) -> None:
    frame.write(Line(f"{name} = {text}", names_in(text), frozenset({name})))


def make(frame: Frame, elements: Elements, node: Operation) -> None:
    """A new list."""
    text = NEW[node.primitive.name](frame, elements, node)
    define(frame, frame.give(node.result), text)


def of_items(frame: Frame, elements: Elements, node: Operation) -> str:
    kind = node.result.type
    assert isinstance(kind, ListType)
    items = [item_text(frame, elements, item, kind.element) for item in node.arguments[0]]
    return f"[{', '.join(items)}]" if items else empty_list(kind)


def of_copy(frame: Frame, elements: Elements, node: Operation) -> str:
    return f"{list_name(frame, node.arguments[0])}.copy()"


def of_repeat(frame: Frame, elements: Elements, node: Operation) -> str:
    kind = node.result.type
    assert isinstance(kind, ListType)
    items = ", ".join(item_text(frame, elements, item, kind.element) for item in node.arguments[0])
    count = affine(frame, elements, node.arguments[1])
    return f"[{items}] * max({count}, 0)"


def of_slice(frame: Frame, elements: Elements, node: Operation) -> str:
    xs, *ends = node.arguments
    bounds = ["" if end is None else str(affine(frame, elements, end)) for end in ends]
    return f"{list_name(frame, xs)}[{':'.join(bounds)}]"


def of_rows(frame: Frame, elements: Elements, node: Operation) -> str:
    array, kind = node.arguments[0], node.result.type
    assert isinstance(kind, ListType)
    source, row = in_memory(frame, elements, array), frame.fresh("row")

    def part(element: Element, index: str) -> str:
        assert isinstance(element, ArrayType)
        if element.rank:
            return f"{source}[{index}].copy()"
        return text_of(scalars.cast(Scalar(f"{source}[{index}]"), type_of(array).dtype, element.dtype))

    if isinstance(kind.element, tuple):
        item = f"({', '.join(part(each, f'{row}, {n}') for n, each in enumerate(kind.element))})"
    else:
        item = part(kind.element, row)
    return f"[{item} for {row} in range({source}.shape[0])]"


def of_each(frame: Frame, elements: Elements, node: Operation) -> str:
    """Zeros, or numbers all the same, for the parts of the items that have a derivative."""
    xs, *rest = node.arguments
    kind = node.result.type
    assert isinstance(kind, ListType)
    item = frame.fresh("item")
    parts = []
    for path, leaf in leaves_of(element_type(xs)):
        if not leaf.differentiable:
            continue
        filling: Operand = rest[0] if rest else 0.0
        text = text_of(as_scalar(frame, elements, filling, ArrayType(leaf.dtype)))
        part = f"{item}{subscripts(path)}"
        if leaf.rank and not rest:
            text = f"np.zeros_like({part})"
        elif leaf.rank:
            text = f"np.full_like({part}, {text})"
        parts.append(text)
    made = f"({', '.join(parts)})" if isinstance(kind.element, tuple) else parts[0]
    return f"[{made} for {item} in {list_name(frame, xs)}]"


def of_sum(frame: Frame, elements: Elements, node: Operation) -> str:
    xs, ys = node.arguments
    element = element_type(xs)
    paths = [subscripts(path) for path, _ in leaves_of(element)]
    a, b = frame.fresh("item"), frame.fresh("item")
    parts = [f"{a}{path} + {b}{path}" for path in paths]
    item = f"({', '.join(parts)})" if isinstance(element, tuple) else parts[0]
    return f"[{item} for {a}, {b} in zip({list_name(frame, xs)}, {list_name(frame, ys)})]"


def of_split(frame: Frame, elements: Elements, node: Operation) -> str:
    xs, array = node.arguments
    return f"split_like({list_name(frame, xs)}, {in_memory(frame, elements, array)})"


def of_sections(frame: Frame, elements: Elements, node: Operation) -> str:
    array, ends = node.arguments
    return f"sections({in_memory(frame, elements, array)}, {in_memory(frame, elements, ends)})"


NEW: dict[str, Callable[[Frame, Elements, Operation], str]] = {
    "list_of": of_items,
    "list_copy": of_copy,
    "list_repeat": of_repeat,
    "list_slice": of_slice,
    "list_rows": of_rows,
    "list_zeros": of_each,
    "list_full": of_each,
    "list_add": of_sum,
    "list_split": of_split,
    "list_sections": of_sections,
}


def read(frame: Frame, elements: Elements, node: Operation) -> None:
    """A number or an array that is made from a list."""
    xs, name, kind = list_name(frame, node.arguments[0]), node.primitive.name, node.result.type
    assert isinstance(kind, ArrayType)
    check(kind)
    element = element_type(node.arguments[0])
    leaves = [leaf for _, leaf in leaves_of(element)]
    result = frame.give(node.result)
    if name == "list_length":
        frame.write(Define(result, Scalar(f"len({xs})")))
        frame.ranges.lengths.add(result)
        return
    if name == "list_item":
        index, path = node.arguments[1:]
        text = f"{xs}[{place(frame, elements, xs, index)}]{subscripts(path)}"
    elif name == "list_sum" and kind.rank == 0:
        text = f"sum_of_numbers({xs}, {text_of(scalars.number(0, kind.dtype))})"
    elif name == "list_sum":
        text = f"sum_of_arrays({xs})"
    elif name == "list_concatenate":
        text = f"concatenated({xs})"
    elif leaves[0].rank:
        text = f"stacked_arrays({xs})"
    else:
        if kind.dtype != np.float64:  # NumPy makes an array of float64 from no numbers
            frame.depart_if(f"len({xs}) == 0")
        function, item, source, columns = "filled", frame.fresh("item"), xs, ""
        if isinstance(element, tuple):
            parts = [
                text_of(scalars.cast(Scalar(f"{item}{subscripts(path)}"), leaf.dtype, kind.dtype))
                for path, leaf in leaves_of(element)
            ]
            function, columns = "filled_rows", f", {len(leaves)}"
            source = f"[({', '.join(parts)}) for {item} in {xs}]"
        shape = f"(len({xs}){columns},)"
        text = f"{function}(np.empty({shape}, {scalars.dtype_text(kind.dtype)}), {source})"
    if kind.rank == 0:
        frame.write(Define(result, Scalar(text)))
        return
    define(frame, result, text)
    frame.extents[node.result] = shape_of(frame, result, kind)


def shape_of(frame: Frame, name: str, kind: ArrayType) -> Extents:
    """The lengths of an array that is just made: those that its type knows are checked."""
    found = []
    for n, axis in enumerate(map(representative, kind.shape)):
        if isinstance(axis, int):
            frame.depart_if(f"{name}.shape[{n}] != {axis}")
            found.append(Affine.of(axis))
        else:
            found.append(frame.define_number(f"{name}.shape[{n}]", f"{name}_{n}"))
    return tuple(found)


OPERATIONS: dict[str, Callable[[Frame, Elements, Operation], None]] = {
    **dict.fromkeys(["list_append", "list_rest", "list_set", "list_extend"], change),
    **dict.fromkeys(NEW, make),
    **dict.fromkeys(["list_length", "list_item", "list_sum", "list_concatenate", "list_stack"], read),
}
