"""Memory for what a turn of a loop makes and forgets is allocated once, in front of the loop.

    for _ in range(steps):              p = np.empty(n)
        p = np.empty(n)         ->      for _ in range(steps):
        for i in range(n):                  for i in range(n):
            p[i] = ...                          p[i] = ...

That is possible where the lengths are known there, and the array is given no other name: a turn that hands
its array on to the next one needs another one then.
"""

from __future__ import annotations

from ad_compiler.backends.native.frame import names_in
from ad_compiler.backends.native.fusing import is_alias
from ad_compiler.backends.native.nests import Allocate, Choice, Code, Line, Repeat, codes_in


def hoist(program: list[Code], made_in_loops: set[str], outputs: list[str]) -> None:
    """Move allocations in front of loops, in place."""
    kept = {name for text in outputs for name in names_in(text)}
    for code in codes_in(program):
        if isinstance(code, Line) and is_alias(code):
            kept |= names_in(code.text)
    Hoister(kept, made_in_loops).body(program)


class Hoister:
    def __init__(self, kept: set[str], made_in_loops: set[str]) -> None:
        self.kept = kept
        self.made_in_loops = made_in_loops

    def body(self, body: list[Code]) -> None:
        result: list[Code] = []
        for code in body:
            if isinstance(code, Repeat):
                result += self.taken(code.body)
            elif isinstance(code, Choice):
                self.body(code.then)
                self.body(code.otherwise)
            result.append(code)
        body[:] = result

    def taken(self, body: list[Code]) -> list[Code]:
        """Take the allocations that may stand in front out of the body of a loop."""
        found: list[Code] = []
        rest: list[Code] = []
        for code in body:
            if isinstance(code, Allocate) and self.may_move(code):
                found.append(code)
                continue
            if isinstance(code, Repeat):
                found += self.taken(code.body)
            elif isinstance(code, Choice):
                found += self.taken(code.then)
                found += self.taken(code.otherwise)
            rest.append(code)
        body[:] = rest
        return found

    def may_move(self, code: Allocate) -> bool:
        if code.zeros or code.name in self.kept:
            return False
        return not any(names_in(str(extent)) & self.made_in_loops for extent in code.extents)
