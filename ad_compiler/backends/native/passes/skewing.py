"""Sweeps over the rows of a grid that follow each other become one, each some rows behind the one before.

    for i in range(n):                          for i in range(n + 1):
        for j in range(m):                          if i < n:
            b[i + 1, j] = a[i, j] + a[i + 2, j]         for j in range(m):
    for i in range(n):                  ->                  b[i + 1, j] = a[i, j] + a[i + 2, j]
        for j in range(m):                          if i >= 1:
            a[i + 1, j] = b[i, j] + b[i + 2, j]         for j in range(m):
                                                            a[i, j] = b[i - 1, j] + b[i + 1, j]

A row that the first sweep has made is read by the second one while it is in the cache; of a large grid, each
sweep by itself takes every row from memory. This is shift-and-peel (Manjikian and Abdelrahman, Fusion of
Loops for Parallelism and Locality, 1997), with conditions where that peels.

Legal: all that two sweeps touch, one of them writing, is touched in rows at constant distances from the turn.
If the first sweep touches row i + p and the second one row i + q, the second is at least q - p turns behind.
No operation changes, nor the order of those that depend on each other.

Profitable: where the second sweep reads rows that the first one has made, and turns are loops themselves.
"""

from __future__ import annotations

from ad_compiler.backends.native.accessing import Access, accesses, alias_roots, is_check
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.nests import (
    Choice,
    Code,
    Comment,
    Define,
    Loops,
    Nest,
    Scalar,
    Store,
    codes_in,
    moved,
    names_in,
    sides,
    texts_in,
)

FARTHEST = 4  # rows that a sweep is behind the first one
MOST = 4  # sweeps
FEW = 16  # rows
COMPARE = 5


class Skewer:
    """Joins the sweeps of a program."""

    def __init__(self, programs: list[list[Code]]) -> None:
        self.programs = programs
        self.root = alias_roots(programs)

    def run(self) -> None:
        for program in self.programs:
            self.body(program)

    def body(self, body: list[Code]) -> None:
        place = 0
        while place < len(body):
            code = body[place]
            if isinstance(code, Nest) and is_sweep(code):
                self.joined(body, place)
            else:
                for inner in sides(code):
                    self.body(inner)
            place += 1

    def joined(self, body: list[Code], place: int) -> None:
        """Join the sweeps that follow the one at a place with it, in place."""
        first = body[place]
        assert isinstance(first, Nest)
        sweeps: list[tuple[Nest, int, list[Code]]] = [(first, 0, [])]  # how many rows behind, its comments
        checks: list[Code] = []
        between: list[Code] = []
        end = place + 1
        for position in range(place + 1, len(body)):
            code = body[position]
            if isinstance(code, Comment) or is_check(code):
                between.append(code)
                continue
            behind = self.behind(sweeps, code, between)
            if not isinstance(code, Nest) or behind is None:
                break
            sweeps.append((code, behind, [each for each in between if isinstance(each, Comment)]))
            checks += [each for each in between if not isinstance(each, Comment)]
            between, end = [], position + 1
        if len(sweeps) > 1:
            body[place:end] = [*checks, written(sweeps)]

    def behind(
        self, sweeps: list[tuple[Nest, int, list[Code]]], code: Code, between: list[Code]
    ) -> int | None:
        """How many rows a sweep must be behind the first one; None where it is none, or would be too many."""
        first = sweeps[0][0]
        if not isinstance(code, Nest) or not is_sweep(code) or code.loops[0] != first.loops[0]:
            return None
        changed = {a.name for nest, _, _ in sweeps for a in accesses(nest) if a.kind != "read"}
        if len(sweeps) == MOST or any(a.name in changed for each in between for a in accesses(each)):
            return None
        farthest = 0
        is_worthwhile = False
        for nest, rows, _ in sweeps:
            distance = self.distance(nest, code)
            if distance is None:
                return None
            is_worthwhile = is_worthwhile or reads_rows_of(nest, code)
            farthest = max(farthest, rows + distance)
        return farthest if is_worthwhile and farthest <= FARTHEST else None

    def distance(self, first: Nest, second: Nest) -> int | None:
        """How many rows the second sweep must be behind the first; None where no distance is enough."""
        index = first.loops[0][0]
        loops = {index} | {name for nest in (first, second) for name, _ in loops_in(nest)}
        farthest = 0
        for ours in accesses(first):
            for theirs in accesses(second):
                if ours.name in loops or self.root(ours.name) != self.root(theirs.name):
                    continue
                if ours.kind == theirs.kind == "read":
                    continue
                apart = rows_apart(ours, theirs, index)
                if apart is None:
                    return None
                farthest = max(farthest, apart)
        return farthest


def is_sweep(nest: Nest) -> bool:
    """Whether a nest goes over rows, and can be written for another row."""
    codes = list(codes_in(nest.body))
    index, extent = nest.loops[0]
    if not all(isinstance(each, (Comment, Define, Store, Nest)) for each in codes):
        return False
    is_short = extent.known is not None and extent.known <= FEW
    if is_short or (len(nest.loops) == 1 and not any(isinstance(each, Nest) for each in codes)):
        return False
    if [name for name, _ in loops_in(nest)].count(index) > 1:
        return False
    texts = [text for each in codes if isinstance(each, (Define, Store)) for text in texts_in(each.value)]
    numbers = [number for access in accesses(nest) for number in access.index or ()]
    numbers += [length for _, length in loops_in(nest)]
    texts += [text for number in numbers for text, _ in number.terms if not text.isidentifier()]
    return not any(index in names_in(text) for text in texts)


def loops_in(nest: Nest) -> Loops:
    inner = [loop for code in codes_in(nest.body) if isinstance(code, Nest) for loop in code.loops]
    return [*nest.loops, *inner]


def rows_apart(ours: Access, theirs: Access, index: str) -> int | None:
    """How many rows farther down the second of two accesses is, in the same turn."""
    if ours.name != theirs.name or ours.index is None or theirs.index is None:
        return None
    for a, b in zip(ours.index, theirs.index, strict=True):
        first, second = ((number - Affine.of(index)).known for number in (a, b))
        if first is not None and second is not None:
            return second - first
    return None


def reads_rows_of(first: Nest, second: Nest) -> bool:
    made = {access.name for access in accesses(first) if access.kind != "read"}
    return any(access.kind == "read" and access.name in made for access in accesses(second))


def written(sweeps: list[tuple[Nest, int, list[Code]]]) -> Nest:
    """The joined sweeps."""
    index, extent = sweeps[0][0].loops[0]
    last = max(rows for _, rows, _ in sweeps)
    body: list[Code] = []
    for nest, rows, comments in sweeps:
        row: list[Code] = [Nest(nest.loops[1:], nest.body)] if nest.loops[1:] else nest.body
        row = in_row(row, {index: Affine.of(index) - rows}) if rows else row
        end = str(extent + rows)
        if last == 0:
            body += [*comments, *row]
        elif rows == last:
            body += [*comments, Choice(Scalar(f"{index} >= {rows}", COMPARE), row)]
        else:
            start = f"{rows} <= " if rows else ""
            body += [*comments, Choice(Scalar(f"{start}{index} < {end}", COMPARE), row)]
    return Nest([(index, extent + last)], body)


def in_row(body: list[Code], turn: dict[str, Affine]) -> list[Code]:
    """The statements of a sweep for another row."""
    made: list[Code] = []
    for code in body:
        if isinstance(code, Define):
            made.append(Define(code.name, moved(code.value, turn), code.operator))
        elif isinstance(code, Store):
            subscripts = tuple(number.substitute(turn) for number in code.index)
            made.append(Store(code.array, subscripts, moved(code.value, turn), code.operator))
        elif isinstance(code, Nest):
            loops = [(name, extent.substitute(turn)) for name, extent in code.loops]
            made.append(Nest(loops, in_row(code.body, turn)))
        else:
            made.append(code)
    return made


def skew(programs: list[list[Code]]) -> None:
    """Join the sweeps of a program, in place."""
    Skewer(programs).run()
