"""A second copy of a lowered program, to be differentiated in another way.

Its values are made anew, with their lengths, which are read from the parameters of the copy; so are the
functions that it calls, for they are differentiated in place, too. What it reads from around it becomes a
parameter.
"""

from __future__ import annotations

from ad_compiler.analysis.types import (
    ArrayType,
    Axis,
    Element,
    Equation,
    Identity,
    Length,
    ListType,
    Origin,
    TupleType,
    Type,
    representative,
)
from ad_compiler.closures import add_parameters
from ad_compiler.ir import Block, Function, Node, Operand, Operation, Shortcut, Statement, Value
from ad_compiler.transforms.copying import Copy


class Lengths:
    """Lengths of one function as those of another: `axes` and `values` say what stands for what.

    Where the values are `inputs` of the other function, the lengths are read from them.
    """

    def __init__(self, axes: dict[Axis, Axis], values: dict[Value, Operand], inputs: bool) -> None:
        self.axes = {representative(axis): other for axis, other in axes.items()}
        self.values = values
        self.inputs = inputs

    def kind(self, kind: Type) -> Type:
        """The same type, with the lengths of the other function."""
        if isinstance(kind, ArrayType):
            return ArrayType(kind.dtype, tuple(map(self.axis, kind.shape)), kind.python)
        if isinstance(kind, ListType):
            return ListType(self.element(kind.element))
        if isinstance(kind, TupleType):
            return TupleType(tuple([self.array(part) for part in kind.parts]))
        return kind

    def array(self, kind: ArrayType) -> ArrayType:
        made = self.kind(kind)
        assert isinstance(made, ArrayType)
        return made

    def element(self, element: Element) -> Element:
        return tuple(map(self.element, element)) if isinstance(element, tuple) else self.array(element)

    def axis(self, axis: Axis) -> Axis:
        axis = representative(axis)
        if not isinstance(axis, Length):
            return axis
        known = self.axes.get(axis)
        if known is None:
            known = self.axes[axis] = Length(None, axis.may_be_one)
            known.key = self.key(axis.key)  # which may lead to lengths that were found equal to this one
            known.origin = self.origin(axis.origin)
        return known

    def key(self, key: object) -> object:
        """What tells a length: the lengths and values that it was computed from."""
        if isinstance(key, tuple):
            return tuple(map(self.key, key))
        if isinstance(key, Length):
            return self.axis(key)
        if isinstance(key, Identity):
            return Identity(self.key(key.of))
        return self.values.get(key, key) if isinstance(key, Value) else key

    def origin(self, origin: tuple[Value, int] | None) -> tuple[Value, int] | None:
        """Where a length is read: None where the other function has no such input."""
        value = None if origin is None or not self.inputs else self.values.get(origin[0])
        return (value, origin[1]) if origin is not None and isinstance(value, Value) else None


class FunctionCopy(Copy):
    """Copies functions: `checks` says whether what they check and print is done by the copies, too."""

    def __init__(self, checks: bool) -> None:
        super().__init__({})
        self.checks = checks
        self.functions: dict[Function, Function] = {}
        self.lengths = Lengths({}, self.known, inputs=True)

    def function(self, function: Function, outside: list[Value]) -> Function:
        """The copy of a function whose parameters are single values; what is `outside` is a parameter."""
        copied = self.functions[function] = Function(function.name, [], Block())
        copied.parameters = []
        inputs = [each.structure for each in function.parameters]
        names = [each.name for each in function.parameters]
        given = [self.value(value) for value in [*inputs, *outside]]
        add_parameters(copied, given[: len(inputs)], names=names)
        add_parameters(copied, given[len(inputs) :])
        for value in given:
            for axis, length in enumerate(value.type.shape if isinstance(value.type, ArrayType) else ()):
                if isinstance(length, Length) and length.origin is None:
                    length.origin = (value, axis)
        copied.forward = self.block(function.forward)
        copied.result = self.operand(function.result)
        return copied

    def made(self, value: Value) -> Value:
        """What stands for a value in the copy."""
        copied = self.known[value]
        assert isinstance(copied, Value)
        return copied

    def shortcuts(self, shortcuts: dict[Value, Shortcut]) -> dict[Value, Shortcut]:
        """The gates of the user's own, over the values of the copy."""
        found = {}
        for each in shortcuts.values():
            result = self.operand(each.result)
            inputs, given = self.operand(each.inputs), self.operand(each.given)
            found[result] = Shortcut(result, inputs, each.partials, given, each.singular)
        return found

    def value(self, value: Value) -> Value:
        copied = super().value(value)
        copied.cotangent_of = self.operand(value.cotangent_of)
        copied.tangent_of = self.operand(value.tangent_of)
        return copied

    def node(self, node: Node) -> Node:
        copied = super().node(node)
        if isinstance(node, Operation):
            assert isinstance(copied, Operation)
            copied.kept = node.kept
            copied.equations = tuple([self.equation(each) for each in node.equations])
        return copied

    def equation(self, equation: Equation) -> Equation:
        left, right = map(self.origin, equation)
        return left, right

    def origin(self, origin: Origin) -> Origin:
        return self.lengths.origin(origin) if isinstance(origin, tuple) else origin

    def kind(self, kind: Type) -> Type:
        return self.lengths.kind(kind)

    def is_repeated(self, node: Node) -> bool:
        return self.checks or super().is_repeated(node)

    def statement(self, statement: Statement) -> Statement:
        return statement

    def called(self, function: Function) -> Function:
        if function.derivatives is not None:
            return function  # which is differentiated by making another one
        known = self.functions.get(function)
        return self.function(function, []) if known is None else known
