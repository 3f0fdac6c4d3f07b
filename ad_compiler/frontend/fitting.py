"""Derivatives that the user gives must have the shape of their values: NumPy would broadcast others silently.

What is known while compiling is refused there; lengths that are not known are compared when the program runs.
"""

from __future__ import annotations

import ast
import operator
from typing import Any

import numpy as np

from ad_compiler.analysis.types import (
    ArrayType,
    Axis,
    is_one,
    may_be_one,
    representative,
    same_length,
    unify,
)
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.operations import describe_any
from ad_compiler.ir import Operand, Value
from ad_compiler.rules.notation import registry
from ad_compiler.rules.shapes import describe, type_of

NUMBERS = (Value, int, float, complex, np.generic)


def require_fit(
    context: Context, node: ast.AST, like: Operand, given: Operand, what: str, advice: str
) -> None:
    """Refuse a derivative of a number or array that has not its shape, or is complex beside a real one."""
    needed = f"{describe(like)} is needed"
    if isinstance(given, (tuple, list, dict)):
        raise context.refuse(node, f"{what} is a {type(given).__name__}, and {needed}", advice)
    if not isinstance(given, NUMBERS) or not isinstance(type_if_any(given), ArrayType):
        raise context.refuse(node, f"{what} is {describe_any(given)}, and {needed}", advice)
    wanted, found = type_of(like), type_of(given)
    if wanted.rank != found.rank or (found.dtype.kind == "c" and wanted.dtype.kind != "c"):
        raise context.refuse(node, f"{what} is {describe(given)}, and {needed}", advice)
    for axis, (a, b) in enumerate(zip(wanted.shape, found.shape, strict=True)):
        if same_length(a, b):
            continue
        if not may_be_equal(a, b):
            reason = f"{what} has length {b} along axis {axis}, and length {a} is needed"
            raise context.refuse(node, reason, advice)
        builder = context.builder
        lengths = [builder.call(registry["length"], (each, axis)) for each in (given, like)]
        differ = builder.call(registry[operator.ne], tuple(lengths))
        builder.call(
            registry["require"], (differ, f"{what} has another length along axis {axis} than its value")
        )
        unify(a, b)


def type_if_any(operand: Operand) -> Any:
    return operand.type if isinstance(operand, Value) else type_of(operand)


def may_be_equal(a: Axis, b: Axis) -> bool:
    a, b = representative(a), representative(b)
    if isinstance(a, int) and isinstance(b, int):
        return a == b
    return may_be_one(b) if is_one(a) else may_be_one(a) if is_one(b) else True
