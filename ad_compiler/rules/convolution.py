"""Rules of convolutions of vectors: the cotangents are correlations with the other factor.

With `y[k] = sum(a[i] * v[k - i])` the cotangent of `a` at i is the sum of `g[k] * v[k - i]`, and so is that
of `v`. A convolution that is not "full" is a part of the full one. A correlation conjugates its second
factor.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ad_compiler.analysis.types import ArrayType, Length, promote
from ad_compiler.refusal import Refusal
from ad_compiler.rules.notation import at_compile_time, definition, rule
from ad_compiler.rules.shapes import rank_of, type_of
from ad_compiler.rules.solving import conjugated


def full_type(a: Any, v: Any, mode: Any = "full") -> ArrayType:
    return ArrayType(promote([type_of(a), type_of(v)]), (Length(object(), may_be_one=True),))


def full_convolution(a: Any, v: Any) -> Any:
    """`np.convolve(a, v)`."""


def full_correlation(a: Any, v: Any) -> Any:
    """`np.correlate(a, v)` where `a` is at least as long as `v`, as far as they overlap in full."""


@rule(full_convolution, infer=full_type, text="np.convolve", name="convolve", complex=True)
def convolved(a: Any, v: Any, *, g: Any) -> Any:
    return full_correlation(g, conjugated(v)), full_correlation(g, conjugated(a))


@rule(full_correlation, infer=full_type, text="np.correlate", name="correlate", complex=True)
def correlated(a: Any, v: Any, *, g: Any) -> Any:
    return full_convolution(g, conjugated(v)), full_correlation(conjugated(a), g)


@at_compile_time
def check_vectors(a: Any, v: Any, mode: Any) -> None:
    if rank_of(a) > 1 or rank_of(v) > 1:
        raise Refusal("a convolution of arrays that are no vectors", "give it vectors")
    if mode not in ("full", "same", "valid"):
        raise Refusal(f"the mode {mode!r} of a convolution is not known", 'use "full", "same" or "valid"')


def part_of_full(full: Any, longer: Any, shorter: Any, before: Any, mode: Any) -> Any:
    if mode == "full":
        return full
    if mode == "same":
        return full[before : before + longer]
    return full[shorter - 1 : longer]


@definition(np.convolve, complex=True)
def convolve(a: Any, v: Any, mode: Any = "full") -> Any:
    check_vectors(a, v, mode)
    longer, shorter = np.maximum(np.size(a), np.size(v)), np.minimum(np.size(a), np.size(v))
    return part_of_full(
        full_convolution(np.atleast_1d(a), np.atleast_1d(v)), longer, shorter, (shorter - 1) // 2, mode
    )


@definition(np.correlate, complex=True)
def correlate(a: Any, v: Any, mode: Any = "valid") -> Any:
    check_vectors(a, v, mode)
    longer, shorter = np.maximum(np.size(a), np.size(v)), np.minimum(np.size(a), np.size(v))
    before = np.where(np.size(a) >= np.size(v), (shorter - 1) // 2, shorter // 2)
    full = full_convolution(np.atleast_1d(a), np.flip(conjugated(np.atleast_1d(v))))
    return part_of_full(full, longer, shorter, before, mode)
