"""Derivatives that a program calls, as functions of the emitted code, and their own derivatives.

A program that calls `grad(f)(x)` calls a function that runs both sweeps of `f`. To differentiate such a
call, its text need not be read again. With `J` the Jacobian of `f`, it computes `y = f(x)` and
`x_bar = J(x)^T y_bar`. Its derivative along tangents is the forward sweep over both sweeps of `f`
(`transforms.forward_over_reverse`). Its pullback, from the cotangents `w` of `x_bar` and `v` of `y`, is the
reverse sweep over the forward sweep: from `<w, J(x)^T y_bar> = <y_bar, J(x) w>` it follows that

    y, y_dot = f(x), J(x) w                        the forward sweep of `f`, along `w`
    contribution to x = pullback(v, y_bar)         the reverse sweep over it
    contribution to y_bar = y_dot

So every derivative is forward sweeps over at most one reverse sweep over forward sweeps, each of which is a
transformation of the program and none of its text; second derivatives need not be symmetric for it, as those
of rules that users give may not be. (Griewank and Walther, Evaluating Derivatives (2008), section 5.3, which
has the identity for second-order adjoints; Pearlmutter, Fast exact multiplication by the Hessian, 1994.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from ad_compiler.analysis.saturation import saturation_of
from ad_compiler.analysis.shift import shift_maxima
from ad_compiler.closures import add_parameters, close_all
from ad_compiler.frontend.program import Lowered
from ad_compiler.ir import Block, Operand, Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.markers import remove_markers
from ad_compiler.rules.shapes import type_of
from ad_compiler.transforms.check_hooks import check_hooks
from ad_compiler.transforms.cotangents import finished
from ad_compiler.transforms.dead_code import remove_dead_code
from ad_compiler.transforms.differentiate import ReverseSweep
from ad_compiler.transforms.forward_over_reverse import push_sweeps
from ad_compiler.transforms.gates import find_gates
from ad_compiler.transforms.keep_checks import clean
from ad_compiler.transforms.norms import find_norms
from ad_compiler.transforms.outputs import one_like, owned
from ad_compiler.transforms.primal import Places, Primal, tangent_of, unrepeatable
from ad_compiler.transforms.reverse_calls import seed_of
from ad_compiler.transforms.roots import find_roots
from ad_compiler.transforms.share import share_sweeps
from ad_compiler.traversal import functions_called


@dataclass(eq=False)
class Derivatives:
    """A function that runs both sweeps of a program, and what it is differentiated as.

    It returns some results of the program, and then the gradients by the arguments at `places`. `seeds` are
    the results that have a cotangent: one that is given, as another argument, or 1. With `pushes`, the
    derivatives of everything along the arguments at these places are returned behind it, once for each.
    """

    primal: Primal
    name: str
    documentation: str
    places: Places
    seeds: dict[int, bool]
    returned: Places
    checks: bool
    pushes: tuple[Places, ...] = ()
    tangents: dict[Places, Derivatives] = field(default_factory=dict)
    pullbacks: dict[tuple[Places, Places], Pullback] = field(default_factory=dict)

    def __post_init__(self) -> None:
        primal = self.primal.copied(self.checks)
        function = self.function = primal.function
        function.name, function.documentation = self.name, self.documentation
        with primal.differentiating():
            outputs = self.differentiated(primal)
            function.result, function.reverse_result = [], outputs
            function.derivatives = self
            for each in [function, *functions_called(function)]:
                remove_markers(each)
            for called in functions_called(function):
                remove_dead_code(called.blocks, (called.result, called.reverse_result), inside=True)
            close_all(function)
            clean(function)
            if self.pushes:
                share_sweeps(function)

    def differentiated(self, primal: Primal) -> list[Operand]:
        """Add the reverse sweep to the program, and push both forward: everything that is returned."""
        context, function = primal.context, primal.function
        inputs = [primal.input(place) for place in self.places]
        check_hooks(function, inputs)
        gates = find_gates(Lowered(function, {}, context), inputs)
        shortcuts = gates | find_roots(function.forward) | find_norms(function.forward)
        blocked = frozenset(shift_maxima(function.forward, function.result))
        saturation = saturation_of(function.forward, function.result)
        reverse = function.reverse = context.builder.block = Block()
        sweep = ReverseSweep(context, function.forward, inputs, shortcuts, blocked, saturation)
        seeds: list[tuple[Value, Operand]] = []
        given: list[Value] = []
        for place, is_given in self.seeds.items():
            output = function.result[place]
            if is_given:
                known = output if isinstance(output, Value) else Value(type_of(output))
                given.append(seed_of(known, set()))
            if isinstance(output, Value):
                seeds.append((output, given[-1] if is_given else one_like(output)))
        add_parameters(function, given)
        cotangents = sweep.run(function.forward, seeds)
        function.mirrors, function.indices = sweep.mirrors, sweep.indices
        context.builder.statement = None
        with context.builder.generating():
            gradients = [finished(context, value, cotangents.get(value)) for value in inputs]
        function.result = [function.result[place] for place in self.returned]
        outputs = [*function.result, *owned(context, gradients, function)]
        if self.pushes:
            function.result, function.reverse_result = [], outputs
            primal.remove_markers()
            outputs = function.reverse_result
            gates = find_gates(Lowered(function, {}, context), inputs)
        for push in self.pushes:
            moving = [function.parameters[place].structure for place in push]
            tangents = {value: tangent_of(value) for value in moving}
            product = push_sweeps(context, function, dict(tangents), outputs, gates, blocked)
            context.builder.block = reverse
            function.result = outputs
            outputs = [*outputs, *owned(context, product, function)]
            add_parameters(function, list(tangents.values()))
        return outputs

    @cached_property
    def parts(self) -> list[Part]:
        """What the arguments are."""
        inputs = range(len(self.primal.function.parameters))
        found = [Part("input", place) for place in inputs]
        found += [Part("seed", place) for place, is_given in self.seeds.items() if is_given]
        for push, places in enumerate(self.pushes):
            found += [replace(found[place], along=found[place].along | 1 << push) for place in places]
        return found

    def seed_parts(self) -> Iterator[tuple[Part, bool]]:
        """The cotangents of results, with all their parts, and whether they are given: or 1."""
        for place, is_given in self.seeds.items():
            if not is_given:
                yield Part("seed", place), False
        for part in self.parts:
            if part.kind == "seed":
                yield part, True

    def tangent(self, places: Places) -> Derivatives:
        """This function and its derivative along the arguments at these places."""
        if places not in self.tangents:
            self.tangents[places] = Derivatives(
                self.primal,
                f"{self.name}_jvp",
                f"{self.documentation[:-1]}, and the derivatives along tangents.",
                self.places,
                self.seeds,
                self.returned,
                self.checks,
                (*self.pushes, places),
            )
        return self.tangents[places]

    def pullback(self, places: Places, given: Places) -> Pullback:
        """The cotangents of the arguments at these places, from those that are given of what is returned."""
        key = (places, given)
        if key not in self.pullbacks:
            self.pullbacks[key] = Pullback(self, places, given)
        return self.pullbacks[key]


@dataclass(frozen=True)
class Part:
    """What an argument stands for, and along which pushes it is the derivative of it: one bit for each."""

    kind: Literal["input", "seed", "direction"]
    place: int
    along: int = 0


class Pullback:
    """How a call of a derivative is pulled back: by a call of another one.

    Numbers and their derivatives along pushes `e1, e2, ...` are polynomials in these, of which no square is
    kept: `z + z_dot e1`. What is returned is `Y` and `G = J(Z)^T S`. Cotangents of its parts are the
    coefficient of `e1 e2 ...` in `<V, Y> + <W, G>`, where the cotangent of one part of `G` is the part of
    `W` along all other pushes. As before, `<W, J(Z)^T S> = <S, J(Z) W>`.
    """

    def __init__(self, of: Derivatives, places: Places, given: Places) -> None:
        found = unrepeatable(of.primal.function)
        if found is not None:
            raise Refusal(f"`{of.primal.function.name}` {found[0]}, and would be run again", found[1])
        self.of = of
        self.everything = 2 ** len(of.pushes) - 1
        results, outputs = len(of.primal.function.result), len(of.returned) + len(of.places)
        seeds: dict[int, bool] = {}
        self.values: list[int] = []  # what is returned of the results, whose cotangents are given
        self.directions: dict[Part, int | None] = {}  # the parts of W -> of what they are cotangents
        for number in given:
            along, place = divmod(number, outputs)
            if place < len(of.returned):
                self.values.append(number)
                seeds[of.returned[place] + 2 * results * along] = True
            else:
                moving = of.places[place - len(of.returned)]
                self.directions[Part("direction", moving, self.everything ^ along)] = number
        for part in list(self.directions):
            along = part.along
            while along:
                along ^= 1 << along.bit_length() - 1
                self.directions.setdefault(Part("direction", part.place, along), None)
        self.seeds: list[int] = []  # arguments that are cotangents themselves
        returned: list[int] = []
        if self.directions:
            for part, is_given in of.seed_parts():
                output = results + part.place + 2 * results * (self.everything ^ part.along)
                seeds[output] = is_given
                if is_given:
                    number = of.parts.index(part)
                    self.seeds.append(number)
                    if number in places:
                        returned.append(output)
        primal = self.pushed(of.primal)
        inputs = [number for number in places if of.parts[number].kind == "input"]
        self.targets = [*(number for number in self.seeds if number in places), *inputs]
        self.derivatives = Derivatives(
            primal,
            f"{of.name}_vjp",
            f"Pullback of {of.name}.",
            tuple([self.parts.index(of.parts[number]) for number in inputs]),
            seeds,
            tuple(returned),
            checks=False,
        )

    def pushed(self, primal: Primal) -> Primal:
        """The program along the directions, and along what the derivative was pushed along."""
        inputs = range(len(primal.function.parameters))
        moving = tuple(sorted({part.place for part in self.directions}))
        self.parts = [Part("input", place) for place in inputs]
        self.parts += [Part("direction", place) for place in moving]
        if not moving and not self.of.pushes:
            return primal
        primal = primal.pushed(moving)
        present = {*self.of.parts, *self.directions}
        for push in range(len(self.of.pushes)):
            further = [replace(part, along=part.along | 1 << push) for part in self.parts]
            primal = primal.pushed(tuple([n for n, part in enumerate(further) if part in present]))
            self.parts += [part for part in further if part in present]
        return primal

    def arguments(
        self, given: list[Operand], cotangents: dict[int, Operand], zero: Callable[[int], Operand]
    ) -> list[Operand]:
        """What it is called with: the arguments of the call, and the cotangents of what it has returned.

        `zero` gives the cotangent zero of something returned.
        """
        found: list[Operand] = []
        for part in self.parts:
            number = self.directions.get(part)
            if part.kind == "input":
                found.append(given[self.of.parts.index(part)])
            elif number is None:
                found.append(zero(len(self.of.returned) + self.of.places.index(part.place)))
            else:
                found.append(cotangents[number])
        return [*found, *(cotangents[n] for n in self.values), *(given[n] for n in self.seeds)]
