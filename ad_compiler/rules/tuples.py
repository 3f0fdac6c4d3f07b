"""Functions that give several arrays: an operation whose result is a tuple, and the parts read from it.

The rule of such an operation gets as `y` the parts, and as `g` their cotangents: None for a part that has
none.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from ad_compiler.analysis.types import ArrayType, TupleType
from ad_compiler.builder import Builder
from ad_compiler.ir import Operand, Record, Value
from ad_compiler.rules.notation import at_compile_time, expansion, linear, registry


def part_type(whole: Value, place: int) -> ArrayType:
    assert isinstance(whole.type, TupleType)
    return whole.type.parts[place]


@linear("part_of", infer=part_type, complex=True)
def part_of(whole: Any, place: Any, *, g: Any) -> Any:
    return alone(whole, place, g)


@at_compile_time
def alone(whole: Value, place: int, g: Operand) -> tuple[Operand, ...]:
    """The cotangents of the parts of a tuple of which one is read."""
    assert isinstance(whole.type, TupleType)
    return tuple(g if i == place else None for i in range(len(whole.type.parts)))


def several(function: Any, name: str, fields: tuple[str, ...] = ()) -> None:
    """Let a call of `function` become the operation `name`, and its result the parts of that."""
    record = namedtuple(f"{name}_result", fields) if fields else None

    def call(builder: Builder, *positional: Operand, **keywords: Operand) -> Operand:
        primitive = registry[name]
        whole = builder.call(primitive, primitive.bind(positional, keywords))
        assert isinstance(whole.type, TupleType)
        if not whole.parts:
            parts = [builder.call(registry["part_of"], (whole, i)) for i in range(len(whole.type.parts))]
            whole.parts = tuple(parts)
        return Record(record, dict(zip(fields, whole.parts, strict=True))) if record else whole.parts

    expansion(function)(call)
