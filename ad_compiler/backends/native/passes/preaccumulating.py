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
nothing but arrays that are there before: the derivatives of all turns are one loop, which is vectorised, and
what is left of the chain are products. That is preaccumulation (Griewank and Walther, Evaluating Derivatives,
section 10.2). The body of the reverse loop must be linear in what it carries: sums, and products with numbers
of tapes and of other arrays that it does not write. What it adds to an element of another array in each turn
is such a sum, too; where there is none, the derivatives can be computed beside the forward loop, and
multiplied (`composing.py`).

Where a derivative overflows, a cotangent that is 0 would become nan. So a result that is not finite leaves
the case to NumPy code, and so does a large cotangent where one underflows (`lost_products.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ad_compiler.backends.native.accessing import alias_roots, own_accesses
from ad_compiler.backends.native.affine import Affine
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
    Whole,
    codes_in,
    expressions_in,
    names_in,
)
from ad_compiler.backends.native.passes.aliasing import ALIAS
from ad_compiler.backends.native.passes.composing import Composer, LinearLoop
from ad_compiler.backends.native.passes.linear import (
    ONE,
    UNIT,
    Form,
    added,
    label,
    multiplied,
    negated,
    operations_of,
    without_minus,
)
from ad_compiler.backends.native.passes.lost_products import define_limit, demand_below, watch
from ad_compiler.backends.native.passes.vectorising import FUNCTIONS

SAVED = 2  # operations that wait for each other, and as many for each call: less is not worth the loop
INSTRUCTIONS = {*FUNCTIONS, "np.sqrt({0})", "np.float64({0})"}
MORE = 2  # factors than arrays that are read without
CARRIED = 3  # adjoints that turns wait for: the derivative has so many columns
FLOAT = "np.float64"


class Preaccumulator:
    """Finds such loops in the sweeps of a program, and rewrites them."""

    def __init__(
        self,
        programs: list[list[Code]],
        dtypes: Mapping[str, str],
        outputs: list[str],
        fresh: Callable[[str], str],
    ) -> None:
        self.programs = programs
        self.dtypes = dtypes
        self.outputs = outputs
        self.fresh = fresh
        self.root = alias_roots(programs)

    def run(self) -> None:
        for program in self.programs:
            for code in list(program):
                if isinstance(code, Repeat) and (counter := counter_of(code)) is not None:
                    Turns(self, program, code, counter).rewrite()

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
        self.tapes: dict[str, None] = {}  # arrays of which a turn reads the entry it has come to
        self.arrays: set[str] = set()  # others that it reads
        self.known: dict[str, Expression] = {}  # scalars of the loop that do not depend on what is carried
        self.forms: dict[str, Form] = {}  # those that do, as forms of what is carried
        self.depths: dict[str, int] = {}  # and how many operations of the turn they wait for
        self.sums: list[tuple[Store, Form]] = []  # what is written into arrays
        self.made: list[Code] = []  # what is computed for each turn

    def rewrite(self) -> None:
        moves = moves_of(self.loop)
        if not moves or not self.is_simple():
            return
        try:
            self.forms = {name: {name: ONE} for name in moves}
            self.depths = dict.fromkeys(moves, 0)
            for code in self.loop.body:
                if isinstance(code, Define) and code.name != self.counter:
                    self.define(code)
                elif isinstance(code, Store):
                    self.store(code)
        except NotLinear:
            return
        if not set(moves.values()) <= self.forms.keys() or not self.is_apart():
            return
        results = {name: self.forms[source] for name, source in moves.items()}
        waiting = {  # what is not only added to: turns wait for it
            column
            for name, form in results.items()
            for column, factor in form.items()
            if column != UNIT and (column != name or factor != ONE)
        }
        forms = [*results.values(), *(form for _, form in self.sums)]
        factors = sum(self.varies(factor) for form in forms for factor in form.values())
        if not 0 < len(waiting) <= CARRIED or not 0 < factors <= len(self.tapes) + len(self.arrays) + MORE:
            return
        chain = max(self.depths[moves[name]] for name in waiting)
        saved = chain - max(operations_of(results[name]) for name in waiting)
        if saved < SAVED * (1 + self.calls()):
            return
        owner, made = self.owner, [code for code in self.made if isinstance(code, Define)]
        linear = LinearLoop(self.loop, self.counter, self.turn, list(self.tapes), made, results, waiting)
        composer = Composer(self.program, owner.outputs, owner.fresh, owner.root)
        if self.sums or not composer.compose(linear):
            self.write(results, [name for name in results if name in waiting])

    def is_simple(self) -> bool:
        """Whether the loop does nothing but take the last entries off tapes, compute and add."""
        step = next((code for code in self.loop.body if not isinstance(code, Comment)), None)
        if not isinstance(step, Define) or step.name != self.counter:
            return False
        if not all(isinstance(code, (Comment, Define, Line, Store)) for code in self.loop.body):
            return False
        return all(ALIAS.fullmatch(code.text) for code in self.loop.body if isinstance(code, Line))

    def calls(self) -> int:
        """How many functions are called that no vector instructions compute."""
        return sum(
            part.form.startswith(("np.", "math.")) and part.form not in INSTRUCTIONS
            for code in self.made
            if isinstance(code, Define)
            for part in expressions_in(code.value)
            if isinstance(part, Apply)
        )

    def is_apart(self) -> bool:
        """Whether the loop reads nothing that it writes."""
        root = self.owner.root
        return not {root(code.array) for code, _ in self.sums} & {
            root(name) for name in (*self.tapes, *self.arrays)
        }

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
        self.forms[code.name] = self.in_columns(code.name, form)
        self.depths[code.name] = self.depth(code.value)

    def depth(self, expression: Expression) -> int:
        """How many operations of the turn wait for each other before this is known."""
        if isinstance(expression, Scalar):
            return self.depths.get(expression.name, 0)
        if not isinstance(expression, Apply) or not self.form(expression):
            return 0
        return 1 + max(map(self.depth, expression.parts))

    def store(self, code: Store) -> None:
        """What is written into an element, which may be no sooner known than what is carried."""
        own = {self.counter, self.loop.index}
        for number in code.index:
            for text, _ in number.terms:
                if text not in own and names_in(text) & {*own, *self.forms, *self.known}:
                    raise NotLinear
        form = self.form(code.value) or {UNIT: self.number(code.value)}
        self.sums.append((code, self.in_columns(code.array, form)))

    def in_columns(self, target: str, form: Form) -> Form:
        """A form of scalars of this turn as one of what is carried."""
        # What is multiplied with each column is computed once.
        factors = {name: self.named(target, name, factor) for name, factor in form.items()}
        columns: Form = {}
        for name, factor in factors.items():
            for column, inner in self.forms.get(name, {UNIT: ONE}).items():
                columns[column] = added(columns.get(column), multiplied(factor, inner))
        return {column: self.named(target, column, factor) for column, factor in columns.items()}

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
            return self.element(expression)
        if isinstance(expression, Scalar):
            array = expression.name.partition("[")[0]
            if expression.name == f"{array}[{self.counter}]":
                return self.element(Load(array, (Affine.of(self.counter),)))
            if expression.name in (self.counter, self.loop.index):
                return Whole(self.at_turn(Affine.of(expression.name)))
            if names_in(expression.name) & {self.counter, self.loop.index}:
                raise NotLinear
            return self.known.get(expression.name, expression)
        if isinstance(expression, Whole):
            return Whole(self.at_turn(expression.number))
        if any(name in self.forms or name in self.known for name in names_in(expression.form)):
            raise NotLinear
        parts = tuple(map(self.number, expression.parts))
        return Apply(expression.form, parts, expression.precedence, expression.needs)

    def element(self, load: Load) -> Expression:
        """An element of an array, for a turn."""
        if self.owner.dtypes.get(load.array) != FLOAT:
            raise NotLinear
        if load.index == (Affine.of(self.counter),):
            self.tapes[load.array] = None
        else:
            self.arrays.add(load.array)
        return Load(load.array, tuple(map(self.at_turn, load.index)))

    def at_turn(self, number: Affine) -> Affine:
        """A whole number as the loop over all turns knows it."""
        turn = Affine.of(self.turn)
        known = {self.counter: turn}
        if self.loop.bounds is not None:  # the turns are as many as the entries of the tapes
            start, stop = self.loop.bounds
            known[self.loop.index] = start + turn if is_downwards(self.loop) else stop - 1 - turn
        for text, _ in number.terms:
            own = {self.counter, self.loop.index, *self.forms, *self.known}
            if text not in known and names_in(text) & own:
                raise NotLinear
        return number.substitute(known)

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
        if expression.form in ("{0} / {1}", "divide({0}, {1})") and not parts[1]:
            by = self.number(second)
            return {
                name: Apply(expression.form, (factor, by), expression.precedence, expression.needs)
                for name, factor in parts[0].items()
            }
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

    def write(self, results: dict[str, Form], waiting: list[str]) -> None:
        """Put the loop over all turns in front, and exchange the body of the reverse loop."""
        memory = self.free_memory()
        arrays: list[Code] = []
        stores: list[Store] = []
        limit = self.owner.fresh("limit")

        def product(target: str, column: str, factor: Expression) -> Expression:
            if self.varies(factor):
                array = self.owner.fresh(label(target, column))
                extents = (Affine.of(self.counter),)
                arrays.append(alias(array, memory.pop(0)) if memory else Allocate(array, extents, FLOAT))
                stores.append(Store(array, (Affine.of(self.turn),), factor))
                factor = Load(array, extents)
            return factor if column == UNIT else multiplied(factor, Scalar(column))

        def total(target: str, form: Form) -> Expression:
            result: Expression | None = None
            for column, factor in sorted(form.items(), key=lambda item: item[0] != target):
                result = added(result, product(target, column, factor))
            assert result is not None
            return result

        carried = {name: total(name, form) for name, form in results.items() if form != {name: ONE}}
        checked = list(results)
        step = next(code for code in self.loop.body if isinstance(code, Define))
        body: list[Code] = [step, demand_below(limit, waiting)]
        before: list[Code] = []
        for code, form in self.sums:
            value = total(code.array, form)
            if any(column != UNIT for column in form):
                name, every = self.owner.fresh("term"), self.owner.fresh("terms")
                before.append(Define(every, Scalar("0.0")))
                body += [Define(name, value), Define(every, Scalar(name), "+=")]
                checked.append(every)
                value = Scalar(name)
            body.append(Store(code.array, code.index, value, code.operator))
        news = {name: self.owner.fresh(name) for name in carried}
        body += [Define(news[name], value) for name, value in carried.items()]
        body += [alias(name, new) for name, new in news.items()]
        self.loop.body[:] = body
        place = next(n for n, code in enumerate(self.program) if code is self.loop)
        comment = Comment("# the derivatives of all turns")
        nest = Nest([(self.turn, Affine.of(self.counter))], [*self.made, *stores])
        check = Choice(Scalar(f"not np.isfinite({' + '.join(checked)})"), [Line("raise Departure")])
        watched: list[Code] = [watch(stores[0].array), nest, define_limit(limit, stores[0].array)]
        self.program[place : place + 1] = [*arrays, comment, *watched, *before, self.loop, check]

    def free_memory(self) -> list[str]:
        """The tapes that nothing reads any more when the derivatives are written."""
        kept = self.owner.read_elsewhere(self.loop)
        made = {code.name for code in self.program if isinstance(code, Allocate)}
        return [name for name in self.tapes if name in made and name not in kept]


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


def is_downwards(loop: Repeat) -> bool:
    return loop.head.endswith(", -1):")
