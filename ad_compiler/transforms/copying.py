"""A second copy of a block, for a run of it in another place.

Every value made in it is made anew; what comes from outside is what `known` says, or the same. Checks and
messages are not repeated: the first run has made them.
"""

from __future__ import annotations

from ad_compiler.analysis.types import Type
from ad_compiler.ir import (
    Block,
    Branch,
    Call,
    Function,
    Loop,
    Node,
    Operand,
    Operation,
    Pop,
    Statement,
    Value,
)
from ad_compiler.traversal import map_values, results_of

UNSAID = ""  # no comment: it is the user's own line


class Copy:
    """Copies blocks of a forward sweep; `known` maps each value to its copy, `blocks` each block."""

    def __init__(self, known: dict[Value, Operand]) -> None:
        self.known = dict(known)
        self.blocks: dict[Block, Block] = {}
        self.indices: dict[Value, Value] = {}  # the loop variables of the loops inside

    def operand(self, operand: Operand) -> Operand:
        return map_values(lambda value: self.known.get(value, value), operand)

    def value(self, value: Value) -> Value:
        """The copy of a value that the block makes, or that a turn of it starts with."""
        copied = self.known[value] = Value(self.kind(value.type), value.name)
        for name in ("immutable", "contiguous", "cotangent_of", "tangent_of", "holds_zeros"):
            setattr(copied, name, getattr(value, name))
        if value.memory_of is not None:
            copied.memory_of = self.operand(value.memory_of)
        return copied

    def kind(self, kind: Type) -> Type:
        return kind

    def is_repeated(self, node: Node) -> bool:
        return not (isinstance(node, Operation) and node.primitive.effect)

    def statement(self, statement: Statement) -> Statement:
        return unsaid(statement)

    def called(self, function: Function) -> Function:
        return function

    def block(self, block: Block) -> Block:
        copied = self.blocks[block] = Block()
        for node in block.operations:
            if self.is_repeated(node):
                copied.operations.append(self.node(node))
        copied.results = self.operand(block.results)
        for node in block.operations:
            for value in results_of(node):
                if value.parts:
                    self.known[value].parts = self.operand(value.parts)
        return copied

    def node(self, node: Node) -> Node:
        statement = None if node.statement is None else self.statement(node.statement)
        if isinstance(node, Operation):
            arguments = self.operand(node.arguments)
            result = self.value(node.result)
            result.operation = Operation(
                node.primitive, arguments, result, statement, node.place, node.method
            )
            return result.operation
        copied: Node
        if isinstance(node, Branch):
            condition = self.operand(node.condition)
            then, otherwise = self.block(node.then), self.block(node.otherwise)
            copied = Branch(condition, then, otherwise, [], statement, node.place)
        elif isinstance(node, Loop):
            copied = self.loop(node, statement)
        else:
            assert isinstance(node, Call) and not isinstance(node, Pop), "a forward sweep has no tapes yet"
            copied = Call(self.called(node.function), self.operand(node.arguments), [], statement, node.place)
        for value in node.results:
            result = self.value(value)
            result.operation = copied
            copied.results.append(result)
        return copied

    def loop(self, node: Loop, statement: Statement | None) -> Loop:
        copied = Loop(Block(), self.operand(node.bounds), statement=statement, place=node.place)
        copied.initial = self.operand(node.initial)
        copied.backwards, copied.checkpoints = node.backwards, node.checkpoints
        if node.index is not None:
            copied.index = self.indices[node.index] = self.value(node.index)
            copied.index.loop = copied
        for param in node.carried:
            copied.carried.append(self.value(param))
            copied.carried[-1].loop = copied
        if node.condition is not None:
            copied.condition = self.block(node.condition)
        copied.body = self.block(node.body)
        copied.leave = self.operand(node.leave)
        return copied


def unsaid(statement: Statement) -> Statement:
    return Statement(statement.source, statement.node, UNSAID)
