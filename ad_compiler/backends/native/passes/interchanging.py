"""A loop of the user's own goes inside a nest whose elements lie closer to each other in its direction.

    for j in range(m):                      for i in range(n):
        for i in range(n):         ->           for j in range(m):
            a[i, j] = x[i] * y[j]                   a[i, j] = x[i] * y[j]

Then the innermost loop goes along the rows of arrays, as memory lies, and what does not depend on it is
computed once a row. The two loops are one nest, which can be fused with others (`fusing.py`). This is loop
interchange (Allen and Kennedy, Optimizing Compilers for Modern Architectures, section 5.2).

Legal: a nest may be done in any order if its turns have nothing to do with each other. So it makes only
scalars, which nobody reads outside of it, and elements of arrays that it does not read, where the subscripts
tell all turns apart. Nothing in it departs.

Profitable: where all that is stored has the loop's index as its last subscript, and what the loop does beside
the nest is to read.
"""

from __future__ import annotations

from collections import Counter

from ad_compiler.backends.native.accessing import accesses, alias_roots, may_depart, uses_of
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.nests import (
    Apply,
    Code,
    Comment,
    Define,
    Nest,
    Repeat,
    Store,
    names_in,
    sides,
)


class Interchanger:
    """Rewrites the loops of a program."""

    def __init__(self, programs: list[list[Code]], outputs: list[str]) -> None:
        self.programs = programs
        self.root = alias_roots(programs)
        self.uses = uses_of(programs, outputs)

    def run(self) -> bool:
        """Interchange the loops, in place; whether there were any."""
        found = [self.body(program) for program in self.programs]
        return any(found)

    def body(self, body: list[Code]) -> bool:
        found = False
        for place, code in enumerate(body):
            for inner in sides(code):
                found = self.body(inner) or found
            made = self.interchanged(code) if isinstance(code, Repeat) else None
            if made is not None:
                body[place], found = made, True
        return found

    def interchanged(self, loop: Repeat) -> Nest | None:
        """The nest that does what a loop does, with its turns inside."""
        *before, nest = loop.body or [Comment("")]
        if loop.bounds is None or loop.bounds[0] != 0 or not isinstance(nest, Nest):
            return None
        if not all(is_read(code) for code in before):
            return None
        names = [loop.index, *(name for name, _ in nest.loops)]
        own = Counter(access.name for access in accesses(loop))
        body = [*before, *nest.body]
        defined = {code.name for code in body if isinstance(code, Define)}
        if any(names_in(str(extent)) & {loop.index, *defined} for _, extent in nest.loops):
            return None
        if any(own[name] != self.uses[name] for name in (loop.index, *defined)):
            return None
        if not self.is_legal(body, names) or not is_profitable(body, loop.index):
            return None
        return Nest([*nest.loops, (loop.index, loop.bounds[1])], body)

    def is_legal(self, body: list[Code], names: list[str]) -> bool:
        """Whether the turns of all these loops may be taken in any order."""
        stores = [code for code in body if isinstance(code, Store)]
        stored = {self.root(code.array) for code in stores}
        if not stores or len(stored) < len(stores):
            return False
        forgotten = {code.name for code in body if isinstance(code, Define)}  # until a turn makes them
        for code in body:
            if isinstance(code, Comment):
                continue
            if not isinstance(code, (Define, Store)) or code.operator != "=" or may_depart(code.value):
                return False
            read = {access.name for access in accesses(code) if access.kind == "read"}
            if read & forgotten or stored & set(map(self.root, read)):
                return False
            if isinstance(code, Define):
                forgotten.discard(code.name)
            elif not all(Affine.of(name) in code.index for name in names):
                return False
        return True


def is_read(code: Code) -> bool:
    """Whether a statement computes nothing: it may as well be done for each element."""
    return isinstance(code, Comment) or (isinstance(code, Define) and not isinstance(code.value, Apply))


def is_profitable(body: list[Code], name: str) -> bool:
    """Whether the elements that are stored lie beside each other in this direction."""
    return all(code.index[-1] == Affine.of(name) for code in body if isinstance(code, Store))
