"""What a derivative begins with and hands out: the cotangent 1, and gradients with memory of their own."""

from __future__ import annotations

from typing import Any

import numpy as np

from ad_compiler.analysis.storage import is_fresh, storage_of
from ad_compiler.analysis.types import ArrayType
from ad_compiler.ir import Function, Operand, Operation, Value
from ad_compiler.rules.notation import registry
from ad_compiler.rules.shapes import type_of
from ad_compiler.traversal import map_values, values_in


def owned(context: Any, gradients: Operand, function: Function) -> Operand:
    """Gradients that share memory with nothing the caller holds, nor with each other."""
    seen: set[Value] = {storage_of(value) for value in values_in(function.result)}

    def own(value: Value) -> Operand:
        if not isinstance(value.type, ArrayType) or value.type.rank == 0:
            return value
        if is_owned(value) and storage_of(value) not in seen:
            seen.add(storage_of(value))
            return value
        with context.builder.generating():
            copied = context.builder.call(registry[np.copy], (value,), method=True)
        if copied in seen:
            fresh = Value(copied.type)
            fresh.operation = Operation(registry[np.copy], (value,), fresh, None, None, True)
            context.builder.block.operations.append(fresh.operation)
            copied = fresh
        seen.add(copied)
        return copied

    def is_owned(value: Value) -> bool:
        return is_fresh(storage_of(value))

    return map_values(own, gradients)


def one_like(output: Value) -> Operand:
    """The cotangent 1: a Python number, unless the result is more precise than that."""
    dtype = type_of(output).dtype
    return dtype.type(1) if dtype.kind == "f" and dtype.itemsize > 8 else 1.0
