"""Loops over directions, done for all of them, or for a block of them, at once.

    eye = np.eye(x.shape[0])                 directions = np.eye(x.shape[0])
    columns = []                             x_bar_dot = 0.5 * directions - np.cos(x) * directions
    for i in range(x.shape[0]):              return x_bar_dot.T
        direction = eye[i]            ->
        x_bar_dot = 0.5 * direction - np.cos(x) * direction
        columns.append(x_bar_dot)
    return np.moveaxis(np.array(columns), 0, -1)

With a block size, that many directions at a time, so that memory is bounded:

    columns = []
    for start in range(0, x.shape[0], 64):
        directions = eye[start:start + 64]
        columns.append(0.5 * directions - np.cos(x) * directions)
    return np.concatenate(columns).T

How operations are batched is in `transforms.batch`; where that cannot be done, the loop stays as it was.
"""

from __future__ import annotations

import operator
from functools import partial
from typing import TypeGuard

import numpy as np

from ad_compiler.analysis.storage import is_fresh, storages_of
from ad_compiler.analysis.types import INT, ArrayType, ListType, same_length
from ad_compiler.blocks import Batched
from ad_compiler.builder import Builder
from ad_compiler.frontend.context import Context
from ad_compiler.ir import Block, Function, Loop, Node, Operand, Operation, Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.batching import CannotBatch
from ad_compiler.rules.notation import registry
from ad_compiler.rules.shapes import axis_from_operand, rank_of, shape_of, type_of
from ad_compiler.transforms.batch import Directions
from ad_compiler.traversal import (
    arguments_of,
    blocks_of,
    inputs_of,
    map_values,
    nodes_in,
    results_of,
    substitute,
    values_in,
)


def batch_directions(function: Function, context: Context, size: int | None) -> Batched:
    """Batch the loops over directions of a program: `size` directions at a time, or all at once."""
    returned: set[Value] = set()  # memory that results have already
    batched = Batched()

    def visit(block: Block) -> None:
        for node in list(block.operations):
            for inner in blocks_of(node):
                visit(inner)
            if not isinstance(node, Loop):
                continue
            try:
                columns = Columns(block, node)
                written, results = columns.batched(context, size, returned)
            except (CannotBatch, Refusal):
                continue
            place = block.operations.index(node)
            block.operations[place : place + 1] = written
            known = columns.replaced(context, results)
            for value in columns.varying:
                if isinstance(value.type, ArrayType):
                    batched.shapes.append(value.type.shape)
                    batched.products |= is_operation(value.operation, *PRODUCTS)
            function.result = map_values(partial(replaced_by, known), function.result)

    visit(function.forward)
    return batched


PRODUCTS = ("matmul", "dot", "inner", "einsum", "tensordot", "solve")


def replaced_by(known: dict[Value, Operand], value: Value) -> Operand:
    return known.get(value, value)


class Columns:
    """A loop whose turns put one column each on lists, from the rows of arrays of directions."""

    def __init__(self, block: Block, loop: Loop) -> None:
        self.block, self.loop = block, loop
        if loop.bounds is None or loop.bounds[0] != 0 or loop.bounds[2] != 1 or loop.leave != 0:
            raise CannotBatch("a loop of another kind")
        self.stop = loop.bounds[1]
        self.rows = self.rows_read()
        self.appended = [self.append(place) for place in range(len(loop.carried))]
        self.stacked = [self.stacks(result) for result in loop.results]
        self.varying: set[Value] = set()  # what depends on a direction

    def rows_read(self) -> dict[Value, Value]:
        """The directions, and the array that each is a row of."""
        loop = self.loop
        rows: dict[Value, Value] = {}
        inside = {value for node in nodes_in(loop.body) for value in results_of(node)}
        for node in nodes_in(loop.body):
            if loop.index not in own_reads(node):
                continue
            if not is_operation(node, "getitem") or node.arguments[1] != (loop.index,):
                raise CannotBatch("the number of the direction is read")
            if node not in loop.body.operations:
                raise CannotBatch("a direction is read in a loop or branch")
            array = node.arguments[0]
            if array in inside or not is_directions(array, self.stop):
                raise CannotBatch("a loop over something else")
            rows[node.result] = array
        if not rows:
            raise CannotBatch("a loop over something else")
        return rows

    def append(self, place: int) -> Operation:
        """The only operation on one of the lists: a column is put on it."""
        loop = self.loop
        param, start, result = loop.carried[place], loop.initial[place], loop.body.results[place]
        made, append = operation_of(start), operation_of(result)
        if not is_operation(made, "list_of") or made.arguments[0] or not is_operation(append, "list_append"):
            raise CannotBatch("what is carried is no list of columns")
        users = [node for node in nodes_in(loop.body) if {param, result} & own_reads(node)]
        if users != [append] or append not in loop.body.operations or isinstance(append.arguments[1], tuple):
            raise CannotBatch("a list that is read")
        return append

    def stacks(self, result: Value) -> list[Operation]:
        """What makes one array of a list of columns: nothing else may read it."""
        place = self.block.operations.index(self.loop)
        users = [node for node in self.block.operations[place + 1 :] if result in inputs_of(node)]
        found = [node for node in users if is_operation(node, "list_stack")]
        if len(found) < len(users) or result in values_in(self.block.results):
            raise CannotBatch("a list that is read")
        return found

    def batched(
        self, context: Context, size: int | None, returned: set[Value]
    ) -> tuple[list[Node], list[Operand]]:
        """What stands in place of the loop, and the array of the columns on each list."""
        builder, written = context.builder, Block()
        builder.statement, builder.place = self.loop.statement, self.loop.place
        with builder.separately(Block()), builder.apart(written), builder.generating():
            if size is not None:
                directions, results = self.in_blocks(context, size)
            else:
                directions = Directions(context, self.rows, self.loop.body)
                results = [self.own(each, returned, directions) for each in self.columns(directions)]
        directions.commit()
        self.varying = directions.varying
        return written.operations, results

    def own(self, result: Operand, returned: set[Value], directions: Directions) -> Operand:
        """A result in memory of its own."""
        if not is_fresh(result) or storages_of(result) & returned:
            result = directions.call(registry[np.copy], result, method=True)
        returned |= storages_of(result)
        return result

    def columns(self, directions: Directions) -> list[Operand]:
        """The columns for these directions: of each list, as an array."""
        copies = [append.arguments[1].operation for append in self.appended if self.copies(append)]
        done = [*self.appended, *copies, *[row.operation for row in self.rows]]
        directions.run([node for node in self.loop.body.operations if node not in done])
        return [directions.lifted(self.column(append)) for append in self.appended]

    def column(self, append: Operation) -> Operand:
        """What is put on a list, before it is copied for that."""
        column = append.arguments[1]
        return column.operation.arguments[0] if self.copies(append) else column

    def copies(self, append: Operation) -> bool:
        """Whether a column is copied only because the memory of one direction is used again for the next."""
        column = append.arguments[1]
        users = [node for node in nodes_in(self.loop.body) if column in own_reads(node)]
        return is_operation(operation_of(column), "copy") and users == [append]

    def in_blocks(self, context: Context, size: int) -> tuple[Directions, list[Operand]]:
        """A loop over blocks of directions, whose columns are joined at the end."""
        builder, lists = context.builder, self.loop.carried
        start = Value(INT, "start")
        # One turn at least: what is joined is not nothing.
        stop = builder.call(registry[np.maximum], (self.stop, 1))
        loop = Loop(Block(), (0, stop, size), start, statement=self.loop.statement, place=self.loop.place)
        start.loop = loop
        with builder.inside(loop.body):
            block = slice(start, builder.call(registry[operator.add], (start, size)), None)
            arrays = dict.fromkeys(self.rows.values())
            parts = {array: builder.call(registry["getitem"], (array, (block,))) for array in arrays}
            rows = {row: parts[array] for row, array in self.rows.items()}
            directions = Directions(context, rows, self.loop.body)
            made = self.columns(directions)
            kinds = [ListType(type_of(each)) for each in made]
            params = [Value(kind, each.name) for kind, each in zip(kinds, lists, strict=True)]
            ends = [builder.call(registry["list_append"], pair) for pair in zip(params, made, strict=True)]
        results = []
        for param, kind, end in zip(params, kinds, ends, strict=True):
            after = Value(kind, param.name)
            loop.carry(param, builder.call(registry["list_of"], ([], kind.element)), end, after)
            results.append(after)
        builder.append(loop)
        return directions, [builder.call(registry["list_concatenate"], (after,)) for after in results]

    def replaced(self, context: Context, results: list[Operand]) -> dict[Value, Operand]:
        """Read the columns where the lists were stacked; what has become of other values."""
        known: dict[Value, Operand] = {}
        gone = [stack for stacks in self.stacked for stack in stacks]
        for stacks, result in zip(self.stacked, results, strict=True):
            known.update(dict.fromkeys([stack.result for stack in stacks], result))
        rest, self.block.operations[:] = list(self.block.operations), []
        builder = context.builder
        with builder.separately(Block()), builder.apart(self.block), builder.generating():
            for node in rest:
                if node in gone:
                    continue
                columns = node.arguments[0] if is_operation(node, "moveaxis", "reshape", "array") else None
                if isinstance(node, Operation) and isinstance(columns, Value) and columns in known:
                    builder.statement, builder.place = node.statement, node.place
                    known[node.result] = rearranged(builder, node, known[columns])
                else:
                    builder.append(node)
        substitute(self.block, known)
        return known


def operation_of(operand: Operand) -> Node | None:
    return operand.operation if isinstance(operand, Value) else None


def is_operation(node: Node | None, *names: str) -> TypeGuard[Operation]:
    """Whether a node is an operation with one of these names."""
    return isinstance(node, Operation) and node.primitive.name in names


def rearranged(builder: Builder, node: Operation, columns: Operand) -> Operand:
    """What makes a Jacobian of the columns; of a matrix it is the transpose."""
    if node.primitive.name == "array":
        if type_of(columns).dtype == type_of(node.result).dtype:
            return columns  # which is an array of its own already
        made = builder.call(registry[np.ndarray.astype], (columns, node.arguments[1]), method=True)
    elif node.primitive.name == "moveaxis" and rank_of(columns) == 2:
        made = builder.call(registry[np.transpose], (columns, None))
    else:
        made = builder.call(node.primitive, (columns, *node.arguments[1:]))
    if made is not columns:
        made.name = node.result.name
    return made


def own_reads(node: Node) -> set[Value]:
    """What a node reads itself, or yields from the blocks inside."""
    yielded = [block.results for block in blocks_of(node)]
    return set(values_in([arguments_of(node), yielded, node.leave if isinstance(node, Loop) else 0]))


def is_directions(array: Operand, stop: Operand) -> bool:
    """Whether an array is an identity matrix, or a parameter called so, of `stop` rows."""
    if not isinstance(array, Value) or not shape_of(array):
        return False
    known = is_operation(array.operation, "eye") or (array.operation is None and array.name == "directions")
    return known and same_length(shape_of(array)[0], axis_from_operand(stop))
