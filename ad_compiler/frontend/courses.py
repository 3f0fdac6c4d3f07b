"""What a loop runs over when its length is known at run time only: a range, and the item of each turn.

for i in range(n)              for i in range(0, n, 1)
for row in A            ->     for k in range(0, len(A), 1):  row = A[k]
for x, y in zip(u, v)          for k in range(0, min(len(u), len(v)), 1):  x, y = u[k], v[k]
"""

from __future__ import annotations

import ast
import builtins
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ad_compiler.frontend.context import Context
from ad_compiler.frontend.iteration import Enumerated, Mapped, Reversed, RunTimeRange, Zipped, called
from ad_compiler.frontend.lists import item_at, length_of
from ad_compiler.ir import Checkpoints, Iteration, Operand, Value
from ad_compiler.rules.list_elements import is_list
from ad_compiler.rules.notation import registry
from ad_compiler.rules.shapes import rank_of
from ad_compiler.rules.structure import length

Item = Callable[[Operand], Operand]


@dataclass(frozen=True, slots=True)
class Course:
    """The bounds of a range, and what is met at each of its numbers."""

    bounds: tuple[Operand, Operand, Operand]
    item: Item
    checkpoints: Checkpoints | None = None


def course_of(context: Context, node: ast.AST, operand: Operand) -> Course | None:
    """How a loop over this operand runs; None where its items are to be taken one by one."""
    if isinstance(operand, Iteration) and not isinstance(operand, (RunTimeRange, Reversed)):
        if not has_course(operand):
            return None
        count, item = counted(context, node, operand)
        return Course((0, count, 1), item)
    if isinstance(operand, range):
        return Course((operand.start, operand.stop, operand.step), lambda index: index)
    if isinstance(operand, RunTimeRange):
        return Course((operand.start, operand.stop, operand.step), lambda index: index)
    if is_sequence(operand):
        count, item = counted(context, node, operand)
        return Course((0, count, 1), item)
    if isinstance(operand, Reversed) and has_course(operand.inner):
        return backwards(context, node, operand.inner)
    return None


def has_course(operand: Operand) -> bool:
    """Whether a loop over it stays a loop: ranges and arrays, not containers of known structure."""
    if isinstance(operand, (Zipped, Mapped)):
        return bool(operand.parts) and all(map(has_course, operand.parts))
    if isinstance(operand, (Enumerated, Reversed)):
        return has_course(operand.inner)
    return isinstance(operand, (range, RunTimeRange)) or is_sequence(operand)


def is_sequence(operand: Operand) -> bool:
    """Whether it is an array, or a list of run-time length."""
    return is_list(operand) or (isinstance(operand, Value) and rank_of(operand) > 0)


def backwards(context: Context, node: ast.AST, inner: Operand) -> Course | None:
    course = course_of(context, node, inner)
    if course is None:
        return None
    start, stop, step = course.bounds
    before = arithmetic(context, node, operator.sub, start, step)
    if step in (1, -1) and not isinstance(step, Value):
        last = arithmetic(context, node, operator.sub, stop, step)
        return Course((last, before, -step), course.item)
    way = arithmetic(context, node, operator.sub, start, stop)
    turns = arithmetic(context, node, operator.floordiv, way, step)  # how many there are, less than 0
    last = arithmetic(
        context, node, operator.sub, before, arithmetic(context, node, operator.mul, turns, step)
    )
    return Course((last, before, arithmetic(context, node, operator.sub, 0, step)), course.item)


def counted(context: Context, node: ast.AST, operand: Operand) -> tuple[Operand, Item]:
    """How many items there are, and the item of a number from 0."""
    if is_list(operand):
        return length_of(context, node, operand), lambda k: item_at(context, node, operand, k)
    if isinstance(operand, Value):
        context.builder.place = (context.here.source, node)
        return length(context.builder, operand, 0), lambda k: element(context, node, operand, k)
    if isinstance(operand, Enumerated):
        count, item = counted(context, node, operand.inner)
        return count, lambda k: (arithmetic(context, node, operator.add, operand.start, k), item(k))
    if isinstance(operand, (Zipped, Mapped)):
        counts, items = zip(*[counted(context, node, part) for part in operand.parts], strict=True)
        count = counts[0]
        for other in counts[1:]:
            if other is not count and other != count:
                count = smaller(context, node, count, other)

        def together(k: Operand) -> Operand:
            parts = tuple([item(k) for item in items])
            if isinstance(operand, Mapped):
                return called(context, node, operand.function, *parts)
            return parts

        return count, together
    course = course_of(context, node, operand)
    assert course is not None
    start, stop, step = course.bounds

    def at(k: Operand) -> Operand:
        offset = arithmetic(context, node, operator.mul, step, k)
        return course.item(arithmetic(context, node, operator.add, start, offset))

    return how_many(context, node, start, stop, step), at


def how_many(context: Context, node: ast.AST, start: Operand, stop: Operand, step: Operand) -> Operand:
    """The length of a range (negative where it is empty: `range(0, n)` is empty then too)."""
    if not any(isinstance(bound, Value) for bound in (start, stop, step)):
        return len(range(start, stop, step))
    if isinstance(step, Value):
        raise context.refuse(node, "the step of this range is not known while compiling", "write it out")
    distance = arithmetic(context, node, operator.sub, stop, start)
    if step == 1:
        return distance
    rounded = arithmetic(context, node, operator.add, distance, step - (1 if step > 0 else -1))
    return arithmetic(context, node, operator.floordiv, rounded, step)


def element(context: Context, node: ast.AST, array: Value, k: Operand) -> Operand:
    context.builder.place = (context.here.source, node)
    return context.builder.call(registry["getitem"], (array, (k,)))


def smaller(context: Context, node: ast.AST, a: Operand, b: Operand) -> Operand:
    if not isinstance(a, Value) and not isinstance(b, Value):
        return min(a, b)
    context.builder.place = (context.here.source, node)
    return context.builder.call(registry[builtins.min], (a, b))


def arithmetic(context: Context, node: ast.AST, function: Any, a: Operand, b: Operand) -> Operand:
    """Sums and products of whole numbers; what adds 0 or multiplies by 1 is left out."""
    if not isinstance(a, Value) and not isinstance(b, Value):
        return function(a, b)
    neutral = 1 if function is operator.mul else 0
    if function is not operator.sub and not isinstance(a, Value) and a == neutral:
        return b
    if not isinstance(b, Value) and b == neutral and function is not operator.floordiv:
        return a
    context.builder.place = (context.here.source, node)
    return context.builder.call(registry[function], (a, b))


def turns_for_sure(bounds: tuple[Operand, Operand, Operand] | None) -> bool:
    """Whether a loop has at least one turn, whatever the numbers are."""
    if bounds is None or any(isinstance(bound, Value) for bound in bounds):
        return False
    return len(range(*bounds)) > 0
