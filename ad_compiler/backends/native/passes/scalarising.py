"""An array whose every element is made and read in one turn becomes a scalar.

    for i in range(n):                      for i in range(n):
        t[i] = np.exp(x[i])                     t = np.exp(x[i])
        y[i] = t[i] * t[i]          ->          y[i] = t * t

Scalars that nobody reads are left out.
"""

from __future__ import annotations

from collections import Counter

from ad_compiler.backends.native.accessing import accesses, hidden, may_depart, own_accesses, own_reads
from ad_compiler.backends.native.nests import (
    Allocate,
    Code,
    Comment,
    Define,
    Leaf,
    Load,
    Nest,
    Scalar,
    Store,
    codes_in,
    map_expressions,
    map_leaves,
    names_in,
    sides,
)


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
            for inner in sides(code):
                found = self.without(inner, read) or found
        body[:] = [code for code in body if not (isinstance(code, Nest) and is_empty(code.body))]
        return found

    def inside(self, body: list[Code]) -> None:
        """Look into every nest, the outer ones first."""
        for code in list(body):
            if isinstance(code, Nest):
                self.nest(code.body)
            for inner in sides(code):
                self.inside(inner)

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
            make_scalar(rest, name)
            body[place:] = rest

    def drop(self, body: list[Code]) -> None:
        body[:] = [code for code in body if not (isinstance(code, Allocate) and self.uses[code.name] == -1)]
        for code in body:
            for inner in sides(code):
                self.drop(inner)


def is_empty(body: list[Code]) -> bool:
    return all(isinstance(code, Comment) for code in body)


def make_scalar(body: list[Code], name: str) -> None:
    """Have a scalar for each element of an array, in place."""

    def leaf(given: Leaf) -> Leaf:
        return Scalar(name) if isinstance(given, Load) and given.array == name else given

    body[:] = [map_expressions(lambda value, _: map_leaves(leaf, value), code) for code in body]
    define(body, name)


def define(body: list[Code], name: str) -> None:
    """Have what is stored in an array define a scalar of its name, in place."""
    for place, code in enumerate(body):
        if isinstance(code, Store) and code.array == name:
            body[place] = Define(name, code.value, code.operator)
        for inner in sides(code):
            define(inner, name)


def scalarise(programs: list[list[Code]], outputs: list[str]) -> None:
    """Make scalars of the arrays of a program that live inside of one turn, in place."""
    Scalars(programs, Counter(name for text in outputs for name in names_in(text))).run()
