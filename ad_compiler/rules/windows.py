"""Windows of signal processing, and the Bessel function that one of them is made of.

Source: NIST Digital Library of Mathematical Functions, 10.29 (the derivative of I0 is I1), 10.32.3 (the
integral for I1, which the trapezoidal rule gives to rounding) and 10.40.1 (its expansion for large
arguments).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ad_compiler.analysis.types import ArrayType
from ad_compiler.rules.notation import constant, definition, elementwise
from ad_compiler.rules.shapes import axis_if_not_negative, mean_type


def window_type(M: Any) -> ArrayType:
    return ArrayType(np.dtype(np.float64), (axis_if_not_negative(M),))


@constant(np.bartlett, np.blackman, np.hamming, np.hanning, infer=window_type)
def window(M: Any) -> None: ...


@elementwise(np.i0, infer=lambda x: mean_type(x, ()))
def i0(x: Any) -> Any:
    return bessel_i1(x)


def bessel_i1(x: Any) -> Any:
    size = np.abs(x)
    cosines = np.cos(np.pi / 64 * (np.arange(64) + 0.5))
    small = np.mean(np.exp(np.minimum(size, 30.0)[..., None] * cosines) * cosines, axis=-1)
    t = 1 / np.maximum(size, 30.0)
    series = 1 - t * 3 / 8 * (
        1
        + t
        * 5
        / 16
        * (
            1
            + t
            * 21
            / 24
            * (
                1
                + t
                * 45
                / 32
                * (
                    1
                    + t
                    * 77
                    / 40
                    * (
                        1
                        + t
                        * 117
                        / 48
                        * (1 + t * 165 / 56 * (1 + t * 221 / 64 * (1 + t * 285 / 72 * (1 + t * 357 / 80))))
                    )
                )
            )
        )
    )
    large = np.exp(size) * np.sqrt(t / (2 * np.pi)) * series
    return np.sign(x) * np.where(size < 30.0, small, large)


@definition(np.kaiser)
def kaiser(M: Any, beta: Any) -> Any:
    if M == 1:
        return np.ones(1)
    middle = (M - 1) / 2.0
    places = (np.arange(M) - middle) / middle
    return np.i0(beta * np.sqrt(1 - places * places)) / np.i0(beta)
