"""Which cotangents may hold exact zeros because their element was not selected.

`where`, `max`, masks and reads by index leave zeros behind; they travel through everything that works
element by element, and end in sums and products of matrices. An array of other numbers, into which such are
written, holds none:

    a_bar = g * a; a_bar[0] += g_0           s_bar = (a_bar * a).sum()
    a_bar[0] = 0.0                           s_bar = np.where(a_bar != 0.0, a_bar * a, 0.0).sum()
"""

from __future__ import annotations

from ad_compiler.ir import Loop, Operand, Operation, Value, origins_of, values_in
from ad_compiler.rules.shapes import type_of

_CHOOSING = frozenset({"select", "where"})
_SOURCES = _CHOOSING | {"zeros", "zeros_like", "list_zeros"}
_WRITES = frozenset({"index_add", "index_set"})
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
    return Search(_SOURCES).comes_from_one(operand)


def may_hold_unselected(operand: Operand) -> bool:
    """Whether it may hold zeros that `where`, `max` or a mask left behind.

    This is what counts for a cotangent that a loop carries: that elements of an array are not read in
    every turn is the rule there, and the partial derivatives of those that are not are finite.
    """
    return Search(_CHOOSING).comes_from_one(operand)


class Search:
    """Looks for the operations that a value comes from."""

    def __init__(self, sources: frozenset[str], carried: bool = False) -> None:
        self.sources = sources
        self.carried = carried  # what counts for a value that a loop carries
        self.clear: set[Value] = set()  # values that come from no source

    def comes_from_one(self, operand: Operand) -> bool:
        """Whether an operand comes from one of the sources; a number 0 is one, where all of them count."""
        if not isinstance(operand, Value):
            return self.sources is _SOURCES and isinstance(operand, (int, float)) and operand == 0
        if operand in self.clear:
            return False
        found = self.value(operand)
        if not found:
            self.clear.add(operand)
        return found

    def value(self, value: Value) -> bool:
        if value.loop is not None or value.holds_zeros:
            return value.holds_zeros or self.carried
        origins = origins_of(value)
        if isinstance(value.operation, Loop):
            return self.carried or any(may_hold_unselected(origin) for origin in origins or ())
        if origins is not None:
            return any(map(self.comes_from_one, origins))
        node = value.operation
        return isinstance(node, Operation) and self.operation(node)

    def operation(self, node: Operation) -> bool:
        name = node.primitive.name
        if name in self.sources:
            return True
        if name in _WRITES:
            return self.sources is _SOURCES and self.write(node)
        if name not in _TRANSPARENT:
            return False
        if name == "mul" and any(
            isinstance(a, Value) and type_of(a).dtype.kind == "b" for a in node.arguments
        ):
            return True
        return any(map(self.comes_from_one, values_in(node.arguments)))

    def write(self, node: Operation) -> bool:
        """Whether zeros may stand in an array after a write: some that stay, or some that are written."""
        array, _, written, _ = node.arguments
        inside = self if self.carried else Search(_SOURCES, carried=True)
        if type_of(array).dtype.kind not in "fc" or inside.comes_from_one(array):
            return True
        return node.primitive.name == "index_set" and (
            not isinstance(written, (Value, int, float)) or inside.comes_from_one(written)
        )
