"""Loops of the user's own whose turns are straight: numbers are computed and elements stored, no more.

Here is what the passes on such loops (`jamming.py`, `windows.py`) want to know of them: which elements a turn
touches, and which turns touch the same one. The subscripts of two accesses differ by constants, so that does
not depend on where a loop stands: the dependences have constant distances (Wolfe, High Performance Compilers
for Parallel Computing, chapter 5).
"""

from __future__ import annotations

from collections.abc import Iterator

from ad_compiler.backends.native.accessing import Access, accesses
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.nests import (
    Code,
    Comment,
    Define,
    Expression,
    Leaf,
    Repeat,
    Scalar,
    Store,
    map_leaves,
    moved,
    names_in,
    texts_in,
)

Index = tuple[Affine, ...]


def is_straight(loop: Repeat) -> bool:
    """Whether a loop takes all turns in steps of 1, and a turn is made of numbers and stores."""
    return loop.bounds is not None and all(isinstance(code, (Comment, Define, Store)) for code in loop.body)


def direction_of(loop: Repeat) -> int:
    """1 where the turns go upwards, -1 where they go downwards."""
    return -1 if loop.head.endswith(", -1):") else 1


def ordered_accesses(body: list[Code]) -> Iterator[Access]:
    """What a turn touches, in order: what a statement reads comes before what it writes."""
    for code in body:
        found = list(accesses(code))
        yield from (access for access in found if access.kind == "read")
        yield from (access for access in found if access.kind != "read")


def distance(index: Index, other: Index, loops: list[str]) -> list[int | None] | None:
    """How many turns of each of the `loops` later `other` is the element that `index` is now.

    None for a loop that the subscripts do not depend on; an empty list where the elements are never the same.
    None where that is not known.

    >>> i, j = Affine.of("i"), Affine.of("j")
    >>> distance((i, j + 1), (i - 1, j), ["i", "j"])
    [1, 1]
    """
    if len(index) != len(other):
        return None
    result: list[int | None] = [None] * len(loops)
    is_never = False
    for a, b in zip(index, other, strict=True):
        apart = (a - b).known
        if apart is None:
            return None
        own = [place for place, name in enumerate(loops) if name in dict(a.terms)]
        if not own:
            is_never = is_never or apart != 0
            continue
        (place, *others) = own
        if others or result[place] is not None or dict(a.terms)[loops[place]] != 1:
            return None
        result[place] = apart
    return [] if is_never else result


def in_other_turns(code: Code, turns: dict[str, Affine], names: dict[str, str]) -> Code:
    """A statement of a straight turn in other turns of the loops, with other names of scalars."""
    if isinstance(code, Define):
        value = renamed(moved(code.value, turns), names)
        return Define(names.get(code.name, code.name), value, code.operator)
    if isinstance(code, Store):
        index = tuple(number.substitute(turns) for number in code.index)
        return Store(code.array, index, renamed(moved(code.value, turns), names), code.operator)
    return code


def renamed(expression: Expression, names: dict[str, str]) -> Expression:

    def leaf(given: Leaf) -> Leaf:
        if isinstance(given, Scalar):
            return Scalar(names.get(given.name, given.name), given.precedence)
        return given

    return map_leaves(leaf, expression)


def may_be_moved(body: list[Code], loops: set[str], scalars: set[str]) -> bool:
    """Whether loops' indices stand in subscripts only, which are sums of names, and scalars by themselves."""
    for code in body:
        for text in texts_in(code.value) if isinstance(code, (Define, Store)) else ():
            if names_in(text) & loops or (text not in scalars and names_in(text) & scalars):
                return False
    return all(
        name.isidentifier() and name not in scalars
        for access in ordered_accesses(body)
        for number in access.index or ()
        for name, _ in number.terms
    )
