"""Sweeps over a grid in place, of which each cell becomes a multiple of the sum of its neighbours.

    for i in range(1, rows - 1):
        for j in range(1, columns - 1):
            u[i, j] = weight * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] + scale * f[i, j])

As written, each cell waits for the one before it. But cells on a diagonal do not depend on each other, nor
does the next sweep on more than what is a row and a column around it: the loops can be skewed, and cut in
other directions (Lamport, The parallel execution of DO loops, 1974; Wolfe, Loops skewing: the wavefront
method revisited, 1986). Here

    lanes       of a vector are cells in four blocks of rows, each a column behind the one above it
                (`grid_layout.py`)
    ten sweeps  follow each other through the grid, a row and a column apart (`grid_passages.py`)

so that a vector is read and written once for each sweep, and ten sums are computed at a time. Of a cell, the
same numbers are added in the same order, so the bits of the results are those of the loops (if `f` comes last
and `weight` is no power of two, but for one rounding less: `is_weighted`). In the first and the last columns,
where some sweeps, or lanes, are not in the grid, lanes that are no cells are masked.

The adjoint of a sweep, of cotangents in place, is

    for i in reversed(range(1, rows - 1)):
        for j in reversed(range(1, columns - 1)):
            p = weight * u_bar[i, j]
            u_bar[i, j] = 0.0
            for cell in (u_bar[i - 1, j], u_bar[i + 1, j], u_bar[i, j - 1], u_bar[i, j + 1]):
                cell += p
            f_bar[i, j] += scale * p

and the same is done in the other direction, with another order of sums. Cells of the edges take no part in
it: at the end they get what all sweeps have given to them.

That takes vectors and fused products of AVX2; on other processors nothing is done. Blocks of 64 rows, or
multiples of that, have columns that compete for the same places in the cache.
"""
# mypy: allow-untyped-defs, allow-untyped-calls, disable-error-code="misc,call-arg"
# Numba infers the types of these functions, and its decorators have none.

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features
from numba.core.errors import TypingError
from numba.extending import intrinsic

from ad_compiler.backends.native.numba_extensions.disabling import is_disabled
from ad_compiler.backends.native.run_time.grid_layout import (
    BEFORE,
    BEHIND,
    BYTES,
    FEWEST_COLUMNS,
    FEWEST_ROWS,
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
ALL, FIRST, LAST = range(SWEEPS), range(HALF), range(HALF, SWEEPS)
LINE = 64  # bytes of the cache
MOST_CELLS = 1 << 20  # to bring more of them onto planes, page by page, takes longer than the loops


class Driver(ABC):
    """Writes a function that takes arrays onto planes, does sweeps, and takes the results back.

    It is given two arrays and how far their rows are apart, the size of the grid, the weight, the scale of
    what is added, how many times ten sweeps are to be done, and where to write how many were: none if memory
    is short.
    """

    step = 1

    def __init__(self, context: Any, module: Any, name: str, text: str) -> None:
        kinds = [POINTER, WORD, POINTER, WORD, WORD, WORD, NUMBER, NUMBER, WORD, WORD.as_pointer()]
        self.context, self.module, self.text = context, module, text
        self.function = own_function(module, name, kinds)
        self.builder = builder = ir.IRBuilder(self.function.append_basic_block("entry"))
        self.vectors = Quads(builder)
        *arrays, self.rows, self.columns, self.weight, self.scale, self.passes, self.done = self.function.args
        self.array, self.other = (arrays[0], arrays[1]), (arrays[2], arrays[3])
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
            self.sweep()
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
        array: tuple[Any, Any],
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
        given = [self.planes[plane].first, self.height, *array, *counts, *factors]
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

    def in_array(self, cell: Cell) -> Any:
        array, apart = self.array
        return self.vectors.moved(array, self.builder.add(self.builder.mul(cell[0], apart), cell[1]))

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
        self.cross(Crossing.enter, 0, self.array)
        if "f" in self.text:
            weight = self.weight if is_weighted(self.text) else NUMBER(1.0)
            self.cross(Crossing.enter, 1, self.other, 1, (self.scale, weight))
        if is_weighted(self.text):
            self.at_edges(self.keep)
        with cgutils.for_range(builder, self.passes):
            self.in_columns(WORD(1), WORD(SWEEPS + LANES), builder.sub(self.columns, WORD(1)))
        self.cross(Crossing.leave, 0, self.array)

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
        self.builder.store(self.builder.load(self.in_array(edge)), self.in_plane(lane, edge))


class Back(Driver):
    """The adjoint of the sweeps, with, or without, a part for what was added."""

    step = -1

    def passage(self, name: str, sweeps: range, is_masked: bool) -> Passage:
        return SweepsBack(self.module, name, sweeps, is_masked)

    def sweep(self) -> None:
        builder = self.builder
        self.cross(Crossing.enter, 0, self.array)
        with cgutils.for_range(builder, self.passes):
            # a column more than there are: what lanes beside the grid give to those in it is 0
            start = builder.add(self.columns, WORD(LANES - 2))
            self.in_columns(start, self.moved(start, SWEEPS + LANES), WORD(LANES - 1))
            if self.text:
                self.cross(Crossing.add, 1, self.other, 0, (self.scale, NUMBER(1.0)))
            self.at_edges(self.give)
        self.cross(Crossing.leave, 0, self.array)

    def fill(self, start: Any, steady: Any) -> None:
        """The first sweeps go ahead of the last ones: five hide each other's latency, as chains are short."""
        self.part(FIRST, True, start, steady)
        self.part(LAST, True, self.moved(start, HALF), steady)

    def drain(self, masked: Any, edge: Any) -> None:
        for sweeps in (FIRST, LAST):
            self.part(sweeps, True, masked, self.moved(edge, sweeps.stop + LANES))

    def give(self, lane: int, edge: Cell, cell: Cell) -> None:
        """Add to a cell of an edge the sum of the one beside it."""
        builder, place = self.builder, self.in_array(edge)
        given = builder.load(self.in_plane(lane, cell))
        builder.store(builder.fadd(builder.load(place), given), place)


def once(module: Any, name: str, write: Callable[[], Any]) -> Any:
    """The function of that name, which is written where the module has none."""
    found = module.globals.get(name)
    return write() if found is None else found


def has_vectors() -> bool:
    """Whether the processor that is compiled for has what these functions need."""
    given = config.CPU_FEATURES  # type: ignore[attr-defined]
    features = (get_host_cpu_features() if given is None else given).split(",")
    return {"+avx2", "+fma"} <= set(features)


def implemented(given: tuple[Any, ...], text: str, make: type[Driver], reads_other: bool) -> Any:
    """The signature of a function of these arguments, and what writes a call of it."""
    are_matrices = all(
        isinstance(kind, types.Array) and (kind.ndim, kind.layout, kind.dtype) == (2, "C", types.float64)
        for kind in given[:2]
    )

    def generate(context, builder, signature, arguments):
        done = cgutils.alloca_once_value(builder, WORD(0))
        if not (are_matrices and has_vectors()):
            return builder.load(done)
        rows, columns, weight, scale, steps = arguments[2:7]
        bounds = [(rows, WORD(FEWEST_ROWS)), (columns, WORD(FEWEST_COLUMNS)), (steps, WORD(SWEEPS))]
        bounds.append((WORD(MOST_CELLS), builder.mul(rows, columns)))
        handed = []
        for number, (kind, value) in enumerate(zip(given[:2], arguments[:2], strict=True)):
            array = context.make_array(kind)(context, builder, value)
            lengths = cgutils.unpack_tuple(builder, array.shape)
            handed += [array.data, lengths[1]]
            if number == 0 or reads_other:
                least = [builder.sub(count, WORD(number)) for count in (rows, columns)]
                bounds += zip(lengths, least, strict=True)
        # a larger weight of what is added could be too large for a number where that of the sum is not
        is_done = builder.and_(
            builder.fcmp_ordered(">=", weight, NUMBER(-1.0)), builder.fcmp_ordered("<=", weight, NUMBER(1.0))
        )
        for length, bound in bounds:
            is_done = builder.and_(is_done, builder.icmp_signed(">=", length, bound))
        with builder.if_then(is_done):
            name = f"{make.__name__} sweeps of grid {text}"

            def written() -> Any:
                driver = make(context, builder.module, name, text)
                driver.write()
                return driver.function

            passes = builder.sdiv(steps, WORD(SWEEPS))
            function = once(builder.module, name, written)
            builder.call(function, [*handed, rows, columns, weight, scale, passes, done])
        return builder.load(done)

    numbers = (types.int64, types.int64, types.float64, types.float64, types.int64)
    return types.int64(*given[:2], *numbers, given[7]), generate


def literal(text: Any, known: Callable[[str], bool]) -> str:
    value = text.literal_value if isinstance(text, types.StringLiteral) else None
    if value is None or not known(value):
        raise TypingError(f"{text} is not known while compiling, or does not say what the terms are")
    found: str = value
    return found


@intrinsic(prefer_literal=True)
def sweep_grid(typing_context, u, f, rows, columns, weight, scale, steps, order):
    """Do as many as it can of a number of sweeps over the first rows and columns of `u`; how many that is.

    `order` says from left to right what is added up: the cell above, "n", below, "s", to the right, "e", and
    to the left, "w", and scale * f[i, j], "f". Without it, `f` is not read; else it does not overlap `u`.
    """
    text = literal(order, lambda text: "".join(sorted(text)) in ("ensw", "efnsw"))
    return implemented((u, f, rows, columns, weight, scale, steps, order), text, Forward, "f" in text)


@intrinsic(prefer_literal=True)
def sweep_grid_back(typing_context, u_bar, f_bar, rows, columns, weight, scale, steps, source):
    """Do the adjoint of as many as it can of the last ones of a number of sweeps; how many that is.

    `source` says whether something was added, "f": then its cotangent gets the parts, times the scale. With
    "", `f_bar` is left alone.
    """
    text = literal(source, lambda text: text in ("", "f"))
    return implemented((u_bar, f_bar, rows, columns, weight, scale, steps, source), text, Back, bool(text))


def nothing_done(*given: Any) -> int:
    """Where loops run as Python."""
    return 0


if is_disabled():
    sweep_grid = sweep_grid_back = nothing_done  # type: ignore[assignment]
