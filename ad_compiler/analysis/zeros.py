"""Which cotangents may hold exact zeros because their element was not selected.

`where`, `max`, masks and reads by index leave zeros behind; they travel through everything that works
element by element, and end in sums and products of matrices. An array of other numbers, into which such are
written, holds none:

    a_bar = g * a; a_bar[0] += g_0           s_bar = (a_bar * a).sum()
    a_bar[0] = 0.0                           s_bar = np.where(a_bar != 0.0, a_bar * a, 0.0).sum()
"""

from __future__ import annotations

from ad_compiler.ir import Loop, Operand, Operation, Value
from ad_compiler.rules.shapes import type_of
from ad_compiler.traversal import origins_of, values_in

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
    return Search(_SOURCES).finds_one(operand)


def may_hold_unselected(operand: Operand) -> bool:
    """Whether it may hold zeros that `where`, `max` or a mask left behind.

    This is what counts for a cotangent that a loop carries: that elements of an array are not read in
    every turn is the rule there, and the partial derivatives of those that are not are finite.
    """
    return Search(_CHOOSING).finds_one(operand)


Place = tuple[Operand, bool]  # an operand, and whether it counts as holding zeros if a loop carries it


class Search:
    """Looks for the operations that a value comes from."""

    def __init__(self, sources: frozenset[str]) -> None:
        self.sources = sources

    def finds_one(self, operand: Operand) -> bool:
        """Whether an operand comes from one of the sources; a number 0 is one, where all of them count."""
        waiting: list[Place] = [(operand, False)]
        seen: set[Place] = set()
        while waiting:
            place = waiting.pop()
            if not isinstance(place[0], Value):
                if self.sources is _SOURCES and isinstance(place[0], (int, float)) and place[0] == 0:
                    return True
            elif place not in seen:
                seen.add(place)
                before = self.before(*place)
                if before is None:
                    return True
                waiting += before
        return False

    def before(self, value: Value, carried: bool) -> list[Place] | None:
        """What a value comes from; None where it is a source itself."""
        if value.loop is not None or value.holds_zeros:
            return None if value.holds_zeros or carried else []
        origins = origins_of(value)
        if isinstance(value.operation, Loop):
            return None if carried or any(map(may_hold_unselected, origins or ())) else []
        if origins is not None:
            return [(origin, carried) for origin in origins]
        node = value.operation
        return self.operands(node, carried) if isinstance(node, Operation) else []

    def operands(self, node: Operation, carried: bool) -> list[Place] | None:
        """The operands of an operation whose zeros it leaves; None where it makes zeros."""
        name = node.primitive.name
        if name in self.sources:
            return None
        if name in _WRITES:
            return self.written(node) if self.sources is _SOURCES else []
        if name not in _TRANSPARENT:
            return []
        masked = (isinstance(a, Value) and type_of(a).dtype.kind == "b" for a in node.arguments)
        if name == "mul" and any(masked):
            return None
        return [(inner, carried) for inner in values_in(node.arguments)]

    def written(self, node: Operation) -> list[Place] | None:
        """After a write, zeros may stand in an array: some that stay, or some that are written."""
        array, _, written, _ = node.arguments
        if type_of(array).dtype.kind not in "fc":
            return None
        if node.primitive.name == "index_add":
            return [(array, True)]
        return [(array, True), (written, True)] if isinstance(written, (Value, int, float)) else None
