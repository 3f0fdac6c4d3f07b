"""What becomes memory: which values are computed where they are read, and which writes are done in place.

A value is inlined (an expression of the subscripts, computed where it is read) if it is a view, a constant
or a length, or if it is read once, in its own block, by an operation that reads each element once. All
other values are scalars or arrays in memory. Where arrays are written in place is decided by the analysis
that the NumPy backend uses (`backends.numpy.memory`), given what is inlined.
"""

from __future__ import annotations

from ad_compiler.analysis.slice_lengths import same_shape_together
from ad_compiler.analysis.types import ArrayType, is_one, same_shape
from ad_compiler.backends.native.lowering.forms import ELEMENTWISE_CONSTANTS, has_loops
from ad_compiler.backends.numpy.memory import IN_PLACE, Memory, is_array
from ad_compiler.backends.numpy.plan import LIST_UPDATES, Plan, Planner, Step
from ad_compiler.ir import Block, Branch, Function, Loop, Node, Operand, Operation, Value
from ad_compiler.rules.indexing import part_of
from ad_compiler.rules.subscripts import getitem_type, is_basic
from ad_compiler.traversal import blocks_of, values_in

UPDATES = ("index_add", "index_set")
VIEWS = frozenset(
    {
        "transpose",
        "swapaxes",
        "moveaxis",
        "expand_dims",
        "squeeze",
        "flip",
        "broadcast_to",
        "sum_where_broadcast",
    }
    | {"ascontiguousarray", "sliding_window_view"}
)
CONSTANTS = frozenset(
    {"zeros", "ones", "empty", "zeros_like", "ones_like", "empty_like", "arange", "eye", "identity"}
)
CASTS = frozenset({"astype", "float64", "float32", "float", "real", "imag", "conjugate"})
REDUCTIONS = frozenset(
    {
        "sum",
        "mean",
        "max",
        "min",
        "amax",
        "amin",
        "prod",
        "all",
        "any",
        "argmax",
        "argmin",
        "count_nonzero",
        "norm",
    }
)
SELECTIONS = frozenset(
    {
        "tril",
        "triu",
        "diagonal",
        "diag",
        "full",
        "full_like",
        "outer",
        "roll",
        "repeat",
        "tile",
        "pad",
        "diff",
    }
)


def is_view(node: Operation) -> bool:
    """Whether an element of the result is an element of the first argument."""
    name = node.primitive.name
    if not has_loops(node):
        return False
    if name == "getitem":
        kind = node.result.type
        return is_basic(node.arguments[1]) and isinstance(kind, ArrayType) and kind.rank > 0
    if name in ("reshape", "ravel"):
        return is_plain_reshape(node)
    return name in VIEWS or (name == "asarray" and isinstance(node.arguments[0], Value))


def is_plain_reshape(node: Operation) -> bool:
    """Whether only axes of length 1 come and go."""
    kinds = [node.arguments[0].type, node.result.type] if isinstance(node.arguments[0], Value) else []
    shapes = [
        tuple(n for n in kind.shape if not is_one(n)) if isinstance(kind, ArrayType) else () for kind in kinds
    ]
    return len(shapes) == 2 and same_shape(shapes[0], shapes[1])


def is_pulled(node: Operation) -> bool:
    """Whether an element of the result is an expression of elements of the arguments."""
    name = node.primitive.name
    if name in ("copy", "flatten") or name in UPDATES or not has_loops(node):
        return False
    return (
        node.primitive.kind == "elementwise"
        or is_view(node)
        or name in CONSTANTS
        or name in CASTS
        or name in SELECTIONS
        or name == "getitem"
        or name in ELEMENTWISE_CONSTANTS
    )


class NativePlanner(Planner):
    """Makes the plan for what is inlined in native code."""

    def count(self, block: Block) -> None:
        super().count(block)
        from ad_compiler.backends.native.lowering.arranging import pushed_for_shape

        if block is self.function.forward:
            for push, place in pushed_for_shape(self.function):
                self.uses[list(values_in(push.arguments[1]))[place]] -= 1

    def inline(self, block: Block) -> None:
        kept = self.updated_values()
        self.visit(block, kept)

    def updated_values(self) -> set[Value]:
        """What is written into: it has memory."""
        found: set[Value] = set()
        for block in self.function.blocks:
            for node in operations(block):
                if node.primitive.name in UPDATES and isinstance(node.arguments[0], Value):
                    found.add(node.arguments[0])
        return found

    def visit(self, block: Block, updated: set[Value]) -> None:
        readers: dict[Value, Node] = {}
        for node in block.operations:
            for value in values_in(node.arguments if isinstance(node, Operation) else ()):
                readers[value] = node
        for node in reversed(block.operations):
            for inner in blocks_of(node):
                self.visit(inner, updated)
            if (
                isinstance(node, Operation)
                and node.result not in updated
                and self.inlines(node, block, readers)
            ):
                self.inlined.add(node.result)
        self.read_before_update(block)

    def inlines(self, node: Operation, block: Block, readers: dict[Value, Node]) -> bool:
        result, name = node.result, node.primitive.name
        if not is_pulled(node):
            return name in ("length", "size")
        kind = result.type
        if not isinstance(kind, ArrayType):
            return False
        if is_view(node) and kind.rank > 0:
            return True
        if name in CONSTANTS and name != "empty":
            return True
        if self.uses[result] != 1 or self.readers[result][0] is not block:
            return False
        reader = readers.get(result)
        return isinstance(reader, Operation) and self.reads_once(result, reader, block, readers)

    def reads_once(self, value: Value, reader: Operation, block: Block, readers: dict[Value, Node]) -> bool:
        """Whether each element of `value` is read once."""
        name = reader.primitive.name
        kind, result = value.type, reader.result.type
        if not isinstance(kind, ArrayType) or not isinstance(result, ArrayType):
            return False
        if name in REDUCTIONS and reader.primitive.kind != "elementwise":
            return reader.arguments[0] is value and kind.rank > 0
        if name in ("copy", "flatten"):
            return kind.rank > 0
        if name in UPDATES:
            array, index, written, path = reader.arguments
            if written is not value:
                return kind.rank == 0 and not any(value is each for each in values_in(path))
            target = getitem_type(part_of(array, path), index).shape
            return same_shape_together(kind.shape, target)
        if is_view(reader) and reader.primitive.name not in ("broadcast_to", "sliding_window_view"):
            if reader.arguments[0] is not value:
                return kind.rank == 0 and name == "getitem" and kind.dtype.kind in "iu"
            if self.uses[reader.result] != 1 or self.readers[reader.result][0] is not block:
                return False
            following = readers.get(reader.result)
            return isinstance(following, Operation) and self.reads_once(
                reader.result, following, block, readers
            )
        if name == "getitem" and reader.arguments[0] is value:
            return False
        if not is_pulled(reader) or name in ("repeat", "tile", "diff"):
            return False
        return same_shape_together(kind.shape, result.shape)


def operations(block: Block) -> list[Operation]:
    from ad_compiler.traversal import nodes_in

    return [node for node in nodes_in(block) if isinstance(node, Operation)]


class Writes:
    """Which results may be written into the memory of their first argument."""

    def __init__(self, function: Function, separate: bool) -> None:
        self.plan: Plan = NativePlanner(function).plan()
        self.plan.pushed = []  # a tape holds copies
        self.separate = separate
        self.memory = Memory(self.plan, function.blocks, separate)
        self.in_place: set[Value] = set()
        while True:
            self.in_place.clear()
            for steps in (self.plan.forward, self.plan.reverse):
                self.find(steps, ())
            if self.memory.settled(self.in_place):
                break

    def find(self, steps: list[Step], elsewhere: tuple[tuple[int, int], ...]) -> None:
        for step in steps:
            node = step.node
            if isinstance(node, Branch):
                self.find(step.then, (*elsewhere, (step.end_then, step.end)))
                self.find(step.otherwise, elsewhere)
            elif isinstance(node, Loop):
                self.memory.enter(step)
                self.find(step.test, elsewhere)
                self.find(step.body, elsewhere)
            elif isinstance(node, Operation) and node.arguments and self.may_overwrite(node, step, elsewhere):
                self.in_place.add(node.result)

    def may_overwrite(self, node: Operation, step: Step, elsewhere: tuple[tuple[int, int], ...]) -> bool:
        name, base = node.primitive.name, node.arguments[0]
        is_update = name in UPDATES or name in LIST_UPDATES
        if not isinstance(base, Value) or base in self.plan.inlined or not is_array(node.result):
            return False
        if not is_update and (
            name not in IN_PLACE or node.primitive.text or node.result in self.plan.inlined
        ):
            return False
        kinds = (node.result.type, base.type)
        section = self.plan.section[node.result]
        if any(self.plan.section.get(s) != section for s in self.memory.storages(base)):
            return False
        if self.memory.is_read_later(base, step.position, elsewhere) or not self.memory.is_own(base):
            return False
        if is_update:
            return True
        others = [value for value in values_in(node.arguments[1:]) if is_array(value)]
        if any(self.memory.storages(value) & self.memory.storages(base) for value in others):
            return False
        result, kind = kinds
        if not isinstance(result, ArrayType) or not isinstance(kind, ArrayType):
            return False
        if result.dtype != kind.dtype or result.rank != kind.rank:
            return False
        # Which lengths are equal is known better when the loops are written (`materialise` looks again).
        pairs = zip(result.shape, kind.shape, strict=True)
        return all(is_one(a) == is_one(b) for a, b in pairs)


def share_memory(writes: Writes, a: Operand, b: Operand) -> bool:
    """Whether two values may lie in the same memory."""
    if not isinstance(a, Value) or not isinstance(b, Value):
        return False
    return bool(writes.memory.storages(a) & writes.memory.storages(b))
