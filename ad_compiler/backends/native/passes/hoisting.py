"""Memory for what a turn of a loop makes and forgets is allocated once, in front of the loop.

    for _ in range(steps):              p = np.empty(n)
        p = np.empty(n)         ->      for _ in range(steps):
        for i in range(n):                  for i in range(n):
            p[i] = ...                          p[i] = ...

That is possible where the lengths are known there, and the array is given no other name. A turn that hands
its array on to the next one takes over the one that it was handed, if nothing else stands for that:

    h = h_0                             h, h_1 = h_0, np.empty(n)
    for _ in range(steps):              for _ in range(steps):
        h_1 = np.empty(n)       ->          for i in range(n):
        for i in range(n):                      h_1[i] = ...
            h_1[i] = ...                    h, h_1 = h_1, h
        h = h_1
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ad_compiler.backends.native.accessing import accesses, is_alias
from ad_compiler.backends.native.nests import Allocate, Choice, Code, Line, Repeat, codes_in, names_in, sides
from ad_compiler.backends.native.passes.aliasing import ALIAS, names_given


def hoist(programs: list[list[Code]], made_in_loops: set[str], outputs: list[str]) -> set[frozenset[str]]:
    """Move allocations of the sweeps in front of loops, in place; the pairs of arrays that turns exchange."""
    touched: Counter[str] = Counter()
    for program in programs:
        touched += touches(program)
    exchanged: set[frozenset[str]] = set()
    for program in programs:
        exchanged |= hoist_in(program, touched, made_in_loops, outputs)
    return exchanged


def hoist_in(
    program: list[Code], touched: Counter[str], made_in_loops: set[str], outputs: list[str]
) -> set[frozenset[str]]:
    exchanged = rotate(program, touched, made_in_loops, outputs)
    kept = {name for text in outputs for name in names_in(text)}
    for code in codes_in(program):
        if isinstance(code, Line) and is_alias(code):
            kept |= names_in(code.text)
    Hoister(kept, made_in_loops).body(program)
    return exchanged


def rotate(
    program: list[Code], touched: Counter[str], made_in_loops: set[str], outputs: list[str]
) -> set[frozenset[str]]:
    """Let the arrays that turns hand on be two, in place; the names of each two."""
    exchanged: set[frozenset[str]] = set()
    given: Counter[str] = Counter()
    shared: Counter[str] = Counter(name for text in outputs for name in names_in(text))
    for code in codes_in(program):
        given.update(names_given(code))
        if isinstance(code, Line) and is_alias(code):
            shared.update(names_in(code.text.split(" = ", 1)[1]))
    for body in bodies_in(program):
        for place, code in enumerate(list(body)):
            if isinstance(code, Repeat):
                place = body.index(code)
                new = rotated(body[:place], code, touched, made_in_loops, given, shared)
                body[place:place] = new
                own = {each.name for each in new if isinstance(each, Allocate)}
                for line in code.body:
                    if isinstance(line, Line) and line.writes == line.reads and line.writes & own:
                        exchanged.add(line.writes)
    return exchanged


def rotated(
    before: list[Code],
    loop: Repeat,
    touched: Counter[str],
    made_in_loops: set[str],
    given: Counter[str],
    shared: Counter[str],
) -> list[Code]:
    """The allocations that may stand in front of a loop if its last lines exchange arrays."""
    found: list[Code] = []
    made = {code.name: code for code in loop.body if isinstance(code, Allocate) and not code.zeros}
    for code in loop.body:
        alias = ALIAS.fullmatch(code.text) if isinstance(code, Line) else None
        if alias is None:
            continue
        name, new = alias.groups()
        own = made.get(new)
        if own is None or given[new] != 1 or shared[new] != 1 or given[name] != 2 or shared[name] > 1:
            continue
        first = initial(before, name, touched)
        if first is None or given[first.name] != 1 or shared[first.name] != 1:
            continue
        if (first.extents, first.dtype) != (own.extents, own.dtype):
            continue
        if any(names_in(str(extent)) & made_in_loops for extent in own.extents):
            continue
        assert isinstance(code, Line)
        code.text, both = f"{name}, {new} = {new}, {name}", frozenset({name, new})
        code.reads = code.writes = both
        found.append(own)
    loop.body[:] = [code for code in loop.body if not any(code is each for each in found)]
    return found


def initial(before: list[Code], name: str, touched: Counter[str]) -> Allocate | None:
    """The array that a name stands for in front of a loop, if it was made there and for that only."""
    for place, code in enumerate(before):
        if isinstance(code, Line) and (alias := ALIAS.fullmatch(code.text)) and alias[1] == name:
            own = alias[2]
            if name in touches(before[place + 1 :]) or touches(before[: place + 1])[own] != touched[own]:
                return None
            return next((each for each in before if isinstance(each, Allocate) and each.name == own), None)
    return None


def touches(body: list[Code]) -> Counter[str]:
    """How often a name is read or given."""
    return Counter(access.name for code in body for access in accesses(code))


def bodies_in(body: list[Code]) -> Iterator[list[Code]]:
    """Every list of statements, the inner ones first."""
    for code in body:
        for inner in sides(code):
            yield from bodies_in(inner)
    yield body


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
