"""Whether the turns of a loop have nothing to do with each other, so that threads may share them.

    for i in range(n):                  l, m     made in the turn before they are read: private
        m = -np.inf                     y        every turn has elements of its own: subscript i
        for j in range(k):              total    a sum, which nobody reads meanwhile: in parts
            l[j] = x[i, j] * w[j]       w_bar    likewise, an array of sums
            m = maximum(m, l[j])        x, w     only read
        y[i] = m
        total += y[i]
        for j in range(k):
            w_bar[j] += l[j]

These are the classical conditions (Allen and Kennedy, Optimizing Compilers for Modern Architectures, sections
2.2 and 5.3): no dependence is carried by the loop but those of sums, whose order is ours, and of scalars
that count (the subscripts of tapes), which are known for every turn. Whatever is not of one of these kinds,
and every line that is not known to be harmless, makes the loop one that is not shared.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from ad_compiler.backends.native.accessing import Access, accesses, is_alias, is_check, reads
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.kernels import HELPERS
from ad_compiler.backends.native.nests import (
    Allocate,
    Apply,
    Choice,
    Code,
    Comment,
    Define,
    Expression,
    Line,
    Loops,
    Nest,
    Repeat,
    Scalar,
    Store,
    Whole,
    codes_in,
    expressions_in,
    names_in,
    text_of,
    texts_in,
)
from ad_compiler.backends.native.passes.aliasing import ALIAS

CALLABLE = HELPERS | {"np", "math", "abs", "min", "max", "int", "float", "bool", "complex"}


@dataclass(eq=False, slots=True)
class Kept:
    """What the program does with names beside the loop: enough to know what nobody else sees."""

    uses: Counter[str]  # how often each is touched, by what the program returns too
    made: dict[str, Allocate]  # the arrays that it allocates, once, and that are nothing else
    may_share: Callable[[str, str], bool]  # whether two names may be one array
    viewed: frozenset[str]  # arrays of which a part has a name of its own


@dataclass(frozen=True, slots=True)
class Counting:
    """A scalar that every turn counts on: by `step` for each turn of loops of these lengths inside of it."""

    name: str
    step: int
    lengths: tuple[Affine, ...]


@dataclass(eq=False, slots=True)
class Roles:
    """What the names are that a loop writes."""

    sums: list[str] = field(default_factory=list)  # scalars
    arrays_of_sums: list[str] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)  # arrays that every turn makes anew
    counters: list[Counting] = field(default_factory=list)  # scalars that are known for every turn


def roles(
    body: list[Code], index: str, kept: Kept, in_order: bool, around: Iterable[str] = ()
) -> Roles | None:
    """The roles of what a turn writes; None if turns may not be shared.

    Sums may be parted unless they are `in_order`. A chunk does its turns in all turns of the loops `around`.
    """
    statements = list(codes_in(body))
    if not all(map(is_harmless, statements)):
        return None
    found = Roles()
    own = list(own_accesses(body))
    count = Counter(access.name for access in own)
    defined = {code.name for code in statements if isinstance(code, Define)}
    inside = {code.name for code in statements if isinstance(code, Allocate)}
    running = {code.index for code in statements if isinstance(code, Repeat)} - {""}
    running |= {name for code in statements if isinstance(code, Nest) for name, _ in code.loops}
    if index in defined | running or any(count[name] != kept.uses[name] for name in defined_in_loops(body)):
        return None
    for name in sorted(defined):
        if is_sum_only(name, statements) and name not in running:
            found.sums.append(name)
        elif (counting := counting_of(name, body, statements)) is not None:
            found.counters.append(counting)
        elif count[name] != kept.uses[name]:
            return None
    counters = {each.name for each in found.counters}
    private = defined - set(found.sums) - counters
    if not is_made_first(body, private, set()):
        return None
    changing = defined | running | inside | set(around)
    if any(names_in(str(n)) & {index, *changing} for each in found.counters for n in each.lengths):
        return None
    written = {access.name for access in own if access.index is not None and access.kind != "read"}
    written |= {name for code in statements if isinstance(code, Line) for name in code.writes}
    for name in sorted(written - inside):
        group = [access for access in own if access.name not in defined and kept.may_share(name, access.name)]
        others = {access.name for access in group} - {name}
        if others and kept.viewed & {name, *others}:
            return None
        if is_apart(group, {index, *counters}, changing):
            continue
        made = kept.made.get(name)
        if others or name in kept.viewed:
            return None
        is_own = made is not None and not made.zeros and count[name] + 1 == kept.uses[name]
        if made is not None and is_own and Row(name, made.extents, defined).is_made_first(body):
            found.rows.append(name)
        elif all(access.kind == "add" for access in group):
            found.arrays_of_sums.append(name)
        else:
            return None
    if any(count[name] != kept.uses[name] for name in inside):
        return None
    return None if in_order and (found.sums or found.arrays_of_sums) else found


def own_accesses(body: list[Code]) -> Iterator[Access]:
    for code in body:
        yield from accesses(code)


def defined_in_loops(body: list[Code]) -> set[str]:
    """The indices of loops of the user's own, which Python keeps after them."""
    return {code.index for code in codes_in(body) if isinstance(code, Repeat) and code.index}


def is_harmless(code: Code) -> bool:
    """Whether a statement may run in any thread: it calls nothing but functions of ours and of NumPy's."""
    if isinstance(code, Line):
        return is_check(code) and calls_known(code.text)
    if isinstance(code, (Define, Store)):
        subscripts = " ".join(map(str, code.index)) if isinstance(code, Store) else ""
        return calls_known(f"{text_of(code.value)} {subscripts}")
    if isinstance(code, Choice):
        return calls_known(text_of(code.condition))
    if isinstance(code, Repeat):
        return code.bounds is not None
    return isinstance(code, (Allocate, Comment, Nest))


def calls_known(text: str) -> bool:
    called = re.findall(r"([A-Za-z_][\w.]*)\(", text)
    return all(name.split(".")[0] in CALLABLE and "random" not in name for name in called)


# Scalars


def is_sum_only(name: str, statements: list[Code]) -> bool:
    """Whether all that is done with a scalar is to add to it."""
    for code in statements:
        if isinstance(code, Define) and code.name == name:
            term = term_of(code)
            if term is None or name in {access.name for access in reads(term)}:
                return False
        elif not isinstance(code, Nest) and name in read_by(code):
            return False
    return not any(
        name in names_in(str(extent))
        for code in statements
        if isinstance(code, Nest)
        for _, extent in code.loops
    )


def term_of(code: Define) -> Expression | None:
    """What a statement adds to the scalar that it defines; None if that is not all it does."""
    if code.operator == "+=":
        return code.value
    value = code.value
    if code.operator == "=" and isinstance(value, Apply) and value.form == "plus({0}, {1})":
        return value.parts[1] if value.parts[0] == Scalar(code.name) else None
    return None


def read_by(code: Code) -> frozenset[str]:
    """The names that a statement reads itself."""
    if isinstance(code, (Nest, Comment)):
        extents = [extent for _, extent in code.loops] if isinstance(code, Nest) else []
        return frozenset().union(*(names_in(str(extent)) for extent in extents))
    if isinstance(code, Choice):
        return names_in(text_of(code.condition))
    if isinstance(code, Repeat):
        return names_in(code.head)
    if isinstance(code, Allocate):
        return names_in(" ".join(map(str, code.extents)))
    if isinstance(code, Line):
        return names_in(code.text)
    text = text_of(code.value)
    if isinstance(code, Store):
        text += " " + " ".join(map(str, code.index))
    elif code.operator != "=":
        text += f" {code.name}"
    return names_in(text)


def is_made_first(body: list[Code], private: set[str], made: set[str]) -> bool:
    """Whether scalars are defined before they are read, whichever way a turn takes; adds to `made`."""
    for code in body:
        if read_by(code) & private - made:
            return False
        if isinstance(code, Define):
            made.add(code.name)
        elif isinstance(code, (Nest, Repeat)):
            if not is_made_first(code.body, private, set(made)):
                return False
        elif isinstance(code, Choice):
            sides = [set(made), set(made)]
            for side, known in zip((code.then, code.otherwise), sides, strict=True):
                if not is_made_first(side, private, known):
                    return False
            made |= sides[0] & sides[1]
    return True


# Counters


def counting_of(name: str, body: list[Code], statements: list[Code]) -> Counting | None:
    """How a scalar counts, if it does: by one, in every turn of some loops, and as a subscript only.

    All that reads it stands beside the line that counts, on one side of it: so it has another value in every
    turn.
    """
    found = place_of(name, body, ())
    if found is None or sum(isinstance(code, Define) and code.name == name for code in statements) != 1:
        return None
    lengths, around, place = found
    counts = around[place]
    assert isinstance(counts, Define)
    before, behind = around[:place], around[place + 1 :]
    beside = [code for code in (*before, *behind) if touches(code, name)]
    if not all(isinstance(code, (Define, Store)) and is_subscript_only(name, code) for code in beside):
        return None
    if any(touches(code, name) for code in before) and any(touches(code, name) for code in behind):
        return None
    known = {id(code) for code in (*beside, counts)}
    others = [code for code in statements if id(code) not in known]
    if any(name in read_by(code) for code in others):
        return None
    return Counting(name, 1 if counts.operator == "+=" else -1, lengths)


def place_of(
    name: str, body: list[Code], lengths: tuple[Affine, ...]
) -> tuple[tuple[Affine, ...], list[Code], int] | None:
    """Where a scalar counts on by one: the lengths of the loops around, the statements, and which it is."""
    for place, code in enumerate(body):
        if isinstance(code, Define) and code.name == name:
            is_count = code.operator in ("+=", "-=") and code.value == Scalar("1")
            return (lengths, body, place) if is_count else None
        inner: tuple[Affine, ...] = ()
        if isinstance(code, Nest):
            inner = tuple(extent for _, extent in code.loops)
        elif isinstance(code, Repeat) and code.bounds is not None:
            inner = (code.bounds[1] - code.bounds[0],)
        if isinstance(code, (Nest, Repeat)):
            found = place_of(name, code.body, (*lengths, *inner))
            if found is not None:
                return found
    return None


def touches(code: Code, name: str) -> bool:
    return any(access.name == name for access in accesses(code))


def is_subscript_only(name: str, code: Define | Store) -> bool:
    """Whether a statement reads a scalar as the subscript of an element, and not by itself."""
    if any(name in names_in(text) for text in texts_in(code.value)):
        return False
    wholes = [part.number for part in expressions_in(code.value) if isinstance(part, Whole)]
    return not any(name in names_in(str(number)) for number in wholes)


# Arrays


def is_apart(group: list[Access], turns: set[str], changing: set[str]) -> bool:
    """Whether one subscript of all accesses is the same in one turn, and another one in every other.

    That is a sum of one of `turns`, which has another value in each, and of what does not change.
    """
    if any(access.index is None for access in group):
        return False
    indices = {access.index for access in group if access.index is not None}
    if len({len(each) for each in indices}) != 1:
        return False
    for axis in range(len(next(iter(indices)))):
        numbers = {each[axis] for each in indices}
        if len(numbers) != 1:
            continue
        terms = dict(next(iter(numbers)).terms)
        own = [name for name in terms if name in turns]
        rest = [text for text in terms if text not in turns]
        if len(own) == 1 and not any(names_in(text) & (turns | changing) or "[" in text for text in rest):
            return True
    return False


@dataclass(eq=False, slots=True)
class Row:
    """An array of which a turn writes what it reads."""

    name: str
    extents: tuple[Affine, ...]
    defined: set[str]  # scalars, which may change
    is_filled: bool = False

    def is_made_first(self, body: list[Code]) -> bool:
        return self.walk(body, [], set())

    def walk(self, body: list[Code], loops: Loops | None, written: set[tuple[Affine, ...]]) -> bool:
        """Whether nothing is read that is not written.

        `loops` are those around, None where it is not known that all their turns are run.
        """
        for code in body:
            if isinstance(code, Choice):
                sides = [set(written), set(written)]
                if not self.may_read(reads(code.condition), written):
                    return False
                for side, known in zip((code.then, code.otherwise), sides, strict=True):
                    if not self.walk(side, None, known):
                        return False
                written |= sides[0] & sides[1]
            elif isinstance(code, (Nest, Repeat)):
                if not self.may_read((a for a in accesses(heading(code))), written):
                    return False
                if not self.walk(code.body, inner_loops(code, loops), outside_of(code, written)):
                    return False
            elif isinstance(code, Store) and code.array == self.name:
                if not self.may_read(reads(code.value), written):
                    return False
                own = Access(self.name, code.index, "read")
                if code.operator != "=" and not self.may_read([own], written):
                    return False
                if not any(
                    names_in(text) & self.defined for number in code.index for text, _ in number.terms
                ):
                    written.add(code.index)
            elif not self.may_read((a for a in accesses(code)), written):
                return False
            if loops == []:
                self.is_filled = self.is_filled or self.has_filled(code, [])
        return True

    def has_filled(self, code: Code, loops: Loops | None) -> bool:
        """Whether a statement, in all turns of these loops, has written the whole array."""
        if isinstance(code, (Nest, Repeat)):
            inner = inner_loops(code, loops)
            return any(self.has_filled(each, inner) for each in code.body)
        if not isinstance(code, Store) or code.array != self.name or code.operator != "=":
            return False
        return self.fills(code.index, loops)

    def fills(self, index: tuple[Affine, ...], loops: Loops | None) -> bool:
        """Whether the turns of these loops write all elements."""
        if loops is None or len(index) != len(self.extents):
            return False
        extents = dict(loops)
        if len(extents) != len(loops):
            return False
        return (
            all(
                extents.pop(str(number), Affine.of(1) if number == 0 else None) == extent
                for number, extent in zip(index, self.extents, strict=True)
            )
            and not extents
        )

    def may_read(self, found: Iterator[Access] | list[Access], written: set[tuple[Affine, ...]]) -> bool:
        return self.is_filled or all(access.index in written for access in found if access.name == self.name)


def heading(code: Nest | Repeat) -> Code:
    """The loop without what is in it."""
    if isinstance(code, Nest):
        return Nest(code.loops, [])
    return Repeat(code.head, [], code.reads, code.index, code.bounds, code.is_reverse)


def outside_of(code: Nest | Repeat, written: set[tuple[Affine, ...]]) -> set[tuple[Affine, ...]]:
    """The subscripts of `written` that mean the same in a loop: its index is none of their names."""
    own = {name for name, _ in code.loops} if isinstance(code, Nest) else {code.index}
    return {index for index in written if not own & names_in(" ".join(map(str, index)))}


def inner_loops(code: Nest | Repeat, around: Loops | None) -> Loops | None:
    """The loops around the body of one."""
    if around is None:
        return None
    if isinstance(code, Nest):
        return [*around, *code.loops]
    if code.bounds is None or code.bounds[0] != 0:
        return None
    return [*around, (code.index, code.bounds[1])]


def viewed_arrays(programs: list[list[Code]]) -> frozenset[str]:
    """Arrays of which a part, or all in another shape, has a name of its own, and these names."""
    found: set[str] = set()
    for program in programs:
        for code in codes_in(program):
            if isinstance(code, Line) and is_alias(code) and not is_plain(code.text):
                found |= names_in(code.text)
    return frozenset(found)


def is_plain(text: str) -> bool:
    """Whether a line gives names to whole arrays: `a = b`, `a, b = b, a`."""
    left, right = text.split(" = ", 1)
    names, sources = left.split(", "), right.split(", ")
    return len(names) == len(sources) and all(
        ALIAS.fullmatch(f"{name} = {source}") for name, source in zip(names, sources, strict=True)
    )
