"""Functions that compiled code calls: Python's and NumPy's semantics where Numba's own differ.

What would raise an exception departs instead (`departure.py`): NumPy code then raises it.
"""
# mypy: allow-untyped-defs, allow-untyped-calls, disable-error-code="misc,call-arg"
# Numba infers the types of these functions, and its decorators have none.

from __future__ import annotations

import math

import numpy as np
from numba import njit

from ad_compiler.backends.native.blas import OPTIONS
from ad_compiler.backends.native.blas import (
    add_product_of_matrices as add_product_of_matrices,
)
from ad_compiler.backends.native.blas import (
    product_of_matrices as product_of_matrices,
)
from ad_compiler.backends.native.departure import Departure
from ad_compiler.backends.native.elementary import vector_exp as vector_exp
from ad_compiler.backends.native.elementary import vector_log as vector_log
from ad_compiler.backends.native.elementary import vector_tanh as vector_tanh
from ad_compiler.backends.native.fused_products import fused_product as fused_product
from ad_compiler.backends.native.opaque import at_run_time as at_run_time
from ad_compiler.backends.native.small_products import in_any_order
from ad_compiler.backends.native.small_products import (
    product_of_vectors as product_of_vectors,
)
from ad_compiler.backends.native.small_products import (
    product_with_rows as product_with_rows,
)
from ad_compiler.backends.native.small_products import (
    product_with_vector as product_with_vector,
)

inlined = njit(**OPTIONS)
contracted = njit(**OPTIONS, fastmath={"contract"})


@inlined
def at(i, n):
    """A subscript counted from the start."""
    if i < 0:
        i += n
    if i < 0 or i >= n:
        raise Departure
    return i


@inlined
def bound(i, n):
    """The start or end of a slice, cut to the length of the axis."""
    if i < 0:
        i += n
    return min(max(i, 0), n)


@njit
def bit_length(n):
    """How many binary digits a whole number has."""
    digits = 0
    while n != 0:  # towards 0, for the least number too, which has no positive one
        n = n // 2 if n > 0 else -(n // -2) if n != -1 else 0
        digits += 1
    return digits


@inlined
def slice_start(has_start, start, step, n):
    if not has_start:
        return n - 1 if step < 0 else 0
    if start < 0:
        start += n
    return min(max(start, -1), n - 1) if step < 0 else min(max(start, 0), n)


@inlined
def slice_length(first, has_stop, stop, step, n):
    if step == 0:
        raise Departure
    if not has_stop:
        stop = -1 if step < 0 else n
    else:
        if stop < 0:
            stop += n
        stop = min(max(stop, -1), n - 1) if step < 0 else min(max(stop, 0), n)
    if step > 0:
        return max((stop - first + step - 1) // step, 0)
    return max((first - stop - step - 1) // -step, 0)


@inlined
def turns(start, stop, step):
    """How many numbers `range(start, stop, step)` has."""
    if step == 0:
        raise Departure
    if step > 0:
        return max((stop - start + step - 1) // step, 0)
    return max((start - stop - step - 1) // -step, 0)


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


@inlined
def remainder(x, y):
    """`math.fmod`, which Numba does not know."""
    return np.fmod(x, y)


def of_one(function):
    """A function of `math` that raises an exception for what it is not defined for."""

    @inlined
    def checked(x):
        y = function(x)
        if not math.isfinite(y) and (math.isfinite(x) or (y != y and x == x)):
            raise Departure
        return y

    return checked


def of_two(function):
    @inlined
    def checked(x, y):
        z = function(x, y)
        if (
            not math.isfinite(z)
            and not (x != x or y != y)
            and (z != z or (math.isfinite(x) and math.isfinite(y)))
        ):
            raise Departure
        return z

    return checked


@inlined
def math_sqrt(x):
    if x < 0:
        raise Departure
    return math.sqrt(x)


@inlined
def math_log(x):
    if x <= 0:
        raise Departure
    return math.log(x)


math_exp = of_one(math.exp)
math_expm1 = of_one(math.expm1)
math_log1p = of_one(math.log1p)
math_log2 = of_one(math.log2)
math_log10 = of_one(math.log10)
math_sin = of_one(math.sin)
math_cos = of_one(math.cos)
math_tan = of_one(math.tan)
math_sinh = of_one(math.sinh)
math_cosh = of_one(math.cosh)
math_asin = of_one(math.asin)
math_acos = of_one(math.acos)
math_acosh = of_one(math.acosh)
math_atanh = of_one(math.atanh)
math_gamma = of_one(math.gamma)
math_lgamma = of_one(math.lgamma)
math_pow = of_two(math.pow)
math_fmod = of_two(remainder)
math_hypot = of_two(math.hypot)


@inlined
def grown(tape, size):
    """The tape with room for `size` entries."""
    longer = np.empty((max(2 * tape.shape[0], size), *tape.shape[1:]), tape.dtype)
    longer[: tape.shape[0]] = tape
    return longer


@njit
def with_number(tape, place, number):
    """The tape with a number in this place, which is the first free one."""
    if place >= tape.shape[0]:
        tape = grown(tape, place + 1)
    tape[place] = number
    return tape


@njit
def with_numbers(tape, place, numbers):
    """The tape with the numbers of a list from this place on."""
    if place + len(numbers) > tape.shape[0]:
        tape = grown(tape, place + len(numbers))
    for n in range(len(numbers)):
        tape[place + n] = numbers[n]
    return tape


@njit
def with_arrays(tape, shapes, place, arrays):
    """The tape with the elements of the arrays of a list, behind those of the arrays before `place`."""
    start = shapes[place - 1, 0] if place else 0
    for array in arrays:
        if start + array.size > tape.shape[0]:
            tape = grown(tape, start + array.size)
        for element in array.flat:
            tape[start] = element
            start += 1
    return tape


@njit
def with_shapes(shapes, place, arrays):
    """Where the arrays of a list end on their tape, and their lengths, from this place on."""
    if place + len(arrays) > shapes.shape[0]:
        shapes = grown(shapes, place + len(arrays))
    start = shapes[place - 1, 0] if place else 0
    for n in range(len(arrays)):
        array = arrays[n]
        start += array.size
        shapes[place + n, 0] = start
        for axis in range(array.ndim):
            shapes[place + n, axis + 1] = array.shape[axis]
    return shapes


@njit
def turns_ahead(turns, free):
    """How far to go before the next state is kept (binomial schedule: Griewank and Walther, 2000)."""
    rounds, within = 0, 1  # binomial(free + rounds, free) turns are taken back in so many rounds
    while True:
        if within > 2**61 // free:  # more than any loop has
            break
        more = within + within * free // (rounds + 1)
        if more >= turns:
            break
        rounds, within = rounds + 1, more
    return min(within, turns - within * free // (free + rounds))


@inlined
def real_floor_divide_checked(a, b):
    if b == 0:
        raise Departure
    return real_floor_divide(a, b)


@inlined
def real_modulo_checked(a, b):
    if b == 0:
        raise Departure
    return real_modulo(a, b)


@inlined
def filled(out, numbers):
    """`np.array` of a list of numbers."""
    for k in range(len(numbers)):
        out[k] = numbers[k]
    return out


@inlined
def filled_rows(out, rows):
    """`np.array` of a list of tuples of numbers."""
    for k in range(len(rows)):
        row = rows[k]
        for j in range(len(row)):
            out[k, j] = row[j]
    return out


@inlined
def stacked_arrays(items):
    """`np.array` of a list of arrays."""
    if len(items) == 0:
        raise Departure
    out = np.empty((len(items), *items[0].shape), items[0].dtype)
    for k in range(len(items)):
        if items[k].shape != items[0].shape:
            raise Departure
        out[k] = items[k]
    return out


@inlined
def concatenated(items):
    """`np.concatenate` of a list of arrays."""
    if len(items) == 0:
        raise Departure
    rows = 0
    for item in items:
        if item.shape[1:] != items[0].shape[1:]:
            raise Departure
        rows += item.shape[0]
    out = np.empty((rows, *items[0].shape[1:]), items[0].dtype)
    place = 0
    for item in items:
        out[place : place + item.shape[0]] = item
        place += item.shape[0]
    return out


@inlined
def sum_of_numbers(items, start):
    result = start
    for item in items:
        result += item
    return result


@inlined
def sum_of_arrays(items):
    """`sum` of a list of arrays."""
    if len(items) == 0:
        raise Departure
    result = items[0].copy()
    for k in range(1, len(items)):
        if items[k].shape != result.shape:
            raise Departure
        result += items[k]
    return result


@inlined
def split_like(items, array):
    """`array` cut into parts as long as the arrays of a list."""
    parts = [array[:0].copy() for _ in range(0)]
    place = 0
    for item in items:
        parts.append(array[place : place + item.shape[0]].copy())
        place += item.shape[0]
    return parts


@inlined
def sections(array, ends):
    """`np.split` at the places `ends`."""
    parts = [array[:0].copy() for _ in range(0)]
    start = 0
    for end in ends:
        parts.append(array[start:end].copy())
        start = end
    parts.append(array[start:].copy())
    return parts
