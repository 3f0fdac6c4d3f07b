"""Rules of lists whose length is known at run time only.

A list is a value like any other: `xs.append(e)` makes a new list from the old one, and the emitter, which
knows that the old one is dead, writes it in place again. The cotangent of a list is a list, of the
cotangents of those parts of its elements that have one:

    ys = xs.append(e)       e_bar = ys_bar.pop(); xs_bar = ys_bar
    e = xs[i]               xs_bar[i] = xs_bar[i] + e_bar
    a = np.array(xs)        xs_bar = list(a_bar)
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ad_compiler.analysis.joins import Different, any_length, is_any, joined_element, settled
from ad_compiler.analysis.types import (
    INT,
    ArrayType,
    Element,
    Length,
    ListType,
    Path,
    leaves_of,
)
from ad_compiler.builder import Builder
from ad_compiler.ir import Operand, Operation, Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.list_elements import (
    ONE_KIND,
    cotangent_element,
    cotangent_path,
    element_type,
    joined_items,
    leaf_at,
    part_of,
)
from ad_compiler.rules.notation import constant, expansion, linear, registry, rule
from ad_compiler.rules.shapes import rank_of, type_of

# --- the operations ---


def list_of_type(items: Any, element: Any) -> ListType:
    return ListType(joined_items(items, element))


@rule("list_of", infer=list_of_type, differentiable=("items",), fresh=True)
def list_of(items: Any, element: Any = None, *, y: Any, g: Any) -> Any:
    return items_of_cotangent(g, y, items)


def append_type(xs: Any, item: Any) -> ListType:
    return ListType(joined_items([item], element_type(xs)))


@rule("list_append", infer=append_type)
def list_append(xs: Any, item: Any, *, y: Any, g: Any) -> Any:
    last = item_of_cotangent(g, -1, y)  # read first: then the list can be shortened in place
    return list_rest(g), last


@linear("list_rest", infer=lambda xs: xs.type)
def list_rest_rule(xs: Any, *, g: Any) -> Any:
    return appended_zero(g, xs)


def item_type(xs: Any, index: Any, path: Any) -> ArrayType:
    return settled(leaf_at(element_type(xs), path))


@linear("list_item", infer=item_type)
def list_item_rule(xs: Any, index: Any, path: Any = (), *, g: Any) -> Any:
    return scattered(g, xs, index, path)


def set_type(xs: Any, index: Any, item: Any) -> ListType:
    return ListType(joined_items([item], element_type(xs)))


@rule("list_set", infer=set_type, differentiable=("xs", "item"))
def list_set_rule(xs: Any, index: Any, item: Any, *, y: Any, g: Any) -> Any:
    overwritten = item_of_cotangent(g, index, y)
    return with_zero(g, index, xs), overwritten


@constant("list_length", infer=lambda _: INT, cheap=True)
def list_length(xs: Any) -> None: ...


@linear("list_copy", infer=lambda xs: xs.type, fresh=True)
def list_copy(xs: Any, *, g: Any) -> Any:
    return g


def stack_type(xs: Any) -> ArrayType:
    """An array of all items: a leading axis of the length of the list."""
    element = element_type(xs)
    length = Length(("items of a list", xs), may_be_one=True)
    leaves = [settled(leaf) for _, leaf in leaves_of(element)]
    if isinstance(element, tuple) and any(isinstance(part, tuple) or part.rank for part in element):
        raise Refusal("an array is made from tuples of arrays", "make one array for each part")
    inner = (len(leaves),) if isinstance(element, tuple) else leaves[0].shape
    return ArrayType(np.result_type(*[leaf.dtype for leaf in leaves]), (length, *inner))


@linear("list_stack", infer=stack_type)
def list_stack(xs: Any, *, g: Any) -> Any:
    return rows_of_cotangent(g, xs)


def concatenated_type(xs: Any) -> ArrayType:
    element = element_type(xs)
    if isinstance(element, tuple) or element.rank == 0:
        raise Refusal("`np.concatenate` joins what are no arrays", "use `np.array`")
    kind = settled(element)
    return ArrayType(kind.dtype, (any_length(True), *kind.shape[1:]))


@linear("list_concatenate", infer=concatenated_type)
def list_concatenate(xs: Any, *, g: Any) -> Any:
    return split_cotangent(g, xs)


def sum_type(xs: Any) -> ArrayType:
    element = element_type(xs)
    if isinstance(element, tuple):
        raise Refusal("tuples are summed", "sum their parts")
    if any(map(is_any, element.shape)):
        raise Refusal("arrays of different shapes are summed", "keep items of one shape in the list")
    return INT if element.dtype.kind == "b" else element


@linear("list_sum", infer=sum_type)
def list_sum(xs: Any, *, g: Any) -> Any:
    return full_cotangent(g, xs)


def repeat_type(items: Any, count: Any, element: Any = None) -> ListType:
    return ListType(joined_items(items, element))


@rule("list_repeat", infer=repeat_type, differentiable=("items",), fresh=True)
def list_repeat(items: Any, count: Any, element: Any = None, *, g: Any) -> Any:
    return sum_of_items(g, items)


def rows_type(a: Any, element: Any = None) -> ListType:
    kind = type_of(a)
    return ListType(element or ArrayType(kind.dtype, kind.shape[1:]))


@linear("list_rows", infer=rows_type, fresh=True)
def list_rows(a: Any, element: Any = None, *, g: Any) -> Any:
    return np.reshape(stacked(g), np.shape(a))


def sections_type(a: Any, ends: Any) -> ListType:
    kind = type_of(a)
    return ListType(ArrayType(kind.dtype, (any_length(True), *kind.shape[1:])))


@linear("list_sections", infer=sections_type, fresh=True)
def list_sections(a: Any, ends: Any, *, g: Any) -> Any:
    """`np.split` at places known at run time."""
    return concatenated(g)


def extended_type(xs: Any, ys: Any) -> ListType:
    try:
        return ListType(joined_element(element_type(xs), element_type(ys)))
    except Different as error:
        raise Refusal(f"two lists are joined, and {error}", ONE_KIND) from None


@rule("list_extend", infer=extended_type, fresh=True, linear="together")
def list_extend(xs: Any, ys: Any, *, g: Any) -> Any:
    return sliced(g, None, length_of(xs)), sliced(g, length_of(xs), None)


@linear("list_slice", infer=lambda xs, *_: xs.type, fresh=True)
def list_slice(xs: Any, start: Any = None, stop: Any = None, *, g: Any) -> Any:
    return unsliced(g, xs, start, stop)


# --- what only cotangents are made with ---


def like_type(xs: Any, *_: Any) -> ListType:
    return ListType(cotangent_element(element_type(xs)))


@constant("list_zeros", infer=like_type)
def list_zeros(xs: Any) -> None: ...


# What follows is made in reverse sweeps only: it has a derivative in forward mode.


@constant("list_full", infer=like_type, differentiable=("g",))
def list_full(xs: Any, g: Any) -> None: ...


@constant("list_split", infer=like_type, differentiable=("g",))
def list_split(xs: Any, g: Any) -> None: ...


@constant("list_add", infer=lambda xs, ys: extended_type(xs, ys), differentiable=("xs", "ys"))
def list_add(xs: Any, ys: Any) -> None: ...


@constant("list_scatter", infer=like_type, differentiable=("g",))
def list_scatter(xs: Any, g: Any, index: Any, path: Any) -> None: ...


def call(builder: Builder, name: str, *arguments: Operand) -> Operand:
    return builder.call(registry[name], arguments)


def packed(parts: list[Operand]) -> Operand:
    """An item of a cotangent."""
    return parts[0] if len(parts) == 1 else tuple(parts)


def cotangent_paths(xs: Operand) -> list[Path]:
    """Where the parts of an item of a cotangent (of `xs`, or `xs` itself) stand in it."""
    count = sum(leaf.differentiable for _, leaf in leaves_of(element_type(xs)))
    return [()] if count == 1 else [(place,) for place in range(count)]


def zero_item(builder: Builder, xs: Operand, index: Operand) -> Operand:
    """The zero cotangent of one item of `xs`."""
    parts: list[Operand] = []
    for path, leaf in leaves_of(element_type(xs)):
        if leaf.differentiable and leaf.rank:
            item = call(builder, "list_item", xs, index, path)
            parts.append(builder.call(registry[np.zeros_like], (item, None)))
        elif leaf.differentiable:
            parts.append(0.0)
    return packed(parts)


@expansion()
def zeros(builder: Builder, xs: Operand) -> Operand:
    """The zero cotangent of a list."""
    element = cotangent_element(element_type(xs))
    leaves = [leaf for _, leaf in leaves_of(element)]
    if any(leaf.rank for leaf in leaves):
        return call(builder, "list_zeros", xs)
    return call(builder, "list_repeat", [packed([0.0] * len(leaves))], length_of(builder, xs), element)


@expansion()
def length_of(builder: Builder, xs: Operand) -> Operand:
    return call(builder, "list_length", xs)


@expansion()
def sliced(builder: Builder, xs: Operand, start: Operand, stop: Operand) -> Operand:
    return call(builder, "list_slice", xs, start, stop)


@expansion()
def stacked(builder: Builder, xs: Operand) -> Operand:
    return call(builder, "list_stack", xs)


@expansion()
def concatenated(builder: Builder, xs: Operand) -> Operand:
    return call(builder, "list_concatenate", xs)


@expansion()
def list_rest(builder: Builder, xs: Operand) -> Operand:
    return call(builder, "list_rest", xs)


@expansion()
def item_of_cotangent(builder: Builder, g: Operand, index: Operand, xs: Operand) -> Operand:
    """The cotangents of the parts of one item of `xs`, in the structure of the item."""

    def part(element: Element, path: Path) -> Operand:
        if isinstance(element, tuple):
            return tuple([part(inner, (*path, place)) for place, inner in enumerate(element)])
        if not element.differentiable:
            return None
        return call(builder, "list_item", g, index, cotangent_path(element_type(xs), path))

    return part(element_type(xs), ())


@expansion()
def items_of_cotangent(builder: Builder, g: Operand, xs: Operand, items: Any) -> Operand:
    return [item_of_cotangent(builder, g, place, xs) for place in range(len(items))]


@expansion()
def sum_of_items(builder: Builder, g: Operand, items: Any) -> Operand:
    if len(items) != 1 or isinstance(items[0], (tuple, list)):
        raise Refusal("several items are repeated", "repeat one number or array")
    return [call(builder, "list_sum", g)]


@expansion()
def appended_zero(builder: Builder, g: Operand, xs: Operand) -> Operand:
    return call(builder, "list_append", g, zero_item(builder, xs, -1))


@expansion()
def with_zero(builder: Builder, g: Operand, index: Operand, xs: Operand) -> Operand:
    return call(builder, "list_set", g, index, zero_item(builder, xs, index))


@expansion()
def scattered(builder: Builder, g: Operand, xs: Operand, index: Operand, path: Path) -> Operand:
    return call(builder, "list_scatter", xs, g, index, cotangent_path(element_type(xs), path))


@expansion()
def full_cotangent(builder: Builder, g: Operand, xs: Operand) -> Operand:
    """The same cotangent for every item."""
    element = cotangent_element(element_type(xs))
    if rank_of(g) == rank_of_element(element):
        return call(builder, "list_repeat", [g], length_of(builder, xs), element)
    return call(builder, "list_full", xs, g)


def rank_of_element(element: Element) -> int:
    return -1 if isinstance(element, tuple) else element.rank


@expansion()
def rows_of_cotangent(builder: Builder, g: Operand, xs: Operand) -> Operand:
    element = cotangent_element(element_type(xs))
    node = g.operation if isinstance(g, Value) else None
    if (
        isinstance(node, Operation)
        and node.primitive.name == "broadcast_to"
        and not isinstance(element, tuple)
    ):
        inner = node.arguments[0]
        if rank_of(inner) == 0:
            g = inner
    if rank_of(g) == 0:
        if isinstance(element, tuple):
            return call(builder, "list_repeat", [(g,) * len(element)], length_of(builder, xs), element)
        return full_cotangent(builder, g, xs)
    if isinstance(element, tuple) and len(element) != len(list(leaves_of(element_type(xs)))):
        raise Refusal(
            "an array is made from tuples of real and whole numbers", "make one array for each part"
        )
    return call(builder, "list_rows", g, element)


@expansion()
def split_cotangent(builder: Builder, g: Operand, xs: Operand) -> Operand:
    return call(builder, "list_full" if rank_of(g) == 0 else "list_split", xs, g)


@expansion()
def unsliced(builder: Builder, g: Operand, xs: Operand, start: Operand, stop: Operand) -> Operand:
    """The cotangent of a list of which a slice was taken: zeros around it."""
    if start is None and stop is None:
        return g
    rest = zeros(builder, xs)
    if stop is None:
        return call(builder, "list_extend", sliced(builder, rest, None, start), g)
    if start is not None:
        raise Refusal("both bounds of a slice of a list are given", "take two slices: `xs[a:][:b]`")
    return call(builder, "list_extend", g, sliced(builder, rest, stop, None))


def added(builder: Builder, known: Operand, contribution: Operand) -> Operand:
    """The sum of two cotangents of a list; of one, where nothing is known yet."""
    one = made_by(known, "list_scatter")
    if one is not None:
        known, contribution = contribution, known
    node = made_by(contribution, "list_scatter")
    if node is None:
        return contribution if known is None else call(builder, "list_add", known, contribution)
    xs, g, index, path = node.arguments
    if known is None:
        known = zeros(builder, xs)
    last = made_by(known, "list_append")
    if last is not None and not isinstance(index, Value) and index == -1:
        rest, item = last.arguments
        return call(
            builder, "list_append", rest, replaced(builder, lambda p: part_of(item, p), known, path, g)
        )
    item = replaced(builder, lambda p: call(builder, "list_item", known, index, p), known, path, g)
    return call(builder, "list_set", known, index, item)


def replaced(builder: Builder, part: Any, known: Operand, path: Path, g: Operand) -> Operand:
    """An item with `g` added to one of its parts."""
    parts = []
    for each in cotangent_paths(known):
        operand = part(each)
        if each == path:
            zero = made_by(operand, "zeros_like")
            plain = made_by(g, "broadcast_to") is None
            if zero is not None and rank_of(g) == rank_of(operand) and plain:
                operand = g
            else:
                operand = builder.call(registry[operator.add], (operand, g))
        parts.append(operand)
    return packed(parts)


def made_by(operand: Operand, name: str) -> Operation | None:
    node = operand.operation if isinstance(operand, Value) else None
    return node if isinstance(node, Operation) and node.primitive.name == name else None
