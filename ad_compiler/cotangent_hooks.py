"""`cotangent`: statements of a program that run in its reverse sweep.

    h = np.tanh(x @ W)
    with cotangent(h) as h_bar:             # d(with cotangent(h) as h_bar:)
        h_bar = np.clip(h_bar, -1, 1)  ->   h_bar = np.clip(h_bar, -1, 1)
    return np.sum(h @ V)                    # d(h = np.tanh(x @ W))

The statement is `h = h`, with a pullback of its own: an operation that marks a value (`rules.markers`), whose
rule is the body. Other names that the function has for the array mean what `h` means, too; those of functions
around it do not, so that `def clipped(h): ...; return h` is the identity. So `h_bar` is what flows back from
the lines after it; a hook that would see a part of a cotangent only, for a line above it reads `h` too, is
refused (`transforms.check_hooks`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ad_compiler import api
from ad_compiler.analysis.layout import is_array
from ad_compiler.analysis.types import ArrayType
from ad_compiler.frontend.aliases import Replacement, current, reachable_scopes, replace_storage, root_of
from ad_compiler.frontend.builtin_calls import BUILTINS
from ad_compiler.frontend.context import Context, lower
from ad_compiler.frontend.fitting import require_fit
from ad_compiler.frontend.frozen import closed, names_in, values_closed
from ad_compiler.frontend.protecting import MANAGERS
from ad_compiler.frontend.scope import Scope, Undecided
from ad_compiler.frontend.statements import assign, run
from ad_compiler.frontend.user_code import as_user_code
from ad_compiler.ir import Operand, Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.markers import HOOK
from ad_compiler.rules.notation import Primitive, registry
from ad_compiler.rules.shapes import describe, rank_of

ALLOWED = (ast.Expr, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.If, ast.Assert, ast.Raise, ast.Pass)
ADVICE = "write `with cotangent(h) as h_bar:`, where `h` is a number or an array"


def hook(context: Context, node: ast.With, call: ast.Call) -> None:
    """Lower `with cotangent(h) as h_bar:`, a statement of its own."""
    name = hooked_name(context, node, call)
    bar = node.items[0].optional_vars
    if bar is not None and (not isinstance(bar, ast.Name) or bar.id == name):
        raise context.refuse(bar, "a cotangent is given to something else than a name of its own", ADVICE)
    check_body(context, node.body, None if bar is None else bar.id)
    value = lower(context, call.args[0])
    if is_array_type(value) and value.type.differentiable:
        given = names_read(context, node.body)
        made = Hook(
            Scope(context.here.source, context.here.function),
            node,
            name,
            None if bar is None else bar.id,
            given,
        )
        context.builder.place = (context.here.source, call)
        marked = context.builder.call(made.primitive(), (value, *made.values))
        marked.name = value.name or name
        if is_array(value) and root_of(value) is value and not is_held_elsewhere(context, value):
            marked.memory_of = value
            replace_storage(context, value, marked)  # other names of the array, and views of it, too
        else:
            assign(context, ast.copy_location(ast.Name(name, ast.Store()), call), marked)
    elif not isinstance(value, (int, float, np.generic)) and not is_array_type(value):
        raise context.refuse(call, f"the cotangent of {describe(value)} is asked for", ADVICE)
    if bar is not None:
        reason = f"`{bar.id}` holds a cotangent, which there is in the reverse sweep only"
        advice = "read it inside of the `with`, or use another name"
        context.here.names[bar.id] = Undecided(reason, advice=advice)


def hooked_name(context: Context, node: ast.With, call: ast.Call) -> str:
    """The name of the value, of a statement that is written as it has to be."""
    if len(node.items) > 1:
        raise context.refuse(
            node.items[1].context_expr, "a hook has one `with` to itself", "nest nothing in it"
        )
    if len(call.args) != 1 or call.keywords or not isinstance(call.args[0], ast.Name):
        raise context.refuse(call, "`cotangent` takes the name of one value", ADVICE)
    name = call.args[0].id
    if context.here.find(name) is None:
        reason = f"`{name}` is no local name: what is read from outside has no cotangent here"
        raise context.refuse(call, reason, "pass it as an argument")
    return name


def check_body(context: Context, body: Iterable[ast.stmt], bar: str | None) -> None:
    """Refuse statements that would change the program: in a hook the cotangent alone may change."""
    for statement in body:
        if not isinstance(statement, ALLOWED):
            what = type(statement).__name__.lower()
            raise context.refuse(statement, f"a `{what}` stands in a hook of a cotangent", "call a function")
        for inner in ast.walk(statement):
            stored = isinstance(getattr(inner, "ctx", None), (ast.Store, ast.Del))
            if not stored or isinstance(inner, (ast.Tuple, ast.List)) or is_inner(inner, statement):
                continue
            base: Any = inner
            while isinstance(base, (ast.Subscript, ast.Attribute)):
                base = base.value
            if not isinstance(base, ast.Name) or base.id != bar or isinstance(inner, ast.Attribute):
                wanted = "no name" if bar is None else f"`{bar}` alone"
                reason = f"a hook assigns {wanted}: `{ast.unparse(inner)}` is a part of the forward sweep"
                raise context.refuse(inner, reason, "compute it in front of the `with`, or in a function")


def is_inner(name: ast.AST, statement: ast.stmt) -> bool:
    """Whether a name is that of a comprehension."""
    kinds = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
    targets = (
        target
        for each in ast.walk(statement)
        if isinstance(each, kinds)
        for part in each.generators
        for target in ast.walk(part.target)
    )
    return any(name is target for target in targets)


def names_read(context: Context, body: list[ast.stmt]) -> dict[str, Operand]:
    """What the names that a hook reads hold now; the reverse sweep comes when they hold something else."""
    found: dict[str, Operand] = {}
    for name in names_in(body):
        scope = context.here.find(name)
        if scope is not None:
            found[name] = closed(current(context, scope.names[name]), lambda value: value)
    return found


@dataclass(eq=False)
class Hook:
    """The body of a `with cotangent`, and the names it reads as they were there."""

    scope: Scope
    node: ast.With
    name: str
    bar: str | None
    names: dict[str, Operand]

    def __post_init__(self) -> None:
        self.values = values_closed(self.names)

    @property
    def replaces(self) -> bool:
        """Whether the cotangent is changed."""
        return any(
            isinstance(each, ast.Name) and each.id == self.bar
            for statement in self.node.body
            for inner in ast.walk(statement)
            if isinstance(getattr(inner, "ctx", None), ast.Store)
            for each in ast.walk(inner)
        )

    def primitive(self) -> Primitive:
        """The operation that stands for the statement."""
        return Primitive(
            name=HOOK,
            text="",
            kind="rule",
            infer=lambda value, *_: value.type,
            rule=self,
            parameters=("value", *(f"given_{place}" for place in range(len(self.values)))),
            needs=frozenset(["g"]),
            differentiable=("value",),
            view=True,
            cheap=True,
            fresh=True,
            pushforward=Still(self),
        )

    def inline_in(
        self, context: Context, node: ast.AST, arguments: list[Operand], needs: dict[str, Operand]
    ) -> Operand:
        """Lower the body in the reverse sweep; the cotangent it leaves."""
        value, g = arguments[0], needs["g"]
        if rank_of(g) != rank_of(value):  # a number that stands for an array of it
            g = context.builder.call(registry[np.full_like], (value, g, None))
        known = dict(zip(self.values, arguments[1:], strict=True))
        names = closed(self.names, lambda v: known.get(v, v))
        if self.bar is not None:
            names[self.bar] = g
        scope = Scope(self.scope.source, self.scope.function, names)
        caller = context.scope
        with as_user_code(context):
            context.scope = scope
            try:
                run(context, self.node.body)
                left = g if self.bar is None else current(context, scope.names[self.bar])
            finally:
                context.scope = caller
            if isinstance(left, Undecided):
                reason = f"what `{self.bar}` is at the end of the hook is not known: {left.reason}"
                raise self.scope.source.refuse(self.node, reason, left.advice)
            if left is not g:
                what = f"what the hook leaves as the cotangent of `{self.name}`"
                require_fit(context, self.node, value, left, what, "keep its shape")
        return left


class Still:
    """The tangent of a hooked value: that of the value."""

    needs = frozenset(["value_dot"])

    def __init__(self, hook: Hook) -> None:
        self.hook = hook

    def inline_in(
        self, context: Context, node: ast.AST, arguments: list[Operand], needs: dict[str, Operand]
    ) -> Operand:
        if self.hook.replaces:
            raise Refusal(
                "this hook replaces a cotangent, and in forward mode there are none",
                "use reverse mode, or give the function a rule of its own: `custom_jvp`",
            )
        return needs["value_dot"]


def is_held_elsewhere(context: Context, root: Value) -> bool:
    """Whether a function around this one holds the array, too, and goes on with it as it was."""
    found: list[Value] = []

    def note(value: Value) -> Value:
        found.append(value)
        return value

    for scope in reachable_scopes(context):
        if scope is not context.here:
            Replacement(note)(list(scope.names.values()))
    return any(root_of(value) is root for value in found)


def is_array_type(value: Operand) -> bool:
    return isinstance(value, Value) and isinstance(value.type, ArrayType)


def outside_of_with(
    context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    raise context.refuse(node, "`cotangent` stands outside of the head of a `with`", ADVICE)


MANAGERS[api.cotangent] = hook
BUILTINS[api.cotangent] = outside_of_with
