"""The derivatives of the turns of a loop over scalars are computed in a loop of their own, for all turns.

                                            for j in range(count):
                                                slope[j] = 1.0 + h * (2.0 * tape_x[j])
    for _ in range(n):                      for _ in range(n):
        count -= 1                              count -= 1
        x = tape_x[count]            ->         x_bar = slope[count] * x_bar
        y_bar = x_bar * h
        x_bar = x_bar + 2.0 * (y_bar * x)

The reverse sweep of a loop that carries few scalars takes the time of one chain of operations that wait for
each other. The derivative of a turn (its Jacobian, a number for each pair of what is carried) waits for
nothing but what the first sweep has put on tapes: the derivatives of all turns are one loop, which is
vectorised, and what is left of the chain are products. That is preaccumulation (Griewank and Walther,
Evaluating Derivatives, section 10.2). The body of the reverse loop must be linear in what it carries: sums,
and products with what the first sweep knows.

Where a derivative overflows, a cotangent that is 0 would become nan. So a result that is not finite leaves
the case to NumPy code. (What is lost to underflow is less than the smallest normal number times a cotangent.)
"""

from __future__ import annotations

from collections.abc import Callable

from ad_compiler.backends.native.accessing import own_accesses
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.aliasing import ALIAS
from ad_compiler.backends.native.frame import names_in
from ad_compiler.backends.native.linear import ONE, added, divided, multiplied, negated, without_minus
from ad_compiler.backends.native.nests import (
    Allocate,
    Apply,
    Choice,
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
FLOAT = "np.float64"
UNIT = "1.0"  # the column of what is added without a factor

Form = dict[str, Expression]  # a linear form: the factor of each adjoint


class Preaccumulator:
    """Finds such loops in the sweeps of a program, and rewrites them."""

    def __init__(self, programs: list[list[Code]], outputs: list[str], fresh: Callable[[str], str]) -> None:
        self.programs = programs
        self.outputs = outputs
        self.fresh = fresh

    def run(self) -> None:
        for program in self.programs:
            for code in list(program):
                if isinstance(code, Repeat) and (counter := counter_of(code)) is not None:
                    Turns(self, program, code, counter).rewrite()

    def tapes(self) -> frozenset[str]:
        """The arrays that may be tapes of real numbers."""
        return frozenset(
            code.name
            for program in self.programs
            for code in program
            if isinstance(code, Allocate) and code.dtype == FLOAT and len(code.extents) == 1
        )

    def read_elsewhere(self, loop: Repeat) -> set[str]:
        """What is read outside of a loop, or given another name."""
        own = set(map(id, loop.body))
        found = {name for text in self.outputs for name in names_in(text)}
        for program in self.programs:
            for code in codes_in(program):
                if id(code) not in own and not isinstance(code, (Allocate, Nest)):
                    found |= {access.name for access in own_accesses(code) if access.kind == "read"}
        return found


class NotLinear(Exception):
    """The reverse loop does something else than what is rewritten here."""


class Turns:
    """The turns of a reverse loop."""

    def __init__(self, owner: Preaccumulator, program: list[Code], loop: Repeat, counter: str) -> None:
        self.owner = owner
        self.program = program
        self.loop = loop
        self.counter = counter
        self.turn = owner.fresh("turn")
        self.tapes: dict[str, None] = {}  # those that the loop reads
        self.known: dict[str, Expression] = {}  # scalars of the loop that do not depend on what is carried
        self.forms: dict[str, Form] = {}  # those that do, as forms of what is carried
        self.made: list[Code] = []  # what is computed for each turn

    def rewrite(self) -> None:
        moves = moves_of(self.loop)
        if not moves or not self.is_simple():
            return
        try:
            self.forms = {name: {name: ONE} for name in moves}
            for code in self.loop.body:
                if isinstance(code, Define) and code.name != self.counter:
                    self.define(code)
        except NotLinear:
            return
        if not set(moves.values()) <= self.forms.keys() or not self.tapes:
            return
        results = {name: self.forms[source] for name, source in moves.items()}
        columns = {each for name, form in results.items() for each in form if form != {name: ONE}} - {UNIT}
        factors = sum(factor != ONE for form in results.values() for factor in form.values())
        if len(columns) <= CARRIED and 0 < factors <= len(self.tapes) + 2:
            self.write(results)

    def is_simple(self) -> bool:
        """Whether the loop does nothing but take the last entries off tapes, and compute scalars."""
        step = next((code for code in self.loop.body if not isinstance(code, Comment)), None)
        if not isinstance(step, Define) or step.name != self.counter:
            return False
        if not all(isinstance(code, (Comment, Define, Line)) for code in self.loop.body):
            return False
        return all(ALIAS.fullmatch(code.text) for code in self.loop.body if isinstance(code, Line))

    def define(self, code: Define) -> None:
        """One scalar of the loop: a linear form, or a number that its turns need not wait for."""
        if code.operator != "=" or code.name in self.forms or code.name in self.known:
            raise NotLinear
        form = self.form(code.value)
        if not form:
            number = self.number(code.value)
            if not isinstance(number, Scalar):
                self.made.append(Define(code.name, number))
                number = Scalar(code.name)
            self.known[code.name] = number
            return
        # What is multiplied with each column is computed once.
        factors = {name: self.named(code.name, name, factor) for name, factor in form.items()}
        columns: Form = {}
        for name, factor in factors.items():
            for column, inner in self.forms.get(name, {UNIT: ONE}).items():
                columns[column] = added(columns.get(column), multiplied(factor, inner))
        self.forms[code.name] = {
            column: self.named(code.name, column, factor) for column, factor in columns.items()
        }

    def named(self, target: str, source: str, factor: Expression) -> Expression:
        """A factor that may be read several times: a name or a number, or that with a minus."""
        if isinstance(factor, Scalar):
            return factor
        inner = without_minus(factor)
        if inner is not None:
            return negated(self.named(target, source, inner))
        name = self.owner.fresh(label(target, source))
        self.made.append(Define(name, factor))
        return Scalar(name)

    def number(self, expression: Expression) -> Expression:
        """What does not depend on what is carried, for a turn."""
        if isinstance(expression, Load):
            if expression.index == (Affine.of(self.counter),):
                return self.taped(expression.array)
            raise NotLinear
        if isinstance(expression, Scalar):
            array = expression.name.partition("[")[0]
            if expression.name == f"{array}[{self.counter}]":
                return self.taped(array)
            if names_in(expression.name) & {self.counter, self.loop.index}:
                raise NotLinear
            return self.known.get(expression.name, expression)
        if isinstance(expression, Apply):
            if any(name in self.forms or name in self.known for name in names_in(expression.form)):
                raise NotLinear
            parts = tuple(map(self.number, expression.parts))
            return Apply(expression.form, parts, expression.precedence, expression.needs)
        raise NotLinear

    def taped(self, array: str) -> Expression:
        """The entry of a tape."""
        if array not in self.owner.tapes():
            raise NotLinear
        self.tapes[array] = None
        return Load(array, (Affine.of(self.turn),))

    def form(self, expression: Expression) -> Form:
        """An expression as a form of scalars that depend on what is carried; empty where it does not."""
        if isinstance(expression, Scalar):
            if expression.name in self.forms:
                return {expression.name: ONE}
            if names_in(expression.name) & self.forms.keys():
                raise NotLinear
            return {}
        if not isinstance(expression, Apply):
            return {}
        parts = list(map(self.form, expression.parts))
        if not any(parts):
            return {}
        first, second = expression.parts[0], expression.parts[-1]
        if expression.form == "-{0}":
            return {name: negated(factor) for name, factor in parts[0].items()}
        if expression.form in ("{0} + {1}", "{0} - {1}"):
            total, other = (
                part or {UNIT: self.number(given)}
                for part, given in zip(parts, expression.parts, strict=True)
            )
            for name, factor in other.items():
                signed = factor if expression.form == "{0} + {1}" else negated(factor)
                total[name] = added(total.get(name), signed)
            return total
        if expression.form == "{0} * {1}" and not all(parts):
            inner, number = (parts[0], second) if parts[0] else (parts[1], first)
            return {name: self.scaled(factor, self.number(number)) for name, factor in inner.items()}
        if expression.form == "{0} / {1}" and not parts[1]:
            return {name: divided(factor, self.number(second)) for name, factor in parts[0].items()}
        raise NotLinear

    def scaled(self, factor: Expression, number: Expression) -> Expression:
        """A product, in which what is the same in all turns comes first."""
        if isinstance(factor, Apply) and factor.form == "{0} * {1}" and not self.varies(number):
            first, second = factor.parts
            if self.varies(second):
                return multiplied(self.scaled(first, number), second)
        if factor != ONE and self.varies(factor) and not self.varies(number):
            return multiplied(number, factor)
        return multiplied(factor, number)

    def varies(self, expression: Expression) -> bool:
        """Whether a number is another in every turn."""
        if isinstance(expression, Apply):
            return any(map(self.varies, expression.parts))
        made = {code.name for code in self.made if isinstance(code, Define)}
        return isinstance(expression, Load) or (isinstance(expression, Scalar) and expression.name in made)

    def write(self, results: dict[str, Form]) -> None:
        """Put the loop over all turns in front, and exchange the body of the reverse loop."""
        count = (Affine.of(self.counter),)
        memory = self.free_memory()
        arrays: list[Code] = []
        stores: list[Code] = []
        products: dict[str, Expression] = {}
        for name, form in results.items():
            total: Expression | None = None
            for column, factor in sorted(form.items(), key=lambda item: item[0] != name):
                term: Expression = Scalar(column)
                if factor != ONE:
                    array = self.owner.fresh(label(name, column))
                    arrays.append(alias(array, memory.pop(0)) if memory else Allocate(array, count, FLOAT))
                    stores.append(Store(array, (Affine.of(self.turn),), factor))
                    term = Load(array, count) if column == UNIT else multiplied(Load(array, count), term)
                total = term if total is None else added(total, term)
            assert total is not None
            products[name] = total
        comment = Comment("# the derivatives of all turns")
        self.rewrite_loop(products)
        place = next(n for n, code in enumerate(self.program) if code is self.loop)
        nest = Nest([(self.turn, Affine.of(self.counter))], [*self.made, *stores])
        check = Choice(Scalar(f"not np.isfinite({' + '.join(products)})"), [Line("raise Departure")])
        self.program[place : place + 1] = [*arrays, comment, nest, self.loop, check]

    def free_memory(self) -> list[str]:
        """The tapes that nothing reads any more when the derivatives are written."""
        kept = self.owner.read_elsewhere(self.loop)
        made = {code.name for code in self.program if isinstance(code, Allocate)}
        return [name for name in self.tapes if name in made and name not in kept]

    def rewrite_loop(self, products: dict[str, Expression]) -> None:
        changed = {name: value for name, value in products.items() if value != Scalar(name)}
        news = {name: self.owner.fresh(name) for name in changed}
        step = next(code for code in self.loop.body if isinstance(code, Define))
        defined: list[Code] = [Define(news[name], value) for name, value in changed.items()]
        moves: list[Code] = [alias(name, new) for name, new in news.items()]
        self.loop.body[:] = [step, *defined, *moves]


def counter_of(loop: Repeat) -> str | None:
    """The name that counts the entries of the tapes that a reverse loop reads."""
    found = [
        code.name
        for code in loop.body
        if isinstance(code, Define) and code.operator == "-=" and code.value == Scalar("1")
    ]
    return found[0] if len(found) == 1 else None


def alias(name: str, source: str) -> Line:
    return Line(f"{name} = {source}", frozenset({source}), frozenset({name}))


def moves_of(loop: Repeat) -> dict[str, str]:
    """What a turn hands on, at its end: the names, and what they become."""
    found: dict[str, str] = {}
    for code in loop.body:
        match = ALIAS.fullmatch(code.text) if isinstance(code, Line) else None
        if match is not None:
            found[match[1]] = match[2]
    return found


def label(name: str, column: str) -> str:
    """A name for how one adjoint depends on another, or for what is added to it."""
    return f"{name}_added" if column == UNIT else f"{name}_per_{column}"
