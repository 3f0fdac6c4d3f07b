"""Which cotangents may hold exact zeros because their element was not selected.

`where`, `max`, masks and reads by index leave zeros behind; they travel through everything that works
element by element, and end in sums and products of matrices.
"""

from __future__ import annotations

from ad_compiler.ir import Operand, Operation, Value, origins_of, values_in
from ad_compiler.rules.shapes import type_of

_SOURCES = frozenset({"select", "index_add", "index_set", "where", "zeros_like", "zeros"})
_TRANSPARENT = frozenset(
    {
        "mul",
        "truediv",
        "add",
        "sub",
        "neg",
        "getitem",
        "reshape",
        "transpose",
        "swapaxes",
        "moveaxis",
        "squeeze",
    }
    | {"expand_dims", "broadcast_to", "astype", "flip", "ravel"}
)


def may_hold_zeros(operand: Operand) -> bool:
    if not isinstance(operand, Value):
        return isinstance(operand, (int, float)) and operand == 0
    if operand.loop is not None:
        return operand.holds_zeros
    origins = origins_of(operand)
    if origins is not None:
        return any(map(may_hold_zeros, origins))
    node = operand.operation
    if not isinstance(node, Operation):
        return False
    if node.primitive.name in _SOURCES:
        return True
    if node.primitive.name not in _TRANSPARENT:
        return False
    if node.primitive.name == "mul" and any(
        isinstance(a, Value) and type_of(a).dtype.kind == "b" for a in node.arguments
    ):
        return True
    return any(may_hold_zeros(value) for value in values_in(node.arguments))
