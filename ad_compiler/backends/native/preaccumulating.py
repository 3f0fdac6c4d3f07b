"""The derivative of a turn of a loop over scalars is computed in the first sweep, beside the turn itself.

    for _ in range(n):                          for _ in range(n):
        y = x + h * x * x                           y = x + h * x * x
        tape_x[count] = x              ->           slope = 1.0 + h * (2.0 * x)
        count += 1                                  tape_slope[count] = slope
        x = y                                       count += 1
    for _ in range(n):                              x = y
        count -= 1                              for _ in range(n):
        x = tape_x[count]                           count -= 1
        y_bar = x_bar * h                           x_bar = tape_slope[count] * x_bar
        x_bar = x_bar + 2.0 * (y_bar * x)

A loop that carries few scalars takes the time of one chain of operations that wait for each other, and so
does its reverse sweep. The derivative of a turn (its Jacobian, a number for each pair of what is carried)
waits for nothing but the turn: a processor computes it meanwhile, and the reverse sweep is left with products
of it. That is preaccumulation (Griewank and Walther, Evaluating Derivatives, section 10.2). The body of the
reverse loop must be linear in what it carries: sums, and products with what the first sweep knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ad_compiler.backends.native.accessing import Access, own_accesses, reads
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.aliasing import ALIAS
from ad_compiler.backends.native.frame import names_in
from ad_compiler.backends.native.nests import (
    Allocate,
    Apply,
    Code,
    Comment,
    Define,
    Expression,
    Line,
    Load,
    Nest,
    Repeat,
    Scalar,
    Store,
    codes_in,
)

CARRIED = 3  # adjoints that depend on the turns: the derivative has so many columns
ADD, MULTIPLY, UNARY = 9, 11, 12
ONE = Scalar("1.0")
UNIT = "1.0"  # the column of what is added without a factor

Form = dict[str, Expression]  # a linear form: the factor of each adjoint that is carried


@dataclass(eq=False, slots=True)
class Taped:
    """A scalar that a turn puts on a tape."""

    store: Store
    allocation: Allocate


class Preaccumulator:
    """Finds pairs of such loops in the sweeps of a program, and rewrites them."""

    def __init__(self, programs: list[list[Code]], outputs: list[str], fresh: Callable[[str], str]) -> None:
        self.programs = programs
        self.outputs = outputs
        self.fresh = fresh

    def run(self) -> None:
        loops = [code for program in self.programs for code in program if isinstance(code, Repeat)]
        for first in loops:
            counter = counter_of(first, "+=")
            if counter is None:
                continue
            seconds = [loop for loop in loops if counter_of(loop, "-=") == counter]
            if len(seconds) == 1:
                Pair(self, first, seconds[0], counter).rewrite()

    def body_of(self, loop: Repeat) -> list[Code]:
        return next(program for program in self.programs if any(code is loop for code in program))


class NotLinear(Exception):
    """The reverse loop does something else than what is rewritten here."""


class Pair:
    """A loop and its reverse."""

    def __init__(self, owner: Preaccumulator, first: Repeat, second: Repeat, counter: str) -> None:
        self.owner = owner
        self.first = first
        self.second = second
        self.counter = counter
        self.taped = dict(self.tapes())
        self.known: dict[str, Expression] = {}  # scalars of the reverse loop that are computed in the first
        self.forms: dict[str, Form] = {}
        self.made: list[Code] = []  # what the first loop computes in addition

    def tapes(self) -> Iterator[tuple[str, Taped]]:
        allocations = {
            code.name: code
            for program in self.owner.programs
            for code in program
            if isinstance(code, Allocate) and code.dtype == "np.float64"
        }
        for code in self.first.body:
            if not isinstance(code, Store) or code.index != (Affine.of(self.counter),):
                continue
            if code.array in allocations and len(allocations[code.array].extents) == 1:
                yield code.array, Taped(code, allocations[code.array])

    def rewrite(self) -> None:
        moves = moves_of(self.second)
        if not moves or not self.is_simple():
            return
        try:
            for name in moves:
                self.forms[name] = {name: ONE}
            for code in self.second.body:
                if isinstance(code, Define) and code.name != self.counter:
                    self.define(code)
            results = {name: self.form(Scalar(source)) for name, source in moves.items()}
        except NotLinear:
            return
        if not all(results.values()):
            return
        columns = {each for name, form in results.items() for each in form if form != {name: ONE}} - {UNIT}
        factors = [
            (name, each) for name, form in results.items() for each, factor in form.items() if factor != ONE
        ]
        if len(columns) > CARRIED or not factors or len(factors) > len(self.taped) + 2:
            return
        if not self.is_known_before([factor for form in results.values() for factor in form.values()]):
            return
        self.write(results)

    def is_simple(self) -> bool:
        """Whether both loops do nothing but compute scalars, and the tapes are read here only."""
        first_kinds = (Comment, Define, Store, Line)
        if not all(isinstance(code, first_kinds) for code in self.first.body):
            return False
        if not all(isinstance(code, (Comment, Define, Line)) for code in self.second.body):
            return False
        if self.first.bounds is None or self.first.bounds != self.second.bounds or not self.taped:
            return False
        stores = [code for code in self.first.body if isinstance(code, Store)]
        if len(stores) != len(self.taped):
            return False
        lines = [code for code in (*self.first.body, *self.second.body) if isinstance(code, Line)]
        if not all(ALIAS.fullmatch(line.text) for line in lines):
            return False
        uses = [
            access.name
            for program in self.owner.programs
            for code in codes_in(program)
            if not isinstance(code, Allocate)
            for access in own_accesses_of(code)
        ]
        outside = {name for text in self.owner.outputs for name in names_in(text)}
        return all(uses.count(name) == 2 and name not in outside for name in self.taped)

    def define(self, code: Define) -> None:
        """One scalar of the reverse loop: a linear form, or a number that the first loop can compute."""
        if code.operator != "=" or code.name in self.forms or code.name in self.known:
            raise NotLinear
        form = self.form(code.value)
        if not form:
            number = self.number(code.value)
            if not isinstance(number, Scalar):
                name = self.owner.fresh(code.name)
                self.made.append(Define(name, number))
                number = Scalar(name)
            self.known[code.name] = number
            return
        named: Form = {}
        for column, factor in form.items():
            if isinstance(factor, Scalar):
                named[column] = factor
                continue
            name = self.owner.fresh(label(code.name, column))
            self.made.append(Define(name, factor))
            named[column] = Scalar(name)
        self.forms[code.name] = named

    def number(self, expression: Expression) -> Expression:
        """What does not depend on what is carried, as the first loop knows it."""
        if isinstance(expression, Load):
            if expression.array in self.taped and expression.index == (Affine.of(self.counter),):
                return self.taped[expression.array].store.value
            raise NotLinear
        if isinstance(expression, Scalar):
            if "[" in expression.name:
                return self.tape_read(expression)
            if names_in(expression.name) & {self.counter, self.second.index}:
                raise NotLinear
            return self.known.get(expression.name, expression)
        if isinstance(expression, Apply):
            if any(name in self.forms or name in self.known for name in names_in(expression.form)):
                raise NotLinear
            parts = tuple(map(self.number, expression.parts))
            return Apply(expression.form, parts, expression.precedence, expression.needs)
        raise NotLinear

    def tape_read(self, expression: Scalar) -> Expression:
        """`tape_x[count]`, which is written as one name."""
        array = expression.name.partition("[")[0]
        if array in self.taped and expression.name == f"{array}[{self.counter}]":
            return self.taped[array].store.value
        raise NotLinear

    def form(self, expression: Expression) -> Form:
        """The linear form of an expression; empty where it does not depend on what is carried."""
        if isinstance(expression, Scalar):
            if expression.name in self.forms:
                return self.forms[expression.name]
            if names_in(expression.name) & set(self.forms):
                raise NotLinear
            return {}
        if not isinstance(expression, Apply):
            return {}
        parts = list(map(self.form, expression.parts))
        if not any(parts):
            return {}
        first, second = expression.parts[0], expression.parts[-1]
        if expression.form == "-{0}":
            return {column: negated(factor) for column, factor in parts[0].items()}
        if expression.form in ("{0} + {1}", "{0} - {1}"):
            parts = [
                part or {UNIT: self.number(given)}
                for part, given in zip(parts, expression.parts, strict=True)
            ]
            return {
                column: added(parts[0].get(column), parts[1].get(column), expression.form)
                for column in dict.fromkeys([*parts[0], *parts[1]])
            }
        if expression.form == "{0} * {1}" and not all(parts):
            inner, number = (parts[0], second) if parts[0] else (parts[1], first)
            return {column: multiplied(factor, self.number(number)) for column, factor in inner.items()}
        if expression.form == "{0} / {1}" and not parts[1]:
            return {
                column: Apply("{0} / {1}", (factor, self.number(second)), MULTIPLY, (MULTIPLY, UNARY))
                for column, factor in parts[0].items()
            }
        raise NotLinear

    def is_known_before(self, factors: list[Expression]) -> bool:
        """Whether everything that is computed now is known in the first loop."""
        own = {code.name for code in self.first.body if isinstance(code, Define)}
        own |= {code.name for code in self.made if isinstance(code, Define)}
        moved = set(moves_of(self.first))
        later: set[str] = set()
        behind = False
        for program in self.owner.programs:
            for code in program:
                if behind:
                    later |= {
                        a.name for each in codes_in([code]) for a in own_accesses_of(each) if a.kind != "read"
                    }
                behind = behind or code is self.first
        values = [*factors, *(code.value for code in self.made if isinstance(code, Define))]
        read = {access.name for value in values for access in reads(value)}
        return not (read - own - moved) & later

    def write(self, results: dict[str, Form]) -> None:
        """Exchange the tapes, and the body of the reverse loop."""
        place = next(
            n
            for n, code in enumerate(self.first.body)
            if isinstance(code, Define) and code.name == self.counter
        )
        old = [taped.store for taped in self.taped.values()]
        extents = next(iter(self.taped.values())).allocation.extents
        count = (Affine.of(self.counter),)
        stores: list[Code] = []
        allocations: list[Code] = []
        products: dict[str, Expression] = {}
        for name, form in results.items():
            total: Expression | None = None
            for column, factor in sorted(form.items(), key=lambda item: item[0] != name):
                term: Expression = Scalar(column)
                if factor != ONE:
                    tape = self.owner.fresh(f"tape_{label(name, column)}")
                    allocations.append(Allocate(tape, extents, "np.float64"))
                    stores.append(Store(tape, count, factor))
                    term = Load(tape, count) if column == UNIT else multiplied(Load(tape, count), term)
                total = term if total is None else added(total, term, "{0} + {1}")
            assert total is not None
            products[name] = total
        comment = Comment("# the derivative of this turn, for the reverse sweep")
        self.first.body[place:place] = [comment, *self.made, *stores]
        self.first.body[:] = [code for code in self.first.body if not any(code is each for each in old)]
        body = self.owner.body_of(self.first)
        start = next(n for n, code in enumerate(body) if code is next(iter(self.taped.values())).allocation)
        body[start:start] = allocations
        gone = {id(taped.allocation) for taped in self.taped.values()}
        body[:] = [code for code in body if id(code) not in gone]
        self.rewrite_second(products)

    def rewrite_second(self, products: dict[str, Expression]) -> None:
        changed = {name: value for name, value in products.items() if value != Scalar(name)}
        news = {name: self.owner.fresh(name) for name in changed}
        step = next(code for code in self.second.body if isinstance(code, Define))
        defined: list[Code] = [Define(news[name], value) for name, value in changed.items()]
        moves: list[Code] = [
            Line(f"{name} = {new}", frozenset({new}), frozenset({name})) for name, new in news.items()
        ]
        self.second.body[:] = [step, *defined, *moves]


def counter_of(loop: Repeat, operator: str) -> str | None:
    """The name that counts the entries of the tapes of a loop."""
    found = [
        code.name
        for code in loop.body
        if isinstance(code, Define) and code.operator == operator and code.value == Scalar("1")
    ]
    return found[0] if len(found) == 1 else None


def moves_of(loop: Repeat) -> dict[str, str]:
    """What a turn hands on, at its end: the names, and what they become."""
    found: dict[str, str] = {}
    for code in loop.body:
        alias = ALIAS.fullmatch(code.text) if isinstance(code, Line) else None
        if alias is not None:
            found[alias[1]] = alias[2]
    return found


def label(name: str, column: str) -> str:
    """A name for how one adjoint depends on another, or for what is added to it."""
    return f"{name}_added" if column == UNIT else f"{name}_per_{column}"


def own_accesses_of(code: Code) -> Iterator[Access]:
    return own_accesses(code) if not isinstance(code, Nest) else iter(())


def negated(factor: Expression) -> Expression:
    return Apply("-{0}", (factor,), UNARY, (UNARY,))


def multiplied(factor: Expression, number: Expression) -> Expression:
    if factor == ONE:
        return number
    return Apply("{0} * {1}", (factor, number), MULTIPLY, (MULTIPLY, MULTIPLY + 1))


def added(first: Expression | None, second: Expression | None, form: str) -> Expression:
    if first is None:
        assert second is not None
        return second if form == "{0} + {1}" else negated(second)
    if second is None:
        return first
    return Apply(form, (first, second), ADD, (ADD, ADD + 1))
