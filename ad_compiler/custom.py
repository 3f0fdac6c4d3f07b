"""Derivatives of the user's own: `custom_vjp`, `custom_jvp`, `stop_gradient`.

    @custom_vjp
    def clipped(x):                         the value is computed by the function, or, where a derivative is
        return x                            taken, by `forward`, which also returns what the pullback needs;
                                            what they compute has no derivative of its own
    def forward(x):
        return x, None

    def backward(residuals, g):             the cotangents of the arguments
        return (np.clip(g, -1.0, 1.0),)

    clipped.defvjp(forward, backward)

Names and order of arguments are JAX's. Either mode works with either rule: a pushforward is the transposed
pullback, and the other way round (`transforms.transpose`).
"""

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ad_compiler import api
from ad_compiler.analysis.types import ArrayType
from ad_compiler.drivers import arguments_of, free_name, function_of_text, header_of
from ad_compiler.frontend.aliases import current
from ad_compiler.frontend.calls import call_operand
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.fitting import require_fit
from ad_compiler.frontend.frozen import closed, values_closed
from ad_compiler.frontend.user_code import as_user_code
from ad_compiler.ir import Operand, Record, Value
from ad_compiler.rules.markers import MARKER, without_derivative
from ad_compiler.rules.notation import Primitive, registry
from ad_compiler.rules.shapes import rank_of
from ad_compiler.transforms.transpose import Pairs, transpose
from ad_compiler.traversal import values_in


class CustomDerivative:
    """A function whose derivative the user gives. Called, it is the function."""

    kind: str
    __name__: str
    __qualname__: str

    def __init__(self, fun: Callable[..., Any], nondiff_argnums: Sequence[int] = ()) -> None:
        if not callable(fun):
            raise TypeError(f"a function is needed, not {type(fun).__name__}")
        self.fun = fun
        functools.update_wrapper(self, fun)
        self.__signature__ = inspect.signature(fun)
        self.nondiff_argnums = self.checked_places(nondiff_argnums)

    def checked_places(self, places: Sequence[int]) -> tuple[int, ...]:
        """The positions of arguments, which must be there."""
        if not isinstance(places, (tuple, list)) or not all(type(place) is int for place in places):
            raise TypeError(f"nondiff_argnums {places!r} must be a tuple of positions")
        listed = list(self.__signature__.parameters.values())
        count = len(listed)
        if any(each.kind is each.VAR_POSITIONAL for each in listed):
            return tuple(places)
        if not all(-count <= place < count for place in places):
            raise ValueError(f"nondiff_argnums {places!r} is out of range for {count} arguments")
        if len({place % count for place in places}) != len(places):
            raise ValueError(f"nondiff_argnums {places!r} names an argument twice")
        return tuple(places)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.fun(*args, **kwargs)

    def __reduce__(self) -> Any:
        return self.__qualname__

    def __repr__(self) -> str:
        return f"<{self.kind} {getattr(self.fun, '__qualname__', self.fun)}>"

    def bound(
        self, context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
    ) -> tuple[list[Operand], list[Operand]]:
        """The arguments that are not differentiated, and those that are."""
        try:
            matched = self.__signature__.bind(*positional, **keywords)
        except TypeError as error:
            raise context.refuse(node, f"this call does not fit: {error}", "check the arguments") from None
        matched.apply_defaults()
        if matched.kwargs:
            reason = f"`{self.__name__}` has a rule, and arguments by keyword only"
            raise context.refuse(node, reason, "let it take all its arguments by position")
        arguments = list(matched.args)
        fixed = [number % len(arguments) for number in self.nondiff_argnums]
        return [arguments[i] for i in fixed], [a for i, a in enumerate(arguments) if i not in fixed]

    def together(self, context: Context, fixed: list[Operand], moving: list[Operand]) -> list[Operand]:
        """All arguments in their order, as constants."""
        places = [number % (len(fixed) + len(moving)) for number in self.nondiff_argnums]
        waiting = iter(moving)
        by_place = dict(zip(places, fixed, strict=True))
        arguments = [by_place[i] if i in by_place else next(waiting) for i in range(len(fixed) + len(moving))]
        return [without_derivative(context.builder, argument) for argument in arguments]


class CustomVjp(CustomDerivative):
    """A function with a pullback of the user's own."""

    kind = "custom_vjp"

    def __init__(self, fun: Callable[..., Any], nondiff_argnums: Sequence[int] = ()) -> None:
        super().__init__(fun, nondiff_argnums)
        self.forward: Callable[..., Any] | None = None
        self.backward: Callable[..., Any] | None = None

    def defvjp(self, fwd: Callable[..., Any], bwd: Callable[..., Any]) -> None:
        """Set the rule: `fwd(*args)` gives `(value, residuals)`, `bwd(residuals, g)` a tuple of cotangents.

        There is a cotangent for every argument but those in `nondiff_argnums`, which come first in `bwd`.
        """
        if not callable(fwd) or not callable(bwd):
            raise TypeError("defvjp needs two functions")
        self.forward, self.backward = fwd, bwd

    def inline_in(
        self, context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
    ) -> Operand:
        """Call it in a program that is being lowered."""
        if self.forward is None or self.backward is None:
            raise context.refuse(node, f"{self!r} has no rule", "give it one: `defvjp(fwd, bwd)`")
        fixed, moving = self.bound(context, node, positional, keywords)
        found = call_operand(context, node, self.forward, self.together(context, fixed, moving), {})
        if not isinstance(found, tuple) or len(found) != 2:
            reason = f"the forward function of {self!r} does not return (value, residuals)"
            raise context.refuse(node, reason, "return a pair")
        value, residuals = found
        rule = Pullback(self, fixed, moving, residuals)
        return marked(context, node, self, value, rule, self.pushforward(fixed, moving, residuals))

    def pushforward(self, fixed: list[Operand], moving: list[Operand], residuals: Operand) -> Rule | None:
        """The rule of forward mode; None for the transposed pullback."""
        return None


class Checkpointed(CustomVjp):
    """A function that the reverse sweep runs again, instead of saving what it computes on the way."""

    kind = "checkpoint"

    def __init__(self, fun: Callable[..., Any]) -> None:
        super().__init__(fun)
        signature = self.__signature__
        f, saved, g = (free_name(name, signature) for name in ("f", "saved", "g"))
        header, arguments = header_of(signature), arguments_of(signature)
        known = {f: fun, "vjp": api.vjp}
        self.defvjp(
            function_of_text(
                f"def forward({header}):\n    return {f}({arguments}), ({arguments},)\n", "forward", known
            ),
            function_of_text(
                f"def backward({saved}, {g}):\n    return vjp({f}, *{saved})[1]({g})\n", "backward", known
            ),
        )

        self.rule = function_of_text(
            f"def tangent(primals, tangents):\n    return jvp({f}, primals, tangents)\n",
            "tangent",
            {f: fun, "jvp": api.jvp},
        )

    def pushforward(self, fixed: list[Operand], moving: list[Operand], residuals: Operand) -> Rule | None:
        return Pushforward(self, fixed, moving, residuals)

    def __reduce__(self) -> Any:
        return Checkpointed, (self.fun,)


class CustomJvp(CustomDerivative):
    """A function with a pushforward of the user's own."""

    kind = "custom_jvp"

    def __init__(self, fun: Callable[..., Any], nondiff_argnums: Sequence[int] = ()) -> None:
        super().__init__(fun, nondiff_argnums)
        self.rule: Callable[..., Any] | None = None

    def defjvp(self, jvp: Callable[..., Any]) -> Callable[..., Any]:
        """Set the rule: `jvp(primals, tangents)` gives `(value, tangent)`.

        Arguments in `nondiff_argnums` come first.
        """
        if not callable(jvp):
            raise TypeError("defjvp needs a function")
        self.rule = jvp
        return jvp

    def inline_in(
        self, context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
    ) -> Operand:
        """Call it in a program that is being lowered."""
        if self.rule is None:
            raise context.refuse(node, f"{self!r} has no rule", "give it one: `defjvp(rule)`")
        fixed, moving = self.bound(context, node, positional, keywords)
        value = call_operand(context, node, self.fun, self.together(context, fixed, moving), {})
        rule = Pushforward(self, fixed, moving)
        return marked(context, node, self, value, TransposedPushforward(rule), rule)


def marked(
    context: Context,
    node: ast.AST,
    custom: CustomDerivative,
    value: Operand,
    rule: Any,
    pushforward: Any,
    name_again: str = "",
) -> Operand:
    """The value, with the derivative of a rule; `name_again` if that is to be differentiated by rule too."""
    if not isinstance(value, Value):
        if not any(True for _ in values_in(value)):
            return value
        raise context.refuse(node, f"{custom!r} gives more than one number or array", "return one array")
    if not rule.names:
        return value
    primitive = Primitive(
        name=MARKER,
        text=name_again,
        kind="rule",
        infer=lambda marked, *_: marked.type,
        rule=rule,
        parameters=("value", *rule.names, *(f"given_{i}" for i in range(len(rule.given)))),
        needs=rule.asks,
        differentiable=rule.names,
        view=True,
        cheap=not name_again,
        pushforward=pushforward,
    )
    context.builder.place = (context.here.source, node)
    return context.builder.call(primitive, (value, *rule.leaves, *rule.given))


@dataclass(eq=False)
class Rule:
    """A rule, and the operands of the call it stands for: `leaves` are what is differentiated."""

    custom: Any
    fixed: list[Operand]
    moving: list[Operand]
    residuals: Operand = None

    asks: ClassVar[frozenset[str]] = frozenset(["g"])

    def __post_init__(self) -> None:
        parts = (self.fixed, self.moving, self.residuals)
        self.fixed, self.moving, self.residuals = closed(parts, lambda value: value)
        self.leaves = [value for value in values_in(self.moving) if is_real(value)]
        self.names = tuple(f"x{i}" for i in range(len(self.leaves)))
        self.given = values_closed((self.fixed, self.moving, self.residuals))

    @property
    def needs(self) -> frozenset[str]:
        """What it asks for, as the notation of rules has it."""
        return frozenset(f"{name}_dot" for name in self.names)

    def known(self, arguments: Sequence[Operand]) -> dict[Value, Operand]:
        """What the operands of the call have become since."""
        return dict(zip([*self.leaves, *self.given], arguments[1:], strict=True))

    def call(self, context: Context, node: ast.AST, function: Any, arguments: list[Operand]) -> Operand:
        """Lower a call of a function of the user's."""
        with as_user_code(context):
            return current(context, call_operand(context, node, function, arguments, {}))


class Pullback(Rule):
    """The cotangents of the arguments, by the user's `bwd`."""

    def inline_in(
        self, context: Context, node: ast.AST, arguments: list[Operand], needs: dict[str, Operand]
    ) -> Operand:
        known = self.known(arguments)
        parts = (self.fixed, self.moving, self.residuals)
        fixed, moving, residuals = closed(parts, lambda value: known.get(value, value))
        g = needs["g"]
        if rank_of(g) != rank_of(arguments[0]):  # a number that stands for an array of it
            g = context.builder.call(registry[np.full_like], (arguments[0], g, None))
        found = self.call(context, node, self.custom.backward, [*fixed, residuals, g])
        if not isinstance(found, tuple) or len(found) != len(moving):
            what = f"{len(found)} cotangents" if isinstance(found, (tuple, list)) else "no tuple"
            reason = f"the backward function of {self.custom!r} gives {what} for {len(moving)} arguments"
            raise context.refuse(node, reason, "return a tuple with one for each argument")
        cotangents: list[Operand] = []
        for place, (argument, cotangent) in enumerate(zip(moving, found, strict=True)):
            what = f"the cotangent of argument {place} of {self.custom!r}"
            cotangents += matched(context, node, argument, cotangent, what)
        return cotangents[0] if len(cotangents) == 1 else tuple(cotangents)


class Pushforward(Rule):
    """The tangent of the value, by the user's rule."""

    def inline_in(
        self, context: Context, node: ast.AST, arguments: list[Operand], needs: dict[str, Operand]
    ) -> Operand:
        tangents = [needs[f"{name}_dot"] for name in self.names]
        return self.tangent(context, node, arguments, tangents)

    def tangent(
        self, context: Context, node: ast.AST, arguments: list[Operand], tangents: list[Operand]
    ) -> Operand:
        known = self.known(arguments)
        fixed, moving = closed((self.fixed, self.moving), lambda value: known.get(value, value))
        by_leaf = dict(zip(self.leaves, tangents, strict=True))

        def tangent_of(value: Value) -> Operand:
            tangent = by_leaf.get(value, 0.0)
            if rank_of(value) and not isinstance(tangent, Value):
                return context.builder.call(registry[np.zeros_like], (known[value], None))
            return tangent

        still = isinstance(self.custom, Checkpointed)  # its rule is our own, and knows of None
        moved = tuple(
            [
                None if still and not any(map(is_real, values_in(each))) else tangents_in(each, tangent_of)
                for each in self.moving
            ]
        )
        found = self.call(context, node, self.custom.rule, [*fixed, tuple(moving), moved])
        if not isinstance(found, tuple) or len(found) != 2:
            reason = f"the rule of {self.custom!r} does not return (value, tangent)"
            raise context.refuse(node, reason, "return a pair")
        what = f"the tangent of {self.custom!r}"
        (tangent,) = matched(context, node, arguments[0], found[1], what)
        return tangent


class TransposedPushforward(Rule):
    """The cotangents of the arguments, by the transpose of the user's pushforward."""

    def __init__(self, rule: Pushforward) -> None:
        super().__init__(rule.custom, rule.fixed, rule.moving)
        self.pushforward = rule

    def inline_in(
        self, context: Context, node: ast.AST, arguments: list[Operand], needs: dict[str, Operand]
    ) -> Operand:
        known = self.known(arguments)
        primals = [known[leaf] for leaf in self.leaves]
        tangents = [Value(leaf.type) for leaf in self.leaves]

        def lower() -> Pairs:
            tangent = self.pushforward.tangent(context, node, arguments, list(tangents))
            return [(tangent, needs["g"])] if isinstance(tangent, Value) else []

        found = [0.0 if each is None else each for each in transpose(context, lower, tangents, primals)]
        return found[0] if len(found) == 1 else tuple(found)


def tangents_in(operand: Operand, tangent_of: Callable[[Value], Operand]) -> Operand:
    """The tangents in the structure of an argument: 0.0 for a constant number, None for what is no number."""
    if isinstance(operand, Value):
        return tangent_of(operand)
    if isinstance(operand, Record):
        return Record(operand.cls, {k: tangents_in(v, tangent_of) for k, v in operand.fields.items()})
    if isinstance(operand, (tuple, list)):
        return type(operand)(tangents_in(item, tangent_of) for item in operand)
    if isinstance(operand, dict):
        return {key: tangents_in(item, tangent_of) for key, item in operand.items()}
    return 0.0 if isinstance(operand, (int, float, np.generic)) and not isinstance(operand, bool) else None


def is_real(value: Value) -> bool:
    return isinstance(value.type, ArrayType) and value.type.dtype.kind == "f"


def matched(context: Context, node: ast.AST, like: Operand, given: Operand, what: str) -> list[Operand]:
    """The derivatives of the real numbers and arrays in `like`, from a structure that the user gives."""
    if isinstance(like, Value):
        if not is_real(like):
            return []
        if given is None:
            return [0.0]
        if not (isinstance(given, (int, float)) and given == 0):
            require_fit(context, node, like, given, what, "give it the shape of its value")
        return [given]
    if isinstance(like, (tuple, list)):
        if given is None:
            given = [None] * len(like)
        if not isinstance(given, (tuple, list)) or len(given) != len(like):
            raise context.refuse(node, f"{what} has another structure", f"give {len(like)} parts")
        pairs = enumerate(zip(like, given, strict=True))
        return [each for i, (a, b) in pairs for each in matched(context, node, a, b, f"{what}[{i}]")]
    if isinstance(like, dict):
        given = dict.fromkeys(like) if given is None else given
        if not isinstance(given, dict) or given.keys() != like.keys():
            raise context.refuse(node, f"{what} has another structure", f"give the keys {list(like)}")
        return [
            each for key in like for each in matched(context, node, like[key], given[key], f"{what}[{key!r}]")
        ]
    return []
