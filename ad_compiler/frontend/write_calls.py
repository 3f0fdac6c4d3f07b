"""NumPy's functions and methods that write: `copyto`, `put`, `fill`, `sort`, `np.add.at`, `out=`."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ad_compiler.analysis.layout import is_array
from ad_compiler.analysis.types import same_length, same_shape
from ad_compiler.frontend.aliases import current
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.operations import operation
from ad_compiler.frontend.overlaps import check_overlap
from ad_compiler.frontend.writes import (
    augment_item,
    check_kinds,
    overwrite,
    put_flat,
    writable,
    write,
)
from ad_compiler.ir import Operand, Value
from ad_compiler.rules.notation import expansions, registry
from ad_compiler.rules.shapes import normalized_axes, rank_of, shape_of, type_of
from ad_compiler.rules.structure import length
from ad_compiler.rules.subscripts import has_repetitions, is_basic

Arguments = list[Operand]
Keywords = dict[str, Operand]
Writer = Callable[[Context, ast.AST, Arguments, Keywords], Operand]
_AT: dict[Any, ast.operator] = {
    np.add: ast.Add(),
    np.subtract: ast.Sub(),
    np.multiply: ast.Mult(),
    np.divide: ast.Div(),
}


def bound(
    context: Context, node: ast.AST, names: str, positional: Arguments, keywords: Keywords
) -> Arguments:
    """The arguments in the order of `names`; those after the bar are optional, and None if left out."""
    needed, _, optional = names.partition("|")
    listed = [*needed.split(), *optional.split()]
    given = dict(zip(listed, positional, strict=False))
    if len(positional) > len(listed) or not set(keywords) <= set(listed) - set(given):
        raise context.refuse(node, "the arguments of this call are not known", f"give {', '.join(listed)}")
    given.update(keywords)
    missing = [name for name in needed.split() if name not in given]
    if missing:
        raise context.refuse(node, f"the argument `{missing[0]}` is missing", f"give {', '.join(listed)}")
    return [given.get(name) for name in listed]


def array_given(context: Context, node: ast.AST, operand: Operand) -> Value:
    operand = current(context, operand)
    if not is_array(operand):
        raise context.refuse(node, "what is written into is not an array", "give an array")
    return operand


def copyto(context: Context, node: ast.AST, positional: Arguments, keywords: Keywords) -> Operand:
    """`np.copyto(dst, src, where=mask)`."""
    target, source, _, where = bound(context, node, "dst src | casting where", positional, keywords)
    array = array_given(context, node, target)
    check_kinds(context, node, array, source)
    check_overlap(context, node, array, (), current(context, source))
    if where is not None and where is not True:
        source = operation(context, node, registry[np.where], (where, source, array))
    write(context, node, array, (), source)
    return None


def put(context: Context, node: ast.AST, positional: Arguments, keywords: Keywords) -> Operand:
    """`np.put(a, indices, values)`."""
    target, indices, values = bound(context, node, "a ind v", positional, keywords)
    array = array_given(context, node, target)
    unknown = rank_of(values) != rank_of(indices) or any(
        isinstance(a, int) and isinstance(b, int) and a != b
        for a, b in zip(shape_of(indices), shape_of(values), strict=False)
    )
    if rank_of(values) and unknown:
        raise context.refuse(
            node, "not as many values are put as there are places for them", "give one value for each place"
        )
    if rank_of(values) and has_repetitions((indices,)):
        raise context.refuse(
            node,
            "values are put at places that may be named twice: which value stays is not known",
            "write `a[places] = values`, where the last one stays, or use np.add.at",
        )
    put_flat(context, node, array, (indices,), values)
    return None


def putmask(context: Context, node: ast.AST, positional: Arguments, keywords: Keywords) -> Operand:
    """`np.putmask(a, mask, values)`."""
    target, mask, values = bound(context, node, "a mask values", positional, keywords)
    array = array_given(context, node, target)
    check_kinds(context, node, array, values)
    if rank_of(values) and not same_shape(shape_of(array), shape_of(values)):
        raise context.refuse(
            node, "the values have another shape than the array", "write `a[mask] = values[mask]`"
        )
    write(context, node, array, (), operation(context, node, registry[np.where], (mask, values, array)))
    return None


def fill_diagonal(context: Context, node: ast.AST, positional: Arguments, keywords: Keywords) -> Operand:
    """`np.fill_diagonal(a, val)`."""
    target, value = bound(context, node, "a val", positional, keywords)
    array = array_given(context, node, target)
    rows, columns = (*shape_of(array), None, None)[:2]
    if rank_of(array) != 2 or rows is None or columns is None or not same_length(rows, columns):
        raise context.refuse(
            node, "the diagonal of something else than a square matrix is filled", "use an index"
        )
    count = length(context.builder, array, 0)
    places = operation(context, node, registry[np.arange], (count, None, None))
    check_overlap(context, node, array, (), current(context, value), flat=True)
    write(context, node, array, (places, places), value)
    return None


def put_along_axis(context: Context, node: ast.AST, positional: Arguments, keywords: Keywords) -> Operand:
    """`np.put_along_axis(arr, indices, values, axis)`."""
    target, indices, values, axis = bound(context, node, "arr indices values axis", positional, keywords)
    array = array_given(context, node, target)
    (place,) = normalized_axes(axis, rank_of(array))
    items: list[Operand] = []
    for i in range(rank_of(array)):
        count = length(context.builder, array, i)
        others = tuple(j for j in range(rank_of(array)) if j != i)
        if i == place:
            items.append(indices)
            continue
        grid = operation(context, node, registry[np.arange], (count, None, None))
        items.append(operation(context, node, registry[np.expand_dims], (grid, others)) if others else grid)
    write(context, node, array, tuple(items), values)
    return None


def fill(context: Context, node: ast.AST, array: Value, positional: Arguments, keywords: Keywords) -> None:
    """`a.fill(value)`."""
    (value,) = bound(context, node, "value", positional, keywords)
    write(context, node, array, (), value)


def sort(context: Context, node: ast.AST, array: Value, positional: Arguments, keywords: Keywords) -> None:
    """`a.sort(axis)`."""
    axis, _, _ = bound(context, node, "| axis kind stable", positional, keywords)
    array = writable(context, node, current(context, array))
    ordered = operation(context, node, registry[np.sort], (array, -1 if axis is None else axis))
    overwrite(context, node, array, ordered, ("the sorted array does not fit", "sort along an axis"))


def put_method(
    context: Context, node: ast.AST, array: Value, positional: Arguments, keywords: Keywords
) -> None:
    """`a.put(indices, values)`."""
    indices, values = bound(context, node, "indices values", positional, keywords)
    put(context, node, [array, indices, values], {})


METHODS: dict[str, Callable[[Context, ast.AST, Value, Arguments, Keywords], None]] = {
    "fill": fill,
    "sort": sort,
    "put": put_method,
}
WRITERS: dict[Any, Writer] = {
    np.copyto: copyto,
    np.put: put,
    np.putmask: putmask,
    np.fill_diagonal: fill_diagonal,
    np.put_along_axis: put_along_axis,
}


def write_at(context: Context, node: ast.AST, ufunc: np.ufunc, positional: Arguments) -> None:
    """`np.add.at(a, indices, values)`."""
    op = _AT.get(ufunc)
    if op is None or len(positional) != 3:
        raise context.refuse(node, f"`np.{ufunc.__name__}.at` is not differentiated", "use np.add.at")
    array, index, value = array_given(context, node, positional[0]), positional[1], positional[2]
    items = tuple(index) if isinstance(index, tuple) else (index,)
    check_kinds(context, node, array, value)
    if isinstance(op, ast.Add) or (isinstance(op, ast.Sub) and type_of(value).dtype.kind in "fi"):
        if isinstance(op, ast.Sub):
            value = operation(context, node, registry[operator.neg], (value,))
        write(context, node, array, items, value, added=True)
    elif is_basic(items) or not has_repetitions(items):
        augment_item(context, node, array, items, value, op)
    else:
        raise context.refuse(
            node, f"`np.{ufunc.__name__}.at` is not differentiated where an index may repeat", "use np.add.at"
        )


def takes_out(callee: Any, positional: Arguments, keywords: Keywords) -> bool:
    """Whether a NumPy function is given an array to write its result into."""
    if callee not in registry and callee not in expansions:
        return False
    several = isinstance(callee, np.ufunc) and len(positional) == callee.nin + callee.nout
    return keywords.get("out") is not None or several


def taken_out(
    context: Context, node: ast.AST, callee: Any, positional: Arguments, keywords: Keywords
) -> tuple[Operand, Operand]:
    """Take the array to write into, and the mask `where=`, out of the arguments."""
    where = keywords.pop("where", True) if isinstance(callee, np.ufunc) else True
    if "out" in keywords:
        return keywords.pop("out"), where
    return positional.pop(), where
