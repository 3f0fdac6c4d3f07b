"""What a value is called that the user gave no name: after the operation that makes it.

total = a + b        L_ij = L[i, j]        u_part = u[1:]
"""

from __future__ import annotations

from collections.abc import Callable

from ad_compiler.analysis.types import ArrayType
from ad_compiler.ir import Operand, Operation, Value

NOUNS = {
    "add": "total",
    "sum": "total",
    "sum_where_broadcast": "total",
    "sub": "difference",
    "mul": "product",
    "matmul": "product",
    "dot": "product",
    "truediv": "quotient",
    "pow": "power",
    "neg": "negated",
    "getitem": "part",
    "select": "chosen",
    "where": "chosen",
    "max": "largest",
    "min": "smallest",
    "abs": "magnitude",
    "absolute": "magnitude",
    "eq": "equal",
    "ne": "different",
    "or_": "either",
    "and_": "both",
    "lt": "below",
    "le": "below",
    "gt": "above",
    "ge": "above",
    "length": "length",
    "zeros_like": "zeros",
    "copy": "part",
    "index_add": "spread",
    "index_set": "updated",
    "format": "text",
    "float": "number",
    "list_of": "items",
    "list_append": "items",
    "list_rest": "items",
    "list_set": "items",
    "list_extend": "items",
    "list_repeat": "items",
    "list_rows": "rows",
    "list_item": "item",
    "list_length": "length",
    "list_stack": "stacked",
}
NameOf = Callable[[Value], str | None]


def noun(node: Operation, name_of: NameOf) -> str:
    """What the result of an operation is; `name_of` tells the names of what it is made from."""
    name = node.primitive.name
    if name == "copy" and isinstance(node.arguments[0], Value):
        return noun_of(node.arguments[0], name_of) or "part"
    return (part_of(node, name_of) if name == "getitem" else None) or NOUNS.get(name, name.rpartition(".")[2])


def noun_of(value: Value, name_of: NameOf) -> str | None:
    """What a value is that an operation makes."""
    return noun(value.operation, name_of) if isinstance(value.operation, Operation) else None


def part_of(node: Operation, name_of: NameOf) -> str | None:
    """A part of an array that has a name: `L_ij` of `L[i, j]`, `u_part` of `u[1:]`."""
    base, index = node.arguments
    name = base.name or base.access if isinstance(base, Value) else None
    if name is None or not name.isidentifier():
        return None
    letters = [letter_of(item, name_of) for item in index]
    return f"{name}_{''.join(map(str, letters)) if all(letters) else 'part'}"


def letter_of(item: Operand, name_of: NameOf) -> str | None:
    """How an index is written in a name, if it is short enough for that."""
    text = name_of(item) if isinstance(item, Value) else str(item) if isinstance(item, int) else None
    short = text is not None and len(text) == 1 and isinstance(item, (int, Value))
    return text if short else None


def same_rank(a: Value, b: Value) -> bool:
    """Whether both are arrays of one rank, or numbers."""
    return isinstance(a.type, ArrayType) and isinstance(b.type, ArrayType) and a.type.rank == b.type.rank
