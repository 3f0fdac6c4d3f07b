"""Numbers that the turns of a loop make arrays.

    total = 0.0                             total = np.zeros(x.shape[1])
    for i in range(n):               ->     for i in range(n):
        total = total + w[i] * x[i]             total = total + w[i] * x[i]

A value has one rank in every turn, so such a number is an array of that number from the start. Broadcasting
makes the two alike wherever another array gives the result its shape (`total + x[i]`, `rows[i] = total`), and
so do the mean, and the sum of zeros. They differ in what else is made of them: `np.sum(total)` is n times the
number. A program can do that behind a loop that may have no turn. Then the number is one element there:

    product = 1.0                           product = np.ones(x.shape[1])
    for i in range(n):               ->     for i in range(n):
        product = product * x[i]                product = product * x[i]
                                            product = product if n > 0 else np.ones(1)
    s = np.sum(product)                     s = np.sum(product)

It can also do that in the first turn. There, and where the lengths are not known before the loop, the number
is an array of one element, whose axes any turn may stretch; the derivative asks for them in every turn:

    total = 1.0                             total = np.ones(1)
    for i in range(n):               ->     for i in range(n):
        s = s + np.sum(total * c)               s = s + np.sum(total * c)
        total = total + x[i]                    total = total + x[i]

Which programs need that is known when all of the program is: then it is lowered again.
"""

from __future__ import annotations

import ast
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

import numpy as np

from ad_compiler.analysis.elementwise import MOVING_NOTHING, is_elementwise
from ad_compiler.analysis.joins import any_length, is_any
from ad_compiler.analysis.layout import is_array
from ad_compiler.analysis.types import (
    ArrayType,
    Axis,
    Length,
    Type,
    is_one,
    may_be_one,
    promote,
    representative,
    same_length,
)
from ad_compiler.frontend.aliases import reachable_scopes, reference_of, viewing
from ad_compiler.frontend.context import Context, Given, lower
from ad_compiler.frontend.courses import turns_for_sure
from ad_compiler.frontend.operations import operation
from ad_compiler.ir import Block, Branch, Function, Loop, Operand, Operation, Value
from ad_compiler.refusal import StretchingFound
from ad_compiler.rules.notation import registry
from ad_compiler.rules.shapes import rank_of, shape_of, type_of
from ad_compiler.traversal import arguments_of, functions_called, values_in

LoopPlace = Hashable
_OF_ARRAYS_ONLY = frozenset({"getitem", "index_set", "index_add"})  # of a number they raise an exception
_OF_ALIKE = frozenset({"mean", "max", "amax", "min", "amin"})  # of equal elements, they are what those are
_MOVING_AXES = frozenset({"transpose", "swapaxes", "moveaxis"})
_ZERO_AT_ZERO = frozenset(
    {"neg", "negative", "pos", "abs", "absolute", "square", "sqrt", "truediv", "divide", "sum"}
    | {"sin", "tan", "sinh", "tanh", "arcsin", "arctan", "arcsinh", "expm1", "log1p"}
)


def place_of(context: Context, node: ast.stmt, param: Value) -> LoopPlace:
    """What tells a loop from others, and what it carries, when the program is lowered again."""
    return context.here.source.filename, node.lineno, node.col_offset, param.name


def grows(initial: Type, kind: Type) -> bool:
    """Whether what is a number before a loop is an array after a turn."""
    return (
        isinstance(initial, ArrayType) and isinstance(kind, ArrayType) and not initial.rank and kind.rank > 0
    )


def grown(
    context: Context, node: ast.stmt, param: Value, initial: Type, kind: Type, made: set[Length]
) -> ArrayType:
    """The kind that a number has which is an array of this kind after a turn; `made` are its own lengths."""
    assert isinstance(initial, ArrayType) and isinstance(kind, ArrayType)
    dtype = promote([initial, kind])
    checked = not (context.in_rule or context.in_sweep)  # by `check_grown`
    stretching = not checked or place_of(context, node, param) in context.stretching
    if not stretching and not any(measured(axis) is None for axis in kind.shape):
        return ArrayType(dtype, kind.shape)
    return ArrayType(dtype, tuple([stretchable(representative(axis), made) for axis in kind.shape]))


def stretchable(axis: Axis, made: set[Length]) -> Axis:
    """A length that is 1 at first, and another one after a turn; `made` are those that stand for it."""
    if is_one(axis) or (axis in made and may_be_one(axis)):
        return axis
    own = any_length(may_be_one=True)
    made.add(own)
    return own


def measured(axis: Axis) -> tuple[Value, int, int] | int | None:
    """A length that is known before any loop: a number, or an axis of an input, and by how much it is cut."""
    axis = representative(axis)
    if isinstance(axis, int):
        return axis
    if axis.origin is not None:
        return (*axis.origin, 0)
    match axis.key:
        case ("shortened", Length() as whole, int(by)):
            found = measured(whole)
            return (*found[:2], found[2] + by) if isinstance(found, tuple) else None
        case _:
            return None


def array_of_number(context: Context, node: ast.stmt, number: Operand, param: Value) -> Operand:
    """What a loop starts with that makes an array of a number, of the kind of what it carries."""
    kind = param.type
    assert isinstance(kind, ArrayType)
    stretched = any(map(is_any, kind.shape))
    lengths = tuple([1 if stretched else length_before(context, node, axis) for axis in kind.shape])
    shape = lengths[0] if len(lengths) == 1 else lengths
    plain = not isinstance(number, Value) and number in (0, 1) and str(number) != "-0.0"
    dtype = None if kind.dtype == (np.float64 if plain else type_of(number).dtype) else kind.dtype
    if plain:
        made = operation(context, node, registry[np.ones if number else np.zeros], (shape, dtype))
    else:
        made = operation(context, node, registry[np.full], (shape, number, dtype))
    assert isinstance(made, Value)
    context.numbers.add(made)
    if not stretched:
        context.grown[made] = place_of(context, node, param)
    return made


def length_before(context: Context, node: ast.stmt, axis: Axis) -> Operand:
    """A length as an operand, before a loop."""
    found = measured(axis)
    if not isinstance(found, tuple):
        return found
    array, place, by = found
    measuring: Operand = array
    if by:
        items = (*[slice(None)] * place, slice(by, None))
        measuring = operation(context, node, registry["getitem"], (array, items))
    return operation(context, node, registry["length"], (measuring, place))


def may_be_number(context: Context, array: Value) -> bool:
    """Whether an array may be a number in the program as written."""
    return bool(context.numbers) and not context.numbers.isdisjoint([array, *context.choices.get(array, ())])


def check_alone(context: Context, node: ast.AST, array: Value) -> None:
    """Refuse `array += ...` where it has several names: under the others, a number would stay what it is.

    A part of it (`array[0] += ...`, or a view) is written into only where it is an array.
    """
    first = reference_of(context, array)
    if viewing(array) is not None or not may_be_number(context, first):
        return
    holders = [operand for scope in reachable_scopes(context) for operand in scope.names.values()]
    seen = [
        value
        for operand in holders
        for value in values_in(operand)
        if is_array(value) and viewing(value) is None and reference_of(context, value) is first
    ]
    if len(seen) > 1:
        name = array.name or "this"
        raise context.refuse(
            node,
            f"`{name}` is a number first, and then an array that is written into, and has another name",
            f"write `{name} = {name} + ...`, or start with an array of zeros",
        )


def is_told(context: Context, loop: Loop, initial: Operand) -> bool:
    """Whether a loop is asked whether it had a turn, for the sake of what it makes of this number."""
    return isinstance(initial, Value) and context.grown.get(initial) in context.telling and can_be_told(loop)


def number_without_turns(context: Context, node: ast.stmt, loop: Loop, result: Value) -> Operand:
    """What a loop leaves, or the number, as an array of one element, where it had no turn."""
    assert loop.bounds is not None
    start, stop, step = loop.bounds
    initial = loop.initial[loop.results.index(result)]
    assert isinstance(initial, Value) and isinstance(initial.operation, Operation)
    made = initial.operation
    shape = (1,) * rank_of(result) if rank_of(result) > 1 else 1
    one = operation(context, node, made.primitive, (shape, *made.arguments[1:]))
    forwards = isinstance(step, int) and step > 0
    test = ast.Compare(Given(start), [ast.Lt() if forwards else ast.Gt()], [Given(stop)])
    choice = ast.IfExp(test, Given(result), Given(one))
    left = lower(context, ast.fix_missing_locations(ast.copy_location(choice, node)))
    assert isinstance(left, Value)
    left.name = result.name
    context.numbers.add(left)
    return left


def check_grown(context: Context, function: Function) -> None:
    """Raise `StretchingFound` where a number in place of such an array would give something else."""
    numbers = Numbers(context)
    if numbers.alike:
        for each in [*functions_called(function), function]:
            numbers.visit(each.forward)
    if numbers.told_apart:
        inside = frozenset([place for place, behind in numbers.told_apart if not behind])
        behind = frozenset([place for place, _ in numbers.told_apart]) - inside
        raise StretchingFound(inside, behind)


@dataclass(frozen=True, slots=True)
class Alike:
    """An array that may be a number, or smaller, in the program as written: its elements are alike then.

    `loops` have made it so, in their first turn or only `behind` them, where they had none; `zero` says that
    its elements are 0 then.
    """

    loops: frozenset[tuple[LoopPlace, bool]]
    zero: bool


class Numbers:
    """Which values may be numbers where their kind is an array, and the loops for which that matters."""

    def __init__(self, context: Context) -> None:
        self.grown, self.telling = context.grown, context.telling
        self.alike = {
            value: Alike(frozenset([(place, False)]), is_zeros(value))
            for value, place in context.grown.items()
        }
        self.told_apart: frozenset[tuple[LoopPlace, bool]] = frozenset()

    def visit(self, block: Block) -> None:
        for node in block.operations:
            if isinstance(node, Operation):
                self.visit_operation(node)
            elif isinstance(node, Branch):
                self.visit(node.then)
                self.visit(node.otherwise)
                sides = zip(node.results, node.then.results, node.otherwise.results, strict=True)
                for result, *chosen in sides:
                    self.note(result, chosen)
            elif isinstance(node, Loop):
                self.visit_loop(node)
            else:
                self.tell_apart(arguments_of(node))

    def visit_loop(self, loop: Loop) -> None:
        news = True
        while news:
            news = False
            for param, *origins in zip(loop.carried, loop.initial, loop.body.results, strict=True):
                news |= self.note(param, origins)
            if loop.condition is not None:
                self.visit(loop.condition)
            self.visit(loop.body)
        for result, initial, last in zip(loop.results, loop.initial, loop.body.results, strict=True):
            self.note(result, [last])
            if turns_for_sure(loop.bounds):
                continue
            place = self.grown.get(initial) if can_be_told(loop) else None
            if place is None:
                self.note(result, [initial])
            elif place not in self.telling:
                self.merge(result, Alike(frozenset([(place, True)]), is_zeros(initial)))

    def visit_operation(self, node: Operation) -> None:
        found = [self.alike[value] for value in values_in(node.arguments) if value in self.alike]
        name = node.primitive.name
        if not found or name in _OF_ARRAYS_ONLY:
            return
        made = Alike(frozenset().union(*[each.loops for each in found]), self.is_zero_of(node))
        if is_elementwise(node):
            if not self.has_shape_of_others(node):
                self.merge(node.result, made)
        elif name in _OF_ALIKE or name in _MOVING_AXES or (name == "sum" and made.zero):
            if type_of(node.result).rank:
                self.merge(node.result, made)
        else:
            self.tell_apart(node.arguments)

    def tell_apart(self, operand: Operand) -> None:
        for value in values_in(operand):
            if value in self.alike:
                self.told_apart |= self.alike[value].loops

    def note(self, value: Value, chosen: Iterable[Operand]) -> bool:
        """Note what control flow chooses a value from; whether that is news."""
        news = False
        for each in chosen:
            if isinstance(each, Value) and each in self.alike:
                news |= self.merge(value, self.alike[each])
        return news

    def merge(self, value: Value, made: Alike) -> bool:
        before = self.alike.get(value)
        if before is not None:
            made = Alike(before.loops | made.loops, before.zero and made.zero)
        self.alike[value] = made
        return made != before

    def has_shape_of_others(self, node: Operation) -> bool:
        """Whether the result has its shape from operands that are what their kind says."""
        others = [value for value in values_in(node.arguments) if value not in self.alike]
        shapes = [shape_of(value)[::-1] for value in others]
        return all(
            any(place < len(shape) and same_length(shape[place], axis) for shape in shapes)
            for place, axis in enumerate(shape_of(node.result)[::-1])
        )

    def is_zero(self, operand: Operand) -> bool:
        if isinstance(operand, Value):
            return operand in self.alike and self.alike[operand].zero
        return isinstance(operand, (int, float)) and operand == 0

    def is_zero_of(self, node: Operation) -> bool:
        """Whether the elements of a result are 0 because those of its operands are."""
        name = node.primitive.name
        zero = [self.is_zero(argument) for argument in node.arguments]
        if name in ("mul", "multiply"):
            return any(zero)
        if name in ("where", "select"):
            return all(zero[1:])
        if name in ("add", "sub", "subtract"):
            return all(zero)
        if name in ("pow", "power"):
            exponent = node.arguments[1]
            return zero[0] and isinstance(exponent, (int, float)) and exponent > 0
        return zero[0] and any(
            name in names for names in (_ZERO_AT_ZERO, _OF_ALIKE, MOVING_NOTHING, _MOVING_AXES)
        )


def can_be_told(loop: Loop) -> bool:
    """Whether it is known behind a loop, without a note, that it had no turn."""
    return loop.bounds is not None and isinstance(loop.bounds[2], int) and loop.bounds[2] != 0


def is_zeros(value: Value) -> bool:
    node = value.operation
    return isinstance(node, Operation) and node.primitive.name == "zeros"
