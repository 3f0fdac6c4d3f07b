"""Loops of the user's that add up products become products of matrices.

    for i in range(n):                              for i in range(n):
        for j in range(m):                              for k in range(p):
            for k in range(p):              ->              left[i, k] = a[i + k]
                c[i, j] += a[i + k] * b[k, j]       ...
                                                    product_of_matrices(left, right, product)
                                                    for i in range(n):
                                                        for j in range(m):
                                                            c[i, j] += product[i, j]

Loops whose index the target shares with the first factor are the rows, those it shares with the second one
the columns, and those of both factors alone are summed over. The factors are copied into matrices, whatever
their subscripts are (those of a window of a convolution overlap: the copy is known as im2col), and the
product is added to the target element by element, whose subscripts may overlap, too. Of each of the three
kinds the innermost two loops take part; the others stay around, so that the copies stay in the cache.

Nothing but the order of the sums changes: every loop nest is rectangular, does nothing but such additions,
and reads nothing that it writes.
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
    Leaf,
    Line,
    Load,
    Loops,
    Nest,
    Repeat,
    Scalar,
    Store,
    map_leaves,
    moved,
    sides,
)

KEPT = 2  # how many loops of each kind become an axis of a matrix
REALS = ("np.float64", "np.float32")

Index = tuple[Affine, ...]


@dataclass(eq=False, slots=True)
class Addition:
    """`target[index] += scale * first * second`, inside of loops that start at 0."""

    store: Store
    first: Load
    second: Load
    scale: Expression | None
    rows: Loops
    columns: Loops
    summed: Loops
    outer: Loops


class Contractor:
    """Finds such loops in a program, and writes the products."""

    def __init__(
        self,
        programs: list[list[Code]],
        dtypes: dict[str, str],
        fresh: Callable[[str], str],
        length_of: Callable[[Affine], Affine],
    ) -> None:
        self.programs = programs
        self.root = alias_roots(programs)
        self.dtypes = dtypes
        self.fresh = fresh
        self.length_of = length_of

    def run(self) -> None:
        for program in self.programs:
            self.body(program)

    def body(self, body: list[Code]) -> None:
        """Replace the loops of a list of statements, in place."""
        result: list[Code] = []
        for code in body:
            written = self.products(code) if isinstance(code, Repeat) else None
            if written is None:
                for inner in sides(code):
                    self.body(inner)
                result.append(code)
            else:
                result += written
        body[:] = result

    def products(self, code: Repeat) -> list[Code] | None:
        """What stands for a nest of loops, if it is one of additions of products."""
        loops: Loops = []
        shift: dict[str, Affine] = {}
        comments: list[Code] = []
        body: list[Code] = [code]
        while len(statements(body)) == 1 and isinstance(statements(body)[0], Repeat):
            comments += [each for each in body if isinstance(each, Comment)]
            (loop,) = statements(body)
            assert isinstance(loop, Repeat)
            if loop.bounds is None:
                return None
            start, stop = loop.bounds
            loops.append((loop.index, stop - start))
            shift[loop.index] = Affine.of(loop.index) + start
            body = loop.body
        comments += [each for each in body if isinstance(each, Comment)]
        names = {name for name, _ in loops}
        if len(loops) < 3 or any(set(text_names(extent)) & names for _, extent in loops):
            return None
        loops = [(name, self.length_of(extent)) for name, extent in loops]
        found = self.additions(statements(body), loops, shift)
        if found is None:
            return None
        return [*comments, *(made for each in found for made in self.written(each))]

    def additions(self, body: list[Code], loops: Loops, shift: dict[str, Affine]) -> list[Addition] | None:
        known: dict[str, Expression] = {}
        found: list[Addition] = []
        for code in body:
            if isinstance(code, Define) and code.operator == "=" and code.name not in known:
                known[code.name] = substituted(code.value, known, shift)
                continue
            if not isinstance(code, Store) or code.operator not in ("+=", "-="):
                return None
            index = tuple(each.substitute(shift) for each in code.index)
            store = Store(code.array, index, substituted(code.value, known, shift), code.operator)
            made = self.addition(store, loops)
            if made is None:
                return None
            found.append(made)
        written = [self.root(each.store.array) for each in found]
        read = {self.root(load.array) for each in found for load in (each.first, each.second)}
        if not found or len(set(written)) < len(written) or set(written) & read:
            return None
        return found

    def addition(self, store: Store, loops: Loops) -> Addition | None:
        factors = factors_of(store.value)
        loads = [each for each in factors if isinstance(each, Load)]
        scales = [each for each in factors if not isinstance(each, Load)]
        names = {name for name, _ in loops}
        if len(loads) != 2 or not all(isinstance(each, Scalar) for each in scales):
            return None
        if any(isinstance(each, Scalar) and each.name in names for each in scales):
            return None
        dtypes = {self.dtypes.get(name, "") for name in (store.array, loads[0].array, loads[1].array)}
        if len(dtypes) != 1 or not dtypes <= set(REALS):
            return None
        places = [used(index, names) for index in (store.index, loads[0].index, loads[1].index)]
        if any(place is None for place in places):
            return None
        target, a, b = (place or set() for place in places)
        first, second = loads
        order = [name for number in store.index for name, _ in number.terms if name in names]
        if not all((target, a, b)) or order[0] not in a:  # the rows are what comes first in the target
            (first, a), (second, b) = (second, b), (first, a)
        kinds: dict[str, Loops] = {"rows": [], "columns": [], "summed": [], "outer": []}
        for loop in loops:
            seen = (loop[0] in target, loop[0] in a, loop[0] in b)
            kind = KINDS.get(seen)
            if kind is None:
                return None
            kinds[kind].append(loop)
        if not (kinds["rows"] and kinds["columns"] and kinds["summed"]):
            return None
        for kind in ("rows", "columns", "summed"):
            kinds["outer"] += kinds[kind][:-KEPT]
            kinds[kind] = kinds[kind][-KEPT:]
        kinds["outer"].sort(key=loops.index)
        scale: Expression | None = None
        for each in scales:
            scale = each if scale is None else Apply("{0} * {1}", (scale, each), 11, (11, 12))
        return Addition(store, first, second, scale, **kinds)

    def written(self, found: Addition) -> list[Code]:
        """The copies, the product and its addition, in the loops that stay around."""
        rows, columns, summed, outer = found.rows, found.columns, found.summed, found.outer
        scaled: Expression = found.first
        if found.scale is not None:
            scaled = Apply("{0} * {1}", (found.scale, found.first), 11, (11, 12))
        left = self.copied("left", found.first, scaled, rows, summed, outer)
        right = self.copied("right", found.second, found.second, summed, columns, outer)
        product = self.fresh("product")
        place = [*rows, *columns]
        target, index = found.store.array, found.store.index
        along = along_of(index, rows[0], outer[-1:])
        whole = [self.lengthened(rows[0], outer[-1][1]), *place[1:]] if along else place
        part = sliced(product, along, rows[0]) if along else product
        call = Line(
            f"{'add_' * bool(along)}product_of_matrices"
            f"({left.text}, {right.text}, {matrix(part, rows, columns)})",
            reads=frozenset({left.name, right.name, *([product, along] if along else [])}),
            writes=frozenset({product}),
        )
        zeros = Nest(whole, [Store(product, indices(whole), Scalar("0.0"))])
        added = Store(target, without(index, along), Load(product, indices(whole)), found.store.operator)
        inner: list[Code] = [call] if along else [call, Nest(whole, [added])]
        pending = [left, right]
        for depth in range(len(outer), -1, -1):  # a copy is made as far outside as it can be
            around = {outer[depth - 1][0]} if depth else set()
            here = [
                copy for copy in pending if not around or around & (used(copy.source.index, around) or set())
            ]
            pending = [copy for copy in pending if copy not in here]
            inner = [*(copy.nest for copy in here), *inner]
            if depth:
                inner = [Nest([outer[depth - 1]], inner)]
            if along and depth == len(outer):
                inner = [zeros, *inner, Nest(whole, [added])]
        dtype = self.dtypes[target]
        arrays = ((left.name, left.nest.loops), (right.name, right.nest.loops), (product, whole))
        made = [Allocate(name, tuple(extent for _, extent in loops), dtype) for name, loops in arrays]
        return [*made, *inner]

    def lengthened(self, loop: tuple[str, Affine], by: Affine) -> tuple[str, Affine]:
        return loop[0], self.length_of(loop[1] + by - 1)

    def copied(
        self, name: str, source: Load, part: Expression, first: Loops, second: Loops, outer: Loops
    ) -> Copy:
        """A factor as a matrix of `first` by `second`, in memory in the order it is read in."""
        name = self.fresh(name)
        order = [index for number in source.index for index, _ in number.terms]
        turned = last_of(order, [*first, *second]) in [index for index, _ in first]
        loops = [*second, *first] if turned else [*first, *second]
        along = along_of(source.index, loops[0], outer)
        text = name
        if along:
            text = sliced(name, along, loops[0])
            loops = [self.lengthened(loops[0], dict(outer)[along]), *loops[1:]]
            source = Load(source.array, without(source.index, along))
            part = moved(part, {along: Affine()})
        text = matrix(text, second, first) + ".T" if turned else matrix(text, first, second)
        return Copy(name, source, text, Nest(loops, [Store(name, indices(loops), part)]))


@dataclass(eq=False, slots=True)
class Copy:
    """A factor's copy: its name, what is copied, how it is written as a matrix, and the loops."""

    name: str
    source: Load
    text: str
    nest: Nest


KINDS = {  # whether an index occurs in the target, the first and the second factor
    (True, True, False): "rows",
    (True, False, True): "columns",
    (False, True, True): "summed",
    (True, True, True): "outer",
}


def statements(body: list[Code]) -> list[Code]:
    return [code for code in body if not isinstance(code, Comment)]


def text_names(number: Affine) -> list[str]:
    from ad_compiler.backends.native.lowering.tapes import names

    return names(number)


def used(index: Index, names: set[str]) -> set[str] | None:
    """The loops whose index a subscript depends on; None where it is not a sum of names."""
    found: set[str] = set()
    for number in index:
        for name, _ in number.terms:
            if not name.isidentifier():
                return None
            if name in names:
                found.add(name)
    return found


def along_of(index: Index, loop: tuple[str, Affine], outer: Loops) -> str:
    """The loop around whose turns move a window along the axis of `loop`, whose next places overlap."""
    for name, _ in outer:
        places = [number for number in index if dict(number.terms).keys() & {name, loop[0]}]
        if len(places) == 1 and all(dict(places[0].terms).get(each) == 1 for each in (name, loop[0])):
            return name
    return ""


def without(index: Index, name: str) -> Index:
    return tuple(number.substitute({name: Affine()}) for number in index)


def sliced(array: str, along: str, loop: tuple[str, Affine]) -> str:
    return f"{array}[{along} : {along} + {loop[1]}]"


def last_of(order: list[str], loops: Loops) -> str:
    names = [name for name, _ in loops]
    return next(index for index in reversed(order) if index in names)


def indices(loops: Loops) -> Index:
    return tuple(Affine.of(name) for name, _ in loops)


def matrix(name: str, first: Loops, second: Loops) -> str:
    """The array as a matrix."""
    if len(first) == len(second) == 1:
        return name
    return f"{name}.reshape(({size(first)}, {size(second)}))"


def size(loops: Loops) -> str:
    extents = [str(extent) if extent.is_simple else f"({extent})" for _, extent in loops]
    return " * ".join(extents) if len(extents) > 1 else str(loops[0][1])


def factors_of(expression: Expression) -> list[Expression]:
    if isinstance(expression, Apply) and expression.form == "{0} * {1}":
        return [factor for part in expression.parts for factor in factors_of(part)]
    return [expression]


def substituted(expression: Expression, known: dict[str, Expression], shift: dict[str, Affine]) -> Expression:
    """With scalars replaced by what they are, and the indices of loops counted from 0."""

    def leaf(given: Leaf) -> Expression:
        if isinstance(given, Scalar):
            return known.get(given.name, given)
        if isinstance(given, Load):
            return Load(given.array, tuple(each.substitute(shift) for each in given.index))
        return given

    return map_leaves(leaf, expression)
