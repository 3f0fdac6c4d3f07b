"""What does sweeps over a grid (`grid_sweeps.py`): brings arrays onto planes, and results back.

In between, ten sweeps go through the columns at a time. In the first and the last columns some of them, or
some lanes, are not in the grid: functions of their own, with masks, do half of the sweeps or all of them.
"""
# mypy: allow-untyped-calls, disable-error-code="misc"
# Numba and llvmlite have no types.

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils

from ad_compiler.backends.native.run_time.grid_layout import (
    BEFORE,
    BEHIND,
    BYTES,
    LANES,
    NUMBER,
    POINTER,
    SWEEPS,
    Crossing,
    Plane,
    Quads,
)
from ad_compiler.backends.native.run_time.grid_passages import (
    Passage,
    Sweeps,
    SweepsBack,
    is_weighted,
)
from ad_compiler.backends.native.run_time.small_matrices import WORD, own_function

Cell = tuple[Any, Any]  # a row and a column
HALF = SWEEPS // 2
ADDED, CLEARED = "+f", "=f"  # what the cotangent of what is added gets
ALL, FIRST, LAST = range(SWEEPS), range(HALF), range(HALF, SWEEPS)
LINE = 64  # bytes of the cache


class Driver(ABC):
    """Writes a function that takes arrays onto planes, does sweeps, and takes the results back.

    It is given the grid's array, the one it is a multiple of when the sweeps begin, and that of what is
    added, each with its lengths; the factor of the second one; the size of the grid, the weight, the scale
    of what is added, how many times ten sweeps are to be done, and where to write how many were: none if
    memory is short.
    """

    step = 1

    def __init__(self, context: Any, module: Any, name: str, text: str) -> None:
        numbers = [NUMBER, WORD, WORD, NUMBER, NUMBER, WORD, WORD.as_pointer()]
        kinds = [POINTER, WORD, WORD] * 3 + numbers
        self.context, self.module, self.text = context, module, text
        self.function = own_function(module, name, kinds)
        self.builder = builder = ir.IRBuilder(self.function.append_basic_block("entry"))
        self.vectors = Quads(builder)
        *given, self.rows, self.columns, self.weight, self.scale, self.passes, self.done = self.function.args
        self.array, self.start, self.other = (Grid(builder, *given[n : n + 3]) for n in (0, 3, 6))
        self.factor = given[9]
        self.height = builder.sdiv(builder.add(self.rows, WORD(LANES - 1)), WORD(LANES))

    def write(self) -> None:
        builder = self.builder
        column = builder.mul(self.height, WORD(BYTES))
        size = builder.mul(builder.add(self.columns, WORD(BEFORE + BEHIND)), column)
        needed = builder.add(builder.mul(size, WORD(2)), WORD(LINE))
        memory = self.context.nrt.allocate_unchecked(builder, needed)
        with builder.if_then(cgutils.is_not_null(builder, memory)):
            aligned = builder.and_(builder.add(builder.ptrtoint(memory, WORD), WORD(LINE)), WORD(-LINE))
            first = builder.add(aligned, builder.mul(column, WORD(BEFORE)))
            places = [builder.inttoptr(each, POINTER) for each in (first, builder.add(first, size))]
            self.planes = [Plane(self.vectors, place, self.height) for place in places]
            self.state = cgutils.alloca_once(builder, ir.ArrayType(self.vectors.kind, SWEEPS))
            self.cross(Crossing.enter, 0, self.start, factors=(self.factor, NUMBER(1.0)))
            self.around(self.array, self.begin)
            self.sweep()
            self.cross(Crossing.leave, 0, self.array)
            builder.store(builder.mul(self.passes, WORD(SWEEPS)), self.done)
            self.context.nrt.free(builder, memory)
        builder.ret_void()

    @abstractmethod
    def sweep(self) -> None:
        """Write what is done with the planes."""

    @abstractmethod
    def passage(self, name: str, sweeps: range, is_masked: bool) -> Passage:
        """What writes some sweeps in some columns."""

    def cross(
        self,
        write: Callable[[Crossing], None],
        plane: int,
        array: Grid,
        less: int = 0,
        factors: tuple[Any, Any] = (NUMBER(1.0), NUMBER(1.0)),
    ) -> None:
        """Call what takes an array, of so much less rows and columns than the grid, onto a plane, or back."""

        def written() -> Any:
            crossing = Crossing(self.module, name)
            write(crossing)
            return crossing.function

        name = f"grid {write.__name__}"
        function = once(self.module, name, written)
        counts = [self.builder.sub(count, WORD(less)) for count in (self.rows, self.columns)]
        given = [self.planes[plane].first, self.height, array.data, array.lengths[1], *counts, *factors]
        self.builder.call(function, given)

    def at_edges(self, act: Callable[[int, Cell, Cell], None]) -> None:
        """Go over the edges, without corners; `act` is given a cell, the lane it is in, and its neighbour."""
        builder, one = self.builder, WORD(1)
        last_row, last_column = (builder.sub(count, one) for count in (self.rows, self.columns))
        before_row, before_column = (builder.sub(last, one) for last in (last_row, last_column))
        with cgutils.for_range_slice(builder, one, last_column, one, WORD) as (column, _):
            act(0, (WORD(0), column), (one, column))
            act(LANES - 1, (last_row, column), (before_row, column))
        for lane in range(LANES):
            start = builder.mul(self.height, WORD(lane)) if lane else one
            stop = builder.mul(self.height, WORD(lane + 1)) if lane < LANES - 1 else last_row
            with cgutils.for_range_slice(builder, start, stop, one, WORD) as (row, _):
                act(lane, (row, WORD(0)), (row, one))
                act(lane, (row, last_column), (row, before_column))

    def around(self, array: Grid, act: Callable[[Cell], None]) -> None:
        """Go over the cells of an array that are not inside of the grid."""
        builder, one = self.builder, WORD(1)
        rows, columns = array.lengths
        last_row, last_column = (builder.sub(count, one) for count in (self.rows, self.columns))

        def part(first: Cell, stop: Cell) -> None:
            rows_of = cgutils.for_range_slice(builder, first[0], stop[0], one, WORD)
            columns_of = cgutils.for_range_slice(builder, first[1], stop[1], one, WORD)
            with rows_of as (row, _), columns_of as (column, _):
                act((row, column))

        part((WORD(0), WORD(0)), (one, columns))
        part((one, WORD(0)), (last_row, one))
        part((one, last_column), (last_row, columns))
        part((last_row, WORD(0)), (rows, columns))

    def begin(self, cell: Cell) -> None:
        """Give a cell what it has before all sweeps."""
        number = self.builder.load(self.start.at(cell))
        self.builder.store(self.builder.fmul(number, self.factor), self.array.at(cell))

    def in_plane(self, lane: int, cell: Cell) -> Any:
        """Where a cell is on the second plane."""
        row = self.builder.sub(cell[0], self.builder.mul(self.height, WORD(lane)))
        return self.vectors.moved(self.planes[1].at(self.builder.add(cell[1], WORD(lane)), row), lane)

    def in_columns(self, start: Any, steady: Any, edge: Any) -> None:
        """Ten sweeps. From the column `steady` on, and before the edge, all lanes of all sweeps are cells."""
        cgutils.memset(self.builder, self.state, WORD(SWEEPS * BYTES), 0)
        masked = self.farther(edge, steady)
        self.fill(start, steady)
        self.part(ALL, False, steady, masked)
        self.drain(masked, edge)

    @abstractmethod
    def fill(self, start: Any, steady: Any) -> None:
        """The columns in which sweeps begin."""

    @abstractmethod
    def drain(self, masked: Any, edge: Any) -> None:
        """The columns in which they end."""

    def moved(self, column: Any, count: int) -> Any:
        return self.builder.add(column, WORD(self.step * count))

    def part(self, sweeps: range, is_masked: bool, first: Any, stop: Any) -> None:
        name = self.name_of(sweeps, is_masked)

        def written() -> Any:
            passage = self.passage(name, sweeps, is_masked)
            passage.write()
            return passage.function

        builder = self.builder
        function = once(self.module, name, written)
        places = [plane.at(first, WORD(0)) for plane in self.planes]
        count = builder.mul(builder.sub(stop, first), WORD(self.step))
        state = builder.bitcast(self.state, POINTER)
        given = [*places, self.height, first, count, self.rows, self.columns, self.weight, state]
        builder.call(function, given)

    def name_of(self, sweeps: range, is_masked: bool) -> str:
        order = self.text if self.step > 0 else "back"
        return f"grid sweeps {sweeps.start} to {sweeps.stop} {order}{' masked' if is_masked else ''}"

    def farther(self, one: Any, other: Any) -> Any:
        return self.builder.select(
            self.builder.icmp_signed(">" if self.step > 0 else "<", one, other), one, other
        )


class Forward(Driver):
    """The sweeps, with the terms of the sum in an order."""

    def passage(self, name: str, sweeps: range, is_masked: bool) -> Passage:
        return Sweeps(self.module, name, sweeps, is_masked, self.text)

    def sweep(self) -> None:
        builder = self.builder
        if "f" in self.text:
            weight = self.weight if is_weighted(self.text) else NUMBER(1.0)
            self.cross(Crossing.enter, 1, self.other, 1, (self.scale, weight))
        if is_weighted(self.text):
            self.at_edges(self.keep)
        with cgutils.for_range(builder, self.passes):
            self.in_columns(WORD(1), WORD(SWEEPS + LANES), builder.sub(self.columns, WORD(1)))

    def fill(self, start: Any, steady: Any) -> None:
        """The last sweeps have no cells yet when the first ones begin."""
        begun = self.moved(start, HALF)
        self.part(FIRST, True, start, begun)
        self.part(ALL, True, begun, steady)

    def drain(self, masked: Any, edge: Any) -> None:
        """The first sweeps have no cells any more when the last ones end."""
        ended = self.farther(masked, self.moved(edge, HALF + LANES - 1))
        self.part(ALL, True, masked, ended)
        self.part(LAST, True, ended, self.moved(edge, SWEEPS + LANES - 1))

    def keep(self, lane: int, edge: Cell, cell: Cell) -> None:
        """What lanes that are no cells become is what they have been."""
        self.builder.store(self.builder.load(self.array.at(edge)), self.in_plane(lane, edge))


class Back(Driver):
    """The adjoint of the sweeps, with, or without, a part for what was added."""

    step = -1

    def passage(self, name: str, sweeps: range, is_masked: bool) -> Passage:
        return SweepsBack(self.module, name, sweeps, is_masked)

    def sweep(self) -> None:
        builder = self.builder
        if self.text == CLEARED:
            self.around(self.other, lambda cell: builder.store(NUMBER(0.0), self.other.at(cell)))
        with cgutils.for_range(builder, self.passes) as loop:
            # a column more than there are: what lanes beside the grid give to those in it is 0
            start = builder.add(self.columns, WORD(LANES - 2))
            self.in_columns(start, self.moved(start, SWEEPS + LANES), WORD(LANES - 1))
            if self.text:
                first = Crossing.leave if self.text == CLEARED else Crossing.add
                with builder.if_else(builder.icmp_signed("==", loop.index, WORD(0))) as branches:
                    for branch, write in zip(branches, (first, Crossing.add), strict=True):
                        with branch:
                            self.cross(write, 1, self.other, factors=(self.scale, NUMBER(1.0)))
            self.at_edges(self.give)

    def fill(self, start: Any, steady: Any) -> None:
        """The first sweeps go ahead of the last ones: five hide each other's latency, as chains are short."""
        self.part(FIRST, True, start, steady)
        self.part(LAST, True, self.moved(start, HALF), steady)

    def drain(self, masked: Any, edge: Any) -> None:
        for sweeps in (FIRST, LAST):
            self.part(sweeps, True, masked, self.moved(edge, sweeps.stop + LANES))

    def give(self, lane: int, edge: Cell, cell: Cell) -> None:
        """Add to a cell of an edge the sum of the one beside it."""
        builder, place = self.builder, self.array.at(edge)
        given = builder.load(self.in_plane(lane, cell))
        builder.store(builder.fadd(builder.load(place), given), place)


class Grid:
    """An array of a grid, as code has it: where it lies, and how many rows and columns there are."""

    def __init__(self, builder: Any, data: Any, *lengths: Any) -> None:
        self.builder, self.data, self.lengths = builder, data, lengths

    def at(self, cell: Cell) -> Any:
        row, column = cell
        place = self.builder.add(self.builder.mul(row, self.lengths[1]), column)
        return self.builder.gep(self.data, [place])


def once(module: Any, name: str, write: Callable[[], Any]) -> Any:
    """The function of that name, which is written where the module has none."""
    found = module.globals.get(name)
    return write() if found is None else found
