"""Appends operations to a block, sharing the ones already there.

Every pass that makes operations makes them here: arguments known while compiling are folded, an
operation already computed in this block or around it is used again (common subexpressions), and, in
code we generate ourselves, the identities of `transforms.simplify` are applied. The user's own
expressions are kept as written.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ad_compiler.analysis.types import (
    ArrayType,
    Type,
    same_shape,
    unifying,
    unifying_for_now,
    unifying_if_done,
)
from ad_compiler.ir import Block, Node, Operand, Operation, Record, Statement, Value
from ad_compiler.traversal import values_in

if TYPE_CHECKING:
    import ast

    from ad_compiler.frontend.source import Source
    from ad_compiler.rules.notation import Primitive

_OF_SHAPES = frozenset({"length", "size"})  # which writes do not change
Simplification = Callable[["Builder", tuple[Operand, ...]], Operand]


class Builder:
    """Writes operations into one block at a time."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.statement: Statement | None = None
        self.place: tuple[Source, ast.AST] | None = None
        self.generated = False
        self.keeping = False  # what may raise an exception is kept, even if nobody reads it
        self.own: set[Value] = set()  # made by generated code
        self.current: Callable[[Any], Any] | None = None  # what operands of the user's code have become
        self._known: list[dict[Any, Operand]] = [{}]

    def call(
        self,
        primitive: Primitive,
        arguments: tuple[Operand, ...],
        method: bool = False,
        kind: Type | None = None,
    ) -> Operand:
        """The result of an operation: a new value, one computed before, or a number.

        `kind` is its type where the primitive cannot infer it.
        """
        if self.current is not None and not self.generated and primitive.name not in _OF_SHAPES:
            arguments = self.current(arguments)
        arguments = self.with_arrays(primitive, arguments)
        if primitive.name == "index_set":
            primitive, arguments = self.as_addition(primitive, arguments)
        if self.generated:
            simplified = simplify(self, primitive, arguments)
            if simplified is not NotImplemented:
                return simplified
        shared = not primitive.effect and (self.generated or not primitive.fresh)
        known = self.known(primitive, arguments) if shared else None
        if known is None and self.generated and primitive.name in REAL_ARITHMETIC:
            arguments = with_real_numbers(arguments)
            known = self.known(primitive, arguments)
        if known is not None:
            self.keep(known)
            return known
        with unifying() as equations:
            result = Value(primitive.infer(*arguments) if kind is None else kind)
        result.operation = Operation(primitive, arguments, result, self.statement, self.place, method)
        if equations and not self.generated:
            result.operation.equations = tuple(equations)
        self.block.operations.append(result.operation)
        self.keep(result)
        if self.generated:
            self.own.add(result)
        if shared and (self.generated or not makes_memory(result.operation)):
            self._known[-1][primitive, key_of(arguments)] = result
        return result

    def remember(self, operation: Operation) -> None:
        """Know an operation that stands in the block already."""
        primitive = operation.primitive
        if not (primitive.effect or primitive.fresh or operation.kept):
            self._known[-1][primitive, key_of(operation.arguments)] = operation.result

    def known(self, primitive: Primitive, arguments: tuple[Operand, ...]) -> Operand:
        """The result of this operation, if it was computed before."""
        key = (primitive, key_of(arguments))
        return next((table[key] for table in self._known if key in table), None)

    def keep(self, result: Operand) -> None:
        """Have an operation computed in any case, if it may raise what the program would catch."""
        if self.keeping and isinstance(result, Value) and isinstance(result.operation, Operation):
            result.operation.kept = result.operation.primitive.may_raise

    def with_arrays(self, primitive: Primitive, arguments: tuple[Operand, ...]) -> tuple[Operand, ...]:
        """The arguments with lists of numbers made arrays, as NumPy does it, where a derivative is taken."""
        names = primitive.parameters
        if (
            primitive.variadic
            or primitive.kind == "definition"
            or not any(isinstance(argument, (list, tuple)) for argument in arguments)
        ):
            return arguments
        return tuple(
            [
                self.as_array(argument, 1 if name == "arrays" else 0)
                if name in primitive.differentiable and name not in ("item", "items", "subscripts")
                else argument
                for name, argument in zip(names, arguments, strict=True)
            ]
        )

    def as_array(self, operand: Operand, depth: int) -> Operand:
        """A list or tuple with values in it as an array; `depth` levels further in, its items."""
        if not isinstance(operand, (list, tuple)) or not any(True for _ in values_in(operand)):
            return operand
        from ad_compiler.rules.notation import registry

        if depth:
            return type(operand)(self.as_array(item, depth - 1) for item in operand)
        return self.call(registry[np.array], (operand, None))

    def know(self, table: dict[Any, Operand]) -> None:
        """Go on with this table of what is computed in the outermost block."""
        self._known = [table]

    def as_addition(
        self, primitive: Primitive, arguments: tuple[Operand, ...]
    ) -> tuple[Primitive, tuple[Operand, ...]]:
        """`a[i] = a[i] + e` is `a[i] += e`, whose derivative leaves the cotangent of `a` alone."""
        from ad_compiler.rules.notation import registry

        array, index, value, path = arguments
        node = value.operation if isinstance(value, Value) else None
        if path or not isinstance(node, Operation) or node.primitive.name not in ("add", "sub"):
            return primitive, arguments
        first, second = node.arguments
        read = first.operation if isinstance(first, Value) else None
        if not isinstance(read, Operation) or read.primitive.name != "getitem":
            return primitive, arguments
        from ad_compiler.rules.shapes import type_of
        from ad_compiler.rules.subscripts import has_repetitions

        if (
            has_repetitions(index)
            or key_of(read.arguments) != key_of((array, index))
            or not same_shape(type_of(value).shape, type_of(first).shape)
        ):
            return primitive, arguments
        if node.primitive.name == "sub":
            second = self.call(registry[operator.neg], (second,))
        return registry["index_add"], (array, index, second, path)

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
    def apart(self, block: Block) -> Iterator[None]:
        """Write into a block that shares no operations with this one; its lengths are those found here."""
        outer, known, self.block, self._known = self.block, self._known, block, [{}]
        try:
            yield
        finally:
            self.block, self._known = outer, known

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Take back what is written if an exception leaves this."""
        before, known = len(self.block.operations), [dict(table) for table in self._known]
        try:
            with unifying_if_done():
                yield
        except Exception:
            del self.block.operations[before:]
            self._known = known
            raise

    @contextmanager
    def literally(self) -> Iterator[None]:
        """Operands of the user's code are taken as they are given, and not as what they have become."""
        before, self.current = self.current, None
        try:
            yield
        finally:
            self.current = before

    @contextmanager
    def generating(self) -> Iterator[None]:
        """Code of our own, which may be simplified."""
        before, self.generated = self.generated, True
        try:
            yield
        finally:
            self.generated = before


def makes_memory(operation: Operation) -> bool:
    """Whether the result is an array of its own: one that is equal to another is still not the same."""
    from ad_compiler.analysis.layout import Sharing, sharing

    kind = operation.result.type
    return isinstance(kind, ArrayType) and kind.rank > 0 and sharing(operation) is not Sharing.VIEW


REAL_ARITHMETIC = {"add", "sub", "mul", "truediv", "lt", "le", "gt", "ge", "eq", "ne"}


def with_real_numbers(arguments: tuple[Operand, ...]) -> tuple[Operand, ...]:
    """Whole numbers beside reals written as reals: `2.0 * x`.

    NumPy converts an integer in every operation (0.15 us), and CPython has instructions for two floats
    but not for an int and a float (13 ns against 6).
    """
    if not any(isinstance(argument, Value) and argument.type.differentiable for argument in arguments):
        return arguments
    return tuple([float(item) if type(item) is int and abs(item) <= 2**53 else item for item in arguments])


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
