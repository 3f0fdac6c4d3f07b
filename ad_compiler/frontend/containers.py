"""Dicts that are changed in place: `d["k"] = e`, `d.update(...)`, `d |= e`; items of lists that are deleted.

The keys of a dict are known while compiling, so the change is made in the operand itself: all names that
hold the dict see it. Lists are changed by `lists`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from ad_compiler.analysis.layout import is_array
from ad_compiler.frontend import lists
from ad_compiler.frontend.aliases import current
from ad_compiler.frontend.context import Context, lower
from ad_compiler.frontend.operations import elements_of, evaluate
from ad_compiler.frontend.scope import Undecided, containers_in, sides_of
from ad_compiler.ir import Iteration, Operand, Record
from ad_compiler.rules.list_elements import is_list
from ad_compiler.traversal import values_in

Arguments = list[Operand]
Dict = dict[Any, Operand]
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
    """`holder[index] = value`, or `holder[index] op= value`, of a container that is no list."""
    from ad_compiler.frontend import attributes
    from ad_compiler.frontend.expressions import BINARY, apply_binary
    from ad_compiler.frontend.writes import update

    if not isinstance(holder, dict):
        kind = holder.cls.__name__ if isinstance(holder, Record) else type(holder).__name__
        raise context.refuse(target, f"an item of a {kind} is written in place", _BUILD)
    check_own(context, target, holder)
    check_key(context, target, index)
    if op is None:
        holder[index] = current(context, value)
        return
    old = attributes.item(context, target, holder, index)
    operand = lower(context, value) if isinstance(value, ast.expr) else value
    old = current(context, old)
    if isinstance(old, list) or is_list(old):
        assert isinstance(node, ast.AugAssign)
        lists.augment(context, node, old, operand)
    elif isinstance(old, dict):
        holder[index] = augment_dict(context, node, old, op, operand)
    elif is_array(old):
        update(context, node, old, op, operand)  # the dict holds the array that is written into
    else:
        holder[index] = apply_binary(context, node, BINARY[type(op)], old, operand)


def delete_item(context: Context, node: ast.AST, holder: Operand, index: Operand) -> None:
    """`del holder[index]`."""
    if isinstance(holder, list):
        if any(True for _ in values_in(index)):
            raise context.refuse(
                node, "which item is deleted is not known while compiling", "use a constant index"
            )
        changed = list(holder)
        evaluate(context, node, changed.__delitem__, index)
        lists.replace(context, node, holder, changed)
        return
    if not isinstance(holder, dict):
        raise context.refuse(node, "an item of something else than a list or a dict is deleted", _BUILD)
    check_own(context, node, holder)
    check_key(context, node, index)
    evaluate(context, node, holder.__delitem__, index)


def check_key(context: Context, node: ast.AST, key: Operand) -> None:
    if any(True for _ in values_in(key)) or isinstance(key, (list, dict, Record, Iteration)):
        raise context.refuse(node, "a key is not known while compiling", "use constant keys")


def check_own(context: Context, node: ast.AST, holder: Dict) -> None:
    """Refuse to change a dict that is not the function's own, or that a branch has chosen."""
    if any(holder is each for chosen in context.chosen_containers for each in chosen):
        raise context.refuse(node, "a branch chose which dict this is, and it is changed", _BUILD)
    own = context.lists.family(holder)
    for name, operand in lists.holders(context):
        for each in containers_in(list(sides_of(operand)) if isinstance(operand, Undecided) else ()):
            if each is not holder and own & context.lists.family(each):
                reason = f"`{name}` may hold the dict that is changed here, or another one"
                raise context.refuse(node, reason, "use one name for the dict, or copy it")
    if id(holder) in context.outside:
        raise context.refuse(
            node,
            "a dict from outside of the function, a global for instance, is changed: "
            "a side effect that a derivative cannot follow",
            "make a copy of it, change that, and return it",
        )


def augment_dict(context: Context, node: ast.AST, holder: Dict, op: ast.operator, operand: Operand) -> Dict:
    """`d |= e`: the same dict, changed."""
    check_own(context, node, holder)
    if not isinstance(op, ast.BitOr) or not isinstance(operand, dict):
        raise context.refuse(node, "a dict is changed in a way that is not known", _BUILD)
    holder.update(operand)
    return holder


def is_changing(name: str) -> bool:
    """Whether a method changes a dict."""
    return name in METHODS


def change(
    context: Context, node: ast.AST, holder: Dict, name: str, positional: Arguments, keywords: Dict
) -> Operand:
    """A call of a method that changes a dict."""
    check_own(context, node, holder)
    if name == "update":
        return _update(context, node, holder, positional, keywords)
    if keywords:
        raise context.refuse(node, f"`.{name}` is called with keywords", "pass the arguments by position")
    return METHODS[name](context, node, holder, *positional)


def _pop(context: Context, node: ast.AST, holder: Dict, *arguments: Operand) -> Operand:
    check_key(context, node, arguments[0])
    return evaluate(context, node, holder.pop, *arguments)


def _clear(context: Context, node: ast.AST, holder: Dict) -> None:
    holder.clear()


def _setdefault(
    context: Context, node: ast.AST, holder: Dict, key: Operand, default: Operand = None
) -> Operand:
    check_key(context, node, key)
    return holder.setdefault(key, default)


def _popitem(context: Context, node: ast.AST, holder: Dict) -> Operand:
    return evaluate(context, node, holder.popitem)


def _update(context: Context, node: ast.AST, holder: Dict, positional: Arguments, keywords: Dict) -> None:
    if positional and isinstance(positional[0], dict):
        holder.update(positional[0])
    elif positional:
        for pair in elements_of(context, node, positional[0]):
            key, value = elements_of(context, node, pair)
            check_key(context, node, key)
            holder[key] = value
    holder.update(keywords)


METHODS: dict[str, Callable[..., Operand]] = {
    "pop": _pop,
    "popitem": _popitem,
    "setdefault": _setdefault,
    "clear": _clear,
    "update": _update,
}
