"""`for t in checkpointed(range(n), slots)`: a loop whose turns the reverse sweep runs again.

What the derivative makes of it is in `transforms.checkpoints`; here the loop is marked, and what cannot be
run a second time is refused.
"""

from __future__ import annotations

import ast
from dataclasses import replace

import numpy as np

from ad_compiler.frontend.context import Context
from ad_compiler.frontend.courses import Course, counted, course_of
from ad_compiler.frontend.iteration import CheckpointedTurns, check_iterable
from ad_compiler.frontend.operations import describe_any
from ad_compiler.ir import Block, Call, Checkpoints, Operand, Operation, Value
from ad_compiler.refusal import NeedsConstant
from ad_compiler.traversal import functions_called, nodes_in

UNREPEATABLE = {
    "draw": ("draws random numbers", "draw them before the loop: `noise = rng.normal(size=n)`"),
    **dict.fromkeys(
        ["perf_counter", "time", "monotonic", "process_time"],
        ("reads a clock", "read it outside of the loop"),
    ),
}


def make_checkpointed(
    context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    """`checkpointed(iterable, slots=None)`."""
    given = dict(zip(("iterable", "slots"), positional, strict=False)) | keywords
    if len(positional) > 2 or "iterable" not in given or given.keys() - {"iterable", "slots"}:
        raise context.refuse(node, "this call does not fit", "write `checkpointed(range(n), slots=10)`")
    inner, slots = given["iterable"], given.get("slots")
    check_iterable(context, node, inner)
    if isinstance(slots, Value):
        name = slots.access or slots.outside
        if name is not None and slots.operation is None:
            raise NeedsConstant(name)
        reason = "the number of slots is not known while compiling"
        raise context.refuse(node, reason, "pass it as a whole number, or leave it out")
    if slots is not None and (not isinstance(slots, (int, np.integer)) or isinstance(slots, bool)):
        reason = f"{describe_any(slots)} is given as the number of slots"
        raise context.refuse(node, reason, "give a whole number, or leave it out")
    if slots is not None and slots < 1:
        raise context.refuse(
            node, f"{slots} slots hold no state to start from", "give at least 1, or leave it out"
        )
    return CheckpointedTurns(inner, Checkpoints(None if slots is None else int(slots)))


def checkpointed_course(context: Context, node: ast.For, turns: CheckpointedTurns) -> Course:
    """The turns of a loop, one number after the other; their reverse sweep runs them again."""
    course = course_of(context, node.iter, turns.inner)
    if course is None:
        what = f"a {type(turns.inner).__name__}"
        reason = f"`checkpointed` is given {what}, whose items are taken one by one"
        raise context.refuse(node.iter, reason, "run over a range or an array, or leave `checkpointed` out")
    if course.bounds[2] != 1:
        count, item = counted(context, node.iter, turns.inner)
        course = Course((0, count, 1), item)
    return replace(course, checkpoints=turns.checkpoints)


def check_repeatable(context: Context, node: ast.AST, body: Block) -> None:
    """Refuse a turn that would not do the same a second time."""
    called = [each.function for each in nodes_in(body) if isinstance(each, Call)]
    bodies = [f.forward for function in called for f in (function, *functions_called(function))]
    for each in [inner for block in dict.fromkeys([body, *bodies]) for inner in nodes_in(block)]:
        name = each.primitive.name if isinstance(each, Operation) else None
        if isinstance(each, Operation) and name in UNREPEATABLE:
            what, advice = UNREPEATABLE[name]
            source, place = each.place or (context.here.source, node)
            raise source.refuse(place, f"`checkpointed` runs the turns again, and this one {what}", advice)
