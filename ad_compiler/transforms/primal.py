"""Programs that are differentiated in several ways: each time, a copy is.

It may be that of the program and its derivative along some arguments, which is a program like it:

    f(x)                y                            with the reverse sweep: x_bar
    f(x, x_dot)         y, y_dot = J(x) x_dot        with the reverse sweep: second derivatives
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ad_compiler.analysis.saturation import saturation_of
from ad_compiler.analysis.shift import shift_maxima
from ad_compiler.analysis.types import ArrayType
from ad_compiler.closures import add_parameters
from ad_compiler.frontend.checkpointed import UNREPEATABLE
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.program import Lowered
from ad_compiler.frontend.session import session
from ad_compiler.ir import Function, Operation, Parameter, Shortcut, Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.markers import remove_markers
from ad_compiler.rules.shapes import type_of
from ad_compiler.transforms.apply_definitions import unread_parts
from ad_compiler.transforms.copying_functions import FunctionCopy
from ad_compiler.transforms.cotangents import leaf_name
from ad_compiler.transforms.forward import ForwardSweep
from ad_compiler.transforms.forward_program import derivative_of_output
from ad_compiler.transforms.gates import find_gates
from ad_compiler.transforms.roots import find_roots
from ad_compiler.transforms.share import share
from ad_compiler.traversal import functions_called, nodes_in, values_in

Places = tuple[int, ...]


@dataclass(eq=False)
class Primal:
    """A lowered program that reads nothing from around it: of numbers and arrays, it makes a list of them.

    It is never changed: what is differentiated is a copy.
    """

    context: Context
    function: Function
    reals: dict[Value, Value]  # parameters that are whole numbers -> the reals they are differentiated as
    shortcuts: dict[Value, Shortcut]
    along: dict[Places, Primal] = field(default_factory=dict)  # it and its derivative along these arguments

    @staticmethod
    def of(lowered: Lowered, outside: list[Value]) -> Primal:
        """A copy of a program that has not been differentiated; what it reads from `outside` is passed."""
        given = lowered.function
        inputs = list(values_in([parameter.structure for parameter in given.parameters]))
        parameters = [
            Parameter(value.name or leaf_name(value.access) or "given", value, "positional")
            for value in inputs
        ]
        flat = Function(given.name, parameters, given.forward, list(values_in(given.result)))
        copy = FunctionCopy(checks=True)
        function = copy.function(flat, outside)
        reals: dict[Value, Value] = {}
        for parameter in given.parameters:
            real = lowered.differentiated.get(parameter.name)
            if real is not None:
                reals.update(zip(values_in(parameter.structure), values_in(real), strict=True))
        return Primal(
            lowered.context,
            function,
            {copy.made(value): copy.made(real) for value, real in reals.items()},
            copy.shortcuts(lowered.context.shortcuts),
        )

    def copied(self, checks: bool) -> Primal:
        """Another one, to be changed: `checks` says whether it checks and prints what this one does."""
        copy = FunctionCopy(checks)
        function = copy.function(self.function, [])
        reals = {copy.made(value): copy.made(real) for value, real in self.reals.items()}
        return Primal(self.context, function, reals, copy.shortcuts(self.shortcuts))

    def input(self, place: int) -> Value:
        """What a parameter is differentiated as."""
        value: Value = self.function.parameters[place].structure
        return self.reals.get(value, value)

    @contextmanager
    def differentiating(self) -> Iterator[None]:
        """Write into the program; what is refused is refused at the statement it is refused for."""
        context, function = self.context, self.function
        with session(context, function.forward):
            context.newer, context.shortcuts = {}, self.shortcuts
            share(function, context)
            try:
                yield
            except Refusal as refusal:
                at = context.builder.statement
                if at is None:
                    raise
                raise at.source.refuse(at.node, refusal.reason, refusal.advice) from None
            self.shortcuts = context.shortcuts

    def pushed(self, places: Places) -> Primal:
        """The same program, which makes the derivatives of all results along these arguments, too."""
        if places not in self.along:
            made = self.copied(checks=True)
            with made.differentiating():
                made.push(places)
            self.along[places] = made  # once it is done: what is refused may be asked for again
        return self.along[places]

    def push(self, places: Places) -> None:
        context, function = self.context, self.function
        inputs = [self.input(place) for place in places]
        tangents = {value: tangent_of(value) for value in inputs}
        gates = find_gates(Lowered(function, {}, context), inputs) | find_roots(function.forward)
        blocked = frozenset(shift_maxima(function.forward, function.result))
        saturation = saturation_of(function.forward, function.result)
        sweep = ForwardSweep(context, function.forward, tangents, gates, blocked, saturation)
        sweep.unread = unread_parts(function.forward, function.result)
        sweep.run(function.forward)
        context.builder.block, context.builder.statement = function.forward, None
        with context.builder.generating():
            function.result = [*function.result, *derivative_of_output(sweep, function.result)]
        add_parameters(function, list(tangents.values()))
        self.remove_markers()

    def remove_markers(self) -> None:
        """Forget the derivatives of the user's own that have been taken: they are written out by now."""
        for each in [self.function, *functions_called(self.function)]:
            remove_markers(each, whole=False, shortcuts=self.context.shortcuts)


def tangent_of(value: Value) -> Value:
    """A parameter for the tangent of another one."""
    kind = type_of(value)
    name = value.name or leaf_name(value.access) or "given"
    tangent = Value(ArrayType(kind.dtype, kind.shape, kind.python), f"{name}_dot")
    tangent.immutable = value.immutable
    return tangent


def unrepeatable(function: Function) -> tuple[str, str] | None:
    """Why a program does not do the same when it is run again, and what to do about it."""
    for each in [function, *functions_called(function)]:
        for node in nodes_in(each.forward):
            if isinstance(node, Operation) and node.primitive.name in UNREPEATABLE:
                return UNREPEATABLE[node.primitive.name]
    return None
