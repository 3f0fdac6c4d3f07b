"""What a direction is multiplied by, element by element, is collected: one coefficient for all directions.

    for direction in directions:                      coefficient = a / b - 2.0
        bent = direction[2:] - 2.0 * middle    ->     for direction in directions:
        moved = a * (middle / b)                          columns.append(direction[2:] + coefficient * middle)
        columns.append(bent + moved)

The chain rule multiplies a tangent by one factor after the other. Those of elementwise functions are known
before the direction is, and so is what they make together: the partial derivative of all of them (Griewank
and Walther, Evaluating Derivatives (2008), section 10.2). It is the same operations, done on the number 1 in
place of the direction: so what a direction of zeros and ones reads off changes by rounding at most. Where a
coefficient is beyond the range of floats, though no factor is, zero times it is NaN; then the entry itself is
infinite, but for zeros that `where`, `max` and their like have left: so what holds such is multiplied by one
factor after the other.
"""

from __future__ import annotations

import operator
from collections import Counter
from dataclasses import dataclass, replace

from ad_compiler.analysis.slice_lengths import same_shape_together
from ad_compiler.analysis.types import ArrayType
from ad_compiler.analysis.zeros import may_hold_zeros
from ad_compiler.frontend.context import Context
from ad_compiler.ir import Block, Loop, Node, Operand, Operation, Value
from ad_compiler.rules.notation import registry
from ad_compiler.rules.shapes import shape_of, type_of
from ad_compiler.transforms.batch_directions import is_directions
from ad_compiler.transforms.hoist import KEPT
from ad_compiler.traversal import (
    blocks_of,
    inputs_of,
    map_values,
    nodes_in,
    results_of,
    turn_values,
    values_in,
)

LARGE = 2.0**53  # whole numbers up to it are floats as they are
MOST = 8  # bases of one form
ADD, SUBTRACT, MULTIPLY = registry[operator.add], registry[operator.sub], registry[operator.mul]
NEGATIVE = registry[operator.neg]
BOTH, FIRST, SECOND = (True, True), (True, False), (False, True)
LINEAR = {"neg": ((True,),), "add": (BOTH,), "sub": (BOTH,), "mul": (FIRST, SECOND), "truediv": (FIRST,)}


def collect_coefficients(block: Block, context: Context) -> None:
    """Collect the factors in the loops over directions of a block."""
    for node in list(block.operations):
        for inner in blocks_of(node):
            collect_coefficients(inner, context)
        if isinstance(node, Loop) and (rows := rows_read(node)):
            written = Coefficients(node, rows, context).collect()
            place = block.operations.index(node)
            block.operations[place:place] = written


def rows_read(loop: Loop) -> set[Value]:
    """The directions of a loop over them."""
    if loop.bounds is None:
        return set()
    return {
        node.result
        for node in loop.body.operations
        if isinstance(node, Operation)
        and node.primitive.name == "getitem"
        and node.arguments[1] == (loop.index,)
        and is_directions(node.arguments[0], loop.bounds[1])
    }


@dataclass(eq=False, slots=True)
class Form:
    """What a value is: the sum of some bases, each times its coefficient, element by element."""

    coefficients: dict[Value, Operand]
    nodes: list[Operation]  # which make the value of the bases

    def is_shorter(self) -> bool:
        """Whether there are fewer operations in the sum than make the value, and some."""
        numbers = [abs(each) for each in self.coefficients.values() if not isinstance(each, Value)]
        operations = 2 * len(self.coefficients) - 1 - numbers.count(1)
        return 0 not in numbers and 0 < operations < len(self.nodes)


class Coefficients:
    """The linear forms in the turns of one loop over directions."""

    def __init__(self, loop: Loop, rows: set[Value], context: Context) -> None:
        self.body, self.builder = loop.body, context.builder
        self.inside = {value for node in nodes_in(loop.body) for value in results_of(node)}
        self.inside.update(value for node in [loop, *nodes_in(loop.body)] for value in turn_values(node))
        self.varying = set(rows)  # what depends on the direction
        self.uses = Counter(value for node in loop.body.operations for value in inputs_of(node))
        self.uses.update([*values_in(loop.body.results), *values_in(loop.leave)])
        self.forms: dict[Value, Form] = {}
        self.moved: dict[Value, Operand] = {}  # what is computed in front of the loop, too
        self.front = Block()

    def collect(self) -> list[Node]:
        """Rewrite the turns; returns what is to be computed in front of the loop."""
        with self.builder.separately(Block()), self.builder.apart(self.front), self.builder.generating():
            for node in self.body.operations:
                if self.varying.isdisjoint(inputs_of(node)):
                    continue
                self.varying.update(results_of(node))
                if isinstance(node, Operation) and self.is_elementwise(node):
                    self.builder.statement, self.builder.place = node.statement, node.place
                    form = self.form(node)
                    if form is not None:
                        self.forms[node.result] = form
            inner = {each.result for form in self.forms.values() for each in form.nodes[:-1]}
            for result, form in self.forms.items():
                if result not in inner and form.is_shorter():
                    self.rewrite(form)
        return self.front.operations

    # --- the form of a value ---

    def is_elementwise(self, node: Operation) -> bool:
        """Whether it makes an array of floats, in a linear way, of what has the same precision."""
        kind = node.result.type
        if node.primitive.name not in LINEAR or node.primitive.text or not isinstance(kind, ArrayType):
            return False
        if not kind.rank or kind.dtype.kind not in "fc":
            return False
        moving = tuple([each in self.varying for each in node.arguments])
        known = all(each in self.varying or self.is_known(each) for each in node.arguments)
        return (
            known
            and moving in LINEAR[node.primitive.name]
            and all(fits(each, kind) for each in node.arguments)
        )

    def form(self, node: Operation) -> Form | None:
        """The form of a result: the operation is done with the coefficients of its operands."""
        forms = [self.form_of(each, node.result) for each in node.arguments if each in self.varying]
        bases = dict.fromkeys(base for form in forms for base in form.coefficients)
        if len(bases) > MOST:
            return None
        coefficients = {}
        for base in bases:
            if may_hold_zeros(base) and any(
                abs_is_not_one(form.coefficients.get(base, 1.0)) for form in forms
            ):
                return None  # zeros that `where` and others leave are strong: they meet no product of factors
            parts = [form.coefficients.get(base) for form in forms]
            if None in parts:
                coefficients[base] = self.term_of_sum(node, parts)
                continue
            given = iter(parts)
            arguments = [
                next(given) if each in self.varying else self.in_front(each) for each in node.arguments
            ]
            if node.primitive.name == "truediv" and may_raise(*arguments):
                return None
            coefficients[base] = self.builder.call(node.primitive, tuple(arguments))
        return Form(coefficients, [*(inner for form in forms for inner in form.nodes), node])

    def term_of_sum(self, node: Operation, parts: list[Operand]) -> Operand:
        """The coefficient of a base that one operand of a sum or difference has, and the other has not."""
        if parts[1] is None:
            return parts[0]
        return parts[1] if node.primitive is ADD else self.builder.call(NEGATIVE, (parts[1],))

    def form_of(self, value: Value, result: Value) -> Form:
        """The form of an operand: its own, if nothing else reads it and it has the shape of the result."""
        known = self.forms.get(value)
        if (
            known is None
            or self.uses[value] > 1
            or not same_shape_together(shape_of(value), shape_of(result))
        ):
            return Form({value: 1.0}, [])
        return known

    def is_known(self, operand: Operand) -> bool:
        """Whether an operand is there in front of the loop, or as well computed there."""
        if not isinstance(operand, Value) or operand not in self.inside:
            return True
        node = operand.operation
        if not isinstance(node, Operation) or node not in self.body.operations or node.kept:
            return False
        primitive = node.primitive
        moves = not (primitive.effect or primitive.fresh or primitive.name in KEPT)
        return moves and all(map(self.is_known, inputs_of(node)))

    def in_front(self, operand: Operand) -> Operand:
        """What an operand is in front of the loop."""
        if not isinstance(operand, Value) or operand not in self.inside:
            return operand
        if operand not in self.moved:
            node = operand.operation
            assert isinstance(node, Operation)  # `is_known`
            arguments = map_values(self.in_front, node.arguments)
            self.moved[operand] = self.builder.call(node.primitive, arguments, node.method, operand.type)
        return self.moved[operand]

    # --- the sum ---

    def rewrite(self, form: Form) -> None:
        """Compute the sum in place of the last operation."""
        last, written = form.nodes[-1], Block()
        self.builder.statement, self.builder.place = last.statement, last.place
        with self.builder.apart(written):
            total: Operand = None
            for base, coefficient in form.coefficients.items():
                node = base.operation
                if isinstance(node, Operation) and base.name is None and self.uses[base] == 1:
                    node.statement = last.statement  # a part of the expression, as it was
                total = self.with_term(total, base, coefficient)
        made = written.operations[-1]
        assert isinstance(made, Operation) and made.result is total
        written.operations[-1] = last.result.operation = replace(made, result=last.result)
        place = self.body.operations.index(last)
        self.body.operations[place : place + 1] = written.operations
        self.body.operations[:] = [each for each in self.body.operations if each not in form.nodes]

    def with_term(self, total: Operand, base: Value, coefficient: Operand) -> Operand:
        """A sum, with one term more."""
        if total is not None and isinstance(coefficient, (int, float)) and coefficient < 0:
            return self.builder.call(SUBTRACT, (total, self.term(base, -coefficient)))
        term = self.term(base, coefficient)
        return term if total is None else self.builder.call(ADD, (total, term))

    def term(self, base: Value, coefficient: Operand) -> Operand:
        if isinstance(coefficient, Value) and coefficient.operation in self.front.operations:
            coefficient.name = coefficient.name or "coefficient"
        return self.builder.call(MULTIPLY, (coefficient, base))


def fits(operand: Operand, result: ArrayType) -> bool:
    """Whether it has the precision of a result, or is a number that has none of its own."""
    if not isinstance(operand, Value):
        return isinstance(operand, (int, float)) and abs(operand) < LARGE
    kind = operand.type
    if not isinstance(kind, ArrayType) or kind.dtype.kind not in "fc":
        return False
    return kind.dtype == result.dtype or (kind.python and kind.dtype.kind == "f")


def abs_is_not_one(coefficient: Operand) -> bool:
    return isinstance(coefficient, Value) or abs(coefficient) != 1


def may_raise(numerator: Operand, denominator: Operand) -> bool:
    """Whether it divides Python's numbers, which raises an exception where division of arrays does not."""
    return not any(isinstance(each, Value) and not type_of(each).python for each in (numerator, denominator))
