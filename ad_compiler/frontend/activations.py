"""Calls that are being inlined, by function and by what tells them apart while compiling."""

from __future__ import annotations

import ast
from collections.abc import Hashable
from dataclasses import dataclass

from ad_compiler.analysis.types import ArrayType, representative
from ad_compiler.builder import key_of
from ad_compiler.frontend.scope import Scope
from ad_compiler.ir import Operand, Value
from ad_compiler.traversal import map_values


@dataclass(frozen=True, slots=True)
class Activation:
    """A call that is being inlined: of which function, and with arguments of which kinds."""

    function: Hashable
    enclosing: Scope | None
    arguments: Hashable


def key_of_function(scope: Scope, callee: ast.FunctionDef | ast.Lambda) -> Hashable:
    return scope.function, getattr(callee, "lineno", 0), getattr(callee, "col_offset", 0)


def activation_of(scope: Scope, callee: ast.FunctionDef | ast.Lambda) -> Activation:
    """What tells apart calls that may take different ways while compiling."""

    def kind(value: Value) -> Operand:
        if not isinstance(value.type, ArrayType):
            return str(value.type)
        lengths = [axis if isinstance(axis, int) else None for axis in map(representative, value.type.shape)]
        return ("value", str(value.type.dtype), value.type.python, tuple(lengths))

    return Activation(
        key_of_function(scope, callee), scope.enclosing, key_of(map_values(kind, dict(scope.names)))
    )
