"""Sweeps over a grid in which each cell becomes the weighted sum of its neighbours are done ten at a time.

    for step in range(n):                     done = sweep_grid(u, u, 1.0, f, a + 1, b + 1, w, -c, n, "nswef")
        for i in range(1, a):                 for step in range(done, n):
            for j in range(1, b):      ->         for i in range(1, a):
                u[i, j] = w * (                       for j in range(1, b):
                    u[i - 1, j] + u[i + 1, j]             ...
                    + u[i, j - 1] + u[i, j + 1] - c * f[i, j])

`run_time/grid_sweeps.py` goes over the grid in another order, to the same bits, and says how many sweeps it
has done: of small grids, or on other processors, none. The loops do what is left. In the reverse sweep it is
the adjoint of such loops that is looked for. The loop over columns may be the outer one, too: a cell finds
new values above and to the left, and old ones below and to the right, either way.

Legal: `u` is memory of this program's own, so that nothing else is in it; turns of the outer loop are all
alike; what is added is an element of another array at the same place, times a number.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import inf, prod
from sys import float_info

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
    loads_in,
    names_in,
    sides,
    text_of,
)
from ad_compiler.backends.native.passes.contracting import factors_of, substituted
from ad_compiler.backends.native.passes.linear import ONE, multiplied, negated, without_minus
from ad_compiler.backends.native.passes.straight_loops import Index, direction_of

Distances = tuple[int | None, ...]
PLACES: dict[Distances, str] = {(-1, 0): "n", (1, 0): "s", (0, -1): "w", (0, 1): "e"}  # of neighbours
CONSTANT = re.compile(r"[0-9.]+(e[+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Relaxation:
    """What sweeps do to a grid.

    `order` has the terms of the sum, a letter each, "f" for the element of `source` times `scale`. Of
    the adjoint, where sums are in any order, it has "+f" if `source`, the cotangent of what is added, is
    added to.
    """

    grid: str
    cell: Index
    source: str | None
    weight: Expression
    scale: Expression
    order: str
    is_adjoint: bool = False

    @property
    def changed(self) -> list[str]:
        return [self.grid, self.source] if self.source and self.is_adjoint else [self.grid]


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
        if set(found.cell) != {Affine.of(index) for index in counts}:
            return []
        rows, columns = (number.substitute(counts) for number in found.cell)
        done = self.fresh("done")
        given = [found.grid, found.grid, "1.0", found.source or found.grid, str(rows), str(columns)]
        given += [text_of(found.weight), text_of(found.scale), str(stop - first), f'"{found.order}"']
        text = f"{done} = {name}({', '.join(given)})"
        left = first + Affine.of(done)
        if direction_of(outer) > 0:
            outer.head = f"for {outer.index} in range({left}, {stop}):"
        else:
            outer.head = f"for {outer.index} in range({stop - 1}, {left - 1}, -1):"
        outer.bounds = left, stop
        comment = Comment("# as many sweeps as can be done at once, and then those that are left")
        return [comment, Line(text, names_in(text), frozenset({done, *found.changed}))]

    def is_legal(self, found: Relaxation, loops: list[Repeat]) -> bool:
        """Whether nothing but the sweeps' own statements touches the memory that they change."""
        arrays = {found.grid, *found.changed, *([found.source] if found.source else [])}
        roots = {self.root(array) for array in arrays}
        if any(self.dtypes.get(array) != "np.float64" for array in arrays) or len(roots) < len(arrays):
            return False
        if not self.own.issuperset(found.changed):
            return False
        inside = {loop.index for loop in loops} | {
            code.name for code in codes_in(loops[-1].body) if isinstance(code, Define)
        }
        return is_invariant(found.weight, inside) and is_invariant(found.scale, inside)


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
    """`u[i, j] = w * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] + c * f[i, j])`, in any order."""
    stores = substituted_body(statements(loop))
    if stores is None or len(stores) != 1 or stores[0].operator != "=":
        return None
    (store,) = stores
    here, found = store.index, weighted(store.value)
    if len(here) != 2 or found is None:
        return None
    weight, total = found
    order, source = "", None
    scale: Expression = ONE
    for sign, term in terms_of(total):
        factor, load = weighted(term) or (ONE, term)
        if not isinstance(load, Load) or len(load.index) != 2:
            return None
        if load.array == store.array and factor == ONE and sign > 0:
            order += place_of(load.index, here)
        elif load.array != store.array and load.index == here and source is None:
            order, source, scale = order + "f", load.array, factor if sign > 0 else negated(factor)
        else:
            return None
    if "".join(sorted(order)) != ("efnsw" if source else "ensw"):
        return None
    return Relaxation(store.array, here, source, weight, scale, order)


def adjoint_relaxation(loop: Repeat) -> Relaxation | None:
    """`u_bar[i, j]` becomes 0; what it was goes, `w` times, to its neighbours, `w * c` times to `f_bar`."""
    stores = substituted_body(statements(loop)) or []
    cleared = [store for store in stores if store.operator == "="]
    if len(cleared) != 1 or text_of(cleared[0].value) != "0.0" or len(cleared[0].index) != 2:
        return None
    grid, here = cleared[0].array, cleared[0].index
    weights: dict[str, Product] = {}
    sources: dict[str, Product] = {}
    for store in stores:
        if store is cleared[0]:
            continue
        product = product_with(Load(grid, here), store)
        if product is None:
            return None
        if store.array == grid:
            weights[place_of(store.index, here)] = product
        elif store.index == here:
            sources[store.array] = product
        else:
            return None
    if len(stores) != 5 + len(sources) or sorted(weights) != ["e", "n", "s", "w"] or len(sources) > 1:
        return None
    weight, *others = weights.values()
    if any(other != weight for other in others):
        return None
    for source, product in sources.items():
        scale = quotient(product, weight)
        return None if scale is None else Relaxation(grid, here, source, weight.expression, scale, "+f", True)
    return Relaxation(grid, here, None, weight.expression, ONE, "", True)


@dataclass(frozen=True, slots=True)
class Product:
    """A product of factors, without their signs."""

    sign: int
    factors: tuple[Expression, ...]

    @property
    def expression(self) -> Expression:
        product: Expression = ONE
        for factor in self.factors:
            product = multiplied(product, factor)
        return product if self.sign > 0 else negated(product)


def product_with(load: Load, store: Store) -> Product | None:
    """What an element is multiplied by in an addition; None if that is something else."""
    sign = {"+=": 1, "-=": -1}.get(store.operator)
    if sign is None:
        return None
    factors = []
    for factor in factors_of(store.value):
        inner = without_minus(factor)
        if isinstance(factor, Scalar) and factor.name.startswith("-"):
            inner = Scalar(factor.name[1:])
        sign *= 1 if inner is None else -1
        factors += factors_of(factor if inner is None else inner)
    if factors.count(load) != 1:
        return None
    factors.remove(load)
    return Product(sign, tuple(factors))


def quotient(product: Product, divisor: Product) -> Expression | None:
    """One product divided by another one, all of whose factors it has, but for constants.

    Those may have been multiplied already: 0.1925 / 0.25, rounded once more, is 0.77 or next to it.
    """
    (constant, factors), (other, others) = constant_and_factors(product), constant_and_factors(divisor)
    for factor in others:
        if factor not in factors:
            return None
        factors.remove(factor)
    scale = constant / other if other else 0.0
    if not float_info.min <= scale < inf:
        return None
    return Product(product.sign * divisor.sign, (Scalar(repr(scale)), *factors)).expression


def constant_and_factors(product: Product) -> tuple[float, list[Expression]]:
    """The product of a product's constants, and what else it is of."""
    constants = [text_of(factor) for factor in product.factors if CONSTANT.fullmatch(text_of(factor))]
    factors = [factor for factor in product.factors if text_of(factor) not in constants]
    return prod(map(float, constants)), factors


def substituted_body(body: list[Code]) -> list[Store] | None:
    """The stores of a turn, with what is computed for them put in; None if anything else happens.

    Nothing reads what has been assigned to.
    """
    known: dict[str, Expression] = {}
    stores: list[Store] = []
    for code in body:
        if not isinstance(code, (Define, Store)):
            return None
        assigned = {store.array for store in stores if store.operator == "="}
        if any(load.array in assigned for load in loads_in(code.value)):
            return None
        value = substituted(code.value, known, {})
        if isinstance(code, Store):
            stores.append(Store(code.array, code.index, value, code.operator))
        elif code.operator != "=" or code.name in known:
            return None
        else:
            known[code.name] = value
    return stores


def weighted(value: Expression) -> tuple[Expression, Expression] | None:
    """A product as two factors, the first without elements; a division by 4 is one, to the last bit."""
    if isinstance(value, Apply) and value.form == "{0} * {1}":
        for first, second in (value.parts, value.parts[::-1]):
            if not any(loads_in(first)):
                return first, second
    if isinstance(value, Apply) and value.form == "{0} / {1}" and value.parts[1] == Scalar("4.0"):
        return Scalar("0.25"), value.parts[0]
    return None


def terms_of(total: Expression) -> list[tuple[int, Expression]]:
    """The terms of a sum that is computed from left to right, with their signs."""
    if isinstance(total, Apply) and total.form in ("{0} + {1}", "{0} - {1}"):
        first, second = total.parts
        return [*terms_of(first), (1 if "+" in total.form else -1, second)]
    return [(1, total)]


def is_invariant(expression: Expression, changing: set[str]) -> bool:
    """Whether it is arithmetic of numbers that do not change, which raises no exception."""
    if isinstance(expression, Apply):
        is_plain = expression.form in ("{0} * {1}", "{0} + {1}", "{0} - {1}", "-{0}")
        return is_plain and all(is_invariant(part, changing) for part in expression.parts)
    return isinstance(expression, Scalar) and not changing & names_in(expression.name)


def place_of(index: Index, here: Index) -> str:
    """Which neighbour of a cell is at some subscripts; "?" for a cell that is none."""
    distances = tuple((number - own).known for number, own in zip(index, here, strict=True))
    return PLACES.get(distances, "?")
