"""Rules of `scipy.signal`: convolutions, recursive filters, trends.

A convolution of arrays of any rank is a part of the full one, whose cotangents are correlations where the
factors overlap in full. A recursive filter solves `A y = B x` with Toeplitz matrices of its coefficients, and
is pulled back by the filter that runs from the end: Oppenheim and Schafer, Discrete-Time Signal Processing
(2010), chapter 6, for the filter; its transpose is that of the matrices.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import signal

from ad_compiler.analysis.types import ArrayType, Length, promote
from ad_compiler.refusal import Refusal
from ad_compiler.rules.notation import at_compile_time, definition, rule
from ad_compiler.rules.shapes import rank_of, type_of
from ad_compiler.rules.solving import conjugated, real_dtype


def full_type(a: Any, v: Any) -> ArrayType:
    left, right = type_of(a), type_of(v)
    if left.rank != right.rank:
        raise Refusal("arrays of different ranks are convolved", "give both the same rank")
    return ArrayType(promote([left, right]), tuple([Length(object(), may_be_one=True) for _ in left.shape]))


def full_convolution(a: Any, v: Any) -> Any:
    """`scipy.signal.convolve(a, v)`."""


@rule(full_convolution, infer=full_type, text="scipy.signal.convolve", name="convolve", complex=True)
def convolved(a: Any, v: Any, *, g: Any) -> Any:
    return full_overlap(g, v), full_overlap(g, a)


def full_overlap(g: Any, factor: Any) -> Any:
    """The products where the factor lies inside of `g`; `correlate` conjugates it."""
    return signal.correlate(g, conjugated(factor), "valid")


def turned(a: Any) -> Any:
    """What a correlation convolves with."""
    return np.flip(conjugated(a))


def part(full: Any, a: Any, v: Any, mode: Any) -> Any:
    """The part of a full convolution that a mode asks for: "same" is as large as the first factor."""
    if mode == "full":
        return full
    return full[window(a, v, mode, tuple([(m, n) for m, n in zip(np.shape(a), np.shape(v))]))]  # noqa: B905


def bounds(m: Any, n: Any, mode: Any) -> Any:
    if mode == "same":
        start = (n - 1) // 2
        return slice(start, start + m)
    start = np.minimum(m, n) - 1
    return slice(start, np.maximum(m, n))


def window(a: Any, v: Any, mode: Any, lengths: Any) -> Any:
    check_mode(mode)
    return tuple([bounds(m, n, mode) for m, n in lengths])


@at_compile_time
def check_mode(mode: Any) -> None:
    if mode not in ("full", "same", "valid"):
        raise Refusal(f"the mode {mode!r} of a convolution is not known", 'use "full", "same" or "valid"')


@definition(signal.convolve, complex=True)
def convolve(in1: Any, in2: Any, mode: Any = "full", method: Any = "auto") -> Any:
    return part(full_convolution(in1, in2), in1, in2, mode)


@definition(signal.fftconvolve, signal.oaconvolve, signal.convolve2d, complex=True)
def convolve_by_another_method(in1: Any, in2: Any, mode: Any = "full") -> Any:
    return part(full_convolution(in1, in2), in1, in2, mode)


@definition(signal.correlate, complex=True)
def correlate(in1: Any, in2: Any, mode: Any = "full", method: Any = "auto") -> Any:
    return part(full_convolution(in1, turned(in2)), in1, in2, mode)


@definition(signal.correlate2d, complex=True)
def correlate2d(in1: Any, in2: Any, mode: Any = "full") -> Any:
    return part(full_convolution(in1, turned(in2)), in1, in2, mode)


# --- recursive filters ---


def filter_type(b: Any, a: Any, x: Any, axis: Any = -1) -> ArrayType:
    kinds = [type_of(each) for each in (b, a, x)]
    if kinds[0].rank != 1 or kinds[1].rank != 1:
        raise Refusal("the coefficients of a filter are no vectors", "give it vectors")
    return ArrayType(np.result_type(*[real_dtype(kind) for kind in kinds]), kinds[2].shape)


@rule(signal.lfilter, infer=filter_type, differentiable=("b", "a", "x"), complex=True)
def lfilter(b: Any, a: Any, x: Any, axis: Any = -1, *, y: Any, g: Any) -> Any:
    b, a = np.asarray(b), np.asarray(a)
    residual = from_the_end(np.ones(1, a.dtype), a, g, axis)
    return (
        delayed_products(residual, x, np.shape(b)[0], axis),
        -delayed_products(residual, y, np.shape(a)[0], axis),
        from_the_end(b, np.ones(1, b.dtype), residual, axis),
    )


def from_the_end(b: Any, a: Any, x: Any, axis: Any) -> Any:
    return np.flip(signal.lfilter(b, a, np.flip(x, axis), axis), axis)


def delayed_products(g: Any, x: Any, number: Any, axis: Any) -> Any:
    """`sum(g[n] * x[n - k])` for every delay `k`."""
    rows, weights = np.moveaxis(x, axis, -1), np.moveaxis(g, axis, -1)
    n = np.shape(rows)[-1]
    places = np.arange(n)[:, None] - np.arange(number)
    delayed = np.where(places >= 0, rows[..., np.maximum(places, 0)], 0.0)
    return np.sum(weights[..., None] * delayed, axis=all_of(x))


@at_compile_time
def all_of(x: Any) -> tuple[int, ...]:
    return tuple(range(rank_of(x)))


# --- trends ---


@definition(signal.detrend)
def detrend(data: Any, axis: Any = -1, type: Any = "linear") -> Any:
    check_trend(type)
    rows = np.moveaxis(np.asarray(data), axis, -1)
    centred = rows - np.mean(rows, axis=-1, keepdims=True)
    if type in ("constant", "c"):
        return np.moveaxis(centred, -1, axis)
    n = np.shape(rows)[-1]
    ramp = np.arange(n) - 0.5 * (n - 1)
    slope = np.sum(centred * ramp, axis=-1, keepdims=True) / np.maximum(np.sum(ramp * ramp), 0.5)
    return np.moveaxis((centred - slope * ramp).astype(centred.dtype), -1, axis)


@at_compile_time
def check_trend(type: Any) -> None:
    if type not in ("linear", "l", "constant", "c"):
        raise Refusal(f"a trend of the type {type!r} is not known", 'use "linear" or "constant"')
