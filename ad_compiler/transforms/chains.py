"""Chains: parts of a program that make one value from one other, by operations on single elements.

A chain is named by its text, the same however the program spells it:

    1.0 / (1.0 + np.exp(-z))      z * z / 2           math.exp(x) + 1
    "1/(1 + exp(-x))"             "0.5*x**2"          "1 + exp(x)"
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from ad_compiler.ir import Operand, Operation, Value

MAX_LENGTH = 12
_SUM, _PRODUCT, _FACTOR, _ATOM = range(4)


@dataclass(frozen=True, slots=True)
class Term:
    """`factor * text`, and how tightly the text binds; a number is a factor alone."""

    text: str
    binding: int
    factor: Fraction = Fraction(1)

    @property
    def is_number(self) -> bool:
        return not self.text

    def show(self, binding: int) -> str:
        """The text, in parentheses where what stands around it binds as tightly."""
        if self.is_number:
            text, own = number_text(abs(self.factor)), _ATOM
        elif abs(self.factor) == 1:
            text, own = self.text, self.binding
        else:
            text, own = f"{number_text(abs(self.factor))}*{self.within(_FACTOR)}", _PRODUCT
        if self.factor < 0:
            text, own = f"-{text if own >= _PRODUCT else f'({text})'}", _SUM
        return f"({text})" if own < binding else text

    def within(self, binding: int) -> str:
        return f"({self.text})" if self.binding < binding else self.text

    def times(self, number: Fraction) -> Term | None:
        """The product with a number; None where it is no double, so that rounding would differ."""
        factor = self.factor * number
        return Term(self.text, self.binding, factor) if is_double(factor) else None


def is_double(number: Fraction) -> bool:
    return Fraction(float(number)) == number


def signs(a: Term, b: Term) -> Fraction:
    return sign(a.factor) * sign(b.factor)


def number_text(number: Fraction) -> str:
    return str(number.numerator) if number.denominator == 1 else repr(float(number))


def _order(term: Term) -> tuple[bool, bool, int, str]:
    return not term.is_number, term.factor < 0, len(term.text), term.text


def add(a: Term, b: Term) -> Term:
    if a.factor < 0 and b.factor < 0:
        both = add(Term(a.text, a.binding, -a.factor), Term(b.text, b.binding, -b.factor))
        return Term(both.text, both.binding, -both.factor)
    first, second = sorted((a, b), key=_order)
    if first.factor < 0:
        first, second = second, first
    if second.factor < 0:
        return Term(
            f"{first.show(_SUM)} - {Term(second.text, second.binding, -second.factor).show(_PRODUCT)}", _SUM
        )
    return Term(f"{first.show(_SUM)} + {second.show(_SUM)}", _SUM)


def subtract(a: Term, b: Term) -> Term:
    return add(a, Term(b.text, b.binding, -b.factor))


def multiply(a: Term, b: Term) -> Term:
    for one, other in ((a, b), (b, a)):
        if one.is_number:
            product = other.times(one.factor)
            return product or Term(
                f"{number_text(abs(one.factor))}*{other.show(_FACTOR)}", _PRODUCT, sign(one.factor)
            )
    if is_double(a.factor * b.factor):
        if a.text == b.text:
            return Term(f"{a.within(_ATOM)}**2", _FACTOR, a.factor * b.factor)
        first, second = sorted((a, b), key=_order)
        return Term(f"{first.within(_FACTOR)}*{second.within(_FACTOR)}", _PRODUCT, a.factor * b.factor)
    first, second = sorted((a, b), key=_order)
    return Term(f"{unsigned(first).show(_FACTOR)}*{unsigned(second).show(_FACTOR)}", _PRODUCT, signs(a, b))


def divide(a: Term, b: Term) -> Term:
    if b.is_number and b.factor:
        quotient = a.times(1 / b.factor)
        if quotient is not None:
            return quotient
    return Term(f"{unsigned(a).show(_FACTOR)}/{unsigned(b).show(_FACTOR)}", _PRODUCT, signs(a, b))


def power(a: Term, b: Term) -> Term | None:
    if not b.is_number or a.is_number:
        return None
    if abs(a.factor) == 1 and b.factor.denominator == 1 and b.factor > 0:
        factor = Fraction(1) if b.factor % 2 == 0 else a.factor
        return Term(f"{a.within(_ATOM)}**{number_text(b.factor)}", _FACTOR, factor)
    exponent = number_text(abs(b.factor))
    return Term(f"{a.show(_ATOM)}**{exponent if b.factor > 0 else f'(-{exponent})'}", _FACTOR)


def sign(number: Fraction) -> Fraction:
    return Fraction(-1 if number < 0 else 1)


def unsigned(term: Term) -> Term:
    return Term(term.text, term.binding, abs(term.factor))


def _applied(name: str) -> Callable[[Term], Term]:
    return lambda a: Term(f"{name}({a.show(_SUM)})", _ATOM)


_FUNCTIONS = ("exp", "expm1", "log", "log1p", "sqrt", "tanh", "sinh", "cosh", "sin", "cos", "tan", "arctan")
_SPELLED = {name: name for name in _FUNCTIONS} | {"atan": "arctan"}
_ONE = Term("", _ATOM)
_OPERATIONS: dict[str, Callable[..., Term | None]] = {
    **dict.fromkeys(("add",), add),
    **dict.fromkeys(("sub", "subtract"), subtract),
    **dict.fromkeys(("mul", "multiply"), multiply),
    **dict.fromkeys(("truediv", "divide", "true_divide"), divide),
    **dict.fromkeys(("pow", "power", "float_power"), power),
    **dict.fromkeys(("neg", "negative"), lambda a: Term(a.text, a.binding, -a.factor)),
    **dict.fromkeys(("pos", "positive"), lambda a: a),
    "square": lambda a: multiply(a, a),
    "reciprocal": lambda a: divide(_ONE, a),
    **{name: _applied(function) for name, function in _SPELLED.items()},
}


def is_number(operand: Operand) -> bool:
    return type(operand) in (int, float) and abs(operand) < float("inf")


def may_contain(node: Operation) -> bool:
    """Whether a chain may contain this operation: elementwise, on values and plain numbers."""
    if node.primitive.name not in _OPERATIONS or node.primitive.kind != "elementwise":
        return False
    arguments = operands_of(node)
    if node.primitive.name == "log" and len(arguments) > 1:
        return False
    return all(isinstance(x, Value) or is_number(x) for x in arguments) and any(
        isinstance(x, Value) for x in arguments
    )


def operands_of(node: Operation) -> list[Operand]:
    """The arguments without the base that `math.log` was not given."""
    return [operand for operand in node.arguments if operand is not None]


@dataclass(frozen=True, slots=True)
class Chain:
    """The operations from one value to another, the last one first."""

    start: Value
    operations: tuple[Operation, ...]

    @property
    def result(self) -> Value:
        return self.operations[0].result

    @property
    def inner(self) -> list[Value]:
        return [node.result for node in self.operations[1:]]

    def terms(self) -> dict[Value, Term] | None:
        """The chain's values as text; None where it is not one text for all spellings."""
        terms = {self.start: Term("x", _ATOM)}
        for node in reversed(self.operations):
            operands = [
                terms[x] if isinstance(x, Value) else Term("", _ATOM, Fraction(x)) for x in operands_of(node)
            ]
            term = _OPERATIONS[node.primitive.name](*operands)
            if term is None:
                return None
            terms[node.result] = term
        return terms


def chains_to(
    result: Value, places: Mapping[Value, int], may_enter: Callable[[Value, int], bool]
) -> Iterator[Chain]:
    """The chains that end in `result`, the shortest first.

    `places` are the positions of the operations that a chain may contain, by their results;
    `may_enter(value, reads)` says whether a value that the chain reads so many times may be inside it.
    """
    frontier: dict[Value, int] = {result: 0}
    operations: list[Operation] = []
    while len(operations) < MAX_LENGTH:
        last = max(frontier, key=lambda value: places.get(value, -1))
        reads = frontier.pop(last)
        if not frontier and operations:
            yield Chain(last, tuple(operations))
        node = last.operation
        if last not in places or not (last is result or may_enter(last, reads)):
            return
        assert isinstance(node, Operation)
        operations.append(node)
        for operand in node.arguments:
            if isinstance(operand, Value):
                frontier[operand] = frontier.get(operand, 0) + 1
