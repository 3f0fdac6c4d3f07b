"""Which cotangents may hold exact zeros because their element was not selected.

`where`, `max`, masks and reads by index leave zeros behind; they travel through everything that works
element by element, and end in sums and products of matrices.
"""

from __future__ import annotations

from ad_compiler.ir import Loop, Operand, Operation, Value, origins_of, values_in
from ad_compiler.rules.shapes import type_of

_CHOOSING = frozenset({"select", "where"})
_SOURCES = _CHOOSING | {"index_add", "index_set", "zeros_like", "list_zeros"}
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
    | {"expand_dims", "broadcast_to", "astype", "flip", "ravel", "copy"}
    | {"list_of", "list_append", "list_rest", "list_item", "list_set", "list_copy", "list_stack", "list_sum"}
    | {"list_concatenate", "list_repeat", "list_rows", "list_full", "list_split", "list_add", "list_extend"}
    | {"list_slice"}
)


def may_hold_zeros(operand: Operand) -> bool:
    """Whether a cotangent may hold zeros of elements that were not selected, or not read."""
    return _may_hold(operand, _SOURCES, set())


def may_hold_unselected(operand: Operand) -> bool:
    """Whether it may hold zeros that `where`, `max` or a mask left behind.

    This is what counts for a cotangent that a loop carries: that elements of an array are not read in
    every turn is the rule there, and the partial derivatives of those that are not are finite.
    """
    return _may_hold(operand, _CHOOSING, set())


def _may_hold(operand: Operand, sources: frozenset[str], clear: set[Value]) -> bool:
    """Whether it comes from one of the sources; `clear` are the values that were found not to."""
    if not isinstance(operand, Value):
        return sources is _SOURCES and isinstance(operand, (int, float)) and operand == 0
    if operand in clear:
        return False
    found = _comes_from(operand, sources, clear)
    if not found:
        clear.add(operand)
    return found


def _comes_from(value: Value, sources: frozenset[str], clear: set[Value]) -> bool:
    if value.loop is not None or value.holds_zeros:
        return value.holds_zeros
    origins = origins_of(value)
    if isinstance(value.operation, Loop):
        return any(may_hold_unselected(origin) for origin in origins or ())
    if origins is not None:
        return any(_may_hold(origin, sources, clear) for origin in origins)
    node = value.operation
    if not isinstance(node, Operation):
        return False
    if node.primitive.name in sources:
        return True
    if node.primitive.name not in _TRANSPARENT:
        return False
    if node.primitive.name == "mul" and any(
        isinstance(a, Value) and type_of(a).dtype.kind == "b" for a in node.arguments
    ):
        return True
    return any(_may_hold(inner, sources, clear) for inner in values_in(node.arguments))
