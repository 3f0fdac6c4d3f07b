"""What a name means, inside of a later branch, that only one side of a branch binds, or both do differently.

    if c:                           inside of `if c:`, `row` is what it was left as
        a = np.sin(x)               there: `a` is carried out of the first branch as
        row = a[1]                  a result of it, and `row` is the same view of that
    ...
    if c:
        row[0] = 2.0      ->        a' = index_set(a, (1, 0), 2.0)

Generated code needs it: its reverse sweep branches again on what the forward sweep branched on.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager

from ad_compiler.analysis.layout import Sharing, sharing
from ad_compiler.frontend.aliases import current, root_of, viewing
from ad_compiler.frontend.aliases import settled as settled_sharing
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.merging import carried_out
from ad_compiler.frontend.scope import Chosen, LocalFunction, Scope, Undecided, containers_in
from ad_compiler.ir import UNBOUND, Branch, Iteration, Loop, Operand, Operation, Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.markers import HOOK
from ad_compiler.traversal import map_values, values_in


@contextmanager
def on_side(context: Context, condition: Value, side: bool) -> Iterator[None]:
    context.taken.append(decided(context, condition, side))
    try:
        yield
    finally:
        context.taken.pop()


def decided(context: Context, condition: Value, side: bool) -> tuple[Value, bool]:
    """The condition as it was first computed, without `not`, and the side of it."""
    node = condition.operation
    if isinstance(node, Operation) and node.primitive.name == "not":
        return decided(context, node.arguments[0], not side)
    if isinstance(node, Branch):
        place = node.results.index(condition)
        then, otherwise = node.then.results[place], node.otherwise.results[place]
        taken = side_taken(context, node.condition)
        if taken is None and (then is UNBOUND or otherwise is UNBOUND):
            taken = otherwise is UNBOUND
        chosen = None if taken is None else then if taken else otherwise
        if isinstance(chosen, Value):
            return decided(context, chosen, side)
    return condition, side


def known_here(context: Context, condition: Operand, node: ast.AST | None = None) -> Operand:
    """The condition, or its truth where we are inside of a branch on the same condition."""
    from ad_compiler.frontend.lists import truth_of

    condition = truth_of(context, node or context.here.source.node, condition)
    side = side_taken(context, condition) if isinstance(condition, Value) else None
    return condition if side is None else side


def side_taken(context: Context, condition: Value) -> bool | None:
    """The side on which we are of a branch on this condition; None if on neither."""
    first, side = decided(context, condition, True)
    return next((taken == side for known, taken in context.taken if known is first), None)


def settle_names(context: Context, node: ast.AST) -> None:
    """Bind the undecided names that a statement uses to what they are on this side of a branch.

    What is done with a list then changes what its name holds, in every turn of a loop and on both sides of
    another branch.
    """
    if context.taken:
        for name in {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}:
            scope = context.here.find(name)
            if scope is not None:
                settled(context, scope, name)


def settled(context: Context, scope: Scope, name: str) -> Operand:
    """What a name holds; what it is on this side of a branch is what it is from now on."""
    operand = scope.names[name]
    if isinstance(operand, Undecided):
        operand = scope.names[name] = on_this_side(context, operand, name)
    return operand


def on_this_side(context: Context, undecided: Undecided, name: str) -> Operand:
    """What an undecided name is inside of a branch on the same condition; else the name as it is."""
    operand: Operand = undecided
    while isinstance(operand, Undecided):
        side = None if operand.branch is None else side_taken(context, operand.branch.condition)
        if side is None:
            return undecided
        operand = operand.then if side else operand.otherwise
    if isinstance(operand, (LocalFunction, Chosen)):
        return undecided
    try:
        return outside(context, operand, name)
    except Refusal as refusal:
        return Undecided(refusal.reason, advice=refusal.advice)


def outside(context: Context, operand: Operand, name: str) -> Operand:
    """What was left on a side of a branch, as it is after the branch; containers are copied."""
    values = list(values_in(operand))
    moved = {value: value_outside(context, value, name) for value in values}
    if all(moved[value] is value for value in values):
        return operand
    result = map_values(lambda value: moved[value], operand)
    inside, copies = list(containers_in(operand)), list(containers_in(result))
    apart = len(inside) == len(copies) and not any(a is b for a, b in zip(inside, copies, strict=True))
    if not apart or any(isinstance(each, (Iteration, LocalFunction)) for each in inside):
        raise Refusal(
            f"`{name}` is bound in a branch, and read in another one", "read it in the branch that binds it"
        )
    for old, new in zip(inside, copies, strict=True):
        context.lists.same(new, old)
    return result


def value_outside(context: Context, value: Value, name: str) -> Operand:
    """A value that was left on a side of a branch, as it is now: views are taken again of what they show."""
    while True:
        seen = viewing(value)
        if seen is not None and is_followed(context, seen):
            arguments = map_values(lambda each: value_outside(context, each, name), seen.arguments)
            same = all(a is b for a, b in zip(values_in(arguments), values_in(seen.arguments), strict=True))
            if same and seen not in context.homes:
                return value
            return context.builder.call(seen.primitive, arguments, seen.method)
        latest = context.newer.get(value, context.left.get(value))
        if isinstance(latest, Undecided):
            raise Refusal(latest.reason, latest.advice)
        if isinstance(latest, Value):
            value = latest
            continue
        home = None if value.operation is None else context.homes.get(value.operation)
        if home is None:
            return current(context, value)
        around, side = home
        if isinstance(around, Loop) or side_taken(context, around.condition) is not side:
            raise Refusal(f"what `{name}` is was decided in another branch", "bind it on every path")
        value = carried_out(context, around, side, value, name)


def is_followed(context: Context, seen: Operation) -> bool:
    """Whether a value is taken again, as a view of what an array is now."""
    if seen.primitive.name == HOOK:
        return False
    root = root_of(seen.result)  # what may be a copy is told from a view only where it matters
    written = root in context.newer or root in context.left
    return (settled_sharing(context, seen) if written else sharing(seen)) is Sharing.VIEW
