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

Grids are multiples of other arrays, `u = factor * start`, when sweeps begin, and `f_bar` may be zero: so they
need not be filled before (`passes/starting.py`).

That takes vectors and fused products of AVX2; on other processors nothing is done. Blocks of 64 rows, or
multiples of that, have columns that compete for the same places in the cache.
"""
# mypy: allow-untyped-defs, allow-untyped-calls, disable-error-code="misc,call-arg"
# Numba infers the types of these functions, and its decorators have none.

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import config, types
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features
from numba.core.errors import TypingError
from numba.extending import intrinsic

from ad_compiler.backends.native.numba_extensions.disabling import is_disabled
from ad_compiler.backends.native.run_time.grid_drivers import (
    ADDED,
    CLEARED,
    Back,
    Driver,
    Forward,
    Grid,
    once,
)
from ad_compiler.backends.native.run_time.grid_layout import (
    FEWEST_COLUMNS,
    FEWEST_ROWS,
    NUMBER,
    SWEEPS,
)
from ad_compiler.backends.native.run_time.small_matrices import WORD, Matrix, described

MOST_CELLS = 1 << 20  # to bring more of them onto planes, page by page, takes longer than the loops


def has_vectors() -> bool:
    """Whether the processor that is compiled for has what these functions need."""
    given = config.CPU_FEATURES  # type: ignore[attr-defined]
    features = (get_host_cpu_features() if given is None else given).split(",")
    return {"+avx2", "+fma"} <= set(features)


def is_grid(kind: Any) -> bool:
    return isinstance(kind, types.Array) and (kind.ndim, kind.layout, kind.dtype) == (2, "C", types.float64)


def implemented(given: tuple[Any, ...], make: type[Driver], known: Callable[[str], bool]) -> Any:
    """The signature of a function of these arguments, and what writes a call of it."""
    text = literal(given[-1], known)
    grid, start, _, source, *_ = given

    def generate(context, builder, signature, arguments):
        done = cgutils.alloca_once_value(builder, WORD(0))
        if not (is_grid(grid) and is_grid(source) and has_vectors()):
            return builder.load(done)
        rows, columns, weight, scale, steps = arguments[4:9]
        bounds = [(rows, WORD(FEWEST_ROWS)), (columns, WORD(FEWEST_COLUMNS)), (steps, WORD(SWEEPS))]
        bounds.append((WORD(MOST_CELLS), builder.mul(rows, columns)))
        grids = [
            Grid(builder, array.data, *cgutils.unpack_tuple(builder, array.shape))
            for kind, value in ((grid, arguments[0]), (source, arguments[3]))
            for array in [context.make_array(kind)(context, builder, value)]
        ]
        for number, array in enumerate(grids):
            if number == 0 or "f" in text:
                least = [builder.sub(count, WORD(number)) for count in (rows, columns)]
                bounds += zip(array.lengths, least, strict=True)
        # a larger weight of what is added could be too large for a number where that of the sum is not
        is_done = builder.and_(
            builder.fcmp_ordered(">=", weight, NUMBER(-1.0)), builder.fcmp_ordered("<=", weight, NUMBER(1.0))
        )
        for length, bound in bounds:
            is_done = builder.and_(is_done, builder.icmp_signed(">=", length, bound))
        with builder.if_then(is_done):
            first = started(context, builder, grids[0], start, arguments[1])
            handed = [each for array in (grids[0], first, grids[1]) for each in (array.data, *array.lengths)]
            name = f"{make.__name__} sweeps of grid {text}"

            def written() -> Any:
                driver = make(context, builder.module, name, text)
                driver.write()
                return driver.function

            passes = builder.sdiv(steps, WORD(SWEEPS))
            function = once(builder.module, name, written)
            numbers = [arguments[2], rows, columns, weight, scale, passes]
            builder.call(function, [*handed, *numbers, done])
        return builder.load(done)

    numbers = (types.int64, types.int64, types.float64, types.float64, types.int64)
    return types.int64(grid, start, types.float64, source, *numbers, given[9]), generate


def started(context: Any, builder: Any, grid: Grid, kind: Any, value: Any) -> Grid:
    """What a grid is a multiple of; where that has other rows than grids have, it is copied to the grid."""
    if is_grid(kind):
        array = context.make_array(kind)(context, builder, value)
        return Grid(builder, array.data, *cgutils.unpack_tuple(builder, array.shape))
    start = Matrix(builder, *described(context, builder, kind, value))
    rows, columns = (cgutils.for_range(builder, length) for length in grid.lengths)
    with rows as row, columns as column:
        cell = row.index, column.index
        builder.store(builder.load(start.at(*cell)), grid.at(cell))
    return grid


def literal(text: Any, known: Callable[[str], bool]) -> str:
    value = text.literal_value if isinstance(text, types.StringLiteral) else None
    if value is None or not known(value):
        raise TypingError(f"{text} is not known while compiling, or does not say what the terms are")
    found: str = value
    return found


@intrinsic(prefer_literal=True)
def sweep_grid(typing_context, u, start, factor, f, rows, columns, weight, scale, steps, order):
    """Make `u` of `factor * start`, and do as many as can be done of a number of sweeps over its first rows
    and columns.

    Returns how many that is: if it is 0, `u` has yet to be made. `start` has the lengths of `u`, and may be
    it. `order` says from left to right what is added up: the cell above, "n", below, "s", to the right, "e",
    and to the left, "w", and scale * f[i, j], "f". Without it, `f` is not read; else it does not overlap `u`.
    """
    given = (u, start, factor, f, rows, columns, weight, scale, steps, order)
    return implemented(given, Forward, lambda text: "".join(sorted(text)) in ("ensw", "efnsw"))


@intrinsic(prefer_literal=True)
def sweep_grid_back(typing_context, u_bar, start, factor, f_bar, rows, columns, weight, scale, steps, source):
    """Make `u_bar` of `factor * start`, and do the adjoint of as many as can be done of the last ones of a
    number of sweeps.

    Returns how many that is: if it is 0, everything has yet to be done. `source` says whether something was
    added: then the parts, times the scale, are added to its cotangent, "+f", or that is made of them, and of
    zeros, "=f". With "", `f_bar` is left alone.
    """
    given = (u_bar, start, factor, f_bar, rows, columns, weight, scale, steps, source)
    return implemented(given, Back, lambda text: text in ("", ADDED, CLEARED))


def nothing_done(*given: Any) -> int:
    """Where loops run as Python."""
    return 0


if is_disabled():
    sweep_grid = sweep_grid_back = nothing_done  # type: ignore[assignment]
