"""Loops of few, constant turns that LLVM should not unroll: over exp, log or tanh it vectorises them then.

                                        blocks = at_run_time(2)
                                        lanes = at_run_time(8)
    for j in range(14):                 for block in range(blocks):
        y[j] = vector_tanh(x[j])   ->       for j in range(lanes):
                                                y[j + 6 * block] = vector_tanh(x[j + 6 * block])

LLVM unrolls a loop whose few turns it can count before it looks for vectors, and never finds them afterwards.
So it is not told the number. A vector has up to eight numbers: of 14 turns eight would be done at once and
six one by one, which takes five times as long; in two blocks that overlap, turns 6 and 7 are done twice and
nothing is done by itself. Where a turn must not be done twice (a sum, or an array that is read as other turns
leave it), and for other numbers of turns, only the number is hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ad_compiler.backends.native.accessing import Access, accesses, alias_roots
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.nests import (
    Apply,
    Code,
    Comment,
    Define,
    Load,
    Nest,
    Repeat,
    Scalar,
    Store,
    Whole,
    expressions_in,
    moved,
    names_in,
    sides,
)
from ad_compiler.backends.native.passes.vectorising import FUNCTIONS

LANES = 8  # numbers of 64 bits in the widest vectors
MOST = 64  # turns that LLVM may unroll
VECTORISED = frozenset(FUNCTIONS.values())


def block_loops(programs: list[list[Code]], apart: set[frozenset[str]], fresh: Callable[[str], str]) -> None:
    """Rewrite such loops of the sweeps of a program, in place.

    `apart` are pairs of names that never stand for the same array, though each stands for two in turn.
    """
    root = alias_roots(programs)

    def may_share(name: str, other: str) -> bool:
        return root(name) == root(other) and frozenset((name, other)) not in apart

    for program in programs:
        Blocker(program, may_share, fresh).run()


class Blocker:
    """Rewrites the nests of one sweep."""

    def __init__(
        self, program: list[Code], may_share: Callable[[str, str], bool], fresh: Callable[[str], str]
    ) -> None:
        self.program = program
        self.may_share = may_share
        self.fresh = fresh
        self.hidden: dict[tuple[int, str], str] = {}  # names of numbers that LLVM is not told

    def run(self) -> None:
        self.body(self.program)
        self.program[:0] = [
            Define(name, Apply("at_run_time({0})", (Scalar(str(number)),)))
            for (number, _), name in self.hidden.items()
        ]

    def body(self, body: list[Code]) -> None:
        for code in body:
            for inner in sides(code):
                self.body(inner)
            if isinstance(code, Nest):
                if all(map(is_elementary, code.body)):
                    self.nest(code)
                self.around(code)

    def nest(self, nest: Nest) -> None:
        """Rewrite the innermost loop of a nest, if it is one of those."""
        index, extent = nest.loops[-1]
        turns = extent.known
        if turns is None or not LANES <= turns <= MOST or not calls_vectorised(nest.body):
            return
        blocks = LANES < turns < 2 * LANES and self.may_repeat(nest.body, index)
        nest.loops[-1] = (index, self.at_run_time(LANES, "lanes") if blocks else self.at_run_time(turns))
        if blocks:
            block = self.fresh("block")
            nest.loops.insert(-1, (block, self.at_run_time(2, "blocks")))
            shift(nest.body, {index: Affine.of(index) + Affine.of(block) * (turns - LANES)})

    def around(self, nest: Nest) -> None:
        """Hide the turns of loops of a nest that have loops inside whose turns LLVM does not know."""
        is_inside = any(has_unknown_turns(code) for code in nest.body)
        for place, (index, extent) in reversed(list(enumerate(nest.loops))):
            if extent.known is None:
                is_inside = True
            elif is_inside and LANES <= extent.known <= MOST:
                nest.loops[place] = (index, self.at_run_time(extent.known))

    def at_run_time(self, number: int, wanted: str = "few") -> Affine:
        if (number, wanted) not in self.hidden:
            self.hidden[number, wanted] = self.fresh(wanted)
        return Affine.of(self.hidden[number, wanted])

    def may_repeat(self, body: list[Code], index: str) -> bool:
        """Whether the last turns may be done twice, in their order."""
        if any(isinstance(code, (Define, Store)) and code.operator != "=" for code in body):
            return False
        if any(index in names for code in body for names in names_beside_numbers(code)):
            return False
        defined = {code.name for code in body if isinstance(code, Define)}
        stored = {code.array for code in body if isinstance(code, Store)}
        done: set[tuple[str, tuple[Affine, ...] | None]] = set()
        for code in body:
            for access in accesses(code):
                if access.kind == "read" and not self.is_own(access, defined, stored, done):
                    return False
            if isinstance(code, Define):
                done.add((code.name, None))
            elif isinstance(code, Store):
                done.add((code.array, code.index))
        return True

    def is_own(
        self,
        access: Access,
        defined: set[str],
        stored: set[str],
        done: set[tuple[str, tuple[Affine, ...] | None]],
    ) -> bool:
        """Whether what is read is no other turn's."""
        if (access.name, access.index) in done:
            return True
        return access.name not in defined and not any(self.may_share(access.name, name) for name in stored)


def is_elementary(code: Code) -> bool:
    return isinstance(code, (Comment, Define, Store))


def has_unknown_turns(code: Code) -> bool:
    """Whether there is a loop whose turns are not known."""
    if isinstance(code, Nest) and any(extent.known is None for _, extent in code.loops):
        return True
    return isinstance(code, Repeat) or any(has_unknown_turns(each) for side in sides(code) for each in side)


def calls_vectorised(body: list[Code]) -> bool:
    return any(
        isinstance(part, Apply) and part.form in VECTORISED
        for code in body
        if isinstance(code, (Define, Store))
        for part in expressions_in(code.value)
    )


def names_beside_numbers(code: Code) -> Iterator[frozenset[str]]:
    """The names in a statement that are no terms of whole numbers."""
    if not isinstance(code, (Define, Store)):
        return
    numbers = list(code.index) if isinstance(code, Store) else []
    for part in expressions_in(code.value):
        if isinstance(part, Load):
            numbers += part.index
        elif isinstance(part, Whole):
            numbers.append(part.number)
        else:
            yield names_in(part.name if isinstance(part, Scalar) else part.form)
    for number in numbers:
        for text, _ in number.terms:
            if not text.isidentifier():
                yield names_in(text)


def shift(body: list[Code], known: dict[str, Affine]) -> None:
    """Replace a subscript, in place."""
    for code in body:
        if isinstance(code, Store):
            code.index = tuple(number.substitute(known) for number in code.index)
        if isinstance(code, (Define, Store)):
            code.value = moved(code.value, known)
