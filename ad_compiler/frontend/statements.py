"""Statements: a function's body, run over operands.

A `return` inside a branch that is taken at run time is handled by continuation: what follows the `if`
is lowered at the end of every branch that falls through, so each branch ends in its own result and the
results are merged. `break` and `continue` are handled in the same way (`outcomes`).

    if x > 0:                   if x > 0:
        return x                    result = x
    y = x * x          ->       else:
    return y                        y = x * x
                                    result = y
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from ad_compiler.analysis.types import STRING
from ad_compiler.frontend.aliases import current
from ad_compiler.frontend.branches import run_branches
from ad_compiler.frontend.context import (
    CONTROL,
    REWRITES,
    STATEMENTS,
    UNSUPPORTED,
    Context,
    controls,
    handles,
    lower,
)
from ad_compiler.frontend.objects import set_attribute
from ad_compiler.frontend.operations import operation
from ad_compiler.frontend.outcomes import BREAK, END, RETURN, Outcome, merged_outcome
from ad_compiler.frontend.raising import always_raises, raise_if
from ad_compiler.frontend.scope import LocalFunction
from ad_compiler.frontend.undecided import known_here
from ad_compiler.frontend.unpacking import unpack
from ad_compiler.frontend.writes import augment_name, write_item
from ad_compiler.ir import Operand, Statement, Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.notation import constant, registry


def run_body(context: Context, body: list[ast.stmt]) -> Operand:
    """What a function with this body returns."""
    return run_to_end(context, body).result


def run_to_end(context: Context, body: list[ast.stmt]) -> Outcome:
    """Lower statements up to the end of the function, or of the turn of a loop."""
    return to_end(context, run(context, body))


def to_end(context: Context, outcome: Outcome) -> Outcome:
    """How the function, or the turn of a loop, ends where its last statements have come to this."""
    at_end = not isinstance(outcome.tag, Value) and outcome.tag == END
    return Outcome(RETURN, None) if at_end and not context.here.in_loop else outcome


def run(context: Context, body: list[ast.stmt]) -> Outcome:
    """Lower statements in order, up to what leaves them."""
    for position, node in enumerate(body):
        if isinstance(node, ast.Return):
            return Outcome(RETURN, in_statement(context, node, lambda n=node: returned(context, n)))
        if isinstance(node, ast.Break):
            return Outcome(BREAK)
        if isinstance(node, ast.Continue):
            return Outcome(END)
        control = CONTROL.get(type(node))
        if control is not None:
            outcome: Outcome | None = control(context, node, body[position + 1 :])
            if outcome is not None:
                return outcome
            continue
        rewrite = REWRITES.get(type(node))
        if rewrite is not None:
            simpler = in_statement(context, node, lambda n=node, r=rewrite: r(context, n))
            return run(context, [*simpler, *body[position + 1 :]])
        handler = STATEMENTS.get(type(node))
        if handler is None:
            reason, advice = UNSUPPORTED.get(
                type(node), (f"`{type(node).__name__}` cannot be differentiated", "rewrite it")
            )
            raise context.refuse(node, reason, advice)
        in_statement(context, node, lambda n=node, h=handler: h(context, n))
    return Outcome(END)


def in_statement(context: Context, node: ast.stmt, action: Any) -> Any:
    """Run `action`; the operations it appends belong to this statement."""
    before, keeping = context.builder.statement, context.builder.keeping
    if not context.in_rule and not context.in_sweep:
        context.builder.statement = Statement(context.here.source, node)
        context.builder.keeping = context.in_protected or node in context.protected
    try:
        return action()
    except Refusal as refusal:
        raise context.refuse(node, refusal.reason, refusal.advice) from None
    finally:
        context.builder.statement, context.builder.keeping = before, keeping


def returned(context: Context, node: ast.Return) -> Operand:
    if (
        context.wanted is not None
        and isinstance(node.value, ast.Tuple)
        and context.wanted[0] == context.depth
    ):
        wanted = context.wanted[1]
        return tuple(
            [lower(context, item) if i in wanted else None for i, item in enumerate(node.value.elts)]
        )
    return None if node.value is None else lower(context, node.value)


@controls(ast.If)
def run_if(context: Context, node: ast.If, rest: list[ast.stmt]) -> Outcome | None:
    """An `if`: an outcome where what follows was lowered with it."""
    condition = known_here(context, in_statement(context, node, lambda: lower(context, node.test)))
    if not isinstance(condition, Value):
        return run(context, [*(node.body if condition else node.orelse), *rest])
    for side, body, other in ((True, node.body, node.orelse), (False, node.orelse, node.body)):
        if always_raises([*body, *rest]):
            raise_if(context, node, condition, side, [*body, *rest])
            return run(context, [*other, *rest])
    if not has_exits([node]):
        in_statement(
            context,
            node,
            lambda: run_branches(
                context, node, condition, lambda: run(context, node.body), lambda: run(context, node.orelse)
            ),
        )
        return None
    outcome: Outcome = in_statement(
        context,
        node,
        lambda: continue_on(
            context,
            node,
            condition,
            lambda: run_to_end(context, [*node.body, *rest]),
            lambda: run_to_end(context, [*node.orelse, *rest]),
        ),
    )
    return outcome


def continue_on(
    context: Context,
    node: ast.AST,
    condition: Value,
    then: Callable[[], Outcome],
    otherwise: Callable[[], Outcome],
) -> Outcome:
    """Both ways of going on, up to the end, as the two sides of a branch."""
    branch, left, right = run_branches(context, node, condition, then, otherwise)
    return merged_outcome(context, node, branch, left, right)


def has_exits(body: list[ast.stmt], in_loop: bool = False) -> bool:
    """Whether statements may be left by `return`, or by `break` or `continue` of a loop around them."""
    for node in body:
        if isinstance(node, ast.Return) or (isinstance(node, (ast.Break, ast.Continue)) and not in_loop):
            return True
        inner = in_loop or isinstance(node, (ast.For, ast.While))
        for name in ("body", "orelse", "finalbody"):
            own = inner if name == "body" else in_loop
            if not isinstance(node, (ast.FunctionDef, ast.ClassDef)) and has_exits(
                getattr(node, name, []), own
            ):
                return True
        for part in [*getattr(node, "handlers", []), *getattr(node, "cases", [])]:
            if has_exits(part.body, in_loop):
                return True
    return False


@handles(ast.Expr)
def expression_statement(context: Context, node: ast.Expr) -> None:
    if isinstance(node.value, ast.Constant):
        return
    lower(context, node.value)


@handles(ast.Pass)
def pass_statement(context: Context, node: ast.Pass) -> None:
    return


@handles(ast.Assign)
def assignment(context: Context, node: ast.Assign) -> None:
    operand = lower(context, node.value)
    for target in node.targets:
        assign(context, target, operand)


@handles(ast.AnnAssign)
def annotated_assignment(context: Context, node: ast.AnnAssign) -> None:
    if node.value is not None:
        assign(context, node.target, lower(context, node.value))


@handles(ast.AugAssign)
def augmented_assignment(context: Context, node: ast.AugAssign) -> None:
    if isinstance(node.target, ast.Name):
        augment_name(context, node, node.target)
    elif isinstance(node.target, ast.Subscript):
        write_item(context, node, node.target, node.value, node.op)
    else:
        raise context.refuse(node, *_ATTRIBUTE)


_ATTRIBUTE = (
    "writing an attribute changes an object in place, which a derivative cannot follow",
    "keep the value in a local name, and return it",
)


def assign(context: Context, target: ast.expr, operand: Operand) -> None:
    """Bind a target: a name, a tuple of targets, an item of a local array."""
    if isinstance(target, ast.Name):
        operand = current(context, operand)
        if isinstance(operand, Value) and operand.name is None and not context.builder.generated:
            operand.name = target.id
        context.here.binding(target.id).names[target.id] = operand
    elif isinstance(target, (ast.Tuple, ast.List)):
        unpack(context, target, operand, assign)
    elif isinstance(target, ast.Subscript):
        write_item(context, target, target, operand, None)
    elif isinstance(target, ast.Attribute):
        if not set_attribute(context, target, lower(context, target.value), target.attr, operand):
            raise context.refuse(target, *_ATTRIBUTE)
    else:
        raise context.refuse(target, f"`{ast.unparse(target)}` cannot be assigned", "assign a name")


@handles(ast.FunctionDef)
def local_definition(context: Context, node: ast.FunctionDef) -> None:
    if node.decorator_list:
        raise context.refuse(node, "a local function has a decorator", "decorate it outside")
    context.here.names[node.name] = local_function(context, node)


def local_function(context: Context, node: ast.Lambda | ast.FunctionDef) -> LocalFunction:
    defaults = [lower(context, default) for default in node.args.defaults]
    keyword_defaults = [
        None if default is None else lower(context, default) for default in node.args.kw_defaults
    ]
    return LocalFunction(node, context.here, defaults, keyword_defaults)


@handles(ast.Import)
def local_import(context: Context, node: ast.Import) -> None:
    import importlib

    for alias in node.names:
        module = importlib.import_module(alias.name)
        top = importlib.import_module(alias.name.split(".")[0])
        context.here.names[alias.asname or alias.name.split(".")[0]] = module if alias.asname else top


@handles(ast.ImportFrom)
def local_import_from(context: Context, node: ast.ImportFrom) -> None:
    import importlib

    if node.level or node.module is None:
        raise context.refuse(
            node, "a relative import stands inside of a function", "import at the top of the file"
        )
    for alias in node.names:
        context.here.names[alias.asname or alias.name] = getattr(
            importlib.import_module(node.module), alias.name
        )


@constant("assert", infer=lambda *_: STRING, effect=True)
def check(condition: Any, message: Any) -> None: ...


@handles(ast.Assert)
def assertion(context: Context, node: ast.Assert) -> None:
    condition = lower(context, node.test)
    message = None if node.msg is None else lower(context, node.msg)
    operation(context, node, registry["assert"], (condition, message))
