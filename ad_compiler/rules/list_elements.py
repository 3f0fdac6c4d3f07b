"""What lists whose length is known at run time only hold: the kind of their items, and of cotangents."""

from __future__ import annotations

from typing import Any

from ad_compiler.analysis.joins import Different, joined_element
from ad_compiler.analysis.types import ArrayType, Element, ListType, Path, leaves_of
from ad_compiler.ir import Operand, Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.shapes import type_of

ONE_KIND = "keep items of one kind in a list: numbers, arrays of one rank, or tuples of them"


def is_list(operand: Operand) -> bool:
    """Whether an operand is a list of run-time length."""
    return isinstance(operand, Value) and isinstance(operand.type, ListType)


def element_type(xs: Operand) -> Element:
    assert isinstance(xs, Value) and isinstance(xs.type, ListType)
    return xs.type.element


def element_of(item: Operand) -> Element:
    """The kind of an item that is put into a list."""
    if isinstance(item, (tuple, list)) and item:
        return tuple([element_of(part) for part in item])
    kind = type_of(item) if not isinstance(item, (tuple, list)) else None
    if kind is None:
        raise Refusal("an empty container is put into a list that changes at run time", ONE_KIND)
    return kind


def joined_items(items: Any, element: Element | None = None) -> Element:
    """The kind of all of these items."""
    for item in items:
        kind = element_of(item)
        try:
            element = kind if element is None else joined_element(element, kind)
        except Different as error:
            raise Refusal(f"a list changes at run time, and {error}", ONE_KIND) from error
    if element is None:
        raise Refusal("what an empty list will hold is not known", "put its first item in at once")
    return element


def cotangent_element(element: Element) -> Element:
    """The kind of the items of a cotangent: the parts that have a derivative."""
    parts = [ArrayType(leaf.dtype, leaf.shape) for _, leaf in leaves_of(element) if leaf.differentiable]
    return parts[0] if len(parts) == 1 else tuple(parts)


def cotangent_path(element: Element, path: Path) -> Path:
    """Where the cotangent of a part stands in the items of a cotangent."""
    paths = [each for each, leaf in leaves_of(element) if leaf.differentiable]
    return () if len(paths) == 1 else (paths.index(path),)


def leaf_at(element: Element, path: Path) -> ArrayType:
    for place in path:
        assert isinstance(element, tuple)
        element = element[place]
    assert isinstance(element, ArrayType)
    return element


def part_of(item: Operand, path: Path) -> Operand:
    for place in path:
        item = item[place]
    return item
