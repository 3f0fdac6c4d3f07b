"""Operations on numbers as expressions that Numba computes as NumPy (or Python) does.

Two families: operations on Python's own numbers, which are checked (Python raises where NumPy gives inf or
nan), and NumPy's, which are computed in the dtype of the ufunc's loop: operands of other dtypes are
converted first, and results that Numba would widen are converted back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ad_compiler.analysis.types import ArrayType, promote
from ad_compiler.backends.native.lowering.special_operations import SPECIAL, select
from ad_compiler.backends.native.nests import ATOM, Apply, Expression, Scalar
from ad_compiler.backends.native.scalars import (
    ADD,
    ADVICE,
    AND,
    COMPARE,
    MULTIPLY,
    OR,
    UNARY,
    XOR,
    call,
    cast,
    has_memory,
    infix,
    narrowed,
    reals,
    times,
)
from ad_compiler.ir import Operand, Operation
from ad_compiler.refusal import Refusal

INFIX: dict[str, tuple[str, int]] = {
    "add": ("+", ADD),
    "sub": ("-", ADD),
    "subtract": ("-", ADD),
    "mul": ("*", MULTIPLY),
    "multiply": ("*", MULTIPLY),
    "truediv": ("/", MULTIPLY),
    "divide": ("/", MULTIPLY),
    "lt": ("<", COMPARE),
    "less": ("<", COMPARE),
    "le": ("<=", COMPARE),
    "less_equal": ("<=", COMPARE),
    "gt": (">", COMPARE),
    "greater": (">", COMPARE),
    "ge": (">=", COMPARE),
    "greater_equal": (">=", COMPARE),
    "eq": ("==", COMPARE),
    "equal": ("==", COMPARE),
    "ne": ("!=", COMPARE),
    "not_equal": ("!=", COMPARE),
    "and_": ("&", AND),
    "bitwise_and": ("&", AND),
    "or_": ("|", OR),
    "bitwise_or": ("|", OR),
    "xor": ("^", XOR),
    "bitwise_xor": ("^", XOR),
}

COMPARISONS = {"<", "<=", ">", ">=", "==", "!="}

NUMPY_FUNCTIONS = frozenset(
    [
        "exp",
        "exp2",
        "expm1",
        "log",
        "log2",
        "log10",
        "log1p",
        "sqrt",
        "sin",
        "cos",
        "tan",
        "arcsin",
        "arccos",
        "arctan",
        "sinh",
        "cosh",
        "tanh",
        "arcsinh",
        "arccosh",
        "arctanh",
        "arctan2",
        "hypot",
        "copysign",
        "fmod",
        "floor",
        "ceil",
        "trunc",
        "rint",
        "sign",
        "deg2rad",
        "rad2deg",
        "degrees",
        "radians",
        "logaddexp",
        "logaddexp2",
        "fmax",
        "fmin",
        "nextafter",
    ]
)

PREDICATES = frozenset({"isnan", "isinf", "isfinite", "signbit"})

MATH_CHECKED = frozenset(
    [
        "sqrt",
        "log",
        "exp",
        "expm1",
        "log1p",
        "log2",
        "log10",
        "sin",
        "cos",
        "tan",
        "sinh",
        "cosh",
        "asin",
        "acos",
        "acosh",
        "atanh",
        "gamma",
        "lgamma",
        "pow",
        "fmod",
        "hypot",
    ]
)

MATH_TOTAL = frozenset(
    ["atan", "asinh", "tanh", "atan2", "erf", "erfc", "degrees", "radians", "fabs", "copysign"]
)

HELPERS = {"heaviside": "heaviside", "cbrt": "cbrt", "sinc": "sinc"}


def elementwise(
    node: Operation, operands: Sequence[Operand], parts: Sequence[Expression], types: Sequence[ArrayType]
) -> Expression:
    """One element of the result of an elementwise operation; raises `Refusal` for what has no native form."""
    primitive, result = node.primitive, node.result.type
    assert isinstance(result, ArrayType)
    name, dtype = primitive.name, result.dtype
    for kind in (*types, result):
        if not has_memory(kind):
            raise Refusal(f"numbers of {kind.dtype} have no native form", ADVICE)
    if any(kind.dtype.kind == "c" for kind in (*types, result)):
        return of_complex(name, dtype, parts, types)
    python = all(kind.python for kind in types) and result.python
    special = SPECIAL.get(name)
    if primitive.text.startswith("math."):
        return of_math(name, dtype, parts, types)
    if special is not None:
        return special(dtype, parts, types, python)
    if name in INFIX:
        return of_operator(name, dtype, parts, types, python)
    inputs = dtype if dtype.kind == "f" else np.dtype(np.float64)
    if name in PREDICATES:
        if types[0].dtype.kind != "f":
            parts, types = [cast(parts[0], types[0].dtype, np.dtype(np.float64))], types
        return call(f"np.{name}", *parts)
    converted = [cast(part, kind.dtype, inputs) for part, kind in zip(parts, types, strict=True)]
    if name in NUMPY_FUNCTIONS and primitive.text == f"np.{name}":
        if dtype.kind != "f":
            return narrowed(of_whole(name, converted, parts, dtype), dtype)
        return reals(dtype, call(f"np.{name}", *converted))
    if name in HELPERS and dtype.kind == "f":
        return reals(dtype, call(HELPERS[name], *converted))
    raise Refusal(f"`{primitive.text or name}` has no native form yet", ADVICE)


def of_complex(
    name: str, dtype: np.dtype[Any], parts: Sequence[Expression], types: Sequence[ArrayType]
) -> Expression:
    """What is the same for complex numbers in NumPy, Python and Numba."""
    if name in ("real", "imag"):
        return Apply(f"{{0}}.{name}", (parts[0],), ATOM, (ATOM,))
    if name in ("abs", "absolute"):
        return reals(dtype, call("abs", parts[0]))
    if dtype.kind == "c" and name in ("select", "where"):
        return select(dtype, parts, types, False)
    converted = [cast(part, kind.dtype, dtype) for part, kind in zip(parts, types, strict=True)]
    if dtype.kind == "c" and name in INFIX and INFIX[name][0] in "+-*":
        return narrowed(infix(*INFIX[name], *converted), dtype)
    if dtype.kind == "c" and name in ("truediv", "divide"):
        return narrowed(call("complex_divide", *converted), dtype)
    if name in ("neg", "negative"):
        return Apply("-{0}", (converted[0],), UNARY, (UNARY,))
    if name in ("pos", "positive", "astype", "complex128", "complex64"):
        return converted[0]
    if name == "conjugate":
        return call("np.conj", converted[0])
    if name == "exp" and dtype == np.complex128:
        return call("complex_exp", converted[0])
    raise Refusal(f"`{name}` of complex numbers has no native form", ADVICE)


def of_whole(
    name: str, converted: Sequence[Expression], parts: Sequence[Expression], dtype: np.dtype[Any]
) -> Expression:
    """Functions of reals that keep whole numbers as they are."""
    if name in ("floor", "ceil", "trunc", "rint"):
        return parts[0]
    if name == "sign":
        return Apply("({0} > 0) - ({0} < 0)", (parts[0],), ADD, (COMPARE + 1,))
    raise Refusal(f"`np.{name}` of {dtype} has no native form", ADVICE)


def of_math(
    name: str, dtype: np.dtype[Any], parts: Sequence[Expression], types: Sequence[ArrayType]
) -> Expression:
    """A function of `math`."""
    real = np.dtype(np.float64)
    converted = [cast(part, kind.dtype, real) for part, kind in zip(parts, types, strict=True)]
    if name in ("isnan", "isinf", "isfinite"):
        return call(f"math.{name}", *converted)
    if name == "isclose":
        return call("are_close", *converted)
    if name in ("floor", "ceil", "trunc"):
        return call("whole", call(f"np.{name}", *converted))
    if name == "cbrt":
        return call("cbrt", *converted)
    if name == "exp2":
        return call("power", Scalar("2.0"), *converted)
    if name == "log" and len(parts) == 2:
        return call("divide", call("math_log", converted[0]), call("math_log", converted[1]))
    if name in MATH_CHECKED:
        return call(f"math_{name}", *converted)
    if name in MATH_TOTAL:
        return call(f"math.{name}", *converted)
    raise Refusal(f"`math.{name}` has no native form yet", ADVICE)


def of_operator(
    name: str,
    dtype: np.dtype[Any],
    parts: Sequence[Expression],
    types: Sequence[ArrayType],
    python: bool,
) -> Expression:
    symbol, precedence = INFIX[name]
    if symbol in COMPARISONS:
        common = promote(types)
        kinds = {kind.dtype.kind for kind in types}
        if kinds == {"u", "i"} and common.kind == "f":
            raise Refusal("signed and unsigned numbers of 64 bits are compared", ADVICE)
        converted = [cast(part, kind.dtype, common) for part, kind in zip(parts, types, strict=True)]
        return infix(symbol, precedence, *converted)
    converted = [cast(part, kind.dtype, dtype) for part, kind in zip(parts, types, strict=True)]
    if dtype.kind == "b":
        if symbol in "+|":
            return infix("|", OR, *converted)
        if symbol in "*&":
            return infix("&", AND, *converted)
        return infix("^", XOR, *converted)
    if python and symbol == "/":
        return call("divide", *converted)
    if python and dtype.kind == "i" and symbol == "*" and not has_small_factor(parts):
        return call("product", *converted)
    if python and dtype.kind == "i" and symbol in "+-" and not has_small_factor(parts):
        minus = Apply("-{0}", (converted[1],), UNARY, (UNARY,))
        return call("total", converted[0], converted[1] if symbol == "+" else minus)
    made = times(dtype, *converted) if symbol == "*" else infix(symbol, precedence, *converted)
    return narrowed(made, dtype)


def has_small_factor(parts: Sequence[Expression]) -> bool:
    """Whether one operand is a constant so small that what is made of a length and it fits."""
    names = [part.name.lstrip("-") for part in parts if isinstance(part, Scalar)]
    return any(name.isdigit() and len(name) <= 3 for name in names)
