"""Keeps the errors of a program: what NumPy would have found when it ran an operation that is now dead.

Lowering takes two lengths to be equal where an operation demands it, for NumPy checks that when the
operation runs. A gradient may not need the operation at all:

    def f(x, y):                        def f_grad(x, y):
        return np.sum(x * y)     ->         if x.shape[0] != y.shape[0]:
                                                raise ValueError("x and y differ in length")
                                            return y.copy()

Where nothing that is left checks an equation, it is checked up front. Where a length is computed on the
way, or the operation stands in a branch, the operation stays (`dead_code`).
"""

from __future__ import annotations

import operator
from typing import Any

from ad_compiler.analysis.types import STRING, Equation, Origin
from ad_compiler.builder import Builder
from ad_compiler.ir import Block, Function, Operation
from ad_compiler.rules.notation import constant, registry
from ad_compiler.transforms.dead_code import remove_dead_code
from ad_compiler.traversal import nodes_in


@constant("require", infer=lambda *_: STRING, effect=True)
def require(failed: Any, message: Any) -> None: ...


def clean(function: Function) -> None:
    """Remove dead code, but not the errors it would have raised."""
    before = operations_in(function.forward)
    remove_dead_code(function.blocks, (function.result, function.reverse_result))
    insert_checks(function, dead_checks(before, function))


def operations_in(block: Block) -> list[Operation]:
    """Every operation, those inside of branches and loops included."""
    return [node for node in nodes_in(block) if isinstance(node, Operation)]


def dead_checks(before: list[Operation], function: Function) -> list[Equation]:
    """The equations that no operation checks any more."""
    alive = set(operations_in(function.forward))
    checked: dict[Any, Any] = {}
    for operation in before:
        if operation in alive:
            for left, right in operation.equations:
                join(checked, left, right)
    dead: list[Equation] = []
    for operation in before:
        for left, right in operation.equations if operation not in alive else ():
            if find(checked, left) != find(checked, right):
                dead.append((left, right))
                join(checked, left, right)
    return dead


def find(parents: dict[Any, Any], origin: Origin) -> Any:
    found: Any = origin
    while found in parents:
        found = parents[found]
    return found


def join(parents: dict[Any, Any], left: Origin, right: Origin) -> None:
    a, b = find(parents, left), find(parents, right)
    if a != b and a is not None and b is not None:
        parents[a] = b


def insert_checks(function: Function, equations: list[Equation]) -> None:
    """Put the checks in front of the forward sweep."""
    checks = Block()
    builder = Builder(checks)
    for left, right in equations:
        differ = builder.call(registry[operator.ne], (length_of(builder, left), length_of(builder, right)))
        builder.call(registry["require"], (differ, message(left, right)))
    function.forward.operations[:0] = checks.operations


def length_of(builder: Builder, origin: Origin) -> Any:
    if isinstance(origin, tuple):
        return builder.call(registry["length"], origin)
    return origin


def message(left: Origin, right: Origin) -> str:
    inputs = [f"axis {side[1]} of {side[0].access}" for side in (left, right) if isinstance(side, tuple)]
    numbers = [side for side in (left, right) if isinstance(side, int)]
    if numbers:
        return f"operands could not be broadcast together: {inputs[0]} does not have length {numbers[0]}"
    return f"operands could not be broadcast together: {inputs[0]} and {inputs[1]} differ in length"
