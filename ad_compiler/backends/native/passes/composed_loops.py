"""The code of a forward and a reverse loop over turns whose derivatives are multiplied (`composing.py`).

The states of two blocks are one array: for each block a row for each turn of a lane, and behind it a row of
products of no turns; in a row a column for each number that a turn keeps; in a column a number for each lane.
The products of a row stand where its states were. All subscripts of a row are one number and a constant, so
that LLVM sees that what is written is not what is read, and needs no checks to vectorise four turns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

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
    map_leaves,
    moved,
)
from ad_compiler.backends.native.passes.linear import ONE, UNIT, added, label, multiplied, with_products
from ad_compiler.backends.native.passes.lost_products import define_limit, demand_below, watch

if TYPE_CHECKING:
    from ad_compiler.backends.native.passes.composing import LinearLoop

LANES = 4  # what most processors have in a vector
ROWS = 8  # the longer a lane, the shorter the reverse loop, and the more is left behind the forward loop
BLOCK = LANES * ROWS
MARK = "# the derivatives of turns, times those of the turns behind them"


class ComposedLoops:
    """Writes the code of one pair of loops."""

    def __init__(
        self,
        program: list[Code],
        forward: Repeat,
        reverse: LinearLoop,
        places: dict[tuple[str, str], int],
        fresh: Callable[[str], str],
    ) -> None:
        self.program = program
        self.forward = forward
        self.reverse = reverse
        self.places = places
        self.fresh = fresh
        self.states, self.products, self.place = fresh("states"), fresh("products"), fresh("place")
        self.group, self.block, self.row = fresh("group"), fresh("block"), fresh("row")
        self.lane, self.entry, self.blocks = fresh("lane"), fresh("entry"), fresh("blocks")
        self.columns = {load: LANES * n for n, load in enumerate(reverse.entries())}
        self.row_size = LANES * max(len(self.columns), len(places))
        self.block_size = self.row_size * (ROWS + 1)
        self.ahead = {entry: fresh(label(*entry)) for entry in places}
        self.behind = {entry: fresh(f"{label(*entry)}_behind") for entry in places}
        self.limit = fresh("limit")
        self.is_counted = forward.bounds is not None  # whether the number of turns is known in front

    def write(self) -> None:
        """Rewrite the program, in place."""
        tapes = [c for c in self.program if isinstance(c, Allocate) and c.name in self.reverse.tapes]
        new: list[Code] = []
        for code in self.program:
            if code is self.forward:
                new += [*self.arrays(tapes[0].extents[0]), watch(self.states), *self.forward_loops()]
                new.append(define_limit(self.limit, self.states))
            elif code is self.reverse.loop:
                new += self.reverse_loops()
            elif code not in tapes:
                new.append(code)
        self.program[:] = new

    def arrays(self, turns: Affine) -> list[Code]:
        """The states of two blocks, with a row of products of no turns each, and the products of lanes."""
        codes: list[Code] = [Allocate(self.states, (Affine.of(2 * self.block_size),), "np.float64", True)]
        for name, column in self.places:
            for slot in range(2 if name == column else 0):
                index = self.element(Affine.of(slot * self.block_size), (name, column), ROWS)
                codes.append(Nest([(self.lane, Affine.of(LANES))], [Store(self.states, (index,), ONE)]))
        if self.is_counted:
            codes.append(Define(self.blocks, blocks_of(str(turns))))
        extents = (Affine.of(self.blocks if self.is_counted else 1), Affine.of(LANES * len(self.places)))
        return [*codes, Allocate(self.products, extents, "np.float64")]

    def element(self, place: Affine, entry: tuple[str, str], row: int = 0) -> Affine:
        """Where an entry of the product of a row is, as seen from a place in the states."""
        return place + Affine.of(self.lane) + (self.row_size * row + LANES * self.places[entry])

    def forward_loops(self) -> list[Code]:
        """A loop that takes four turns of the forward loop, and the derivatives of four others, at a time."""
        group, strip = self.group, self.strip()
        derivatives = Choice(Scalar(f"{group} >= {ROWS}"), [Comment(MARK), *self.derivatives()])
        if self.is_counted:
            head = f"for {group} in range({ROWS} * {self.blocks} + {ROWS}):"
            return [Repeat(head, [strip, derivatives], frozenset({self.blocks}), group)]
        running = self.fresh("running")
        for body in bodies_of(strip.body):
            for place in reversed(range(len(body))):
                code = body[place]
                if isinstance(code, Line) and code.text == "break":
                    body.insert(place, Define(running, Scalar("False")))
        counter = self.reverse.counter
        head = f"while {running} or {group} < {ROWS} * ({blocks_of(counter).name}) + {ROWS}:"
        step = Define(group, Scalar("1"), "+=")
        loop = Repeat(
            head, [Choice(Scalar(running), [strip]), derivatives, step], frozenset({running, group, counter})
        )
        return [Define(running, Scalar("True")), Define(group, Scalar("0")), loop]

    def strip(self) -> Repeat:
        """Four turns of the forward loop, which keep their states."""
        forward, counter = self.forward, self.reverse.counter
        slot, row = f"({counter} >> {shift(BLOCK)} & 1)", f"({counter} & {ROWS - 1})"
        lane = f"({counter} >> {shift(ROWS)} & {LANES - 1})"
        place = Scalar(f"{self.block_size} * {slot} + {self.row_size} * {row} + {lane}")
        turn = {self.reverse.turn: Affine.of(counter)}
        tapes = {load.array: column for load, column in list(self.columns.items())[: len(self.reverse.tapes)]}
        body: list[Code] = []
        kept: list[Code] = [Define(self.place, place)]
        for load, column in list(self.columns.items())[len(tapes) :]:
            kept.append(Store(self.states, (Affine.of(self.place) + column,), moved(load, turn)))
        for code in forward.body:
            if isinstance(code, Store) and code.array in tapes:
                index = Affine.of(self.place) + tapes[code.array]
                body += [*kept, Store(self.states, (index,), code.value)]
                kept = []
            elif not isinstance(code, Line) or not code.writes & tapes.keys():  # which makes a tape longer
                body.append(code)
        if forward.bounds is None:
            index_name = self.fresh("turn")
            return Repeat(f"for {index_name} in range({LANES}):", body, frozenset(), index_name)
        start, stop = forward.bounds
        first = Affine.of(self.group) * LANES
        if forward.head.endswith(", -1):"):
            text = f"{stop - 1 - first}, max({stop - 1 - LANES - first}, {start - 1}), -1"
        else:
            text = f"{start + first}, min({start + first + LANES}, {stop})"
        reads = forward.reads | {self.group}
        return Repeat(f"for {forward.index} in range({text}):", body, reads, forward.index)

    def derivatives(self) -> list[Code]:
        """The derivatives of a row of turns, times those of the rows behind it."""
        block, row, lane, turn = self.block, self.row, self.lane, self.reverse.turn
        place = Affine.of(self.place)
        kept = {
            load: Load(self.states, (place + Affine.of(lane) + column,))
            for load, column in self.columns.items()
        }
        body: list[Code] = [Define(turn, Scalar(f"{BLOCK} * {block} + {ROWS} * {lane} + {row}"))]
        for code in self.reverse.made:
            body.append(Define(code.name, with_products(replaced(code.value, kept))))
        for entry, name in self.behind.items():
            body.append(Define(name, Load(self.states, (self.element(place, entry, 1),))))
        for entry, name in self.ahead.items():
            body.append(Define(name, with_products(replaced(self.product(*entry), kept))))
        took_place = Scalar(f"{turn} < {self.reverse.counter}")
        for entry, name in self.ahead.items():
            parts = (Scalar(name), took_place, Scalar(self.behind[entry]))
            value = Apply("{0} if {1} else {2}", parts, 1)
            body.append(Store(self.states, (self.element(place, entry),), value))
        number = Affine.of(LANES * len(self.places))
        product = Load(self.states, (place + Affine.of(self.entry),))
        target = (Affine.of(block), Affine.of(self.entry))
        taken: list[Code] = [Nest([(self.entry, number)], [Store(self.products, target, product)])]
        if not self.is_counted:
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
        form = self.reverse.results[name]
        for middle, factor in sorted(form.items(), key=lambda item: item[0] != name):
            if middle == column or (middle, column) in self.places:
                behind = self.behind.get((middle, column))
                result = added(result, multiplied(factor, Scalar(behind) if behind else ONE))
        assert result is not None
        return result

    def reverse_loops(self) -> list[Code]:
        """A step for each lane, and checks that nothing got lost."""
        block, lane = self.fresh("block"), self.fresh("lane")
        results = self.reverse.results
        waiting = [name for name in results if name in self.reverse.waiting]
        body: list[Code] = [demand_below(self.limit, waiting)]
        moves: list[Code] = []
        for name in results:
            own = {column: place for (each, column), place in self.places.items() if each == name}
            result: Expression | None = None if name in own else Scalar(name)
            for column, place in own.items():
                factor = Load(self.products, (Affine.of(block), Affine.of(lane) + LANES * place))
                result = added(result, factor if column == UNIT else multiplied(factor, Scalar(column)))
            if own and result is not None:
                new = self.fresh(name)
                body.append(Define(new, result))
                moves.append(Line(f"{name} = {new}", frozenset({new}), frozenset({name})))
        head = f"for {lane} in range({LANES - 1}, -1, -1):"
        lanes = Repeat(head, [*body, *moves], index=lane, is_reverse=True)
        head = f"for {block} in range({self.blocks} - 1, -1, -1):"
        loop = Repeat(head, [lanes], frozenset({self.blocks}), block, is_reverse=True)
        check = Choice(Scalar(f"not np.isfinite({' + '.join(results)})"), [Line("raise Departure")])
        if self.is_counted:
            return [loop, check]
        return [Define(self.blocks, blocks_of(self.reverse.counter)), loop, check]


def bodies_of(body: list[Code]) -> Iterator[list[Code]]:
    """The statements of a loop, and those of its branches, but not of loops in it."""
    yield body
    for code in body:
        if isinstance(code, Choice):
            yield from bodies_of(code.then)
            yield from bodies_of(code.otherwise)


def shift(power: int) -> int:
    return power.bit_length() - 1


def blocks_of(turns: str) -> Scalar:
    return Scalar(f"({turns} + {BLOCK - 1}) // {BLOCK}")


def replaced(expression: Expression, kept: dict[Load, Load]) -> Expression:
    """The expression with what is kept of a turn for what the turn reads."""
    return map_leaves(lambda leaf: kept[leaf] if isinstance(leaf, Load) else leaf, expression)
