"""Checks that a program is well formed; the tests run it between all steps (`AD_COMPILER_VERIFY=1`).

Every value is made once, and before it is read, on every path that reads it. The reverse block of a
branch may read what the forward block of its mirror image made: both are taken on the same condition.
"""

from __future__ import annotations

from ad_compiler.ir import Block, Branch, Function, Operand, Value, values_in


class MalformedProgram(Exception):
    """A pass made a program that breaks the rules above: a defect of the compiler."""


def verify(function: Function) -> None:
    """Raise `MalformedProgram` where the program is not well formed."""
    known: set[Value] = set()
    for parameter in function.parameters:
        known.update(values_in(parameter.structure))
    made: set[Value] = set(known)
    sides: dict[tuple[object, bool], set[Value]] = {}
    check_block(function.forward, known, made, sides)
    check_reads(function.result, known)
    if function.reverse is not None:
        known.update(values_in(function.seed))
        check_block(function.reverse, known, made, sides)
        check_reads(function.reverse_result, known)


def check_block(
    block: Block, known: set[Value], made: set[Value], sides: dict[tuple[object, bool], set[Value]]
) -> None:
    for node in block.operations:
        if not isinstance(node, Branch):
            check_reads(node.arguments, known)
            define(node.result, known, made)
            continue
        check_reads(node.condition, known)
        for side, taken in ((node.then, True), (node.otherwise, False)):
            if len(side.results) != len(node.results):
                raise MalformedProgram(f"{len(node.results)} results, {len(side.results)} yielded")
            key = (node.condition, taken)
            inner = known | sides.get(key, set())
            before = set(inner)
            check_block(side, inner, made, sides)
            check_reads(side.results, inner)
            sides[key] = sides.get(key, set()) | (inner - before)
        for result in node.results:
            define(result, known, made)


def check_reads(operand: Operand, known: set[Value]) -> None:
    for value in values_in(operand):
        if value not in known:
            raise MalformedProgram(f"{value!r} is read before it is made")


def define(value: Value, known: set[Value], made: set[Value]) -> None:
    if value in made:
        raise MalformedProgram(f"{value!r} is made twice")
    made.add(value)
    known.add(value)
