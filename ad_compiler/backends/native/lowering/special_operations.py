"""Operations on numbers whose form depends on their dtypes, or on whether they are Python's own numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ad_compiler.analysis.types import ArrayType
from ad_compiler.backends.native.nests import Apply, Expression, Scalar
from ad_compiler.backends.native.scalars import (
    ADVICE,
    COMPARE,
    MULTIPLY,
    POWER,
    TERNARY,
    UNARY,
    all_as,
    call,
    cast,
    choice,
    infix,
    narrowed,
    number,
    reals,
)
from ad_compiler.refusal import Refusal

Special = Callable[[np.dtype[Any], Sequence[Expression], Sequence[ArrayType], bool], Expression]


def _power(
    dtype: np.dtype[Any], parts: Sequence[Expression], types: Sequence[ArrayType], python: bool
) -> Expression:
    base, exponent = parts
    text = exponent.name if isinstance(exponent, Scalar) else ""
    small = text.removesuffix(".0").isdigit() and int(text.removesuffix(".0")) <= 4
    base = cast(base, types[0].dtype, dtype)
    if dtype.kind in "iu":
        if not python and small:
            return narrowed(Apply(f"{{0}} ** {text}", (base,), POWER, (POWER + 1,)), dtype)
        if dtype != np.int64:
            raise Refusal(f"powers of {dtype} have no native form", ADVICE)
        return call("whole_power", base, cast(exponent, types[1].dtype, dtype))
    if python and not small:
        return call("power", base, cast(exponent, types[1].dtype, dtype))
    if small:
        whole = int(text.removesuffix(".0"))
        if whole == 2 and isinstance(base, Scalar):
            return infix("*", MULTIPLY, base, base)
        if python and whole > 1:
            return call("power", base, number(whole, dtype))
        return reals(dtype, Apply(f"{{0}} ** {whole}", (base,), POWER, (POWER + 1,)))
    return reals(
        dtype, Apply("{0} ** {1}", (base, cast(exponent, types[1].dtype, dtype)), POWER, (POWER + 1, UNARY))
    )


def _square(
    dtype: np.dtype[Any], parts: Sequence[Expression], types: Sequence[ArrayType], python: bool
) -> Expression:
    return _power(dtype, [*parts, Scalar("2")], [*types, types[0]], False)


def _floordiv(
    dtype: np.dtype[Any], parts: Sequence[Expression], types: Sequence[ArrayType], python: bool
) -> Expression:
    converted = all_as(dtype, parts, types)
    if python:
        return call("floor_divide" if dtype.kind == "i" else "real_floor_divide_checked", *converted)
    return narrowed(
        call("real_floor_divide" if dtype.kind == "f" else "whole_floor_divide", *converted), dtype
    )


def _mod(
    dtype: np.dtype[Any], parts: Sequence[Expression], types: Sequence[ArrayType], python: bool
) -> Expression:
    converted = all_as(dtype, parts, types)
    if python:
        return call("modulo" if dtype.kind == "i" else "real_modulo_checked", *converted)
    return narrowed(call("real_modulo" if dtype.kind == "f" else "whole_modulo", *converted), dtype)


def select(
    dtype: np.dtype[Any], parts: Sequence[Expression], types: Sequence[ArrayType], python: bool
) -> Expression:
    condition = cast(parts[0], types[0].dtype, np.dtype(bool))
    return choice(condition, cast(parts[1], types[1].dtype, dtype), cast(parts[2], types[2].dtype, dtype))


def _python_extremum(symbol: str) -> Special:
    def made(
        dtype: np.dtype[Any], parts: Sequence[Expression], types: Sequence[ArrayType], python: bool
    ) -> Expression:
        a, b = all_as(dtype, parts, types)
        return Apply(f"{{1}} if {{1}} {symbol} {{0}} else {{0}}", (a, b), TERNARY, (COMPARE + 1, COMPARE + 1))

    return made


def _helper(name: str) -> Special:
    def made(
        dtype: np.dtype[Any], parts: Sequence[Expression], types: Sequence[ArrayType], python: bool
    ) -> Expression:
        return (
            reals(dtype, call(name, *all_as(dtype, parts, types)))
            if dtype.kind == "f"
            else narrowed(call(name, *all_as(dtype, parts, types)), dtype)
        )

    return made


def _neg(
    dtype: np.dtype[Any], parts: Sequence[Expression], types: Sequence[ArrayType], python: bool
) -> Expression:
    return narrowed(Apply("-{0}", (cast(parts[0], types[0].dtype, dtype),), UNARY, (UNARY,)), dtype)


def _pos(
    dtype: np.dtype[Any], parts: Sequence[Expression], types: Sequence[ArrayType], python: bool
) -> Expression:
    return cast(parts[0], types[0].dtype, dtype)


def _abs(
    dtype: np.dtype[Any], parts: Sequence[Expression], types: Sequence[ArrayType], python: bool
) -> Expression:
    return narrowed(call("abs", cast(parts[0], types[0].dtype, dtype)), dtype)


def _invert(
    dtype: np.dtype[Any], parts: Sequence[Expression], types: Sequence[ArrayType], python: bool
) -> Expression:
    if dtype.kind == "b":
        return Apply("not {0}", (parts[0],), 4, (4,))
    return narrowed(Apply("~{0}", (cast(parts[0], types[0].dtype, dtype),), UNARY, (UNARY,)), dtype)


def _not(
    dtype: np.dtype[Any], parts: Sequence[Expression], types: Sequence[ArrayType], python: bool
) -> Expression:
    return Apply("not {0}", (cast(parts[0], types[0].dtype, np.dtype(bool)),), 4, (4,))


def _logical(word: str, precedence: int) -> Special:
    def made(
        dtype: np.dtype[Any], parts: Sequence[Expression], types: Sequence[ArrayType], python: bool
    ) -> Expression:
        return infix(word, precedence, *all_as(np.dtype(bool), parts, types))

    return made


def _shift(name: str) -> Special:
    def made(
        dtype: np.dtype[Any], parts: Sequence[Expression], types: Sequence[ArrayType], python: bool
    ) -> Expression:
        if dtype != np.int64:
            raise Refusal(f"shifts of {dtype} have no native form", ADVICE)
        return call(name, *all_as(dtype, parts, types))

    return made


def _reciprocal(
    dtype: np.dtype[Any], parts: Sequence[Expression], types: Sequence[ArrayType], python: bool
) -> Expression:
    if dtype.kind != "f":
        raise Refusal("reciprocals of whole numbers have no native form", ADVICE)
    return infix("/", MULTIPLY, number(1, dtype), cast(parts[0], types[0].dtype, dtype))


def _int(
    dtype: np.dtype[Any], parts: Sequence[Expression], types: Sequence[ArrayType], python: bool
) -> Expression:
    if types[0].dtype.kind == "f":
        return call("whole", cast(parts[0], types[0].dtype, np.dtype(np.float64)))
    return cast(parts[0], types[0].dtype, np.dtype(np.int64))


def _bit_length(
    dtype: np.dtype[Any], parts: Sequence[Expression], types: Sequence[ArrayType], python: bool
) -> Expression:
    if types[0].dtype == np.uint64:
        raise Refusal("numbers of uint64 have no native form here", ADVICE)
    return call("bit_length", cast(parts[0], types[0].dtype, np.dtype(np.int64)))


def _cast(
    dtype: np.dtype[Any], parts: Sequence[Expression], types: Sequence[ArrayType], python: bool
) -> Expression:
    if dtype.kind in "iu" and types[0].dtype.kind == "f":
        part = call("whole", cast(parts[0], types[0].dtype, np.dtype(np.float64)))
        return narrowed(part, dtype)
    return cast(parts[0], types[0].dtype, dtype)


def _isclose(
    dtype: np.dtype[Any], parts: Sequence[Expression], types: Sequence[ArrayType], python: bool
) -> Expression:
    return call("is_close", *all_as(np.dtype(np.float64), parts, types))


def _around(
    dtype: np.dtype[Any], parts: Sequence[Expression], types: Sequence[ArrayType], python: bool
) -> Expression:
    if len(parts) > 1 and not (isinstance(parts[1], Scalar) and parts[1].name == "0"):
        raise Refusal("rounding to decimals has no native form", ADVICE)
    if dtype.kind != "f":
        return parts[0]
    return reals(dtype, call("np.rint", cast(parts[0], types[0].dtype, dtype)))


def _rounded(
    dtype: np.dtype[Any], parts: Sequence[Expression], types: Sequence[ArrayType], python: bool
) -> Expression:
    if len(parts) > 1 or not python:
        raise Refusal("rounding to decimals has no native form", ADVICE)
    return parts[0] if types[0].dtype.kind in "iub" else call("whole", call("np.rint", parts[0]))


SPECIAL: dict[str, Special] = {
    "bit_length": _bit_length,
    "pow": _power,
    "power": _power,
    "square": _square,
    "floordiv": _floordiv,
    "floor_divide": _floordiv,
    "mod": _mod,
    "remainder": _mod,
    "select": select,
    "where": select,
    "max": _python_extremum(">"),
    "min": _python_extremum("<"),
    "maximum": _helper("maximum"),
    "minimum": _helper("minimum"),
    "neg": _neg,
    "negative": _neg,
    "pos": _pos,
    "positive": _pos,
    "abs": _abs,
    "absolute": _abs,
    "fabs": _abs,
    "invert": _invert,
    "not": _not,
    "logical_not": _not,
    "logical_and": _logical("and", 3),
    "logical_or": _logical("or", 2),
    "logical_xor": _logical("!=", COMPARE),
    "lshift": _shift("shifted_left"),
    "left_shift": _shift("shifted_left"),
    "rshift": _shift("shifted_right"),
    "right_shift": _shift("shifted_right"),
    "reciprocal": _reciprocal,
    "int": _int,
    "bool": _cast,
    "float": _cast,
    "astype": _cast,
    "float64": _cast,
    "float32": _cast,
    "real": _pos,
    "conjugate": _pos,
    "isclose": _isclose,
    "around": _around,
    "round": _around,
    "rounded": _rounded,
    "fix": lambda dtype, parts, types, python: call("np.trunc", *all_as(dtype, parts, types)),
}
