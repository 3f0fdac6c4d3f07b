"""What statements touch: arrays at which subscripts, and scalars; names that may stand for one array."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.nests import (
    Allocate,
    Apply,
    Choice,
    Code,
    Define,
    Expression,
    Line,
    Load,
    Nest,
    Repeat,
    Store,
    Whole,
    codes_in,
    names_in,
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


def uses_of(programs: list[list[Code]], outputs: list[str]) -> Counter[str]:
    """How often each array and scalar is touched by programs and by what they return."""
    uses = Counter(name for text in outputs for name in names_in(text))
    for program in programs:
        uses.update(access.name for code in program for access in accesses(code))
    return uses


def own_accesses(code: Code) -> Iterator[Access]:
    """What a statement touches itself."""
    if isinstance(code, Choice):
        yield from reads(code.condition)
    elif isinstance(code, Repeat):
        for name in names_in(code.head):
            yield Access(name, None, "read")
    else:
        yield from accesses(code)


def own_reads(code: Code) -> Iterator[Access]:
    """What a statement reads itself."""
    if isinstance(code, Nest):
        for _, extent in code.loops:
            yield from hidden((extent,))
    elif isinstance(code, Define):
        if code.operator != "=" and may_depart(code.value):  # it stays, and so must what it starts from
            yield Access(code.name, None, "read")
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


def is_check(code: Code) -> bool:
    """Whether a line departs for lengths that do not fit."""
    return isinstance(code, Line) and code.text.endswith("raise Departure") and not code.writes
