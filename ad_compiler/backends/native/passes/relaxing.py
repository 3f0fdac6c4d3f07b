"""Sweeps over a grid in which each cell becomes the weighted sum of its neighbours are done ten at a time.

    for step in range(n):                               done = sweep_grid(u, f, a + 1, b + 1, w, n, "nswef")
        for i in range(1, a):                           for step in range(done, n):
            for j in range(1, b):               ->          for i in range(1, a):
                u[i, j] = w * (                                 for j in range(1, b):
                    u[i - 1, j] + u[i + 1, j]                       ...
                    + u[i, j - 1] + u[i, j + 1] + f[i, j])

`run_time/grid_sweeps.py` goes over the grid in another order, to the same bits, and says how many sweeps it
has done: of small grids, or on other processors, none. The loops do what is left. In the reverse sweep it is
the adjoint of such loops that is looked for. The loop over columns may be the outer one, too: a cell finds
new values above and to the left, and old ones below and to the right, either way.

Legal: `u` is memory of this program's own, so that nothing else is in it; turns of the outer loop are all
alike; what is added is an element of another array at the same place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ad_compiler.backends.native.accessing import alias_roots
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.nests import (
    Allocate,
    Apply,
    Code,
    Comment,
    Define,
    Expression,
    Line,
    Load,
    Repeat,
    Scalar,
    Store,
    codes_in,
    names_in,
    sides,
    text_of,
)
from ad_compiler.backends.native.passes.straight_loops import Index, direction_of

Distances = tuple[int | None, ...]
PLACES: dict[Distances, str] = {(-1, 0): "n", (1, 0): "s", (0, -1): "w", (0, 1): "e"}  # of neighbours


@dataclass(frozen=True, slots=True)
class Relaxation:
    """What sweeps do to a grid: `order` has the terms of the sum, a letter each, "f" for what is added.

    Of the adjoint, where sums are in any order, `source` is the cotangent of what is added.
    """

    grid: str
    cell: Index
    source: str | None
    weight: Expression
    order: str


class Relaxer:
    """Finds such sweeps in a program, and has them done."""

    def __init__(
        self, programs: list[list[Code]], dtypes: dict[str, str], fresh: Callable[[str], str]
    ) -> None:
        self.programs = programs
        self.dtypes = dtypes
        self.fresh = fresh
        self.root = alias_roots(programs)
        codes = [code for program in programs for code in codes_in(program)]
        lines = {name for code in codes if isinstance(code, Line) for name in code.writes}
        self.own = {code.name for code in codes if isinstance(code, Allocate)} - lines

    def run(self) -> None:
        for program in self.programs:
            self.body(program)

    def body(self, body: list[Code]) -> None:
        place = 0
        while place < len(body):
            code = body[place]
            calls = self.calls(code) if isinstance(code, Repeat) else []
            if not calls:
                for inner in sides(code):
                    self.body(inner)
            body[place:place] = calls
            place += 1 + len(calls)

    def calls(self, outer: Repeat) -> list[Code]:
        """What does the first sweeps of a loop, which is left the others; nothing for another loop."""
        loops = rectangular(outer)
        if loops is None:
            return []
        directions = [direction_of(loop) for loop in loops[1:]]
        if directions == [1, 1]:
            name, found = "sweep_grid", relaxation(loops[-1])
        elif directions == [-1, -1] and outer.is_reverse:
            name, found = "sweep_grid_back", adjoint_relaxation(loops[-1])
        else:
            return []
        if found is None or not self.is_legal(found, loops):
            return []
        first, stop = bounds_of(outer)
        counts = {loop.index: bounds_of(loop)[1] + 1 for loop in loops[1:]}
        if found.cell != tuple(map(Affine.of, counts)) and found.cell != tuple(
            map(Affine.of, reversed(counts))
        ):
            return []
        rows, columns = (number.substitute(counts) for number in found.cell)
        done = self.fresh("done")
        given = [found.grid, found.source or found.grid, str(rows), str(columns)]
        given += [text_of(found.weight), str(stop - first), f'"{found.order}"']
        text = f"{done} = {name}({', '.join(given)})"
        left = first + Affine.of(done)
        if direction_of(outer) > 0:
            outer.head = f"for {outer.index} in range({left}, {stop}):"
        else:
            outer.head = f"for {outer.index} in range({stop - 1}, {left - 1}, -1):"
        outer.bounds = left, stop
        changed = {found.grid, done, *([found.source] if found.source and name != "sweep_grid" else [])}
        comment = Comment("# as many sweeps as can be done at once, and then those that are left")
        return [comment, Line(text, names_in(text), frozenset(changed))]

    def is_legal(self, found: Relaxation, loops: list[Repeat]) -> bool:
        """Whether nothing but the sweeps' own statements touches the memory that they change."""
        arrays = [found.grid, *([found.source] if found.source else [])]
        if any(self.dtypes.get(array) != "np.float64" for array in arrays):
            return False
        changed = arrays if loops[0].is_reverse else arrays[:1]
        if not self.own.issuperset(changed) or len({self.root(array) for array in arrays}) < len(arrays):
            return False
        inside = {loop.index for loop in loops} | {
            code.name for code in codes_in(loops[-1].body) if isinstance(code, Define)
        }
        return not inside & names_in(text_of(found.weight))


def rectangular(outer: Repeat) -> list[Repeat] | None:
    """The loops over sweeps, rows and columns, if it is these: the same cells, from 1 on, in every sweep."""
    loops = [outer]
    while len(loops) < 3:
        inner = statements(loops[-1])
        if len(inner) != 1 or not isinstance(inner[0], Repeat):
            return None
        loops.append(inner[0])
    indices = {loop.index for loop in loops}
    if len(indices) < 3 or any(loop.bounds is None for loop in loops):
        return None
    for place, loop in enumerate(loops):
        first, stop = bounds_of(loop)
        if place and first != 1:
            return None
        if any(indices & names_in(text) for number in (first, stop) for text, _ in number.terms):
            return None
    return loops


def bounds_of(loop: Repeat) -> tuple[Affine, Affine]:
    assert loop.bounds is not None
    return loop.bounds


def statements(loop: Repeat) -> list[Code]:
    return [code for code in loop.body if not isinstance(code, Comment)]


def relaxation(loop: Repeat) -> Relaxation | None:
    """`u[i, j] = w * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] + f[i, j])`, in any order."""
    match statements(loop):
        case [Store(operator="=") as store]:
            value = store.value
        case [Define(operator="=") as written, Store(operator="=") as store]:
            if store.value != Scalar(written.name):
                return None
            value = written.value
        case _:
            return None
    here, found = store.index, weighted(value)
    if len(here) != 2 or found is None:
        return None
    weight, total = found
    order, source = "", None
    for term in terms_of(total):
        if not isinstance(term, Load) or len(term.index) != 2:
            return None
        if term.array == store.array:
            order += place_of(term.index, here)
        elif term.index == here and source is None:
            order, source = order + "f", term.array
        else:
            return None
    if "".join(sorted(order)) != ("efnsw" if source else "ensw"):
        return None
    return Relaxation(store.array, here, source, weight, order)


def adjoint_relaxation(loop: Repeat) -> Relaxation | None:
    """`p = w * u_bar[i, j]`, which then is 0, and `p` added to its neighbours and to `f_bar[i, j]`."""
    part, *stores = statements(loop)
    found = weighted(part.value) if isinstance(part, Define) and part.operator == "=" else None
    if found is None or not isinstance(part, Define) or not isinstance(found[1], Load):
        return None
    grid, here = found[1].array, found[1].index
    reached, source = "", None
    for code in stores:
        if not isinstance(code, Store):
            return None
        if code.operator == "=" and text_of(code.value) == "0.0" and (code.array, code.index) == (grid, here):
            reached += "0"
        elif code.operator != "+=" or code.value != Scalar(part.name):
            return None
        elif code.array == grid:
            reached += place_of(code.index, here)
        elif code.index == here and source is None:
            source = code.array
        else:
            return None
    if "".join(sorted(reached)) != "0ensw":
        return None
    return Relaxation(grid, here, source, found[0], "f" if source else "")


def weighted(value: Expression) -> tuple[Expression, Expression] | None:
    """A product as its factors, a scalar and another one; a division by 4 is one, to the last bit."""
    if isinstance(value, Apply) and value.form == "{0} * {1}":
        for first, second in (value.parts, value.parts[::-1]):
            if isinstance(first, Scalar):
                return first, second
    if isinstance(value, Apply) and value.form == "{0} / {1}" and value.parts[1] == Scalar("4.0"):
        return Scalar("0.25"), value.parts[0]
    return None


def terms_of(total: Expression) -> list[Expression]:
    """The terms of a sum that is computed from left to right."""
    if isinstance(total, Apply) and total.form == "{0} + {1}":
        first, second = total.parts
        return [*terms_of(first), second]
    return [total]


def place_of(index: Index, here: Index) -> str:
    """Which neighbour of a cell is at some subscripts; "?" for a cell that is none."""
    distances = tuple((number - own).known for number, own in zip(index, here, strict=True))
    return PLACES.get(distances, "?")
