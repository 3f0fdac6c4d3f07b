"""A derivative that a program calls as a function of the emitted code, where its text could not be inlined.

    def f(x):                                    def f(x):
        g = grad(power)(x, 3)                        def power_grad(x, n): ...
        return g * g                 ->              g = power_grad(x, 3)
                                                     return g * g

Its derivatives are such functions, too (`transforms.derivative_functions`).
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ad_compiler.analysis.layout import is_array
from ad_compiler.analysis.types import ArrayType
from ad_compiler.frontend.aliases import COPY_ADVICE, current, root_of
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.program import Lowered
from ad_compiler.frontend.sharing import possible_roots
from ad_compiler.ir import Call, Function, Operand, Record, Value
from ad_compiler.pipeline import SUFFIX, Request, check_scalar, documentation
from ad_compiler.rules.notation import registry
from ad_compiler.rules.shapes import type_of
from ad_compiler.transforms.cotangents import converted
from ad_compiler.transforms.derivative_calls import results_of_call
from ad_compiler.transforms.derivative_functions import Derivatives
from ad_compiler.transforms.primal import Primal, unrepeatable
from ad_compiler.transforms.tangent_names import tangent_name
from ad_compiler.traversal import values_in


class NestedFunction:
    """One derivative that is called in a program, at a point."""

    def __init__(
        self,
        context: Context,
        node: ast.AST,
        request: Request,
        lowered: Lowered,
        given: dict[str, Operand],
        outside: list[Value],
    ) -> None:
        self.context, self.node, self.request = context, node, request
        self.name = lowered.function.name
        self.result = lowered.function.result
        self.primal = Primal.of(lowered, outside)
        self.places: dict[str, list[int]] = {}  # of the numbers and arrays of each argument
        self.structures: dict[str, Operand] = {}
        self.arguments: list[Operand] = []
        self.written: list[bool] = []  # which of them the program writes into: into a copy
        for parameter in lowered.function.parameters:
            operands = list(beside(parameter.structure, given[parameter.name]))
            self.places[parameter.name] = [len(self.arguments) + n for n in range(len(operands))]
            self.structures[parameter.name] = parameter.structure
            self.written += [each in context.written for each in values_in(parameter.structure)]
            self.arguments += operands
        self.arguments += outside
        self.pullback: Derivatives | None = None

    def called(self, tangents: dict[str, Operand]) -> Operand:
        """The result of the call."""
        request, primal = self.request, self.primal
        if request.has_aux and not (isinstance(self.result, tuple) and len(self.result) == 2):
            raise self.context.refuse(
                self.node, "with `has_aux` the function must return (value, aux)", "return a pair"
            )
        self.check_results()
        if request.mode == "jvp":
            return self.along(tangents)
        if request.mode == "vjp":
            self.check_repeatable()
            return self.value(), FunctionPullback(self)
        check_scalar(self.context.here.source, self.output)
        wanted = self.result if request.mode == "value_and_grad" else self.aux
        returned = len(primal.function.result) - len(list(values_in(wanted)))
        seeds = {0: False} if isinstance(self.output, Value) else {}
        derivatives = Derivatives(
            primal,
            f"{self.name}_{SUFFIX[request.mode]}",
            documentation(request, self.name),
            self.chosen,
            seeds,
            tuple(range(returned, len(primal.function.result))),
            checks=True,
        )
        results = iter(self.call(derivatives.function, self.arguments))
        value = filled(wanted, results)
        gradients = self.gradients(results)
        if request.mode == "value_and_grad":
            return value, gradients
        return (gradients, value) if request.has_aux else gradients

    @property
    def output(self) -> Operand:
        """What is differentiated."""
        return self.result[0] if self.request.has_aux else self.result

    @property
    def aux(self) -> Operand:
        return self.result[1] if self.request.has_aux else ()

    @property
    def chosen(self) -> tuple[int, ...]:
        """The places of the numbers and arrays that it is differentiated by."""
        return tuple([place for name in self.request.argnums for place in self.places[name]])

    def gradients(self, found: Iterator[Operand]) -> Operand:
        each = tuple([filled(self.structures[name], found) for name in self.request.argnums])
        return each[0] if self.request.single else each

    def call(self, function: Function, arguments: list[Operand]) -> list[Value]:
        """The results of a function, one by one."""
        context = self.context
        given = [current(context, each) for each in arguments]
        call = Call(function, given, [], context.builder.statement, (context.here.source, self.node))
        results = results_of_call(call)
        context.builder.append(call)
        context.choices.update({value: () for value in results if is_array(value)})
        return results

    def inlined(self, primal: Primal, arguments: list[Operand]) -> list[Value]:
        """The results of a program, as a function that is differentiated like those that call themselves."""
        made = primal.copied(checks=True)
        self.context.shortcuts.update(made.shortcuts)
        return self.call(made.function, arguments)

    def value(self) -> Operand:
        return filled(self.result, iter(self.inlined(self.primal, self.arguments)))

    def along(self, tangents: dict[str, Operand]) -> Operand:
        """The value, and its derivative along the tangents of the arguments."""
        names = list(self.structures)
        given: dict[int, Operand] = {}
        for name in self.request.argnums:
            leaves = beside(self.structures[name], tangents[tangent_name(name, names)])
            given.update(zip(self.places[name], leaves, strict=True))
        places = tuple(sorted(given))
        passed = [self.fitted(self.primal.input(place), given[place]) for place in places]
        results = iter(self.inlined(self.primal.pushed(places), [*self.arguments, *passed]))
        value = filled(self.result, results)
        tangent = filled(self.output, results)
        return (value[0], tangent, value[1]) if self.request.has_aux else (value, tangent)

    def pulled(self, node: ast.AST, cotangent: Operand) -> Operand:
        """The gradients, from the cotangent of the value."""
        self.node = node
        self.check_results()
        self.check_repeatable()
        self.check_unwritten()
        cotangents = {
            place: self.fitted(value, each)
            for place, (value, each) in enumerate(
                zip(values_in(self.output), beside(self.output, cotangent), strict=True)
            )
            if type_of(value).differentiable
        }
        if self.pullback is None:
            self.pullback = Derivatives(
                self.primal,
                f"{self.name}_pullback",
                f"Pullback of {self.name} to {' and '.join(self.request.argnums)}.",
                self.chosen,
                dict.fromkeys(cotangents, True),
                (),
                checks=False,  # the value has made them
            )
        arguments = [*self.arguments, *cotangents.values()]
        return self.gradients(iter(self.call(self.pullback.function, arguments)))

    def fitted(self, value: Value, given: Operand) -> Operand:
        """A tangent or cotangent, which has the shape of its value, in its class and dtype."""
        kind, builder = type_of(value), self.context.builder
        with builder.generating():
            if not kind.rank:
                return converted(self.context, value, given)
            if type_of(given).dtype != kind.dtype:
                return builder.call(registry[np.ndarray.astype], (given, kind.dtype), method=True)
            return given

    def check_separate(self) -> None:
        """Refuse an array that is written into and read under another name, too."""
        if not any(self.written):
            return
        roots = {place: root_of(each) for place, each in enumerate(self.arguments) if is_array(each)}
        possible = {
            place: {current(self.context, each) for each in (root, *possible_roots(self.context, root))}
            for place, root in roots.items()
        }
        for place, other in itertools.permutations(roots, 2):
            if place < len(self.written) and self.written[place] and possible[place] & possible[other]:
                raise self.context.refuse(
                    self.node, f"`{self.name}` writes into an array, and may be given it twice", COPY_ADVICE
                )

    def check_unwritten(self) -> None:
        """Refuse arguments that were written into since: a pullback that is run reads some of them then."""
        for operand in self.arguments:
            if is_array(operand) and current(self.context, operand) is not operand:
                reason = f"an argument of `{self.name}` is written into before the pullback is called"
                raise self.context.refuse(self.node, reason, COPY_ADVICE)

    def check_results(self) -> None:
        """Refuse results that a function of the emitted code does not return."""
        if not all(isinstance(value.type, ArrayType) for value in values_in(self.result)):
            reason = f"`{self.name}` returns a list that grows, and its derivative cannot be inlined here"
            raise self.context.refuse(self.node, reason, "return an array: `np.array(xs)`")

    def check_repeatable(self) -> None:
        """Refuse a program that does not do the same again, if its value and its pullback both run it."""
        found = unrepeatable(self.primal.function)
        if found is not None:
            reason = f"`{self.name}` {found[0]}, and its pullback runs it again"
            raise self.context.refuse(self.node, reason, found[1])


@dataclass(frozen=True, eq=False)
class FunctionPullback:
    """The pullback of a call, as another call."""

    derivative: NestedFunction

    of_program: ClassVar[bool] = True

    def inline_in(
        self, context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
    ) -> Operand:
        """Call it in a program that is being lowered."""
        if len(positional) != 1 or keywords:
            raise context.refuse(node, "a pullback takes one cotangent", "give it that of the result")
        return self.derivative.pulled(node, positional[0])


def filled(structure: Operand, values: Iterator[Operand]) -> Operand:
    """A structure made anew, with the next of some values at the place of each of its own."""
    if isinstance(structure, Value):
        return next(values)
    if isinstance(structure, tuple):
        return tuple([filled(item, values) for item in structure])
    if isinstance(structure, list):
        return [filled(item, values) for item in structure]
    if isinstance(structure, dict):
        return {key: filled(item, values) for key, item in structure.items()}
    if isinstance(structure, Record):
        return Record(structure.cls, filled(structure.fields, values))
    return structure


def beside(structure: Operand, operand: Operand) -> Iterator[Operand]:
    """What stands in an operand at the places of the values of a structure."""
    if isinstance(structure, Value):
        yield operand
    elif isinstance(structure, (tuple, list)):
        for part, item in zip(structure, operand, strict=True):
            yield from beside(part, item)
    elif isinstance(structure, dict):
        for key, part in structure.items():
            yield from beside(part, operand[key])
    elif isinstance(structure, Record):
        yield from beside(structure.fields, operand.fields)
