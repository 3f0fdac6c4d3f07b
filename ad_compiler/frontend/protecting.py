"""`try` and `with`, rewritten as the plain statements that run where nothing is raised.

    try:                                with timed(log):         before the `yield` of `timed`
        y = x / n                           y = f(x)       ->    y = f(x)
    except ZeroDivisionError:    ->                              after it
        y = 0.0                  y = x / n
    finally:                     print("done")
        print("done")

An exception that a handler of the program would catch leaves the derivative instead: no gradient, and
never a wrong one. So what may raise in a `try` is kept even where the gradient does not need it.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import warnings
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from ad_compiler.frontend.containers import delete_item
from ad_compiler.frontend.context import Context, Given, handles, lower, rewrites
from ad_compiler.frontend.scope import Scope, Undecided
from ad_compiler.ir import Operand, Record, Value

Body = list[ast.stmt]
MANAGERS: dict[Any, Callable[[Context, ast.With, ast.Call], None]] = {}  # that mean something to a derivative
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_LOOPS = (ast.For, ast.While)


@rewrites(ast.Try)
def try_statement(context: Context, node: ast.Try) -> Body:
    raised = find(node.body, (ast.Raise,))
    if node.handlers and raised is not None:
        raise context.refuse(
            raised, "this `raise` may be caught by the program itself", "choose with `if` and `else`"
        )
    leaving = find(node.finalbody, (ast.Return, ast.Break, ast.Continue))
    if leaving is not None:
        raise context.refuse(leaving, "`finally` is left early", "leave after the `try`")
    body = protected([*node.body, *node.orelse], node.finalbody)
    if node.handlers:
        context.protected.update(inner for part in body for inner in ast.walk(part))
    return [*body, *node.finalbody]


def find(body: Body, kinds: tuple[type[ast.stmt], ...], in_loop: bool = False) -> ast.stmt | None:
    """The first statement of one of these kinds; inner loops have their own `break`, functions are apart."""
    for node in body:
        if isinstance(node, kinds) and not (in_loop and isinstance(node, (ast.Break, ast.Continue))):
            return node
        if isinstance(node, _FUNCTIONS):
            continue
        for inner in parts(node):
            found = find(inner, kinds, in_loop or isinstance(node, _LOOPS))
            if found is not None:
                return found
    return None


def parts(node: ast.AST) -> list[Body]:
    """The lists of statements in a compound statement."""
    own = [getattr(node, name) for name in ("body", "orelse", "finalbody") if getattr(node, name, None)]
    for inner in [*getattr(node, "handlers", []), *getattr(node, "cases", [])]:
        own.append(inner.body)
    return own


def protected(body: Body, final: Body) -> Body:
    """The statements, `final` put before everything that leaves them."""
    if not final or find(body, (ast.Return, ast.Break, ast.Continue)) is None:
        return body
    return Protecting(final).statements(body, False)


class Protecting:
    def __init__(self, final: Body) -> None:
        self.final = final

    def statements(self, body: Body, in_loop: bool) -> Body:
        result: Body = []
        for node in body:
            if isinstance(node, ast.Return):
                value = node.value or ast.Constant(None)
                store = at(ast.Assign([ast.Name("result", ast.Store())], value), node)
                result += [store, *self.final, at(ast.Return(ast.Name("result", ast.Load())), node)]
            elif isinstance(node, (ast.Break, ast.Continue)) and not in_loop:
                result += [*self.final, node]
            elif isinstance(node, _FUNCTIONS) or not parts(node):
                result.append(node)
            else:
                result.append(self.inside(node, in_loop))
        return result

    def inside(self, node: ast.stmt, in_loop: bool) -> ast.stmt:
        result = copy.copy(node)
        for name in ("body", "orelse", "finalbody"):
            if getattr(node, name, None):
                inner = in_loop or (name == "body" and isinstance(node, _LOOPS))
                setattr(result, name, self.statements(getattr(node, name), inner))
        for name in ("handlers", "cases"):
            if getattr(node, name, None):
                changed = [copy.copy(part) for part in getattr(node, name)]
                for part in changed:
                    part.body = self.statements(part.body, in_loop)
                setattr(result, name, changed)
        return result


def at(node: ast.stmt, like: ast.AST) -> Any:
    return ast.fix_missing_locations(ast.copy_location(node, like))


# --- with ---


@rewrites(ast.With)
def with_statement(context: Context, node: ast.With) -> Body:
    for item in node.items:
        call = item.context_expr
        manager = lower(context, call.func) if isinstance(call, ast.Call) else None
        if isinstance(call, ast.Call) and isinstance(manager, FunctionType) and manager in MANAGERS:
            MANAGERS[manager](context, node, call)
            return []
    item, *rest = node.items
    inner = node.body if not rest else [at(ast.With(rest, node.body, None), rest[0].context_expr)]
    call = item.context_expr
    callee = lower(context, call.func) if isinstance(call, ast.Call) else None
    before: Body = []
    after: Body = []
    entered: ast.expr = Given(None)
    if callee in (np.errstate, np.printoptions, warnings.catch_warnings):
        assert isinstance(call, ast.Call)
        check_quiet(context, call)
        if item.optional_vars is not None:
            raise context.refuse(item.optional_vars, "what this manager gives is not known", "leave `as` out")
    elif callee is contextlib.nullcontext:
        assert isinstance(call, ast.Call)
        entered = call.args[0] if call.args else Given(None)
    elif is_generator_manager(callee):
        assert isinstance(call, ast.Call)
        before, entered, after = generator_manager(context, call, callee)
    else:
        before, entered, after = class_manager(context, call)
    if item.optional_vars is not None:
        before = [*before, at(ast.Assign([item.optional_vars], entered), call)]
    elif not isinstance(entered, Given):
        before = [*before, at(ast.Expr(entered), call)]
    return [*before, *protected(inner, after), *after]


def check_quiet(context: Context, call: ast.Call) -> None:
    """Refuse settings under which NumPy raises where it would give NaN."""
    for argument in [*call.args, *(keyword.value for keyword in call.keywords)]:
        if lower(context, argument) in ("raise", "call"):
            raise context.refuse(
                call,
                "under this setting NumPy raises exceptions, and its derivative would raise others",
                "check the numbers with `if ...: raise`",
            )


class Within(ast.stmt):
    """Statements of another function, run in its scope."""

    _fields = ()

    def __init__(self, scope: Scope, body: Body) -> None:
        super().__init__()
        self.scope = scope
        self.body_of_manager = body


@handles(Within)
def within(context: Context, node: Within) -> None:
    from ad_compiler.frontend.iteration import inside
    from ad_compiler.frontend.statements import run

    with inside(context, node.scope):
        leaving = find(node.body_of_manager, (ast.Return, ast.Raise))
        if leaving is not None:
            raise context.refuse(leaving, "a context manager is left early", "let it run to its end")
        run(context, node.body_of_manager)


def is_generator_manager(callee: Operand) -> bool:
    """Whether a function was made by `contextlib.contextmanager`."""
    made = contextlib.contextmanager(lambda: iter(())).__code__
    return isinstance(callee, FunctionType) and callee.__code__ is made


def generator_manager(context: Context, call: ast.Call, callee: Any) -> tuple[Body, ast.expr, Body]:
    """What a generator does before its `yield`, what it yields, and what it does after."""
    from ad_compiler.frontend.expressions import arguments_of
    from ad_compiler.frontend.inlining import scope_of_call

    positional, keywords = arguments_of(context, call)
    scope = scope_of_call(context, call, callee.__wrapped__, positional, keywords, generator=True)
    body = scope.source.node.body
    before, value, after = split(body) if isinstance(body, list) else ([], None, None)
    if after is None:
        raise context.refuse(
            call,
            "where this context manager yields is not plain to see",
            "yield once, at the top or in a `try`",
        )
    entering = at(Within(scope, before), call)
    leaving = at(Within(scope, after), call)
    given = at_expression(Scoped(scope, value or ast.Constant(None)), call)
    return [entering], given, [leaving]


def split(body: Body) -> tuple[Body, ast.expr | None, Body | None]:
    """The statements before the one `yield`, what it yields, and those after it (None: no such place)."""
    for place, node in enumerate(body):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Yield):
            return body[:place], node.value.value, body[place + 1 :]
        if isinstance(node, ast.Try) and any(isinstance(inner, ast.Yield) for inner in ast.walk(node)):
            before, value, after = split(node.body)
            if after is None:
                return [], None, None
            return (
                [*body[:place], *before],
                value,
                [*after, *node.orelse, *node.finalbody, *body[place + 1 :]],
            )
    return [], None, None


class Scoped(ast.expr):
    """An expression of another function, evaluated in its scope."""

    _fields = ()

    def __init__(self, scope: Scope, value: ast.expr) -> None:
        super().__init__()
        self.scope = scope
        self.value_of_manager = value


@handles(Scoped)
def scoped(context: Context, node: Scoped) -> Operand:
    from ad_compiler.frontend.iteration import inside

    with inside(context, node.scope):
        return lower(context, node.value_of_manager)


def class_manager(context: Context, call: ast.expr) -> tuple[Body, ast.expr, Body]:
    """`__enter__` and `__exit__` of an object, called as methods."""
    manager = lower(context, call)
    cls = manager.cls if isinstance(manager, Record) else type(manager)
    written = all(isinstance(getattr(cls, name, None), FunctionType) for name in ("__enter__", "__exit__"))
    if isinstance(manager, Value) or not written:
        raise context.refuse(
            call, "what this context manager does is not known", "enter it around the call of the gradient"
        )
    new = isinstance(call, ast.Call) and isinstance(manager, Record)
    none: list[ast.expr] = [Given(None), Given(None), Given(None)]
    entering = ast.Call(ast.Attribute(Given(manager), "__enter__", ast.Load()), [], [])
    leaving = ast.Call(ast.Attribute(Given(manager), "__exit__", ast.Load()), none, [])
    enter, leave = [Setting(manager, each) if new else each for each in (entering, leaving)]
    return [], at_expression(enter, call), [at(ast.Expr(at_expression(leave, call)), call)]


class Setting(ast.expr):
    """A call that may set attributes of an object made here, as `__enter__` does."""

    _fields = ("call",)

    def __init__(self, record: Record, call: ast.Call) -> None:
        super().__init__()
        self.record = record
        self.call = call


@handles(Setting)
def setting(context: Context, node: Setting) -> Operand:
    context.unfinished.append((node.record, context.builder.block))
    try:
        return lower(context, node.call)
    finally:
        context.unfinished.pop()


def at_expression(node: ast.expr, like: ast.AST) -> ast.expr:
    return ast.fix_missing_locations(ast.copy_location(node, like))


# --- names ---


@handles(ast.Delete)
def delete(context: Context, node: ast.Delete) -> None:
    for target in node.targets:
        if isinstance(target, ast.Subscript):
            delete_item(context, target, lower(context, target.value), lower(context, target.slice))
            continue
        if not isinstance(target, ast.Name):
            raise context.refuse(target, "a part of a container or an object is deleted", "build a new one")
        if target.id not in context.here.names:
            raise context.refuse(target, f"`{target.id}` is not a local name here", "delete local names only")
        held = context.here.names[target.id]
        if isinstance(held, Undecided) and held.branch is not None:
            raise context.refuse(
                target, f"what `{target.id}` is here is not known: {held.reason}", held.advice
            )
        del context.here.names[target.id]


@handles(ast.Global)
def global_declaration(context: Context, node: ast.Global) -> None:
    """Names of outside, which may be read."""
    refuse_binding(context, node, "a global", (ast.Store, ast.Del))


@handles(ast.Nonlocal)
def nonlocal_declaration(context: Context, node: ast.Nonlocal) -> None:
    """Names of a function around this one, which may be assigned where that is being lowered, too."""
    here = context.here
    around = here.enclosing
    if around is None or any(around.find(name) is None for name in node.names):
        refuse_binding(context, node, "an outer variable", (ast.Store, ast.Del))
    refuse_binding(context, node, "an outer variable in another way than by `=`", (ast.Del,))
    here.outer.update(node.names)


def refuse_binding(
    context: Context, node: ast.Global | ast.Nonlocal, what: str, kinds: tuple[type[ast.expr_context], ...]
) -> None:
    for inner in ast.walk(context.here.source.node):
        if isinstance(inner, ast.Name) and inner.id in node.names and isinstance(inner.ctx, kinds):
            reason = f"writing {what} is a side effect that a derivative cannot follow"
            raise context.refuse(node, reason, "return the value")
