"""Which elements of the result of a program depend on which elements of an argument.

The program is run once, operation by operation, and beside each number goes the set of elements it depends
on: a row of a sparse boolean matrix. What moves elements about is done to their numbers, and these say which
rows are meant:

    y = x[1:] * c          ->    rows of y = rows of x [1, 2, 3, ...]

It is done with the program that computes a derivative along a direction, and for the direction: so the sets
are those of what is computed, with rules of the user's own and everything else a derivative may be made of.

The sets hold for every call with arguments of the same shapes and the same whole numbers, whatever the reals
are: a value counts as known only where no real number went into it. Where a condition, an index or the number
of turns is not known, the results depend on all that is read there; so do the results of operations that have
no rule here. Where a shape is not known, nothing is said. So a set may be too large, and is never too small
(propagation of bit patterns: Griewank and Walther, Evaluating Derivatives (2008), section 7.1, here for all
points at once).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ad_compiler.analysis.types import ArrayType, ListType, same_shape
from ad_compiler.ir import (
    UNBOUND,
    Block,
    Branch,
    Function,
    Loop,
    Node,
    Operand,
    Operation,
    Record,
    Value,
    inputs_of,
)
from ad_compiler.rules.notation import Primitive, registry
from ad_compiler.rules.padding import zeros_around
from ad_compiler.rules.rearranging import first_difference

LONGEST = 200_000  # operations that are followed


class NotFollowed(Exception):
    """The program has something that is not followed."""


@dataclass(frozen=True, eq=False, slots=True)
class Seen:
    """A number or array of the run: its value, what its elements depend on, and whether it is known."""

    value: Any
    rows: Any = None  # a CSR array of truth values, a row for each element; None: on nothing
    known: bool = True


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
    return csr_array((size, run.count), dtype=bool) if result.rows is None else result.rows


class Run:
    """One run of a program, and what is known of its values."""

    def __init__(self, count: int) -> None:
        self.count = count  # elements of the argument
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
        rows = self.union(read)
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
        value = self.value(primitive, [plain(argument) for argument in arguments])
        if isinstance(value, tuple):
            raise NotFollowed("several results")
        if primitive.kind == "constant" or all(part.rows is None for part in parts):
            return Seen(value, None, known)
        return Seen(value, self.rows(primitive, arguments, value), False)

    def rows(self, primitive: Primitive, arguments: list[Any], value: Any) -> Any:
        """What the elements of a result depend on."""
        if primitive.name in ("index_set", "index_add"):
            return self.written(primitive, *arguments)
        if primitive.kind == "elementwise":
            return self.sum([self.spread(each, np.shape(value)) for each in arguments])
        if primitive in MOVING and others_known(primitive, arguments):
            return self.moved(primitive, arguments)
        if primitive in REDUCING:
            return self.reduced(primitive, arguments, value)
        if primitive.name in ("matmul", "dot") and all(np.ndim(each.value) for each in arguments):
            return self.product(arguments[0], arguments[1], value)
        if primitive.name == "outer":
            return self.crossed(arguments[0], arguments[1])
        parts = [part for each in arguments for part in values_of(each)]
        return self.everything(value, self.union(parts))

    def value(self, primitive: Primitive, arguments: list[Any]) -> Any:
        """The value of an operation."""
        if primitive.name in ("index_set", "index_add"):
            array, index, value, path = arguments
            made = np.array(array)
            view = through(made, path)
            if not np.shares_memory(view, made) and view.size:
                raise NotFollowed("a write through a copy")
            if primitive.name == "index_set":
                view[index] = value
            else:
                np.add.at(view, index, value)
            return made
        if primitive.name == "getitem":
            return arguments[0][arguments[1]]
        if primitive.name == "select":
            return np.where(*arguments)[()] if any(map(np.ndim, arguments)) else chosen(*arguments)
        return called(primitive, arguments)

    def written(self, primitive: Primitive, array: Seen, index: Any, value: Seen, path: Any) -> Any:
        """Parts that are written depend on what is written, and on what was there if that is added."""
        size, old = np.size(array.value), self.of(array)
        if not all(part.known for part in values_of(index)):
            return old + self.everything(array.value, self.union([value]))
        numbers = np.arange(size).reshape(np.shape(array.value))
        target = through(numbers, plain(path))[plain(index)]
        places = np.ravel(target)
        if primitive.name == "index_set":
            kept = np.ones(size, bool)
            kept[places] = False
            old = self.pick(old, np.where(kept, np.arange(size), -1))
        if value.rows is None:
            return old
        return old + self.collect(self.spread(value, np.shape(target)), places, size)

    def moved(self, primitive: Primitive, arguments: list[Any]) -> Any:
        """Elements that only change their places: the same is done to their numbers, 0 being none."""
        tables: list[Any] = []
        start = 1

        def numbered(part: Any) -> Any:
            nonlocal start
            if isinstance(part, (tuple, list)):
                return type(part)(map(numbered, part))
            if part.rows is None:
                return np.zeros(np.shape(part.value), np.intp)
            tables.append(part.rows)
            numbers = np.arange(start, start + np.size(part.value)).reshape(np.shape(part.value))
            start += np.size(part.value)
            return numbers

        place = 1 if primitive.name == "full" or primitive.name == "full_like" else 0
        given = [numbered(each) if i == place else plain(each) for i, each in enumerate(arguments)]
        if primitive in KINDS:  # which convert the elements
            given = given[:1]
        if primitive.name in ("array", "asarray", "full", "full_like") and len(given) > 1:
            given[-1] = np.intp
        if primitive.name == "getitem":
            numbers = given[0][given[1]]
        else:
            numbers = given[0] if primitive in KINDS else called(primitive, given)
        table = self.stack(tables)
        return self.pick(table, np.ravel(numbers) - 1)

    def reduced(self, primitive: Primitive, arguments: list[Any], value: Any) -> Any:
        """Along the axes that are reduced, everything depends on everything."""
        array = arguments[0]
        axis = plain(arguments[primitive.parameters.index("axis")])
        shape = np.shape(array.value)
        axes = range(len(shape)) if axis is None else np.atleast_1d(axis)
        kept = list(shape)
        for each in axes:
            kept[each] = 1
        count = int(np.prod(kept))
        groups = np.broadcast_to(np.arange(count).reshape(kept), shape)
        rows = self.collect(array.rows, np.ravel(groups), count)
        return rows if np.size(value) == count else self.pick(rows, np.ravel(groups))

    def product(self, a: Seen, b: Seen, value: Any) -> Any:
        """An element of a matrix product depends on a row of the one, and on a column of the other."""
        left = np.ndim(a.value) - 1
        right = max(np.ndim(b.value) - 2, 0)
        parts = []
        if a.rows is not None:
            rows, shape = self.along(a, left)
            shape = (*shape, 1) if np.ndim(b.value) > 1 else shape
            parts.append(self.spread_rows(rows, shape, np.shape(value)))
        if b.rows is not None:
            rows, shape = self.along(b, right)
            if np.ndim(a.value) > 1 and np.ndim(b.value) > 1:
                shape = (*shape[:-1], 1, shape[-1])
            parts.append(self.spread_rows(rows, shape, np.shape(value)))
        return self.sum(parts)

    def along(self, array: Seen, axis: int) -> tuple[Any, tuple[int, ...]]:
        """The union along one axis, and the shape that is left."""
        shape = np.shape(array.value)
        left = (*shape[:axis], *shape[axis + 1 :])
        count = int(np.prod(left))
        groups = np.broadcast_to(np.expand_dims(np.arange(count).reshape(left), axis), shape)
        return self.collect(array.rows, np.ravel(groups), count), left

    def crossed(self, a: Seen, b: Seen) -> Any:
        shape = (np.size(a.value), np.size(b.value))
        parts = []
        for part, own in ((a, (shape[0], 1)), (b, (shape[1],))):
            if part.rows is not None:
                parts.append(self.spread_rows(part.rows, own, shape))
        return self.sum(parts)

    # --- rows ---

    def of(self, seen: Seen) -> Any:
        """The rows, of none where it depends on nothing."""
        from scipy.sparse import csr_array

        size = np.size(seen.value)
        return csr_array((size, self.count), dtype=bool) if seen.rows is None else seen.rows

    def spread(self, seen: Any, shape: tuple[int, ...]) -> Any:
        """The rows of what is broadcast to a shape; None where it depends on nothing."""
        if not isinstance(seen, Seen):
            raise NotFollowed("a list")
        return None if seen.rows is None else self.spread_rows(seen.rows, np.shape(seen.value), shape)

    def spread_rows(self, rows: Any, own: tuple[int, ...], shape: tuple[int, ...]) -> Any:
        while len(own) > len(shape) and own[0] == 1:
            own = own[1:]
        if own == shape:
            return rows
        numbers = np.arange(rows.shape[0]).reshape(own)
        return self.pick(rows, np.ravel(np.broadcast_to(numbers, shape)))

    def sum(self, parts: list[Any]) -> Any:
        """The union of rows, element by element."""
        found = [part for part in parts if part is not None]
        total = found[0]
        for part in found[1:]:
            total = total if part is total else total + part
        return total

    def pick(self, rows: Any, numbers: Any) -> Any:
        """Rows by number; none for a negative one."""
        from scipy.sparse import csr_array

        if np.all(numbers >= 0):
            return rows[numbers]
        empty = csr_array((1, self.count), dtype=bool)
        return self.stack([rows, empty])[np.where(numbers < 0, rows.shape[0], numbers)]

    def collect(self, rows: Any, groups: Any, count: int) -> Any:
        """The union of the rows of each group."""
        from scipy.sparse import csr_array

        size = len(groups)
        selection = csr_array((np.ones(size, bool), (groups, np.arange(size))), shape=(count, size))
        return csr_array(selection @ rows)

    def stack(self, tables: list[Any]) -> Any:
        from scipy.sparse import vstack

        return tables[0] if len(tables) == 1 else vstack(tables, format="csr")

    def union(self, parts: list[Seen]) -> Any:
        """One row: all that any element of these depends on; None where that is nothing."""
        found = [part.rows for part in parts if part.rows is not None]
        if not found:
            return None
        table = self.stack(found)
        return self.collect(table, np.zeros(table.shape[0], np.intp), 1)

    def everything(self, value: Any, row: Any) -> Any:
        """Every element of a value depends on this row."""
        if row is None:
            return self.of(Seen(value))
        size = np.size(value)
        if row.nnz * size > MOST:
            raise NotFollowed("too much depends on too much")
        return self.pick(row, np.zeros(size, np.intp))


MOST = 2**26  # entries of a pattern that is dense
SHAPING_BY_OTHERS = {"reshape", "broadcast_to", "tile", "repeat", "pad", "full_like", "resize"}
SHAPING = SHAPING_BY_OTHERS | {
    *(
        "zeros",
        "ones",
        "empty",
        "full",
        "eye",
        "identity",
        "tri",
        "arange",
        "linspace",
        "sliding_window_view",
    ),
    *("flatnonzero", "argwhere", "compress", "extract", "delete", "insert", "bincount", "padded_places"),
    *("repeat_places", "diag", "diagflat", "diagonal"),
}


def blurred(seen: Any, row: Any, run: Run) -> Any:
    """The same, unknown, and depending on a row besides."""
    if isinstance(seen, (tuple, list)):
        return type(seen)(blurred(item, row, run) for item in seen)
    rows = seen.rows
    if row is not None and isinstance(seen.value, (np.ndarray, np.generic, float, int)):
        rows = run.of(seen) + run.everything(seen.value, row)
    return Seen(seen.value, rows, False)


def values_of(seen: Any) -> Iterator[Seen]:
    """The numbers and arrays in an operand."""
    if isinstance(seen, Seen):
        yield seen
    elif isinstance(seen, (tuple, list)):
        for item in seen:
            yield from values_of(item)
    elif isinstance(seen, slice):
        yield from values_of((seen.start, seen.stop, seen.step))


def plain(seen: Any) -> Any:
    """An operand as Python has it."""
    if isinstance(seen, Seen):
        return seen.value
    if isinstance(seen, (tuple, list)):
        return type(seen)(map(plain, seen))
    if isinstance(seen, slice):
        return slice(plain(seen.start), plain(seen.stop), plain(seen.step))
    return seen


def chosen(condition: Any, one: Any, other: Any) -> Any:
    return one if condition else other


def through(array: Any, path: Any) -> Any:
    """The view that a path leads to."""
    for primitive, *arguments in path:
        primitive = primitive.value if isinstance(primitive, Seen) else primitive
        array = array[arguments[0]] if primitive.name == "getitem" else called(primitive, [array, *arguments])
    return array


def called(primitive: Primitive, arguments: list[Any]) -> Any:
    """A call of the function of a primitive."""
    function = FUNCTIONS.get(primitive)
    if function is None:
        raise NotFollowed(primitive.name)
    if primitive.variadic or not primitive.keywords:
        given = list(arguments)
        while given and not primitive.variadic and given[-1] is None:
            given.pop()
        return function(*given)
    required = [name for name in primitive.parameters if name not in primitive.defaults]
    pairs = list(zip(primitive.parameters, arguments, strict=True))
    keywords = {
        name: argument
        for name, argument in pairs
        if name not in required and argument is not primitive.defaults[name]
    }
    try:
        return function(*[argument for name, argument in pairs if name in required], **keywords)
    except TypeError as error:
        raise NotFollowed(primitive.name) from error


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


def others_known(primitive: Primitive, arguments: list[Any]) -> bool:
    """Whether all but the elements that move are known: indices, shapes, axes."""
    moving = 1 if primitive.name in ("full", "full_like") else 0
    rest = [each for i, each in enumerate(arguments) if i != moving]
    if primitive.name == "full_like":
        rest = rest[1:]
    return all(part.known for part in values_of(rest))


# --- lists ---


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
    return Seen(value, run.stack([run.of(item) for item in items]), False)


LISTS: dict[str, Callable[..., Any]] = {
    "list_of": lambda run, items, element=None: list(run.seen(items)),
    "list_append": list_append,
    "list_item": list_item,
    "list_stack": list_stack,
    "list_copy": lambda run, xs: list(run.seen(xs)),
    "list_rest": lambda run, xs: run.seen(xs)[:-1],
    "list_length": lambda run, xs: Seen(len(run.seen(xs))),
}

# --- primitives ---


def functions() -> dict[Primitive, Callable[..., Any]]:
    """The functions that primitives stand for."""
    found: dict[Primitive, Callable[..., Any]] = {}
    for function, primitive in registry.items():
        if callable(function) and not isinstance(function, str):
            found.setdefault(primitive, function)
    found[registry[first_difference]] = np.diff
    found[registry[zeros_around]] = np.pad
    return found


FUNCTIONS = functions()
KINDS = {
    registry[kind]
    for kind in (
        *(float, np.float16, np.float32, np.float64, np.longdouble, np.ndarray.astype, np.ndarray.item),
        *(np.copy, np.ascontiguousarray),
    )
}
MOVING = KINDS | {
    registry[function]
    for function in (
        *("getitem", np.reshape, np.ravel, np.ndarray.flatten, np.transpose, np.swapaxes, np.moveaxis),
        *(np.squeeze, np.expand_dims, np.broadcast_to, np.flip, np.roll, np.repeat, np.tile, np.diagonal),
        *(np.tril, np.triu, np.diag, sliding_window_view, zeros_around),
        *(np.concatenate, np.stack, np.array, np.asarray, np.full, np.full_like),
    )
}
REDUCING = {
    registry[function]
    for function in (
        *(np.sum, np.mean, np.prod, np.max, np.min, np.std, np.var, np.cumsum, np.cumprod, np.linalg.norm),
    )
}
