"""Lists and dicts that are changed in place: `xs[0] = e`, `xs.append(e)`, `d.update(...)`, `xs += ys`.

The structure of a container is known while compiling, so the change is made in the operand itself: all
names that hold the container see it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from ad_compiler.frontend.context import Context, lower
from ad_compiler.frontend.operations import elements_of, evaluate
from ad_compiler.ir import Iteration, Operand, Record, Value, values_in

Arguments = list[Operand]
_BUILD = "build a new one"


def write_container(
    context: Context,
    node: ast.AST,
    target: ast.Subscript,
    holder: Operand,
    index: Operand,
    value: ast.expr | Operand,
    op: ast.operator | None,
) -> None:
    """`holder[index] = value`, or `holder[index] op= value`, of a container."""
    from ad_compiler.frontend import attributes
    from ad_compiler.frontend.aliases import current
    from ad_compiler.frontend.expressions import BINARY, apply_binary
    from ad_compiler.frontend.writes import is_array, update

    if not isinstance(holder, (list, dict)):
        kind = holder.cls.__name__ if isinstance(holder, Record) else type(holder).__name__
        raise context.refuse(target, f"an item of a {kind} is written in place", _BUILD)
    check_own(context, target, holder)
    check_index(context, target, holder, index)
    if op is None:
        set_item(context, target, holder, index, value)
        return
    old = attributes.item(context, target, holder, index)
    operand = lower(context, value) if isinstance(value, ast.expr) else value
    if isinstance(old, (list, dict)):
        holder[index] = augment_container(context, node, old, op, operand)
        return
    old = current(context, old)
    if is_array(old):
        update(context, node, old, op, operand)  # the container holds what is written into
        return
    set_item(context, target, holder, index, apply_binary(context, node, BINARY[type(op)], old, operand))


def set_item(context: Context, node: ast.AST, holder: Any, index: Operand, operand: Operand) -> None:
    if isinstance(holder, list) and isinstance(index, slice):
        evaluate(context, node, holder.__setitem__, index, elements_of(context, node, operand))
    else:
        evaluate(context, node, holder.__setitem__, index, operand)


def delete_item(context: Context, node: ast.AST, holder: Operand, index: Operand) -> None:
    """`del holder[index]`."""
    if not isinstance(holder, (list, dict)):
        raise context.refuse(node, "an item of something else than a list or a dict is deleted", _BUILD)
    check_own(context, node, holder)
    check_index(context, node, holder, index)
    evaluate(context, node, holder.__delitem__, index)


def check_index(context: Context, node: ast.AST, holder: Operand, index: Operand) -> None:
    if any(True for _ in values_in(index)):
        what = "which item of a list" if isinstance(holder, list) else "which key of a dict"
        raise context.refuse(
            node, f"{what} is written is not known while compiling", "use a constant index, or an array"
        )
    if isinstance(holder, dict) and isinstance(index, (list, dict, Record, Iteration)):
        raise context.refuse(node, "a key is not known while compiling", "use constant keys")


def check_own(context: Context, node: ast.AST, holder: Operand) -> None:
    """Refuse to change a container that is not the function's own: one of a global, or a default."""
    for lists in context.chosen_containers:
        if any(holder is each for each in lists):
            raise context.refuse(
                node, f"a branch chose which {type(holder).__name__} this is, and it is changed", _BUILD
            )
    if id(holder) in context.outside:
        raise context.refuse(
            node,
            f"a {type(holder).__name__} from outside of the function, a global for instance, is changed: "
            "a side effect that a derivative cannot follow",
            "make a copy of it, change that, and return it",
        )


def augment_container(
    context: Context, node: ast.AST, holder: Operand, op: ast.operator, operand: Operand
) -> Operand:
    """`xs += ys`, `xs *= 2`, `d |= e`: the same container, changed."""
    check_own(context, node, holder)
    if isinstance(holder, list) and isinstance(op, ast.Add):
        holder += elements_of(context, node, operand)
    elif isinstance(holder, list) and isinstance(op, ast.Mult) and isinstance(operand, int):
        holder *= operand
    elif isinstance(holder, dict) and isinstance(op, ast.BitOr) and isinstance(operand, dict):
        holder.update(operand)
    else:
        raise context.refuse(node, f"a {type(holder).__name__} is changed in a way that is not known", _BUILD)
    return holder


def is_changing(holder: Operand, name: str) -> bool:
    """Whether a method changes a list or a dict."""
    return name in (LIST_METHODS if isinstance(holder, list) else DICT_METHODS)


def change(
    context: Context,
    node: ast.AST,
    holder: Any,
    name: str,
    positional: Arguments,
    keywords: dict[str, Operand],
) -> Operand:
    """A call of a method that changes a container."""
    check_own(context, node, holder)
    table = LIST_METHODS if isinstance(holder, list) else DICT_METHODS
    if keywords and name != "update":
        raise context.refuse(node, f"`.{name}` is called with keywords", "pass the arguments by position")
    if name == "update":
        return evaluate(context, node, _update, context, node, holder, positional, keywords)
    return evaluate(context, node, table[name], context, node, holder, *positional)


def _append(context: Context, node: ast.AST, holder: list[Operand], item: Operand) -> None:
    holder.append(item)


def _extend(context: Context, node: ast.AST, holder: list[Operand], items: Operand) -> None:
    holder.extend(elements_of(context, node, items))


def _insert(context: Context, node: ast.AST, holder: list[Operand], place: Operand, item: Operand) -> None:
    check_index(context, node, holder, place)
    holder.insert(place, item)


def _pop(context: Context, node: ast.AST, holder: Any, *arguments: Operand) -> Operand:
    check_index(context, node, holder, tuple(arguments[:1]))
    return holder.pop(*arguments)


def _remove(context: Context, node: ast.AST, holder: list[Operand], item: Operand) -> None:
    if any(isinstance(each, Value) for each in [*holder, item]):
        raise context.refuse(node, "which item is removed is not known while compiling", "use `del xs[i]`")
    holder.remove(item)


def _reverse(context: Context, node: ast.AST, holder: list[Operand]) -> None:
    holder.reverse()


def _clear(context: Context, node: ast.AST, holder: Any) -> None:
    holder.clear()


def _sort(context: Context, node: ast.AST, holder: list[Operand]) -> None:
    if any(True for _ in values_in(holder)):
        raise context.refuse(
            node, "the order of the items is not known while compiling", "sort with `np.sort`"
        )
    holder.sort()


def _setdefault(
    context: Context, node: ast.AST, holder: dict[Any, Operand], key: Operand, default: Operand = None
) -> Operand:
    check_index(context, node, holder, key)
    return holder.setdefault(key, default)


def _popitem(context: Context, node: ast.AST, holder: dict[Any, Operand]) -> Operand:
    return holder.popitem()


def _update(
    context: Context, node: ast.AST, holder: dict[Any, Operand], positional: Arguments, keywords: Any
) -> None:
    if positional and not isinstance(positional[0], dict):
        for pair in elements_of(context, node, positional[0]):
            key, value = elements_of(context, node, pair)
            check_index(context, node, holder, key)
            holder[key] = value
    elif positional:
        holder.update(positional[0])
    holder.update(keywords)


LIST_METHODS: dict[str, Callable[..., Operand]] = {
    "append": _append,
    "extend": _extend,
    "insert": _insert,
    "pop": _pop,
    "remove": _remove,
    "reverse": _reverse,
    "clear": _clear,
    "sort": _sort,
}
DICT_METHODS: dict[str, Callable[..., Operand]] = {
    "pop": _pop,
    "popitem": _popitem,
    "setdefault": _setdefault,
    "clear": _clear,
    "update": _update,
}
