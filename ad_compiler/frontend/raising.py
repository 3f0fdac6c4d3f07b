"""`raise` in guards: an `if` one side of which always raises.

    if n < 1:                           if n < 1:
        raise ValueError("n")    ->         raise ValueError("n")
    else:                               y = x / n
        y = x / n

What the other side does, and what follows, is lowered after the guard, for it runs only where the guard
lets it. An exception that the function raises its derivative raises as well.
"""

from __future__ import annotations

import ast
import builtins
from typing import Any

import numpy as np

from ad_compiler.analysis.types import STRING
from ad_compiler.frontend.context import Context, handles, lower
from ad_compiler.frontend.operations import operation
from ad_compiler.frontend.snapshots import Snapshot
from ad_compiler.frontend.undecided import on_side
from ad_compiler.ir import Block, Branch, Operation, Value
from ad_compiler.rules.notation import constant, registry


class Raised(Exception):
    """The end of what is lowered in a guard."""


@constant("raise", infer=lambda *_: STRING, effect=True, variadic=True)
def raise_error(error: Any, *arguments: Any) -> None: ...


def always_raises(body: list[ast.stmt]) -> bool:
    """Whether statements end in a `raise`, whatever is chosen in them."""
    for node in body:
        if isinstance(node, ast.Raise) or all(map(always_raises, alternatives(node))):
            return True
        if any(isinstance(inner, (ast.Return, ast.Break, ast.Continue)) for inner in ast.walk(node)):
            return False
    return False


def alternatives(node: ast.stmt) -> list[list[ast.stmt]]:
    """The bodies one of which a statement runs; one that is empty where it may run none."""
    if isinstance(node, ast.If):
        return [node.body, node.orelse]
    if isinstance(node, ast.Match):
        last = node.cases[-1]
        takes_all = isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None
        return [*(case.body for case in node.cases), *([] if takes_all and last.guard is None else [[]])]
    return [[]]


def raise_if(context: Context, node: ast.stmt, condition: Value, side: bool, body: list[ast.stmt]) -> None:
    """Lower statements that always raise, as a guard on this side of a condition."""
    from ad_compiler.frontend.statements import run

    builder = context.builder
    made = condition.operation
    outer = builder.statement
    builder.statement = made.statement if isinstance(made, Operation) else outer  # so that it is inlined
    if not side:
        condition = operation(context, node, registry["not"], (condition,))
    place = (context.here.source, node)
    branch = Branch(condition, Block(), Block(), [], builder.statement, place)
    builder.statement = outer
    before = Snapshot(context)
    with builder.inside(branch.then), on_side(context, condition, True):
        around, context.guard = context.guard, branch.then
        try:
            run(context, body)
        except Raised:
            pass
        finally:
            context.guard = around
    before.restore()
    builder.append(branch)


@handles(ast.Raise)
def raise_statement(context: Context, node: ast.Raise) -> None:
    if context.guard is not context.builder.block:
        raise context.refuse(
            node, "this `raise` is reached whatever the numbers are", "raise under a condition: `if ...:`"
        )
    call = node.exc
    if call is None:
        raise context.refuse(node, "this `raise` names no exception", "name one")
    arguments: list[Any] = []
    if isinstance(call, ast.Call):
        if call.keywords:
            raise context.refuse(call, "an exception is made with keywords", "give it a message")
        arguments = [lower(context, argument) for argument in call.args]
        call = call.func
    error = lower(context, call)
    if not (isinstance(error, type) and issubclass(error, BaseException)):
        raise context.refuse(node, "what is raised is not made here", "write `raise ValueError(...)`")
    if getattr(builtins, error.__name__, None) is not error and error is not np.linalg.LinAlgError:
        reason = f"`{error.__name__}` is not an exception that Python or NumPy define"
        raise context.refuse(node, reason, "raise a built-in one, as ValueError")
    operation(context, node, registry["raise"], (error, *arguments))
    raise Raised
