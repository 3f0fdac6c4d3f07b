"""exp, log and tanh without branches, for loops: LLVM turns a loop over them into vector instructions.

A function of the platform's library is a call, and a loop that calls is not vectorised: 6 to 16 ns an element
against 1 to 2. Arguments are reduced as in Muller, Elementary Functions (3rd edition, chapter 11), and what
is left is a Taylor polynomial. Errors are at most 2 units in the last place (`tests/backends/native/
test_elementary.py` measures them); nan stays nan, exp(-inf) is 0, log(0) is -inf, log of a negative number
nan, and subnormal arguments and results are right. Numbers of 32 bits are computed in 64.

The functions are compiled with `contract` alone: with `reassoc`, adding and subtracting 1.5 * 2**52 cancels.
"""
# mypy: allow-untyped-defs, allow-untyped-calls, disable-error-code="misc,assignment"
# Numba infers the types of these functions, and its decorators have none.

from __future__ import annotations

import math

import numpy as np
from numba import njit

from ad_compiler.backends.native.numba_extensions.inlining import OPTIONS

# LLVM leaves a call behind many departures alone: it takes it for a rare one.
vectorised = njit(**OPTIONS, fastmath={"contract"}, forceinline=True)

LOG2_E = 1.4426950408889634
LOG_2_HIGH = float.fromhex("0x1.62e42fefa0000p-1")  # its last bits are zeros: k times it is exact
LOG_2_LOW = float.fromhex("0x1.cf79abc9e3b3ap-40")  # log(2) less the high part
TO_WHOLE = 1.5 * 2.0**52  # adding it rounds, and leaves the whole number in the last bits
BITS_OF_TO_WHOLE = np.int64(0x4338000000000000)
BIAS = np.int64(1023)
MANTISSA = np.int64(52)
ONE = np.int64(1)
BITS_OF_SQRT_HALF = np.int64(0x3FE6A09E667F3BCD)
SMALLEST_NORMAL = 2.0**-1022


@vectorised
def exponential_tail(r):
    """(exp(r) - 1 - r) / r**2 for |r| <= log(2) / 2: the series of 1 / n! from n = 2 on."""
    p = 1 / 6227020800.0
    p = p * r + 1 / 479001600.0
    p = p * r + 1 / 39916800.0
    p = p * r + 1 / 3628800.0
    p = p * r + 1 / 362880.0
    p = p * r + 1 / 40320.0
    p = p * r + 1 / 5040.0
    p = p * r + 1 / 720.0
    p = p * r + 1 / 120.0
    p = p * r + 1 / 24.0
    p = p * r + 1 / 6.0
    return p * r + 0.5


@vectorised
def vector_exp(argument):
    """e**x: x is k log 2 + r with |r| <= log(2) / 2."""
    x = np.float64(argument)
    x = 710.0 if x > 710.0 else x  # nan passes both comparisons
    x = -746.0 if x < -746.0 else x
    shifted = x * LOG2_E + TO_WHOLE
    k = shifted - TO_WHOLE
    r = (x - k * LOG_2_HIGH) - k * LOG_2_LOW
    power = np.float64(shifted).view(np.int64) - BITS_OF_TO_WHOLE
    half = power >> ONE  # 2**power in two factors: each is a normal number
    first = np.int64((half + BIAS) << MANTISSA).view(np.float64)
    second = np.int64((power - half + BIAS) << MANTISSA).view(np.float64)
    return (exponential_tail(r) * (r * r) + r + 1.0) * first * second


@vectorised
def vector_tanh(argument):
    """The hyperbolic tangent, from exp(-2|x|) - 1, which keeps its digits near 0."""
    x = np.float64(argument)
    doubled = -2.0 * abs(x)
    doubled = -40.0 if doubled < -40.0 else doubled
    shifted = doubled * LOG2_E + TO_WHOLE
    k = shifted - TO_WHOLE
    r = (doubled - k * LOG_2_HIGH) - k * LOG_2_LOW
    power = np.float64(shifted).view(np.int64) - BITS_OF_TO_WHOLE
    scale = np.int64((power + BIAS) << MANTISSA).view(np.float64)
    part = (exponential_tail(r) * (r * r) + r) * scale
    less_one = part + (scale - 1.0)
    lost = part - (less_one - (scale - 1.0))  # what rounding took from the sum
    divisor = less_one + 2.0
    lost_there = less_one - (divisor - 2.0) + lost
    quotient = less_one / divisor
    # The quotient's error times the divisor, divided by about the divisor, which is between 1 and 2.
    quotient += (lost - quotient * lost_there) * (1.457 - 0.5 * divisor)
    return math.copysign(quotient, x)


@vectorised
def vector_log(argument):
    """The natural logarithm: x is 2**k (1 + f), and log(1 + f) = 2 artanh(s) for s = f / (2 + f)."""
    x = np.float64(argument)
    is_small = x < SMALLEST_NORMAL
    bits = np.float64(x * 2.0**54 if is_small else x).view(np.int64)
    power = (bits - BITS_OF_SQRT_HALF) >> MANTISSA
    f = np.int64(bits - (power << MANTISSA)).view(np.float64) - 1.0
    k = np.int64(power + BITS_OF_TO_WHOLE).view(np.float64) - TO_WHOLE
    k = k - 54.0 if is_small else k
    s = f / (2.0 + f)
    z = s * s
    p = 2 / 23.0
    p = p * z + 2 / 21.0
    p = p * z + 2 / 19.0
    p = p * z + 2 / 17.0
    p = p * z + 2 / 15.0
    p = p * z + 2 / 13.0
    p = p * z + 2 / 11.0
    p = p * z + 2 / 9.0
    p = p * z + 2 / 7.0
    p = p * z + 2 / 5.0
    p = p * z + 2 / 3.0
    half_square = 0.5 * f * f
    # 2 artanh(s) is f - f**2 / 2 + s (f**2 / 2 + z p): the large terms are exact.
    y = k * LOG_2_HIGH - ((half_square - (s * (half_square + z * p) + k * LOG_2_LOW)) - f)
    y = y if x > 0.0 else (-np.inf if x == 0.0 else np.nan)
    return y if x < np.inf else x
