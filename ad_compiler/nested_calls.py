"""What `grad`, `vjp`, `jvp` and their like mean when a differentiated program calls them."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ad_compiler import api
from ad_compiler.frontend.builtin_calls import BUILTINS
from ad_compiler.frontend.calls import call_operand
from ad_compiler.frontend.checkpointed import make_checkpointed
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.fitting import require_fit
from ad_compiler.ir import Operand, Value
from ad_compiler.nested import NestedDerivative, holds_numbers, holds_reals, signature_of
from ad_compiler.pipeline import Mode
from ad_compiler.rules.markers import without_derivative
from ad_compiler.transforms.tangent_names import tangent_name

OPTIONS = ("backend", "fastmath", "cache")  # the program around a derivative decides what it is written as
Handler = Callable[[Context, ast.AST, list[Operand], dict[str, Operand]], Operand]


def arguments(
    context: Context,
    node: ast.AST,
    names: tuple[str, ...],
    positional: list[Operand],
    keywords: dict[str, Operand],
    **defaults: Operand,
) -> dict[str, Operand]:
    """The arguments of a call by name; what is no constant is refused."""
    given = defaults | dict(zip(names, positional, strict=False)) | keywords
    unknown = next((name for name in given if name not in (*names, *defaults)), None)
    if unknown is not None or len(positional) > len(names):
        raise context.refuse(node, "this call does not fit", f"the arguments are {', '.join(names)}")
    callee = given.get("fun")
    if callee is None or isinstance(callee, Value):
        raise context.refuse(node, "what is to be differentiated is no function", "pass a function")
    return given


def named(of: Operand) -> str | tuple[str, ...] | None:
    """What `of` names: the arguments that receive the results."""
    return tuple(of) if isinstance(of, list) else of


def derivative(mode: Mode) -> Handler:
    """`grad` and `value_and_grad`: an operand that can be called."""

    def handler(
        context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
    ) -> Operand:
        names = ("fun", "argnums", "has_aux", "of", *OPTIONS)
        given = arguments(context, node, names, positional, keywords, argnums=0, has_aux=False)
        return NestedDerivative(
            given["fun"], mode, given["argnums"], bool(given["has_aux"]), named(given.get("of"))
        )

    return handler


@dataclass(frozen=True, eq=False)
class NestedPullback:
    """A pullback that gives None for what holds no numbers."""

    pullback: Operand
    chosen: tuple[bool, ...]

    def inline_in(
        self, context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
    ) -> Operand:
        gradients = iter(call_operand(context, node, self.pullback, positional, keywords))
        return tuple([next(gradients) if flag else None for flag in self.chosen])


def nested_vjp(
    context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    """`vjp(fun, *primals)`: the value and the pullback, which is a function of the program."""
    options = {name: keywords.pop(name) for name in ("has_aux", "argnums", "of") if name in keywords}
    given = arguments(context, node, ("fun", *OPTIONS), positional[:1], keywords)
    primals, has_aux = positional[1:], bool(options.get("has_aux", False))
    names = list(signature_of(given["fun"]).parameters)
    argnums = options.get("argnums")
    flags = [True] * len(primals)
    if argnums is None:
        flags = [holds_reals(primal) for primal in primals]
        if not any(flags):
            flags = [holds_numbers(primal) for primal in primals]
        argnums = tuple(name for name, flag in zip(names, flags, strict=False) if flag)
    nested = NestedDerivative(given["fun"], "vjp", argnums, has_aux, named(options.get("of")))
    value, pullback = nested.inline_in(context, node, primals, {})
    if not all(flags):
        pullback = NestedPullback(pullback, tuple(flags))
    if has_aux:
        value, aux = value
        return value, pullback, aux
    return value, pullback


def nested_jvp(
    context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    """`jvp(fun, primals, tangents)`."""
    names = ("fun", "primals", "tangents", "has_aux", "of", *OPTIONS)
    given = arguments(context, node, names, positional, keywords, has_aux=False)
    primals, tangents = given.get("primals"), given.get("tangents")
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise context.refuse(
            node, "`jvp` needs tuples of primals and of tangents", "write `jvp(f, (x,), (t,))`"
        )
    if len(primals) != len(tangents):
        reason = f"{len(primals)} primals and {len(tangents)} tangents are given"
        raise context.refuse(node, reason, "give one for each argument, None for one that does not move")
    parameters = list(signature_of(given["fun"]).parameters)
    moving: dict[str, Operand] = {}
    for name, primal, tangent in zip(parameters, primals, tangents, strict=False):
        if tangent is not None:
            fit(context, node, primal, tangent, f"the tangent of `{name}`")
            moving[tangent_name(name, parameters)] = tangent
    if not moving:
        raise context.refuse(node, "no argument has a tangent", "give one that is not None")
    nested = NestedDerivative(given["fun"], "jvp", (), bool(given["has_aux"]), named(given.get("of")))
    return nested.inline_in(context, node, list(primals), moving)


def fit(context: Context, node: ast.AST, primal: Operand, tangent: Operand, what: str) -> None:
    """Refuse a tangent that has not the structure and shape of its argument."""
    if isinstance(primal, (tuple, list)):
        if not isinstance(tangent, (tuple, list)) or len(tangent) != len(primal):
            raise context.refuse(
                node, f"{what} is no container of {len(primal)}", "give it the same structure"
            )
        for place, (one, other) in enumerate(zip(primal, tangent, strict=True)):
            fit(context, node, one, other, f"{what}[{place}]")
    elif isinstance(primal, dict):
        if not isinstance(tangent, dict) or tangent.keys() != primal.keys():
            raise context.refuse(node, f"{what} is no dict with the same keys", "give it the same structure")
        for key in primal:
            fit(context, node, primal[key], tangent[key], f"{what}[{key!r}]")
    elif isinstance(primal, (Value, int, float, np.generic)) and not isinstance(primal, bool):
        require_fit(context, node, primal, tangent, what, "give it the shape of its argument")


def derived(kind: Any) -> Handler:
    """`jacfwd`, `hessian` and their like: a function made of derivatives."""

    def handler(
        context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
    ) -> Operand:
        from ad_compiler.jacobians import Derived

        names = ("fun", "argnums", "has_aux", *OPTIONS)
        given = arguments(context, node, names, positional, keywords, argnums=0, has_aux=False)
        try:
            return Derived(given["fun"], kind, given["argnums"], bool(given["has_aux"]))
        except (TypeError, ValueError) as error:
            raise context.refuse(node, str(error), "check the arguments") from None

    return handler


for _function in (
    api.jacfwd,
    api.jacrev,
    api.jacobian,
    api.hessian,
    api.hvp,
    api.elementwise_grad,
):
    BUILTINS[_function] = derived(_function.__name__)


def stopped(
    context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    """`stop_gradient(x)`."""
    if len(positional) != 1 or keywords:
        raise context.refuse(node, "`stop_gradient` takes one argument", "write `stop_gradient(x)`")
    return without_derivative(context.builder, positional[0])


def made_checkpoint(
    context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    """`checkpoint(f)`, made in a program."""
    from ad_compiler.custom import Checkpointed

    given = arguments(context, node, ("fun",), positional, keywords)
    if not callable(given["fun"]):
        reason = "`checkpoint` is given a function of the program itself"
        raise context.refuse(node, reason, "define the function outside")
    return Checkpointed(given["fun"])


BUILTINS.update(
    {
        api.checkpoint: made_checkpoint,
        api.checkpointed: make_checkpointed,
        api.stop_gradient: stopped,
        api.grad: derivative("grad"),
        api.value_and_grad: derivative("value_and_grad"),
        api.vjp: nested_vjp,
        api.jvp: nested_jvp,
    }
)
