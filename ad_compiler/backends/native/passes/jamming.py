"""Turns of an outer loop run side by side, where each turn is a chain of operations that wait for each other.

    for i in range(n):                      for i in range(0, n - 3, 4):
        for j in range(1, m):                   for j in range(1, m):
            a[i, j] += c * a[i, j - 1]              a[i, j] += c * a[i, j - 1]
                                        ->          a[i + 1, j] += c * a[i + 1, j - 1]
                                                    a[i + 2, j] += c * a[i + 2, j - 1]
                                                    a[i + 3, j] += c * a[i + 3, j - 1]
                                            for i in range(n // 4 * 4, n):
                                                ...

A recurrence along the inner loop leaves a processor waiting for the result of each turn; four of them that do
not wait for each other, or only a little (as the rows of a Gauss-Seidel sweep), take hardly more time than
one. This is unroll-and-jam (Callahan, Cocke and Kennedy, Estimating Interlock and Improving Balance for
Pipelined Architectures, 1988). No operation changes, nor the order of those that depend on each other:
results are the same to the last bit, but for sums of cotangents, whose order is ours.

Legal: jamming swaps turns (i, j) and (i', j') with i < i' < i + 4 and j > j'. So it must not be that both
touch one element, one of them writing: the distance of no dependence may be (d, -e) with 0 < d < 4 and 0 < e.
Additions to cotangents do not depend on each other. Scalars must be made and forgotten within a turn.

Profitable: where one turn of the inner loop reads what another has written. Other inner loops are vectorised.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import combinations_with_replacement

from ad_compiler.backends.native.accessing import Access, accesses, alias_roots, uses_of
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.nests import Code, Comment, Define, Repeat, names_in, sides
from ad_compiler.backends.native.passes.straight_loops import (
    direction_of,
    distance,
    in_other_turns,
    is_straight,
    may_be_moved,
    ordered_accesses,
)

TOGETHER = 4  # turns: three leave a processor waiting, with six it runs out of registers
MOST = 12  # statements of a turn


class Jammer:
    """Rewrites the loops of a program."""

    def __init__(self, programs: list[list[Code]], outputs: list[str], fresh: Callable[[str], str]) -> None:
        self.programs = programs
        self.fresh = fresh
        self.root = alias_roots(programs)
        self.uses = uses_of(programs, outputs)

    def run(self) -> None:
        for program in self.programs:
            self.body(program)

    def body(self, body: list[Code]) -> None:
        place = 0
        while place < len(body):
            code = body[place]
            for inner in sides(code):
                self.body(inner)
            made = self.jammed(code) if isinstance(code, Repeat) else None
            if made is not None:
                body[place : place + 1] = made
                place += len(made) - 1
            place += 1

    def jammed(self, outer: Repeat) -> list[Code] | None:
        """The loop over groups of turns, and that over the turns that are left."""
        loops = [code for code in outer.body if isinstance(code, Repeat)]
        others = [code for code in outer.body if not isinstance(code, (Repeat, Comment))]
        if outer.bounds is None or len(loops) != 1 or others or not is_straight(loops[0]):
            return None
        start, stop = outer.bounds
        if (stop - start).known is not None:
            return None  # a few turns
        inner = loops[0]
        statements: list[Code] = [code for code in inner.body if not isinstance(code, Comment)]
        if names_in(inner.head) & {outer.index} or len(statements) > MOST:
            return None
        if not self.is_forgotten(statements) or not self.is_legal(outer, inner, statements):
            return None
        return self.written(outer, inner)

    def is_forgotten(self, body: list[Code]) -> bool:
        """Whether a turn makes its scalars before it reads them, and nobody reads them afterwards."""
        made: set[str] = set()
        own: Counter[str] = Counter()
        scalars = {code.name for code in body if isinstance(code, Define)}
        for code in body:
            found = list(accesses(code))
            own.update(access.name for access in found)
            if any(access.kind != "write" and access.name in scalars - made for access in found):
                return False
            made |= {code.name} if isinstance(code, Define) else set()
        return all(own[name] == self.uses[name] for name in scalars)

    def is_legal(self, outer: Repeat, inner: Repeat, body: list[Code]) -> bool:
        """Whether no dependence is turned around, and one turn of the inner loop waits for another."""
        names = [outer.index, inner.index]
        scalars = {code.name for code in body if isinstance(code, Define)}
        if not may_be_moved(body, set(names), scalars):
            return False
        is_worthwhile = False
        steps = (direction_of(outer), direction_of(inner))
        for first, second in self.pairs(body, scalars | set(names)):
            if first.name != second.name or first.index is None or second.index is None:
                return False
            apart = distance(first.index, second.index, names)
            if apart is None:
                return False
            if not apart:
                continue
            rows, turns = (None if d is None else d * step for d, step in zip(apart, steps, strict=True))
            if rows == 0 and turns is not None:
                before, later = (first, second) if turns > 0 else (second, first)
                is_chain = before.kind != "read" and later.kind != "write"
                is_worthwhile = is_worthwhile or (turns != 0 and is_chain)
                continue
            if outer.is_reverse and first.kind == second.kind == "add":
                continue
            if rows is None:  # the same element in every row: turns must not change places at all
                if turns != 0:
                    return False
            elif rows != 0 and abs(rows) < TOGETHER and (turns is None or turns * rows < 0):
                return False
        return is_worthwhile

    def pairs(self, body: list[Code], left_out: set[str]) -> Iterator[tuple[Access, Access]]:
        """Accesses to the same memory, one of which writes."""
        by_root: dict[str, list[Access]] = {}
        for access in ordered_accesses(body):
            if access.name not in left_out:
                by_root.setdefault(self.root(access.name), []).append(access)
        for found in by_root.values():
            for first, second in combinations_with_replacement(found, 2):
                if not first.kind == second.kind == "read":
                    yield first, second

    def written(self, outer: Repeat, inner: Repeat) -> list[Code]:
        """The loop over groups of turns, and the loop over those that are left."""
        assert outer.bounds is not None
        start, stop = outer.bounds
        step = direction_of(outer)
        body: list[Code] = []
        for turn in range(TOGETHER):
            defined = {code.name for code in inner.body if isinstance(code, Define)}
            names = {name: self.fresh(name) for name in defined} if turn else {}
            moved = {outer.index: Affine.of(outer.index) + turn * step}
            rows = [code for code in inner.body if turn == 0 or not isinstance(code, Comment)]
            body += [in_other_turns(code, moved, names) for code in rows]
        done = Affine.of(f"(max({stop - start}, 0) // {TOGETHER} * {TOGETHER})")
        if step > 0:
            head = f"for {outer.index} in range({start}, {stop - (TOGETHER - 1)}, {TOGETHER}):"
            rest = f"for {outer.index} in range({start + done}, {stop}):"
        else:
            last = start + (TOGETHER - 1) - 1
            head = f"for {outer.index} in range({stop - 1}, {last}, -{TOGETHER}):"
            rest = f"for {outer.index} in range({stop - 1 - done}, {start - 1}, -1):"
        beside = Repeat(inner.head, body, inner.reads, inner.index, inner.bounds, inner.is_reverse)
        comments = [code for code in outer.body if isinstance(code, Comment)]
        groups = Repeat(head, [*comments, beside], outer.reads, outer.index, None, outer.is_reverse)
        left: list[Code] = [code for code in inner.body if not isinstance(code, Comment)]
        alone = Repeat(inner.head, left, inner.reads, inner.index, inner.bounds, inner.is_reverse)
        return [
            groups,
            Comment("# the turns that are left"),
            Repeat(rest, [alone], outer.reads, outer.index, None, outer.is_reverse),
        ]
