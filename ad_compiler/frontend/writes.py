"""Writes into arrays: a write makes a new value of the chain that shares the array's storage.

    a[i] = e            ->      a = index_set(a, i, e)
    a[i] += e           ->      a = index_add(a, i, e)
    a[i] *= e           ->      a = index_set(a, i, a[i] * e)
    a += e              ->      a = a + e
    np.add.at(a, i, e)  ->      a = index_add(a, i, e)

A write through a view is a write into the array that it is a view of, at the index that both make
together, or along the `path` of views: `a[1][2] = e` is `a[1, 2] = e`. What else shows the array is told
by `aliases`. An argument is written into in the same way: the emitted code works on a copy of it.
"""

from __future__ import annotations

import ast
import operator

import numpy as np

from ad_compiler.analysis.layout import Sharing, is_array, is_identity, is_read_only
from ad_compiler.analysis.storage import is_item
from ad_compiler.analysis.types import same_shape
from ad_compiler.frontend import lists
from ad_compiler.frontend.aliases import (
    COPY_ADVICE,
    current,
    reachable_scopes,
    reference_of,
    replace_storage,
    root_of,
    settled,
    supersede,
    viewing,
)
from ad_compiler.frontend.context import Context, lower
from ad_compiler.frontend.growing import check_alone
from ad_compiler.frontend.later_reads import is_read_from
from ad_compiler.frontend.operations import operation
from ad_compiler.frontend.overlaps import check_overlap
from ad_compiler.frontend.scope import Undecided
from ad_compiler.frontend.sharing import choices_between, latest_root, possible_roots, sharing_with
from ad_compiler.ir import Operand, Operation, Record, Value
from ad_compiler.rules.list_elements import is_list
from ad_compiler.rules.notation import registry
from ad_compiler.rules.shapes import rank_of, type_of
from ad_compiler.rules.structure import shape_values
from ad_compiler.rules.subscripts import (
    expanded_index,
    has_repetitions,
    is_array_index,
    is_basic,
    is_full_slice,
)
from ad_compiler.traversal import values_in

Index = tuple[Operand, ...]
_REAL_INTO_WHOLE = "a real number is written into an array of whole numbers"


def augment_name(context: Context, node: ast.AugAssign, target: ast.Name) -> None:
    """`name op= e`: a rebinding for numbers, a write for arrays, a change in place for lists."""
    from ad_compiler.frontend.containers import augment_dict
    from ad_compiler.frontend.expressions import BINARY, apply_binary

    held = lower(context, target_as_load(target))
    operand = lower(context, node.value)
    if isinstance(held, list) or is_list(held):
        lists.augment(context, node, held, operand)
        return
    if isinstance(held, dict):
        held = augment_dict(context, node, held, node.op, operand)
        context.here.binding(target.id).names[target.id] = held
        return
    held = current(context, held)
    if is_array(held):
        check_alone(context, node, held)
        update(context, node, held, node.op, operand)
        context.here.binding(target.id).names[target.id] = current(context, held)
        return
    result = apply_binary(context, node, BINARY[type(node.op)], held, operand)
    if isinstance(result, Value) and result.name is None:
        result.name = target.id
    context.here.binding(target.id).names[target.id] = result


def target_as_load(target: ast.Name) -> ast.Name:
    return ast.copy_location(ast.Name(target.id, ast.Load()), target)


def update(context: Context, node: ast.AST, array: Value, op: ast.operator, operand: Operand) -> None:
    """`array op= operand`, of a whole array or view."""
    from ad_compiler.frontend.expressions import BINARY, apply_binary

    array = writable(context, node, array)
    if viewing(array) is not None and is_sum(array, op, operand):
        add(context, node, array, (), op, operand)
        return
    result = apply_binary(context, node, BINARY[type(op)], array, operand)
    misfit = ("the result of this write does not fit the array written into", "assign to a new name")
    overwrite(context, node, array, result, misfit)


def overwrite(
    context: Context, node: ast.AST, array: Value, result: Operand, misfit: tuple[str, str]
) -> None:
    """Write what a NumPy function has just computed into a whole array, as its `out=` does."""
    array = writable(context, node, array)
    own, made = type_of(array), type_of(result)
    if not np.can_cast(made.dtype, own.dtype, "same_kind") or made.rank > own.rank:
        raise context.refuse(node, *misfit)
    is_new = (
        isinstance(result, Value)
        and root_of(result) is result
        and result.operation is context.builder.block.operations[-1]
    )
    fits = made.dtype == own.dtype and same_shape(made.shape, own.shape)
    if viewing(array) is None and own.rank and is_new and made.rank:
        if same_shape(made.shape, own.shape) and not fits:
            result = operation(context, node, registry[np.ndarray.astype], (result, own.dtype), method=True)
            fits = True
        if fits:
            rename(result, array)
            store(context, node, array, result)
            return
    write(context, node, array, (), result)


def overwritten_by(context: Context, node: ast.AST, array: Value, content: Value) -> None:
    """An array, or a view of one, gets the content that a call has left in it."""
    array = writable(context, node, array)
    if viewing(array) is not None:
        write(context, node, array, (), content)
        return
    rename(content, array)
    store(context, node, array, content)


def write_item(
    context: Context, node: ast.AST, target: ast.Subscript, value: ast.expr | Operand, op: ast.operator | None
) -> None:
    """`target[index] = value`, or `target[index] op= value`."""
    from ad_compiler.frontend.containers import write_container

    is_flat = isinstance(target.value, ast.Attribute) and target.value.attr == "flat"
    inner = target.value.value if is_flat and isinstance(target.value, ast.Attribute) else target.value
    holder = lower(context, inner)
    if isinstance(holder, list) or is_list(holder):
        lists.write(context, target, holder, value, op)
        return
    if isinstance(holder, (dict, tuple, Record)):
        write_container(context, node, target, holder, lower(context, target.slice), value, op)
        return
    if not is_array(holder):
        raise context.refuse(
            target, "an item of something else than an array is written", "write into an array"
        )
    index = lower(context, target.slice)
    items = tuple(index) if isinstance(index, tuple) else (index,)
    if is_flat:
        write_flat(context, node, holder, items, value, op)
    elif op is None:
        write(context, target, holder, items, value)
    else:
        augment_item(context, node, holder, items, value, op)


def augment_item(
    context: Context, node: ast.AST, array: Value, items: Index, value: Operand, op: ast.operator
) -> None:
    """`array[items] op= value`."""
    from ad_compiler.frontend.expressions import BINARY, apply_binary

    old = operation(context, node, registry["getitem"], (array, items))
    is_number = not is_array(old)  # read now; a part of an array is written in place
    operand = lower(context, value) if isinstance(value, ast.expr) else value
    before, array = array, writable(context, node, current(context, array))
    unique = is_basic(items) or not has_repetitions(items)
    if unique and is_sum(array, op, operand) and (array is before or not is_number):
        add(context, node, array, items, op, operand)
        return
    if not is_number and is_basic(items):
        update(context, node, current(context, old), op, operand)
        return
    write(context, node, array, items, apply_binary(context, node, BINARY[type(op)], old, operand))


def is_sum(array: Value, op: ast.operator, operand: Operand) -> bool:
    """Whether `array[...] op= operand` may be written as `index_add`."""
    if not isinstance(op, (ast.Add, ast.Sub)) or not isinstance(operand, (Value, int, float, np.number)):
        return False
    kinds = type_of(array).dtype.kind, type_of(operand).dtype.kind
    if kinds[0] == "f":
        return kinds[1] in "fi" or (kinds[1] == "u" and isinstance(op, ast.Add))
    return kinds == ("i", "i")


def add(
    context: Context, node: ast.AST, array: Value, items: Index, op: ast.operator, operand: Operand
) -> None:
    if isinstance(op, ast.Sub):
        negative = operation(context, node, registry[operator.neg], (operand,))
        operand = negative if isinstance(operand, Value) else -operand
    write(context, node, array, items, operand, added=True)


def write_flat(
    context: Context, node: ast.AST, array: Value, items: Index, value: Operand, op: ast.operator | None
) -> None:
    """`array.flat[items] = value`: by position in the order of the elements, wherever they lie."""
    from ad_compiler.frontend.expressions import BINARY, apply_binary

    flat = operation(context, node, registry[np.ndarray.flatten], (array, "C"), method=True)
    old = None if op is None else operation(context, node, registry["getitem"], (flat, items))
    operand = lower(context, value) if op is not None and isinstance(value, ast.expr) else value
    if op is not None:
        operand = apply_binary(context, node, BINARY[type(op)], old, operand)
    check_overlap(context, node, current(context, array), items, current(context, operand), flat=True)
    put_flat(context, node, array, items, operand)


def put_flat(context: Context, node: ast.AST, array: Value, items: Index, operand: Operand) -> None:
    """Write elements by their position in the flattened array."""
    array = writable(context, node, current(context, array))
    if type_of(array).rank == 1:
        write(context, node, array, items, operand)
        return
    check_kinds(context, node, array, operand)
    flat = operation(context, node, registry[np.ndarray.flatten], (array, "C"), method=True)
    written = operation(context, node, registry["index_set"], (flat, items, operand, ()))
    shape = shape_values(context.builder, array)
    whole = operation(context, node, registry[np.reshape], (written, shape), method=True)
    write(context, node, array, (), whole)


def write(
    context: Context, node: ast.AST, array: Value, items: Index, operand: Operand, added: bool = False
) -> None:
    """`array[items] = operand`, or `array[items] += operand`; without items, of all of it."""
    array = writable(context, node, current(context, array))
    operand = current(context, operand)
    check_kinds(context, node, array, operand)
    if not added:
        check_overlap(context, node, array, items, operand)
    store(context, node, array, new_root(context, node, array, items, operand, added))


def check_kinds(context: Context, node: ast.AST, array: Value, operand: Operand) -> None:
    if type_of(array).dtype.kind in "biu" and type_of(operand).dtype.kind == "f":
        raise context.refuse(node, _REAL_INTO_WHOLE, "make it a float array")


def new_root(
    context: Context, node: ast.AST, view: Value, items: Index, operand: Operand, added: bool
) -> Value:
    """The array that `view` shows, after the write: a new value of the root, whatever the view's shape is."""
    path: list[Operation] = []
    base = view
    while (seen := viewing(base)) is not None:
        base = seen.arguments[0]
        if not is_identity(seen):
            path.insert(0, seen)
    while path and path[-1].primitive.name == "getitem":
        joined = composed(path[-1], items)
        if joined is None:
            break
        path.pop()
        items = joined
    if path and not rank_of(base):  # which is a number in the emitted code: there are no views of it
        operand = updated(context, node, view, [], items, operand, added)
        path, items, added = [], (), False
    return updated(context, node, base, path, items, operand, added)


def updated(
    context: Context,
    node: ast.AST,
    base: Value,
    path: list[Operation],
    items: Index,
    operand: Operand,
    added: bool,
) -> Value:
    """A new value of `base`, which is no view, after the write."""
    rank = type_of(base).rank
    if rank == 0:
        if rank_of(operand):
            operand = operation(context, node, registry[np.reshape], (operand, ()))
        if added:
            operand = operation(context, node, registry[operator.add], (base, operand))
        dtype = None if type_of(operand).dtype == type_of(base).dtype else type_of(base).dtype
        result = operation(context, node, registry[np.array], (operand, dtype))
    else:
        primitive = registry["index_add" if added else "index_set"]
        steps = tuple([(step.primitive, *step.arguments[1:]) for step in path])
        result = operation(context, node, primitive, (base, items or (slice(None),), operand, steps))
    assert isinstance(result, Value)
    rename(result, base)
    return result


def rename(result: Operand, array: Value) -> None:
    """A written array keeps its name."""
    if isinstance(result, Value) and result.name is None:
        result.name = array.name


def composed(step: Operation, items: Index) -> Index | None:
    """The index that selects from the array what `items` select from `array[first]`; None if none does."""
    base, first = step.arguments
    rank = rank_of(base)
    if any(item is None or is_array_index(item) for item in first):
        return None
    outer = expanded_index(first, rank)
    view_rank = sum(isinstance(item, slice) for item in outer)
    if any(map(is_array_index, items)) and not all(map(is_full_slice, outer)):
        return None
    inner = iter(expanded_index(items, view_rank) if items else [slice(None)] * view_rank)
    result: list[Operand] = []
    for item in outer:
        if not isinstance(item, slice):
            result.append(item)
            continue
        following = next(inner)
        while following is None:
            result.append(None)
            following = next(inner)
        if is_full_slice(item):
            result.append(following)
        elif is_full_slice(following):
            result.append(item)
        else:
            return None
    result += inner
    while len(result) > 1 and is_full_slice(result[-1]):
        result.pop()
    return tuple(result)


def store(context: Context, node: ast.AST, array: Value, result: Operand) -> None:
    """Make `result` the new content of the array that `array` shows."""
    root = root_of(array)
    assert isinstance(result, Value)
    for other in possible_roots(context, root):
        check_unseen(context, node, root, other)
        supersede(context, other, unknown_content(root))
    for chosen in [*choices_between(context, root), *sharing_with(context, root)]:
        supersede(context, chosen, unknown_content(chosen))
    context.written.add(reference_of(context, root))
    replace_storage(context, root, result)


def unknown_content(chosen: Value) -> Undecided:
    name = f"`{chosen.name}`" if chosen.name else "an array"
    return Undecided(
        f"which array {name} is, is decided when the program runs, and one that it may be was written into",
        advice=COPY_ADVICE,
    )


def check_unseen(context: Context, node: ast.AST, chosen: Value, other: Value) -> None:
    """Refuse a write into an array that a branch has chosen, where one it may be is read later."""
    for scope in reachable_scopes(context):
        for name, operand in scope.names.items():
            holds = any(latest_root(context, root_of(value)) is other for value in values_in(operand))
            if holds and not (scope is context.here and not is_read_from(context, node, name)):
                mine = f"`{chosen.name}`" if chosen.name else "it"
                raise context.refuse(
                    node,
                    f"which array {mine} is, is decided when the program runs, and `{name}` may be the same",
                    COPY_ADVICE,
                )


def writable(context: Context, node: ast.AST, array: Value) -> Value:
    """The array, which may be written into."""
    made = root_of(array).operation
    if is_item(root_of(array)) and isinstance(made, Operation):
        reason = "an item of a list of run-time length is written in place"
        if made.primitive.module is not None:
            reason = (
                f"what `{made.primitive.text}` gives may be a part of its arguments, and is written in place"
            )
        raise context.refuse(node, reason, COPY_ADVICE)
    view = array
    while (seen := viewing(view)) is not None:
        if settled(context, seen) is Sharing.COPY:
            break
        if is_read_only(seen):
            raise context.refuse(
                node,
                f"`np.{seen.primitive.name}` gives a read-only view: NumPy does not write into it",
                COPY_ADVICE,
            )
        view = seen.arguments[0]
    first = reference_of(context, view)
    if any(first in values_in(capture.operand) for capture in context.captures.values()):
        raise context.refuse(
            node,
            f"`{first.access}` is a global, or another array from outside of the function: "
            "to write into it is a side effect that a derivative cannot follow",
            "pass it as an argument, or write into a copy: `.copy()`",
        )
    return array


def write_out(context: Context, node: ast.AST, array: Operand, result: Operand, where: Operand) -> Operand:
    """`np.multiply(a, b, out=array)`: what the call gives is the array."""
    if isinstance(array, tuple) and len(array) == 1:
        (array,) = array
    array = current(context, array)
    if not is_array(array):
        raise context.refuse(node, "`out=` is not an array", "give `out=` an array")
    if where is not True:
        result = operation(context, node, registry[np.where], (where, result, array))
    misfit = ("the result does not fit the array given as `out=`", "leave `out=` out")
    overwrite(context, node, array, result, misfit)
    return current(context, array)
