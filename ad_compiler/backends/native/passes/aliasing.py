"""One name for one array: names that loops give to what they hand on are removed.

    u_2 = u_1
    for i in range(n):                      for i in range(n):
        u_2[i] = ...                ->          u_1[i] = ...
    u_1 = u_2

A name that is given once, to an array that has itself one name but for being given back, stands for that
array wherever it is read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

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
    Scalar,
    Store,
    Whole,
    codes_in,
    sides,
)
from ad_compiler.backends.numpy.nouns import NOUNS

NAME = r"[A-Za-z_]\w*"
ALIAS = re.compile(rf"({NAME}) = ({NAME})")


def remove_aliases(programs: list[list[Code]], outputs: list[str], made: set[str]) -> list[str]:
    """Give the arrays of a program one name each, in place; `outputs` (expressions) in these names.

    `made` are names that are given where no code says so: those of the inputs.
    """
    names = one_name_each(programs, made)
    for program in programs:
        rename(program, names)
        drop_identities(program)
    return [renamed(text, names) for text in outputs]


def is_name_of_operation(source: str) -> bool:
    """Whether any other name says more."""
    return re.sub(r"_\d+$", "", source) in {*NOUNS.values(), "zeros", "ones", "empty"}


def one_name_each(programs: list[list[Code]], made: set[str]) -> dict[str, str]:
    """What the names stand for whose aliases can be removed."""
    given: Counter[str] = Counter(made)
    handed: Counter[tuple[str, str]] = Counter()  # a name, and what it is given to
    for program in programs:
        for code in codes_in(program):
            given.update(names_given(code))
            if isinstance(code, Line):
                alias = ALIAS.fullmatch(code.text)
                if alias:
                    handed[alias[1], alias[2]] += 1
    names: dict[str, str] = {}
    while True:
        found = next((pair for pair in handed if is_removable(*pair, given, handed)), None)
        if found is None:
            return names
        name, source = found
        gone, kept = found if source in made or not is_name_of_operation(source) else (source, name)
        names = {each: kept if other == gone else other for each, other in names.items()} | {gone: kept}
        given[kept] += given.pop(gone)
        before, handed = handed, Counter()
        for pair, count in before.items():
            one, other = (kept if each == gone else each for each in pair)
            if one == other:
                given[one] -= count  # such lines are dropped
            else:
                handed[one, other] += count


def is_removable(name: str, source: str, given: Counter[str], handed: Counter[tuple[str, str]]) -> bool:
    """Whether a name is given once, to what has itself one name but for being given back."""
    return given[name] == 1 and given[source] - handed[source, name] == 1


def names_given(code: Code) -> Iterator[str]:
    """The names that a statement gives, those inside of it left out."""
    if isinstance(code, (Define, Allocate)):
        yield code.name
    elif isinstance(code, Line):
        yield from code.writes
    elif isinstance(code, Repeat) and code.index:
        yield code.index


def drop_identities(body: list[Code]) -> None:
    body[:] = [code for code in body if not (isinstance(code, Line) and is_identity(code.text))]
    for code in body:
        for inner in sides(code):
            drop_identities(inner)


def is_identity(text: str) -> bool:
    alias = ALIAS.fullmatch(text)
    return alias is not None and alias[1] == alias[2]


def renamed(text: str, names: dict[str, str]) -> str:
    return re.sub(rf'"[^"]*"|(?<![\w.]){NAME}', lambda found: names.get(found[0], found[0]), text)


def rename(body: list[Code], names: dict[str, str]) -> None:
    """Replace names everywhere, in place."""

    def number(given: Affine) -> Affine:
        return Affine(tuple((renamed(text, names), factor) for text, factor in given.terms), given.constant)

    def numbers(given: tuple[Affine, ...]) -> tuple[Affine, ...]:
        return tuple(map(number, given))

    def expression(given: Expression) -> Expression:
        if isinstance(given, Scalar):
            return Scalar(renamed(given.name, names), given.precedence)
        if isinstance(given, Whole):
            return Whole(number(given.number))
        if isinstance(given, Load):
            return Load(names.get(given.array, given.array), numbers(given.index))
        return Apply(
            renamed(given.form, names), tuple(map(expression, given.parts)), given.precedence, given.needs
        )

    for code in codes_in(body):
        if isinstance(code, Define):
            code.name, code.value = names.get(code.name, code.name), expression(code.value)
        elif isinstance(code, Store):
            code.array, code.index = names.get(code.array, code.array), numbers(code.index)
            code.value = expression(code.value)
        elif isinstance(code, Line):
            code.text = renamed(code.text, names)
            code.reads, code.writes = (
                frozenset(names.get(each, each) for each in group) for group in (code.reads, code.writes)
            )
            code.parts = {names.get(each, each): numbers(index) for each, index in code.parts.items()}
        elif isinstance(code, Allocate):
            code.name, code.extents = names.get(code.name, code.name), numbers(code.extents)
        elif isinstance(code, Nest):
            code.loops = [(index, number(extent)) for index, extent in code.loops]
        elif isinstance(code, Choice):
            code.condition = expression(code.condition)
        elif isinstance(code, Repeat):
            code.head = renamed(code.head, names)
            code.reads = frozenset(names.get(each, each) for each in code.reads)
            if code.bounds is not None:
                code.bounds = (number(code.bounds[0]), number(code.bounds[1]))
