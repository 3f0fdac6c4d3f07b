"""An array of which each turn of a loop makes and reads one row, and nobody anything else, becomes that row.

    a = np.empty((n, m))                    a = np.empty(m)
    for i in range(n):                      for i in range(n):
        for j in range(m):          ->          for j in range(m):
            a[i, j] = ...                           a[j] = ...
        product_with_vector(w, a[i], y)         product_with_vector(w, a, y)

A row stays in the cache, where the whole array would go through memory. This is array contraction (Sarkar and
Gao, Optimization of Array Accesses by Collective Loop Transformations, 1991): legal where all that touches
the array stands in one loop, and every subscript of an axis is the index of that loop. It is made in front
of the loop, and not of zeros: so what a turn reads, it has written.
"""

from __future__ import annotations

import re
from collections import Counter

from ad_compiler.backends.native.accessing import accesses, alias_roots, uses_of
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.nests import (
    Allocate,
    Choice,
    Code,
    Define,
    Expression,
    Leaf,
    Line,
    Load,
    Nest,
    Store,
    codes_in,
    map_leaves,
    part_text,
    sides,
)


def shrink(programs: list[list[Code]], outputs: list[str]) -> None:
    """Shrink the arrays of a program, in place."""
    uses = uses_of(programs, outputs)
    root = alias_roots(programs)
    shared = {each for name in uses if root(name) != name for each in (name, root(name))}
    for program in programs:
        shrink_in(program, uses, shared)


def shrink_in(body: list[Code], uses: Counter[str], shared: set[str]) -> None:
    for place, code in enumerate(body):
        for inner in sides(code):
            shrink_in(inner, uses, shared)
        if isinstance(code, Allocate) and not code.zeros and code.name not in shared:
            for axis in axes_of_turns(code, body[place + 1 :], uses):
                code.extents = code.extents[:axis] + code.extents[axis + 1 :]
                for each in codes_in(body):
                    without_axis(each, code.name, axis)


def axes_of_turns(made: Allocate, following: list[Code], uses: Counter[str]) -> list[int]:
    """The axes that turns of loops walk along, the last first; one axis stays."""
    found: set[int] = set()
    body = following
    while True:
        nests = [code for code in body if any(access.name == made.name for access in accesses(code))]
        if len(nests) != 1 or not isinstance(nests[0], Nest):
            break
        touched = [access for access in accesses(nests[0]) if access.name == made.name]
        if len(touched) + 1 != uses[made.name]:  # the allocation is one
            break
        indices = [access.index for access in touched if access.index is not None]
        if len(indices) < len(touched) or any(len(index) != len(made.extents) for index in indices):
            break
        for name, _ in nests[0].loops:
            own = Affine.of(name)
            found |= {
                axis for axis in range(len(made.extents)) if all(index[axis] == own for index in indices)
            }
        body = nests[0].body
    return sorted(found, reverse=True)[: len(made.extents) - 1]


def without_axis(code: Code, name: str, axis: int) -> None:
    """Leave a subscript out, in place."""

    def rest(index: tuple[Affine, ...]) -> tuple[Affine, ...]:
        return index[:axis] + index[axis + 1 :]

    def expression(given: Expression) -> Expression:
        return map_leaves(leaf, given)

    def leaf(given: Leaf) -> Leaf:
        return Load(name, rest(given.index)) if isinstance(given, Load) and given.array == name else given

    if isinstance(code, Store):
        code.value = expression(code.value)
        if code.array == name:
            code.index = rest(code.index)
    elif isinstance(code, Define):
        code.value = expression(code.value)
    elif isinstance(code, Choice):
        code.condition = expression(code.condition)
    elif isinstance(code, Line) and name in code.parts:
        index = code.parts[name]
        old = rf"(?<![\w.]){re.escape(part_text(name, index))}"
        code.text = re.sub(old, part_text(name, rest(index)), code.text)
        code.parts[name] = rest(index)
