"""An array that is another one with a border is not made: its readers read the other one, or the border.

    b[0] = 0.0
    for i in range(n):                      for i in range(n):
        b[i + 1] = x[i]             ->          y[i] = (0.0 if i < 1 else x[i - 1]) + x[i]
    for i in range(n):
        y[i] = b[i] + b[i + 1]

`np.concatenate` of a few parts is such an array; stencils are fed with them. Reading where the elements come
from is index-set splitting (Allen and Kennedy, Optimizing Compilers for Modern Architectures, section 5.7)
with the conditions left in the loop: compilers make masks of them, which cost less than the copy.

Legal: the parts, which are copies and numbers, fill the array from end to end along one axis; all that reads
it are nests behind them, up to which nothing changes in what they copy.

Profitable: where it is read a few times only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ad_compiler.backends.native.accessing import accesses, alias_roots, uses_of
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.nests import (
    Allocate,
    Apply,
    Choice,
    Code,
    Comment,
    Define,
    Expression,
    Leaf,
    Load,
    Loops,
    Nest,
    Scalar,
    Store,
    Whole,
    loads_in,
    map_expressions,
    map_leaves,
    moved,
    sides,
)
from ad_compiler.backends.native.scalars import COMPARE, choice

PARTS, READERS = 3, 3
DOUBLE = "np.float64"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an array: what it copies in the turns of its loops, and where those stand in the array."""

    loops: Loops
    index: tuple[Affine, ...]
    value: Expression

    def span(self, axis: int) -> tuple[Affine, Affine] | None:
        """Where it starts and ends along an axis; None if that is no loop and no single place."""
        number = self.index[axis]
        for name, extent in self.loops:
            if name in dict(number.terms):
                start = number - Affine.of(name)
                is_plain = not any(name in dict(start.terms) for name, _ in self.loops)
                return (start, start + extent) if is_plain else None
        return number, number + 1

    def at(self, index: tuple[Affine, ...]) -> Expression:
        """What stands at a place of the array."""
        turns: dict[str, Affine] = {}
        for own, number in zip(self.index, index, strict=True):
            for name, _ in self.loops:
                if name in dict(own.terms):
                    turns[name] = number - (own - Affine.of(name))
        return moved(self.value, turns)


@dataclass(frozen=True, slots=True)
class Bordered:
    """An array of a few parts along an axis, the ends of which are given."""

    name: str
    axis: int
    parts: list[Part]
    ends: list[Affine]

    def element(self, index: tuple[Affine, ...], loops: Loops) -> Expression:
        """What stands at a place, in a turn of these loops; behind all of them where there is no turn."""
        number = index[self.axis]
        result: Expression | None = None
        for part, end in reversed(list(zip(self.parts, self.ends, strict=True))):
            if result is not None and is_nonnegative(number - end, loops):
                break  # it never lies so far in front
            if result is None or is_nonnegative(end - 1 - number, loops):
                result = part.at(index)
            else:
                shift = min(number.constant, end.constant)
                compared = Whole(number - shift), Whole(end - shift)
                condition = Apply("{0} < {1}", compared, COMPARE, (COMPARE + 1,) * 2)
                result = choice(condition, part.at(index), result)
        assert result is not None
        return result

    def in_expression(self, expression: Expression, loops: Loops) -> Expression:
        """An expression in a turn of these loops, with the elements where they come from."""

        def leaf(given: Leaf) -> Expression:
            if isinstance(given, Load) and given.array == self.name:
                return self.element(given.index, loops)
            return given

        return map_leaves(leaf, expression)


def is_nonnegative(number: Affine, loops: Loops) -> bool:
    """Whether a number is at least 0 in all turns of loops.

    >>> i, n = Affine.of("i"), Affine.of("n")
    >>> is_nonnegative(i + 1, [("i", n)]), is_nonnegative(n - i - 1, [("i", n)]), is_nonnegative(i - 1, [])
    (True, True, False)
    """
    for name, extent in loops:
        factor = dict(number.terms).get(name, 0)
        if factor < 0:  # least in the last turn
            number = number.substitute({name: extent - 1})
        elif factor > 0:
            number = number - Affine.of(name) * factor
    return not number.terms and number.constant >= 0


class Borderer:
    """Rewrites the readers of such arrays in a program."""

    def __init__(self, programs: list[list[Code]], dtypes: dict[str, str], outputs: list[str]) -> None:
        self.programs = programs
        self.dtypes = dtypes
        self.root = alias_roots(programs)
        self.uses = uses_of(programs, outputs)
        self.touched: dict[Code, set[str]] = {}

    def run(self) -> None:
        for program in self.programs:
            self.body(program)

    def body(self, body: list[Code]) -> None:
        for code in body:
            for inner in sides(code):
                self.body(inner)
        for code in list(body):
            if isinstance(code, Allocate) and code.dtype == DOUBLE:
                self.array(body, code)

    def touches(self, code: Code, name: str) -> bool:
        found = self.touched.get(code)
        if found is None:
            found = self.touched[code] = {access.name for access in accesses(code)}
        return name in found

    def array(self, body: list[Code], made: Allocate) -> None:
        """Leave an array out, if it is one with a border."""
        touching = [code for code in body if self.touches(code, made.name)]
        parts = [self.part(code, made.name) for code in touching[1:]]
        count = next((place for place, part in enumerate(parts) if part is None), len(parts))
        writers, readers = touching[1 : count + 1], touching[count + 1 :]
        bordered = in_order(made, [part for part in parts[:count] if part is not None])
        if touching[0] is not made or bordered is None or not readers:
            return
        if not all(isinstance(code, Nest) for code in readers):
            return
        if not self.is_legal(body, bordered, touching):
            return
        for code in readers:
            assert isinstance(code, Nest)
            code.body[:] = [map_expressions(bordered.in_expression, each, code.loops) for each in code.body]
        self.touched.clear()
        gone = [made, *writers]
        body[:] = [code for code in body if not any(code is each for each in gone)]

    def part(self, code: Code, name: str) -> Part | None:
        """What a statement puts into an array, if it copies doubles or is a number."""
        loops, body = (code.loops, code.body) if isinstance(code, Nest) else ([], [code])
        stores = [each for each in body if not isinstance(each, Comment)]
        if len(stores) != 1 or not isinstance(store := stores[0], Store):
            return None
        value = store.value
        if any(sum(name in dict(each.terms) for each in store.index) != 1 for name, _ in loops):
            return None
        if isinstance(value, Load):
            is_copy = value.array != name and self.dtypes.get(value.array) == DOUBLE
        else:
            is_copy = isinstance(value, Scalar) and value.name.replace(".", "").isdecimal()
        is_part = is_copy and store.array == name and store.operator == "="
        return Part(loops, store.index, value) if is_part else None

    def is_legal(self, body: list[Code], bordered: Bordered, touching: list[Code]) -> bool:
        """Whether it is read by elements only, a few times, and what it copies does not change until then."""
        name, readers = bordered.name, touching[len(bordered.parts) + 1 :]
        found = [access for code in touching for access in accesses(code) if access.name == name]
        read = [load for code in readers for load in loads_of(code) if load.array == name]
        if len(found) != self.uses[name] or len(read) > READERS:
            return False
        if len(found) != 1 + len(bordered.parts) + len(read):  # some of it is written or given away
            return False
        writers = touching[1 : len(bordered.parts) + 1]
        own = {loop for part in bordered.parts for loop, _ in part.loops}
        copied = {self.root(access.name) for code in writers for access in accesses(code)} - own
        copied.discard(self.root(name))
        behind = body[body.index(writers[0]) : body.index(readers[-1]) + 1]
        return not any(
            access.kind != "read" and self.root(access.name) in copied
            for code in behind
            for access in accesses(code)
        )


def in_order(made: Allocate, parts: list[Part]) -> Bordered | None:
    """The array, if the parts follow each other along an axis and fill it."""
    if not 1 < len(parts) <= PARTS:
        return None
    for axis, length in enumerate(made.extents):
        ends = [Affine.of(0)]
        for part in parts:
            spans = [part.span(place) for place in range(len(made.extents))]
            whole = [(Affine.of(0), extent) for extent in made.extents]
            beside = [span == all_of for span, all_of in zip(spans, whole, strict=True)]
            span = spans[axis]
            if span is None or span[0] != ends[-1] or not all(beside[:axis] + beside[axis + 1 :]):
                break
            ends.append(span[1])
        else:
            if ends[-1] == length:
                return Bordered(made.name, axis, parts, ends[1:])
    return None


def loads_of(code: Code) -> Iterator[Load]:
    """The elements that a statement reads."""
    if isinstance(code, (Define, Store)):
        yield from loads_in(code.value)
    elif isinstance(code, Choice):
        yield from loads_in(code.condition)
    for body in sides(code):
        for inner in body:
            yield from loads_of(inner)
