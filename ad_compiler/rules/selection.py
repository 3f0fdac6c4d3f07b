"""Rules of selection: where, clip, and the clean-up of values that are not numbers.

A partial derivative that is a choice between constants never multiplies: `transforms.simplify` turns
`g * where(c, 1.0, 0.0)` into `where(c, g, 0.0)`. So what is not selected contributes exactly 0, even
where the arithmetic behind it is inf or NaN ("strong zeros").
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ad_compiler.analysis.types import ArrayType, promote, python_type
from ad_compiler.ir import Operation, Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.elementwise_types import broadcast_types
from ad_compiler.rules.notation import at_compile_time, elementwise, pushforward
from ad_compiler.rules.shapes import type_of


def where_type(condition: Any, x: Any, y: Any) -> ArrayType:
    types = [type_of(x), type_of(y)]
    return ArrayType(promote(types), broadcast_types([type_of(condition), *types]))


def select_type(condition: Any, x: Any, y: Any) -> ArrayType:
    kind = where_type(condition, x, y)
    if kind.rank == 0 and type_of(x).python and type_of(y).python:
        return python_type(kind.dtype)
    return kind


@elementwise("select", infer=select_type, differentiable=("x", "y"), complex=True)
@elementwise(np.where, infer=where_type, differentiable=("x", "y"), complex=True)
def where(condition: Any, x: Any, y: Any) -> Any:
    if is_guarded_product(condition, x, y):
        return None, np.where(condition | np.isfinite(x), 1.0, 0.0), None
    return None, np.where(condition, 1.0, 0.0), np.where(condition, 0.0, 1.0)


@pushforward("select", np.where)
def where_tangent(condition: Any, x: Any, y: Any, *, x_dot: Any, y_dot: Any) -> Any:
    if is_guarded_product(condition, x, y):
        return np.where(condition | np.isfinite(x), x_dot, 0.0)
    return np.where(condition, x_dot, y_dot)


@at_compile_time
def is_guarded_product(condition: Any, x: Any, y: Any) -> bool:
    """Whether it is `where(c != 0, c * p, 0)`: the product itself, but 0 where `p` is not finite.

    So first derivatives are written. Its derivative by `c` is `p`, also where `c` is 0.
    """
    test = operation_of(condition, "ne")
    if isinstance(y, Value) or y != 0 or test is None:
        return False
    factor, zero = test.arguments
    return not isinstance(zero, Value) and zero == 0 and has_factor(x, factor)


def has_factor(product: Any, factor: Any) -> bool:
    """Whether a product, or the numerator of a quotient, has this factor."""
    if product is factor:
        return True
    made = operation_of(product, "mul", "truediv")
    if made is None:
        return False
    left, right = made.arguments
    return has_factor(left, factor) or (made.primitive.name == "mul" and has_factor(right, factor))


def operation_of(operand: Any, *names: str) -> Operation | None:
    """What computed a value, if it is one of these operations."""
    made = operand.operation if isinstance(operand, Value) else None
    return made if isinstance(made, Operation) and made.primitive.name in names else None


def clip_type(a: Any, a_min: Any, a_max: Any) -> ArrayType:
    types = [type_of(bound) for bound in (a, a_min, a_max) if bound is not None]
    return ArrayType(promote(types), broadcast_types(types))


@elementwise(np.clip, infer=clip_type, method="clip")
def clip(a: Any, a_min: Any, a_max: Any) -> Any:
    # minimum(maximum(a, a_min), a_max): a tie shares equally, as there.
    if a_max is None:
        if a_min is None:
            return 1.0, None, None
        above = np.where(a == a_min, 0.5, np.where(a < a_min, 0.0, 1.0))
        return above, 1 - above, None
    if a_min is None:
        below = np.where(a == a_max, 0.5, np.where(a > a_max, 0.0, 1.0))
        return below, None, 1 - below
    raised = np.maximum(a, a_min)
    return (
        np.where(
            raised > a_max, 0.0, np.where((a == a_min) | (a == a_max), 0.5, np.where(a < a_min, 0.0, 1.0))
        ),
        np.where(raised > a_max, 0.0, np.where(a == a_min, 0.5, np.where(a < a_min, 1.0, 0.0))),
        np.where(raised == a_max, 0.5, np.where(raised > a_max, 1.0, 0.0)),
    )


def finite_type(x: Any, copy: Any = True, *_: Any) -> ArrayType:
    if copy is not True:
        raise Refusal("`np.nan_to_num` may write into its argument", "leave out `copy`")
    kind = type_of(x)
    return kind if kind.rank or not kind.python else ArrayType(kind.dtype)


@elementwise(np.nan_to_num, infer=finite_type, differentiable=("x", "nan", "posinf", "neginf"))
def nan_to_num(x: Any, copy: Any = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    return (
        np.where(np.isfinite(x), 1.0, 0.0),
        None,
        np.where(np.isnan(x), 1.0, 0.0),
        np.where(x == np.inf, 1.0, 0.0),
        np.where(x == -np.inf, 1.0, 0.0),
    )
