"""Ten sweeps over a grid, or their adjoint, at once: the inner loops of `grid_sweeps.py`.

A sweep is one step behind the one before it by a column and a row, `height + 1` places on a plane
(`grid_layout.py`). So what it needs is there, and most of it is in registers: at each step, from a sweep to
the next one,

    a sweep reads, beside the cell that it is at       which for the next sweep is, at its own cell
        left, a cell it has been at: from memory           below
        above, the cell it was at one step ago: a register  right

Only the first sweep reads its `right` and `below` from memory. Ten chains of additions that do not depend on
each other hide how long an addition takes, and a vector is read and written near at hand, in the cache.

The adjoint goes the other way, and a sweep's `left` and `above` are the sum that the sweep before it has
computed already. Of each cell the sweeps' parts are added up, two sweeps at a time, on a second plane.

Where a block of rows ends (its first row, and up to four at its end) the steps are written out, as lanes are
exchanged, or are no cells, for one sweep or another. So they are for `height` of at least 14.
"""
# mypy: allow-untyped-calls, disable-error-code="misc"
# Numba and llvmlite have no types.

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from llvmlite import ir
from numba.core import cgutils

from ad_compiler.backends.native.run_time.grid_layout import (
    BYTES,
    LANES,
    NUMBER,
    PLACE,
    SWEEPS,
    Quads,
)
from ad_compiler.backends.native.run_time.small_matrices import WORD, own_function

ENDING = LANES  # rows at the end of a block in which lanes may be no cells
MULTIPLES = (1, 3, 5, 7, 9)  # of a column that are kept: an address may have twice, 4 or 8 times of it


class Passage(ABC):
    """Writes a function that does ten sweeps, or some of them, in some columns.

    It is given where on two planes it starts, the height of blocks, the first column and how many there are,
    the size of the grid, the weight, and where to keep each sweep's last result. Without masks, all lanes of
    all columns, except in the rows at the ends of blocks, must be cells.
    """

    step = 1

    def __init__(self, module: Any, name: str, sweeps: range, is_masked: bool) -> None:
        kinds = [PLACE, PLACE, WORD, WORD, WORD, WORD, WORD, NUMBER, PLACE]
        self.function = own_function(module, name, kinds)
        self.builder = builder = ir.IRBuilder(self.function.append_basic_block("entry"))
        self.vectors = Quads(builder)
        self.sweeps, self.is_masked = sweeps, is_masked
        first, second, self.height, self.first, self.count, *rest = self.function.args
        self.rows, self.columns, weight, self.state = rest
        self.planes = [first, second]
        self.weight = self.vectors.filled(weight)
        self.length = builder.mul(self.height, WORD(BYTES))  # of a column
        self.ahead = self.opaque(builder.mul(self.length, WORD(self.step)), "r")
        self.behind = {n: self.opaque(builder.mul(self.length, WORD(-n * self.step)), "r") for n in MULTIPLES}
        self.kept = {sweep: cgutils.alloca_once(builder, self.vectors.kind) for sweep in sweeps}
        self.last: dict[int, Any] = {}  # each sweep's last result
        self.before: dict[str, Any] = {}  # what the sweep before has had in this step
        self.places: dict[tuple[int, int], Any] = {}  # in this step, by plane and how many columns behind

    def opaque(self, value: Any, register: str) -> Any:
        """A value that LLVM knows nothing about.

        Else it computes more addresses ahead than it has registers for, makes an addition of a multiplication
        by 1, and makes a masked store, which takes longer, of a choice.
        """
        kind = ir.FunctionType(value.type, [value.type])
        return self.builder.asm(kind, "", f"={register},0", [value], side_effect=False)

    def write(self) -> None:
        builder, vectors = self.builder, self.vectors
        for sweep, place in self.kept.items():
            builder.store(vectors.at(self.beside(self.state, sweep)), place)
        edges = self.edges()
        with cgutils.for_range(builder, self.count) as loop:
            turn = builder.mul(loop.index, WORD(self.step))
            column = builder.add(self.first, turn)
            cells = [self.cells(column, back) for back in range(SWEEPS + 1)] if self.is_masked else []
            starts = self.moved(self.planes, builder.mul(turn, self.length))
            self.column([self.opaque(start, "r") for start in starts], edges, cells)
        for sweep, place in self.kept.items():
            vectors.put(builder.load(place), self.beside(self.state, sweep))
        builder.ret_void()

    def edges(self) -> dict[int, Any]:
        """Which lanes are cells, by the row of a block, counted from its end if it is negative."""
        flags = ir.VectorType(ir.IntType(1), LANES)
        masks = {0: ir.Constant(flags, [0, 1, 1, 1]), -1: ir.Constant(flags, [1, 1, 1, 0])}
        for row in range(-ENDING, -1):
            in_last = self.builder.add(self.builder.mul(self.height, WORD(LANES)), WORD(row))
            is_cell = self.builder.icmp_signed("<", in_last, self.builder.sub(self.rows, WORD(1)))
            every = ir.Constant(flags, [1] * LANES)
            masks[row] = self.builder.insert_element(every, is_cell, WORD(LANES - 1))
        return masks

    def cells(self, column: Any, back: int) -> Any:
        """Which lanes are cells so many columns back."""
        own = self.builder.sub(column, WORD(back * self.step))
        return self.vectors.within(own, WORD(1), self.builder.sub(self.columns, WORD(1)), -1)

    def column(self, starts: list[Any], edges: dict[int, Any], cells: list[Any]) -> None:
        """The steps in which the first sweep goes through a column."""
        builder = self.builder
        rows = self.special_rows()
        middle = rows.index(None)
        ends = [self.opaque(end, "r") for end in self.moved(starts, self.length)]

        def special(row: int | None) -> None:
            assert row is not None
            anchors = starts if row >= 0 else ends
            self.row([self.beside(each, row) for each in anchors], row, edges, cells)

        self.last = {sweep: builder.load(place) for sweep, place in self.kept.items()}
        for row in rows[:middle]:
            special(row)
        self.keep()
        with cgutils.for_range(builder, builder.sub(self.height, WORD(len(rows) - 1))) as loop:
            self.last = {sweep: builder.load(place) for sweep, place in self.kept.items()}
            offset = builder.mul(loop.index, WORD(self.step * BYTES))
            first = [self.beside(each, middle) for each in starts]
            if self.step < 0:
                first = [self.beside(each, -1 - middle) for each in ends]
            self.row(self.moved(first, offset), None, edges, cells)
            self.keep()
        self.last = {sweep: builder.load(place) for sweep, place in self.kept.items()}
        for row in rows[middle + 1 :]:
            special(row)
        self.keep()

    def keep(self) -> None:
        for sweep, place in self.kept.items():
            self.builder.store(self.last[sweep], place)

    def row(self, places: list[Any], row: int | None, edges: dict[int, Any], cells: list[Any]) -> None:
        """A step of each sweep: the first one is in this row of the block, at these places of the planes."""
        builder = self.builder
        # nothing is read ahead of its step, for which there are no registers
        builder.asm(ir.FunctionType(ir.VoidType(), []), "", "~{memory}", [], side_effect=True)
        self.before = {}
        self.places = {(plane, 0): place for plane, place in enumerate(places)}
        for sweep in self.sweeps:
            own, is_behind = self.own_row(row, sweep)
            mask = cells[sweep + is_behind] if cells else None
            if own is not None:
                mask = edges[own] if mask is None else builder.and_(mask, edges[own])
            self.cell(sweep, own, mask)

    @abstractmethod
    def special_rows(self) -> list[int | None]:
        """The steps that are special to some sweep, in order, and None for all others."""

    @abstractmethod
    def own_row(self, row: int | None, sweep: int) -> tuple[int | None, bool]:
        """The row that a sweep is in, if it is special to it, and whether it lags by one more column."""

    @abstractmethod
    def cell(self, sweep: int, row: int | None, mask: Any) -> None:
        """What a sweep does in a step."""

    def moved(self, places: list[Any], count: Any, size: int = 1) -> list[Any]:
        """So many times `size` bytes farther."""
        kind = ir.IntType(8 * size)
        return [self.builder.gep(place, [count], source_etype=kind) for place in places]

    def beside(self, place: Any, count: int) -> Any:
        """So many places farther."""
        return self.moved([place], WORD(count * BYTES))[0] if count else place

    def columns_behind(self, plane: int, back: int) -> Any:
        """The place of this step so many columns back; addresses may have 2, 4 or 8 times a register."""
        if (plane, back) not in self.places:
            place = self.places[plane, 0]
            odd, size = back, 1
            while odd > 0 and odd % 2 == 0:
                odd, size = odd // 2, size * 2
            offset = self.ahead if back < 0 else self.behind[odd]
            (self.places[plane, back],) = self.moved([place], offset, size)
        return self.places[plane, back]

    def address(self, sweep: int, right: int, below: int, plane: int) -> Any:
        """That of a neighbour of the cells that a sweep is at, so many columns and places from there."""
        column = self.columns_behind(plane, sweep - self.step * right)
        return self.beside(column, below - sweep * self.step)

    def load(self, sweep: int, right: int = 0, below: int = 0, plane: int = 0) -> Any:
        return self.vectors.at(self.address(sweep, right, below, plane))

    def store(self, vector: Any, sweep: int, right: int = 0, below: int = 0, plane: int = 0) -> None:
        self.vectors.put(vector, self.address(sweep, right, below, plane))

    def from_above(self, vector: Any) -> Any:
        return self.vectors.shuffled(vector, vector, 0, 0, 1, 2)

    def from_below(self, vector: Any) -> Any:
        return self.vectors.shuffled(vector, vector, 1, 2, 3, 3)


def is_weighted(order: str) -> bool:
    """Whether what is added to the sum comes last, and is weighted already where it is on its plane.

    `weight * total + weight * f` is then computed with one rounding. If `weight` is a power of two, that has
    all bits of `weight * (total + f)`, unless a sum overflows or a number is so small that it loses bits.
    """
    return order.endswith("f")


class Sweeps(Passage):
    """In the order of rows and columns.

    The other plane has what is added, if there is anything; if it is weighted, the cells of the edges, too.
    """

    def __init__(self, module: Any, name: str, sweeps: range, is_masked: bool, order: str) -> None:
        super().__init__(module, name, sweeps, is_masked)
        self.order = order
        self.one = self.opaque(self.vectors.filled(NUMBER(1.0)), "x")

    def special_rows(self) -> list[int | None]:
        return [*range(self.sweeps.stop), None, *range(self.sweeps.start - ENDING, 0)]

    def own_row(self, row: int | None, sweep: int) -> tuple[int | None, bool]:
        if row is None:
            return None, False
        own = row - sweep
        is_special = -ENDING <= own <= 0
        return own if is_special else None, 0 <= row < sweep

    def cell(self, sweep: int, row: int | None, mask: Any) -> None:
        builder, vectors = self.builder, self.vectors
        last = self.last[sweep]
        right = self.before["last"] if self.before else self.load(sweep, right=1)
        below = self.before["w"] if self.before else self.load(sweep, below=1)
        values = {
            "last": last,
            "n": self.from_above(last) if row == 0 else last,
            "s": self.from_below(below) if row == -1 else below,
            "w": self.load(sweep, right=-1),
            "e": right,
        }
        self.before = values
        if "f" in self.order:
            values["f"] = self.load(sweep, plane=1)
        total, *terms = (values[term] for term in self.order)
        for number, term in enumerate(terms):
            if number == len(terms) - 1 and is_weighted(self.order):
                break
            if number == 1:  # a multiplication by 1: there are other units for it than for additions
                total = vectors.fused(total, self.one, term)
            else:
                total = builder.fadd(total, term)
        if is_weighted(self.order):
            new = vectors.fused(total, self.weight, values["f"])
        else:
            new = builder.fmul(total, self.weight)
        if mask is not None:
            same = values["f"] if is_weighted(self.order) else self.opaque(self.load(sweep), "x")
            new = builder.select(mask, new, same)
        self.last[sweep] = new
        self.store(new, sweep)


class SweepsBack(Passage):
    """Against the order of rows and columns.

    The plane has cotangents first, then of each cell `weight` times the one of the last sweep that was there;
    the last of ten sweeps writes what is the cotangent before them. The other plane gets the ten sweeps' sum.
    """

    step = -1

    def special_rows(self) -> list[int | None]:
        first = [] if self.sweeps.start else [0]
        return [*range(-1, -self.sweeps.stop - ENDING, -1), None, *first]

    def own_row(self, row: int | None, sweep: int) -> tuple[int | None, bool]:
        if row is None:
            return None, False
        if row == 0:
            return None if sweep else 0, False
        own = row + sweep
        return own if -ENDING <= own <= 0 else None, own >= 0

    def cell(self, sweep: int, row: int | None, mask: Any) -> None:
        builder, vectors = self.builder, self.vectors
        given = self.given(sweep, row) if sweep else self.load(sweep)
        last, right = self.last[sweep], self.load(sweep, right=1)
        below = self.from_below(last) if row == -1 else last
        self.before = {"last": last, "right": right, "sum": builder.fadd(below, right)}
        new = vectors.fused(self.before["sum"], self.weight, builder.fmul(given, self.weight))
        if mask is not None:
            new = builder.select(mask, new, vectors.zero)
        self.last[sweep] = new
        if sweep % 2:  # the sweep before has left its own part in this cell
            total = builder.fadd(new, self.load(sweep))
            if sweep > 1:
                total = builder.fadd(total, self.load(sweep, plane=1))
            self.store(total, sweep, plane=1)
        self.store(new, sweep)
        if sweep == SWEEPS - 1:
            self.store(self.given(sweep, 0 if row == -1 else None), sweep, right=1, below=1)

    def given(self, sweep: int, row: int | None) -> Any:
        """What the sweep before gives to the cell: it is a column and a row ahead."""
        if self.before and row != 0:
            return self.before["sum"]
        if self.before:
            below, right = self.before["last"], self.before["right"]
        else:
            below, right = self.load(sweep, right=-1), self.load(sweep, below=-1)
        return self.builder.fadd(below, self.from_above(right) if row == 0 else right)
