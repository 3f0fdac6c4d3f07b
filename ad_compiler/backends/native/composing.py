"""The derivatives of turns are computed and multiplied while the forward loop waits for its own results.

    for _ in range(n):                      for _ in range(n):
        tape_x[count] = x                       states[slot, row, 0, lane] = x
        count += 1                              count += 1
        x = f(x)                                x = f(x)
    for turn in range(count):                   if count == 4 * group + 36:
        slope[turn] = g(tape_x[turn])   ->          for lane in range(4):
    for _ in range(n):                                  slope = g(rows[0, 0, lane])
        count -= 1                                      rows[0, 0, lane] = slope * rows[1, 0, lane]
        x_bar = slope[count] * x_bar                ...
                                            for block in range(blocks - 1, -1, -1):
                                                for lane in range(3, -1, -1):
                                                    x_bar = products[block, 0, lane] * x_bar

A turn of the forward loop is a chain of operations that wait for each other, and the processor is idle most
of the time. So the derivatives of turns (`preaccumulating.py`) need not wait for the end of the loop: they
are computed for the turns of the block before, which have nothing to do with the chain. And as they are
linear maps, those of several turns are multiplied (the chain rule is associative: Griewank and Walther,
Evaluating Derivatives, section 10.2): the reverse loop takes one step for 8 turns.

A block has 4 lanes of 8 turns that follow each other. Row `r` of it are the turns `r` of all lanes: every 4
turns, the derivatives of a row of the block before are computed, which are one vector, the last row first,
and multiplied with those of the rows behind it. So the states of two blocks are kept, not those of all turns.
What is left at the end is done behind the loop; turns that did not take place count as 1 there.

Where a product overflows, the result is not finite, and the case is left to NumPy code. What is lost to
underflow is less than the smallest normal number times a cotangent: where one is large, the case is left to
NumPy code, too.
"""

from __future__ import annotations

from collections.abc import Callable

from ad_compiler.backends.native.accessing import accesses, may_depart, own_accesses, own_reads
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.aliasing import sides
from ad_compiler.backends.native.frame import names_in
from ad_compiler.backends.native.linear import ONE, UNIT, Form, added, label, multiplied, without_minus
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
    texts_in,
)

LANES = 4  # what most processors have in a vector
ROWS = 8  # the longer a lane, the shorter the reverse loop, and the more is left behind the forward loop
BLOCK = LANES * ROWS
ENTRIES = 12  # of a derivative
LARGE = "1e50"
MARK = "# the derivatives of a row of turns, and of the turns behind"


class Composer:
    """The forward loop and the reverse loop of one tape."""

    def __init__(
        self,
        program: list[Code],
        outputs: list[str],
        reverse: Repeat,
        counter: str,
        turn: str,
        tapes: list[str],
        fresh: Callable[[str], str],
    ) -> None:
        self.program = program
        self.outputs = outputs
        self.reverse = reverse
        self.counter = counter
        self.turn = turn
        self.tapes = tapes
        self.fresh = fresh

    def compose(self, made: list[Code], results: dict[str, Form], waiting: set[str]) -> bool:
        """Rewrite the loops, if that is legal; `results` is what a turn makes of what is carried."""
        forward = self.forward_loop()
        if forward is None or not self.is_known(forward, made, results):
            return False
        places = places_of(results)
        if len(places) > ENTRIES:
            return False
        Writer(self, forward, made, results, places).write(waiting)
        return True

    def forward_loop(self) -> Repeat | None:
        """The loop that writes the tapes, once in each turn, where nobody else has to do with them."""
        found = None
        for code in self.program:
            if isinstance(code, Repeat) and code is not self.reverse and self.steps(code):
                if found is not None:
                    return None
                found = code
        if found is None:
            return None
        written = [code.array for code in found.body if isinstance(code, Store) and self.is_push(code)]
        own = {*map(id, found.body), *map(id, self.reverse.body)}
        others = [code for code in codes_in(self.program) if id(code) not in own]
        names = {name for text in self.outputs for name in names_in(text)}
        for code in others:
            if isinstance(code, Define) and code.name == self.counter and code.value == Scalar("0"):
                continue
            found_in = own_reads(code) if isinstance(code, (Allocate, Nest)) else own_accesses(code)
            names |= {access.name for access in found_in}
        inside = [code for code in found.body if not self.is_of_tape(code)]
        names |= {access.name for code in inside for access in accesses(code)}
        made = {code.name for code in self.program if isinstance(code, Allocate)}
        if sorted(written) != sorted(self.tapes) or names & {self.counter, *self.tapes}:
            return None
        is_plain = found.bounds is not None or found.head == "while True:"
        return found if is_plain and made >= set(self.tapes) else None

    def steps(self, loop: Repeat) -> list[int]:
        """Where a loop counts its turns."""
        return [
            place
            for place, code in enumerate(loop.body)
            if isinstance(code, Define) and code.name == self.counter and code.operator == "+="
        ]

    def is_push(self, code: Code) -> bool:
        return (
            isinstance(code, Store)
            and code.array in self.tapes
            and code.index == (Affine.of(self.counter),)
            and code.operator == "="
            and not any(names_in(text) & {self.counter, *self.tapes} for text in texts_in(code.value))
        )

    def is_growth(self, code: Code) -> bool:
        """Whether a line makes a tape longer."""
        return isinstance(code, Line) and any(
            code.text.startswith(f"if {self.counter} == {name}.shape[0]:\n") for name in self.tapes
        )

    def is_of_tape(self, code: Code) -> bool:
        is_step = isinstance(code, Define) and code.name == self.counter and code.operator == "+="
        return is_step or self.is_push(code) or self.is_growth(code)

    def is_known(self, forward: Repeat, made: list[Code], results: dict[str, Form]) -> bool:
        """Whether what the derivatives are made of is known in the forward loop, for every number."""
        given = [code.value for code in made if isinstance(code, Define)]
        given += [factor for form in results.values() for factor in form.values()]
        if any(map(may_depart, given)):
            return False
        place = next(n for n, code in enumerate(self.program) if code is forward)
        late = {
            access.name
            for code in codes_in(self.program[place:])
            for access in accesses(code)
            if access.kind != "read"
        }
        late |= {code.index for code in codes_in(self.program[place:]) if isinstance(code, Repeat)}
        own = {code.name for code in made if isinstance(code, Define)} | {self.turn, *self.tapes}
        return not (set().union(*map(names_of, given)) - own) & late


def names_of(expression: Expression) -> set[str]:
    """The names that an expression consists of."""
    if isinstance(expression, Apply):
        return set().union(names_in(expression.form), *map(names_of, expression.parts))
    if isinstance(expression, Scalar):
        return set(names_in(expression.name))
    if isinstance(expression, Load):
        numbers = [*expression.index, Affine.of(expression.array)]
    else:
        numbers = [expression.number]
    return {name for number in numbers for text, _ in number.terms for name in names_in(text)}


def places_of(results: dict[str, Form]) -> dict[tuple[str, str], int]:
    """The entries of a product of derivatives that are not known to be 0 or 1, numbered.

    The pattern of products of any number of derivatives is the closure of that of one.
    """
    pattern: dict[str, set[str]] = {name: {name} for name in results}
    pattern[UNIT] = {UNIT}
    while True:
        more = {
            name: pattern[name].union(*(pattern[column] for column in form)) for name, form in results.items()
        }
        more[UNIT] = {UNIT}
        if more == pattern:
            break
        pattern = more
    entries = []
    for name, form in results.items():
        for column in sorted(pattern[name], key=lambda each: (each != name, each)):
            others = [each for each in form if each != name and column in pattern[each]]
            if column != name or form.get(name) != ONE or others:
                entries.append((name, column))
    return {entry: place for place, entry in enumerate(entries)}


class Writer:
    """Writes the code of one pair of loops."""

    def __init__(
        self,
        composer: Composer,
        forward: Repeat,
        made: list[Code],
        results: dict[str, Form],
        places: dict[tuple[str, str], int],
    ) -> None:
        self.composer = composer
        self.program = composer.program
        self.forward = forward
        self.made = made
        self.results = results
        self.places = places
        fresh = composer.fresh
        self.states, self.products, self.place = fresh("states"), fresh("products"), fresh("place")
        self.group, self.block, self.row, self.lane = (
            fresh("group"),
            fresh("block"),
            fresh("row"),
            fresh("lane"),
        )
        self.entry, self.blocks = fresh("entry"), fresh("blocks")
        self.row_size = LANES * max(len(composer.tapes), len(places))
        self.block_size = self.row_size * (ROWS + 1)
        self.ahead = {entry: fresh(label(*entry)) for entry in places}
        self.behind = {entry: fresh(f"{label(*entry)}_behind") for entry in places}

    def write(self, waiting: set[str]) -> None:
        place = next(n for n, code in enumerate(self.program) if code is self.composer.reverse)
        self.program[place : place + 1] = self.reverse_loops(waiting)
        place = next(n for n, code in enumerate(self.program) if code is self.forward)
        self.program[place : place + 1] = [*self.arrays(), *self.forward_loops()]
        self.program[:] = [
            code
            for code in self.program
            if not (isinstance(code, Allocate) and code.name in self.composer.tapes)
        ]

    def arrays(self) -> list[Code]:
        """The states of two blocks, with a row of products of no turns each, and the products of lanes."""
        turns = next(
            code.extents[0]
            for code in self.program
            if isinstance(code, Allocate) and code.name in self.composer.tapes
        )
        codes: list[Code] = [Allocate(self.states, (Affine.of(2 * self.block_size),), "np.float64", True)]
        for name, column in self.places:
            if name == column:
                for slot in range(2):
                    behind = Affine.of(slot * self.block_size) + self.element(name, column, ROWS)
                    codes.append(Nest([(self.lane, Affine.of(LANES))], [Store(self.states, (behind,), ONE)]))
        if self.forward.bounds is not None:
            codes.append(Define(self.blocks, blocks_of(str(turns))))
        rows = self.blocks if self.forward.bounds is not None else 1
        return [*codes, Allocate(self.products, subscripts(rows, LANES * len(self.places)), "np.float64")]

    def element(self, name: str, column: str, row: int) -> Affine:
        """Where an entry of a product of turns is, in the block."""
        place = self.row_size * row + LANES * self.places[name, column]
        return Affine.of(self.lane) + place

    def forward_loops(self) -> list[Code]:
        """A loop whose turns are four turns of the forward loop, and the derivatives of four others."""
        group, strip = self.group, self.strip()
        body: list[Code] = [strip, Choice(Scalar(f"{group} >= {ROWS}"), [Comment(MARK), *self.of_group()])]
        if self.forward.bounds is not None:
            head = f"for {group} in range({ROWS} * {self.blocks} + {ROWS}):"
            return [Repeat(head, body, frozenset({self.blocks}), group)]
        running = self.composer.fresh("running")
        for inner in [strip.body, *(side for code in codes_in(strip.body) for side in sides(code))]:
            for place in reversed(range(len(inner))):
                code = inner[place]
                if isinstance(code, Line) and code.text == "break":
                    inner.insert(place, Define(running, Scalar("False")))
        blocks = blocks_of(self.composer.counter)
        head = f"while {running} or {group} < {ROWS} * ({blocks.name}) + {ROWS}:"
        body[0] = Choice(Scalar(running), [strip])
        body.append(Define(group, Scalar("1"), "+="))
        loop = Repeat(head, body, frozenset({running, group, self.composer.counter}))
        return [Define(running, Scalar("True")), Define(group, Scalar("0")), loop]

    def strip(self) -> Repeat:
        """Four turns of the forward loop, which keep their states."""
        composer, forward, first = self.composer, self.forward, f"{LANES} * {self.group}"
        column = {name: LANES * n for n, name in enumerate(composer.tapes)}
        counter, place = composer.counter, self.place
        slot, row = f"({counter} >> {shift(BLOCK)} & 1)", f"({counter} & {ROWS - 1})"
        lane = f"({counter} >> {shift(ROWS)} & {LANES - 1})"
        body: list[Code] = []
        spot: list[Code] = [
            Define(place, Scalar(f"{self.block_size} * {slot} + {self.row_size} * {row} + {lane}"))
        ]
        for code in forward.body:
            if isinstance(code, Store) and composer.is_push(code):
                index = Affine.of(place) + column[code.array]
                body += [*spot, Store(self.states, (index,), code.value)]
                spot = []
            elif not composer.is_growth(code):
                body.append(code)
        if forward.bounds is None:
            index_name = composer.fresh("turn")
            return Repeat(f"for {index_name} in range({LANES}):", body, frozenset(), index_name)
        start, stop = forward.bounds
        if forward.head.endswith(", -1):"):
            here = stop - 1 - Affine.of(first)
            text = f"{here}, max({here - LANES}, {start - 1}), -1"
        else:
            here = start + Affine.of(first)
            text = f"{here}, min({here + LANES}, {stop})"
        reads = forward.reads | {self.group}
        return Repeat(f"for {forward.index} in range({text}):", body, reads, forward.index)

    def of_group(self) -> list[Code]:
        """The derivatives of a row of turns, times those of the rows behind it."""
        block, row, lane, turn = self.block, self.row, self.lane, self.composer.turn
        columns = {
            name: Load(self.states, (Affine.of(self.place) + Affine.of(lane) + LANES * n,))
            for n, name in enumerate(self.composer.tapes)
        }
        body: list[Code] = [Define(turn, Scalar(f"{BLOCK} * {block} + {ROWS} * {lane} + {row}"))]
        for code in self.made:
            if isinstance(code, Define):
                body.append(Define(code.name, with_products(replaced(code.value, columns))))
        place, took_place = Affine.of(self.place), Scalar(f"{turn} < {self.composer.counter}")
        for entry, name in self.behind.items():
            body.append(Define(name, Load(self.states, (place + self.element(*entry, 1),))))
        for entry, name in self.ahead.items():
            body.append(Define(name, with_products(self.product(*entry))))
        for entry, name in self.ahead.items():
            parts = (Scalar(name), took_place, Scalar(self.behind[entry]))
            value = Apply("{0} if {1} else {2}", parts, 1)
            body.append(Store(self.states, (place + self.element(*entry, 0),), value))
        copied = Load(self.states, (Affine.of(self.place) + Affine.of(self.entry),))
        taken: list[Code] = [
            Nest(
                [(self.entry, Affine.of(LANES * len(self.places)))],
                [Store(self.products, subscripts(block, self.entry), copied)],
            )
        ]
        if self.forward.bounds is None:
            text = f"if {block} == {self.products}.shape[0]:\n"
            text += f"    {self.products} = grown({self.products}, {block} + 1)"
            taken.insert(0, Line(text, frozenset({self.products, block}), frozenset({self.products})))
        return [
            Define(block, Scalar(f"({self.group} >> {shift(ROWS)}) - 1")),
            Define(row, Scalar(f"{ROWS - 1} - ({self.group} & {ROWS - 1})")),
            Define(self.place, Scalar(f"{self.block_size} * ({block} & 1) + {self.row_size} * {row}")),
            Nest([(lane, Affine.of(LANES))], body),
            Choice(Scalar(f"{row} == 0"), taken),
        ]

    def product(self, name: str, column: str) -> Expression:
        """An entry of the product of a turn and those behind it."""
        result: Expression | None = None
        form = self.results[name]
        for middle, factor in sorted(form.items(), key=lambda item: item[0] != name):
            if middle == column or (middle, column) in self.places:
                name_behind = self.behind.get((middle, column))
                inner = Scalar(name_behind) if name_behind else ONE
                result = added(result, multiplied(factor, inner))
        assert result is not None
        return result

    def reverse_loops(self, waiting: set[str]) -> list[Code]:
        fresh, reverse = self.composer.fresh, self.composer.reverse
        block, lane = fresh("block"), fresh("lane")
        sizes = " + ".join(f"abs({name})" for name in self.results if name in waiting)
        body: list[Code] = [Choice(Scalar(f"not {sizes} < {LARGE}"), [Line("raise Departure")])]
        news: list[Code] = []
        for name in self.results:
            own = {column: place for (each, column), place in self.places.items() if each == name}
            if not own:
                continue
            result: Expression | None = None if name in own else Scalar(name)
            for column, place in own.items():
                factor = Load(self.products, (Affine.of(block), Affine.of(lane) + LANES * place))
                result = added(result, factor if column == UNIT else multiplied(factor, Scalar(column)))
            assert result is not None
            new = fresh(name)
            body.append(Define(new, result))
            news.append(Line(f"{name} = {new}", frozenset({new}), frozenset({name})))
        lanes = Repeat(
            f"for {lane} in range({LANES - 1}, -1, -1):", [*body, *news], index=lane, is_reverse=True
        )
        reverse.head = f"for {block} in range({self.blocks} - 1, -1, -1):"
        reverse.body[:] = [lanes]
        reverse.reads, reverse.index, reverse.bounds = frozenset({self.blocks}), block, None
        finite = f"not np.isfinite({' + '.join(self.results)})"
        loops: list[Code] = [reverse, Choice(Scalar(finite), [Line("raise Departure")])]
        if self.forward.bounds is None:
            loops.insert(0, Define(self.blocks, blocks_of(self.composer.counter)))
        return loops


def subscripts(*numbers: str | int) -> tuple[Affine, ...]:
    return tuple(map(Affine.of, numbers))


def shift(power: int) -> int:
    return power.bit_length() - 1


def blocks_of(turns: str) -> Scalar:
    return Scalar(f"({turns} + {BLOCK - 1}) // {BLOCK}", 11)


def replaced(expression: Expression, columns: dict[str, Load]) -> Expression:
    """The expression with elements of rows for those of tapes."""
    if isinstance(expression, Load):
        return columns[expression.array]
    if isinstance(expression, Apply):
        parts = tuple(replaced(part, columns) for part in expression.parts)
        return Apply(expression.form, parts, expression.precedence, expression.needs)
    return expression


def with_products(expression: Expression) -> Expression:
    """Sums with products in one step: cotangents have no rounding of their own.

    a + b * c  ->  plus_product(a, b, c)        a - b * c  ->  minus_product(a, b, c)
    """
    if not isinstance(expression, Apply):
        return expression
    parts = tuple(map(with_products, expression.parts))
    if expression.form in ("{0} + {1}", "{0} - {1}"):
        function = "plus_product" if expression.form == "{0} + {1}" else "minus_product"
        total, term = parts
        if not is_product(term) and is_product(total) and function == "plus_product":
            total, term = term, total
        if isinstance(term, Apply) and is_product(term):
            return Apply(f"{function}({{0}}, {{1}}, {{2}})", (total, *term.parts))
        inner = total
        if isinstance(inner, Apply) and is_product(inner):  # a * b - c
            rest = without_minus(term) or Apply("-{0}", (term,), 12, (12,))
            return Apply("plus_product({0}, {1}, {2})", (rest, *inner.parts))
    return Apply(expression.form, parts, expression.precedence, expression.needs)


def is_product(expression: Expression) -> bool:
    return isinstance(expression, Apply) and expression.form == "{0} * {1}"
