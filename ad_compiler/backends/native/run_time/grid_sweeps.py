"""Sweeps."""
# mypy: allow-untyped-defs, allow-untyped-calls, disable-error-code="misc,call-arg"
# Numba infers the types of these functions, and its decorators have none.

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features
from numba.core.errors import TypingError
from numba.extending import intrinsic

from ad_compiler.backends.native.run_time.grid_layout import (
    BEFORE,
    BEHIND,
    BYTE,
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
from ad_compiler.backends.native.run_time.small_matrices import WORD, own_function

LAST = LANES  # rows of a block, at its end, of which some may be no cells
STEADY = "steady"
MASKED = "masked"


class Passage:
    """Writes a function that does ten sweeps, or their adjoint, in a range of columns.

    It is given the address of a place (the first one of the first column) on two planes, the height of blocks, the first column, how many columns, the size of the grid, the weight and where the cells above are kept.
    """

    step = 1

    def __init__(self, module: Any, name: str, is_masked: bool) -> None:
        kinds = [POINTER, POINTER, WORD, WORD, WORD, WORD, WORD, NUMBER, POINTER]
        self.function = own_function(module, name, kinds)
        self.builder = builder = ir.IRBuilder(self.function.append_basic_block("entry"))
        self.vectors = vectors = Quads(builder)
        self.is_masked = is_masked
        first, second, self.height, self.first, self.count, self.rows, self.columns, weight, self.state = (
            self.function.args
        )
        self.weight = vectors.filled(weight)
        self.bytes = builder.shl(self.height, WORD(5))
        self.odd = {n: self.opaque(builder.mul(self.bytes, WORD(n * -self.step)), "r") for n in (1, 3, 5, 7, 9)}
        self.back = self.opaque(builder.mul(self.bytes, WORD(self.step)), "r")
        place = BYTE.as_pointer()
        self.place = cgutils.alloca_once_value(builder, builder.bitcast(first, place))
        self.other = cgutils.alloca_once_value(builder, builder.bitcast(second, place))
        self.before = [cgutils.alloca_once(builder, vectors.kind) for _ in range(SWEEPS)]

    def opaque(self, value: Any, register: str) -> Any:
        """A value that LLVM knows nothing about."""
        kind = ir.FunctionType(value.type, [value.type])
        return self.builder.asm(kind, "", f"={register},0", [value], side_effect=False)

    def address(self, sweep: int, columns: int, places: int, of: Any = None) -> Any:
        """That of a neighbour of the cell that a sweep is at: so many columns, and places, beside it."""
        builder = self.builder
        base = builder.load(of or self.place)
        back = sweep * self.step - columns
        back *= self.step
        if back == -1:
            base = builder.gep(base, [self.back])
        elif back:
            odd, twice = back, 0
            while odd % 2 == 0:
                odd, twice = odd // 2, twice + 1
            base = builder.gep(base, [builder.shl(self.odd[odd], WORD(twice))])
        beside = (places - sweep * self.step) * BYTES
        return builder.bitcast(builder.gep(base, [WORD(beside)]), POINTER)

    def load(self, sweep: int, columns: int = 0, places: int = 0, of: Any = None) -> Any:
        return self.vectors.load(self.address(sweep, columns, places, of), None)

    def store(self, vector: Any, sweep: int, columns: int = 0, places: int = 0, of: Any = None) -> None:
        self.vectors.store(vector, self.address(sweep, columns, places, of), None)

    def lane_above(self, vector: Any) -> Any:
        return self.vectors.shuffled(vector, vector, 0, 0, 1, 2)

    def lane_below(self, vector: Any) -> Any:
        return self.vectors.shuffled(vector, vector, 1, 2, 3, 3)

    def write(self) -> None:
        builder, vectors = self.builder, self.vectors
        kept = [vectors.moved(self.state, LANES * sweep) for sweep in range(SWEEPS)]
        for place, address in zip(self.before, kept, strict=True):
            builder.store(vectors.load(address, None), place)
        edges = self.edges()
        with cgutils.for_range(builder, self.count) as loop:
            column = builder.add(self.first, builder.mul(loop.index, WORD(self.step)))
            cells = [self.cells(column, sweep) for sweep in range(SWEEPS + 1)] if self.is_masked else []
            self.column(edges, cells)
        for place, address in zip(self.before, kept, strict=True):
            vectors.store(builder.load(place), address, None)
        builder.ret_void()

    def edges(self) -> dict[int, Any]:
        """Which lanes are cells, by the row of a block, counted from its end if it is negative."""
        flag = ir.VectorType(ir.IntType(1), LANES)
        masks = {0: ir.Constant(flag, [0, 1, 1, 1]), -1: ir.Constant(flag, [1, 1, 1, 0])}
        for row in range(-LAST, -1):
            last = self.builder.sub(self.builder.mul(self.height, WORD(LANES)), WORD(-row))
            is_cell = self.builder.icmp_signed("<", last, self.builder.sub(self.rows, WORD(1)))
            masks[row] = self.builder.insert_element(ir.Constant(flag, [1] * LANES), is_cell, WORD(LANES - 1))
        return masks

    def cells(self, column: Any, sweep: int) -> Any:
        """Which lanes of the column a sweep is in are cells."""
        builder = self.builder
        own = builder.sub(column, WORD(sweep * self.step))
        return self.vectors.within(own, WORD(1), builder.sub(self.columns, WORD(1)), -1)

    def column(self, edges: dict[int, Any], cells: list[Any]) -> None:
        """Each sweep's steps through one column; one that lags by more rows than were done is in the column before."""
        special = self.special_rows()
        starts = special.index(None)
        for row in special[:starts]:
            self.row(row, edges, cells)
        plain = self.builder.sub(self.height, WORD(len(special) - 1))
        with cgutils.for_range(self.builder, plain):
            self.row(None, edges, cells)
        for row in special[starts + 1 :]:
            self.row(row, edges, cells)

    def special_rows(self) -> list[int | None]:
        raise NotImplementedError

    def own_row(self, row: int | None, sweep: int) -> tuple[int | None, bool]:
        """The row of its block a sweep is at if it is a special one, and whether that is a column further back."""
        raise NotImplementedError

    def cell(self, sweep: int, row: int | None) -> None:
        raise NotImplementedError

    def row(self, row: int | None, edges: dict[int, Any], cells: list[Any]) -> None:
        """A step of each sweep."""
        builder = self.builder
        builder.asm(ir.FunctionType(ir.VoidType(), []), "", "~{memory}", [], side_effect=True)
        self.begin()
        for sweep in range(SWEEPS):
            own, is_back = self.own_row(row, sweep)
            mask = cells[sweep + is_back] if cells else None
            if own is not None:
                mask = edges[own] if mask is None else builder.and_(mask, edges[own])
            self.step_of(sweep, own, mask)
        for place in (self.place, self.other):
            builder.store(builder.gep(builder.load(place), [WORD(self.step * BYTES)]), place)


class Sweeps(Passage):
    """In the order of the rows and columns."""

    def __init__(self, module: Any, name: str, is_masked: bool, order: str) -> None:
        super().__init__(module, name, is_masked)
        self.order = order
        self.one = self.opaque(self.vectors.filled(NUMBER(1.0)), "x")

    def special_rows(self):
        return [*range(SWEEPS), None, *range(-LAST, 0)]

    def own_row(self, row, sweep):
        if row is None:
            return None, False
        own, is_back = row - sweep, 0 <= row < sweep
        if row >= 0:
            return own if -LAST <= own <= 0 else None, is_back
        return own if own >= -LAST else None, False

    def begin(self):
        self.values = {}

    def step_of(self, sweep, row, mask):
        builder = self.builder
        above = builder.load(self.before[sweep])
        if sweep == 0:
            right, below = self.load(sweep, 1), self.load(sweep, 0, 1)
        else:
            right, below = self.values["above"], self.values["w"]
        self.values = {
            "above": above,
            "n": self.lane_above(above) if row == 0 else above,
            "s": self.lane_below(below) if row == -1 else below,
            "w": self.load(sweep, -1),
            "e": right,
            "f": None,
        }
        if "f" in self.order:
            self.values["f"] = self.load(sweep, of=self.other)
        first, *rest = self.order
        total = self.values[first]
        for number, term in enumerate(rest):
            if number % 2 and (sweep % 2 or number < 3):
                total = self.vectors.call(f"fma.{self.vectors.name}", self.vectors.kind, [total, self.one, self.values[term]])
            else:
                total = builder.fadd(total, self.values[term])
        new = builder.fmul(self.weight, total)
        if mask is not None:
            new = builder.select(mask, new, self.load(sweep))
        builder.store(new, self.before[sweep])
        self.store(new, sweep)


class SweepsBack(Passage):
    """Against the order of the rows and columns."""

    step = -1

    def special_rows(self):
        return [*range(-1, -SWEEPS - LAST, -1), None, 0]

    def own_row(self, row, sweep):
        if row is None:
            return None, False
        if row == 0:
            return (0 if sweep == 0 else None), False
        own = row + sweep
        return own if -LAST <= own <= 0 else None, own >= 0

    def begin(self):
        self.values = {}

    def step_of(self, sweep, row, mask):
        builder, vectors = self.builder, self.vectors
        beside = self.values
        before, right = builder.load(self.before[sweep]), self.load(sweep, 1)
        if sweep == 0:
            given = self.load(sweep)
        else:
            given = self.given(row)
        below = self.lane_below(before) if row == -1 else before
        self.values = {"left": before, "above": right, "sum": builder.fadd(below, right)}
        new = vectors.call(f"fma.{vectors.name}", vectors.kind, [self.values["sum"], self.weight, builder.fmul(given, self.weight)])
        if mask is not None:
            new = builder.select(mask, new, vectors.zero)
        builder.store(new, self.before[sweep])
        if sweep % 2:
            total = builder.fadd(new, self.load(sweep))
            if sweep > 1:
                total = builder.fadd(total, self.load(sweep, of=self.other))
            self.store(total, sweep, of=self.other)
        self.store(new, sweep)
        if sweep == SWEEPS - 1:
            self.store(self.given(0 if row == -1 else None), sweep, 1, 1)

    def given(self, row):
        """What the sweep gives to the cell a column and a place further, which is in this row."""
        if row == 0:
            return self.builder.fadd(self.values["left"], self.lane_above(self.values["above"]))
        return self.values["sum"]


def once(module: Any, name: str, write: Callable[[str], Any]) -> Any:
    """The function of that name, written where the module has none."""
    found = module.globals.get(name)
    return found if found is not None else write(name)


def passage(module: Any, name: str, make: Callable[..., Passage], *options: Any) -> Any:
    def write(name: str) -> Any:
        made = make(module, name, *options)
        made.write()
        return made.function

    return once(module, name, write)


def crossing(module: Any, name: str, method: Callable[..., None], *options: Any) -> Any:
    def write(name: str) -> Any:
        made = Crossing(module, name, 2)
        method(made, *options)
        return made.function

    return once(module, name, write)


def has_vectors() -> bool:
    """Whether the processor that is compiled for has what these functions need."""
    given = config.CPU_FEATURES  # type: ignore[attr-defined]
    features = (get_host_cpu_features() if given is None else given).split(",")
    return "+avx2" in features and "+fma" in features


class Driver:
    """Writes the function that takes arrays into planes, does all sweeps that it can, and takes them back."""

    def __init__(self, context: Any, module: Any, name: str) -> None:
        kinds = [POINTER, WORD, POINTER, WORD, WORD, WORD, NUMBER, WORD, WORD.as_pointer()]
        self.context, self.module = context, module
        self.function = own_function(module, name, kinds)
        self.builder = builder = ir.IRBuilder(self.function.append_basic_block("entry"))
        self.u, self.apart, self.f, self.f_apart, self.rows, self.columns, self.weight, self.passes, self.done = (
            self.function.args
        )
        self.height = builder.sdiv(builder.add(self.rows, WORD(LANES - 1)), WORD(LANES))
        self.vectors = Quads(builder)

    def write(self) -> None:
        builder = self.builder
        count = builder.add(self.columns, WORD(BEFORE + BEHIND))
        size = builder.mul(builder.mul(count, self.height), WORD(BYTES))
        given = self.context.nrt.allocate_unchecked(builder, builder.add(builder.shl(size, WORD(1)), WORD(64)))
        with builder.if_then(cgutils.is_not_null(builder, given)):
            start = builder.and_(builder.add(builder.ptrtoint(given, WORD), WORD(63)), WORD(-64))
            start = builder.add(start, builder.mul(self.height, WORD(BEFORE * BYTES)))
            self.planes = [
                Plane(self.vectors, builder.inttoptr(each, POINTER), self.height)
                for each in (start, builder.add(start, size))
            ]
            self.state = cgutils.alloca_once(builder, ir.ArrayType(self.vectors.kind, SWEEPS))
            self.sweep()
            builder.store(builder.mul(self.passes, WORD(SWEEPS)), self.done)
            self.context.nrt.free(builder, given)
        builder.ret_void()

    def cross(self, function: Any, plane: int, array: Any, apart: Any, less: int = 0) -> None:
        builder = self.builder
        counts = [builder.sub(count, WORD(less)) for count in (self.rows, self.columns)]
        builder.call(function, [self.planes[plane].first, self.height, array, apart, *counts])

    def clear(self) -> None:
        cgutils.memset(self.builder, self.state, WORD(SWEEPS * BYTES), 0)

    def part(self, functions: Any, is_masked: Any, first: Any, stop: Any, step: int) -> None:
        builder = self.builder
        row = WORD(0) if step > 0 else builder.sub(self.height, WORD(1))
        places = [plane.at(first, row) for plane in self.planes]
        count = builder.sub(stop, first) if step > 0 else builder.sub(first, stop)
        state = builder.bitcast(self.state, POINTER)
        builder.call(functions[is_masked], [*places, self.height, first, count, self.rows, self.columns, self.weight, state])

    def least(self, a, b):
        return self.builder.select(self.builder.icmp_signed("<", a, b), a, b)


class Forward(Driver):
    def __init__(self, context, module, name, order):
        super().__init__(context, module, name)
        self.order = order

    def sweep(self):
        module, builder = self.module, self.builder
        enter = crossing(module, "grid enter", Crossing.enter)
        functions = [
            passage(module, f"grid sweep {order_kind} {self.order}", Sweeps, order_kind == MASKED, self.order)
            for order_kind in (STEADY, MASKED)
        ]
        self.cross(enter, 0, self.u, self.apart)
        if "f" in self.order:
            self.cross(enter, 1, self.f, self.f_apart, 1)
        middle = builder.sub(self.columns, WORD(1))
        begin = WORD(LANES + SWEEPS)
        with cgutils.for_range(builder, self.passes):
            self.clear()
            early = self.least(begin, builder.add(self.columns, WORD(SWEEPS + 2)))
            late = builder.select(builder.icmp_signed("<", early, middle), middle, early)
            self.part(functions, 1, WORD(1), early, 1)
            self.part(functions, 0, early, late, 1)
            self.part(functions, 1, late, builder.add(self.columns, WORD(SWEEPS + 2)), 1)
        self.cross(crossing(module, "grid leave", Crossing.leave, False), 0, self.u, self.apart)


class Back(Driver):
    def __init__(self, context, module, name, source):
        super().__init__(context, module, name)
        self.source = source

    def sweep(self):
        module, builder = self.module, self.builder
        functions = [
            passage(module, f"grid sweep back {kind}", SweepsBack, kind == MASKED) for kind in (STEADY, MASKED)
        ]
        self.cross(crossing(module, "grid enter", Crossing.enter), 0, self.u, self.apart)
        with cgutils.for_range(builder, self.passes):
            self.clear()
            first, last = builder.add(self.columns, WORD(2)), WORD(-SWEEPS - 1)
            early = builder.sub(self.columns, WORD(SWEEPS + 2))
            late = self.least(early, WORD(LANES - 1))
            late = builder.select(builder.icmp_signed("<", late, last), last, late)
            early = builder.select(builder.icmp_signed("<", early, late), late, early)
            self.part(functions, 1, first, early, -1)
            self.part(functions, 0, early, late, -1)
            self.part(functions, 1, late, last, -1)
            if self.source:
                self.cross(crossing(module, "grid leave added", Crossing.leave, True), 1, self.f, self.f_apart)
            self.edges()
        self.cross(crossing(module, "grid leave", Crossing.leave, False), 0, self.u, self.apart)

    def edges(self):
        """Cells of the edges get what all sweeps give to them."""
        builder = self.builder
        for row, beside in ((0, 1), (-1, -2)):
            rows = [WORD(each) if each >= 0 else builder.add(self.rows, WORD(each)) for each in (row, beside)]
            with cgutils.for_range_slice(builder, WORD(1), builder.sub(self.columns, WORD(1)), WORD(1), WORD) as (j, _):
                self.give(rows[1], j, rows[0], j, WORD(0 if row == 0 else LANES - 1))
        for lane in range(LANES):
            start = WORD(1) if lane == 0 else builder.mul(self.height, WORD(lane))
            stop = builder.mul(self.height, WORD(lane + 1)) if lane < LANES - 1 else builder.sub(self.rows, WORD(1))
            with cgutils.for_range_slice(builder, start, stop, WORD(1), WORD) as (i, _):
                for column, beside in ((0, 1), (-1, -2)):
                    columns = [WORD(each) if each >= 0 else builder.add(self.columns, WORD(each)) for each in (column, beside)]
                    self.give(i, columns[1], i, columns[0], WORD(lane))

    def give(self, row, column, to_row, to_column, lane):
        builder = self.builder
        own = builder.sub(row, builder.mul(lane, self.height))
        given = builder.load(self.vectors.moved(self.planes[1].at(builder.add(column, lane), own), lane))
        place = self.vectors.moved(self.u, builder.add(builder.mul(to_row, self.apart), to_column))
        builder.store(builder.fadd(builder.load(place), given), place)


def driven(context, builder, arrays, kinds, numbers, make, name, text) -> Any:
    """How many sweeps are done."""
    done = cgutils.alloca_once_value(builder, WORD(0))
    if not has_vectors():
        return builder.load(done)
    rows, columns, weight, steps = numbers
    given = []
    for kind, value in zip(kinds, arrays, strict=True):
        array = context.make_array(kind)(context, builder, value)
        size = cgutils.unpack_tuple(builder, array.shape)
        given += [array.data, size[1]]
    conditions = [
        builder.icmp_signed(">=", rows, WORD(FEWEST_ROWS)),
        builder.icmp_signed(">=", columns, WORD(FEWEST_COLUMNS)),
        builder.icmp_signed(">=", steps, WORD(SWEEPS)),
    ]
    with builder.if_then(builder.and_(builder.and_(*conditions[:2]), conditions[2])):
        def write(name: str) -> Any:
            driver = make(context, builder.module, name, text)
            driver.write()
            return driver.function
        function = once(builder.module, f"{name} {text}", write)
        builder.call(function, [*given, rows, columns, weight, builder.sdiv(steps, WORD(SWEEPS)), done])
    return builder.load(done)


def is_grid(kind: Any) -> bool:
    return isinstance(kind, types.Array) and kind.ndim == 2 and kind.layout == "C" and kind.dtype == types.float64


def literal(text: Any, allowed: Callable[[str], bool]) -> str:
    if not isinstance(text, types.StringLiteral) or not allowed(text.literal_value):
        raise TypingError(f"{text} is no order of terms that is known")
    found: str = text.literal_value
    return found


@intrinsic(prefer_literal=True)
def sweep_grid(typing_context, u, f, rows, columns, weight, steps, order):
    text = literal(order, lambda text: sorted(text) in (sorted("nsew"), sorted("nsewf")))
    if not is_grid(u) or not is_grid(f):
        raise TypingError("no grids")

    def generate(context, builder, signature, arguments):
        return driven(context, builder, arguments[:2], (u, f), arguments[2:6], Forward, "sweep_grid", text)

    return types.int64(u, f, types.int64, types.int64, types.float64, types.int64, order), generate


@intrinsic(prefer_literal=True)
def sweep_grid_back(typing_context, u_bar, f_bar, rows, columns, weight, steps, source):
    text = literal(source, lambda text: text in ("", "f"))
    if not is_grid(u_bar) or not is_grid(f_bar):
        raise TypingError("no grids")

    def generate(context, builder, signature, arguments):
        return driven(context, builder, arguments[:2], (u_bar, f_bar), arguments[2:6], Back, "sweep_grid_back", text)

    return types.int64(u_bar, f_bar, types.int64, types.int64, types.float64, types.int64, source), generate
