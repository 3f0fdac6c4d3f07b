"""Rules of Fourier transforms.

The matrix of a transform is symmetric, so that it is its own transpose: a cotangent is pulled back by the
transform itself. A real transform is a part of the complex one, and its inverse counts all coefficients but
the first (and the middle one) twice, for those that it leaves out. Transforms along several axes are done one
by one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ad_compiler.analysis.types import ArrayType, Axis, Length, representative
from ad_compiler.refusal import Refusal
from ad_compiler.rules.indexing import index_add
from ad_compiler.rules.notation import at_compile_time, constant, definition, linear, written_out
from ad_compiler.rules.rearranging import slice_along
from ad_compiler.rules.shapes import axis_from_operand, normalized_axes, rank_of, type_of

SWAPPED = {None: "forward", "backward": "forward", "ortho": "ortho", "forward": "backward"}


def complex_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of a transform: single precision stays so."""
    return np.result_type(dtype if dtype.kind in "fc" else np.float64, np.complex64)


def with_length(kind: ArrayType, axis: Any, n: Axis, dtype: np.dtype[Any]) -> ArrayType:
    (place,) = normalized_axes(axis, kind.rank)
    return ArrayType(dtype, (*kind.shape[:place], n, *kind.shape[place + 1 :]))


def length_of(a: Any, n: Any, axis: Any) -> Axis:
    kind = type_of(a)
    (place,) = normalized_axes(axis, kind.rank)
    return representative(kind.shape[place]) if n is None else axis_from_operand(n)


def fft_type(a: Any, n: Any = None, axis: Any = -1, norm: Any = None) -> ArrayType:
    kind = type_of(a)
    return with_length(kind, axis, length_of(a, n, axis), complex_dtype(kind.dtype))


def rfft_type(a: Any, n: Any = None, axis: Any = -1, norm: Any = None) -> ArrayType:
    kind = type_of(a)
    if kind.dtype.kind == "c":
        raise Refusal("a real Fourier transform is given complex numbers", "use `np.fft.fft`")
    total = length_of(a, n, axis)
    half = total // 2 + 1 if isinstance(total, int) else Length(("half", total), may_be_one=True)
    return with_length(kind, axis, half, complex_dtype(kind.dtype))


def irfft_type(a: Any, n: Any = None, axis: Any = -1, norm: Any = None) -> ArrayType:
    kind = type_of(a)
    given = length_of(a, n, axis)
    if n is None:
        given = 2 * (given - 1) if isinstance(given, int) else Length(("double", given), may_be_one=True)
    return with_length(kind, axis, given, complex_dtype(kind.dtype).type(0).real.dtype)


@linear(np.fft.fft, infer=fft_type, complex=True)
def fft(a: Any, n: Any = None, axis: Any = -1, norm: Any = None, *, g: Any) -> Any:
    return cut_to(np.fft.fft(g, axis=axis, norm=norm), a, n, axis)


@linear(np.fft.ifft, infer=fft_type, complex=True)
def ifft(a: Any, n: Any = None, axis: Any = -1, norm: Any = None, *, g: Any) -> Any:
    return cut_to(np.fft.ifft(g, axis=axis, norm=norm), a, n, axis)


@linear(np.fft.rfft, infer=rfft_type, complex=True)
def rfft(a: Any, n: Any = None, axis: Any = -1, norm: Any = None, *, g: Any) -> Any:
    number = np.shape(a)[axis] if n is None else n
    return cut_to(np.fft.fft(g, number, axis, norm).real, a, n, axis)


@linear(np.fft.irfft, infer=irfft_type, complex=True)
def irfft(a: Any, n: Any = None, axis: Any = -1, norm: Any = None, *, g: Any) -> Any:
    number = np.shape(g)[axis]
    places = np.arange(number // 2 + 1)
    counted = np.where((places == 0) | (2 * places == number), 1.0, 2.0).astype(np.asarray(g).dtype)
    half = np.fft.ifft(g, axis=axis, norm=norm)[slice_along(g, axis, None, number // 2 + 1)]
    return cut_to(half * np.reshape(counted, vector_along(g, axis)), a, n, axis)


@at_compile_time
def vector_along(a: Any, axis: Any) -> tuple[int, ...]:
    (place,) = normalized_axes(axis, rank_of(a))
    return tuple(-1 if i == place else 1 for i in range(rank_of(a)))


def cut_to(g: Any, a: Any, n: Any, axis: Any) -> Any:
    """What belongs to `a`, which was cut or filled with zeros to the length `n`."""
    if n is None:
        return g
    number = np.minimum(np.shape(a)[axis], np.shape(g)[axis])
    kept = slice_along(g, axis, None, number)
    return index_add(np.zeros(np.shape(a), g.dtype), kept, g[kept])


@at_compile_time
def lengths_and_axes(a: Any, s: Any, axes: Any) -> list[tuple[Any, int]]:
    """The length and the axis of every transform, in the order in which they are done."""
    rank = rank_of(a)
    if axes is None:
        places = tuple(range(rank)) if s is None else tuple(range(rank - len(s), rank))
    else:
        places = tuple(axis % rank for axis in axes)
    lengths = (None,) * len(places) if s is None else tuple(s)
    if len(lengths) != len(places):
        raise Refusal("there are not as many lengths as axes", "give one length for each axis")
    return list(zip(lengths, places, strict=True))[::-1]


def transformed(transform: Any, a: Any, steps: Any, norm: Any) -> Any:
    if len(steps) == 0:
        return a
    n, axis = steps[0]
    return transformed(transform, transform(a, n, axis, norm), steps[1:], norm)


@definition(np.fft.fftn, structures=("s", "axes"), complex=True)
def fftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None) -> Any:
    return transformed(np.fft.fft, a, lengths_and_axes(a, s, axes), norm)


@definition(np.fft.ifftn, structures=("s", "axes"), complex=True)
def ifftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None) -> Any:
    return transformed(np.fft.ifft, a, lengths_and_axes(a, s, axes), norm)


@definition(np.fft.fft2, structures=("s", "axes"), complex=True)
def fft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None) -> Any:
    return fftn(a, s, axes, norm)


@definition(np.fft.ifft2, structures=("s", "axes"), complex=True)
def ifft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None) -> Any:
    return ifftn(a, s, axes, norm)


@definition(np.fft.rfftn, structures=("s", "axes"), complex=True)
def rfftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None) -> Any:
    steps = lengths_and_axes(a, s, axes)
    n, axis = steps[0]
    return transformed(np.fft.fft, np.fft.rfft(a, n, axis, norm), steps[1:], norm)


@definition(np.fft.rfft2, structures=("s", "axes"), complex=True)
def rfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None) -> Any:
    return rfftn(a, s, axes, norm)


@definition(np.fft.irfftn, structures=("s", "axes"), complex=True)
def irfftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None) -> Any:
    steps = lengths_and_axes(a, s, axes)
    n, axis = steps[0]
    return np.fft.irfft(transformed(np.fft.ifft, a, steps[1:], norm), n, axis, norm)


@definition(np.fft.irfft2, structures=("s", "axes"), complex=True)
def irfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None) -> Any:
    return irfftn(a, s, axes, norm)


@at_compile_time
def swapped(norm: Any) -> Any:
    return SWAPPED[norm]


@definition(np.fft.hfft, complex=True)
def hfft(a: Any, n: Any = None, axis: Any = -1, norm: Any = None) -> Any:
    return np.fft.irfft(np.conj(a), n, axis, swapped(norm))


@definition(np.fft.ihfft, complex=True)
def ihfft(a: Any, n: Any = None, axis: Any = -1, norm: Any = None) -> Any:
    return np.conj(np.fft.rfft(a, n, axis, swapped(norm)))


@at_compile_time
def every_axis(x: Any, axes: Any) -> tuple[int, ...]:
    return normalized_axes(axes, rank_of(x))


def rolled(x: Any, axes: Any, forwards: Any) -> Any:
    if len(axes) == 0:
        return x
    n = np.shape(x)[axes[0]]
    return rolled(np.roll(x, n // 2 if forwards else -(n // 2), axes[0]), axes[1:], forwards)


@definition(np.fft.fftshift, structures=("axes",), complex=True)
def fftshift(x: Any, axes: Any = None) -> Any:
    return rolled(x, every_axis(x, axes), True)


@definition(np.fft.ifftshift, structures=("axes",), complex=True)
def ifftshift(x: Any, axes: Any = None) -> Any:
    return rolled(x, every_axis(x, axes), False)


def frequencies(n: Any) -> Any:
    """`np.fft.fftfreq` of samples at distance 1."""


def real_frequencies(n: Any) -> Any:
    """`np.fft.rfftfreq` of samples at distance 1."""


@constant(
    frequencies,
    infer=lambda n: ArrayType(np.dtype(np.float64), (axis_from_operand(n),)),
    text="np.fft.fftfreq",
    name="fftfreq",
)
@constant(
    real_frequencies,
    infer=lambda n: half_type(n),
    text="np.fft.rfftfreq",
    name="rfftfreq",
)
def frequency(n: Any) -> None: ...


def half_type(n: Any) -> ArrayType:
    total = axis_from_operand(n)
    half = total // 2 + 1 if isinstance(total, int) else Length(("half", total), may_be_one=True)
    return ArrayType(np.dtype(np.float64), (half,))


@written_out(np.fft.fftfreq)
def fftfreq(n: Any, d: Any = 1.0) -> Any:
    return frequencies(n) / d


@written_out(np.fft.rfftfreq)
def rfftfreq(n: Any, d: Any = 1.0) -> Any:
    return real_frequencies(n) / d
