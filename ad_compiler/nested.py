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
Pearlmutter, Nesting forward-mode AD in a functional framework, 2008). To any order: what the compiler writes
it can read.
"""

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

import numpy as np

from ad_compiler import api
from ad_compiler.analysis.elementwise import mixing_operation
from ad_compiler.analysis.storage import storages_of
from ad_compiler.analysis.types import ArrayType, Axis, Length, ListType, representative, type_of_number
from ad_compiler.backends.loader import load, module_text
from ad_compiler.closures import close, made_in, reads_in
from ad_compiler.derivative import classes_made, with_tangents
from ad_compiler.drivers import called_name
from ad_compiler.errors import Unsupported
from ad_compiler.frontend.aliases import active_scopes, current
from ad_compiler.frontend.calls import bind, call_operand, inline
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.fitting import require_fit
from ad_compiler.frontend.objects import MISSING
from ad_compiler.frontend.operations import describe_any
from ad_compiler.frontend.program import Lowered, as_reals, written_results
from ad_compiler.frontend.recursion import UPDATES, changed
from ad_compiler.frontend.scope import LocalFunction
from ad_compiler.frontend.source import read_source
from ad_compiler.ir import (
    Block,
    Function,
    Operand,
    Operation,
    Parameter,
    Record,
    Value,
    functions_called,
    map_values,
    modules_of,
    nodes_in,
    values_in,
)
from ad_compiler.pipeline import SUFFIX, Mode, Request, differentiated, results_of_call, written
from ad_compiler.refusal import NeedsConstant, Refusal
from ad_compiler.rules.markers import marks_again
from ad_compiler.rules.shapes import is_complex
from ad_compiler.transforms.share import share
from ad_compiler.transforms.tangent_names import tangent_name


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


@dataclass(eq=False)
class NestedCall:
    """Lowers one call of a derivative."""

    context: Context
    node: ast.AST
    derivative: NestedDerivative
    lengths: dict[Axis, Length] = field(default_factory=dict)  # of the call -> of the generated function

    def run(self, positional: list[Operand], keywords: dict[str, Operand]) -> Operand:
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
        function, closed = self.generated(signature, given, chosen)
        return inline(self.context, self.node, function, [], {**given, **tangents, **closed})

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

    def generated(
        self, signature: inspect.Signature, given: dict[str, Operand], chosen: tuple[str, ...]
    ) -> tuple[Any, dict[str, Operand]]:
        """The function written for this call, and what it is passed of the program around it."""
        context, builder, derivative = self.context, self.context.builder, self.derivative
        name = name_of(derivative.callee)
        mode = derivative.mode
        single = not isinstance(derivative.argnums, (tuple, list)) and mode in ("grad", "value_and_grad")
        of = (derivative.of,) if isinstance(derivative.of, str) else derivative.of or ()
        request = Request(
            context.here.function,
            mode,
            chosen,
            single,
            derivative.has_aux,
            of,
            isinstance(derivative.of, str),
        )
        if unknown := [each for each in of if each not in given]:
            reason = f"`of` names {unknown[0]!r}, which is no argument of `{name}`"
            raise context.refuse(self.node, reason, f"it has {', '.join(given)}")
        results = results_of_call(request)
        scopes = active_scopes(context)
        before = [dict(scope.names) for scope in scopes]
        block = Block()
        function = Function(name, [], block)
        differentiated_as: dict[str, Operand] = {}
        with self.session(), builder.separately(block):
            operands: dict[str, Operand] = {}
            for parameter, operand in given.items():
                structure = self.fresh(operand, parameter, parameter in chosen)
                function.parameters.append(Parameter(parameter, structure, "positional"))
                if parameter in chosen:
                    structure = as_reals(builder, structure, parameter)
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
            if functions_called(function):
                reason = (
                    f"`{name}` calls itself to a depth known at run time, and a program calls its derivative"
                )
                raise context.refuse(self.node, reason, "rewrite the recursion as a loop")
            context.newer = {}  # from here on every value is what it was when it was computed
            share(function, context)
            lowered = Lowered(function, differentiated_as, context)
            differentiated(request, context.here.source, lowered, whole=False)
            own = list(values_in([parameter.structure for parameter in function.parameters]))
            made = {value for each in function.blocks for value in made_in(each)}
            made.update(values_in(function.seed))
            outside = [v for v in dict.fromkeys(reads_in(function)) if v not in made and v not in own]
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

    @contextmanager
    def session(self) -> Iterator[None]:
        """Lower a program of its own: what is noted about values meanwhile is forgotten afterwards."""
        context, builder = self.context, self.context.builder
        kept = (
            "checks",
            "newer",
            "older",
            "choices",
            "shortcuts",
            "written",
            "wanted",
            "in_rule",
            "in_sweep",
        )
        state = {name: getattr(context, name) for name in kept}
        statement, place, generated = builder.statement, builder.place, builder.generated
        for name in ("newer", "older", "choices"):
            setattr(context, name, dict(state[name]))
        context.checks, context.shortcuts, context.written = Block(), {}, set()
        context.wanted, context.in_rule, context.in_sweep = None, None, False
        builder.generated = False
        try:
            yield
        finally:
            for name, value in state.items():
                setattr(context, name, value)
            builder.statement, builder.place, builder.generated = statement, place, generated

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
