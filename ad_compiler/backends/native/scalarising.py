"""An array whose every element is made and read in one turn becomes a scalar.

    for i in range(n):                      for i in range(n):
        t[i] = np.exp(x[i])                     t = np.exp(x[i])
        y[i] = t[i] * t[i]          ->          y[i] = t * t

Scalars that nobody reads are left out.
"""

from __future__ import annotations

from collections import Counter

from ad_compiler.backends.native.accessing import accesses, hidden, may_depart, own_accesses, own_reads
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
    Load,
    Nest,
    Repeat,
    Scalar,
    Store,
    codes_in,
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


def scalarise(programs: list[list[Code]], outputs: list[str]) -> None:
    """Make scalars of the arrays of a program that live inside of one turn, in place."""
    Scalars(programs, Counter(name for text in outputs for name in names_in(text))).run()
