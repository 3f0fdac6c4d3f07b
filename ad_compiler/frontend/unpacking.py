"""Assignments to several targets: `a, b = pair`, `first, *rest = xs`, `for x, y in points`.

How many items there are is told by the targets, where it is not known of what is unpacked: an array or a
list whose length is a matter of the run is asked for it, as Python would ask.

    x, y = p        ->      if len(p) != 2: raise ValueError(...)
                            x = p[0]; y = p[1]
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable

from ad_compiler.frontend.context import Context
from ad_compiler.frontend.iteration import is_known
from ad_compiler.frontend.lists import item_at, length_of
from ad_compiler.frontend.operations import elements_of, operation
from ad_compiler.ir import Operand, Value
from ad_compiler.rules.list_elements import is_list
from ad_compiler.rules.notation import registry
from ad_compiler.rules.shapes import rank_of
from ad_compiler.rules.structure import length

Assign = Callable[[Context, ast.expr, Operand], None]


def unpack(context: Context, target: ast.Tuple | ast.List, operand: Operand, assign: Assign) -> None:
    """Bind each of the targets to its item."""
    stars = [i for i, element in enumerate(target.elts) if isinstance(element, ast.Starred)]
    wanted = len(target.elts)
    if is_list(operand) or (isinstance(operand, Value) and rank_of(operand) > 0 and not is_known(operand)):
        items = items_at_run_time(context, target, operand, wanted, stars[0] if stars else None)
    else:
        items = known_items(context, target, operand, wanted, stars[0] if stars else None)
    for element, item in zip(target.elts, items, strict=True):
        assign(context, element.value if isinstance(element, ast.Starred) else element, item)


def known_items(
    context: Context, target: ast.expr, operand: Operand, wanted: int, star: int | None
) -> list[Operand]:
    """One item for each target; a list of them for the one with a star."""
    items = elements_of(context, target, operand)
    if (star is None and len(items) != wanted) or (star is not None and len(items) < wanted - 1):
        raise context.refuse(target, f"{len(items)} values are unpacked into {wanted} names", "match them")
    if star is None:
        return items
    end = len(items) - (wanted - star - 1)
    return [*items[:star], items[star:end], *items[end:]]


def items_at_run_time(
    context: Context, target: ast.expr, operand: Value, wanted: int, star: int | None
) -> list[Operand]:
    """The same, of an array or a list whose length is checked when the program runs."""
    several = is_list(operand)
    count = length_of(context, target, operand) if several else length(context.builder, operand, 0)
    needed = wanted - (star is not None)
    fails = registry[operator.ne if star is None else operator.lt]
    failed = operation(context, target, fails, (count, needed))
    message = f"{'' if star is None else 'at least '}{needed} values are needed for `{ast.unparse(target)}`"
    operation(context, target, registry["require"], (failed, message))

    def item(place: int) -> Operand:
        if several:
            return item_at(context, target, operand, place)
        return operation(context, target, registry["getitem"], (operand, (place,)))

    if star is None:
        return [item(place) for place in range(wanted)]
    after = wanted - star - 1
    start, stop = star or None, -after or None
    if several:
        middle = operation(context, target, registry["list_slice"], (operand, start, stop))
    else:
        part = operation(context, target, registry["getitem"], (operand, (slice(start, stop),)))
        middle = operation(context, target, registry["list_rows"], (part, None))
    return [*map(item, range(star)), middle, *map(item, range(-after, 0))]
