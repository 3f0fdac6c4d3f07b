"""Rules of Python's operators and of the NumPy functions that mean the same."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from ad_compiler.rules.notation import constant, elementwise
from ad_compiler.rules.shapes import is_complex


@elementwise(operator.add, np.add, complex=True)
def add(a: Any, b: Any) -> Any:
    return 1.0, 1.0


@elementwise(operator.sub, np.subtract, complex=True)
def subtract(a: Any, b: Any) -> Any:
    return 1.0, -1.0


@elementwise(operator.mul, np.multiply, complex=True)
def multiply(a: Any, b: Any) -> Any:
    return b, a


@elementwise(operator.truediv, np.true_divide, complex=True)
def divide(a: Any, b: Any, *, y: Any) -> Any:
    return 1 / b, -y / b


@elementwise(operator.neg, np.negative, complex=True)
def negative(a: Any) -> Any:
    return -1.0


@elementwise(operator.pos, np.positive, complex=True)
def positive(a: Any) -> Any:
    return 1.0


def is_root(a: Any, b: Any) -> bool:
    """Whether the slope at 0 may be infinite: an exponent between 0 and 1, or an unknown one."""
    return not isinstance(b, (int, float, np.floating)) or 0 < float(b) < 1


@elementwise(operator.pow, np.power, np.float_power, math.pow, singular=is_root, complex=True)
def power(a: Any, b: Any, *, y: Any) -> Any:
    # a**b at b = 0 is 1 for every a, and at a = 0 it is flat in b: neither may give 0 * inf.
    slope = b * a ** np.where(b == 0, 1, b - 1)
    return slope, np.where(a == 0, 0.0, y * np.log(np.where(a == 0, 1.0, a)))


@elementwise(operator.mod, np.remainder, np.mod)
def remainder(a: Any, b: Any) -> Any:
    return 1.0, -np.floor(a / b)


@elementwise(np.fmod, math.fmod)
def fmod(a: Any, b: Any) -> Any:
    return 1.0, -np.trunc(a / b)


@elementwise(math.remainder)
def ieee_remainder(a: Any, b: Any, *, y: Any) -> Any:
    return 1.0, (y - a) / b  # minus the whole quotient, which rounding leaves exact enough


@elementwise(np.fabs, math.fabs)
@elementwise(operator.abs, np.absolute, complex=True)
def absolute(a: Any, *, y: Any) -> Any:
    return np.conj(a) / np.where(y == 0, 1.0, y) if is_complex(a) else np.sign(a)


@elementwise(np.maximum)
def maximum(a: Any, b: Any) -> Any:
    return (
        np.where(a == b, 0.5, np.where(a < b, 0.0, 1.0)),
        np.where(a == b, 0.5, np.where(b < a, 0.0, 1.0)),
    )


@elementwise(np.minimum)
def minimum(a: Any, b: Any) -> Any:
    return (
        np.where(a == b, 0.5, np.where(a > b, 0.0, 1.0)),
        np.where(a == b, 0.5, np.where(b > a, 0.0, 1.0)),
    )


@elementwise(np.fmax)
def fmax(a: Any, b: Any) -> Any:
    # The other operand counts where one is NaN.
    return (
        np.where(a == b, 0.5, np.where((a > b) | (b != b), 1.0, 0.0)),
        np.where(a == b, 0.5, np.where((b > a) | (a != a), 1.0, 0.0)),
    )


@elementwise(np.fmin)
def fmin(a: Any, b: Any) -> Any:
    return (
        np.where(a == b, 0.5, np.where((a < b) | (b != b), 1.0, 0.0)),
        np.where(a == b, 0.5, np.where((b < a) | (a != a), 1.0, 0.0)),
    )


@constant(operator.floordiv, np.floor_divide)
def floor_divide(a: Any, b: Any) -> None: ...


@constant(operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne)
@constant(np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal)
def compare(a: Any, b: Any) -> None: ...


@constant(operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift)
@constant(np.left_shift, np.right_shift)
@constant(np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.logical_and, np.logical_or, np.logical_xor)
def combine_bits(a: Any, b: Any) -> None: ...


@constant(operator.invert, np.invert, np.logical_not)
def invert(a: Any) -> None: ...
