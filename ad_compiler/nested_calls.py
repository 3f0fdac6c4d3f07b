"""What `grad`, `vjp`, `jvp` and their like mean when a differentiated program calls them."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ad_compiler import api
from ad_compiler.analysis.types import ArrayType
from ad_compiler.callees import NestedDerivative, holds_numbers, holds_reals, signature_of
from ad_compiler.frontend.builtin_calls import BUILTINS
from ad_compiler.frontend.calls import call_operand
from ad_compiler.frontend.checkpointed import make_checkpointed
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.fitting import require_fit
from ad_compiler.frontend.scope import LocalFunction
from ad_compiler.gate import gate
from ad_compiler.ir import Operand, Record, Value
from ad_compiler.pipeline import Mode
from ad_compiler.rules.notation import registry
from ad_compiler.rules.shapes import type_of
from ad_compiler.testing import check_grads
from ad_compiler.transforms.tangent_names import tangent_name
from ad_compiler.traversal import map_values

OPTIONS = ("backend", "fastmath", "parallel", "cache")  # the program around it decides what it is written as
IN_PROGRAMS = (LocalFunction, Record)  # what programs make and call
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
        listed = ", ".join(dict.fromkeys([*names, *defaults]))
        raise context.refuse(node, "this call does not fit", f"the arguments are {listed}")
    callee = given.get("fun")
    known = callable(callee) or hasattr(type(callee), "inline_in") or isinstance(callee, IN_PROGRAMS)
    if not known or isinstance(callee, Value):
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
        names = ("fun", "argnums")
        by_name = {"has_aux": False, "of": None, **dict.fromkeys(OPTIONS)}
        given = arguments(context, node, names, positional, keywords, argnums=0, **by_name)
        return NestedDerivative(
            given["fun"], mode, given["argnums"], bool(given["has_aux"]), named(given["of"])
        )

    return handler


@dataclass(frozen=True, eq=False)
class NestedPullback:
    """A pullback that checks its cotangent, and gives None for what holds no numbers."""

    pullback: Operand
    value: Operand
    chosen: tuple[bool, ...]

    of_program: ClassVar[bool] = True

    def inline_in(
        self, context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
    ) -> Operand:
        """Call it in a program that is being lowered."""
        if len(positional) == 1 and not keywords:
            fit(context, node, self.value, positional[0], "the cotangent", whole=False)
        gradients = iter(call_operand(context, node, self.pullback, positional, keywords))
        return tuple([next(gradients) if flag else None for flag in self.chosen])


def nested_vjp(
    context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    """`vjp(fun, *primals)`: the value and the pullback, which is a function of the program."""
    wanted = ("has_aux", "argnums", "of")
    options: dict[str, Operand] = {name: keywords.pop(name) for name in wanted if name in keywords}
    given = arguments(context, node, ("fun", *OPTIONS), positional[:1], keywords)
    primals, has_aux = positional[1:], bool(options.get("has_aux", False))
    names = list(signature_of(given["fun"]).parameters)
    argnums = options.get("argnums")
    flags = [True] * (len(argnums) if isinstance(argnums, (tuple, list)) else 1)
    if argnums is None:
        flags = [holds_reals(primal) for primal in primals]
        if not any(flags):
            flags = [holds_numbers(primal) for primal in primals]
        argnums = tuple(name for name, flag in zip(names, flags, strict=False) if flag)
    nested = NestedDerivative(given["fun"], "vjp", argnums, has_aux, named(options.get("of")))
    value, pullback = nested.inline_in(context, node, primals, {})
    if not has_aux:
        return value, NestedPullback(pullback, value, tuple(flags))
    value, aux = value
    return value, NestedPullback(pullback, value, tuple(flags)), aux


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


def fit(
    context: Context, node: ast.AST, primal: Operand, tangent: Operand, what: str, whole: bool = True
) -> None:
    """Refuse a tangent or a cotangent that has not the structure and shape of its value.

    What belongs to a whole number is of no account where `whole` is false.
    """
    if isinstance(primal, Record):
        if not isinstance(tangent, Record) or tangent.cls is not primal.cls:
            raise context.refuse(node, f"{what} is no {primal.cls.__name__}", "give it the same structure")
        for name, part in primal.fields.items():
            fit(context, node, part, tangent.fields[name], f"{what}.{name}", whole)
    elif isinstance(primal, (tuple, list)):
        if not isinstance(tangent, (tuple, list)) or len(tangent) != len(primal):
            raise context.refuse(
                node, f"{what} is no container of {len(primal)}", "give it the same structure"
            )
        for place, (one, other) in enumerate(zip(primal, tangent, strict=True)):
            fit(context, node, one, other, f"{what}[{place}]", whole)
    elif isinstance(primal, dict):
        if not isinstance(tangent, dict) or tangent.keys() != primal.keys():
            raise context.refuse(node, f"{what} is no dict with the same keys", "give it the same structure")
        for key in primal:
            fit(context, node, primal[key], tangent[key], f"{what}[{key!r}]", whole)
    elif isinstance(primal, (Value, int, float, np.generic)) and not isinstance(primal, bool):
        kind = primal.type if isinstance(primal, Value) else type_of(primal)
        if isinstance(kind, ArrayType) and (whole or kind.differentiable):
            require_fit(context, node, primal, tangent, what, "give it the shape of its value")


@dataclass(frozen=True, eq=False)
class NestedLinear:
    """The derivative of a function at a point, as `linearize` gives it."""

    fun: Operand
    primals: list[Operand]

    of_program: ClassVar[bool] = True

    def inline_in(
        self, context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
    ) -> Operand:
        """Call it in a program that is being lowered."""
        return nested_jvp(context, node, [self.fun, self.primals, list(positional)], dict(keywords))[1]


def nested_linearize(
    context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    """`linearize(fun, *primals)`."""
    given = arguments(context, node, ("fun", *OPTIONS), positional[:1], keywords)
    value = call_operand(context, node, given["fun"], list(positional[1:]), {})
    return value, NestedLinear(given["fun"], list(positional[1:]))


def made_outside(
    context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    """What is made once, and not in a program: a function with a rule, a gate, a check."""
    raise context.refuse(node, "this is called inside of a differentiated program", "call it outside")


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
    stop = registry["stop_gradient"]
    return map_values(lambda value: context.builder.call(stop, (value,)), positional[0])


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


def made_implicit(
    context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    """`implicit(...)`, made in a program: its equation could read what is differentiated around it."""
    raise context.refuse(
        node, "`implicit` is applied in a program that is differentiated", "define the solver outside"
    )


BUILTINS.update(
    {
        api.checkpoint: made_checkpoint,
        api.checkpointed: make_checkpointed,
        api.implicit: made_implicit,
        api.stop_gradient: stopped,
        api.grad: derivative("grad"),
        api.value_and_grad: derivative("value_and_grad"),
        api.vjp: nested_vjp,
        api.jvp: nested_jvp,
        api.linearize: nested_linearize,
        **dict.fromkeys([api.custom_vjp, api.custom_jvp, check_grads, gate], made_outside),
    }
)
