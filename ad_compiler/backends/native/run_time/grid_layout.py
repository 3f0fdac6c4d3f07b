"""How sweeps over a grid (`grid_sweeps.py`) have it in memory, and the ways into and out of there.

A vector has the cells of one column that are `height` rows apart, one of each of four blocks of rows; the
last block may be up to three rows shorter. Each block lags a column behind the one above it:

    lane of cell (i, j)         lane = i // height
    its place                   (j + lane) * height + i % height

So a copy of the grid, here a plane, is a line of vectors, on which the neighbours of the cell at a place are:

    left, right                 `height` places before, and behind
    above, below                one place before, and behind, also where that is in another block: the last
                                row of a block is one place before the first row of the next one, in the lane
                                above

Planes have columns before and behind those of the grid that lanes which are no cells may read and write.
"""
# mypy: allow-untyped-calls, disable-error-code="misc"
# Numba and llvmlite have no types.

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from ad_compiler.backends.native.run_time.small_matrices import WORD, Vectors, own_function

LANES = 4
BYTES = 8 * LANES  # of a vector
SWEEPS = 10  # at once
BEFORE, BEHIND = SWEEPS + 2, SWEEPS + 6  # columns of a plane beside those of the grid
FEWEST_ROWS = LANES * (SWEEPS + 4) - 3  # so that blocks have rows that are special for no sweep
FEWEST_COLUMNS = 3

NUMBER = ir.DoubleType()
POINTER = NUMBER.as_pointer()
PLACE = ir.PointerType()  # of a vector on a plane


class Quads(Vectors):
    """Instructions on vectors of four numbers, and on their addresses."""

    def __init__(self, builder: Any) -> None:
        super().__init__(builder, types.float64)
        self.lanes, self.name = LANES, f"v{LANES}f64"
        self.kind = ir.VectorType(NUMBER, LANES)
        self.zero = ir.Constant(self.kind, [0.0] * LANES)

    def shuffled(self, a: Any, b: Any, *lanes: int) -> Any:
        return self.builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), LANES), lanes))

    def transposed(self, rows: list[Any]) -> list[Any]:
        a, b, c, d = rows
        even, odd = (0, 4, 2, 6), (1, 5, 3, 7)
        pairs = [self.shuffled(*two, *lanes) for two in ((a, b), (c, d)) for lanes in (even, odd)]
        low, high = (0, 1, 4, 5), (2, 3, 6, 7)
        return [self.shuffled(pairs[n], pairs[n + 2], *lanes) for lanes in (low, high) for n in (0, 1)]

    def at(self, place: Any) -> Any:
        return self.builder.load(place, align=self.size, typ=self.kind)

    def put(self, vector: Any, place: Any) -> None:
        self.builder.store(vector, place, align=self.size)

    def fused(self, a: Any, b: Any, c: Any) -> Any:
        """`a * b + c` with one rounding."""
        return self.call(f"fma.{self.name}", self.kind, [a, b, c])

    def within(self, first: Any, start: Any, stop: Any, step: int = 1) -> Any:
        """In which lanes the numbers from `first` on lie within bounds."""
        steps = ir.Constant(ir.VectorType(WORD, LANES), [n * step for n in range(LANES)])
        numbers = self.builder.add(self.filled(first), steps)
        found = self.builder.icmp_signed(">=", numbers, self.filled(start))
        return self.builder.and_(found, self.builder.icmp_signed("<", numbers, self.filled(stop)))

    def moved(self, address: Any, count: Any) -> Any:
        return self.builder.gep(address, [count if isinstance(count, ir.Value) else WORD(count)])


class Plane:
    """One copy of the grid, as a function has it that is given the address of its first column."""

    def __init__(self, vectors: Quads, first: Any, height: Any) -> None:
        self.vectors, self.first, self.height = vectors, first, height

    def at(self, column: Any, row: Any) -> Any:
        builder = self.vectors.builder
        place = builder.add(builder.mul(column, self.height), row)
        return self.vectors.moved(self.first, builder.shl(place, WORD(2)))


class Crossing:
    """Writes a function that takes an array onto a plane, or back, four columns of four rows at a time.

    It is given a plane, the height of blocks, an array, how far its rows are apart, how many rows and columns
    there are, and two factors.
    """

    def __init__(self, module: Any, name: str) -> None:
        kinds = [POINTER, WORD, POINTER, WORD, WORD, WORD, NUMBER, NUMBER]
        self.function = own_function(module, name, kinds)
        self.builder = ir.IRBuilder(self.function.append_basic_block("entry"))
        self.vectors = Quads(self.builder)
        first, self.height, self.array, self.apart, *rest = self.function.args
        *self.counts, self.first_factor, self.second_factor = rest
        self.plane = Plane(self.vectors, first, self.height)

    def blocks(self, columns: Any) -> Any:
        return cgutils.for_range_slice(self.builder, WORD(0), columns, WORD(LANES), WORD)

    def address(self, row: Any, column: Any) -> Any:
        place = self.builder.add(self.builder.mul(row, self.apart), column)
        return self.vectors.moved(self.array, place)

    def enter(self) -> None:
        """Take the numbers, times both factors; beyond the array there are its last row, and zeros."""
        builder, vectors = self.builder, self.vectors
        rows, columns = self.counts
        last = builder.sub(rows, WORD(1))
        factors = [vectors.filled(each) for each in (self.first_factor, self.second_factor)]
        with self.blocks(builder.add(columns, WORD(LANES))) as (column, _):
            columns_of = [builder.sub(column, WORD(lane)) for lane in range(LANES)]
            masks = [vectors.within(each, WORD(0), columns) for each in columns_of]
            with cgutils.for_range(builder, self.height) as loop:
                found = []
                for lane in range(LANES):
                    row = builder.add(builder.mul(self.height, WORD(lane)), loop.index)
                    if lane == LANES - 1:
                        row = builder.select(builder.icmp_signed("<", row, last), row, last)
                    vector = vectors.load(self.address(row, columns_of[lane]), masks[lane])
                    for factor in factors:
                        vector = builder.fmul(vector, factor)
                    found.append(vector)
                for n, vector in enumerate(vectors.transposed(found)):
                    vectors.store(vector, self.plane.at(builder.add(column, WORD(n)), loop.index), None)
        builder.ret_void()

    def add(self) -> None:
        """Add the numbers, times the first factor, to the array, as `leave` writes them."""
        self.leave(is_added=True)

    def leave(self, is_added: bool = False) -> None:
        """Only the cells inside of the grid are written, times the first factor, or added to."""
        builder, vectors = self.builder, self.vectors
        factor = vectors.filled(self.first_factor)
        last_row, last_column = (builder.sub(count, WORD(1)) for count in self.counts)
        with self.blocks(builder.add(last_column, WORD(LANES))) as (column, _):
            columns_of = [builder.sub(column, WORD(lane)) for lane in range(LANES)]
            masks = [vectors.within(each, WORD(1), last_column) for each in columns_of]
            with cgutils.for_range(builder, self.height) as loop:
                places = [self.plane.at(builder.add(column, WORD(n)), loop.index) for n in range(LANES)]
                found = vectors.transposed([vectors.load(place, None) for place in places])
                for lane, vector in enumerate(found):
                    row = builder.add(builder.mul(self.height, WORD(lane)), loop.index)
                    mask = masks[lane]
                    if lane in (0, LANES - 1):
                        bound = (">", row, WORD(0)) if lane == 0 else ("<", row, last_row)
                        mask = builder.and_(mask, vectors.filled(builder.icmp_signed(*bound)))
                    address = self.address(row, columns_of[lane])
                    if is_added:
                        vector = vectors.fused(vector, factor, vectors.load(address, mask))
                    else:
                        vector = builder.fmul(vector, factor)
                    vectors.store(vector, address, mask)
        builder.ret_void()
