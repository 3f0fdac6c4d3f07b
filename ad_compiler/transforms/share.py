"""Common subexpressions: what is computed twice from the same operands is computed once.

    a = np.exp(x)               a = np.exp(x)
    b = np.exp(x)       ->      return a * a
    return a * b

While the program is lowered, equal arrays are kept apart: a write into one of them must not change the
other. Once all writes are values of their own, sharing is safe. What is computed in a branch or in a loop
is known in there only. The builder goes on with the table of the outermost block, so that the reverse
sweep uses again what the forward sweep has computed.
"""

from __future__ import annotations

from typing import Any

from ad_compiler.builder import key_of
from ad_compiler.frontend.context import Context
from ad_compiler.ir import (
    Block,
    Branch,
    Call,
    Function,
    Loop,
    Node,
    Operand,
    Operation,
    PullbackCall,
    Shortcut,
    Value,
)
from ad_compiler.traversal import blocks_of, functions_called, map_values

Table = dict[Any, Operand]


def share(function: Function, context: Context) -> None:
    """Share the equal operations of a lowered program."""
    for called in functions_called(function):
        if called.reverse is not None:
            continue  # a derivative that is called: it is shared already
        inside = Sharing()
        inside.block(called.forward)
        called.result = inside.replaced(called.result)
    sharing = Sharing()
    sharing.block(function.forward)
    function.result = sharing.replaced(function.result)
    context.builder.know(sharing.outermost)
    shortcuts, context.shortcuts = context.shortcuts, {}
    for result, shortcut in shortcuts.items():
        kept = sharing.replaced(result)
        inputs, given = sharing.replaced(shortcut.inputs), sharing.replaced(shortcut.given)
        context.shortcuts[kept] = Shortcut(kept, inputs, shortcut.partials, given, shortcut.singular)


def share_sweeps(function: Function) -> None:
    """Share the equal operations of both sweeps: the reverse sweep knows what the forward sweep ends with."""
    assert function.reverse is not None
    sharing = Sharing()
    sharing.tables.append(sharing.outermost)
    for block in (function.forward, function.reverse):
        block.operations[:] = [node for node in block.operations if sharing.is_kept(node)]
    outputs = (function.result, function.reverse_result)
    function.result, function.reverse_result = sharing.replaced(outputs)


class Sharing:
    """What is known in the block at hand and in those around it."""

    def __init__(self) -> None:
        self.outermost: Table = {}
        self.tables: list[Table] = []
        self.known: dict[Value, Operand] = {}

    def replaced(self, operand: Operand) -> Operand:
        return map_values(lambda value: self.known.get(value, value), operand)

    def block(self, block: Block) -> None:
        self.tables.append({} if self.tables else self.outermost)
        block.operations[:] = [node for node in block.operations if self.is_kept(node)]
        block.results[:] = [self.replaced(operand) for operand in block.results]
        self.tables.pop()

    def is_kept(self, node: Node) -> bool:
        """Read the operands of a node anew; whether it computes something that is not known yet."""
        if isinstance(node, Operation):
            node.arguments = self.replaced(node.arguments)
            return not self.is_known(node)
        if isinstance(node, Branch):
            node.condition = self.replaced(node.condition)
        elif isinstance(node, Call):
            node.arguments = self.replaced(node.arguments)
        elif isinstance(node, PullbackCall):
            node.cotangents = self.replaced(node.cotangents)
        elif isinstance(node, Loop):
            node.bounds, node.initial = self.replaced(node.bounds), self.replaced(node.initial)
        for inner in blocks_of(node):
            self.block(inner)
        if isinstance(node, Loop):
            node.leave = self.replaced(node.leave)
        return True

    def is_known(self, operation: Operation) -> bool:
        primitive = operation.primitive
        if primitive.effect or primitive.fresh or operation.kept:
            return False
        key = (primitive, key_of(operation.arguments))
        for table in self.tables:
            first = table.get(key)
            if isinstance(first, Value):
                first.name = first.name or operation.result.name
                if isinstance(first.operation, Operation):
                    first.operation.equations += operation.equations
                self.known[operation.result] = first
                return True
        self.tables[-1][key] = operation.result
        return False
