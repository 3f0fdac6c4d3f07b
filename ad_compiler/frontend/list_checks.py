"""Lists that are changed where something else may still read them as they were: such programs are refused."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator

from ad_compiler.analysis.storage import storages_of
from ad_compiler.analysis.types import ArrayType
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.scope import Undecided, sides_of
from ad_compiler.ir import Iteration, Loop, Operand, Operation, Record, Value
from ad_compiler.rules.list_elements import is_list
from ad_compiler.traversal import nodes_in, values_in


def lists_in(operand: Operand) -> Iterator[Operand]:
    """The lists that an operand is or holds, or may be once a branch is decided."""
    if isinstance(operand, list) or is_list(operand):
        yield operand
    if isinstance(operand, (list, tuple)):
        for item in operand:
            yield from lists_in(item)
    elif isinstance(operand, dict):
        yield from lists_in(list(operand.values()))
    elif isinstance(operand, Record):
        yield from lists_in(list(operand.fields.values()))
    elif isinstance(operand, Undecided):
        for side in sides_of(operand):
            yield from lists_in(side)
    elif isinstance(operand, Iteration):
        for field in dataclasses.fields(operand):
            yield from lists_in(getattr(operand, field.name))


def check_iterated(context: Context, node: ast.For, operand: Operand, changes: int) -> None:
    """Refuse a loop over a list that the loop itself changes."""
    mine = [context.lists.family(each) for each in lists_in(operand)]
    for old, where in context.lists.changes[changes:]:
        if any(own & context.lists.family(old) for own in mine):
            line = context.here.source.text(node)
            raise context.refuse(
                where, f"a list is changed that a loop runs over: `{line}`", "run over a copy"
            )


def check_items(context: Context, node: ast.stmt, loop: Loop) -> None:
    """Refuse a loop that puts an array into a list and writes into it in a later turn."""
    writes = [inner for inner in nodes_in(loop.body) if isinstance(inner, Operation)]
    written = [w.arguments[0] for w in writes if w.primitive.name in ("index_add", "index_set")]
    written += [w.result.memory_of for w in writes if w.result.memory_of is not None]
    for inner in nodes_in(loop.body):
        if not isinstance(inner, Operation) or not is_list(inner.result):
            continue
        held = [v for v in values_in(inner.arguments) if isinstance(v.type, ArrayType) and v.type.rank]
        storages = frozenset().union(*map(storages_of, held))
        if any(storages & storages_of(each) for each in written if isinstance(each, Value)):
            source, place = inner.place or (context.here.source, node)
            raise source.refuse(
                place,
                "an array is put into a list here, and written in place in a later turn of "
                f"`{context.here.source.text(node)}`",
                "put a copy into the list: `.copy()`",
            )


def check_pending(context: Context, node: ast.Call) -> None:
    """Refuse a statement that reads a list as a whole and changes it too: which comes first may matter."""
    statement = context.builder.statement
    assert isinstance(node.func, ast.Attribute)
    base: ast.expr = node.func.value
    while isinstance(base, (ast.Subscript, ast.Attribute)):
        base = base.value
    if statement is None or not isinstance(base, ast.Name):
        return
    head = statement.node
    if isinstance(head, (ast.If, ast.While)):
        parts: list[ast.AST] = [head.test]
    elif isinstance(head, ast.For):
        parts = [head.iter]
    else:
        parts = [head]
    if isinstance(head, ast.Expr) and head.value is node and isinstance(node.func.value, ast.Name):
        return  # the arguments come first
    if any(reads_whole(part, base.id) for part in parts):
        raise context.refuse(
            node,
            f"`{base.id}` is read in the statement that changes it",
            "change it in a statement of its own",
        )


def reads_whole(node: ast.AST, name: str) -> bool:
    """Whether a list is read other than by its items, its methods and its length."""
    if isinstance(node, ast.Name):
        return node.id == name and isinstance(node.ctx, ast.Load)
    if isinstance(node, (ast.Subscript, ast.Attribute)) and isinstance(node.value, ast.Name):
        return isinstance(node, ast.Subscript) and reads_whole(node.slice, name)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len":
        return any(
            reads_whole(argument, name) for argument in node.args if not isinstance(argument, ast.Name)
        )
    return any(reads_whole(child, name) for child in ast.iter_child_nodes(node))
