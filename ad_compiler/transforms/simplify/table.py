"""The table of rewrites, and what they ask of operands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ad_compiler.builder import Builder
from ad_compiler.ir import Operand, Operation, Value
from ad_compiler.rules.notation import registry

Rewrite = Callable[[Builder, tuple[Operand, ...]], Operand]
simplifications: dict[str, Rewrite] = {}

_NUMBERS = (bool, int, float, np.generic)


def rewrites(*names: str) -> Callable[[Rewrite], Rewrite]:
    def decorate(rewrite: Rewrite) -> Rewrite:
        for name in names:
            simplifications[name] = rewrite
        return rewrite

    return decorate


def is_number(operand: Operand, number: float | None = None) -> bool:
    return isinstance(operand, _NUMBERS) and (number is None or operand == number)


def made_by(operand: Operand, *names: str) -> Operation | None:
    """The operation an operand comes from, if it is one of these."""
    if isinstance(operand, Value) and isinstance(operand.operation, Operation):
        operation = operand.operation
        if operation.primitive.name in names:
            return operation
    return None


def call(builder: Builder, function: Any, *arguments: Operand) -> Operand:
    return builder.call(registry[function], arguments)
