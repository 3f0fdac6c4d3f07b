"""Numbers as expressions: constants, conversions between dtypes, and how tightly operators bind."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from ad_compiler.analysis.types import ArrayType
from ad_compiler.backends.native.nests import ATOM, Apply, Expression, Scalar
from ad_compiler.refusal import Refusal

COMPARE, OR, XOR, AND, SHIFT, ADD, MULTIPLY, UNARY, POWER, TERNARY = 5, 6, 7, 8, 8, 9, 11, 12, 13, 1
CHOICE = "{1} if {0} else {2}"
LITERAL = re.compile(r"-?\d+(\.\d+|(\.\d+)?e[-+]?\d+)")


def dtype_text(dtype: np.dtype[Any]) -> str:
    return "np.bool_" if dtype.kind == "b" else f"np.{dtype.name}"


def number(value: Any, dtype: np.dtype[Any]) -> Expression:
    """A constant of this dtype."""
    if dtype.kind == "b":
        return Scalar(str(bool(value)))
    if dtype.kind in "iu":
        whole = int(value)
        if not -(2**63) <= whole < 2**63:
            raise Refusal(f"the whole number {whole} needs more than 64 bits", "use a real number")
        text = Scalar(str(whole), ATOM if whole >= 0 else UNARY)
        return text if dtype == np.int64 else Scalar(f"{dtype_text(dtype)}({whole})")
    if dtype.kind == "c":
        parts = [number(part, np.dtype(np.float64)) for part in (complex(value).real, complex(value).imag)]
        pair = Apply("complex({0}, {1})", tuple(parts))
        return pair if dtype == np.complex128 else Apply("np.complex64({0})", (pair,))
    real = float(value)
    if np.isnan(real):
        text = Scalar("np.nan")
    elif np.isinf(real):
        text = Scalar("np.inf") if real > 0 else Scalar("-np.inf", UNARY)
    else:
        text = Scalar(repr(real), ATOM if not repr(real).startswith("-") else UNARY)
    return text if dtype == np.float64 else Scalar(f"{dtype_text(dtype)}({text.name})")


def cast(part: Expression, from_: np.dtype[Any], to: np.dtype[Any]) -> Expression:
    """Converted to another dtype, if it is not of it already."""
    if from_ == to:
        return part
    if to.kind == "b":
        return Apply("{0} != 0", (part,), COMPARE, (COMPARE + 1,))
    if from_.kind == "c" and to.kind != "c":
        raise Refusal("a complex number becomes a real one", "take its real part")
    if isinstance(part, Scalar) and to.kind == "f" and part.name.lstrip("-").isdigit():
        return number(int(part.name), to)
    return Apply(f"{dtype_text(to)}({{0}})", (part,))


def narrowed(part: Expression, dtype: np.dtype[Any]) -> Expression:
    """Converted back to a dtype that Numba computes in a wider one."""
    if (dtype.kind in "iu" and dtype != np.int64) or dtype == np.complex64:
        return Apply(f"{dtype_text(dtype)}({{0}})", (part,))
    return part


def infix(symbol: str, precedence: int, a: Expression, b: Expression) -> Expression:
    left = precedence + 1 if precedence == COMPARE else precedence
    return Apply(f"{{0}} {symbol} {{1}}", (a, b), precedence, (left, precedence + 1))


def call(name: str, *parts: Expression) -> Expression:
    return Apply(f"{name}({', '.join(f'{{{i}}}' for i in range(len(parts)))})", parts)


def choice(condition: Expression, then: Expression, otherwise: Expression) -> Expression:
    return Apply(CHOICE, (condition, then, otherwise), TERNARY, (2, 2, TERNARY))


def literal(part: Expression) -> float | None:
    """The number of type float64 that is written there; None where there is none."""
    return float(part.name) if isinstance(part, Scalar) and LITERAL.fullmatch(part.name) else None


def times(dtype: np.dtype[Any], a: Expression, b: Expression) -> Expression:
    """The product of two numbers of a dtype; a real one goes into a choice of numbers, where that is exact.

    >>> from ad_compiler.backends.native.nests import text_of
    >>> identity = choice(Scalar("is_diagonal"), Scalar("1.0"), Scalar("0.0"))
    >>> text_of(times(np.dtype(np.float64), Scalar("2.5"), identity))
    '2.5 if is_diagonal else 0.0'
    """
    if dtype == np.float64:
        for factor, other in ((literal(a), b), (literal(b), a)):
            product = None if factor is None else scaled(factor, other)
            if product is not None:
                return product
    return infix("&", AND, a, b) if dtype.kind == "b" else infix("*", MULTIPLY, a, b)


def scaled(factor: float, part: Expression) -> Expression | None:
    """A product that nothing is left to do for, and that is not rounded; None where there is none."""
    known = literal(part)
    if known is not None:
        product = factor * known
        is_exact = np.isfinite(product) and Fraction(product) == Fraction(factor) * Fraction(known)
        return number(product, np.dtype(np.float64)) if is_exact else None
    if factor == 1:
        return part
    if not isinstance(part, Apply) or part.form != CHOICE:
        return None
    then, otherwise = (scaled(factor, each) for each in part.parts[1:])
    return None if then is None or otherwise is None else choice(part.parts[0], then, otherwise)


ADVICE = 'use backend="numpy"'


def has_memory(kind: ArrayType) -> bool:
    """Whether Numba knows numbers of this kind: float16 and long double are none of its types."""
    width = 16 if kind.dtype.kind == "c" else 8
    is_number = kind.dtype.kind in "biufc" and kind.dtype.itemsize <= width
    return is_number and kind.dtype != np.float16 and kind.dtype.isnative


def reals(dtype: np.dtype[Any], part: Expression) -> Expression:
    return part if dtype == np.float64 else Apply(f"{dtype_text(dtype)}({{0}})", (part,))


def all_as(dtype: np.dtype[Any], parts: Sequence[Expression], types: Sequence[ArrayType]) -> list[Expression]:
    return [cast(part, kind.dtype, dtype) for part, kind in zip(parts, types, strict=True)]
