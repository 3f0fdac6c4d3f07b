"""What every turn of a loop clears at its end is cleared at the start of the next one, where it is added to.

    a = np.zeros(n)                         a = np.zeros(n)
    for t in range(steps):                  for t in range(steps):
        for i in range(n):                      for i in range(n):
            a[i] += c * b[i]                        a[i] = 0.0
        ...                         ->          for i in range(n):
        for i in range(n):                          a[i] += c * b[i]
            a[i] = 0.0                          ...
                                            for i in range(n):
                                                a[i] = 0.0

So does the reverse sweep of an array that each step of a simulation overwrites. Zeros with what is added to
them are one assignment (`gathering.py`, `fusing.py`): a turn goes through the array once less, and reads it
once less.

Legal: the elements are zero in front of the loop, and always the same ones; nothing touches the array between
its last clearing and the end of a turn, nor before its first additions; and a turn is never left half-way.
"""

from __future__ import annotations

from collections.abc import Callable

from ad_compiler.backends.native.accessing import accesses, alias_roots
from ad_compiler.backends.native.nests import (
    Allocate,
    Code,
    Line,
    Nest,
    Repeat,
    Store,
    codes_in,
    names_in,
    sides,
)
from ad_compiler.backends.native.passes.aliasing import names_given
from ad_compiler.backends.native.passes.clearing import fills, is_zero


def overwrite(programs: list[list[Code]]) -> None:
    """Rewrite the loops of the sweeps of a program, in place."""
    root = alias_roots(programs)
    names = {access.name for program in programs for code in program for access in accesses(code)}
    shared = {each for name in names if root(name) != name for each in (name, root(name))}
    for program in programs:
        overwrite_in(program, shared.__contains__)


def overwrite_in(body: list[Code], is_shared: Callable[[str], bool]) -> None:
    place = 0
    while place < len(body):
        code = body[place]
        for inner in sides(code):
            overwrite_in(inner, is_shared)
        if isinstance(code, Repeat) and not is_left_half_way(code):
            for clearing, store in clearings(code):
                if not is_shared(store.array) and is_zero_before(body[:place], store.array):
                    first = first_additions(code, clearing, store.array)
                    if first is not None:
                        code.body.remove(clearing)
                        code.body.insert(first, clearing)
                        again = Nest(list(clearing.loops), [Store(store.array, store.index, store.value)])
                        body.insert(place + 1, again)
        place += 1


def is_left_half_way(loop: Repeat) -> bool:
    lines = [code.text for code in codes_in(loop.body) if isinstance(code, Line)]
    return any({"break", "continue", "return"} & names_in(text) for text in lines)


def clearings(loop: Repeat) -> list[tuple[Nest, Store]]:
    """The nests of a turn that clear the same elements in every turn, and touch nothing else."""
    changed = {loop.index} | {name for code in codes_in(loop.body) for name in names_given(code)}
    changed |= {access.name for code in loop.body for access in accesses(code) if access.kind != "read"}
    found = []
    for code in loop.body:
        if not isinstance(code, Nest) or len(code.body) != 1:
            continue
        (store,) = code.body
        if not isinstance(store, Store) or not is_zero(store):
            continue
        indices = {name for name, _ in code.loops}
        read = {access.name for access in accesses(code) if access.kind == "read"} - indices
        if store.array not in names_in(loop.head) and not read & changed:
            found.append((code, store))
    return found


def is_zero_before(before: list[Code], array: str) -> bool:
    """Whether an array is made of zeros and not touched any more."""
    made = next(
        (n for n, code in enumerate(before) if isinstance(code, Allocate) and code.name == array), None
    )
    if made is None:
        return False
    touching = [code for code in before[made + 1 :] if any(access.name == array for access in accesses(code))]
    allocated = before[made]
    assert isinstance(allocated, Allocate)
    return not touching if allocated.zeros else len(touching) == 1 and fills(touching[0], allocated)


def first_additions(loop: Repeat, clearing: Nest, array: str) -> int | None:
    """Where a turn first adds to the array; None where that is not first, or clearing not last."""
    places = touched_at(loop.body, array)
    first, last = loop.body[places[0]], loop.body[places[-1]]
    kinds = {access.kind for access in accesses(first) if access.name == array}
    return places[0] if last is clearing and isinstance(first, Nest) and kinds == {"add"} else None


def touched_at(body: list[Code], array: str) -> list[int]:
    """The places of the statements that touch an array."""
    return [n for n, code in enumerate(body) if any(access.name == array for access in accesses(code))]
