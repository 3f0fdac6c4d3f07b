"""Rules of `scipy.fft`: its Fourier transforms are NumPy's; cosine and sine transforms are linear.

The transpose of a transform of type 2 is one of type 3, but for the weight of one coefficient, and the other
way round; types 1 and 4 are symmetric, again up to weights. With `norm="ortho"` all are orthogonal. Source:
Martucci, Symmetric convolution and the discrete sine and cosine transforms (1994), with SciPy's weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import fft

from ad_compiler.analysis.types import ArrayType
from ad_compiler.refusal import Refusal
from ad_compiler.rules.notation import at_compile_time, linear, written_out
from ad_compiler.rules.scipy_ndimage import along
from ad_compiler.rules.shapes import normalized_axes, rank_of, type_of
from ad_compiler.rules.solving import real_dtype

TRANSPOSED: dict[int, int] = {1: 1, 2: 3, 3: 2, 4: 4}
INVERSE_NORM: dict[str | None, str] = {
    None: "forward",
    "backward": "forward",
    "forward": "backward",
    "ortho": "ortho",
}


def transform_type(x: Any, type: Any = 2, n: Any = None, axis: Any = -1, norm: Any = None) -> ArrayType:
    kind = type_of(x)
    if type not in TRANSPOSED or norm not in INVERSE_NORM:
        raise Refusal(f"a transform of type {type!r} with the norm {norm!r} is not known", "use type=2")
    if n is not None:
        raise Refusal("a cosine or sine transform of another length has no rule", "pad or cut the array")
    normalized_axes(axis, kind.rank)
    return ArrayType(real_dtype(kind), kind.shape)


def weights(g: Any, axis: Any, place: Any, weight: Any) -> Any:
    """1 everywhere but at one place along an axis, counted from either end."""
    n = np.shape(g)[axis]
    at = n + place if place < 0 else place
    return np.reshape(np.where(np.arange(n) == at, weight, 1.0), along(g, axis))


@linear(fft.dct, infer=transform_type, complex=True)
def dct(x: Any, type: Any = 2, n: Any = None, axis: Any = -1, norm: Any = None, *, g: Any) -> Any:
    if type == 4 or norm == "ortho":
        return fft.dct(g, transposed_type(type), None, axis, norm)
    if type == 1:
        ends = weights(g, axis, 0, 0.5) * weights(g, axis, -1, 0.5)
        return fft.dct(g / ends, 1, None, axis, norm) * ends
    if type == 2:
        return fft.dct(g * weights(g, axis, 0, 2.0), 3, None, axis, norm)
    return fft.dct(g, 2, None, axis, norm) * weights(g, axis, 0, 0.5)


@linear(fft.dst, infer=transform_type, complex=True)
def dst(x: Any, type: Any = 2, n: Any = None, axis: Any = -1, norm: Any = None, *, g: Any) -> Any:
    if type in (1, 4) or norm == "ortho":
        return fft.dst(g, transposed_type(type), None, axis, norm)
    if type == 2:
        return fft.dst(g * weights(g, axis, -1, 2.0), 3, None, axis, norm)
    return fft.dst(g, 2, None, axis, norm) * weights(g, axis, -1, 0.5)


@at_compile_time
def transposed_type(type: int) -> int:
    return TRANSPOSED[type]


@at_compile_time
def inverse_norm(norm: str | None) -> str:
    return INVERSE_NORM[norm]


@at_compile_time
def every(x: Any, axes: Any) -> tuple[int, ...]:
    return normalized_axes(axes, rank_of(x))


@written_out(fft.idct)
def idct(x: Any, type: Any = 2, n: Any = None, axis: Any = -1, norm: Any = None) -> Any:
    return fft.dct(x, transposed_type(type), n, axis, inverse_norm(norm))


@written_out(fft.idst)
def idst(x: Any, type: Any = 2, n: Any = None, axis: Any = -1, norm: Any = None) -> Any:
    return fft.dst(x, transposed_type(type), n, axis, inverse_norm(norm))


@written_out(fft.dctn)
def dctn(x: Any, type: Any = 2, s: Any = None, axes: Any = None, norm: Any = None) -> Any:
    result = x
    for axis in every(x, axes):
        result = fft.dct(result, type, s, axis, norm)
    return result


@written_out(fft.idctn)
def idctn(x: Any, type: Any = 2, s: Any = None, axes: Any = None, norm: Any = None) -> Any:
    return dctn(x, transposed_type(type), s, axes, inverse_norm(norm))


@written_out(fft.fft)
def fft_of(x: Any, n: Any = None, axis: Any = -1, norm: Any = None) -> Any:
    return np.fft.fft(x, n, axis, norm)


@written_out(fft.ifft)
def ifft(x: Any, n: Any = None, axis: Any = -1, norm: Any = None) -> Any:
    return np.fft.ifft(x, n, axis, norm)


@written_out(fft.rfft)
def rfft(x: Any, n: Any = None, axis: Any = -1, norm: Any = None) -> Any:
    return np.fft.rfft(x, n, axis, norm)


@written_out(fft.irfft)
def irfft(x: Any, n: Any = None, axis: Any = -1, norm: Any = None) -> Any:
    return np.fft.irfft(x, n, axis, norm)


@written_out(fft.fft2)
def fft2(x: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None) -> Any:
    return np.fft.fft2(x, s, axes, norm)


@written_out(fft.ifft2)
def ifft2(x: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None) -> Any:
    return np.fft.ifft2(x, s, axes, norm)


@written_out(fft.fftn)
def fftn(x: Any, s: Any = None, axes: Any = None, norm: Any = None) -> Any:
    return np.fft.fftn(x, s, axes, norm)


@written_out(fft.ifftn)
def ifftn(x: Any, s: Any = None, axes: Any = None, norm: Any = None) -> Any:
    return np.fft.ifftn(x, s, axes, norm)
