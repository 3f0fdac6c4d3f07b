"""Writes into arrays: a write makes a new value of the chain that shares the array's storage.

Accepted is a write into an array that the function made itself and that no other name, container or
view holds: then nobody can tell the write from a rebinding of the name. Everything else is refused, as
is any write into an argument, whose array belongs to the caller.

    a[i] = e            ->      a = index_set(a, i, e)
    a[i] += e           ->      a = index_set(a, i, a[i] + e)
    np.add.at(a, i, e)  ->      a = index_add(a, i, e)
    a += e              ->      a = a + e
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TypeGuard

from ad_compiler.analysis.storage import is_fresh, is_item, storage_of, storages_of
from ad_compiler.analysis.types import ArrayType, Shape, may_be_one, same_length, same_shape, unify
from ad_compiler.frontend import lists
from ad_compiler.frontend.branches import scopes_around
from ad_compiler.frontend.context import Context, lower
from ad_compiler.frontend.operations import operation
from ad_compiler.frontend.scope import Scope
from ad_compiler.ir import Branch, Operand, Value, values_in
from ad_compiler.rules.indexing import has_repetitions, is_basic
from ad_compiler.rules.lists import is_list
from ad_compiler.rules.notation import registry
from ad_compiler.rules.shapes import type_of

_ADVICE = "build the result from whole arrays, or write into a fresh local array (`np.zeros`, `.copy()`)"


def augment_name(context: Context, node: ast.AugAssign, target: ast.Name) -> None:
    """`name op= e`: a rebinding for numbers, a write for arrays."""
    from ad_compiler.frontend.expressions import BINARY, apply_binary

    current = lower(context, target_as_load(target))
    operand = lower(context, node.value)
    if isinstance(current, list) or is_list(current):
        lists.augment(context, node, current, operand)
        return
    if is_array(current):
        check_owned(context, node, target.id, current)
    result = apply_binary(context, node, BINARY[type(node.op)], current, operand)
    if is_array(current):
        before, after = type_of(current), type_of(result)
        if before.dtype != after.dtype or not same_shape(before.shape, after.shape):
            raise context.refuse(
                node, "the result of this write does not fit the array written into", "assign to a new name"
            )
    rebind(context, target.id, result)


def target_as_load(target: ast.Name) -> ast.Name:
    return ast.copy_location(ast.Name(target.id, ast.Load()), target)


def is_array(operand: Operand) -> bool:
    """Whether an operand may be an array in memory (results of rank 0 are NumPy's immutable scalars)."""
    if not isinstance(operand, Value) or not isinstance(operand.type, ArrayType) or operand.type.python:
        return False
    if operand.type.rank > 0 or is_item(operand):
        return operand.type.rank > 0
    node = operand.operation
    if isinstance(node, Branch):
        place = node.results.index(operand)
        return is_array(node.then.results[place]) or is_array(node.otherwise.results[place])
    return not operand.immutable and not is_fresh(operand)


def rebind(context: Context, name: str, result: Operand) -> None:
    if isinstance(result, Value) and result.name is None:
        result.name = name
    context.here.names[name] = result


def write_item(
    context: Context, node: ast.AST, target: ast.Subscript, value: ast.expr | Operand, op: ast.operator | None
) -> None:
    """`name[index] = value`, or `name[index] op= value`."""
    from ad_compiler.frontend.expressions import BINARY, apply_binary

    if not isinstance(target.value, ast.Name):
        raise context.refuse(target, "a part of a container or of a view is written in place", _ADVICE)
    name = target.value.id
    array = lower(context, target_as_load(target.value))
    if isinstance(array, list) or is_list(array):
        lists.write(context, target, array, value, op)
        return
    if isinstance(array, (list, dict, tuple)) or not isinstance(array, Value):
        kind = "container" if isinstance(array, (list, dict, tuple)) else type(array).__name__
        raise context.refuse(target, f"an item of a {kind} is written in place", "build a new one")
    check_owned(context, target, name, array)
    index = lower(context, target.slice)
    items = tuple(index) if isinstance(index, tuple) else (index,)
    operand = lower(context, value) if op is not None and isinstance(value, ast.expr) else value
    if type_of(array).dtype.kind in "biu" and type_of(operand).dtype.kind == "f":
        raise context.refuse(
            target, "a real number is written into an array of whole numbers", "make it a float array"
        )
    if op is not None:
        old = operation(context, node, registry["getitem"], (array, items))
        if not is_basic(items) and not has_repetitions(items) and isinstance(op, ast.Add):
            rebind(context, name, operation(context, node, registry["index_add"], (array, items, operand)))
            return
        operand = apply_binary(context, node, BINARY[type(op)], old, operand)
    if has_repetitions(items) and not is_basic(items):
        raise context.refuse(
            target,
            "an index that may name an element twice is written: which value stays is not known",
            "use np.add.at",
        )
    rebind(context, name, operation(context, node, registry["index_set"], (array, items, operand)))


def add_at(context: Context, node: ast.Call, arguments: list[Operand]) -> None:
    """`np.add.at(name, index, value)`."""
    target = node.args[0]
    array, index, value = arguments
    if not isinstance(target, ast.Name) or not isinstance(array, Value):
        raise context.refuse(node, "a part of a container or of a view is written in place", _ADVICE)
    check_owned(context, node, target.id, array)
    items = tuple(index) if isinstance(index, tuple) else (index,)
    rebind(context, target.id, operation(context, node, registry["index_add"], (array, items, value)))


def write_out(context: Context, node: ast.Call, result: Operand) -> None:
    """`np.multiply(a, b, out=name)`: the name is bound to the result too."""
    target = next(keyword.value for keyword in node.keywords if keyword.arg == "out")
    if not isinstance(target, ast.Name):
        raise context.refuse(node, "`out=` writes into a part of a container or of a view", _ADVICE)
    array = lower(context, target)
    if not isinstance(array, Value):
        raise context.refuse(node, f"`{target.id}` is not an array", "give `out=` an array")
    check_owned(context, node, target.id, array)
    before, after = type_of(array), type_of(result)
    if before.dtype != after.dtype or not fits_exactly(before.shape, after.shape):
        raise context.refuse(node, "the result does not fit the array given as `out=`", "leave `out=` out")
    rebind(context, target.id, result)


def fits_exactly(target: Shape, result: Shape) -> bool:
    """Whether NumPy, where it accepts this `out=`, has found both shapes equal."""
    if len(target) != len(result):
        return False
    for a, b in zip(target, result, strict=True):
        if not same_length(a, b):
            if may_be_one(a) or may_be_one(b):
                return False
            unify(a, b)
    return True


def check_owned(context: Context, node: ast.AST, name: str, array: Value) -> None:
    """Refuse a write that somebody else could see."""
    if storage_of(array) is not array:
        reason = f"`{name}` is a view of another array, which this write changes too"
        raise context.refuse(node, f"an in-place write cannot be differentiated here: {reason}", _ADVICE)
    context.written.add(array)
    lists.check_item_write(context, node, name, array)
    storages = storages_of(array)
    for scope in active_scopes(context):
        for other, operand in scope.names.items():
            mine = scope is context.here
            if mine and other == name:
                continue
            shared = any(storages & storages_of(value) for value in values_in(operand))
            if shared and not (mine and not is_read_from(context, node, other)):
                raise context.refuse(
                    node,
                    f"an in-place write cannot be differentiated here: `{other}` holds the same array",
                    _ADVICE,
                )


def is_read_from(context: Context, node: ast.AST, name: str) -> bool:
    """Whether the function that `node` stands in may read a name of its own from there on.

    There are no loops, so what comes later stands later; an inner function may be called any time.
    """
    function: ast.AST = context.here.source.node
    inner = [each for each in functions_in(function) if contains(each, node)]
    function = inner[-1] if inner else function
    if isinstance(function, ast.Lambda) or any(reads(each, name) for each in functions_in(function)):
        return True
    for statement in following(function.body, node):  # type: ignore[attr-defined]
        if reads(statement, name):
            return True
        if isinstance(statement, ast.Assign) and any(is_name(target, name) for target in statement.targets):
            return False
    return False


def following(body: list[ast.stmt], node: ast.AST) -> Iterator[ast.stmt]:
    """The statement that `node` is in, and those that may run after it."""
    for place, statement in enumerate(body):
        if contains(statement, node):
            if isinstance(statement, ast.If):
                yield from following(statement.body, node)
                yield from following(statement.orelse, node)
            else:
                yield statement
            yield from body[place + 1 :]


def contains(outer: ast.AST, node: ast.AST) -> bool:
    return any(each is node for each in ast.walk(outer))


def functions_in(function: ast.AST) -> list[ast.AST]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    return [each for each in ast.walk(function) if isinstance(each, kinds) and each is not function]


def reads(outer: ast.AST, name: str) -> bool:
    return any(is_name(each, name) and isinstance(each.ctx, ast.Load) for each in ast.walk(outer))


def is_name(node: ast.AST, name: str) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name) and node.id == name


def active_scopes(context: Context) -> list[Scope]:
    scopes = scopes_around(context.here)
    for outer in context.callers:
        scopes += [scope for scope in scopes_around(outer) if scope not in scopes]
    return scopes
