"""Finds roots of sums of squares, and squares of norms, where the chain rule fails or says too little.

    r = np.sqrt(x**2 + y**2)         ->    the slope of the root is 0 where the root is 0, not infinite
    s = np.linalg.norm(x) ** 2       ->    the derivative of np.sum(x * x)

The chain rule gives `inf * 0` for the first, at 0, where a norm has the gradient 0 by convention. For the
second it gives the right gradient 0; but the second derivative there is that of the convention, 0, and not
2. Squares of `norm`, `std`, `hypot`, `abs` and of roots of sums of squares are found, as `r**2`, `r * r` or
`np.square(r)`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ad_compiler.ir import Block, Operand, Operation, Shortcut, Value
from ad_compiler.rules.notation import registry
from ad_compiler.rules.shapes import rank_of, type_of
from ad_compiler.traversal import nodes_in

_PRODUCTS = ("mul", "multiply")
_POWERS = ("pow", "power")
_QUOTIENTS = ("truediv", "divide", "true_divide")


def slope(total: Any, *, y: Any) -> Any:
    """The derivative of a root `y` that is a norm."""
    return 0.5 / np.where(y == 0, np.inf, y)


def find_roots(block: Block) -> dict[Value, Shortcut]:
    """Shortcuts over the kinks of norms that are written out, and from the squares of norms."""
    found = {}
    for node in nodes_in(block):
        if not isinstance(node, Operation):
            continue
        total = radicand(node)
        root = base_of_square(node)
        if total is not None:
            found[node.result] = Shortcut(node.result, (total,), slope, {"y": node.result})
        elif root is not None and isinstance(root.operation, Operation):
            same = smooth_square(root.operation)
            if same is not None:
                name, arguments = same
                definition = Operation(
                    registry[name], arguments, node.result, node.statement, node.place, node.method
                )
                found[node.result] = Shortcut(node.result, (), slope, definition=definition)
    return found


def smooth_square(root: Operation) -> tuple[str, tuple[Operand, ...]] | None:
    """What the square of a norm is: the name of a definition, and its arguments."""
    arguments = root.arguments
    total = radicand(root)
    if total is not None:
        return "squared_root", (total,)
    if root.primitive is registry[np.linalg.norm]:
        x, order, axis, keepdims = arguments
        vectors = rank_of(x) == 1 or isinstance(axis, int)
        if order is None or order == "fro" or (order == 2 and vectors):
            return "squared_norm", (x, axis, keepdims)
    if root.primitive is registry[np.std]:
        return "squared_deviation", arguments
    if root.primitive.name == "hypot":
        return "squared_hypotenuse", arguments
    return ("squared_magnitude", arguments) if root.primitive.name in ("abs", "absolute", "fabs") else None


def base_of_square(node: Operation) -> Value | None:
    """The value that an operation is the square of."""
    name, (base, *rest) = node.primitive.name, node.arguments or (None,)
    if not isinstance(base, Value):
        return None
    if name in _PRODUCTS:
        return base if rest[0] is base else None
    return base if name == "square" or (name in _POWERS and is_number(rest[0], 2)) else None


def is_number(operand: Operand, number: float) -> bool:
    return isinstance(operand, (int, float)) and not isinstance(operand, bool) and operand == number


def radicand(node: Operation) -> Value | None:
    """The sum of squares that an operation takes the root of."""
    name, (total, *rest) = node.primitive.name, node.arguments or (None,)
    is_root = name == "sqrt" or (name in _POWERS and is_number(rest[0], 0.5))
    return total if is_root and isinstance(total, Value) and is_sum_of_squares(total) else None


def is_sum_of_squares(operand: Operand) -> bool:
    """Whether it is 0 only where all that is squared in it is 0, of real numbers."""
    node = operand.operation if isinstance(operand, Value) else None
    if not isinstance(node, Operation) or type_of(operand).dtype.kind != "f":
        return False
    name, arguments = node.primitive.name, node.arguments
    square = base_of_square(node)
    if square is not None:
        return type_of(square).dtype.kind == "f"
    if name == "add":
        return all(map(is_sum_of_squares, arguments))
    if name in _PRODUCTS:
        return any(
            is_positive(number) and is_sum_of_squares(other) for number, other in (arguments, arguments[::-1])
        )
    if name in _QUOTIENTS:
        return is_positive(arguments[1]) and is_sum_of_squares(arguments[0])
    if name in ("dot", "matmul"):
        return arguments[0] is arguments[1] and rank_of(operand) == 0
    return name == "var" or (name in ("sum", "mean") and is_sum_of_squares(arguments[0]))


def is_positive(operand: Operand) -> bool:
    """Whether it is a positive number, or a length."""
    if isinstance(operand, Value):
        return type_of(operand).dtype.kind in "iu" and rank_of(operand) == 0
    return isinstance(operand, (int, float)) and operand > 0
