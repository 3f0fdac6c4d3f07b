"""`custom_rule`: derivative rules of the user's, in the notation of `rules.notation`.

    @custom_rule.elementwise(library.gain)          y = library.gain(x)
    def gain(x, *, y):                       ->     ...
        return y * (1 - y)                          x_bar = y_bar * (y * (1 - y))

A function in Python that the compiler can read is entered, as everywhere; its derivative is that of the rule.
Any other function, and one whose `result` is given, is called as it is, by the name it is imported by. What
it gives has to be known while compiling: its `result` is written as a function of the same arguments, which
is read for dtype and shape alone and never run. Emitted code compares what came with it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from ad_compiler.analysis.types import (
    STRING,
    ArrayType,
    Axis,
    Identity,
    Length,
    is_one,
    representative,
    same_length,
)
from ad_compiler.custom import matched
from ad_compiler.errors import Unsupported
from ad_compiler.frontend.calls import call_operand
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.fitting import require_fit
from ad_compiler.frontend.inlining import inline
from ad_compiler.frontend.source import compiled_function
from ad_compiler.frontend.user_code import as_user_code
from ad_compiler.ir import Block, Operand, Value
from ad_compiler.rules.elementwise_types import elementwise_type
from ad_compiler.rules.markers import MARKER, without_derivative
from ad_compiler.rules.notation import Primitive, constant, no_inference, registry, signature_of
from ad_compiler.rules.shapes import describe, rank_of, type_of
from ad_compiler.traversal import values_in

Kind = Literal["elementwise", "linear", "rule", "constant"]
WRITTEN_DOWN = (Value, bool, int, float, str, np.generic, np.dtype, type(None), type(Ellipsis))


@constant("check_result", infer=lambda *_: STRING, effect=True, guard=True)
def check_result(result: Any, dtype: Any, lengths: Any, text: Any) -> None: ...


@dataclass(eq=False)
class CustomRule:
    """A function, and the derivative that the user has given it."""

    function: Callable[..., Any]
    kind: Kind
    rule: Any  # a function in Python
    result: Callable[..., Any] | None
    text: str  # how emitted code calls it
    module: str | None  # what it imports for that; None for a function that is entered
    pushforward: Any = None  # another one

    def __post_init__(self) -> None:
        parameters, defaults, needs = signature_of(self.rule)
        required = tuple(name for name in parameters if name not in defaults)
        self.primitive = Primitive(
            name=self.text,
            text=self.text,
            kind=self.kind,
            infer=no_inference,
            rule=None if self.kind == "constant" else Pullback(self),
            parameters=parameters,
            defaults=defaults,
            needs=needs | {"y"},
            differentiable={"constant": (), "linear": required[:1]}.get(self.kind, required),
            linear="together" if self.kind == "linear" else None,
            fresh=True,
            module=self.module,
        )

    def __call__(
        self, context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
    ) -> Operand:
        """Lower a call of the function in a program."""
        arguments = self.primitive.bind(positional, keywords)
        for name, argument in zip(self.primitive.parameters, arguments, strict=True):
            self.check_argument(context, node, name, argument)
        context.builder.place = (context.here.source, node)
        return (self.entered if self.module is None else self.called)(context, node, arguments)

    def check_argument(self, context: Context, node: ast.AST, name: str, argument: Operand) -> None:
        if name in self.primitive.differentiable and not isinstance(
            argument, (Value, int, float, np.generic)
        ):
            reason = f"the argument `{name}` of `{self.text}` is {describe(argument)}"
            raise context.refuse(node, reason, "its rule is for numbers and arrays: give it one")
        if self.module is not None and not can_be_written(argument):
            reason = f"the argument `{name}` of `{self.text}` cannot be written down"
            raise context.refuse(node, reason, "give numbers, arrays, strings, and tuples of these")

    # --- a function that is entered ---

    def entered(self, context: Context, node: ast.AST, arguments: tuple[Operand, ...]) -> Operand:
        """The lines of the function, and the rule over them."""
        constants = [without_derivative(context.builder, argument) for argument in arguments]
        try:
            value = self.run(context, node, constants)
        except Unsupported as error:
            reason = f"`{self.text}` cannot be entered: {error.reason}"
            raise context.refuse(node, reason, "call it as it is: say by `result=` what it gives") from None
        if not isinstance(value, Value):
            if not any(True for _ in values_in(value)):
                return value
            raise context.refuse(node, f"`{self.text}` gives more than one number or array", "return one")
        if self.kind == "constant":
            return value
        pushforward: Any = None if self.pushforward is None else Pushforward(self, 1)
        if self.kind == "linear" and pushforward is None:
            pushforward = Again(self)
        primitive = replace(
            self.primitive,
            name=MARKER,
            text="",
            infer=lambda marked, *_: marked.type,
            rule=Pullback(self, 1),
            parameters=("value", *self.primitive.parameters),
            linear=None,
            view=True,
            cheap=True,
            pushforward=pushforward,
        )
        context.builder.place = (context.here.source, node)
        return context.builder.call(primitive, (value, *arguments))

    def run(self, context: Context, node: ast.AST, arguments: list[Operand]) -> Operand:
        """What the function itself computes."""
        given = dict(zip(self.primitive.parameters, arguments, strict=True))
        required = [
            given.pop(name) for name in self.primitive.parameters if name not in self.primitive.defaults
        ]
        return inline(context, node, compiled_function(self.function), required, given)

    # --- a function that is called as it is ---

    def called(self, context: Context, node: ast.AST, arguments: tuple[Operand, ...]) -> Operand:
        """The call, and the comparison of what it gives with what was said."""
        kind = self.known_result(context, node, arguments)
        pushforward: Any = None if self.pushforward is None else Pushforward(self)
        primitive = replace(self.primitive, infer=lambda *_: kind, pushforward=pushforward)
        context.builder.place = (context.here.source, node)
        result = context.builder.call(primitive, arguments)
        if isinstance(self.function, np.ufunc):
            return result  # NumPy gives what it says
        lengths = [self.length(context, axis, arguments) for axis in kind.shape]
        context.builder.call(registry["check_result"], (result, kind.dtype, tuple(lengths), self.text))
        return result

    def known_result(self, context: Context, node: ast.AST, arguments: tuple[Operand, ...]) -> ArrayType:
        """The dtype and shape that it is said to have; lengths that cannot be compared are all different."""
        if self.result is None:
            kind = elementwise_type(self.function)(*[a for a in arguments if is_number_or_array(a)])
            if not isinstance(self.function, np.ufunc) and kind.dtype.kind in "biu":
                kind = ArrayType(np.dtype(np.float64), kind.shape)
        else:
            with as_user_code(context), context.builder.separately(Block()):
                made = call_operand(context, node, self.result, list(arguments), {})
            if not is_number_or_array(made):
                reason = f"the `result` of `{self.text}` is {describe(made)}"
                raise context.refuse(node, reason, "let it be one number or array of the kind that is given")
            kind = type_of(made)
        if kind.dtype.kind not in "biufc":
            raise context.refuse(node, f"`{self.text}` gives an array of {kind.dtype}", "give numbers")
        axes = [
            a if self.source_of(a, arguments) is not None else Length(Identity(a), True) for a in kind.shape
        ]
        return ArrayType(kind.dtype, tuple(axes), kind.python)

    def source_of(self, axis: Axis, arguments: tuple[Operand, ...]) -> Any:
        """Where a length can be read when the program runs: a number, or an array and its axis."""
        axis = representative(axis)
        if not isinstance(axis, Length) or axis.origin is not None:
            return axis if not isinstance(axis, Length) else axis.origin
        for argument in arguments:
            for place, own in enumerate(type_of(argument).shape if is_number_or_array(argument) else ()):
                if same_length(own, axis):
                    return argument, place
        return None

    def length(self, context: Context, axis: Axis, arguments: tuple[Operand, ...]) -> Operand:
        """An axis as an operand; None for one that is not known."""
        source = self.source_of(axis, arguments)
        return context.builder.call(registry["length"], source) if isinstance(source, tuple) else source


def can_be_written(argument: Operand) -> bool:
    """Whether emitted code can name an argument of a function that is called as it is."""
    if isinstance(argument, (tuple, list)):
        return all(map(can_be_written, argument))
    if isinstance(argument, slice):
        return can_be_written((argument.start, argument.stop, argument.step))
    return isinstance(argument, WRITTEN_DOWN)


def is_number_or_array(operand: Operand) -> bool:
    if isinstance(operand, Value):
        return isinstance(operand.type, ArrayType)
    return isinstance(operand, (int, float, complex, np.generic))


@dataclass(eq=False)
class Pullback:
    """The body of a rule; the arguments of the function stand behind `offset` others of the operation."""

    custom: CustomRule
    offset: int = 0

    def inline_in(
        self, context: Context, node: ast.AST, arguments: list[Operand], needs: dict[str, Operand]
    ) -> Operand:
        """Lower it: the partial derivatives, or the cotangents."""
        custom, y, own = self.custom, needs["y"], arguments[self.offset :]
        wanted = frozenset[int]() if context.wanted is None else context.wanted[1]
        if "g" in needs and rank_of(needs["g"]) != rank_of(y):  # a number that stands for an array of it
            needs = {**needs, "g": context.builder.call(registry[np.full_like], (y, needs["g"], None))}
        asked = {name: operand for name, operand in needs.items() if name in signature_of(custom.rule)[2]}
        with as_user_code(context):
            found = call_operand(context, node, custom.rule, own, asked)
        names = custom.primitive.differentiable
        given = found if isinstance(found, tuple) else (found,)
        kind = "partial derivative" if custom.kind == "elementwise" else "cotangent"
        if len(given) != len(names):
            what = f"{counted(len(given), kind)} for {counted(len(names), 'argument')}"
            reason = f"the rule of `{custom.text}` gives {what}"
            raise context.refuse(node, reason, f"return one for each of {', '.join(names)}")
        results: list[Operand] = []
        for name, each in zip(names, given, strict=True):
            what = f"the {kind} by `{name}` in the rule of `{custom.text}`"
            place = custom.primitive.parameters.index(name)
            if custom.kind == "elementwise":
                if each is not None or self.offset + place in wanted:
                    require_broadcast(context, node, y, each, what)
                results.append(each)
            else:
                results += matched(context, node, own[place], each, what) or [0.0]
        if custom.kind == "elementwise":
            return (None,) * self.offset + tuple(results)
        return results[0] if len(results) == 1 else tuple(results)


def counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def require_broadcast(context: Context, node: ast.AST, y: Operand, partial: Operand, what: str) -> None:
    """Refuse a partial derivative that has not the shape of the result, nor one that is broadcast to it."""
    advice = "give each element of the result its own, or one number for all"
    if partial is None or not is_number_or_array(partial) or rank_of(partial) > rank_of(y):
        reason = f"{what} is {describe(partial)}, and the result is {describe(y)}"
        raise context.refuse(node, reason, advice)
    if rank_of(partial) and not all(map(is_one, type_of(partial).shape)):
        like = y
        while rank_of(like) > rank_of(partial):
            like = context.builder.call(registry["getitem"], (like, (0,)))
        require_fit(context, node, like, partial, what, advice)


@dataclass(eq=False)
class Pushforward:
    """The body of a rule for tangents."""

    custom: CustomRule
    offset: int = 0

    @property
    def needs(self) -> frozenset[str]:
        """What it asks for, as the notation of rules has it."""
        assert self.custom.pushforward is not None
        return signature_of(self.custom.pushforward)[2] | {"y"}

    def inline_in(
        self, context: Context, node: ast.AST, arguments: list[Operand], needs: dict[str, Operand]
    ) -> Operand:
        """Lower it: the tangent of the result."""
        asked = signature_of(self.custom.pushforward)[2]
        given = {name: operand for name, operand in needs.items() if name in asked}
        with as_user_code(context):
            found = call_operand(context, node, self.custom.pushforward, arguments[self.offset :], given)
        (tangent,) = matched(
            context, node, needs["y"], found, f"the tangent in the rule of `{self.custom.text}`"
        )
        return tangent


@dataclass(eq=False)
class Again:
    """The tangent of a linear function that is entered: the function, entered once more."""

    custom: CustomRule

    @property
    def needs(self) -> frozenset[str]:
        """What it asks for, as the notation of rules has it."""
        return frozenset([f"{self.custom.primitive.differentiable[0]}_dot"])

    def inline_in(
        self, context: Context, node: ast.AST, arguments: list[Operand], needs: dict[str, Operand]
    ) -> Operand:
        """Lower the function on the tangent."""
        (tangent,) = needs.values()
        with as_user_code(context):
            return self.custom.run(context, node, [tangent, *arguments[2:]])
