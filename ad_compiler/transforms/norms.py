"""Finds norms that are written out: the root of a sum of squares.

    r = np.sqrt(np.sum(x * x))    ->    x_bar = r_bar / r * x, and 0 where r is 0

By the chain rule the derivative is `0.5 / r * 2 * x`, which is NaN at 0 and infinite where the squares
underflow (x about 1e-200). As a norm it has a gradient of length 1, and 0 at the kink, as
`np.linalg.norm` has. The step over the sum is one for the reverse sweep: forwards, tangents of 0 keep
the products finite.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ad_compiler.ir import Block, Operand, Operation, Shortcut, Value
from ad_compiler.rules.shapes import rank_of, type_of
from ad_compiler.traversal import nodes_in


def direction(x: Any, *, y: Any) -> Any:
    """The gradient of the Euclidean norm `y` of `x`."""
    return x * (1 / np.where(y == 0, np.inf, y))


def find_norms(block: Block) -> dict[Value, Shortcut]:
    """A shortcut from every norm to the array it is the norm of."""
    found = {}
    for node in nodes_in(block):
        if isinstance(node, Operation) and node.primitive.name == "sqrt" and rank_of(node.result) == 0:
            x = array_squared(node.arguments[0])
            if x is not None:
                found[node.result] = Shortcut(node.result, (x,), direction, {"y": node.result})
    return found


def array_squared(total: Operand) -> Value | None:
    """The array of which an operand is the sum of the squares."""
    node = total.operation if isinstance(total, Value) else None
    if not isinstance(node, Operation):
        return None
    name = node.primitive.name
    if name in ("dot", "matmul"):
        return real_array(*node.arguments) if rank_of(total) == 0 else None
    if name != "sum" or node.arguments[1] is not None or not isinstance(node.arguments[0], Value):
        return None
    squares = node.arguments[0].operation
    if not isinstance(squares, Operation):
        return None
    first, *rest = squares.arguments
    if squares.primitive.name in ("mul", "multiply"):
        return real_array(first, rest[0])
    is_power = squares.primitive.name in ("pow", "power") and rest[0] == 2
    return real_array(first, first) if is_power or squares.primitive.name == "square" else None


def real_array(a: Operand, b: Operand) -> Value | None:
    """The array, if both are the same one, of real numbers."""
    is_real = isinstance(a, Value) and a is b and rank_of(a) > 0 and type_of(a).dtype.kind == "f"
    return a if is_real else None
