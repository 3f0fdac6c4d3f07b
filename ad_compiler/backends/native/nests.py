"""The iteration-space program: loop nests over run-time lengths, with scalar statements inside.

    for i in range(n):                  Nest([("i", n)], [
        total = 0.0                         Define("total", 0.0),
        for j in range(m):                  Nest([("j", m)], [
            total += a[i, j]                    Define("total", a[i, j], "+=")]),
        s[i] = total                        Store("s", (i,), total)])

Expressions are trees whose leaves are numbers, scalar variables and elements of arrays. What stands between
the nests (allocations, calls, control flow) is kept as lines that say what they read and write.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache

from ad_compiler.backends.native.affine import Affine

ATOM = 20
WHOLE = Affine.of(":")  # the subscript of a whole axis


@dataclass(frozen=True, slots=True)
class Scalar:
    """A scalar variable, or a number."""

    name: str
    precedence: int = ATOM


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number of index arithmetic."""

    number: Affine


@dataclass(frozen=True, slots=True)
class Load:
    """An element of an array in memory."""

    array: str
    index: tuple[Affine, ...]


@dataclass(frozen=True, slots=True)
class Apply:
    """`form` with the parts put in; `needs` says how tightly each part must bind to stand there bare."""

    form: str
    parts: tuple[Expression, ...]
    precedence: int = ATOM
    needs: tuple[int, ...] = ()


Leaf = Scalar | Whole | Load
Expression = Leaf | Apply
Loops = list[tuple[str, Affine]]  # the outermost first: index, and how many turns


@dataclass(eq=False, slots=True)
class Define:
    """`name = value`, or `name += value`."""

    name: str
    value: Expression
    operator: str = "="


@dataclass(eq=False, slots=True)
class Store:
    """`array[index] = value`, or `+=`."""

    array: str
    index: tuple[Affine, ...]
    value: Expression
    operator: str = "="


@dataclass(eq=False, slots=True)
class Line:
    """A statement of another kind: what it reads and writes, by name.

    Of the arrays in `parts` it touches what these subscripts say, and `name[i, j]` is how the text says it:
    the `WHOLE` axes at the end are left out.
    """

    text: str
    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    parts: dict[str, tuple[Affine, ...]] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class Allocate:
    """A new array."""

    name: str
    extents: tuple[Affine, ...]
    dtype: str
    zeros: bool = False


@dataclass(eq=False, slots=True)
class Nest:
    """Loops, the outermost first, and what is done inside of the innermost."""

    loops: Loops
    body: list[Code]


@dataclass(eq=False, slots=True)
class Comment:
    """What the following lines compute."""

    text: str


@dataclass(eq=False, slots=True)
class Choice:
    """`if`."""

    condition: Expression
    then: list[Code] = field(default_factory=list)
    otherwise: list[Code] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Repeat:
    """A loop of the user's own: its head as text, and its body.

    `bounds` are the first turn and the one behind the last, if it takes all of them in steps of 1 in either
    direction. In the reverse sweep, the order of sums is ours.
    """

    head: str
    body: list[Code] = field(default_factory=list)
    reads: frozenset[str] = frozenset()
    index: str = ""
    bounds: tuple[Affine, Affine] | None = None
    is_reverse: bool = False


Code = Define | Store | Line | Allocate | Nest | Comment | Choice | Repeat


@lru_cache(maxsize=1 << 14)  # passes ask for the same texts over and over
def names_in(text: str) -> frozenset[str]:
    """The names of variables and functions in a text, attributes and what is quoted left out."""
    if '"' in text:
        text = re.sub(r'"[^"]*"', "", text)
    return frozenset(re.findall(r"(?<![\w.])[A-Za-z_]\w*", text))


def text_of(expression: Expression, least: int = 0) -> str:
    """The expression as Python, in parentheses where it binds less tightly than `least`.

    >>> text_of(Apply("{0} + {1}", (Scalar("a"), Scalar("b")), 9), 11)
    '(a + b)'
    """
    text, precedence = written(expression)
    return text if precedence >= least else f"({text})"


def written(expression: Expression) -> tuple[str, int]:
    if isinstance(expression, Scalar):
        return expression.name, expression.precedence
    if isinstance(expression, Whole):
        return str(expression.number), ATOM if expression.number.is_simple else 9
    if isinstance(expression, Load):
        return f"{expression.array}[{', '.join(map(str, expression.index))}]", ATOM
    needs = expression.needs or (0,) * len(expression.parts)
    parts = [text_of(part, least) for part, least in zip(expression.parts, needs, strict=True)]
    return expression.form.format(*parts), expression.precedence


def part_text(array: str, index: tuple[Affine, ...]) -> str:
    """A part of an array, as the text of a line says it.

    >>> part_text("a", (Affine.of("i"), WHOLE))
    'a[i]'
    """
    leading = [str(number) for number in index if number != WHOLE]
    return f"{array}[{', '.join(leading)}]" if leading else array


def loads_in(expression: Expression) -> Iterator[Load]:
    if isinstance(expression, Load):
        yield expression
    elif isinstance(expression, Apply):
        for part in expression.parts:
            yield from loads_in(part)


def texts_in(expression: Expression) -> Iterator[str]:
    """What an expression consists of beside elements and sums of subscripts."""
    if isinstance(expression, Scalar):
        yield expression.name
    elif isinstance(expression, Apply):
        yield expression.form
        for part in expression.parts:
            yield from texts_in(part)


def map_leaves(function: Callable[[Leaf], Expression], expression: Expression) -> Expression:
    """The same expression with every leaf replaced.

    >>> product = Apply("{0} * {1}", (Scalar("a"), Load("b", (Affine.of("i"),))))
    >>> text_of(map_leaves(lambda leaf: Scalar("c") if leaf == Scalar("a") else leaf, product))
    'c * b[i]'
    """
    if isinstance(expression, Apply):
        parts = tuple(map_leaves(function, part) for part in expression.parts)
        return Apply(expression.form, parts, expression.precedence, expression.needs)
    return function(expression)


def map_expressions(
    function: Callable[[Expression, Loops], Expression], code: Code, loops: Loops | None = None
) -> Code:
    """The same statement with its expressions replaced, those of the statements inside of it included.

    `function` is given an expression, and the loops of nests that it stands in: `loops`, and those inside.
    """
    around = loops or []
    if isinstance(code, (Define, Store)):
        return replace(code, value=function(code.value, around))
    if isinstance(code, Nest):
        inner = [*around, *code.loops]
        return replace(code, body=[map_expressions(function, each, inner) for each in code.body])
    if isinstance(code, Repeat):
        return replace(code, body=[map_expressions(function, each, around) for each in code.body])
    if isinstance(code, Choice):
        then, otherwise = (
            [map_expressions(function, each, around) for each in side] for side in (code.then, code.otherwise)
        )
        return Choice(function(code.condition, around), then, otherwise)
    return code


def moved(expression: Expression, turns: dict[str, Affine]) -> Expression:
    """The expression in another turn of the loops.

    >>> text_of(moved(Load("a", (Affine.of("i"),)), {"i": Affine.of("i") + 1}))
    'a[i + 1]'
    """

    def leaf(given: Leaf) -> Leaf:
        if isinstance(given, Load):
            return Load(given.array, tuple(number.substitute(turns) for number in given.index))
        return Whole(given.number.substitute(turns)) if isinstance(given, Whole) else given

    return map_leaves(leaf, expression)


def expressions_in(expression: Expression) -> Iterator[Expression]:
    """The expression and all its parts."""
    yield expression
    if isinstance(expression, Apply):
        for part in expression.parts:
            yield from expressions_in(part)


def size_of(expression: Expression) -> int:
    """How many operations an expression takes."""
    if isinstance(expression, Apply):
        return 1 + sum(map(size_of, expression.parts))
    return 0


def sides(code: Code) -> list[list[Code]]:
    """The bodies inside of a statement: that of a loop, both sides of an `if`."""
    if isinstance(code, (Nest, Repeat)):
        return [code.body]
    return [code.then, code.otherwise] if isinstance(code, Choice) else []


def codes_in(body: list[Code]) -> Iterator[Code]:
    """Every statement, those inside of others included."""
    for code in body:
        yield code
        for inner in sides(code):
            yield from codes_in(inner)
