"""Lists that a program changes.

A list whose items are known while compiling is an operand like a tuple, and `xs.append(e)` makes a new one,
which all names of the old one are bound to. Where a loop or a branch makes its length a run-time matter, the
list becomes one value (`lifted`), and its methods become operations (`rules.lists`).

Two names of one list must stay that: a change through one of them is seen through the other. They are
followed by identity, through branches and loops too; where that cannot tell, the change is refused.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Iterator
from typing import Any

import numpy as np

from ad_compiler.analysis.joins import joined_element
from ad_compiler.analysis.layout import is_array
from ad_compiler.analysis.types import ArrayType, Element, ListType, Path
from ad_compiler.frontend.context import Context, lower
from ad_compiler.frontend.list_checks import check_pending, lists_in
from ad_compiler.frontend.operations import elements_of, operation
from ad_compiler.frontend.scope import Undecided
from ad_compiler.ir import Iteration, Operand, Record, Value
from ad_compiler.rules.list_elements import element_type, is_list, joined_items
from ad_compiler.rules.notation import registry
from ad_compiler.rules.shapes import type_of
from ad_compiler.traversal import values_in

CHANGING = ("append", "extend", "insert", "pop", "clear", "reverse", "remove", "sort")
ONE_NAME = "use one name for the list, or copy it: `list(xs)`"


def lifted(context: Context, node: ast.AST, items: Operand, element: Element | None = None) -> Value:
    """A list as one value."""
    if isinstance(items, Value):
        return items
    for item in items:
        check_numbers(context, node, item)
    made = operation(context, node, registry["list_of"], (reals(items, element), element))
    assert isinstance(made, Value)
    context.lists.same(made, items)
    return made


def reals(items: list[Operand], element: Element | None) -> list[Operand]:
    """Whole numbers known while compiling, in a list of real ones, are written as such."""
    real = element is not None and not isinstance(element, tuple) and element.dtype.kind == "f"
    return [float(item) if real and type(item) is int else item for item in items]


def item_at(context: Context, node: ast.AST, xs: Value, index: Operand) -> Operand:
    """`xs[index]`, in the structure of the items."""

    def part(element: Element, path: Path) -> Operand:
        if isinstance(element, tuple):
            return tuple([part(inner, (*path, place)) for place, inner in enumerate(element)])
        return operation(context, node, registry["list_item"], (xs, index, path))

    return part(element_type(xs), ())


def length_of(context: Context, node: ast.AST, xs: Value) -> Operand:
    return operation(context, node, registry["list_length"], (xs,))


def truth_of(context: Context, node: ast.AST, operand: Operand) -> Operand:
    """Whether a list has items, where an operand is a list of run-time length."""
    if not is_list(operand):
        return operand
    return operation(context, node, registry[operator.gt], (length_of(context, node, operand), 0))


def subscript(context: Context, node: ast.AST, xs: Value, index: Operand) -> Operand:
    if isinstance(index, slice):
        if index.step not in (None, 1):
            raise context.refuse(
                node, "a list is sliced with a step", "run over it with `reversed` or a range"
            )
        return operation(context, node, registry["list_slice"], (xs, index.start, index.stop))
    kind = type_of(index)
    if kind.rank or kind.dtype.kind not in "iu":
        raise context.refuse(node, "a list is indexed with what is no whole number", "index an array")
    return item_at(context, node, xs, index)


def method(
    context: Context,
    node: ast.Call,
    xs: Operand,
    name: str,
    positional: list[Operand],
    keywords: dict[str, Any],
) -> Operand:
    """`xs.name(...)` of a list."""
    if keywords:
        raise context.refuse(node, f"`.{name}` of a list is called with keywords", "leave them out")
    if name == "copy":
        return copied(context, node, xs)
    if name not in CHANGING:
        raise context.refuse(node, f"`.{name}` of a list is not known", "use its items")
    assert isinstance(node.func, ast.Attribute)
    check_pending(context, node)
    if isinstance(node.func.value, ast.Name):
        xs = lower(context, node.func.value)  # as the arguments have left it
    own = context.lists.family(xs)
    if name != "extend" or any(isinstance(each, Iteration) for each in positional):
        for each in lists_in(positional):
            if own & context.lists.family(each):
                raise context.refuse(
                    node, f"a list is an argument of its own `.{name}`", "copy it: `list(xs)`"
                )
    result, changed = apply(context, node, xs, name, positional)
    replace(context, node, xs, changed)
    return result


def copied(context: Context, node: ast.AST, xs: Operand) -> Operand:
    return operation(context, node, registry["list_copy"], (xs,)) if isinstance(xs, Value) else list(xs)


def apply(
    context: Context, node: ast.AST, xs: Operand, name: str, positional: list[Operand]
) -> tuple[Operand, Operand]:
    """What a method returns, and the list that it leaves."""
    if isinstance(xs, Value):
        return apply_to_value(context, node, xs, name, positional)
    if name in ("pop", "insert") and any(isinstance(each, Value) for each in positional[:1]):
        raise context.refuse(node, "which item is meant is not known while compiling", "use a constant index")
    if name == "sort" and not positional:
        from ad_compiler.frontend.sorting import ordered

        return None, ordered(context, node, [xs], {})
    if name in ("sort", "remove"):
        raise context.refuse(node, f"`.{name}` changes a list in place", "build a new one")
    changed = list(xs)
    if name == "extend":
        (more,) = positional
        if is_list(more):
            return None, operation(context, node, registry["list_extend"], (lifted(context, node, xs), more))
        positional = [elements_of(context, node, more)]
    for item in positional:
        check_item(context, node, item)
    try:
        result = getattr(changed, name)(*positional)
    except (IndexError, TypeError) as error:
        message = f"this fails with {type(error).__name__}: {error}"
        raise context.refuse(node, message, "correct it") from None
    return result, changed


def check_item(context: Context, node: ast.AST, item: Operand) -> None:
    if isinstance(item, Iteration):
        raise context.refuse(node, "an iterator is put into a list", "put a tuple of its items into it")


def apply_to_value(
    context: Context, node: ast.AST, xs: Value, name: str, positional: list[Operand]
) -> tuple[Operand, Operand]:
    if name == "append":
        (item,) = positional
        check_item(context, node, item)
        check_mutable_item(context, node, item)
        return None, operation(context, node, registry["list_append"], (xs, frozen(item)))
    if name == "pop" and (not positional or positional[0] == -1):
        item = item_at(context, node, xs, -1)
        return item, operation(context, node, registry["list_rest"], (xs,))
    if name == "pop" and not isinstance(positional[0], Value) and positional[0] == 0:
        item = item_at(context, node, xs, 0)
        return item, operation(context, node, registry["list_slice"], (xs, 1, None))
    if name == "extend":
        (more,) = positional
        if not is_list(more):
            if not isinstance(more, (list, tuple)):
                more = elements_of(context, node, more)
            if not more:
                return None, operation(context, node, registry["list_copy"], (xs,))
            more = lifted(context, node, list(more))
        return None, operation(context, node, registry["list_extend"], (xs, more))
    if name == "clear":
        return None, []
    raise context.refuse(
        node, f"`.{name}` of a list whose length is not known while compiling", "build a new one"
    )


def frozen(item: Operand) -> Operand:
    """A list that is put into a list of run-time length becomes a tuple there."""
    if isinstance(item, (list, tuple)):
        return tuple([frozen(part) for part in item])
    return item


def check_mutable_item(context: Context, node: ast.AST, item: Operand) -> None:
    """Refuse a list as an item that can be changed later."""
    check_numbers(context, node, item)
    if is_list(item) or (isinstance(item, tuple) and any(map(is_list, item))):
        raise context.refuse(
            node, "a list is put into a list whose length is not known", "make an array of it"
        )
    if isinstance(item, (dict, Record)):
        raise context.refuse(
            node, "a dict or an object is put into a list of run-time length", "put a tuple there"
        )
    if isinstance(item, list) and any(
        held is item for _, operand in holders(context) for held in lists_in(operand)
    ):
        raise context.refuse(
            node, "a list with a name is put into a list of run-time length", "put a tuple there"
        )


def augment(context: Context, node: ast.AugAssign, xs: Operand, operand: Operand) -> None:
    """`xs += ys`."""
    if not isinstance(node.op, ast.Add):
        raise context.refuse(node, "a list is changed in place", "build a new one")
    _, changed = apply(context, node, xs, "extend", [operand])
    replace(context, node, xs, changed)


def write(
    context: Context, target: ast.Subscript, xs: Operand, value: ast.expr | Operand, op: ast.operator | None
) -> None:
    """`xs[index] = value`, or `xs[index] op= value`."""
    from ad_compiler.frontend import attributes
    from ad_compiler.frontend.expressions import BINARY, apply_binary
    from ad_compiler.frontend.writes import update

    index = lower(context, target.slice)
    operand = lower(context, value) if op is not None and isinstance(value, ast.expr) else value
    if op is not None:
        old = attributes.item(context, target, xs, index)
        if is_array(old):
            update(context, target, old, op, operand)  # the list holds the array that is written into
            return
        if isinstance(old, (list, dict, Record)):
            raise context.refuse(target, "an item of a list is written in place", "assign a new item")
        operand = apply_binary(context, target, BINARY[type(op)], old, operand)
    set_item(context, target, xs, index, operand)


def sum_of(context: Context, node: ast.AST, function: Any, left: Operand, right: Operand) -> Operand:
    """`xs + ys`, `[e] * n`: None where the operands are no lists of run-time length."""
    if function is operator.add and (is_list(left) or is_list(right)):
        pair = (left, right)
        if all(isinstance(each, list) or is_list(each) for each in pair):
            if [] in pair:
                return copied(context, node, left if right == [] else right)
            both = tuple([lifted(context, node, each) for each in pair])
            return operation(context, node, registry["list_extend"], both)
    if function is operator.mul:
        items, count = (left, right) if isinstance(left, list) else (right, left)
        if isinstance(items, list) and isinstance(count, Value) and items and not type_of(count).rank:
            for item in items:
                check_mutable_item(context, node, item)
            return operation(
                context, node, registry["list_repeat"], ([frozen(i) for i in items], count, None)
            )
    return None


def given(context: Context, node: ast.AST, callee: Any, operands: list[Operand]) -> list[Operand]:
    """Lists of run-time length as the arguments of a function of NumPy: arrays."""
    return [stacked(context, node, each, callee) if is_list(each) else each for each in operands]


def stacked(context: Context, node: ast.AST, xs: Value, callee: Any) -> Operand:
    element = element_type(xs)
    rank = -1 if isinstance(element, tuple) else element.rank
    joins = {np.concatenate: 1, np.hstack: 1, np.vstack: 2}
    name = "list_concatenate" if rank >= joins.get(callee, rank + 1) else "list_stack"
    if (callee is np.hstack and rank > 1) or (callee is np.concatenate and rank < 1):
        raise context.refuse(
            node, f"`np.{callee.__name__}` joins arrays of rank {rank}", "use `np.concatenate`"
        )
    return operation(context, node, registry[name], (xs,))


STACKING = (np.array, np.asarray, np.stack, np.vstack, np.concatenate, np.hstack)


def check_numbers(context: Context, node: ast.AST, item: Operand) -> None:
    """Refuse arrays without axes, which could be changed in a list, as numbers cannot."""
    for value in values_in(item):
        if isinstance(value.type, ArrayType) and value.type.rank == 0 and is_array(value):
            raise context.refuse(node, "an array without axes may be put into a list", "make it a `float`")


def set_item(context: Context, node: ast.AST, xs: Operand, index: Operand, item: Operand) -> None:
    """`xs[index] = item`."""
    check_item(context, node, item)
    if isinstance(index, slice):
        raise context.refuse(node, "a slice of a list is written", "write its items one by one")
    if not isinstance(xs, Value) and isinstance(index, Value):
        xs, old = lifted(context, node, xs), xs
    else:
        old = xs
    if isinstance(xs, Value):
        check_mutable_item(context, node, item)
        changed = operation(context, node, registry["list_set"], (xs, index, frozen(item)))
    else:
        changed = list(xs)
        try:
            changed[index] = item
        except (IndexError, TypeError) as error:
            raise context.refuse(
                node, f"this fails with {type(error).__name__}: {error}", "correct it"
            ) from None
    replace(context, node, old, changed)


# --- one list under several names ---


def holders(context: Context) -> Iterator[tuple[str, Operand]]:
    """All names that are bound now, and what they hold."""
    from ad_compiler.frontend.aliases import reachable_scopes

    for scope in reachable_scopes(context):
        yield from scope.names.items()


def replace(context: Context, node: ast.AST, old: Operand, new: Operand) -> None:
    """Bind to the changed list what held the list before."""
    from ad_compiler.frontend.aliases import reachable_scopes

    if id(old) in context.outside:
        raise context.refuse(
            node,
            "a list from outside of the function, a global for instance, is changed: "
            "a side effect that a derivative cannot follow",
            "make a copy of it, `list(xs)`, change that, and return it",
        )
    own = context.lists.family(old)
    for name, operand in holders(context):
        for each in lists_in(operand):
            followed = each is old and not isinstance(operand, Undecided)
            if not followed and own & context.lists.family(each):
                raise context.refuse(
                    node, f"`{name}` may hold the list that is changed here, or another one", ONE_NAME
                )
    context.lists.changes.append((old, node))
    context.lists.same(new, old)
    if isinstance(new, Value) and isinstance(old, Value) and new.name is None:
        new.name = old.name
    found = False
    swapped: dict[int, Operand] = {}

    def swap(operand: Operand) -> Operand:
        nonlocal found
        if operand is old:
            found = True
            return new
        if id(operand) in swapped:
            return swapped[id(operand)]
        result = operand
        if isinstance(operand, (list, tuple)) and not hasattr(operand, "_fields"):
            items = [swap(item) for item in operand]
            if any(a is not b for a, b in zip(items, operand, strict=True)):
                result = type(operand)(items)
        elif isinstance(operand, (dict, Record)):
            swapped[id(operand)] = operand
            fields = operand if isinstance(operand, dict) else operand.fields
            for key, item in fields.items():
                fields[key] = swap(item)
        context.lists.kept.append(operand)
        swapped[id(operand)] = result
        return result

    for scope in reachable_scopes(context):
        for name, operand in scope.names.items():
            scope.names[name] = swap(operand)
    if not found and not isinstance(getattr(node, "func", None), ast.Attribute):
        raise context.refuse(node, "a list that has no name is changed", "give it a name")


def joined_list(*operands: Operand) -> ListType:
    """The kind of a list that is one of these."""
    elements = [element_type(each) for each in operands if is_list(each)]
    items = [item for each in operands if not is_list(each) for item in each]
    element: Element | None = elements[0] if elements else None
    for other in elements[1:]:
        assert element is not None
        element = joined_element(element, other)
    return ListType(joined_items(items, element))
