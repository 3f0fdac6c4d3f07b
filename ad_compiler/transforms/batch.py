"""Does operations for many directions at once: what depends on a direction gets an axis of them, in front.

    t = direction[1:]               t = directions[:, 1:]
    for _ in range(n):       ->     for _ in range(n):
        t = np.cos(x) * t               t = np.cos(x) * t
        x = np.sin(x)                   x = np.sin(x)

A value that depends on no direction stays what it is. Branches and loops stay, and yield and carry batched
values; what they are decided by may not depend on a direction. The rules are in `rules.batching`; where one
is missing, `CannotBatch` is raised, and the program is what it was. The vector mode of differentiation
(Griewank and Walther, Evaluating Derivatives (2008), section 4.5), of tangents and of cotangents.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ad_compiler.analysis.types import ArrayType
from ad_compiler.frontend.context import Context
from ad_compiler.ir import UNBOUND, Block, Branch, Loop, Node, Operand, Operation, Value
from ad_compiler.rules.batching import CannotBatch, rule_of
from ad_compiler.rules.notation import Primitive, registry
from ad_compiler.rules.shapes import rank_of, shape_of, type_of
from ad_compiler.rules.structure import length, shape_values
from ad_compiler.traversal import arguments_of, blocks_of, inputs_of, results_of, turn_values, values_in

OF_SHAPES = ("length", "size")  # which are the same for every direction
ZEROS = ("zeros", "zeros_like")


class Directions:
    """Writes operations for the directions that are the rows of some arrays.

    The program read is not changed: values that stay belong to new branches and loops only after `commit`.
    """

    def __init__(self, context: Context, rows: dict[Value, Value], block: Block) -> None:
        self.builder = context.builder
        self.batched: dict[Value, Operand] = dict(rows)
        self.first = next(iter(rows.values()))
        self.varying: set[Value] = set(rows)
        self.commits: list[Callable[[], None]] = []
        while self.spread(block):
            pass
        for row, array in rows.items():
            array.name = array.name or (f"{row.name}s" if row.name else None)

    @property
    def count(self) -> Operand:
        """How many directions there are."""
        return length(self.builder, self.first, 0)

    def commit(self) -> None:
        """Hand the values that stayed over to what yields them now."""
        for each in self.commits:
            each()

    # --- what varies ---

    def varies(self, operand: Operand) -> bool:
        """Whether an operand depends on the direction."""
        return any(value in self.varying for value in values_in(operand))

    def spread(self, block: Block) -> bool:
        """Mark what depends on what varies; whether anything was new."""
        before = len(self.varying)
        for node in block.operations:
            if isinstance(node, Operation):
                if self.varies(node.arguments) and node.primitive.name not in OF_SHAPES:
                    self.varying.add(node.result)
                continue
            for inner in blocks_of(node):
                self.spread(inner)
            if isinstance(node, Branch):
                sides = zip(node.results, node.then.results, node.otherwise.results, strict=True)
                self.varying.update(result for result, *yielded in sides if self.varies(yielded))
            elif isinstance(node, Loop):
                turns = zip(node.results, node.carried, node.initial, node.body.results, strict=True)
                for result, param, *yielded in turns:
                    if self.varies(yielded):
                        self.varying |= {result, param}
        return len(self.varying) > before

    # --- what rules ask for ---

    def call(self, primitive: Primitive, *arguments: Operand, method: bool = False) -> Operand:
        """An operation on operands that are batched already."""
        return self.builder.call(primitive, arguments, method)

    def at(self, array: Operand, index: tuple[Operand, ...]) -> Operand:
        """`array[index]`."""
        return self.call(registry["getitem"], array, index)

    def of(self, operand: Operand) -> Operand:
        """What a value that varies is, for all directions."""
        return self.batched[operand]

    def cast(self, array: Operand, dtype: np.dtype[np.generic]) -> Operand:
        if type_of(array).dtype == dtype:
            return array
        return self.call(registry[np.ndarray.astype], array, dtype, method=True)

    def aligned(self, operand: Operand, rank: int) -> Operand:
        """With new axes behind the directions, to broadcast with arrays of this rank, if it varies."""
        if not isinstance(operand, Value):
            if self.varies(operand):
                raise CannotBatch("a list")
            return operand
        if operand not in self.varying:
            return operand
        found = self.of(operand)
        missing = rank - rank_of(operand)
        if missing < 0:
            raise CannotBatch("an array of higher rank")
        if not missing or not isinstance(found, Value):
            return found
        return self.at(found, (slice(None), *[None] * missing))

    def lifted(self, operand: Operand) -> Operand:
        """For every direction, whether it varies or not."""
        if operand is UNBOUND:
            return operand
        if isinstance(operand, Value) and operand in self.varying:
            operand = self.of(operand)
            if isinstance(operand, Value):
                return operand
        kind = type_of(operand)
        shape = (self.count, *shape_values(self.builder, operand))
        if is_zeros(operand):
            dtype = None if kind.dtype == np.float64 else kind.dtype
            return self.call(registry[np.zeros], shape, dtype)
        if not kind.rank:
            return self.call(registry[np.full], shape, operand, None)
        return self.call(registry[np.broadcast_to], operand, shape)

    # --- the program ---

    def run(self, nodes: list[Node]) -> None:
        """Write these nodes, for all directions."""
        for node in nodes:
            self.builder.statement, self.builder.place = node.statement, node.place
            if not any(self.varies(value) for value in [*inputs_of(node), *results_of(node)]):
                self.builder.append(node)
            elif isinstance(node, Operation):
                self.operation(node)
            elif isinstance(node, Branch):
                self.branch(node)
            elif isinstance(node, Loop):
                self.loop(node)
            else:
                raise CannotBatch("a call")

    def operation(self, node: Operation) -> None:
        primitive = node.primitive
        if primitive.name in OF_SHAPES:
            self.length(node)
            return
        if primitive.effect or node.kept or not isinstance(node.result.type, ArrayType):
            raise CannotBatch(primitive.name)
        result = rule_of(primitive)(self, node)
        if isinstance(result, Value):
            made, kind = type_of(result), type_of(node.result)
            if made.rank != kind.rank + 1 or made.dtype != kind.dtype:
                raise CannotBatch(primitive.name)
            written = self.builder.block.operations
            if written and result.operation is written[-1]:
                self.called_like(result, node.result)
        self.batched[node.result] = result

    def called_like(self, result: Value, value: Value) -> None:
        """Give a new value the shape and the name of the one that it is for many directions."""
        kind = type_of(value)
        result.type = ArrayType(kind.dtype, (*shape_of(self.first)[:1], *kind.shape))
        result.name = result.name or value.name
        result.tangent_of = result.tangent_of or value.tangent_of
        result.cotangent_of = result.cotangent_of or value.cotangent_of

    def length(self, node: Operation) -> None:
        """The length of an axis of one direction's array."""
        array = self.of(node.arguments[0])
        if node.primitive.name != "length" or not isinstance(array, Value):
            raise CannotBatch("a size")
        arguments = (array, node.arguments[1] + 1)
        made = replace(node, arguments=arguments)
        self.builder.append(made)
        self.commits.append(lambda: setattr(node.result, "operation", made))

    def inside(self, block: Block) -> Block:
        """A block, for all directions; its results are not yielded yet."""
        written = Block()
        with self.builder.inside(written):
            self.run(block.operations)
        return written

    def yielded(self, written: Block, operands: list[Operand], results: list[Value]) -> None:
        """Let a block yield these, for every direction where the result is one of each."""
        with self.builder.inside(written):
            written.results += self.like(operands, results)

    def like(self, operands: list[Operand], values: list[Value]) -> list[Operand]:
        """Operands that become these values: where those vary, they are given for every direction."""
        return [
            self.fitted(operand, value) if value in self.varying else operand
            for operand, value in zip(operands, values, strict=True)
        ]

    def fitted(self, operand: Operand, value: Value) -> Operand:
        """An operand for every direction; it must have the kind of the value that it becomes."""
        if operand is not UNBOUND:
            own, kind = type_of(operand), type_of(value)
            if own.rank != kind.rank or own.dtype != kind.dtype:
                raise CannotBatch("a number that becomes an array")
        return self.lifted(operand)

    def successor(self, value: Value) -> Value:
        """What is yielded or carried in place of a value: itself, unless it varies."""
        if value not in self.varying:
            return value
        if not isinstance(value.type, ArrayType):
            raise CannotBatch("a list")
        batched = self.batched[value] = Value(value.type)
        self.called_like(batched, value)
        return batched

    def branch(self, node: Branch) -> None:
        if self.varies(node.condition):
            raise CannotBatch("a condition")
        sides = []
        for block in (node.then, node.otherwise):
            sides.append(self.inside(block))
            self.yielded(sides[-1], block.results, node.results)
        results = [self.successor(result) for result in node.results]
        made = replace(node, then=sides[0], otherwise=sides[1], results=results)
        self.builder.append(made)
        self.belong(made)

    def loop(self, node: Loop) -> None:
        decided = [node.bounds, node.leave]
        if node.condition is not None:
            decided += [node.condition.results, *map(arguments_of, node.condition.operations)]
        if self.varies(decided):
            raise CannotBatch("a condition")
        initial = self.like(node.initial, node.carried)
        carried = [self.successor(param) for param in node.carried]
        body = self.inside(node.body)
        self.yielded(body, node.body.results, node.results)
        results = [self.successor(result) for result in node.results]
        made = replace(node, body=body, carried=carried, initial=initial, results=results)
        self.builder.append(made)

        self.belong(made)

    def belong(self, node: Branch | Loop) -> None:
        """The values of a node are its own: the new ones at once, those that stayed on `commit`."""
        made = set(self.batched.values())

        def hand_over(new: bool) -> None:
            for value in node.results:
                if (value in made) is new:
                    value.operation = node
            for value in turn_values(node):
                if isinstance(node, Loop) and (value in made) is new:
                    value.loop = node

        hand_over(True)
        self.commits.append(lambda: hand_over(False))


def is_zeros(operand: Operand) -> bool:
    """Whether an operand is the number 0, or an array that is made of zeros."""
    if not isinstance(operand, Value):
        return bool(operand == 0.0)
    return isinstance(operand.operation, Operation) and operand.operation.primitive.name in ZEROS
