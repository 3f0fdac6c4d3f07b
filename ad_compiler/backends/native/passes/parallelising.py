"""Loops whose turns have nothing to do with each other become functions of a chunk of turns, for threads.

    for i in range(n):                      def y_chunk(chunk, chunks, n, x, y, total_parts):
        y[i] = vector_exp(x[i])                 total = 0.0
        total = plus(total, y[i])               first = first_turn(n, chunk, chunks)
                                                for turn in range(first_turn(n, chunk + 1, chunks) - first):
                                                    i = first + turn
                                    ->              y[i] = vector_exp(x[i])
                                                    total = plus(total, y[i])
                                                total_parts[chunk] = total

                                            chunks = chunks_of(n, 12)
                                            total_parts = np.zeros(chunks)
                                            in_chunks(y_chunk, chunks, n, x, y, total_parts)
                                            for chunk in range(chunks):
                                                total += total_parts[chunk]

Which loops may be shared, and what of them is private to a turn or a sum, says `independence.py`. Of a nest,
the outermost loop that may be shared is; of loops of the user's own, those that may be, and have no such loop
around them. In the forward sweep sums of theirs keep their order.

An array that every turn makes anew (a row), or adds to (sums), is one for each chunk. All of them are
allocated together in front of the loop, away from each other and from all else (`PADDING`). So threads do not
write into one cache line, and results do not depend on who allocates memory where: LLVM compares addresses
before it takes several elements of arrays at a time, takes one at a time of arrays that are close, and rounds
otherwise then.

Whether threads pay is known when the program runs: `chunks_of` is told how many operations a turn takes, as
an expression of the lengths. There is one chunk where they do not (`chunks.py`), and the function is called
for it as any other. Of arrays of sums there are only as many as pay for being set to zero and added up.

This comes last, behind all that makes loops fast: a chunk is the same loop, with other bounds.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np

from ad_compiler.analysis.types import ArrayType
from ad_compiler.backends.native.accessing import accesses, alias_roots, uses_of
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.kernels import code_only, lines_of
from ad_compiler.backends.native.lowering.frame import RESERVED
from ad_compiler.backends.native.lowering.program import Lowered
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
    codes_in,
    expressions_in,
    names_in,
    sides,
)
from ad_compiler.backends.native.passes.aliasing import ALIAS, NAME, names_given
from ad_compiler.backends.native.passes.independence import CALLABLE, Kept, Roles, roles, viewed_arrays
from ad_compiler.backends.native.passes.straight_loops import direction_of

FEW = 8  # turns, if their number is a constant: too few to be shared
PADDING = 64  # elements: more than LLVM takes at a time
CALL = 8  # operations that a call of a function is taken for
ELEMENT = re.compile(rf"({NAME})\[({NAME})\]")
Lengths = tuple[str, ...]
ZERO = Scalar("0.0")
FLOAT = "np.float64"


@dataclass(frozen=True, slots=True)
class Shared:
    """A loop whose turns are shared, inside of the loops `around`: `index` is `start`, `start + step`, ..."""

    around: list[tuple[str, Affine]]
    index: str
    start: Affine
    step: int
    turns: Affine
    body: list[Code]
    roles: Roles


def parallelise(lowered: Lowered) -> list[str]:
    """Share turns of the loops of both sweeps, in place; the functions that do chunks of them, as texts."""
    return Parallelising(lowered).run()


class Parallelising:
    def __init__(self, lowered: Lowered) -> None:
        self.frame = lowered.frame
        self.programs = [lowered.forward, lowered.reverse]
        self.texts: list[str] = []
        self.chunk, self.chunks, self.first, self.turn = (
            self.frame.fresh(name) for name in ("chunk", "chunks", "first", "turn")
        )
        say_scalars(self.programs)
        uses = uses_of(self.programs, [*lowered.results, *lowered.gradients])
        every = [code for program in self.programs for code in codes_in(program)]
        given = Counter(name for code in every for name in names_given(code))
        made = {code.name: code for code in every if isinstance(code, Allocate) and given[code.name] == 1}
        starts = {code.name for code in every if isinstance(code, Define) and code.value == ZERO}
        self.reals = {name for name in starts if self.may_be_real(name)}
        root = alias_roots(self.programs)

        def may_share(name: str, other: str) -> bool:
            return root(name) == root(other) and frozenset((name, other)) not in lowered.apart

        self.kept = Kept(uses, made, may_share, viewed_arrays(self.programs))

    def run(self) -> list[str]:
        for program in self.programs:
            self.body(program)
        return self.texts

    def body(self, body: list[Code]) -> None:
        for code in list(body):
            shared = self.shared(code)
            if shared is not None:
                new = self.written(shared)
                place = next(n for n, each in enumerate(body) if each is code)
                body[place : place + 1] = new
            elif not isinstance(code, Nest):
                for inner in sides(code):
                    self.body(inner)

    # Which loops

    def shared(self, code: Code) -> Shared | None:
        """How a loop is shared, if it is."""
        if any(self.is_list(access.name) for access in accesses(code)):
            return None
        if isinstance(code, Nest) and not is_border(code, self.kept.made):
            return next(self.levels(code), None)
        if not isinstance(code, Repeat) or code.bounds is None or not code.index:
            return None
        start, stop = code.bounds
        touched = sum(access.name == code.index for access in accesses(code))
        if touched != self.kept.uses[code.index] or (stop - start).known is not None:
            return None
        found = roles(code.body, code.index, self.kept, in_order=not code.is_reverse)
        if found is None or not self.has_dtypes(found):
            return None
        step = direction_of(code)
        turns = self.length(stop - start)
        return Shared([], code.index, start if step > 0 else stop - 1, step, turns, code.body, found)

    def is_list(self, name: str) -> bool:
        value = self.frame.value_of.get(name)
        return value is not None and not isinstance(value.type, ArrayType)

    def levels(self, nest: Nest) -> Iterator[Shared]:
        """The loops of a nest that may be shared, the outermost first."""
        lengths = names_in(" ".join(str(extent) for _, extent in nest.loops))
        if lengths & {name for name, _ in nest.loops}:
            return
        for level, (index, turns) in enumerate(nest.loops):
            if turns.known is not None and turns.known < FEW:
                continue
            around, inner = nest.loops[:level], nest.loops[level + 1 :]
            body: list[Code] = [Nest(inner, nest.body)] if inner else nest.body
            found = roles(body, index, self.kept, in_order=False, around=[name for name, _ in around])
            if found is not None and not found.counters and self.has_dtypes(found):
                yield Shared(around, index, Affine(), 1, turns, body, found)

    def length(self, number: Affine) -> Affine:
        """How many turns a loop takes."""
        return number if self.frame.is_nonnegative(number) else Affine.of(f"max({number}, 0)")

    def has_dtypes(self, found: Roles) -> bool:
        """Whether it is known of what kind the parts of sums are, and how many."""
        return self.reals.issuperset(found.sums) and self.kept.made.keys() >= set(found.arrays_of_sums)

    def may_be_real(self, name: str) -> bool:
        """Whether a scalar that starts as 0.0 stays a number of type float64: sums over elements do."""
        value = self.frame.value_of.get(name)
        return value is None or (isinstance(value.type, ArrayType) and value.type.dtype == np.float64)

    # What is written

    def written(self, shared: Shared) -> list[Code]:
        """The lines that have the chunks done; the function of a chunk goes to the texts."""
        frame, found = self.frame, shared.roles
        for name in found.rows:
            for program in self.programs:
                remove(program, self.kept.made[name])
        parts = {name: frame.fresh(f"{name}_parts") for name in [*found.sums, *found.arrays_of_sums]}
        parts |= {name: frame.fresh(f"{name}_rows") for name in found.rows}
        length = shared.turns
        before: list[Code] = []
        if not length.is_simple:
            name = frame.fresh("turns")
            before.append(Define(name, Scalar(str(length), 0)))
            length = Affine.of(name)
        label = next(iter(labels(shared)), "loop")
        name = frame.fresh(f"{label}_chunk")
        given = self.function(name, shared, length, parts)
        operations = self.operations(shared, length)
        kept = [self.kept.made[each] for each in found.arrays_of_sums]
        count = f"chunks_of({length}, {operations})"
        if kept:
            size = " + ".join(" * ".join(factor(extent) for extent in each.extents) for each in kept)
            count = f"chunks_of_sums({length}, {operations}, {size})"
        if not parts:
            return [*before, called(name, count, given), *self.counted(found, length)]
        chunks = self.frame.fresh("chunks")
        before.append(Define(chunks, Scalar(count)))
        number = Affine.of(chunks)
        for row in found.rows:
            made = self.kept.made[row]
            before.append(Allocate(parts[row], (number + 1, *padded(made.extents)), made.dtype))
        after: list[Code] = []
        for each in found.sums:
            before.append(Allocate(parts[each], (number,), FLOAT, zeros=True))
            part = Load(parts[each], (Affine.of(self.chunk),))
            after.append(Define(each, part, "+="))
        sums: list[Code] = [Nest([(self.chunk, number)], after)] if after else []
        for made in kept:
            before.append(Allocate(parts[made.name], (number, *padded(made.extents)), made.dtype, zeros=True))
            loops = [(frame.subscripts[n], extent) for n, extent in enumerate(made.extents)]
            index = tuple(Affine.of(each) for each, _ in loops)
            part = Load(parts[made.name], (Affine.of(self.chunk), *index))
            sums.append(Nest([(self.chunk, number), *loops], [Store(made.name, index, part, "+=")]))
        return [*before, called(name, chunks, given), *sums, *self.counted(found, length)]

    def function(self, name: str, shared: Shared, length: Affine, parts: dict[str, str]) -> list[str]:
        """Write the function of a chunk; what it is given."""
        found, chunk = shared.roles, Affine.of(self.chunk)
        first, turn = Affine.of(self.first), Affine.of(self.turn)
        lines: list[Code] = []
        for each in found.arrays_of_sums:
            lines.append(Line(f"{each} = {parts[each]}[{chunk}]"))
        for each in found.rows:  # without what is behind it: functions may be given all of it
            lines.append(Line(f"{each} = {parts[each]}[{chunk + 1}, :{self.kept.made[each].extents[0]}]"))
        lines += [Define(each, ZERO) for each in found.sums]
        start = f"first_turn({length}, {chunk}, {self.chunks})"
        number = Affine.of(f"first_turn({length}, {chunk + 1}, {self.chunks})") - first
        lines.append(Define(self.first, Scalar(start)))
        lines += self.counted(found, first)
        index = Define(shared.index, Scalar(str(shared.start + (first + turn) * shared.step), 0))
        loop: Code = Nest([(self.turn, number)], [index, *shared.body])
        lines.append(Nest(shared.around, [loop]) if shared.around else loop)
        for each in found.sums:
            lines.append(Store(parts[each], (chunk,), Scalar(each)))
        text = lines_of(lines, 1)
        own = names_made(shared) | {self.chunk, self.chunks, self.first, self.turn}
        own |= {*found.sums, *found.rows, *found.arrays_of_sums, *RESERVED, *CALLABLE}
        own -= {each.name for each in found.counters}
        variables = re.findall(r"(?<![\w.])[A-Za-z_]\w*", code_only(text))
        given = [each for each in dict.fromkeys(variables) if each not in own]
        head = f"def {name}({', '.join([self.chunk, self.chunks, *given])}):"
        self.texts.append("\n".join([head, *text]) + "\n")
        return given

    def counted(self, found: Roles, turns: Affine) -> list[Code]:
        """The lines that have counters count as in so many turns."""
        lines: list[Code] = []
        for each in found.counters:
            factors = [turns, *map(self.length, each.lengths)]
            operator = "+=" if each.step > 0 else "-="
            lines.append(Define(each.name, Scalar(" * ".join(map(factor, factors))), operator))
        return lines

    def operations(self, shared: Shared, length: Affine) -> str:
        """How many operations a turn takes, as an expression of what is known in front of the loop."""
        body: list[Code] = [Nest(shared.around, shared.body)] if shared.around else shared.body
        return cost_text(cost(body, names_made(shared) - {shared.index}, {shared.index: length}))


def say_scalars(programs: list[list[Code]]) -> None:
    """Say that lines define scalars, and which elements of tapes they read, in place."""
    every = [code for program in programs for code in codes_in(program)]
    scalars = {code.name for code in every if isinstance(code, Define)}
    bodies = [*programs, *(side for code in every for side in sides(code))]
    for body in bodies:
        for place, code in enumerate(body):
            alias = ALIAS.fullmatch(code.text) if isinstance(code, Line) else None
            if alias is not None and alias[1] in scalars:
                body[place] = Define(alias[1], Scalar(alias[2]))
            elif isinstance(code, Define) and isinstance(code.value, Scalar):
                element = ELEMENT.fullmatch(code.value.name)
                if element is not None:
                    code.value = Load(element[1], (Affine.of(element[2]),))


def called(name: str, chunks: str, given: list[str]) -> Line:
    """The line that has the chunks done."""
    text = f"in_chunks({', '.join([name, chunks, *given])})"
    return Line(text, names_in(text), frozenset())


def labels(shared: Shared) -> Iterator[str]:
    """What the loop makes, the arrays before the sums."""
    for code in codes_in(shared.body):
        if isinstance(code, Store) and code.array not in shared.roles.rows:
            yield code.array
    yield from shared.roles.sums


def padded(extents: tuple[Affine, ...]) -> tuple[Affine, ...]:
    """The lengths of an array with some elements behind it."""
    return (extents[0] + (PADDING if len(extents) == 1 else PADDING // 8), *extents[1:])


def names_made(shared: Shared) -> set[str]:
    """The names that the loop gives inside."""
    found = {shared.index, *(name for name, _ in shared.around)}
    for code in codes_in(shared.body):
        if isinstance(code, (Define, Allocate)):
            found.add(code.name)
        elif isinstance(code, Nest):
            found |= {name for name, _ in code.loops}
        elif isinstance(code, Repeat):
            found.add(code.index)
    return found


def remove(body: list[Code], made: Allocate) -> None:
    """Remove an allocation, in place."""
    body[:] = [code for code in body if code is not made]
    for code in body:
        for inner in sides(code):
            remove(inner, made)


def is_border(nest: Nest, made: dict[str, Allocate]) -> bool:
    """Whether a nest writes one row of an array: others take longer, and as long to compile."""
    stores = [code for code in codes_in(nest.body) if isinstance(code, Store)]
    names = {name for name, _ in nest.loops}
    names |= {name for code in codes_in(nest.body) if isinstance(code, Nest) for name, _ in code.loops}
    return bool(stores) and all(
        len(store.index) > 1
        and not names_in(str(store.index[0])) & names
        and (store.array not in made or made[store.array].extents[0] != 1)
        for store in stores
    )


# What a turn costs


def cost(body: list[Code], hidden: set[str], known: dict[str, Affine]) -> Counter[Lengths]:
    """How many operations statements take, for each product of lengths.

    A length that depends on `hidden` names is taken for 1; for other names there may be better `known` ones.
    """
    found: Counter[Lengths] = Counter()
    for code in body:
        if isinstance(code, (Define, Store)):
            found[()] += 1 + operations_of(code.value)
        elif isinstance(code, Choice):
            found[()] += 1 + operations_of(code.condition)
            found.update(cost([*code.then, *code.otherwise], hidden, known))
        elif isinstance(code, (Nest, Repeat)):
            lengths = [length.substitute(known) for length in extents_of(code)]
            number = prod(length.known for length in lengths if length.known is not None)
            factors = [each for each in lengths if each.known is None and not names_in(str(each)) & hidden]
            for product, operations in cost(code.body, hidden, known).items():
                found[tuple(sorted([*map(factor, factors), *product]))] += number * operations
    return found


def cost_text(found: Counter[Lengths]) -> str:
    """The number of operations as an expression.

    >>> cost_text(Counter({("m",): 3, (): 2}))
    '3 * m + 2'
    """
    terms = sorted(found.items(), key=lambda term: (-len(term[0]), term[0]))
    products = [" * ".join([*([str(n)] if n != 1 or not each else []), *each]) for each, n in terms if n]
    return " + ".join(products) or "0"


def extents_of(code: Nest | Repeat) -> list[Affine]:
    if isinstance(code, Nest):
        return [extent for _, extent in code.loops]
    assert code.bounds is not None
    return [code.bounds[1] - code.bounds[0]]


def operations_of(expression: Expression) -> int:
    """How many operations an expression takes; calls are some."""
    applied = [part.form for part in expressions_in(expression) if isinstance(part, Apply)]
    return sum(CALL if "(" in form else 1 for form in applied)


def factor(number: Affine) -> str:
    return str(number) if number.is_simple else f"({number})"
