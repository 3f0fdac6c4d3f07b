"""Tangents of lists whose length is known at run time only.

The tangent of a list is a list of the same kind as its cotangent: of the tangents of those parts of its
items that have one. So the operations of lists are applied to it, item by item:

    ys = xs.append(e)       ys_dot = xs_dot.append(e_dot)
    e = xs[i]               e_dot = xs_dot[i]
"""

from __future__ import annotations

from typing import Any

from ad_compiler.analysis.types import leaves_of
from ad_compiler.builder import Builder
from ad_compiler.ir import Operand
from ad_compiler.refusal import Refusal
from ad_compiler.rules.list_elements import cotangent_element, cotangent_path, element_type, part_of
from ad_compiler.rules.lists import call, packed
from ad_compiler.rules.notation import expansion, pushforward


def packed_tangent(ys: Operand, item_dot: Operand) -> Operand:
    """The tangents of the parts of an item of `ys`, as an item of the list of tangents."""
    leaves = leaves_of(element_type(ys))
    return packed([part_of(item_dot, path) for path, leaf in leaves if leaf.differentiable])


@expansion()
def list_of(builder: Builder, ys: Operand, items_dot: Any) -> Operand:
    items = [packed_tangent(ys, item_dot) for item_dot in items_dot]
    return call(builder, "list_of", items, cotangent_element(element_type(ys)))


@expansion()
def appended(builder: Builder, ys: Operand, xs_dot: Operand, item_dot: Operand) -> Operand:
    return call(builder, "list_append", xs_dot, packed_tangent(ys, item_dot))


@expansion()
def item_at(builder: Builder, xs: Operand, xs_dot: Operand, index: Operand, path: Any) -> Operand:
    return call(builder, "list_item", xs_dot, index, cotangent_path(element_type(xs), path))


@expansion()
def with_item(builder: Builder, ys: Operand, xs_dot: Operand, index: Operand, item_dot: Operand) -> Operand:
    return call(builder, "list_set", xs_dot, index, packed_tangent(ys, item_dot))


@expansion()
def repeated(builder: Builder, ys: Operand, items_dot: Any, count: Operand) -> Operand:
    items = [packed_tangent(ys, item_dot) for item_dot in items_dot]
    return call(builder, "list_repeat", items, count, cotangent_element(element_type(ys)))


@expansion()
def rows_of(builder: Builder, ys: Operand, a_dot: Operand) -> Operand:
    return call(builder, "list_rows", a_dot, cotangent_element(element_type(ys)))


@expansion()
def stack_of(builder: Builder, xs: Operand, xs_dot: Operand) -> Operand:
    element = element_type(xs)
    if isinstance(element, tuple) and not all(leaf.differentiable for _, leaf in leaves_of(element)):
        raise Refusal(
            "an array is made from tuples of real and whole numbers", "make one array for each part"
        )
    return call(builder, "list_stack", xs_dot)


@expansion()
def applied(builder: Builder, name: str, *arguments: Operand) -> Operand:
    return call(builder, name, *arguments)


@pushforward("list_of")
def list_of_tangent(items: Any, element: Any = None, *, y: Any, items_dot: Any) -> Any:
    return list_of(y, items_dot)


@pushforward("list_append")
def list_append_tangent(xs: Any, item: Any, *, y: Any, xs_dot: Any, item_dot: Any) -> Any:
    return appended(y, xs_dot, item_dot)


@pushforward("list_item")
def list_item_tangent(xs: Any, index: Any, path: Any = (), *, xs_dot: Any) -> Any:
    return item_at(xs, xs_dot, index, path)


@pushforward("list_set")
def list_set_tangent(xs: Any, index: Any, item: Any, *, y: Any, xs_dot: Any, item_dot: Any) -> Any:
    return with_item(y, xs_dot, index, item_dot)


@pushforward("list_repeat")
def list_repeat_tangent(items: Any, count: Any, element: Any = None, *, y: Any, items_dot: Any) -> Any:
    return repeated(y, items_dot, count)


@pushforward("list_rows")
def list_rows_tangent(a: Any, element: Any = None, *, y: Any, a_dot: Any) -> Any:
    return rows_of(y, a_dot)


@pushforward("list_stack")
def list_stack_tangent(xs: Any, *, xs_dot: Any) -> Any:
    return stack_of(xs, xs_dot)


@pushforward("list_full")
def list_full_tangent(xs: Any, g: Any, *, g_dot: Any) -> Any:
    return applied("list_full", xs, g_dot)


@pushforward("list_split")
def list_split_tangent(xs: Any, g: Any, *, g_dot: Any) -> Any:
    return applied("list_split", xs, g_dot)


@pushforward("list_add")
def list_add_tangent(xs: Any, ys: Any, *, xs_dot: Any, ys_dot: Any) -> Any:
    return applied("list_add", xs_dot, ys_dot)


@pushforward("list_scatter")
def list_scatter_tangent(xs: Any, g: Any, index: Any, path: Any, *, g_dot: Any) -> Any:
    return applied("list_scatter", xs, g_dot, index, path)
