"""Functions of numbers, for compiled code: Python's and NumPy's semantics where Numba's own differ.

The whole numbers of Python are those of 64 bits here. What does not fit, and what would raise an exception,
departs (`departure.py`): NumPy code then computes it, or raises the exception. The functions of `math` are
in `math_functions.py`.
"""
# mypy: allow-untyped-defs, allow-untyped-calls, disable-error-code="misc,call-arg"
# Numba infers the types of these functions, and its decorators have none.

from __future__ import annotations

import math

import numpy as np
from numba import njit

from ad_compiler.backends.native.numba_extensions.inlining import contracted, in_any_order, inlined
from ad_compiler.backends.native.run_time.departure import Departure


@njit
def bit_length(n):
    """How many binary digits a whole number has."""
    digits = 0
    while n != 0:  # towards 0, for the least number too, which has no positive one
        n = n // 2 if n > 0 else -(n // -2) if n != -1 else 0
        digits += 1
    return digits


@inlined
def divide(a, b):
    """Python's division of two of its numbers."""
    if b == 0:
        raise Departure
    return a / b


@inlined
def complex_divide(a, b):
    if b == 0:
        raise Departure
    return a / b


@inlined
def complex_exp(z):
    return np.exp(z)


@inlined
def floor_divide(a, b):
    if b == 0:
        raise Departure
    return a // b


@inlined
def modulo(a, b):
    if b == 0:
        raise Departure
    return a % b


@inlined
def whole_floor_divide(a, b):
    """NumPy's, for whole numbers: 0 where it divides by zero."""
    if b == 0:
        return a * 0
    return a // b


@inlined
def whole_modulo(a, b):
    if b == 0:
        return a * 0
    return a % b


@inlined
def real_floor_divide(a, b):
    """NumPy's, for reals: from the remainder, as Python's."""
    if b == 0:
        return a / b
    rest = np.fmod(a, b)
    quotient = (a - rest) / b
    if rest != 0 and (b < 0) != (rest < 0):
        quotient -= 1.0
    if quotient == 0:
        return math.copysign(0.0, a / b)
    floored = math.floor(quotient) if abs(quotient) < 1e15 else quotient
    if quotient - floored > 0.5:
        floored += 1.0
    return floored + 0.0


@inlined
def real_floor_divide_checked(a, b):
    if b == 0:
        raise Departure
    return real_floor_divide(a, b)


@inlined
def real_modulo(a, b):
    if b == 0:
        return a * np.nan
    rest = np.fmod(a, b)
    if rest == 0:
        return math.copysign(0.0, b)
    if (b < 0) != (rest < 0):
        rest += b
    return rest


@inlined
def real_modulo_checked(a, b):
    if b == 0:
        raise Departure
    return real_modulo(a, b)


@inlined
def power(a, b):
    """Python's power of floats."""
    if (a == 0 and b < 0) or (a < 0 and b != math.floor(b)):
        raise Departure
    y = a**b
    if not math.isfinite(y) and math.isfinite(a) and math.isfinite(b):
        raise Departure
    return y


@inlined
def whole_power(a, b):
    """A power of whole numbers, if it fits into 64 bits."""
    if b < 0 or (abs(a) > 1 and b * math.log2(abs(float(a)) + 1e-300) > 62.5):
        raise Departure
    result = 1
    for _ in range(b if abs(a) > 1 else min(b, 2 - b % 2)):
        result *= a
    return result


@inlined
def product(a, b):
    """A product of Python's whole numbers, if it fits."""
    if abs(float(a) * float(b)) > 4.6e18:
        raise Departure
    return a * b


@inlined
def total(a, b):
    """A sum of Python's whole numbers, if it fits."""
    if abs(float(a) + float(b)) > 9.2e18:
        raise Departure
    return a + b


@inlined
def shifted_left(a, b):
    if b < 0 or b > 62 or abs(float(a)) * 2.0**b > 4.6e18:
        raise Departure
    return a << b


@inlined
def shifted_right(a, b):
    if b < 0:
        raise Departure
    return a >> min(b, 63)


@inlined
def whole(x):
    """`int(x)` of a real number."""
    if not abs(x) < 9.2e18:
        raise Departure
    return int(x)


@in_any_order
def plus(total, term):
    """One addition of a sum over elements, as `np.sum`: a loop of them is vectorised."""
    return total + term


@contracted
def plus_product(total, a, b):
    """`total + a * b` of cotangents, rounded once where the processor can."""
    return total + a * b


@contracted
def minus_product(total, a, b):
    return total - a * b


@inlined
def maximum(a, b):
    return a if a >= b or a != a else b


@inlined
def minimum(a, b):
    return a if a <= b or a != a else b


@inlined
def heaviside(x, at_zero):
    if x != x:
        return x
    return at_zero if x == 0 else (x > 0) * (at_zero * 0 + 1)


@inlined
def cbrt(x):
    if x == 0 or not math.isfinite(x):
        return x
    y = math.copysign(math.exp(math.log(abs(x)) / 3), x)
    y -= (y - x / (y * y)) / 3
    return y - (y - x / (y * y)) / 3


@inlined
def is_close(a, b, relative, absolute):
    if math.isfinite(b) and math.isfinite(a):
        return abs(a - b) <= absolute + relative * abs(b)
    return a == b


@inlined
def are_close(a, b, relative, absolute):
    """`math.isclose`."""
    if a == b:
        return True
    if math.isinf(a) or math.isinf(b):
        return False
    return abs(a - b) <= max(relative * max(abs(a), abs(b)), absolute)


@inlined
def nan_to_num(x, nan, highest, lowest):
    if x != x:
        return nan
    if math.isinf(x):
        return highest if x > 0 else lowest
    return x


@inlined
def sinc(x):
    y = math.pi * x
    return 1.0 if x == 0 else math.sin(y) / y
