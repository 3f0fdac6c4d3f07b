"""Additions into neighbours become sums over neighbours: each element is written once.

    for i in range(n):                      a[0] += p[0]
        a[i] += p[i]                ->      for i in range(n - 1):
    for i in range(n):                          a[i + 1] += p[i + 1] + p[i]
        a[i + 1] += p[i]                    a[n] += p[n - 1]

That is what the adjoint of a stencil is made of. A run of nests over the same loops, which add to (the first
may also assign to) one array at constant distances from the subscripts of the loops, becomes one nest over
the elements that all of them reach, and what stands in front of and behind it, axis by axis. If what they
add is an array of one cheap expression, that is computed where it is read. The lengths must be at least the
distance between the farthest neighbours, which is checked in front of everything.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ad_compiler.backends.native.accessing import accesses, alias_roots, is_check
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.nests import (
    Allocate,
    Apply,
    Choice,
    Code,
    Comment,
    Expression,
    Leaf,
    Load,
    Loops,
    Nest,
    Repeat,
    Scalar,
    Store,
    codes_in,
    loads_in,
    map_leaves,
    moved,
    names_in,
    size_of,
    texts_in,
)

CHEAP = 2  # operations of an expression that is computed again for each neighbour
FARTHEST = 8  # distance of the farthest neighbours
MOST = 125  # statements that are written for the inner elements and for those at the ends of the axes
ADD, MULTIPLY, UNARY = 9, 11, 12

Index = tuple[Affine, ...]


@dataclass(eq=False, slots=True)
class Addition:
    """One of the nests: what it adds, with which sign, and how far from its loops' subscripts."""

    value: Expression
    operator: str
    distances: tuple[int, ...]  # by loop


@dataclass(eq=False, slots=True)
class Run:
    """Nests over the same loops that add to one array."""

    array: str
    loops: Loops
    axes: tuple[int, ...]  # of the array, by loop
    index: Index  # of the first addition
    additions: list[Addition]


class Gatherer:
    """Rewrites the runs of a program."""

    def __init__(
        self,
        programs: list[list[Code]],
        outputs: list[str],
        require_nonnegative: Callable[[Affine], bool],
    ) -> None:
        self.programs = programs
        self.outputs = outputs
        self.require_nonnegative = require_nonnegative
        self.root = alias_roots(programs)

    def run(self) -> None:
        for program in self.programs:
            self.body(program)

    def body(self, body: list[Code]) -> None:
        place = 0
        while place < len(body):
            code = body[place]
            if isinstance(code, Repeat):
                self.body(code.body)
            elif isinstance(code, Nest):
                found, end = self.run_from(body, place)
                if found is not None:
                    made = self.gathered(body, place, end, found)
                    if made is not None:
                        place = made
                        continue
            place += 1

    def run_from(self, body: list[Code], place: int) -> tuple[Run | None, int]:
        """The run that starts at a nest, and where it ends."""
        run: Run | None = None
        end = place
        for position in range(place, len(body)):
            code = body[position]
            if isinstance(code, Comment) or is_check(code):
                continue
            if not isinstance(code, Nest) or not self.extends(run, code):
                break
            made = self.as_run(code)
            if made is None:
                break
            if run is None:
                run = made
            else:
                run.additions += made.additions
            end = position + 1
        if run is None or len({each.distances for each in run.additions if each.operator != "="}) < 2:
            return None, end
        return run, end

    def extends(self, run: Run | None, code: Nest) -> bool:
        """Whether a nest adds to the array of the run, over its loops."""
        made = self.as_run(code)
        if made is None or run is None:
            return made is not None
        return (
            made.array == run.array
            and made.loops == run.loops
            and made.axes == run.axes
            and made.additions[0].operator != "="
            and all(
                a == b
                for axis, (a, b) in enumerate(zip(made.index, run.index, strict=True))
                if axis not in run.axes
            )
        )

    def as_run(self, code: Nest) -> Run | None:
        stores = [each for each in code.body if isinstance(each, Store)]
        if len(stores) != 1 or not all(isinstance(each, (Store, Comment)) for each in code.body):
            return None
        (store,) = stores
        names = [name for name, _ in code.loops]
        axes, distances = [], []
        for name in names:
            places = [n for n, number in enumerate(store.index) if name in dict(number.terms)]
            if len(places) != 1:
                return None
            rest = store.index[places[0]] - Affine.of(name)
            if rest.known is None:
                return None
            axes.append(places[0])
            distances.append(rest.known)
        if len(set(axes)) < len(axes) or not self.is_plain(store, set(names)):
            return None
        addition = Addition(store.value, store.operator, tuple(distances))
        return Run(store.array, code.loops, tuple(axes), store.index, [addition])

    def is_plain(self, store: Store, names: set[str]) -> bool:
        """Whether the value is made of elements of other arrays at sums of the subscripts."""
        loads = list(loads_in(store.value))
        if any(self.root(load.array) == self.root(store.array) for load in loads):
            return False
        numbers = [number for load in loads for number in load.index]
        if not all(name.isidentifier() for number in numbers for name, _ in number.terms):
            return False
        return not any(names & names_in(text) for text in texts_in(store.value))

    def gathered(self, body: list[Code], place: int, end: int, run: Run) -> int | None:
        """Replace a run; the place behind what stands for it, or None where it must stay."""
        extents = [extent for _, extent in run.loops]
        spans = [
            max(each.distances[n] for each in run.additions)
            - min(each.distances[n] for each in run.additions)
            for n in range(len(run.loops))
        ]
        if max(spans) > FARTHEST or math.prod(2 * span + 1 for span in spans) > MOST:
            return None
        if not all(self.require_nonnegative(e - s) for e, s in zip(extents, spans, strict=True)):
            return None
        taken = body[place:end]
        self.inline(body, place, taken, run)
        place = next(n for n, code in enumerate(body) if code is taken[0])
        kept = [code for code in taken if not isinstance(code, Nest)]
        made = self.codes(run, run.additions, 0, {}, {})
        body[place : place + len(taken)] = [*kept, *made]
        return place + len(kept) + len(made)

    def inline(self, body: list[Code], place: int, taken: list[Code], run: Run) -> None:
        """Compute where it is read what is an array only for the additions to read."""
        arrays = {load.array for each in run.additions for load in loads_in(each.value)}
        for array in sorted(arrays):
            made = self.definition(body[:place], array, self.root(run.array))
            if made is None:
                continue
            nest, store = made
            if self.is_used_outside([nest, *taken], array):
                continue
            names = [name for name, _ in nest.loops]
            for each in run.additions:
                each.value = inlined(each.value, store, names)
            body[:] = [code for code in body if code is not nest and not is_allocation(code, array)]
            place = next(
                n for n, code in enumerate(body) if isinstance(code, Nest) and code.loops is run.loops
            )

    def definition(self, before: list[Code], array: str, target: str) -> tuple[Nest, Store] | None:
        """The nest that computes every element of an array, if what it reads stays what it is."""
        changed = {target}
        for code in reversed(before):
            if isinstance(code, Nest) and len(code.body) == 1 and isinstance(code.body[0], Store):
                store = code.body[0]
                if store.array == array:
                    index = tuple(Affine.of(name) for name, _ in code.loops)
                    read = {self.root(load.array) for load in loads_in(store.value)}
                    scalars = {name for text in texts_in(store.value) for name in names_in(text)}
                    is_plain = (
                        store.operator == "="
                        and store.index == index
                        and size_of(store.value) <= CHEAP
                        and self.is_plain(store, {name for name, _ in code.loops})
                        and not (read | scalars) & changed
                    )
                    is_own = any(is_allocation(each, array) for each in before)
                    return (code, store) if is_plain and is_own else None
            if not isinstance(code, (Comment, Nest, Allocate)) and not is_check(code):
                return None
            changed |= {self.root(a.name) for a in accesses(code) if a.kind != "read"}
        return None

    def is_used_outside(self, nests: list[Code], array: str) -> bool:
        """Whether an array, its allocation left out, occurs outside of these."""
        if any(array in names_in(text) for text in self.outputs):
            return True
        left_out = set(codes_in(nests))
        for program in self.programs:
            for code in codes_in(program):
                if isinstance(code, (Nest, Choice, Repeat)) or is_allocation(code, array) or code in left_out:
                    continue
                if any(access.name == array for access in accesses(code)):
                    return True
        return False

    def codes(
        self,
        run: Run,
        active: list[Addition],
        axis: int,
        places: dict[int, Affine],
        turns: dict[str, Callable[[Addition], Affine]],
    ) -> list[Code]:
        """The elements at the places chosen so far, axis by axis: the first, the inner, the last."""
        if axis == len(run.loops):
            return [self.sum(run, active, places, turns)]
        name, extent = run.loops[axis]
        distances = [each.distances[axis] for each in active]
        low, high = min(distances), max(distances)

        def at(place: Affine, here: list[Addition]) -> list[Code]:
            def turn(addition: Addition) -> Affine:
                return place - addition.distances[axis]

            return self.codes(run, here, axis + 1, {**places, axis: place}, {**turns, name: turn})

        made: list[Code] = []
        for place in range(low, high):
            made += at(Affine.of(place), [each for each in active if each.distances[axis] <= place])
        inner = at(Affine.of(name) + high, active)
        made.append(Nest([(name, extent - (high - low))], inner))
        for place in range(low, high):
            made += at(extent + place, [each for each in active if each.distances[axis] > place])
        return made

    def sum(
        self,
        run: Run,
        active: list[Addition],
        places: dict[int, Affine],
        turns: dict[str, Callable[[Addition], Affine]],
    ) -> Code:
        """One element: what is assigned to it, and the sum of what is added."""
        index = list(run.index)
        for axis, place in places.items():
            index[run.axes[axis]] = place
        operator, total, signs = "+=", None, [each.operator for each in active]
        values = [moved(each.value, {name: turn(each) for name, turn in turns.items()}) for each in active]
        if signs[0] == "=":
            operator = "="
            if is_zero(values[0]) and len(values) > 1:
                signs, values = signs[1:], values[1:]
        if operator == "+=" and set(signs) == {"-="}:
            operator, signs = "-=", ["+="] * len(signs)
        factor = common_factor(values) if len(values) > 1 and signs[0] != "-=" else None
        if factor is not None:
            values = [value.parts[1] for value in values if isinstance(value, Apply)]
        for sign, value in zip(signs, values, strict=True):
            if total is None:
                total = Apply("-{0}", (value,), UNARY, (UNARY,)) if sign == "-=" else value
            else:
                symbol = "-" if sign == "-=" else "+"
                total = Apply(f"{{0}} {symbol} {{1}}", (total, value), ADD, (ADD, ADD + 1))
        assert total is not None
        if factor is not None:
            total = Apply("{0} * {1}", (factor, total), MULTIPLY, (MULTIPLY, MULTIPLY + 1))
        return Store(run.array, tuple(index), total, operator)


def is_allocation(code: Code, array: str) -> bool:
    return isinstance(code, Allocate) and code.name == array


def is_zero(expression: Expression) -> bool:
    return isinstance(expression, Scalar) and expression.name == "0.0"


def common_factor(values: list[Expression]) -> Expression | None:
    """The number by which all values are multiplied, if it is one."""
    first = values[0]
    if not isinstance(first, Apply) or first.form != "{0} * {1}" or not isinstance(first.parts[0], Scalar):
        return None
    if all(
        isinstance(value, Apply) and value.form == first.form and value.parts[0] == first.parts[0]
        for value in values
    ):
        return first.parts[0]
    return None


def inlined(expression: Expression, store: Store, names: list[str]) -> Expression:
    """With the elements of an array replaced by what they are."""

    def leaf(given: Leaf) -> Expression:
        if isinstance(given, Load) and given.array == store.array:
            return moved(store.value, dict(zip(names, given.index, strict=True)))
        return given

    return map_leaves(leaf, expression)
