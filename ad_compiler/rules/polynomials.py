"""Polynomials by their coefficients, the highest power first, as NumPy's older functions have them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ad_compiler.analysis.types import promote
from ad_compiler.refusal import Refusal
from ad_compiler.rules.notation import at_compile_time, definition, written_out
from ad_compiler.rules.shapes import is_complex, type_of


@definition(np.polyval, complex=True)
def polyval(p: Any, x: Any) -> Any:
    degree = np.shape(p)[0] - 1
    powers = np.asarray(x)[..., None] ** (degree - np.arange(degree + 1))
    return np.sum(p * powers, axis=-1).astype(common_dtype(p, x))


@at_compile_time
def common_dtype(p: Any, x: Any) -> np.dtype[Any]:
    return promote([type_of(p), type_of(x)])


@definition(np.vander, complex=True)
def vander(x: Any, N: Any = None, increasing: Any = False) -> Any:
    number = np.shape(x)[0] if N is None else N
    powers = np.arange(number)
    return x[:, None] ** (powers if increasing else number - 1 - powers)


@definition(np.polyadd, complex=True)
def polyadd(a1: Any, a2: Any) -> Any:
    longest = np.maximum(np.shape(a1)[0], np.shape(a2)[0])
    return filled(a1, longest) + filled(a2, longest)


@definition(np.polysub, complex=True)
def polysub(a1: Any, a2: Any) -> Any:
    longest = np.maximum(np.shape(a1)[0], np.shape(a2)[0])
    return filled(a1, longest) - filled(a2, longest)


def filled(p: Any, number: Any) -> Any:
    """The coefficients with zeros in front, `number` of them in all."""
    return np.concatenate([np.zeros(number - np.shape(p)[0], dtype=np.asarray(p).dtype), p])


@definition(np.polymul, complex=True)
def polymul(a1: Any, a2: Any) -> Any:
    return np.convolve(a1, a2)


@definition(np.polyder, complex=True)
def polyder(p: Any, m: Any = 1) -> Any:
    check_times(m)
    degree = np.shape(p)[0] - 1
    once = p[:-1] * (degree - np.arange(degree))
    return once if m == 1 else polyder(once, m - 1)


@at_compile_time
def check_times(m: Any) -> None:
    if not isinstance(m, int) or m < 1:
        raise Refusal(f"a polynomial is differentiated or integrated {m!r} times", "do it once or more often")


@definition(np.polyint, complex=True)
def polyint(p: Any, m: Any = 1, k: Any = None) -> Any:
    check_times(m)
    check_constant(k, m)
    number = np.shape(p)[0]
    last = np.zeros(1) if k is None else np.reshape(k, (1,))
    once = np.concatenate([p / (number - np.arange(number)), last])
    return once if m == 1 else polyint(once, m - 1)


@at_compile_time
def check_constant(k: Any, m: int) -> None:
    if k is not None and m != 1:
        raise Refusal("`np.polyint` with constants of several integrations", "integrate once, several times")


@definition(np.polyfit)
def polyfit(x: Any, y: Any, deg: Any, w: Any = None) -> Any:
    powers = vander(x, deg + 1)
    if w is not None:
        powers = powers * w[:, None]
        y = y * w if np.ndim(y) == 1 else y * w[:, None]
    scale = np.sqrt(np.sum(powers * powers, axis=0))
    found = np.linalg.pinv(powers / scale) @ y
    return found / scale if np.ndim(y) == 1 else found / scale[:, None]


@at_compile_time
def require_real_zeros(zeros: Any) -> None:
    if is_complex(zeros):
        raise Refusal(
            "`np.poly` gives complex coefficients, or real ones where the zeros are in conjugate pairs",
            "multiply the factors by `np.convolve`",
        )


@written_out(np.poly)
def poly(seq_of_zeros: Any) -> Any:
    require_real_zeros(seq_of_zeros)
    product = np.ones(1, seq_of_zeros.dtype)
    for zero in seq_of_zeros:
        product = np.convolve(product, np.stack([1.0, -zero]).astype(seq_of_zeros.dtype))
    return product
