"""Rules of the elementary functions, of `numpy` and of `math`.

Each partial derivative is written in terms of the result `y` where that is cheaper or keeps more
accuracy than in terms of the argument. SymPy is the oracle: a test differentiates every function here
and compares. Source: NIST Digital Library of Mathematical Functions, chapter 4.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ad_compiler.analysis.types import INT, ArrayType
from ad_compiler.refusal import Refusal
from ad_compiler.rules.elementwise_types import broadcast_types, elementwise_type, math_type_int
from ad_compiler.rules.notation import constant, elementwise
from ad_compiler.rules.shapes import bool_type, is_complex, type_of


@elementwise(np.exp, math.exp, complex=True)
def exp(x: Any, *, y: Any) -> Any:
    return y


@elementwise(np.exp2, math.exp2, complex=True)
def exp2(x: Any, *, y: Any) -> Any:
    return y * 0.6931471805599453  # log 2


@elementwise(np.expm1, math.expm1, complex=True)
def expm1(x: Any) -> Any:
    return np.exp(x)  # not y + 1, which is 0 where exp is still 1e-20


@elementwise(np.log, complex=True)
def log(x: Any) -> Any:
    return 1 / x


@elementwise(
    math.log, infer=elementwise_type(math.log), keywords=False, differentiable=("x", "base"), complex=True
)
def log_to_base(x: Any, base: Any = None, *, y: Any) -> Any:
    if base is None:
        return 1 / x, 0.0
    return 1 / (x * np.log(base)), -y / (base * np.log(base))


@elementwise(np.log2, math.log2, complex=True)
def log2(x: Any) -> Any:
    return 1.4426950408889634 / x  # 1 / log 2


@elementwise(np.log10, math.log10, complex=True)
def log10(x: Any) -> Any:
    return 0.4342944819032518 / x  # 1 / log 10


@elementwise(np.log1p, math.log1p, complex=True)
def log1p(x: Any) -> Any:
    return 1 / (1 + x)


@elementwise(np.sqrt, math.sqrt, singular=True, complex=True)
def sqrt(x: Any, *, y: Any) -> Any:
    return 0.5 / y


@elementwise(np.cbrt, math.cbrt, singular=True)
def cbrt(x: Any, *, y: Any) -> Any:
    return 1 / (3 * y * y)


@elementwise(np.square, complex=True)
def square(x: Any) -> Any:
    return 2 * x


@elementwise(np.reciprocal, complex=True)
def reciprocal(x: Any, *, y: Any) -> Any:
    return -y * y


@elementwise(np.sin, math.sin, complex=True)
def sin(x: Any) -> Any:
    return np.cos(x)


@elementwise(np.cos, math.cos, complex=True)
def cos(x: Any) -> Any:
    return -np.sin(x)


@elementwise(np.tan, math.tan, complex=True)
def tan(x: Any, *, y: Any) -> Any:
    return 1 + y * y


@elementwise(math.asin)
@elementwise(np.arcsin, complex=True)
def arcsin(x: Any) -> Any:
    return 1 / np.sqrt((1 - x) * (1 + x))


@elementwise(math.acos)
@elementwise(np.arccos, complex=True)
def arccos(x: Any) -> Any:
    return -1 / np.sqrt((1 - x) * (1 + x))


@elementwise(math.atan)
@elementwise(np.arctan, complex=True)
def arctan(x: Any) -> Any:
    return 1 / (1 + x * x)


@elementwise(np.arctan2, math.atan2)
def arctan2(a: Any, b: Any) -> Any:
    # Scaled by the radius, so that neither tiny nor huge arguments leave the range of floats.
    radius = np.hypot(a, b)
    return b / radius / radius, -a / radius / radius


@elementwise(np.sinh, math.sinh, complex=True)
def sinh(x: Any) -> Any:
    return np.cosh(x)


@elementwise(np.cosh, math.cosh, complex=True)
def cosh(x: Any) -> Any:
    return np.sinh(x)


@elementwise(np.tanh, math.tanh, complex=True)
def tanh(x: Any, *, y: Any) -> Any:
    return 1 - y * y


@elementwise(math.asinh)
@elementwise(np.arcsinh, complex=True)
def arcsinh(x: Any) -> Any:
    return 1 / np.sqrt(1 + x * x) if is_complex(x) else 1 / np.hypot(x, 1.0)


@elementwise(math.acosh)
@elementwise(np.arccosh, complex=True)
def arccosh(x: Any) -> Any:
    return 1 / (np.sqrt(x - 1) * np.sqrt(x + 1))


@elementwise(math.atanh)
@elementwise(np.arctanh, complex=True)
def arctanh(x: Any) -> Any:
    return 1 / ((1 - x) * (1 + x))


@elementwise(np.hypot)
def hypot(a: Any, b: Any, *, y: Any) -> Any:
    # hypot is a norm: its gradient at the kink is 0.
    return np.where(y == 0, 0.0, a / y), np.where(y == 0, 0.0, b / y)


@elementwise(math.hypot)
def math_hypot(a: Any, b: Any, *, y: Any) -> Any:
    return np.where(y == 0, 0.0, a / y), np.where(y == 0, 0.0, b / y)


@elementwise(np.logaddexp)
def logaddexp(a: Any, b: Any, *, y: Any) -> Any:
    # y - y is NaN where y is infinite; there the larger argument has all the weight.
    return np.where(a == y, 1.0, np.exp(a - y)), np.where(b == y, 1.0, np.exp(b - y))


@elementwise(np.logaddexp2)
def logaddexp2(a: Any, b: Any, *, y: Any) -> Any:
    return np.where(a == y, 1.0, np.exp2(a - y)), np.where(b == y, 1.0, np.exp2(b - y))


@elementwise(np.deg2rad, np.radians, math.radians)
def radians(x: Any) -> Any:
    return 0.017453292519943295  # pi / 180


@elementwise(np.rad2deg, np.degrees, math.degrees)
def degrees(x: Any) -> Any:
    return 57.29577951308232  # 180 / pi


@elementwise(np.copysign, math.copysign, differentiable=("a",))
def copysign(a: Any, b: Any) -> Any:
    return np.where(np.signbit(a) == np.signbit(b), 1.0, -1.0)


@elementwise(np.sinc, complex=True)
def sinc(x: Any, *, y: Any) -> Any:
    # The difference cancels near 0; there its Taylor series, exact to rounding.
    z = np.pi * x
    near = np.abs(z) < 0.1
    t = z * z
    series = z * (t * (1 / 30 - t * (1 / 840 - t * (1 / 45360))) - 1 / 3)
    return np.pi * np.where(near, series, (np.cos(z) - y) / np.where(near, 1.0, z))


def sign_type(x: Any) -> ArrayType:
    if is_complex(x):
        raise Refusal("`np.sign` of a complex number turns with it, and has no rule", "write `z / np.abs(z)`")
    return elementwise_type(np.sign)(x)


@constant(np.sign, infer=sign_type)
def sign(x: Any) -> None: ...


@constant(np.floor, np.ceil, np.trunc, np.rint, np.fix, np.spacing)
@constant(np.isnan, np.isinf, np.isfinite, np.signbit)
def steps(x: Any) -> None: ...


@elementwise(np.heaviside)
def heaviside(x: Any, at_zero: Any) -> Any:
    return 0.0, np.where(x == 0, 1.0, 0.0)


@elementwise(np.ldexp, math.ldexp, differentiable=("x",))
def ldexp(x: Any, exponent: Any) -> Any:
    return np.exp2(exponent), None


@constant(math.floor, math.ceil, math.trunc, infer=math_type_int)
@constant(math.factorial, math.isqrt, infer=math_type_int)
def whole(x: Any) -> None: ...


@constant("bit_length", infer=lambda _: INT)
def bit_length(n: Any) -> None: ...


@constant(math.gcd, math.lcm, math.comb, math.perm, infer=math_type_int)
def whole_of_two(a: Any, b: Any) -> None: ...


@constant(math.isnan, math.isinf, math.isfinite, infer=bool_type)
def classify(x: Any) -> None: ...


@constant(math.isclose, infer=bool_type)
def is_close(a: Any, b: Any, rel_tol: Any = 1e-09, abs_tol: Any = 0.0) -> None: ...


def close_type(a: Any, b: Any, *_: Any) -> ArrayType:
    return ArrayType(np.dtype(bool), broadcast_types([type_of(a), type_of(b)]))


@constant(np.isclose, infer=close_type)
@constant(np.allclose, infer=bool_type)
def are_close(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08) -> None: ...


def rounded_type(a: Any, decimals: Any = 0) -> ArrayType:
    kind = type_of(a)
    return ArrayType(kind.dtype, kind.shape)


@constant(np.round, np.around, infer=rounded_type, method="round")
def round_to(a: Any, decimals: Any = 0) -> None: ...


def python_round_type(a: Any, ndigits: Any = None) -> ArrayType:
    return INT if ndigits is None else type_of(a)


@constant(round, infer=python_round_type, name="rounded")  # no variable may be called `round`
def python_round(a: Any, ndigits: Any = None) -> None: ...
