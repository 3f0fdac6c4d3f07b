"""`sorted`: items that are known while compiling, or whose order only running the program tells.

sorted([a, b])      ->      order = np.argsort([a, b], kind="stable")
                            np.array([a, b])[order]
"""

from __future__ import annotations

import ast
import operator

import numpy as np

from ad_compiler.frontend.context import Context
from ad_compiler.frontend.folds import Arguments, Keywords, has_values, key_for
from ad_compiler.frontend.iteration import check_iterable, is_known
from ad_compiler.frontend.operations import elements_of, evaluate, operation
from ad_compiler.ir import Iteration, Operand, Record, Value
from ad_compiler.rules.list_elements import is_list
from ad_compiler.rules.notation import registry
from ad_compiler.rules.shapes import rank_of


def ordered(context: Context, node: ast.AST, positional: Arguments, keywords: Keywords) -> Operand:
    """`sorted`: while compiling where what is compared is known, else by `np.argsort`."""
    container = positional[0]
    check_iterable(context, node, container)
    key, reverse = keywords.get("key"), keywords.get("reverse", False)
    if isinstance(reverse, Value):
        raise context.refuse(
            node, "the direction of an order is not known while compiling", "write two calls"
        )
    if not is_known(container):
        return ordered_at_run_time(context, node, container, key, bool(reverse))
    found = elements_of(context, node, container)
    keys = found if key is None else [key_for(context, node, key, item) for item in found]
    if any(isinstance(k, Value) for k in keys) and all(map(is_number, keys)):
        return ordered_by_numbers(context, node, found, keys, bool(reverse))
    if any(isinstance(k, (Value, Record)) or has_values(k) for k in keys):
        raise context.refuse(
            node, "the order of these items is not known while compiling", "use `np.sort` or `np.argsort`"
        )

    def order() -> list[int]:
        return sorted(range(len(keys)), key=keys.__getitem__, reverse=bool(reverse))

    return [found[i] for i in evaluate(context, node, order)]


def is_number(operand: Operand) -> bool:
    return isinstance(operand, (int, float, np.number)) or (
        isinstance(operand, Value) and not is_list(operand) and rank_of(operand) == 0
    )


def ordered_by_numbers(
    context: Context, node: ast.AST, found: list[Operand], keys: list[Operand], reverse: bool
) -> list[Operand]:
    """Items in the order of numbers known at run time: each part of them is put in order as an array."""
    order = order_of(context, node, operation(context, node, registry[np.array], (keys, None)), reverse)
    first = found[0]
    if any(type(item) is not type(first) and not is_number(item) for item in found):
        raise context.refuse(node, "items of several kinds are put in order", "use `np.argsort`")
    if isinstance(first, (tuple, list)):
        if any(len(item) != len(first) for item in found):
            raise context.refuse(node, "items of several lengths are put in order", "use `np.argsort`")
        columns = [in_order(context, node, list(part), order) for part in zip(*found, strict=True)]
        return [type(first)(item) for item in zip(*columns, strict=True)]
    return in_order(context, node, found, order)


def in_order(context: Context, node: ast.AST, items: list[Operand], order: Operand) -> list[Operand]:
    if not all(isinstance(item, Value) or is_number(item) for item in items) or any(map(is_list, items)):
        raise context.refuse(node, "what is put in order is no number and no array", "use `np.argsort`")
    stacked = operation(
        context,
        node,
        registry[np.stack if rank_of(items[0]) else np.array],
        (items, 0 if rank_of(items[0]) else None),
    )
    moved = operation(context, node, registry["getitem"], (stacked, (order,)))
    return [operation(context, node, registry["getitem"], (moved, (place,))) for place in range(len(items))]


def order_of(context: Context, node: ast.AST, keys: Operand, reverse: bool) -> Operand:
    """The places of numbers in order; equal ones stay in theirs, whichever the direction."""
    if reverse:
        keys = operation(context, node, registry[operator.neg], (keys,))
    argsort = registry[np.argsort]
    return operation(context, node, argsort, argsort.bind([keys], {"kind": "stable"}))


def ordered_at_run_time(
    context: Context, node: ast.AST, container: Operand, key: Operand, reverse: bool
) -> Operand:
    from ad_compiler.frontend.comprehensions import listed, mapped

    several = listed(context, node, container) if isinstance(container, Iteration) else container
    several = operation(context, node, registry["list_stack"], (several,)) if is_list(several) else several
    keys = several
    if key is not None:
        keys = listed(context, node, mapped(context, node, key, several))
        keys = operation(context, node, registry["list_stack"], (keys,))
    if rank_of(keys) != 1:
        raise context.refuse(
            node, "what is put in order is no list of numbers", "use `np.sort` or `np.argsort`"
        )
    moved = operation(
        context, node, registry["getitem"], (several, (order_of(context, node, keys, reverse),))
    )
    return operation(context, node, registry["list_rows"], (moved, None))
