"""The forward sweep of tangents: every operation is followed by its own derivative.

    h = np.tanh(a)                  h = np.tanh(a)
    y = h * b              ->       h_dot = (1 - h * h) * a_dot
                                    y = h * b
                                    y_dot = h_dot * b + h * b_dot

The tangent of a value has its shape and dtype; a value without one has the tangent zero. All follows from
the rules that the reverse sweep lowers: the products of partial derivatives and tangents; an operation that
is linear, applied to the tangent; and for everything else the transposed pullback (`transposed`). Nothing is
saved: where a statement overwrites what its derivative reads, the derivative comes first.

The source is Griewank and Walther, Evaluating Derivatives (2008), section 3.1; for pullbacks transposed to
pushforwards Radul et al., You Only Linearize Once (2023), read backwards.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from ad_compiler.analysis.activity import active_values
from ad_compiler.analysis.saturation import NOTHING_SATURATES, Saturation
from ad_compiler.analysis.types import ArrayType, TupleType, same_shape
from ad_compiler.frontend.context import Context
from ad_compiler.ir import (
    UNBOUND,
    Block,
    Branch,
    Call,
    Function,
    Loop,
    Node,
    Operand,
    Operation,
    PullbackCall,
    Shortcut,
    Value,
)
from ad_compiler.rules.complex_numbers import check_complex, fitted_part
from ad_compiler.rules.list_elements import is_list
from ad_compiler.rules.lists import made_by, zeros
from ad_compiler.rules.notation import registry
from ad_compiler.rules.shapes import rank_of, type_of
from ad_compiler.rules.structure import shape_values
from ad_compiler.transforms.apply_definitions import push_definition
from ad_compiler.transforms.apply_rules import (
    apply_rule,
    apply_shortcut,
    differs_from_zero,
    flavour_of,
    is_singular,
    lower_rule,
    positions,
)
from ad_compiler.transforms.cotangents import Tangents, is_zero, leaf_name, zero_like
from ad_compiler.transforms.forward_calls import push_call, push_pullback
from ad_compiler.transforms.forward_control import push_branch, push_loop
from ad_compiler.transforms.transpose import Pairs, transpose
from ad_compiler.traversal import inputs_of, values_in


class ForwardSweep:
    """Writes the derivatives of a program's statements beside them."""

    def __init__(
        self,
        context: Context,
        forward: Block,
        tangents: Mapping[Value, Operand],
        shortcuts: dict[Value, Shortcut],
        blocked: frozenset[Value] = frozenset(),
        saturation: Saturation = NOTHING_SATURATES,
    ) -> None:
        self.context = context
        self.builder = context.builder
        self.active = active_values(forward, tangents, blocked)
        self.shortcuts = shortcuts
        self.saturation = saturation
        self.inputs = frozenset(tangents)
        self.tangents: Tangents = dict(tangents)
        self.numpy_scalars: set[Value] = set()  # numbers carried whose tangents are not Python's own
        self.entered: set[Function] = set()  # functions called that have their derivatives already
        self.results: dict[Function, list[Operand]] = {}  # what they return, without tangents
        self.gradients: dict[Function, list[Operand]] = {}  # and what their pullbacks return
        self.unread: set[Value] = set()  # parts of tuples that nobody reads
        self.read: tuple[Any, set[str]] = (None, set())  # a statement, and the names its derivative reads

    def run(self, forward: Block) -> None:
        """Differentiate the whole program, in place."""
        with self.builder.generating(), self.builder.separately(Block()), self.rewriting(forward):
            pass

    @contextmanager
    def rewriting(self, block: Block) -> Iterator[None]:
        """Write a block anew, with tangents; what is written inside stands at its end."""
        written = Block()
        with self.builder.inside(written):
            for node in block.operations:
                self.builder.statement = node.statement
                self.builder.place = node.place
                self.node(node)
            yield
        block.operations[:] = written.operations

    def node(self, node: Node) -> None:
        if isinstance(node, Branch):
            push_branch(self, node)
        elif isinstance(node, Loop):
            push_loop(self, node)
        elif isinstance(node, Call):
            push_call(self, node)
        elif isinstance(node, PullbackCall):
            push_pullback(self, node)
        else:
            assert isinstance(node, Operation)
            self.operation(node)

    def operation(self, node: Operation) -> None:
        """The operation, and its tangent behind it; in front of it where it overwrites what that reads."""
        written = self.builder.block.operations
        written.append(node)
        self.builder.remember(node)
        if node.primitive.name == "part_of":
            if node.arguments[0] in self.active:
                self.part(node)
            return
        if node.result not in self.active or node.result in self.inputs:
            return
        if isinstance(node.result.type, TupleType):
            return  # whose parts have tangents
        start = len(written)
        tangent = self.fitted(self.tangent(node), node.result)
        self.know(node.result, tangent)
        derivative = written[start:]
        reads = {value for each in derivative for value in inputs_of(each)}
        if self.overwrites(node, reads) and node.result not in reads:
            written[start - 1 :] = [*derivative, node]

    def part(self, node: Operation) -> None:
        """Behind the last part of a tuple, the tangents of all that are read."""
        whole = node.arguments[0]
        if node.result is whole.parts[-1]:
            for part, tangent in zip(whole.parts, self.transposed(whole.operation), strict=True):
                self.know(part, self.fitted(tangent, part))

    def overwrites(self, node: Operation, reads: set[Value]) -> bool:
        """Whether a statement gives a new value to a name that its derivative reads."""
        statement, names = self.read
        if statement is not node.statement:
            names = set()
        names.update(value.name for value in reads if value.name is not None)
        self.read = (node.statement, names)
        return node.result.name in names

    def know(self, value: Value, tangent: Operand) -> None:
        """Note the tangent of a value, and call it after the value."""
        if tangent is None:
            return
        self.tangents[value] = tangent
        if isinstance(tangent, Value) and tangent.name is None:
            name = value.name or leaf_name(value.access)
            if name is not None:
                tangent.name = f"{name}_dot"
            elif tangent.tangent_of is None:
                tangent.tangent_of = value

    def fitted(self, tangent: Operand, value: Value) -> Operand:
        """A tangent in the shape and the dtype of its value; None where it is zero."""
        if tangent is None or is_zero(tangent):
            return None
        if is_list(value):
            return tangent
        tangent = fitted_part(self.builder, value, tangent)
        kind = type_of(value)
        if not same_shape(type_of(tangent).shape, kind.shape):
            shape = shape_values(self.builder, value)
            tangent = self.builder.call(registry[np.broadcast_to], (tangent, shape))
        if kind.rank and type_of(tangent).dtype != kind.dtype:
            tangent = self.builder.call(registry[np.ndarray.astype], (tangent, kind.dtype), method=True)
        return tangent

    def tangent_of(self, operand: Operand) -> Operand:
        """The tangent of an argument: a zero in full shape where there is none; of containers, in kind."""
        if isinstance(operand, (tuple, list)):
            return type(operand)([self.tangent_of(item) for item in operand])
        if not isinstance(operand, Value):
            return UNBOUND if operand is UNBOUND else 0.0
        known = self.tangents.get(operand)
        if known is not None:
            return known
        if is_list(operand):
            made = made_by(operand, "list_of")
            return zeros(self.builder, operand) if made is None else self.pushed(made)
        zero = zero_like(self.context, operand)
        if rank_of(operand) and not type_of(operand).differentiable:
            zero = self.builder.call(registry[np.zeros_like], (operand, np.dtype(np.float64)))
        return zero

    # --- one operation ---

    def tangent(self, node: Operation) -> Operand:
        primitive = node.primitive
        check_complex(node, self.active)
        shortcut = self.shortcuts.get(node.result)
        if shortcut is not None and shortcut.definition is not None:
            return push_definition(self, shortcut.definition)
        if shortcut is not None:
            wanted = [self.has_tangent(argument) for argument in shortcut.inputs]
            partials = apply_shortcut(self.context, shortcut, positions(wanted))
            return self.combination(shortcut.inputs, partials, shortcut.singular)
        if primitive.pushforward is not None:
            return self.pushed(node)
        if primitive.kind == "elementwise":
            names = zip(primitive.parameters, node.arguments, strict=True)
            wanted = [name in primitive.differentiable and self.has_tangent(each) for name, each in names]
            partials = apply_rule(self.context, node, {"y": node.result}, positions(wanted))
            partials = partials if isinstance(partials, tuple) else (partials,)
            arguments = [each if flag else None for each, flag in zip(node.arguments, wanted, strict=True)]
            limited = node.result in self.saturation.limited
            return self.combination(arguments, partials, is_singular(node), limited)
        if primitive.kind == "definition":
            return push_definition(self, node)
        if primitive.linear == "each":
            return self.multilinear(node)
        if primitive.linear == "together":
            return self.applied(node, primitive.differentiable)
        return self.transposed(node)

    def has_tangent(self, operand: Operand) -> bool:
        return any(value in self.tangents for value in values_in(operand))

    def combination(self, arguments: Any, partials: Any, singular: bool, limited: bool = False) -> Operand:
        """The sum of partial derivatives times tangents, which may be infinite if the result is `limited`."""
        own: dict[Value, Operand] = {}  # an argument given twice has one partial derivative: x * x has 2 * x
        for argument, partial in zip(arguments, partials, strict=False):
            if partial is not None and isinstance(argument, Value) and argument in self.tangents:
                own[argument] = self.sum(own.get(argument), partial)
        total: Operand = None
        for argument, partial in own.items():
            tangent = self.tangents[argument]
            if isinstance(partial, (int, float)) and partial == 0:
                continue
            factors = (tangent, partial) if limited else (partial, tangent)
            total = self.sum(total, self.product(*factors, singular or limited))
        return total

    def product(self, partial: Operand, tangent: Operand, singular: bool) -> Operand:
        """`partial * tangent`; where the first may be infinite, the second gives 0 where it is 0."""
        if is_mask(partial):
            return self.builder.call(registry["select"], (partial, tangent, 0.0))
        product = self.builder.call(registry[operator.mul], (partial, tangent))
        if not singular or not isinstance(partial, Value) or not isinstance(tangent, Value):
            return product
        return self.builder.call(registry["select"], (differs_from_zero(self.builder, tangent), product, 0.0))

    def sum(self, total: Operand, term: Operand) -> Operand:
        if total is None or term is None:
            return term if total is None else total
        return self.builder.call(registry[operator.add], (total, term))

    def pushed(self, node: Operation) -> Operand:
        """By the explicit pushforward of an operation."""
        primitive = node.primitive
        assert primitive.pushforward is not None
        given: dict[str, Operand] = {"y": node.result}
        for name, argument in zip(primitive.parameters, node.arguments, strict=True):
            if name in primitive.differentiable:
                plain = isinstance(argument, Value) and not is_list(argument)
                given[f"{name}_dot"] = (
                    self.tangents.get(argument, 0.0) if plain else self.tangent_of(argument)
                )
        needs = {name: given[name] for name in primitive.pushforward_needs}
        flavour = flavour_of(node)
        arguments = list(node.arguments)
        tangent = lower_rule(self.context, node, primitive.pushforward, arguments, needs, flavour)
        return like(tangent, node.result) if any(map(is_list, arguments)) else tangent

    def applied(self, node: Operation, names: tuple[str, ...]) -> Operand:
        """The operation itself, on the tangents of these parameters."""
        arguments = [
            self.tangent_of(argument) if name in names else argument
            for name, argument in zip(node.primitive.parameters, node.arguments, strict=True)
        ]
        return self.again(node, arguments)

    def multilinear(self, node: Operation) -> Operand:
        """The operation with one argument after the other replaced by its tangent."""
        total: Operand = None
        for place, argument in enumerate(node.arguments):
            if isinstance(argument, Value) and argument in self.tangents:
                arguments = list(node.arguments)
                arguments[place] = self.tangents[argument]
                total = self.sum(total, self.again(node, arguments))
        return total

    def again(self, node: Operation, arguments: list[Operand]) -> Operand:
        """The operation on other arguments of the same shapes: so its result has the same shape, too."""
        primitive, method = node.primitive, node.method
        if method and not is_list(arguments[0]) and type_of(arguments[0]).python:  # has no methods of arrays
            scalar = registry[type_of(node.arguments[0]).dtype.type]
            arguments[0] = self.builder.call(scalar, (arguments[0],))
        return like(self.builder.call(primitive, tuple(arguments), method), node.result)

    def transposed(self, node: Operation) -> Operand:
        """The transpose of the pullback, which is linear in the cotangent: the pushforward.

        The rule is lowered for a cotangent that nobody gives, and differentiated backwards with respect to
        it, from the tangents. What it reads of that cotangent is then its shape alone, which is the result's.
        """
        primitive = node.primitive
        parts = node.result.parts or (node.result,)
        cotangents = tuple([Value(part.type) for part in parts])
        asked_for = [None if part in self.unread else c for part, c in zip(parts, cotangents, strict=True)]
        names = zip(primitive.parameters, node.arguments, strict=True)
        targets = [argument for name, argument in names if name in primitive.differentiable]
        wanted = [self.has_tangent(target) for target in targets]

        def lower() -> Pairs:
            given = {
                "y": node.result.parts or node.result,
                "g": tuple(asked_for) if node.result.parts else cotangents[0],
            }
            results = apply_rule(self.context, node, given, positions(wanted))
            results = results if len(targets) > 1 else (results,)
            return [
                (result, self.tangents[target])
                for pair in zip(results, targets, wanted, strict=True)
                if pair[2]
                for result, target in paired(*pair[:2])
                if isinstance(result, Value) and target in self.tangents
            ]

        tangents = transpose(self.context, lower, cotangents, parts)
        return tuple(tangents) if node.result.parts else tangents[0]


def paired(contribution: Operand, argument: Operand) -> Iterator[tuple[Operand, Operand]]:
    """The contributions to the parts of an argument, which may be a tuple or list, and these parts."""
    if isinstance(argument, (tuple, list)) and isinstance(contribution, (tuple, list)):
        for part, item in zip(contribution, argument, strict=True):
            yield from paired(part, item)
    else:
        yield contribution, argument


def like(tangent: Operand, value: Value) -> Operand:
    """A tangent that is known to have the shape of its value."""
    kind = value.type
    if isinstance(kind, ArrayType) and isinstance(tangent, Value):
        made = type_of(tangent)
        tangent.type = ArrayType(made.dtype, kind.shape, made.python)
    return tangent


def is_mask(operand: Operand) -> bool:
    """Whether it holds truth values: what it leaves out contributes exactly 0."""
    return isinstance(operand, Value) and type_of(operand).dtype.kind == "b"
