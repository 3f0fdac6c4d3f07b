"""The Python class of a scalar at run time, where it is known.

The arms of a conditional expression may be a Python number and a NumPy scalar, and `np.where` of
scalars is an array of rank 0: where a gradient must be a number of a certain class, the emitter has to
know whether to convert it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ad_compiler.analysis.types import ArrayType
from ad_compiler.ir import Branch, Call, Loop, Operand, Operation, PullbackCall, Value
from ad_compiler.traversal import origins_of

MAY_BE_ARRAYS = ("where", "clip", "array", "asarray", "astype", "copy", "getitem", "reshape")
_PYTHON: dict[str, type] = {"b": bool, "i": int, "c": complex}


def scalar_classes(operand: Operand) -> set[type]:
    """The classes an operand of rank 0 may have; `np.ndarray` stands for not known."""
    search = Search()
    while True:
        found = search.classes(operand)
        if search.settled():
            return found


class Search:
    """Follows operands to what they are made from; what loops carry, again and again until nothing is new."""

    def __init__(self) -> None:
        self.carried: dict[Value, set[type]] = {}  # what was found of the values of loops so far
        self.found: dict[Value, set[type]] = {}  # in this round
        self.grown = False

    def settled(self) -> bool:
        """Whether the last round found nothing new; else there must be another one."""
        grown, self.grown = self.grown, False
        self.found.clear()
        return not grown

    def classes(self, operand: Operand) -> set[type]:
        if not isinstance(operand, Value):
            return {type(operand)}
        if operand in self.found:
            return self.found[operand]
        kind: Any = operand.type
        if not isinstance(kind, ArrayType) or kind.rank:
            return {np.ndarray}
        if kind.python and kind.dtype.kind != "f":
            return {_PYTHON[kind.dtype.kind]}
        if operand.loop is None and not isinstance(operand.operation, Loop):
            self.found[operand] = found = self.of_operation(operand)
            return found
        self.found[operand] = self.carried.setdefault(operand, set())
        found = self.chosen(operand) | self.carried[operand]
        self.grown = self.grown or found != self.carried[operand]
        self.carried[operand] = self.found[operand] = found
        return found

    def chosen(self, value: Value) -> set[type]:
        """What control flow chooses a value from."""
        origins = origins_of(value)
        return {np.ndarray} if origins is None else set().union(*map(self.classes, origins))

    def of_operation(self, value: Value) -> set[type]:
        """Of what no loop carries: a float, of Python's or of NumPy's."""
        kind, node = value.type, value.operation
        assert isinstance(kind, ArrayType)
        if isinstance(node, Branch):
            return self.chosen(value)
        if isinstance(node, (Call, PullbackCall)):
            return {np.ndarray} if kind.python and isinstance(node, Call) else {kind.dtype.type}
        if not isinstance(node, Operation):
            return {float} if kind.python else {np.ndarray}
        if node.primitive.name == "select":
            return self.classes(node.arguments[1]) | self.classes(node.arguments[2])
        if not kind.python:
            return {np.ndarray if node.primitive.name in MAY_BE_ARRAYS else kind.dtype.type}
        if node.primitive.text or node.primitive.name == "truediv":
            return {float}
        # One that is inferred to be a float may be an int that was chosen.
        operands = [self.classes(argument) for argument in node.arguments]
        return {float} if {float} in operands else set().union(*operands)
