"""An element that one turn of a loop adds to and the next one takes is handed on in a scalar.

    for j in range(n - 1, 0, -1):           carried = a_bar[n - 1]
        part = a_bar[j]                     for j in range(n - 1, 0, -1):
        a_bar[j] = 0.0               ->         part = carried
        a_bar[j - 1] += c * part                a_bar[j] = 0.0
                                                carried = a_bar[j - 1] + c * part
                                            a_bar[0] = carried

That is the adjoint of a recurrence along an axis. Through memory each turn would wait for the store of the
one before. It is done where every other element of the array that a turn touches is another one: subscripts
differ by constants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.aliasing import sides
from ad_compiler.backends.native.frame import names_in
from ad_compiler.backends.native.fusing import Access, accesses, alias_roots
from ad_compiler.backends.native.nests import (
    Apply,
    Choice,
    Code,
    Comment,
    Define,
    Expression,
    Load,
    Repeat,
    Scalar,
    Store,
    loads_in,
)

ADD, COMPARE = 9, 5

Index = tuple[Affine, ...]


class Carrier:
    """Rewrites the loops of a program."""

    def __init__(self, programs: list[list[Code]], fresh: Callable[[str], str]) -> None:
        self.programs = programs
        self.fresh = fresh
        self.root = alias_roots(programs)

    def run(self) -> None:
        for program in self.programs:
            self.body(program)

    def body(self, body: list[Code]) -> None:
        for place, code in enumerate(body):
            for inner in sides(code):
                self.body(inner)
            if isinstance(code, Repeat) and code.bounds is not None:
                made = self.rewritten(code)
                if made is not None:
                    body[place] = made

    def rewritten(self, loop: Repeat) -> Code | None:
        """The loop with an element carried, under the condition that it takes a turn."""
        if not all(isinstance(code, (Comment, Define, Store)) for code in loop.body):
            return None
        changed = {code.name for code in loop.body if isinstance(code, Define)}
        for taken, store in candidates(loop):
            direction = step_of(loop)
            own = taken.index
            if any(changed & names_in(name) for number in own for name, _ in number.terms):
                continue
            following = tuple(n.substitute({loop.index: Affine.of(loop.index) + direction}) for n in own)
            if store.index != following or not self.is_alone(loop, taken, store):
                continue
            return self.with_scalar(loop, taken, store, direction)
        return None

    def is_alone(self, loop: Repeat, taken: Load, store: Store) -> bool:
        """Whether a turn takes the element first, then assigns to it, and touches the next one once."""
        kinds: list[str] = []
        following = 0
        for access in ordered_accesses(loop.body):
            if self.root(access.name) != self.root(taken.array):
                continue
            if access.name != taken.array or access.index is None or len(access.index) != len(taken.index):
                return False
            apart = [a - b for a, b in zip(access.index, taken.index, strict=True)]
            if any(number.known is None for number in apart):
                return False
            if all(number == 0 for number in apart):
                kinds.append(access.kind)
            following += access.index == store.index
        return following == 1 and kinds[:1] == ["read"] and "write" in kinds and kinds[1] == "write"

    def with_scalar(self, loop: Repeat, taken: Load, store: Store, direction: int) -> Code:
        assert loop.bounds is not None
        start, stop = loop.bounds
        first, behind = (start, stop) if direction > 0 else (stop - 1, start - 1)
        name = self.fresh("carried")
        pending = True
        body: list[Code] = []
        for code in loop.body:
            if code is store:
                symbol = "-" if store.operator == "-=" else "+"
                parts = (Load(store.array, store.index), store.value)
                value: Expression = Apply(f"{{0}} {symbol} {{1}}", parts, ADD, (ADD, ADD + 1))
                body.append(Define(name, value))
                continue
            if pending and isinstance(code, (Define, Store)) and taken in list(loads_in(code.value)):
                code.value = replaced(code.value, taken, Scalar(name))
                pending = False
            body.append(code)
        at_first, at_last = (
            tuple(number.substitute({loop.index: place}) for number in taken.index)
            for place in (first, behind)
        )
        loop.body = body
        inside: list[Code] = [
            Define(name, Load(taken.array, at_first)),
            loop,
            Store(taken.array, at_last, Scalar(name)),
        ]
        return Choice(Scalar(f"{stop - start} > 0", COMPARE), inside)


def candidates(loop: Repeat) -> Iterator[tuple[Load, Store]]:
    """Elements that are read, and additions to the same array."""
    stores = [code for code in loop.body if isinstance(code, Store) and code.operator in ("+=", "-=")]
    for code in loop.body:
        if isinstance(code, (Define, Store)):
            for load in loads_in(code.value):
                for store in stores:
                    if store.array == load.array and store is not code:
                        yield load, store


def ordered_accesses(body: list[Code]) -> Iterator[Access]:
    """What a turn touches, in order: what a statement reads comes before what it writes."""
    for code in body:
        found = list(accesses(code))
        yield from (access for access in found if access.kind == "read")
        yield from (access for access in found if access.kind != "read")


def replaced(expression: Expression, load: Load, by: Expression) -> Expression:
    if expression == load:
        return by
    if isinstance(expression, Apply):
        parts = tuple(replaced(part, load, by) for part in expression.parts)
        return Apply(expression.form, parts, expression.precedence, expression.needs)
    return expression


def step_of(loop: Repeat) -> int:
    """1 where the turns go upwards, -1 where they go downwards."""
    return -1 if loop.head.endswith(", -1):") else 1
