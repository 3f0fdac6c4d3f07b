"""How a list of statements ends: at its end, or by `break`, `continue` or `return`.

Where that is decided at run time, the ways are numbered, and the number (the *tag*) is a value of the
program: a branch yields it, a loop is left by it, and what follows a loop asks for it.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from ad_compiler.frontend.context import Context
from ad_compiler.frontend.merging import find_undecided, merge
from ad_compiler.ir import UNBOUND, Branch, Operand, Value
from ad_compiler.traversal import map_values, origins_of

END, BREAK, RETURN = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Outcome:
    """A tag (a number, or a value that will be one), and what is returned if it is `RETURN`."""

    tag: Operand = END
    result: Operand = UNBOUND

    def may_be(self, tag: int) -> bool:
        return tag in tags_of(self.tag)


def tags_of(tag: Operand) -> set[int]:
    """The numbers a tag may be."""
    if not isinstance(tag, Value):
        return {tag}
    origins = origins_of(tag)
    assert origins is not None
    return set().union(*map(tags_of, origins))


def merged_outcome(context: Context, node: ast.AST, branch: Branch, left: Outcome, right: Outcome) -> Outcome:
    """What two sides of a branch come to."""
    tag = merge(context, branch, left.tag, right.tag, None)
    if left.may_be(RETURN) and right.may_be(RETURN):
        result = merge(context, branch, left.result, right.result, None)
    elif left.may_be(RETURN):
        result = one_sided(branch, left.result, branch.then.results, branch.otherwise.results)
    elif right.may_be(RETURN):
        result = one_sided(branch, right.result, branch.otherwise.results, branch.then.results)
    else:
        result = UNBOUND
    if undecided := find_undecided(result):
        raise context.refuse(node, undecided.reason, "give both branches one kind of value (type, rank)")
    return Outcome(tag, result)


def one_sided(branch: Branch, result: Operand, mine: list[Operand], other: list[Operand]) -> Operand:
    """What one side returns, as results of the branch that the other side leaves unbound."""

    def carried(value: Value) -> Value:
        carried_out = Value(value.type, value.name)
        carried_out.operation = branch
        branch.results.append(carried_out)
        mine.append(value)
        other.append(UNBOUND)
        return carried_out

    return map_values(carried, result)
