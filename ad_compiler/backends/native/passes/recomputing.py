"""Large arrays that are cheap to compute are computed again in the reverse sweep, not kept for it.

    a = np.empty((n, m))                            a = np.empty((n, m))
    for i in range(n):                              for i in range(n):
        for j in range(m):                              for j in range(m):
            a[i, j] = x[j] - y[i]                           a[i, j] = x[j] - y[i]
    ...                                             ...
    # the reverse sweep                 ->          # the reverse sweep
    product_with_vector(a, u, v)                    a_1 = np.empty((n, m))
                                                    for i in range(n):
                                                        for j in range(m):
                                                            a_1[i, j] = x[j] - y[i]
                                                    product_with_vector(a_1, u, v)

Each of the two arrays may then become a row (`shrinking.py`). Legal: nothing between writes to what the array
is made of. Profitable: its operands have fewer axes than it has, so that reading them is cheaper than reading
the array, and one or two operations are no more than what a load from memory costs.
"""

from __future__ import annotations

from collections.abc import Callable

from ad_compiler.backends.native.accessing import Access, accesses, alias_roots
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.nests import (
    Allocate,
    Code,
    Nest,
    Store,
    loads_in,
    names_in,
    size_of,
    texts_in,
)
from ad_compiler.backends.native.passes.aliasing import rename

CHEAP = 2  # operations
LEAST_RANK = 2


def recompute(
    forward: list[Code], reverse: list[Code], outputs: list[str], fresh: Callable[[str], str]
) -> None:
    """Let the reverse sweep, which follows the forward sweep, compute again what is cheap, in place."""
    root = alias_roots([forward, reverse])
    for place, code in enumerate(forward):
        if not isinstance(code, Nest) or len(code.body) != 1 or not isinstance(code.body[0], Store):
            continue
        store = code.body[0]
        made = next((c for c in forward[:place] if isinstance(c, Allocate) and c.name == store.array), None)
        if made is None or made.zeros or not is_cheap(code, store):
            continue
        if any(store.array in names_in(text) for text in outputs):
            continue
        uses = [n for n, each in enumerate(reverse) if store.array in {a.name for a in accesses(each)}]
        between = [*forward[place + 1 :], *reverse[: uses[-1] + 1]] if uses else []
        if not uses or not is_unchanged(code, store.array, between, root):
            continue
        name = fresh(store.array)
        again = Nest(code.loops, [Store(name, store.index, store.value)])
        rename(reverse, {store.array: name})
        reverse[uses[0] : uses[0]] = [Allocate(name, made.extents, made.dtype), again]


def is_cheap(nest: Nest, store: Store) -> bool:
    """Whether an array is made of few operations on arrays of fewer axes, every element by one turn."""
    loops = {name for name, _ in nest.loops}
    own = [str(number) for number in store.index if number != 0]
    if store.operator != "=" or len(own) < LEAST_RANK or sorted(own) != sorted(loops):
        return False
    if not 0 < size_of(store.value) <= CHEAP or any(loops & names_in(text) for text in texts_in(store.value)):
        return False
    return all(
        len(loops & used_in(load.index)) < len(loops) and all(map(is_plain, load.index))
        for load in loads_in(store.value)
    )


def used_in(index: tuple[Affine, ...]) -> set[str]:
    return {name for number in index for name, _ in number.terms}


def is_plain(number: Affine) -> bool:
    return all(name.isidentifier() for name, _ in number.terms)


def is_unchanged(nest: Nest, array: str, between: list[Code], root: Callable[[str], str]) -> bool:
    """Whether the array is only read, under no other name, and what it is made of stays what it is."""
    loops = {name for name, _ in nest.loops}
    made_of = {root(access.name) for access in accesses(nest) if access.name not in loops}
    found: list[Access] = [access for code in between for access in accesses(code)]
    if any(access.name != array and root(access.name) == root(array) for access in found):
        return False
    return not any(access.kind != "read" and root(access.name) in made_of for access in found)
