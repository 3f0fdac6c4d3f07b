"""Whether the text of a function may read a name after some place in it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TypeGuard

from ad_compiler.frontend.context import Context

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def is_read_from(context: Context, node: ast.AST, name: str) -> bool:
    """Whether the function that `node` stands in may read a name of its own from there on.

    What comes later stands later, but in a loop; an inner function may be called any time.
    """
    function: FunctionNode = context.here.source.node
    if not name.isidentifier() or not contains(function, node):
        return True
    inner = [each for each in functions_in(function) if contains(each, node)]
    function = inner[-1] if inner else function
    if isinstance(function, ast.Lambda) or any(reads(each, name) for each in functions_in(function)):
        return True
    for statement in following(function.body, node):
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


def functions_in(function: ast.AST) -> list[FunctionNode]:
    return [each for each in ast.walk(function) if isinstance(each, FunctionNode) and each is not function]


def reads(outer: ast.AST, name: str) -> bool:
    return any(is_name(each, name) and isinstance(each.ctx, ast.Load) for each in ast.walk(outer))


def is_name(node: ast.AST, name: str) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name) and node.id == name
