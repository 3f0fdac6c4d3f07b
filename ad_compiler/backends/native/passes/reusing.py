"""Arrays take over the memory of those that are not needed any more.

    u_bar = np.empty((n, m))                # the memory of u, which is not needed any more
    for i in range(n):                      u_bar = u
        for j in range(m):          ->      for i in range(n):
            u_bar[i, j] = 2.0 * u[i, j]         for j in range(m):
                                                    u_bar[i, j] = 2.0 * u[i, j]

So there is one array less to be brought into the cache. Each turn of the nest must read no element of the old
array but its own, and before it writes it. An array that is made after the last use of another one takes over
its memory, too, and is filled with zeros if it is made of them. Nobody else may have the old array: it was
made here, has one name, and is given to nothing that keeps it.

In loops arrays stay apart: there, memory is allocated once, in front of them (`hoisting.py`). For threads,
too: a chunk of turns is given each array by itself, and LLVM takes one element at a time where two of them
are one. All other passes take arrays of two names for two arrays, so this comes last.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from ad_compiler.backends.native.accessing import accesses, alias_roots, own_accesses, uses_of
from ad_compiler.backends.native.nests import (
    Allocate,
    Code,
    Comment,
    Define,
    Line,
    Nest,
    Store,
    codes_in,
    names_in,
)
from ad_compiler.backends.native.passes.aliasing import names_given
from ad_compiler.backends.native.passes.clearing import filled_with_zeros

CALL = re.compile(r"(?:(\w+) = )?(\w+)\(")  # a call, and the name of what it gives back
KEEP_NOTHING = {  # functions that give none of their arrays back
    "add_product_of_matrices",
    "fused_product",
    "product_of_matrices",
    "product_with_rows",
    "product_with_vector",
    "sweep_grid",
    "sweep_grid_back",
}


def reuse(programs: list[list[Code]], outputs: list[str], subscripts: list[str]) -> None:
    """Let arrays of the sweeps of a program that returns `outputs` take over memory, in place.

    `subscripts` are the names of those that nests have.
    """
    given = Counter(name for program in programs for code in codes_in(program) for name in names_bound(code))
    uses = uses_of(programs, outputs)
    root = alias_roots(programs)
    names_of = Counter(map(root, uses))
    kept = {name for program in programs for code in codes_in(program) for name in kept_by(code)}
    for program in programs:
        here = uses_of([program], [])
        made = {code.name: code for code in program if isinstance(code, Allocate) and given[code.name] == 1}
        own = {name for name in made if here[name] == uses[name] and names_of[root(name)] == 1} - kept
        Reuser(program, made, own, subscripts).run()


class Reuser:
    """Rewrites one sweep: `made` are its arrays, `own` are those that nobody else has."""

    def __init__(
        self, program: list[Code], made: dict[str, Allocate], own: set[str], subscripts: list[str]
    ) -> None:
        self.program, self.made, self.own, self.subscripts = program, made, own, subscripts
        self.first: dict[str, Code] = {}  # the first statement that touches an array, and the last one
        self.last: dict[str, Code] = {}
        for code in program:
            if not isinstance(code, Allocate):
                for access in accesses(code):
                    self.first.setdefault(access.name, code)
                    self.last[access.name] = code

    def run(self) -> None:
        for nest in [code for code in self.program if isinstance(code, Nest)]:
            for new, old in list(self.pairs(nest)):
                if old in self.own:
                    place = self.program.index(nest)
                    while place and isinstance(self.program[place - 1], Comment):
                        place -= 1
                    self.program[place:place] = self.take_over(new, old)
                    self.program.remove(self.made[new])
        for made in [code for code in self.program if isinstance(code, Allocate)]:
            place = self.program.index(made)
            over = [name for name in sorted(self.own) if self.is_over(name, made, place)]
            if over:
                fill = [filled_with_zeros(made, self.subscripts)] if made.zeros else []
                self.program[place : place + 1] = [*self.take_over(made.name, over[0]), *fill]

    def pairs(self, nest: Nest) -> Iterator[tuple[str, str]]:
        """Arrays that a nest is the first to touch, with those that it is the last to touch."""
        if not all(isinstance(code, (Comment, Define, Store)) for code in nest.body):
            return
        touched = {access.name for access in accesses(nest)}
        for new in sorted(touched & self.made.keys()):
            for old in sorted(touched & self.own):
                if self.is_between(nest, new, old) and is_by_element(nest, new, old):
                    yield new, old
                    break

    def is_between(self, nest: Nest, new: str, old: str) -> bool:
        """Whether the old array is needed up to the nest, and a new one that is like it from there on."""
        if self.first[old] is nest or not self.last[old] is self.first[new] is nest:
            return False
        return not self.made[new].zeros and are_alike(self.made[new], self.made[old])

    def is_over(self, old: str, made: Allocate, place: int) -> bool:
        """Whether an array is not needed from a place on, and is like the one that is made there."""
        last = self.last.get(old)
        is_last = last is not None and any(code is last for code in self.program[:place])
        return is_last and made.name in self.made and are_alike(made, self.made[old])

    def take_over(self, new: str, old: str) -> list[Code]:
        """The statements that do that; from here on the new array is the one that has the memory."""
        self.own.remove(old)
        alias = Line(f"{new} = {old}", frozenset({old}), frozenset({new}))
        return [Comment(f"# the memory of {old}, which is not needed any more"), alias]


def are_alike(one: Allocate, other: Allocate) -> bool:
    return (one.extents, one.dtype) == (other.extents, other.dtype)


def names_bound(code: Code) -> Iterator[str]:
    """The names that a statement gives; not those of arrays that it only writes into."""
    call = CALL.match(code.text) if isinstance(code, Line) else None
    if call is None or call[2] not in KEEP_NOTHING:
        yield from names_given(code)
    elif call[1]:
        yield call[1]


def kept_by(code: Code) -> Iterator[str]:
    """The names that a statement may give to something else than elements and sums."""
    if isinstance(code, Line):
        call = CALL.match(code.text)
        if call is None or call[2] not in KEEP_NOTHING:
            yield from names_in(code.text)
    elif not isinstance(code, (Nest, Allocate)):
        yield from (access.name for access in own_accesses(code) if access.index is None)


def is_by_element(nest: Nest, new: str, old: str) -> bool:
    """Whether each turn touches an element of its own of both, and the old one not after the new one."""
    touched = {access.index for access in accesses(nest) if access.name in (new, old)}
    if len(touched) != 1 or None in touched:
        return False
    (index,) = touched
    if sorted(map(str, index or ())) != sorted(name for name, _ in nest.loops):
        return False
    is_made = False
    for code in nest.body:
        names = {access.name for access in accesses(code)}
        if is_made and old in names:
            return False
        is_made |= new in names
    return True
