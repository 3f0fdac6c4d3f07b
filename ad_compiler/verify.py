"""Checks that a program is well formed; the tests run it between all steps (`AD_COMPILER_VERIFY=1`).

Every value is made once, and before it is read, on every path that reads it. The reverse block of a
branch may read what the forward block of its mirror image made: both are taken on the same condition.
The reverse of a loop may do so until the values it needs are put on a tape (`transforms.tape`).
"""

from __future__ import annotations

from ad_compiler.analysis.types import ArrayType
from ad_compiler.ir import (
    UNBOUND,
    Block,
    Branch,
    Call,
    Function,
    Loop,
    Operand,
    Operation,
    Pop,
    PullbackCall,
    Value,
)
from ad_compiler.rules.shapes import rank_of
from ad_compiler.traversal import arguments_of, values_in


class MalformedProgram(Exception):
    """A pass made a program that breaks the rules above: a defect of the compiler."""


def verify(function: Function, taped: bool = True) -> None:
    """Raise `MalformedProgram` where the program is not well formed."""
    known: set[Value] = set()
    for parameter in function.parameters:
        known.update(values_in(parameter.structure))
    checker = Checker(known, taped)
    checker.block(function.forward, known)
    checker.reads(function.result, known)
    if function.reverse is not None:
        known.update(values_in(function.seed))
        checker.block(function.reverse, known)
        checker.reads(function.reverse_result, known)


class Checker:
    """What has been made so far."""

    def __init__(self, inputs: set[Value], taped: bool) -> None:
        self.made = set(inputs)
        self.taped = taped
        self.sides: dict[tuple[object, bool], set[Value]] = {}

    def block(self, block: Block, known: set[Value]) -> None:
        for node in block.operations:
            if isinstance(node, Operation):
                self.reads(node.arguments, known)
                self.define(node.result, known)
            elif isinstance(node, Branch):
                self.branch(node, known)
            elif isinstance(node, Pop):
                self.reads(node.tape, known)
                for value in node.results:
                    self.define(value, known)
            elif isinstance(node, (Call, PullbackCall)):
                self.reads(arguments_of(node), known)
                for value in node.results:
                    self.define(value, known)
            else:
                self.loop(node, known)

    def branch(self, node: Branch, known: set[Value]) -> None:
        self.reads(node.condition, known)
        for side, taken in ((node.then, True), (node.otherwise, False)):
            if len(side.results) != len(node.results):
                raise MalformedProgram(f"{len(node.results)} results, {len(side.results)} yielded")
            key = (node.condition, taken)
            inner = known | self.sides.get(key, set())
            before = set(inner)
            self.block(side, inner)
            self.reads(side.results, inner)
            self.sides[key] = self.sides.get(key, set()) | (inner - before)
            if not self.taped:
                known |= inner
        for result, *origins in zip(node.results, node.then.results, node.otherwise.results, strict=True):
            self.ranks(result, origins)
            self.define(result, known)

    def loop(self, node: Loop, known: set[Value]) -> None:
        self.reads((node.bounds, node.initial), known)
        lists = (node.carried, node.initial, node.body.results, node.results)
        if len({len(listed) for listed in lists}) != 1:
            raise MalformedProgram(f"a loop carries {[len(listed) for listed in lists]} values")
        for value, *origins in zip(node.carried, node.initial, node.body.results, strict=True):
            self.ranks(value, origins)
        inner = set(known)
        for value in [*node.carried, *([] if node.index is None else [node.index])]:
            self.define(value, inner)
        if node.condition is not None:
            tested = set(inner)
            self.block(node.condition, tested)
            self.reads(node.condition.results, tested)
        self.block(node.body, inner)
        self.reads((node.body.results, node.leave), inner)
        if not self.taped:
            known |= inner
        for result in node.results:
            self.define(result, known)

    def reads(self, operand: Operand, known: set[Value]) -> None:
        for value in values_in(operand):
            if value not in known:
                raise MalformedProgram(f"{value!r} is read before it is made")

    def ranks(self, value: Value, origins: list[Operand]) -> None:
        """What control flow chooses a value from has its rank."""
        for origin in origins:
            if (
                origin is not UNBOUND
                and isinstance(value.type, ArrayType)
                and rank_of(origin) != value.type.rank
            ):
                raise MalformedProgram(f"{value!r} is {value.type}, and may be {origin!r}")

    def define(self, value: Value, known: set[Value]) -> None:
        if value in self.made:
            raise MalformedProgram(f"{value!r} is made twice")
        self.made.add(value)
        known.add(value)
