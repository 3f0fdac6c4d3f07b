"""What a program may differentiate: its own functions, those from outside, derivatives, and objects."""

from __future__ import annotations

import ast
import functools
import inspect
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import numpy as np

from ad_compiler.analysis.elementwise import mixing_operation
from ad_compiler.analysis.types import ArrayType
from ad_compiler.drivers import called_name
from ad_compiler.errors import Unsupported
from ad_compiler.frontend.aliases import current
from ad_compiler.frontend.calls import call_operand
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.fitting import require_fit
from ad_compiler.frontend.operations import describe_any
from ad_compiler.frontend.scope import LocalFunction
from ad_compiler.frontend.source import read_source
from ad_compiler.ir import Operand, Record, Value
from ad_compiler.pipeline import SUFFIX, Mode
from ad_compiler.refusal import Refusal
from ad_compiler.rules.shapes import is_complex
from ad_compiler.signatures import with_tangents
from ad_compiler.traversal import values_in


@dataclass(frozen=True, eq=False)
class NestedDerivative:
    """A derivative that a program makes or calls: of one of its own functions, or of one from outside."""

    callee: Any
    mode: Mode
    argnums: Any = 0
    has_aux: bool = False
    of: str | tuple[str, ...] | None = None  # the arguments that receive the results

    def inline_in(
        self, context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
    ) -> Operand:
        """Call it in a program that is being lowered."""
        from ad_compiler.nested import NestedCall

        return NestedCall(context, node, self).run(positional, keywords)


class Held:
    """A function of the program that is lowered, as an object that the text of another one can name."""

    def __init__(self, callee: Any) -> None:
        self.callee = callee

    def inline_in(
        self, context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
    ) -> Operand:
        """Call it in a program that is being lowered."""
        return call_operand(context, node, self.callee, positional, keywords)


class OneArray(Held):
    """A function whose Jacobian is taken: it gives one number or array, and `aux` with `has_aux`."""

    def __init__(self, callee: Any, has_aux: bool) -> None:
        super().__init__(callee)
        self.has_aux = has_aux

    def inline_in(
        self, context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
    ) -> Operand:
        """Call it in a program that is being lowered; anything else is refused."""
        found = super().inline_in(context, node, positional, keywords)
        if self.has_aux and not (isinstance(found, tuple) and len(found) == 2):
            self.refuse(
                context, node, "with `has_aux` the function must return (value, aux)", "return a pair"
            )
        value = found[0] if self.has_aux else found
        is_array = isinstance(value, Value) and isinstance(value.type, ArrayType)
        if not is_array and not isinstance(value, (int, float, complex, np.generic)):
            reason = (
                f"the function returns {describe_any(value)}, and this derivative is of one number or array"
            )
            self.refuse(context, node, reason, "return one array, or use `vjp` or `jvp`")
        return found

    def refuse(self, context: Context, node: ast.AST, reason: str, advice: str) -> None:
        """Point at the function, where it has a text."""
        callee = self.callee.callee if isinstance(self.callee, Held) else self.callee
        if isinstance(callee, LocalFunction):
            raise callee.scope.source.refuse(callee.node, reason, advice)
        if isinstance(callee, FunctionType):
            source = read_source(callee)
            raise source.refuse(source.node, reason, advice)
        raise context.refuse(node, reason, advice)


class ElementByElement(OneArray):
    """A function of which every element of the result is made of one element of each argument in `places`."""

    def __init__(self, callee: Any, has_aux: bool, places: tuple[int, ...]) -> None:
        super().__init__(callee, has_aux)
        self.places = places

    def inline_in(
        self, context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
    ) -> Operand:
        """Call it in a program that is being lowered; one that mixes elements is refused."""
        found = super().inline_in(context, node, positional, keywords)
        value = current(context, found[0] if self.has_aux else found)
        if isinstance(value, Value) and is_complex(value):
            return found  # the derivative of a part of it would be half: refused where cotangents are made
        arguments = [positional[place] for place in self.places]
        mixing = mixing_operation(value, values_in(arguments))
        advice = "use `jacobian`, and take its diagonal; or `vjp` for sums of its columns"
        if mixing is not None:
            reason = "this does not work element by element, and `elementwise_grad` is of what does"
            source, place = mixing.place or (context.here.source, node)
            raise source.refuse(place, reason, advice)
        for argument in arguments:
            if isinstance(value, Value) and isinstance(argument, Value):
                try:
                    require_fit(
                        context, node, argument, value, f"the result of `{name_of(self.callee)}`", advice
                    )
                except Unsupported as error:
                    self.refuse(context, node, error.reason, advice)
        return found


def passed(
    signature: inspect.Signature, operands: dict[str, Operand]
) -> tuple[list[Operand], dict[str, Operand]]:
    """The parameters as the arguments of a call."""
    positional: list[Operand] = []
    keywords: dict[str, Operand] = {}
    for name, parameter in signature.parameters.items():
        if parameter.kind is parameter.VAR_POSITIONAL:
            positional += operands[name]
        elif parameter.kind is parameter.VAR_KEYWORD:
            keywords |= operands[name]
        elif parameter.kind is parameter.KEYWORD_ONLY:
            keywords[name] = operands[name]
        else:
            positional.append(operands[name])
    return positional, keywords


def signature_of(callee: Any) -> inspect.Signature:
    """The parameters of what is differentiated."""
    if isinstance(callee, Held):
        return signature_of(callee.callee)
    if isinstance(callee, NestedDerivative):
        signature = signature_of(callee.callee)
        return with_tangents(signature, list(signature.parameters)) if callee.mode == "jvp" else signature
    if isinstance(callee, Record):
        return signature_of_record(callee)
    if not isinstance(callee, LocalFunction):
        return inspect.signature(callee)
    arguments = callee.node.args
    listed: list[tuple[list[ast.arg], Any]] = [
        (arguments.posonlyargs, inspect.Parameter.POSITIONAL_ONLY),
        (arguments.args, inspect.Parameter.POSITIONAL_OR_KEYWORD),
        ([arguments.vararg] if arguments.vararg else [], inspect.Parameter.VAR_POSITIONAL),
        (arguments.kwonlyargs, inspect.Parameter.KEYWORD_ONLY),
        ([arguments.kwarg] if arguments.kwarg else [], inspect.Parameter.VAR_KEYWORD),
    ]
    return inspect.Signature([inspect.Parameter(each.arg, kind) for args, kind in listed for each in args])


def signature_of_record(callee: Record) -> inspect.Signature:
    """The parameters of an object made in the program: a partial application, a callable instance."""
    if callee.cls is functools.partial:
        listed = list(signature_of(callee.fields["func"]).parameters.values())[len(callee.fields["args"]) :]
        return inspect.Signature([each for each in listed if each.name not in callee.fields["keywords"]])
    method = inspect.getattr_static(callee.cls, "__call__", None)
    if not isinstance(method, FunctionType):
        raise Refusal(f"a {callee.cls.__name__} is differentiated, and cannot be called", "pass a function")
    return inspect.Signature(list(inspect.signature(method).parameters.values())[1:])


def name_of(callee: Any) -> str:
    """A name for what is generated from a callee."""
    if isinstance(callee, Held):
        return name_of(callee.callee)
    if isinstance(callee, NestedDerivative):
        return f"{name_of(callee.callee)}_{SUFFIX[callee.mode]}"
    while isinstance(callee, Record) and callee.cls is functools.partial:
        callee = callee.fields["func"]
    if isinstance(callee, Record):
        return callee.cls.__name__
    name = called_name(callee)
    return name if name != "lambda" else "function"


def holds_reals(operand: Operand) -> bool:
    """Whether there are real numbers in an operand."""
    return holds_numbers(operand, "f")


def holds_numbers(operand: Operand, kinds: str = "fiu") -> bool:
    """Whether there are numbers of these kinds in an operand."""
    if isinstance(operand, (tuple, list)):
        return any(holds_numbers(item, kinds) for item in operand)
    if isinstance(operand, dict):
        return holds_numbers(list(operand.values()), kinds)
    if isinstance(operand, Record):
        return holds_numbers(operand.fields, kinds)
    if isinstance(operand, Value):
        return isinstance(operand.type, ArrayType) and operand.type.dtype.kind in kinds
    return isinstance(operand, (int, float, np.generic)) and np.asarray(operand).dtype.kind in kinds
