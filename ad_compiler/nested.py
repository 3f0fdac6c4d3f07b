"""Derivatives in programs that are differentiated: `grad(inner)(2.0)` in a body; derivatives of derivatives.

A call of a derivative is lowered in three steps. What is differentiated is called on values of its own, in a
block of its own; that block is differentiated and written out, as any program is; and the function so
generated is inlined where the call stands, as if the user had written it:

    def f(x):                             def inner_grad(y, x):
        def inner(y):                         return 2.0 * y * x
            return x * y**2         ->    def f(x):
        return grad(inner)(3.0)               return inner_grad(3.0, x)

What the inner function reads from around it is passed on, so every derivative is with respect to its own
variable only, whatever other derivatives are taken around it (no perturbation confusion: Siskind and
Pearlmutter, Nesting forward-mode AD in a functional framework, 2008). To any order: most of what the compiler
writes it can read. Where it cannot, the derivative is called as a function (`nested_functions`).
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any, ClassVar

from ad_compiler import api
from ad_compiler.analysis.storage import storages_of
from ad_compiler.analysis.types import ArrayType, Axis, Length, ListType, representative, type_of_number
from ad_compiler.backends.loader import load, module_text
from ad_compiler.callees import NestedDerivative, name_of, passed, signature_of
from ad_compiler.closures import close, made_in, reads_in
from ad_compiler.errors import Unsupported
from ad_compiler.frontend.aliases import active_scopes, current
from ad_compiler.frontend.calls import call_operand
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.growing import check_grown
from ad_compiler.frontend.inlining import bind, inline
from ad_compiler.frontend.objects import MISSING
from ad_compiler.frontend.program import Lowered, as_reals, written_results
from ad_compiler.frontend.recursion import UPDATES, changed
from ad_compiler.frontend.scope import LocalFunction
from ad_compiler.frontend.session import attempt, session
from ad_compiler.ir import Block, Function, Operand, Operation, Parameter, Record, Value
from ad_compiler.nested_functions import NestedFunction
from ad_compiler.pipeline import Request, differentiated, results_of_call, written
from ad_compiler.refusal import NeedsConstant, Refusal
from ad_compiler.rules.markers import marks_again
from ad_compiler.specialisation import classes_made
from ad_compiler.transforms.share import share
from ad_compiler.transforms.tangent_names import tangent_name
from ad_compiler.traversal import functions_called, map_values, modules_of, nodes_in, values_in


@dataclass(eq=False)
class NestedCall:
    """Lowers one call of a derivative."""

    context: Context
    node: ast.AST
    derivative: NestedDerivative
    lengths: dict[Axis, Length] = field(default_factory=dict)  # of the call -> of the generated function

    def run(self, positional: list[Operand], keywords: dict[str, Operand]) -> Operand:
        """The result of the call: of its text, or of a function where that cannot be inlined."""
        callee, mode = self.derivative.callee, self.derivative.mode
        signature = signature_of(callee)
        names = list(signature.parameters)
        tangents: dict[str, Operand] = {}
        if mode == "jvp":
            expected = {tangent_name(name, names) for name in names}
            tangents = {name: keywords[name] for name in keywords if name in expected}
            keywords = {name: operand for name, operand in keywords.items() if name not in expected}
        given = self.bound(signature, positional, keywords)
        chosen = self.chosen(names, tangents)
        with session(self.context, Block()) as block:
            lowered, request = self.lowered(block, signature, given, chosen)
            outside = outside_of(lowered.function)
            derivative = NestedFunction(self.context, self.node, request, lowered, given, outside)
            called = bool(functions_called(lowered.function))
            if not called:
                function, closed = self.generated(lowered, request)
        derivative.check_separate()
        if called:  # the pullbacks of functions that call themselves are functions that they return
            return derivative.called(tangents)
        try:
            with attempt(self.context):
                result = inline(self.context, self.node, function, [], {**given, **tangents, **closed})
        except Unsupported as refused:
            return instead_of(refused, lambda: derivative.called(tangents))
        if mode == "vjp":
            value, pullback = result
            return value, EitherPullback(pullback, derivative)
        return result

    def bound(
        self, signature: inspect.Signature, positional: list[Operand], keywords: dict[str, Operand]
    ) -> dict[str, Operand]:
        """The operands of all parameters, defaults included."""
        callee = self.derivative.callee
        if isinstance(callee, LocalFunction):
            by_keyword = [MISSING if d is None else d for d in callee.keyword_defaults]
            arguments = callee.node.args
            bound = bind(
                self.context, self.node, callee.__name__, arguments, positional, keywords,
                callee.defaults, by_keyword,
            )  # fmt: skip
            return {name: bound[name] for name in signature.parameters}
        try:
            matched = signature.bind(*positional, **keywords)
        except TypeError as error:
            raise self.context.refuse(
                self.node, f"this call does not fit: {error}", "check the arguments"
            ) from None
        matched.apply_defaults()
        return dict(matched.arguments)

    def chosen(self, names: list[str], tangents: dict[str, Operand]) -> tuple[str, ...]:
        """The parameters that are differentiated."""
        argnums = self.derivative.argnums
        if self.derivative.mode == "jvp" and tangents:
            return tuple(name for name in names if tangent_name(name, names) in tangents)
        numbers = argnums if isinstance(argnums, (tuple, list)) else (argnums,)
        found = []
        for number in numbers:
            fits = number in names if isinstance(number, str) else -len(names) <= number < len(names)
            if not fits:
                what = f"argnums {number!r} names no argument of `{name_of(self.derivative.callee)}`"
                raise self.context.refuse(self.node, what, f"it has {', '.join(names)}")
            found.append(number if isinstance(number, str) else names[number])
        if not found or len(set(found)) != len(found):
            reason = f"argnums {argnums!r} names no argument, or one twice"
            raise self.context.refuse(self.node, reason, f"it has {', '.join(names)}")
        return tuple(found)

    def lowered(
        self, block: Block, signature: inspect.Signature, given: dict[str, Operand], chosen: tuple[str, ...]
    ) -> tuple[Lowered, Request]:
        """What is differentiated, called on values of its own, in a block; and how it is differentiated."""
        context, derivative = self.context, self.derivative
        name, mode = name_of(derivative.callee), derivative.mode
        single = not isinstance(derivative.argnums, (tuple, list)) and mode in ("grad", "value_and_grad")
        of = (derivative.of,) if isinstance(derivative.of, str) else derivative.of or ()
        single_of = isinstance(derivative.of, str)
        request = Request(context.here.function, mode, chosen, single, derivative.has_aux, of, single_of)
        if unknown := [each for each in of if each not in given]:
            reason = f"`of` names {unknown[0]!r}, which is no argument of `{name}`"
            raise context.refuse(self.node, reason, f"it has {', '.join(given)}")
        results = results_of_call(request)
        scopes = active_scopes(context)
        before = [dict(scope.names) for scope in scopes]
        function = Function(name, [], block)
        differentiated_as: dict[str, Operand] = {}
        operands: dict[str, Operand] = {}
        for parameter, operand in given.items():
            structure = self.fresh(operand, parameter, parameter in chosen)
            function.parameters.append(Parameter(parameter, structure, "positional"))
            if parameter in chosen:
                structure = as_reals(context.builder, structure, parameter)
                differentiated_as[parameter] = structure
            operands[parameter] = map_values(lambda value: value, structure)
        try:
            result = call_operand(context, self.node, derivative.callee, *passed(signature, operands))
        except NeedsConstant as needed:
            raise self.constant_of(given, needed) from None
        if results is not None:
            after = {name: current(context, operands[name]) for name in results.names}
            result = written_results(context, self.node, after, results)
        function.result = current(context, result)
        block.operations[:0] = context.checks.operations
        self.check_effects(scopes, before, function)
        check_grown(context, function)
        context.newer = {}  # from here on every value is what it was when it was computed
        share(function, context)
        return Lowered(function, differentiated_as, context), request

    def generated(self, lowered: Lowered, request: Request) -> tuple[FunctionType, dict[str, Operand]]:
        """The function written for this call, and what it is passed of the program around it."""
        context, function = self.context, lowered.function
        name = function.name
        differentiated(request, context.here.source, lowered, whole=False)
        outside = outside_of(function)
        count = len(function.parameters)
        close(context.shortcuts, function, outside, [])
        text = written(request, name, lowered, whole=False)
        closed = dict(zip([each.name for each in function.parameters[count:]], outside, strict=True))
        made_classes = classes_made((function.result, function.reverse_result))
        loaded = load(
            module_text(text, modules_of(function)),
            function.name,
            reads={},
            guard=None,
            miss="",
            namespace={**made_classes, **marks_again(function), "_stop_gradient": api.stop_gradient},
        )
        return loaded, closed

    def check_effects(self, scopes: Any, before: Any, function: Function) -> None:
        """Refuse what changes the program around it, which the derivative would do in a copy."""
        own = made_in(function.forward)
        own.update(values_in([parameter.structure for parameter in function.parameters]))
        bases = [
            node.arguments[0]
            for node in nodes_in(function.forward)
            if isinstance(node, Operation) and node.primitive.name in UPDATES
        ]
        foreign = any(isinstance(base, Value) and not storages_of(base) <= own for base in bases)
        if foreign or any(changed(each.names, names) for each, names in zip(scopes, before, strict=True)):
            name = name_of(self.derivative.callee)
            reason = f"`{name}` changes what is outside of it, and its derivative is called in a program"
            raise self.context.refuse(self.node, reason, "return what it makes")

    def fresh(self, operand: Operand, access: str, real: bool) -> Operand:
        """A structure of values that stand for an argument; a constant stays, if it is not differentiated."""
        if isinstance(operand, Value):
            name = access if access.isidentifier() else None
            value = Value(self.own_type(operand), name, access)
            value.immutable = operand.immutable
            for axis, length in enumerate(value.type.shape if isinstance(value.type, ArrayType) else ()):
                if isinstance(length, Length) and length.origin is None:
                    length.origin = (value, axis)
            return value
        if real and isinstance(operand, (int, float)) and not isinstance(operand, bool):
            value = Value(type_of_number(operand), access if access.isidentifier() else None, access)
            value.immutable = True
            return value
        if isinstance(operand, (tuple, list)) and not hasattr(operand, "_fields"):
            return type(operand)(self.fresh(item, f"{access}[{i}]", real) for i, item in enumerate(operand))
        if isinstance(operand, dict):
            return {key: self.fresh(item, f"{access}[{key!r}]", real) for key, item in operand.items()}
        if isinstance(operand, Record):
            fields = {key: self.fresh(item, f"{access}.{key}", real) for key, item in operand.fields.items()}
            return Record(operand.cls, fields, access)
        return operand

    def own_type(self, operand: Value) -> Any:
        """The type of an operand, with lengths of the generated function."""
        kind = operand.type
        if isinstance(kind, ListType):
            raise self.context.refuse(
                self.node, "a list that grows is given to a derivative", "make an array of it: `np.array(xs)`"
            )
        if not isinstance(kind, ArrayType):
            return kind
        return ArrayType(kind.dtype, tuple([self.own_length(axis) for axis in kind.shape]), kind.python)

    def own_length(self, axis: Axis) -> Axis:
        axis = representative(axis)
        if isinstance(axis, int):
            return axis
        known = self.lengths.get(axis)
        if known is None:
            known = self.lengths[axis] = Length(axis.key, axis.may_be_one)
        return known

    def constant_of(self, given: dict[str, Operand], needed: NeedsConstant) -> Exception:
        """What to raise where an argument must be known while compiling."""
        operand = given.get(needed.access)
        if needed.access not in given:
            return needed
        if isinstance(operand, Value) and operand.access is not None and operand.operation is None:
            return NeedsConstant(operand.access)
        reason = f"`{needed.access}` must be a whole number known while compiling"
        return self.context.refuse(self.node, reason, "write it as a constant")


def outside_of(function: Function) -> list[Value]:
    """What a function reads from the program around it."""
    own = set(values_in([parameter.structure for parameter in function.parameters]))
    own.update(value for block in function.blocks for value in made_in(block))
    own.update(values_in(function.seed))
    return [value for value in dict.fromkeys(reads_in(function)) if value not in own]


@dataclass(frozen=True, eq=False)
class EitherPullback:
    """The pullback of a text, and what to call where that cannot be read."""

    text: Operand
    derivative: NestedFunction

    of_program: ClassVar[bool] = True

    def inline_in(
        self, context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
    ) -> Operand:
        """Call it in a program that is being lowered."""
        try:
            with attempt(context):
                return call_operand(context, node, self.text, positional, keywords)
        except Unsupported as refused:
            if len(positional) != 1 or keywords:
                raise
            return instead_of(refused, lambda: self.derivative.pulled(node, positional[0]))


def instead_of(refused: Unsupported, call: Callable[[], Operand]) -> Operand:
    """What a call gives where a text was refused; the same refusal, if that cannot be done either."""
    try:
        return call()
    except (Unsupported, Refusal):
        raise refused from None
