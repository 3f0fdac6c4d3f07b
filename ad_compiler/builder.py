"""Appends operations to a block, sharing the ones already there.

Every pass that makes operations makes them here: arguments known while compiling are folded, an
operation already computed in this block or around it is used again (common subexpressions), and, in
code we generate ourselves, the identities of `transforms.simplify` are applied. The user's own
expressions are kept as written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ad_compiler.analysis.types import unifying, unifying_for_now
from ad_compiler.ir import Block, Node, Operand, Operation, Record, Statement, Value

if TYPE_CHECKING:
    import ast

    from ad_compiler.frontend.source import Source
    from ad_compiler.rules.notation import Primitive

Simplification = Callable[["Builder", tuple[Operand, ...]], Operand]


class Builder:
    """Writes operations into one block at a time."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.statement: Statement | None = None
        self.place: tuple[Source, ast.AST] | None = None
        self.generated = False
        self.own: set[Value] = set()  # made by generated code
        self._known: list[dict[Any, Operand]] = [{}]

    def call(self, primitive: Primitive, arguments: tuple[Operand, ...], method: bool = False) -> Operand:
        """The result of an operation: a new value, one computed before, or a number."""
        if self.generated:
            simplified = simplify(self, primitive, arguments)
            if simplified is not NotImplemented:
                return simplified
        key = None
        if not primitive.effect and (self.generated or not primitive.fresh):
            key = (primitive, key_of(arguments))
            for table in self._known:
                if key in table:
                    return table[key]
        with unifying() as equations:
            result = Value(primitive.infer(*arguments))
        result.operation = Operation(primitive, arguments, result, self.statement, self.place, method)
        if equations and not self.generated:
            result.operation.equations = tuple(equations)
        self.block.operations.append(result.operation)
        if self.generated:
            self.own.add(result)
        if key is not None:
            self._known[-1][key] = result
        return result

    def append(self, node: Node) -> None:
        self.block.operations.append(node)

    @contextmanager
    def inside(self, block: Block) -> Iterator[Block]:
        """Write into `block`; what is computed there is not known outside."""
        outer, self.block = self.block, block
        self._known.append({})
        try:
            with unifying_for_now():
                yield block
        finally:
            self._known.pop()
            self.block = outer

    @contextmanager
    def separately(self, block: Block) -> Iterator[None]:
        """Write into the body of another function, which shares no operations with this one."""
        known, self._known = self._known, [{}]
        try:
            with self.inside(block):
                yield
        finally:
            self._known = known

    @contextmanager
    def generating(self) -> Iterator[None]:
        """Code of our own, which may be simplified."""
        before, self.generated = self.generated, True
        try:
            yield
        finally:
            self.generated = before


def key_of(operand: Operand) -> Any:
    """A hashable key: equal for operands that are the same value or the same constant.

    >>> key_of((1, None)) == key_of((1.0, None))
    False
    """
    if isinstance(operand, Value):
        return operand
    if isinstance(operand, (tuple, list)):
        return (type(operand), *map(key_of, operand))
    if isinstance(operand, slice):
        return (slice, key_of(operand.start), key_of(operand.stop), key_of(operand.step))
    if isinstance(operand, dict):
        return (dict, *((name, key_of(item)) for name, item in operand.items()))
    if isinstance(operand, Record):
        return (operand.cls, key_of(operand.fields))
    if isinstance(operand, float):
        return (type(operand), operand.hex())  # tells 0.0 from -0.0
    try:
        hash(operand)
    except TypeError:
        return (type(operand), id(operand))
    return (type(operand), operand)


def simplify(builder: Builder, primitive: Primitive, arguments: tuple[Operand, ...]) -> Operand:
    from ad_compiler.transforms.simplify import simplifications

    rewrite = simplifications.get(primitive.name)
    return NotImplemented if rewrite is None else rewrite(builder, arguments)
