"""Lists as Python expressions, and their changes in place as statements."""

from __future__ import annotations

from collections.abc import Callable

from ad_compiler.analysis.types import ArrayType, Element, Path, leaves_of
from ad_compiler.backends.numpy.expressions import Expressions
from ad_compiler.backends.numpy.precedence import Precedence, Text
from ad_compiler.backends.numpy.special_forms import SPECIAL
from ad_compiler.ir import Operation
from ad_compiler.rules.list_elements import element_type

Change = Callable[[Expressions, Operation, str], str]


def subscripts(path: Path) -> str:
    return "".join(f"[{place}]" for place in path)


def _of(printer: Expressions, node: Operation) -> Text:
    return f"[{', '.join(map(printer.text, node.arguments[0]))}]", Precedence.ATOM


def _append(printer: Expressions, node: Operation) -> Text:
    xs, item = node.arguments
    return f"{printer.at_least(xs, Precedence.ADD)} + [{printer.text(item)}]", Precedence.ADD


def _rest(printer: Expressions, node: Operation) -> Text:
    return f"{printer.at_least(node.arguments[0], Precedence.ATOM)}[:-1]", Precedence.ATOM


def _item(printer: Expressions, node: Operation) -> Text:
    xs, index, path = node.arguments
    text = f"{printer.at_least(xs, Precedence.ATOM)}[{printer.text(index)}]{subscripts(path)}"
    return text, Precedence.ATOM


def _length(printer: Expressions, node: Operation) -> Text:
    return f"len({printer.text(node.arguments[0])})", Precedence.ATOM


def _copy(printer: Expressions, node: Operation) -> Text:
    return f"{printer.at_least(node.arguments[0], Precedence.ATOM)}.copy()", Precedence.ATOM


def _call(function: str) -> Callable[[Expressions, Operation], Text]:
    return lambda printer, node: (f"{function}({printer.text(node.arguments[0])})", Precedence.ATOM)


def _repeat(printer: Expressions, node: Operation) -> Text:
    items, count, _ = node.arguments
    return f"{printer.text(list(items))} * {printer.at_least(count, Precedence.UNARY)}", Precedence.MULTIPLY


def _rows(printer: Expressions, node: Operation) -> Text:
    array, element = node.arguments
    if isinstance(element, tuple):
        parts = ", ".join(f"row[{place}]" for place in range(len(element)))
        return f"[({parts}) for row in {printer.text(array)}]", Precedence.ATOM
    if isinstance(array, object) and isinstance(element, ArrayType) and element.rank == 0:
        return f"{printer.at_least(array, Precedence.ATOM)}.tolist()", Precedence.ATOM
    return f"list({printer.text(array)})", Precedence.ATOM


def _slice(printer: Expressions, node: Operation) -> Text:
    xs, start, stop = node.arguments
    bounds = ["" if bound is None else printer.text(bound) for bound in (start, stop)]
    return f"{printer.at_least(xs, Precedence.ATOM)}[{':'.join(bounds)}]", Precedence.ATOM


def _extend(printer: Expressions, node: Operation) -> Text:
    xs, ys = node.arguments
    return (
        f"{printer.at_least(xs, Precedence.ADD)} + {printer.at_least(ys, Precedence.MULTIPLY)}",
        Precedence.ADD,
    )


def comprehension(printer: Expressions, node: Operation, part: Callable[[str, ArrayType], str]) -> Text:
    """`[part for item in xs]`, for every part of the items that has a derivative."""
    element = element_type(node.arguments[0])
    parts = [part(f"item{subscripts(p)}", leaf) for p, leaf in leaves_of(element) if leaf.differentiable]
    item = parts[0] if len(parts) == 1 else f"({', '.join(parts)})"
    return f"[{item} for item in {printer.text(node.arguments[0])}]", Precedence.ATOM


def _zeros(printer: Expressions, node: Operation) -> Text:
    return comprehension(printer, node, lambda item, leaf: f"np.zeros_like({item})" if leaf.rank else "0.0")


def _full(printer: Expressions, node: Operation) -> Text:
    filling = printer.text(node.arguments[1])
    return comprehension(
        printer, node, lambda item, leaf: f"np.full_like({item}, {filling})" if leaf.rank else filling
    )


def _split(printer: Expressions, node: Operation) -> Text:
    xs, array = node.arguments
    ends = f"np.cumsum([len(item) for item in {printer.text(xs)}])[:-1]"
    return f"np.split({printer.text(array)}, {ends})", Precedence.ATOM


def _sections(printer: Expressions, node: Operation) -> Text:
    return f"np.split({', '.join(map(printer.text, node.arguments))})", Precedence.ATOM


def _add(printer: Expressions, node: Operation) -> Text:
    xs, ys = node.arguments
    element: Element = element_type(xs)
    if isinstance(element, tuple):
        parts = [f"a{subscripts(path)} + b{subscripts(path)}" for path, _ in leaves_of(element)]
        item = f"({', '.join(parts)})"
    else:
        item = "a + b"
    return f"[{item} for a, b in zip({printer.text(xs)}, {printer.text(ys)})]", Precedence.ATOM


SPECIAL.update(
    {
        "list_of": _of,
        "list_append": _append,
        "list_rest": _rest,
        "list_item": _item,
        "list_length": _length,
        "list_copy": _copy,
        "list_stack": _call("np.array"),
        "list_concatenate": _call("np.concatenate"),
        "list_sum": _call("sum"),
        "list_repeat": _repeat,
        "list_rows": _rows,
        "list_slice": _slice,
        "list_extend": _extend,
        "list_zeros": _zeros,
        "list_full": _full,
        "list_split": _split,
        "list_sections": _sections,
        "list_add": _add,
    }
)

CHANGES: dict[str, Change] = {
    "list_append": lambda printer, node, name: f"{name}.append({printer.text(node.arguments[1])})",
    "list_rest": lambda printer, node, name: f"{name}.pop()",
    "list_extend": lambda printer, node, name: f"{name}.extend({printer.text(node.arguments[1])})",
    "list_set": lambda printer, node, name: (
        f"{name}[{printer.text(node.arguments[1])}] = {printer.text(node.arguments[2])}"
    ),
}


def changed(printer: Expressions, node: Operation, name: str, in_place: bool) -> list[str]:
    """A change of a list: in place where the list as it was is not needed any more."""
    if in_place:
        return [CHANGES[node.primitive.name](printer, node, name)]
    if node.primitive.name == "list_set":
        copied = f"{name} = {printer.at_least(node.arguments[0], Precedence.ATOM)}.copy()"
        return [copied, CHANGES["list_set"](printer, node, name)]
    return [f"{name} = {printer.operation(node)[0]}"]
