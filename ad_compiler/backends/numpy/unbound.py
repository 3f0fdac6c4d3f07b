"""Variables that must be bound before they are handed on, though what they hold is never read.

    for i in range(n):                  result = None
        if x[i] > limit:        ->      for i in range(n):
            result = x[i]                   ...
            break
    y = result                          y = result

What control flow leaves unbound has no variable yet. Where that is handed on under another name, or put on
a tape, Python would ask for it, so it is bound to None.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ad_compiler.backends.numpy.names import Names
from ad_compiler.backends.numpy.plan import Step
from ad_compiler.ir import UNBOUND, Branch, Loop, Operand, Operation, Value
from ad_compiler.traversal import blocks_of, nodes_in, origins_of, results_of, values_in


def handed_on_unbound(steps: Iterable[Step], names: Names) -> set[Value]:
    """The results and carried values that are to be None where they would be unbound."""
    found: set[Value] = set()
    seen: set[Value] = set()
    waiting = [
        operand
        for target, operand in handed_on(steps)
        if isinstance(operand, Value)
        and names.plan.reads.get(target)
        and names.names.get(operand) not in (None, names.names.get(target))
    ]
    waiting += [value for value in put_on_tapes(steps) if names.names.get(value) is not None]
    while waiting:
        value = waiting.pop()
        if value in seen:
            continue
        seen.add(value)
        name, origins = names.names.get(value), origins_of(value) or ()
        others = [origin for origin in origins if isinstance(origin, Value)]
        own = [origin for origin in others if names.names.get(origin) == name]
        unbound = any(origin is UNBOUND for origin in origins)
        if unbound and not (isinstance(value.operation, Branch) and made_before(value.operation, own)):
            found.add(value)
            others = [origin for origin in others if origin not in own]
        waiting += others
    return found


def put_on_tapes(steps: Iterable[Step]) -> Iterator[Value]:
    for step in steps:
        if isinstance(step.node, Operation) and step.node.primitive.name == "push":
            yield from values_in(step.node.arguments[1])
        yield from put_on_tapes([*step.then, *step.otherwise, *step.test, *step.body])


def made_before(branch: Branch, values: list[Value]) -> bool:
    """Whether one of these was there when a branch began."""
    made = {value for block in blocks_of(branch) for node in nodes_in(block) for value in results_of(node)}
    return any(value not in made for value in values)


def handed_on(steps: Iterable[Step]) -> Iterator[tuple[Value, Operand]]:
    """Each result of a branch with what a side yields; what a loop carries with what it is at the end of a
    turn."""
    for step in steps:
        node = step.node
        if isinstance(node, Branch):
            for block in (node.then, node.otherwise):
                yield from zip(node.results, block.results, strict=True)
        elif isinstance(node, Loop):
            yield from zip(node.carried, node.initial, strict=True)
            yield from zip(node.results, node.body.results, strict=True)
        yield from handed_on([*step.then, *step.otherwise, *step.test, *step.body])
