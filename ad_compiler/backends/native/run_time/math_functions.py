"""The functions of `math`, for compiled code: they depart where Python's raise an exception."""
# mypy: allow-untyped-defs, allow-untyped-calls, disable-error-code="misc,call-arg"
# Numba infers the types of these functions, and its decorators have none.

from __future__ import annotations

import math

import numpy as np

from ad_compiler.backends.native.numba_extensions.inlining import inlined
from ad_compiler.backends.native.run_time.departure import Departure


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
