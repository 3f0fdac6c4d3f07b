"""`(x + y) * z` on Python floats: what one call of a generated gradient costs."""
# mypy: allow-untyped-defs, allow-untyped-calls
# The benchmarked function is written as users write NumPy: without annotations.

from collections.abc import Callable
from typing import Any

from benchmarks.harness.program import Program, times_slower


def multiply_add(x, y, z):
    return (x + y) * z


def by_hand(x: float, y: float, z: float) -> tuple[float, float, float]:
    return z, z, x + y


def in_torch() -> Callable[..., Any]:
    return multiply_add


PROGRAM = Program(
    name="multiply_add",
    title="(x+y)*z, floats",
    function=multiply_add,
    argnums=(0, 1, 2),
    inputs=lambda: (-2.0, 5.0, -4.0),
    by_hand=by_hand,
    in_torch=in_torch,
    targets=(times_slower(2.0, "by hand"),),
)
