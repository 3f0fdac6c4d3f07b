"""Fuses loop nests, and keeps in scalars what lives inside of one.

    for i in range(n):                     for i in range(n):
        t[i] = np.exp(x[i])                    t = np.exp(x[i])
    for i in range(n):               ->        y[i] = t * t
        y[i] = t[i] * t[i]

Two nests that follow each other are fused as far as their outer loops are the same, and no turn of the one
needs what another turn of the other makes: an array that one writes and both touch is touched, in turn i,
only where one of its subscripts is i. Additions into one array commute. What stands between the nests moves
in front. An array whose every element is made and read in one turn becomes a scalar.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.frame import names_in
from ad_compiler.backends.native.nests import (
    Allocate,
    Apply,
    Choice,
    Code,
    Comment,
    Define,
    Expression,
    Line,
    Load,
    Nest,
    Repeat,
    Scalar,
    Store,
    Whole,
    codes_in,
    text_of,
)


@dataclass(frozen=True, slots=True)
class Access:
    """How a statement touches an array or a scalar: `index` is None where it is not known."""

    name: str
    index: tuple[Affine, ...] | None
    kind: str  # "read", "write" or "add"


def accesses(code: Code) -> Iterator[Access]:
    """Everything a statement touches, what is inside of it included."""
    if isinstance(code, Define):
        kind = "write" if code.operator == "=" else "add"
        yield Access(code.name, None, kind)
        yield from reads(code.value)
    elif isinstance(code, Store):
        kind = "write" if code.operator == "=" else "add"
        yield Access(code.array, code.index, kind)
        yield from hidden(code.index)
        yield from reads(code.value)
    elif isinstance(code, Allocate):
        yield Access(code.name, None, "write")
        yield from hidden(code.extents)
    elif isinstance(code, Line):
        for name in code.writes:
            yield Access(name, code.parts.get(name), "write")
        for name in names_in(code.text):
            yield Access(name, code.parts.get(name), "read")
    elif isinstance(code, Nest):
        for _, extent in code.loops:
            yield from hidden((extent,))
        for inner in code.body:
            yield from accesses(inner)
    elif isinstance(code, Choice):
        yield from reads(code.condition)
        for inner in [*code.then, *code.otherwise]:
            yield from accesses(inner)
    elif isinstance(code, Repeat):
        for name in names_in(code.head):
            yield Access(name, None, "read")
        for inner in code.body:
            yield from accesses(inner)


def reads(expression: Expression) -> Iterator[Access]:
    if isinstance(expression, Load):
        yield Access(expression.array, expression.index, "read")
        yield from hidden(expression.index)
    elif isinstance(expression, Apply):
        for name in names_in(expression.form):
            yield Access(name, None, "read")
        for part in expression.parts:
            yield from reads(part)
    elif isinstance(expression, Whole):
        yield from hidden((expression.number,))
    else:
        for name in names_in(expression.name):
            yield Access(name, None, "read")


def hidden(index: tuple[Affine, ...]) -> Iterator[Access]:
    """What subscripts read: names, and arrays inside of them at places that are not known."""
    for number in index:
        for text, _ in number.terms:
            for name in names_in(text):
                yield Access(name, None, "read")


FARTHEST = 8  # nests that may stand between two that are fused


class Fuser:
    """Fuses the nests of one program."""

    def __init__(self, programs: list[list[Code]], outputs: list[str]) -> None:
        self.programs = programs
        self.outputs = Counter(name for text in outputs for name in names_in(text))
        self.root = alias_roots(programs)

    def run(self) -> None:
        for program in self.programs:
            self.fuse(program)
        Scalars(self.programs, self.outputs).run()

    def fuse(self, body: list[Code]) -> None:
        """Fuse the nests of one list of statements, then those inside of them."""
        result: list[Code] = []
        for code in body:
            if isinstance(code, Nest):
                self.place(result, code)
            else:
                result.append(code)
        body[:] = result
        for code in body:
            if isinstance(code, (Nest, Repeat)):
                self.fuse(code.body)
            elif isinstance(code, Choice):
                self.fuse(code.then)
                self.fuse(code.otherwise)

    def place(self, result: list[Code], nest: Nest) -> None:
        """Append a nest, or fuse it with an earlier one."""
        passed = 0
        for spot in range(len(result) - 1, -1, -1):
            earlier = result[spot]
            if isinstance(earlier, (Repeat, Choice)) or passed == FARTHEST:
                break
            if isinstance(earlier, Nest):
                if self.joined(result, spot, nest):
                    return
                passed += 1
        result.append(nest)

    def joined(self, result: list[Code], spot: int, nest: Nest) -> bool:
        """Whether a nest is fused with the one at a spot.

        What it needs of what stands between moves in front, and so do checks that lengths fit.
        """
        earlier = result[spot]
        assert isinstance(earlier, Nest)
        depth = self.common(earlier, nest)
        if depth == 0:
            return False
        before: list[Code] = []
        behind: list[Code] = []
        for code in reversed(result[spot + 1 :]):
            is_needed = is_check(code) or any(self.conflict([code], [each], []) for each in (nest, *before))
            (before if is_needed and not isinstance(code, Comment) else behind).insert(0, code)
        comments: list[Code] = []
        comments += [code for code in behind if isinstance(code, Comment)][-1:]
        if any(self.conflict([earlier], [code], []) for code in before):
            return False
        first = inner(earlier, depth)
        if last_comment(first) == last_comment(comments):
            comments = []
        body: list[Code] = [*first, *comments, *inner(nest, depth)]
        result[spot:] = before
        self.place(result, Nest(earlier.loops[:depth], body))
        result += behind if any(not isinstance(code, Comment) for code in behind) else []
        return True

    def common(self, first: Nest, second: Nest) -> int:
        """How many of the outer loops can be one."""
        depth = 0
        while (
            depth < len(first.loops)
            and depth < len(second.loops)
            and first.loops[depth] == second.loops[depth]
        ):
            depth += 1
        while depth > 0:
            if not worthwhile(first, second, depth):
                return 0
            if not self.conflict([first], [second], [name for name, _ in first.loops[:depth]]):
                return depth
            depth -= 1
        return 0

    def conflict(self, first: list[Code], second: list[Code], shared: list[str]) -> bool:
        """Whether the order of two groups of statements matters, turns of `shared` loops taken one by one."""
        a = [access for code in first for access in accesses(code)]
        b = [access for code in second for access in accesses(code)]
        loops = {name for code in [*first, *second] if isinstance(code, Nest) for name, _ in loops_in(code)}
        by_root: dict[str, tuple[list[Access], list[Access]]] = {}
        for place, group in enumerate((a, b)):
            for access in group:
                if access.name not in loops:
                    by_root.setdefault(self.root(access.name), ([], []))[place].append(access)
        for ours, theirs in by_root.values():
            if not ours or not theirs:
                continue
            kinds = {access.kind for access in (*ours, *theirs)}
            if kinds == {"read"}:
                continue
            if kinds == {"add"} and all(access.index is not None for access in (*ours, *theirs)):
                continue
            if not shared or not is_pointwise([*ours, *theirs], shared):
                return True
        return False


def alias_roots(programs: list[list[Code]]) -> Callable[[str], str]:
    """Names that may stand for one array have one root."""
    aliases: dict[str, str] = {}

    def root(name: str) -> str:
        while name in aliases:
            name = aliases[name]
        return name

    for program in programs:
        for code in codes_in(program):
            if isinstance(code, Line) and is_alias(code):
                for name, source in renamed(code):
                    a, b = root(name), root(source)
                    if a != b:
                        aliases[a] = b
    return root


def worthwhile(first: Nest, second: Nest, depth: int) -> bool:
    """Whether nests touch the same arrays; those of which only the outer loops are the same pass rows on."""
    is_whole = depth == len(first.loops) == len(second.loops)
    touched = {
        access.name
        for access in accesses(first)
        if access.index is not None and (is_whole or access.kind != "read")
    }
    return any(access.name in touched for access in accesses(second))


def is_check(code: Code) -> bool:
    """Whether a line departs for lengths that do not fit."""
    return isinstance(code, Line) and code.text.endswith("raise Departure") and not code.writes


def last_comment(body: list[Code]) -> str:
    return next((code.text for code in reversed(list(codes_in(body))) if isinstance(code, Comment)), "")


def inner(nest: Nest, depth: int) -> list[Code]:
    rest = nest.loops[depth:]
    return [Nest(rest, nest.body)] if rest else nest.body


def loops_in(nest: Nest) -> Iterator[tuple[str, Affine]]:
    yield from nest.loops
    for code in codes_in(nest.body):
        if isinstance(code, Nest):
            yield from code.loops


def is_pointwise(found: list[Access], shared: list[str]) -> bool:
    """Whether each of the loops' subscripts stands, alone, in one place of all indices of an array."""
    if any(access.index is None for access in found) or len({access.name for access in found}) != 1:
        return False
    indices = [access.index for access in found if access.index is not None]
    rank = len(indices[0])
    return all(
        any(all(index[place] == Affine.of(name) for index in indices) for place in range(rank))
        for name in shared
    )


def is_alias(code: Line) -> bool:
    """Whether a line gives another name to the memory of an array."""
    text = code.text
    if "\n" in text or " = " not in text or text.startswith(("if ", "raise")):
        return False
    value = text.split(" = ", 1)[1]
    return not re.search(r"^\w+\(|\.copy\(\)|np\.", value)


def renamed(code: Line) -> list[tuple[str, str]]:
    """The names that a line gives, each with the array (or number) it is given to."""
    left, right = code.text.split(" = ", 1)
    targets = left.split(", ")
    sources = right.split(", ") if len(targets) > 1 else [right]
    found = [
        (name, re.match(r"[A-Za-z_]\w*", source)) for name, source in zip(targets, sources, strict=False)
    ]
    return [(name, match.group()) for name, match in found if match is not None]


class Scalars:
    """Arrays that live inside of one turn become scalars."""

    def __init__(self, programs: list[list[Code]], outputs: Counter[str]) -> None:
        self.programs = programs
        self.outputs = outputs
        self.uses: Counter[str] = Counter(outputs)
        self.allocated: set[str] = set()
        for program in programs:
            for code in codes_in(program):
                if isinstance(code, Nest):
                    continue
                if isinstance(code, Allocate):
                    self.allocated.add(code.name)
                    self.uses.update(access.name for access in hidden(code.extents))
                else:
                    for access in own_accesses(code):
                        self.uses[access.name] += 1

    def run(self) -> None:
        for program in self.programs:
            self.inside(program)
            self.drop(program)
        while self.remove_unread():
            pass

    def remove_unread(self) -> bool:
        """Remove scalars that nobody reads; whether there were any."""
        read = Counter(self.outputs)
        for program in self.programs:
            for code in codes_in(program):
                read.update(access.name for access in own_reads(code))
        return sum(self.without(program, read) for program in self.programs) > 0

    def without(self, body: list[Code], read: Counter[str]) -> bool:
        kept = [
            code
            for code in body
            if not (isinstance(code, Define) and not read[code.name] and not may_depart(code.value))
        ]
        found = len(kept) < len(body)
        body[:] = kept
        for code in body:
            inside = [code.body] if isinstance(code, (Nest, Repeat)) else []
            inside += [code.then, code.otherwise] if isinstance(code, Choice) else []
            for each in inside:
                found = self.without(each, read) or found
        body[:] = [code for code in body if not (isinstance(code, Nest) and is_empty(code.body))]
        return found

    def inside(self, body: list[Code]) -> None:
        """Look into every nest, the outer ones first."""
        for code in list(body):
            if isinstance(code, Nest):
                self.nest(code.body)
                self.inside(code.body)
            elif isinstance(code, Repeat):
                self.inside(code.body)
            elif isinstance(code, Choice):
                self.inside(code.then)
                self.inside(code.otherwise)

    def nest(self, body: list[Code]) -> None:
        for place, code in enumerate(body):
            if not isinstance(code, Store) or code.operator != "=" or code.array not in self.allocated:
                continue
            name, index = code.array, code.index
            if any("[" in text or "(" in text for number in index for text, _ in number.terms):
                continue
            rest = body[place:]
            found = [access for each in rest for access in accesses(each) if access.name == name]
            if len(found) != self.uses[name] or any(access.index != index for access in found):
                continue
            self.allocated.discard(name)
            self.uses[name] = -1
            body[place:] = [replaced(each, name, index) for each in rest]

    def drop(self, body: list[Code]) -> None:
        body[:] = [code for code in body if not (isinstance(code, Allocate) and self.uses[code.name] == -1)]
        for code in body:
            if isinstance(code, (Nest, Repeat)):
                self.drop(code.body)
            elif isinstance(code, Choice):
                self.drop(code.then)
                self.drop(code.otherwise)


def is_empty(body: list[Code]) -> bool:
    return all(isinstance(code, Comment) for code in body)


def own_reads(code: Code) -> Iterator[Access]:
    """What a statement reads itself."""
    if isinstance(code, Nest):
        for _, extent in code.loops:
            yield from hidden((extent,))
    elif isinstance(code, Define):
        yield from reads(code.value)
    elif isinstance(code, Allocate):
        yield from hidden(code.extents)
    else:
        yield from own_accesses(code)


PURE = frozenset({"np", "math", "abs", "min", "max", "maximum", "minimum", "shape"})


def may_depart(expression: Expression) -> bool:
    """Whether an expression calls a helper, which may leave the case to NumPy code."""
    called = re.findall(r"([\w.]+)\(", text_of(expression))
    return any(name.split(".")[0] not in PURE for name in called)


def own_accesses(code: Code) -> Iterator[Access]:
    """What a statement touches itself."""
    if isinstance(code, Choice):
        yield from reads(code.condition)
    elif isinstance(code, Repeat):
        for name in names_in(code.head):
            yield Access(name, None, "read")
    else:
        yield from accesses(code)


def replaced(code: Code, name: str, index: tuple[Affine, ...]) -> Code:
    """The statement with the element of an array as a scalar."""
    if isinstance(code, Define):
        return Define(code.name, in_expression(code.value, name, index), code.operator)
    if isinstance(code, Store):
        value = in_expression(code.value, name, index)
        if code.array == name:
            return Define(name, value, code.operator)
        return Store(code.array, code.index, value, code.operator)
    if isinstance(code, Nest):
        return Nest(code.loops, [replaced(each, name, index) for each in code.body])
    if isinstance(code, Choice):
        then, otherwise = (
            [replaced(each, name, index) for each in side] for side in (code.then, code.otherwise)
        )
        return Choice(in_expression(code.condition, name, index), then, otherwise)
    return code


def in_expression(expression: Expression, name: str, index: tuple[Affine, ...]) -> Expression:
    if isinstance(expression, Load) and expression.array == name:
        return Scalar(name)
    if isinstance(expression, Apply):
        parts = tuple(in_expression(part, name, index) for part in expression.parts)
        return Apply(expression.form, parts, expression.precedence, expression.needs)
    return expression


def normalise(body: list[Code], known: dict[str, Affine]) -> None:
    """Write equal lengths alike, in place."""

    def normal(number: Affine) -> Affine:
        for _ in range(8):
            replaced = number.substitute(known)
            if replaced == number:
                break
            number = replaced
        return number

    for code in codes_in(body):
        if isinstance(code, Nest):
            code.loops = [(name, normal(extent)) for name, extent in code.loops]
        elif isinstance(code, Allocate):
            code.extents = tuple(map(normal, code.extents))


def fuse(programs: list[list[Code]], outputs: list[str]) -> None:
    """Fuse the nests of the sweeps of a program, in place."""
    Fuser(programs, outputs).run()
