"""Operations on numbers as expressions that Numba computes as NumPy (or Python) does.

Two families: operations on Python's own numbers, which are checked (Python raises where NumPy gives inf or
nan), and NumPy's, which are computed in the dtype of the ufunc's loop: operands of other dtypes are
converted first, and results that Numba would widen are converted back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ad_compiler.analysis.types import ArrayType, promote
from ad_compiler.backends.native.nests import ATOM, Apply, Expression, Scalar
from ad_compiler.ir import Operand, Operation
from ad_compiler.refusal import Refusal

COMPARE, OR, XOR, AND, SHIFT, ADD, MULTIPLY, UNARY, POWER, TERNARY = 5, 6, 7, 8, 8, 9, 11, 12, 13, 1

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
    return Apply("{1} if {0} else {2}", (condition, then, otherwise), TERNARY, (2, 2, TERNARY))


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


ADVICE = 'use backend="numpy"'


def has_memory(kind: ArrayType) -> bool:
    """Whether Numba knows numbers of this kind: float16 and long double are none of its types."""
    width = 16 if kind.dtype.kind == "c" else 8
    is_number = kind.dtype.kind in "biufc" and kind.dtype.itemsize <= width
    return is_number and kind.dtype != np.float16 and kind.dtype.isnative


def of_complex(
    name: str, dtype: np.dtype[Any], parts: Sequence[Expression], types: Sequence[ArrayType]
) -> Expression:
    """What is the same for complex numbers in NumPy, Python and Numba."""
    if name in ("real", "imag"):
        return Apply(f"{{0}}.{name}", (parts[0],), ATOM, (ATOM,))
    if name in ("abs", "absolute"):
        return reals(dtype, call("abs", parts[0]))
    if dtype.kind == "c" and name in ("select", "where"):
        return _select(dtype, parts, types, False)
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


def reals(dtype: np.dtype[Any], part: Expression) -> Expression:
    return part if dtype == np.float64 else Apply(f"{dtype_text(dtype)}({{0}})", (part,))


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
    return narrowed(infix(symbol, precedence, *converted), dtype)


def has_small_factor(parts: Sequence[Expression]) -> bool:
    """Whether one operand is a constant so small that what is made of a length and it fits."""
    names = [part.name.lstrip("-") for part in parts if isinstance(part, Scalar)]
    return any(name.isdigit() and len(name) <= 3 for name in names)


Special = Callable[[np.dtype[Any], Sequence[Expression], Sequence[ArrayType], bool], Expression]


def all_as(dtype: np.dtype[Any], parts: Sequence[Expression], types: Sequence[ArrayType]) -> list[Expression]:
    return [cast(part, kind.dtype, dtype) for part, kind in zip(parts, types, strict=True)]


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


def _select(
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
    "select": _select,
    "where": _select,
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
