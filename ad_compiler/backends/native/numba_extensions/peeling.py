"""Parts of values of LLVM's that were just put together: they need not be taken out again."""
# mypy: allow-untyped-calls
# Numba has no types.

from __future__ import annotations

from typing import Any

from llvmlite.ir import Constant, Undefined
from llvmlite.ir.instructions import InsertValue


def part(builder: Any, whole: Any, place: int) -> Any:
    """A part of a structure or a tuple."""
    made = whole
    while isinstance(made, InsertValue):
        if list(made.indices) == [place]:
            return made.value
        made = made.aggregate
    return builder.extract_value(whole, place)


def together(builder: Any, kind: Any, parts: list[Any]) -> Any:
    """A structure of these parts, of a type of LLVM's."""
    whole: Any = Constant(kind, Undefined)
    for place, each in enumerate(parts):
        whole = builder.insert_value(whole, each, place)
    return whole


def constant(value: Any) -> int | None:
    """The whole number that a value is, if it is known now."""
    return value.constant if isinstance(value, Constant) and isinstance(value.constant, int) else None
