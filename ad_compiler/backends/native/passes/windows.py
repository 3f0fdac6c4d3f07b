"""Elements of arrays that neighbouring turns of a loop share are handed on in scalars.

    for j in range(1, n):                   if n - 1 > 0:
        a[j] = a[j] + c * a[j - 1]              a_before = a[0]
                                                for j in range(1, n):
                                        ->          a_here = a[j]
                                                    a_here = a_here + c * a_before
                                                    a[j] = a_here
                                                    a_before = a_here

Through memory each turn would wait for the store of the one before. The elements around `j` that a turn
touches are a window, which moves with `j`: an element is loaded when it enters, and stored when it is written
for the last time. That is scalar replacement (Callahan, Carr and Kennedy, Improving Register Allocation for
Subscripted Variables, 1990). No operation changes.

Legal: each access to the array is in a window whose subscripts differ by constants along the loop, and two
windows never meet (a place beside the loop's differs by a constant that is not 0). Scalars round as elements
do: they are of float64, complex128 or, which is said where one is computed, float32.

Profitable: where a turn reads, or adds to, what another has written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ad_compiler.backends.native.accessing import Access, alias_roots
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.nests import (
    Apply,
    Choice,
    Code,
    Comment,
    Define,
    Expression,
    Leaf,
    Load,
    Repeat,
    Scalar,
    Store,
    map_leaves,
    sides,
)
from ad_compiler.backends.native.passes.straight_loops import (
    Index,
    direction_of,
    distance,
    is_straight,
    ordered_accesses,
)

ADD, COMPARE = 9, 5
CASTS = {"np.float64": "{0}", "np.complex128": "{0}", "np.float32": "np.float32({0})"}  # of what is stored
WIDEST = 6
NAMES = {-1: "before", 0: "here", 1: "after"}


@dataclass(eq=False, slots=True)
class Window:
    """The accesses to the elements beside each other, in the order of a turn: (offset, access)."""

    array: str
    index: Index  # of offset 0
    accesses: list[tuple[int, Access]]
    cast: str
    names: dict[int, str] = field(default_factory=dict)  # of the scalars, by offset

    @property
    def offsets(self) -> range:
        found = [offset for offset, _ in self.accesses]
        return range(min(found), max(found) + 1)

    def written(self) -> list[int]:
        return [offset for offset, access in self.accesses if access.kind != "read"]

    def at(self, offset: int, index: str, place: Affine) -> Index:
        """The subscripts of an element in the turn `place`."""
        turn = {index: place + offset}
        return tuple(number.substitute(turn) for number in self.index)


class Windower:
    """Rewrites the loops of a program."""

    def __init__(
        self, programs: list[list[Code]], dtypes: dict[str, str], fresh: Callable[[str], str]
    ) -> None:
        self.programs = programs
        self.dtypes = dtypes
        self.fresh = fresh
        self.root = alias_roots(programs)

    def run(self) -> None:
        for program in self.programs:
            self.body(program)

    def body(self, body: list[Code]) -> None:
        for place, code in enumerate(body):
            for inner in sides(code):
                self.body(inner)
            if isinstance(code, Repeat) and is_straight(code):
                windows = self.windows(code)
                if windows:
                    body[place] = Rewriting(code, windows, self.fresh).run()

    def windows(self, loop: Repeat) -> list[Window]:
        changed = {code.name for code in loop.body if isinstance(code, Define)}
        by_root: dict[str, list[Access]] = {}
        for access in ordered_accesses(loop.body):
            by_root.setdefault(self.root(access.name), []).append(access)
        groups = [self.grouped(found, loop.index, changed) for found in by_root.values()]
        if not any(is_recurrent(window, direction_of(loop)) for group in groups for window in group):
            return []
        found = [
            window
            for group in groups
            for window in group
            if window.written() and len(window.accesses) > 1 and len(window.offsets) <= WIDEST
        ]
        order = direction_of(loop)
        return sorted(found, key=lambda window: [number.constant * order for number in window.index])

    def grouped(self, found: list[Access], name: str, changed: set[str]) -> list[Window]:
        """The windows of one array; none where it is not known that they never meet."""
        windows: list[Window] = []
        for access in found:
            if self.dtypes.get(access.name) not in CASTS:
                return []
            if access.index is None or access.name != found[0].name or is_changed(access.index, changed):
                return []
            for window in windows:
                apart = distance(access.index, window.index, [name])
                if apart is None or apart == [None]:
                    return []
                if apart and apart[0] is not None:
                    window.accesses.append((apart[0], access))
                    break
            else:
                own = [number for number in access.index if name in dict(number.terms)]
                if len(own) != 1 or dict(own[0].terms)[name] != 1:
                    return []
                windows.append(
                    Window(access.name, access.index, [(0, access)], CASTS[self.dtypes[access.name]])
                )
        return [centred(window, name) for window in windows]


def is_changed(index: Index, changed: set[str]) -> bool:
    """Whether subscripts depend on numbers that a turn changes, or may do so."""
    return any(not name.isidentifier() or name in changed for number in index for name, _ in number.terms)


def centred(window: Window, name: str) -> Window:
    """The window with offset 0 where the subscript is the loop's index, if that is in it."""
    (own,) = (number for number in window.index if name in dict(number.terms))
    shift = (own - Affine.of(name)).known
    if shift is None:
        return window
    index = tuple(number.substitute({name: Affine.of(name) - shift}) for number in window.index)
    accesses = [(offset + shift, access) for offset, access in window.accesses]
    return Window(window.array, index, accesses, window.cast)


def is_recurrent(window: Window, direction: int) -> bool:
    """Whether a turn reads what an earlier one has written."""
    return any(
        (written - offset) * direction > 0
        for offset, access in window.accesses
        if access.kind != "write"
        for written in window.written()
    )


class Rewriting:
    """One loop with its windows."""

    def __init__(self, loop: Repeat, windows: list[Window], fresh: Callable[[str], str]) -> None:
        self.loop = loop
        self.direction = direction_of(loop)
        self.windows = windows
        for window in windows:
            window.names = {
                offset: fresh(f"{window.array}_{NAMES.get(offset, 'beside')}") for offset in window.offsets
            }

    def run(self) -> Code:
        """The loop, under the condition that it takes a turn."""
        loop = self.loop
        assert loop.bounds is not None
        start, stop = loop.bounds
        first, behind = (start, stop) if self.direction > 0 else (stop - 1, start - 1)
        before: list[Code] = []
        entering: list[Code] = []
        leaving: list[Code] = []
        after: list[Code] = []
        for window in self.windows:
            order = self.in_time(window)
            newest = order[0]
            kinds = [access.kind for offset, access in window.accesses if offset == newest]
            if kinds[0] != "write":
                entering.append(self.loaded(window, newest, Affine.of(loop.index)))
            before += [self.loaded(window, offset, first) for offset in order[1:]]
            for older, newer in zip(reversed(order[1:]), reversed(order[:-1]), strict=True):
                leaving.append(Define(window.names[older], Scalar(window.names[newer])))
            written = [offset for offset in order if offset in window.written()]
            for offset in order[order.index(written[0]) : order.index(written[-1])]:
                handed_on = offset - self.direction
                index = window.at(handed_on, loop.index, behind)
                after.append(Store(window.array, index, Scalar(window.names[handed_on])))
        comments = next(n for n, code in enumerate(loop.body) if not isinstance(code, Comment))
        body = [made for code in loop.body[comments:] for made in self.statement(code)]
        loop.body = [*loop.body[:comments], *entering, *body, *leaving]
        return Choice(Scalar(f"{stop - start} > 0", COMPARE), [*before, loop, *after])

    def in_time(self, window: Window) -> list[int]:
        """The offsets at which an element stands in one turn after the other."""
        return list(reversed(window.offsets)) if self.direction > 0 else list(window.offsets)

    def loaded(self, window: Window, offset: int, place: Affine) -> Code:
        return Define(window.names[offset], Load(window.array, window.at(offset, self.loop.index, place)))

    def find(self, array: str, index: Index) -> tuple[Window, int] | None:
        for window in self.windows:
            if window.array == array:
                apart = distance(index, window.index, [self.loop.index])
                if apart and apart[0] is not None:
                    return window, apart[0]
        return None

    def statement(self, code: Code) -> list[Code]:
        if isinstance(code, Define):
            return [Define(code.name, self.replaced(code.value), code.operator)]
        if not isinstance(code, Store):
            return [code]
        value = self.replaced(code.value)
        found = self.find(code.array, code.index)
        if found is None:
            return [Store(code.array, code.index, value, code.operator)]
        window, offset = found
        name = window.names[offset]
        if code.operator != "=":
            symbol = code.operator[0]
            value = Apply(f"{{0}} {symbol} {{1}}", (Scalar(name), value), ADD, (ADD, ADD + 1))
        if window.cast != "{0}":
            value = Apply(window.cast, (value,))
        made: list[Code] = [Define(name, value)]
        if self.is_last(window, offset, code):
            made.append(Store(code.array, code.index, Scalar(name)))
        return made

    def is_last(self, window: Window, offset: int, code: Store) -> bool:
        """Whether nothing writes to the element any more."""
        written = window.written()
        if offset != [each for each in self.in_time(window) if each in written][-1]:
            return False
        stores = [each for each in self.loop.body if isinstance(each, Store)]
        return code is [each for each in stores if self.find(each.array, each.index) == (window, offset)][-1]

    def replaced(self, expression: Expression) -> Expression:
        return map_leaves(self.leaf, expression)

    def leaf(self, given: Leaf) -> Leaf:
        found = self.find(given.array, given.index) if isinstance(given, Load) else None
        return given if found is None else Scalar(found[0].names[found[1]])
