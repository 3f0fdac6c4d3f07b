"""The reverse sweep: the chain rule, backwards.

For every operation `y = f(a, b)` of the forward sweep, from the last to the first, the cotangent of `y`
is turned into contributions to the cotangents of `a` and `b` by the rule of `f`, whose body is lowered
right into the reverse sweep:

    y = a * b               # d(y = a * b)
    z = np.sin(y)           y_bar = z_bar * np.cos(y)      first, from z = np.sin(y)
                     ->     a_bar = y_bar * b
                            b_bar = y_bar * a

A branch taken forwards is taken backwards on the same condition; values made inside of it are in scope
of its mirror image. The source is Griewank and Walther, Evaluating Derivatives (2008), section 3.2
and, for the calculus of cotangents as data flow, Innes, Don't Unroll Adjoint (2018).

Zeros are strong: where a cotangent may hold exact zeros because its element was not selected, and the
partial derivative may be inf or NaN there, their product is 0 (`guarded_product`).
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from ad_compiler.analysis.activity import active_values
from ad_compiler.analysis.saturation import NOTHING_SATURATES, Saturation
from ad_compiler.analysis.types import ArrayType, TupleType, Type
from ad_compiler.builder import Builder, key_of
from ad_compiler.frontend.context import Context
from ad_compiler.ir import Block, Branch, Call, Function, Loop, Operand, Operation, Shortcut, Value
from ad_compiler.rules import lists
from ad_compiler.rules.complex_numbers import check_complex, fitted_part
from ad_compiler.rules.list_elements import is_list
from ad_compiler.rules.notation import registry
from ad_compiler.rules.shapes import rank_of, type_of
from ad_compiler.rules.structure import sum_to_shape_of
from ad_compiler.transforms.apply_definitions import reverse_definition
from ad_compiler.transforms.apply_rules import (
    apply_rule,
    apply_shortcut,
    guarded_product,
    is_singular,
    positions,
)
from ad_compiler.transforms.cotangents import (
    Cotangents,
    in_precision_of,
    is_unbound_where,
    is_zero,
    may_be_unbound,
    name_cotangent,
    placeholder,
    zero_like,
)
from ad_compiler.transforms.reverse_calls import reverse_call
from ad_compiler.transforms.reverse_loops import reverse_loop
from ad_compiler.traversal import nodes_in, results_of, values_in


class ReverseSweep:
    """Differentiates one forward block into one reverse block."""

    def __init__(
        self,
        context: Context,
        forward: Block,
        inputs: Sequence[Value],
        shortcuts: dict[Value, Shortcut],
        blocked: frozenset[Value] = frozenset(),
        saturation: Saturation = NOTHING_SATURATES,
    ) -> None:
        self.context = context
        self.builder = context.builder
        self.inputs = frozenset(inputs)
        self.saturation = saturation
        self.active = active_values(forward, inputs, blocked)
        self.shortcuts = shortcuts
        self.sides = sides_made_on(forward)
        self.mirrors: dict[Block, Block] = {}  # a block of the forward sweep -> its reverse
        self.indices: dict[Value, Operand] = {}  # a loop variable -> what stands for it in the reverse sweep
        self.carried_cotangents: dict[Value, Value] = {}  # cotangents that loops carry -> of which value
        self.unselected: set[Value] = set()  # values whose carried cotangents may hold zeros of `where`
        self.entered: list[Function] = []  # functions called that are being differentiated
        self.reached: set[Value] = set()  # their parameters that get a cotangent
        self.numpy_scalars: set[Value] = set()  # numbers whose carried cotangents are not Python's own

    def run(self, forward: Block, seeds: Iterable[tuple[Value, Operand]]) -> Cotangents:
        """The cotangents of everything the seeded results depend on."""
        cotangents: Cotangents = {}
        with self.builder.generating():
            for value, seed in seeds:
                self.add(cotangents, value, seed)
            self.block(forward, cotangents)
        return cotangents

    def add(
        self, cotangents: Cotangents, value: Operand, contribution: Operand, of_one_operation: bool = False
    ) -> None:
        """Add a contribution; the first one is the cotangent itself."""
        if not isinstance(value, Value) or value not in self.active or contribution is None:
            return
        if is_zero(contribution):
            return
        contribution = fitted_part(self.builder, value, contribution)
        known = cotangents.get(value)
        contribution = in_precision_of(self.builder, value, contribution)
        if is_list(value):
            contribution = lists.added(self.builder, known, contribution)
        elif isinstance(value.type, TupleType):
            contribution = self.added_parts(known, contribution)
        elif known is not None:
            contribution = self.builder.call(registry[operator.add], (known, contribution))
            if not of_one_operation:
                name_cotangent(value, contribution)
        cotangents[value] = contribution

    def added_parts(self, known: Operand, contribution: Operand) -> Operand:
        """The cotangents of the parts of a tuple: None for one that has none."""
        if known is None:
            return contribution
        total = registry[operator.add]
        return tuple(
            [
                b if a is None else a if b is None else self.builder.call(total, (a, b))
                for a, b in zip(known, contribution, strict=True)
            ]
        )

    def block(self, block: Block, cotangents: Cotangents) -> None:
        for node in reversed(block.operations):
            self.builder.statement = node.statement
            if isinstance(node, Branch):
                self.branch(node, cotangents)
                continue
            if isinstance(node, Loop):
                self.loop(node, cotangents)
                continue
            if isinstance(node, Call):
                self.call(node, cotangents)
                continue
            assert isinstance(node, Operation)
            if node.result in self.inputs:
                continue  # a whole number made real: differentiated as what it became
            cotangent = cotangents.pop(node.result, None)
            if cotangent is None or is_zero(cotangent):
                continue
            name_cotangent(node.result, cotangent)
            shortcut = self.shortcuts.get(node.result)
            if shortcut is None:
                self.operation(node, cotangent, cotangents)
            elif shortcut.definition is not None:
                self.operation(shortcut.definition, cotangent, cotangents)
            else:
                self.shortcut(shortcut, cotangent, cotangents)

    def operation(self, node: Operation, cotangent: Operand, cotangents: Cotangents) -> None:
        """The contributions of one operation to the cotangents of its arguments."""
        primitive = node.primitive
        check_complex(node, self.active)
        if primitive.kind == "definition":
            for value, contribution in reverse_definition(self, node, cotangent):
                self.add(cotangents, value, contribution)
            return
        if primitive.variadic:
            for place in range(1, len(node.arguments)):
                if node.arguments[place] in self.active:
                    partial = apply_rule(self.context, node, {"place": place - 1, "g": cotangent}, None)
                    self.add(cotangents, node.arguments[place], partial)
            return
        wanted = [
            any(value in self.active for value in values_in(argument)) and name in primitive.differentiable
            for name, argument in zip(primitive.parameters, node.arguments, strict=True)
        ]
        if primitive.kind == "elementwise":
            results = apply_rule(self.context, node, {"y": node.result}, positions(wanted))
            results = results if isinstance(results, tuple) else (results,)
            singular = is_singular(node) or node.result in self.saturation.steep
            own: Cotangents = {}  # an argument given twice gets one contribution: x * x gives 2 * x
            for argument, partial, needed in zip(node.arguments, results, wanted, strict=False):
                if needed and isinstance(argument, Value):
                    product = guarded_product(self.builder, cotangent, partial, singular)
                    self.add(own, argument, sum_to_shape_of(self.builder, product, argument), True)
            for argument, contribution in own.items():
                self.add(cotangents, argument, contribution)
            return
        chosen = [
            flag
            for name, flag in zip(primitive.parameters, wanted, strict=True)
            if name in primitive.differentiable
        ]
        targets = [
            a
            for n, a in zip(primitive.parameters, node.arguments, strict=True)
            if n in primitive.differentiable
        ]
        result: Operand = node.result.parts or node.result
        results = apply_rule(self.context, node, {"y": result, "g": cotangent}, positions(chosen))
        if len(targets) == 1:
            results = (results,)
        contributions = [
            pair
            for argument, contribution, needed in zip(targets, results, chosen, strict=True)
            if needed
            for pair in pairs_in(argument, contribution)
        ]
        for argument, contribution in doubled(self.builder, contributions):
            self.add(cotangents, argument, contribution)

    def shortcut(self, shortcut: Shortcut, cotangent: Operand, cotangents: Cotangents) -> None:
        """Over a gate in one step."""
        node = shortcut.result.operation
        assert isinstance(node, Operation)
        self.builder.place = node.place
        wanted = [argument in self.active for argument in shortcut.inputs]
        results = apply_shortcut(self.context, shortcut, positions(wanted))
        for argument, partial, needed in zip(shortcut.inputs, results, wanted, strict=True):
            if needed:
                product = guarded_product(self.builder, cotangent, partial, shortcut.singular)
                self.add(cotangents, argument, sum_to_shape_of(self.builder, product, argument))

    def loop(self, node: Loop, cotangents: Cotangents) -> None:
        reverse_loop(self, node, cotangents)

    def call(self, node: Call, cotangents: Cotangents) -> None:
        reverse_call(self, node, cotangents)

    def branch(self, node: Branch, cotangents: Cotangents) -> None:
        """The mirror image of a branch: the same condition, each side's own reverse sweep."""
        seeds = [cotangents.pop(result, None) for result in node.results]
        if all(seed is None or is_zero(seed) for seed in seeds):
            return
        for result, seed in zip(node.results, seeds, strict=True):
            if seed is not None:
                name_cotangent(result, seed)
        mirror = Branch(node.condition, Block(), Block(), [], node.statement, node.place)
        self.mirrors |= {node.then: mirror.then, node.otherwise: mirror.otherwise}
        after: list[Cotangents] = []
        for forward, reverse in ((node.then, mirror.then), (node.otherwise, mirror.otherwise)):
            inner = dict(cotangents)
            with self.builder.inside(reverse):
                for operand, seed in zip(forward.results, seeds, strict=True):
                    if seed is not None:
                        self.add(inner, operand, seed)
                self.block(forward, inner)
            after.append(inner)
        self.builder.statement = node.statement
        then, otherwise = after
        for value in [*then, *(v for v in otherwise if v not in then)]:
            left, right = then.get(value), otherwise.get(value)
            if key_of(left) == key_of(right):
                cotangents[value] = left  # both sides came to the same
                continue
            self.merge(mirror, cotangents, value, left, right)
        self.builder.append(mirror)

    def merge(
        self, mirror: Branch, cotangents: Cotangents, value: Value, left: Operand, right: Operand
    ) -> None:
        """The cotangent of an outer value after a branch: zero on a side that did not touch it."""
        sides = []
        for side, block in ((left, mirror.then), (right, mirror.otherwise)):
            fits = is_list(value) or may_be_unbound(value)
            if side is None or (not fits and rank_of(side) != rank_of(value)):
                with self.builder.inside(block):
                    taken = block is mirror.then
                    absent = (mirror.condition, not taken) in self.sides.get(value, ())
                    absent = absent or is_unbound_where(value, mirror.condition, taken)
                    zero = (placeholder if absent else zero_like)(self.context, value)
                    side = zero if side is None else self.builder.call(registry[operator.add], (zero, side))
            sides.append(side)
        if is_list(value):
            for side, block in zip(sides, (mirror.then, mirror.otherwise), strict=True):
                block.results.append(side)
            self.merged(mirror, cotangents, value, lists.like_type(value))
            return
        kinds = [type_of(side) for side in sides]
        python = all(kind.python for kind in kinds)
        dtype = np.result_type(*[kind.dtype for kind in kinds])
        for side, block in zip(sides, (mirror.then, mirror.otherwise), strict=True):
            if type_of(side).rank and type_of(side).dtype != dtype:  # whole numbers, times a seed of 1
                with self.builder.inside(block):
                    side = self.builder.call(registry[np.ndarray.astype], (side, dtype), method=True)
            block.results.append(side)
        self.merged(mirror, cotangents, value, ArrayType(dtype, type_of(value).shape, python))

    def merged(self, mirror: Branch, cotangents: Cotangents, value: Value, kind: Type) -> None:
        merged = Value(kind)
        merged.operation = mirror
        name_cotangent(value, merged)
        mirror.results.append(merged)
        cotangents[value] = merged


def sides_made_on(forward: Block) -> dict[Value, set[tuple[Operand, bool]]]:
    """The conditions on which what is made inside of branches is made, each with the side."""
    found: dict[Value, set[tuple[Operand, bool]]] = {}
    for node in nodes_in(forward):
        if isinstance(node, Branch) and isinstance(node.condition, Value):
            for block, taken in ((node.then, True), (node.otherwise, False)):
                for inner in nodes_in(block):
                    for value in results_of(inner):
                        found.setdefault(value, set()).add((node.condition, taken))
    return found


def pairs_in(argument: Operand, contribution: Operand) -> Iterator[tuple[Operand, Operand]]:
    """Each value of a structure with what is contributed to its cotangent."""
    if isinstance(argument, (tuple, list)):
        for item, part in zip(argument, contribution, strict=True):
            yield from pairs_in(item, part)
    else:
        yield argument, contribution


def doubled(
    builder: Builder, contributions: list[tuple[Operand, Operand]]
) -> Iterator[tuple[Operand, Operand]]:
    """The contributions, with one for an argument given twice: `r @ r` gives `2 * g * r`."""
    while contributions:
        (argument, contribution), *contributions = contributions
        same = [n for n, (a, c) in enumerate(contributions) if a is argument and c is contribution]
        if same and isinstance(contribution, Value) and not is_list(contribution):
            del contributions[same[0]]
            contribution = builder.call(registry[operator.add], (contribution, contribution))
        yield argument, contribution
