"""One run of a program, from which the sets of its results follow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ad_compiler.analysis.types import ArrayType, ListType, same_shape
from ad_compiler.dependencies.rules import Rules
from ad_compiler.dependencies.sets import Sets
from ad_compiler.dependencies.values import NotFollowed, Seen, plain, value_of, values_of
from ad_compiler.ir import UNBOUND, Block, Branch, Function, Loop, Node, Operand, Operation, Record, Value
from ad_compiler.traversal import inputs_of

LONGEST = 200_000  # operations that are followed
SHAPING_BY_OTHERS = {"reshape", "broadcast_to", "tile", "repeat", "pad", "full_like", "resize"}
SHAPING = SHAPING_BY_OTHERS | {
    *("zeros", "ones", "empty", "full", "eye", "identity", "tri", "arange", "linspace"),
    *("flatnonzero", "argwhere", "compress", "extract", "delete", "insert", "bincount", "padded_places"),
    *("repeat_places", "diag", "diagflat", "diagonal", "sliding_window_view"),
}


def pattern_of(function: Function, arguments: dict[str, Any], of: str, point: str) -> Any:
    """The CSR array of truth values: row i, column j, if element i of the result may depend on element j.

    `arguments` are those of all parameters; `of` names the array, `point` one that does not count as known
    even if it holds whole numbers. Raises `NotFollowed`.
    """
    from scipy.sparse import csr_array, eye_array

    run = Run(np.size(arguments[of]))
    for parameter in function.parameters:
        given = arguments[parameter.name]
        rows = None
        if parameter.name == of:
            rows = csr_array(eye_array(np.size(given), dtype=bool, format="csr"))
        run.enter(parameter.structure, given, rows, parameter.name not in (of, point))
    with np.errstate(all="ignore"):
        run.block(function.forward)
        result = run.seen(function.result)
    if not isinstance(result, Seen):
        raise NotFollowed("the result is no array")
    size = np.size(result.value)
    return csr_array((size, run.sets.count), dtype=bool) if result.rows is None else result.rows


class Run:
    """One run of a program, and what is known of its values."""

    def __init__(self, count: int) -> None:
        self.sets = Sets(count)
        self.rules = Rules(self.sets)
        self.known: dict[Value, Any] = {}
        self.steps = 0

    def enter(self, structure: Operand, given: Any, rows: Any = None, known: bool = True) -> None:
        """The numbers and arrays of an argument."""
        if isinstance(structure, Value):
            self.known[structure] = Seen(given, rows, known and np.asarray(given).dtype.kind in "biu")
        elif isinstance(structure, (tuple, list)):
            for part, item in zip(structure, given, strict=True):
                self.enter(part, item)
        elif isinstance(structure, dict):
            for key, part in structure.items():
                self.enter(part, given[key])
        elif isinstance(structure, Record):
            for key, part in structure.fields.items():
                self.enter(part, getattr(given, key))

    def seen(self, operand: Operand) -> Any:
        """What is known of an operand; containers in kind."""
        if isinstance(operand, Value):
            if operand not in self.known:
                raise NotFollowed("what has an effect")
            return self.known[operand]
        if operand is UNBOUND or operand is None or isinstance(operand, (str, np.dtype, type)):
            return Seen(operand)
        if isinstance(operand, (tuple, list)):
            return type(operand)(self.seen(item) for item in operand)
        if isinstance(operand, slice):
            return slice(*[self.seen(part) for part in (operand.start, operand.stop, operand.step)])
        return Seen(operand)

    # --- the program ---

    def block(self, block: Block) -> None:
        for node in block.operations:
            self.node(node)

    def node(self, node: Node) -> None:
        self.steps += 1
        if self.steps > LONGEST:
            raise NotFollowed("the program is too long")
        if isinstance(node, Operation):
            if not node.primitive.effect:
                self.known[node.result] = self.operation(node)
        elif isinstance(node, Branch):
            self.branch(node)
        elif isinstance(node, Loop):
            self.loop(node)
        else:
            raise NotFollowed("a recursion")

    def branch(self, node: Branch) -> None:
        condition = self.seen(node.condition)
        read = self.all_read(node)
        side = node.then if condition.value else node.otherwise
        self.block(side)
        for result, operand in zip(node.results, side.results, strict=True):
            self.known[result] = self.seen(operand)
        if not condition.known:
            check_shapes(zip(node.then.results, node.otherwise.results, strict=True))
            self.depend(node.results, read)

    def loop(self, node: Loop) -> None:
        read = self.all_read(node)
        known = all(part.known for part in values_of(self.seen(node.bounds)))
        turns: Iterator[Any] = iter(int, 1)  # forever
        if node.bounds is not None:
            turns = iter(range(*[int(self.seen(bound).value) for bound in node.bounds]))
            if node.backwards:
                turns = reversed(range(*[int(self.seen(bound).value) for bound in node.bounds]))
        carried = [self.seen(operand) for operand in node.initial]
        for turn in turns:
            self.known.update(zip(node.carried, carried, strict=True))
            if node.index is not None:
                self.known[node.index] = Seen(turn, None, known)
            if node.condition is not None:
                self.block(node.condition)
                condition = self.seen(node.condition.results[0])
                known = known and condition.known
                if not condition.value:
                    break
            self.block(node.body)
            carried = [self.seen(operand) for operand in node.body.results]
            leave = self.seen(node.leave)
            known = known and leave.known
            if leave.value:
                break
        self.known.update(zip(node.results, carried, strict=True))
        if not known:
            check_shapes(zip(node.initial, node.body.results, strict=True))
            self.depend(node.results, read)

    def all_read(self, node: Node) -> list[Seen]:
        """What a node reads of what is there before it."""
        values = [self.known[value] for value in inputs_of(node) if value in self.known]
        return [part for value in values for part in values_of(value)]

    def depend(self, results: list[Value], read: list[Seen]) -> None:
        """Let results depend on all of this: which of it they are made of is not known."""
        rows = self.sets.union(read)
        for result in results:
            self.known[result] = blurred(self.known[result], rows, self)

    # --- operations ---

    def operation(self, node: Operation) -> Any:
        primitive = node.primitive
        if primitive.name.startswith("list_"):
            rule = LISTS.get(primitive.name)
            if rule is None:
                raise NotFollowed(primitive.name)
            return rule(self, *node.arguments)
        arguments = [self.seen(argument) for argument in node.arguments]
        if primitive.name in ("getitem", "index_set", "index_add"):
            check_index(arguments[1])
        parts = [part for argument in arguments for part in values_of(argument)]
        known = all(part.known for part in parts)
        if primitive.name in ("length", "size"):
            array = arguments[0].value
            size = np.size(array) if primitive.name == "size" else np.shape(array)[arguments[1].value]
            return Seen(int(size))
        if not known and primitive.name in SHAPING:
            rest = arguments[1:] if primitive.name in SHAPING_BY_OTHERS else arguments
            if not all(part.known for part in values_of(rest)):
                raise NotFollowed("a shape that depends on real numbers")
        value = value_of(primitive, [plain(argument) for argument in arguments])
        if isinstance(value, tuple):
            raise NotFollowed("several results")
        if primitive.kind == "constant" or all(part.rows is None for part in parts):
            return Seen(value, None, known)
        return Seen(value, self.rules.rows(primitive, arguments, value), False)


def blurred(seen: Any, row: Any, run: Run) -> Any:
    """The same, unknown, and depending on a row besides."""
    if isinstance(seen, (tuple, list)):
        return type(seen)(blurred(item, row, run) for item in seen)
    rows = seen.rows
    if row is not None and isinstance(seen.value, (np.ndarray, np.generic, float, int)):
        rows = run.sets.of(seen) + run.sets.everything(seen.value, row)
    return Seen(seen.value, rows, False)


def check_shapes(pairs: Iterator[tuple[Operand, Operand]]) -> None:
    """What is one or the other at run time must be known to have one shape."""
    for one, other in pairs:
        if one is UNBOUND or other is UNBOUND:
            continue
        kinds = [operand.type if isinstance(operand, Value) else None for operand in (one, other)]
        shapes = [kind.shape if isinstance(kind, ArrayType) else () for kind in kinds]
        if any(isinstance(kind, ListType) for kind in kinds) or not same_shape(*shapes):
            raise NotFollowed("a shape that depends on real numbers")


def check_index(index: Any) -> None:
    """An index that selects by truth values, or by bounds, must be known: the shape depends on it."""
    for item in index if isinstance(index, tuple) else (index,):
        shaping = isinstance(item, slice) or np.asarray(plain(item)).dtype.kind == "b"
        if shaping and not all(part.known for part in values_of(item)):
            raise NotFollowed("a shape that depends on real numbers")


# --- lists ---


def list_of(run: Run, items: Operand, element: Operand = None) -> Any:
    return list(run.seen(items))


def list_copy(run: Run, xs: Operand) -> Any:
    return list(run.seen(xs))


def list_rest(run: Run, xs: Operand) -> Any:
    return run.seen(xs)[:-1]


def list_length(run: Run, xs: Operand) -> Any:
    return Seen(len(run.seen(xs)))


def list_append(run: Run, xs: Operand, item: Operand) -> Any:
    return [*run.seen(xs), run.seen(item)]


def list_item(run: Run, xs: Operand, index: Operand, path: tuple[int, ...] = ()) -> Any:
    items, place = run.seen(xs), run.seen(index)
    if not place.known:
        raise NotFollowed("an index of a list")
    found = items[place.value]
    for step in path:
        found = found[step]
    return found


def list_stack(run: Run, xs: Operand) -> Any:
    items = run.seen(xs)
    value = np.array(plain(items))
    if not items or all(item.rows is None for item in items):
        return Seen(value, None, all(item.known for item in items))
    return Seen(value, run.sets.stack([run.sets.of(item) for item in items]), False)


LISTS: dict[str, Callable[..., Any]] = {
    rule.__name__: rule
    for rule in (list_of, list_copy, list_rest, list_length, list_append, list_item, list_stack)
}
