"""The derivatives of turns are computed and multiplied while the forward loop waits for its own results.

    for _ in range(n):                      for group in range(8 * blocks + 8):
        tape_x[count] = x                       for _ in range(4 * group, min(4 * group + 4, n)):
        count += 1                                  states[place] = x
        x = f(x)                                    count += 1
    for turn in range(count):                       x = f(x)
        slope[turn] = g(tape_x[turn])   ->      if group >= 8:
    for _ in range(n):                              for lane in range(4):
        count -= 1                                      slope = g(states[place + lane])
        x_bar = slope[count] * x_bar                    states[place + lane] = slope * (the row behind)
                                                    if row == 0:
                                                        products[block] = states[place : place + 4]
                                            for block in range(blocks - 1, -1, -1):
                                                for lane in range(3, -1, -1):
                                                    x_bar = products[block, lane] * x_bar

A turn of the forward loop is a chain of operations that wait for each other, and the processor is idle most
of the time. So the derivatives of turns (`preaccumulating.py`) need not wait for the end of the loop: they
are computed for the turns of the block before, which have nothing to do with the chain. And as they are
linear maps, those of several turns are multiplied (the chain rule is associative: Griewank and Walther,
Evaluating Derivatives, section 10.2): the reverse loop takes one step for 8 turns.

A block has 4 lanes of 8 turns that follow each other. Row `r` of it are the turns `r` of all lanes: every 4
turns, the derivatives of a row of the block before are computed, which are one vector, the last row first,
and multiplied with those of the rows behind it. So the states of two blocks are kept, not those of all turns.
What is left at the end is done behind the loop; turns that did not take place count as 1 there.

Legal where nobody else reads the tapes, where the derivatives are made of what is known in the forward loop
and of arrays that nothing changes from there on, and where no element of an array has a derivative: that
needs the cotangents of every turn. The operations of the forward loop stay what they are, and in their order.

Where a product overflows, the result is not finite, and the case is left to NumPy code; so is a large
cotangent where one underflows (`lost_products.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeGuard

from ad_compiler.backends.native.accessing import accesses, may_depart, own_accesses, own_reads, reads
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.nests import (
    Allocate,
    Apply,
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
    loads_in,
    names_in,
)
from ad_compiler.backends.native.passes.composed_loops import ComposedLoops
from ad_compiler.backends.native.passes.linear import ONE, UNIT, Form

ENTRIES = 12  # of a derivative
READ = 24  # numbers that it is made of


@dataclass(eq=False, slots=True)
class LinearLoop:
    """A reverse loop that is linear in what it carries, and the derivatives of its turns."""

    loop: Repeat
    counter: str  # of the entries of its tapes
    turn: str  # what `made` calls the turn
    tapes: list[str]
    made: list[Define]  # what is computed for each turn
    results: dict[str, Form]  # what a turn makes of what is carried
    waiting: set[str]  # what is not only added to

    def entries(self) -> list[Load]:
        """What a turn reads: the entries of the tapes, then elements of other arrays."""
        own = [Load(name, (Affine.of(self.turn),)) for name in self.tapes]
        given = [code.value for code in self.made]
        given += [factor for form in self.results.values() for factor in form.values()]
        return list(dict.fromkeys([*own, *(load for value in given for load in loads_in(value))]))


class Composer:
    """Finds the forward loop to a reverse loop of a program, and rewrites both."""

    def __init__(
        self,
        program: list[Code],
        outputs: list[str],
        fresh: Callable[[str], str],
        root: Callable[[str], str],
    ) -> None:
        self.program = program
        self.outputs = outputs
        self.fresh = fresh
        self.root = root

    def compose(self, reverse: LinearLoop) -> bool:
        """Rewrite the loops, if that is legal."""
        forward = self.forward_loop(reverse)
        if not reverse.tapes or forward is None or not self.is_known(forward, reverse):
            return False
        places = places_of(reverse.results)
        if len(places) > ENTRIES or len(reverse.entries()) > READ:
            return False
        ComposedLoops(self.program, forward, reverse, places, self.fresh).write()
        return True

    def forward_loop(self, reverse: LinearLoop) -> Repeat | None:
        """The loop that writes the tapes, once in each turn, where nobody else has to do with them."""
        own = {reverse.counter, *reverse.tapes}
        found = [
            code
            for code in self.program
            if isinstance(code, Repeat) and any(is_step(each, reverse) for each in code.body)
        ]
        if len(found) != 1 or found[0] is reverse.loop:
            return None
        forward = found[0]
        others = {name for text in self.outputs for name in names_in(text)}
        inside = {*map(id, forward.body), *map(id, reverse.loop.body)}
        for code in codes_in(self.program):
            is_start = isinstance(code, Define) and code.name == reverse.counter and code.value == Scalar("0")
            if id(code) not in inside and not is_start:
                touched = own_reads(code) if isinstance(code, (Allocate, Nest)) else own_accesses(code)
                others |= {access.name for access in touched}
        written = []
        for code in forward.body:
            if is_push(code, reverse):
                written.append(code.array)
                others |= {access.name for access in reads(code.value)}
            elif not is_step(code, reverse) and not is_growth(code, reverse):
                others |= {access.name for access in accesses(code)}
        made = {code.name for code in self.program if isinstance(code, Allocate)}
        if others & own or sorted(written) != sorted(reverse.tapes) or not made >= set(reverse.tapes):
            return None
        return forward if self.is_plain(forward) else None

    def is_plain(self, forward: Repeat) -> bool:
        """Whether four turns of a loop can be taken at a time."""
        if forward.bounds is None:
            return forward.head == "while True:"
        ends = {name for bound in forward.bounds for text, _ in bound.terms for name in names_in(text)}
        return not ends & {name for code in forward.body for name in written_in(code)}

    def is_known(self, forward: Repeat, reverse: LinearLoop) -> bool:
        """Whether what the derivatives are made of is known in the forward loop, for every number."""
        given = [code.value for code in reverse.made]
        given += [factor for form in reverse.results.values() for factor in form.values()]
        if any(map(may_depart, given)):
            return False
        place = next(n for n, code in enumerate(self.program) if code is forward)
        late = {name for code in self.program[place:] for name in written_in(code)}
        numbers = {name for value in given for name in names_of(value)}
        numbers -= {reverse.turn, *(code.name for code in reverse.made)}
        arrays = {load.array for load in reverse.entries()[len(reverse.tapes) :]}
        changed = set(map(self.root, arrays)) & set(map(self.root, {*late, *reverse.tapes}))
        return not numbers & late and not changed


def is_step(code: Code, reverse: LinearLoop) -> bool:
    """Whether a turn of the forward loop is counted."""
    return isinstance(code, Define) and code.name == reverse.counter and code.operator == "+="


def is_push(code: Code, reverse: LinearLoop) -> TypeGuard[Store]:
    return (
        isinstance(code, Store)
        and code.array in reverse.tapes
        and code.index == (Affine.of(reverse.counter),)
        and code.operator == "="
    )


def is_growth(code: Code, reverse: LinearLoop) -> bool:
    """Whether a line makes a tape longer."""
    return isinstance(code, Line) and any(
        code.text.startswith(f"if {reverse.counter} == {name}.shape[0]:\n") for name in reverse.tapes
    )


def written_in(code: Code) -> Iterator[str]:
    """The names that a statement, or what is inside of it, gives another value or other elements."""
    for each in codes_in([code]):
        if isinstance(each, Repeat) and each.index:
            yield each.index
        if isinstance(each, Nest):
            yield from (name for name, _ in each.loops)
    yield from (access.name for access in accesses(code) if access.kind != "read")


def names_of(expression: Expression) -> Iterator[str]:
    """The names of numbers that an expression consists of, those in subscripts included."""
    if isinstance(expression, Apply):
        yield from names_in(expression.form)
        for part in expression.parts:
            yield from names_of(part)
    elif isinstance(expression, Scalar):
        yield from names_in(expression.name)
    else:
        numbers = expression.index if isinstance(expression, Load) else (expression.number,)
        yield from (name for number in numbers for text, _ in number.terms for name in names_in(text))


def places_of(results: dict[str, Form]) -> dict[tuple[str, str], int]:
    """The entries of a product of derivatives that are not known to be 0 or 1, numbered.

    The pattern of products of any number of derivatives is the closure of that of one.
    """
    pattern: dict[str, set[str]] = {name: {name} for name in results}
    pattern[UNIT] = {UNIT}
    while True:
        more = {
            name: pattern[name].union(*(pattern[column] for column in form)) for name, form in results.items()
        }
        more[UNIT] = {UNIT}
        if more == pattern:
            break
        pattern = more
    entries = []
    for name, form in results.items():
        for column in sorted(pattern[name], key=lambda each: (each != name, each)):
            others = [each for each in form if each != name and column in pattern[each]]
            if column != name or form.get(name) != ONE or others:
                entries.append((name, column))
    return {entry: place for place, entry in enumerate(entries)}
