"""The Python class of a scalar at run time, where it is known.

The arms of a conditional expression may be a Python number and a NumPy scalar, and `np.where` of
scalars is an array of rank 0: where a gradient must be a number of a certain class, the emitter has to
know whether to convert it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ad_compiler.analysis.types import ArrayType
from ad_compiler.ir import Branch, Call, Loop, Operand, Operation, PullbackCall, Value, origins_of

_PYTHON: dict[str, type] = {"b": bool, "i": int, "f": float, "c": complex}


def scalar_classes(operand: Operand) -> set[type]:
    """The classes an operand of rank 0 may have; `np.ndarray` stands for not known."""
    if not isinstance(operand, Value):
        return {type(operand)}
    kind: Any = operand.type
    if not isinstance(kind, ArrayType) or kind.rank:
        return {np.ndarray}
    node = operand.operation
    if kind.python:
        return python_classes(operand, _PYTHON[kind.dtype.kind])
    if operand.loop is not None or isinstance(node, Loop):
        return {np.ndarray}
    if isinstance(node, Branch):
        return set().union(*map(scalar_classes, origins_of(operand) or ()))
    if isinstance(node, (Call, PullbackCall)) or (node is None and operand.cotangent_of is not None):
        return {kind.dtype.type}
    if not isinstance(node, Operation):
        return {np.ndarray}
    if node.primitive.name == "select":
        return scalar_classes(node.arguments[1]) | scalar_classes(node.arguments[2])
    if node.primitive.name in ("where", "clip", "array", "asarray", "astype", "copy", "getitem", "reshape"):
        return {np.ndarray}
    return {kind.dtype.type}


def python_classes(value: Value, inferred: type) -> set[type]:
    """The classes of a Python number: one that is inferred to be a float may be an int that was chosen."""
    node = value.operation
    if inferred is float and (value.loop is not None or isinstance(node, (Loop, Call))):
        return {np.ndarray}
    if inferred is not float or node is None:
        return {inferred}
    if not isinstance(node, Operation):
        return set().union(*map(scalar_classes, origins_of(value) or ()))
    if node.primitive.name == "select":
        return scalar_classes(node.arguments[1]) | scalar_classes(node.arguments[2])
    if node.primitive.text or node.primitive.name == "truediv":
        return {float}
    operands = [scalar_classes(argument) for argument in node.arguments]
    return {float} if {float} in operands else set().union(*operands)
