"""exp, tanh and the logistic function without branches, so that loops over them are vectorised.

libm's functions are calls, and a loop that calls is not vectorised: 6 to 16 ns an element against 1 to 2.
Arguments are reduced as in Muller, Elementary Functions (3rd edition, section 11.2.1): x = k log 2 + r
with |r| <= log(2) / 2, then a polynomial in r. The errors are at most 2 units in the last place (exp)
and 4 (tanh). NaN stays NaN, exp(inf) is inf, exp(-inf) is 0, and subnormal results are right.
"""

import math

import numpy as np

from benchmarks.handwritten.compiling import native_in_order

LOG2_E = 1.4426950408889634
LOG_2_HIGH = 6.93147180369123816490e-01  # its last 21 bits are zeros: k times it is exact
LOG_2_LOW = 1.90821492927058770002e-10
TO_INTEGER = 6755399441055744.0  # 1.5 * 2**52: adding it rounds, and leaves the integer in the last bits
BITS_OF_TO_INTEGER = np.int64(0x4338000000000000)
BIAS = np.int64(1023)
MANTISSA = np.int64(52)
ONE = np.int64(1)


@native_in_order
def exp_tail(r: float) -> float:
    """Return (exp(r) - 1 - r) / r**2 for |r| <= log(2) / 2."""
    p = 2.0876756987868099e-9
    p = p * r + 2.505210838544172e-8
    p = p * r + 2.755731922398589e-7
    p = p * r + 2.755731922398589e-6
    p = p * r + 2.48015873015873e-5
    p = p * r + 1.984126984126984e-4
    p = p * r + 1.388888888888889e-3
    p = p * r + 8.333333333333333e-3
    p = p * r + 4.1666666666666664e-2
    p = p * r + 1.6666666666666666e-1
    return p * r + 0.5


@native_in_order
def exp(x: float) -> float:
    """Return e**x."""
    x = 710.0 if x > 710.0 else x  # NaN passes both comparisons
    x = -746.0 if x < -746.0 else x
    shifted = x * LOG2_E + TO_INTEGER
    k = shifted - TO_INTEGER
    r = (x - k * LOG_2_HIGH) - k * LOG_2_LOW
    power = np.float64(shifted).view(np.int64) - BITS_OF_TO_INTEGER
    half = power >> ONE  # 2**power in two factors: each is a normal number
    first = np.int64((half + BIAS) << MANTISSA).view(np.float64)
    second = np.int64((power - half + BIAS) << MANTISSA).view(np.float64)
    return (exp_tail(r) * (r * r) + r + 1.0) * first * second


@native_in_order
def tanh(x: float) -> float:
    """Return the hyperbolic tangent, from expm1(-2|x|), which keeps its digits near 0."""
    doubled = -2.0 * abs(x)
    doubled = -40.0 if doubled < -40.0 else doubled
    shifted = doubled * LOG2_E + TO_INTEGER
    k = shifted - TO_INTEGER
    r = (doubled - k * LOG_2_HIGH) - k * LOG_2_LOW
    power = np.float64(shifted).view(np.int64) - BITS_OF_TO_INTEGER
    scale = np.int64((power + BIAS) << MANTISSA).view(np.float64)
    less_one = (exp_tail(r) * (r * r) + r) * scale + (scale - 1.0)
    magnitude = less_one / (less_one + 2.0)
    return magnitude if x < 0.0 else -magnitude


@native_in_order
def logistic(x: float) -> float:
    """Return 1 / (1 + exp(-x))."""
    return 1.0 / (1.0 + exp(-x))


@native_in_order
def exp_of_libm(x: float) -> float:
    """Return e**x from the platform's library."""
    return math.exp(x)


@native_in_order
def tanh_of_libm(x: float) -> float:
    """Return the hyperbolic tangent from the platform's library."""
    return math.tanh(x)


@native_in_order
def logistic_of_libm(x: float) -> float:
    """Return 1 / (1 + exp(-x)) with the platform's exp."""
    return 1.0 / (1.0 + math.exp(-x))
