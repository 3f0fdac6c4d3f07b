"""Functions that NumPy took from the array API standard: other names, or other defaults, of known ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from ad_compiler.rules.notation import written_out


@written_out(np.linalg.cross)
def cross(x1: Any, x2: Any, /, *, axis: Any = -1) -> Any:
    return np.cross(x1, x2, axis=axis)


@written_out(np.linalg.diagonal)
def diagonal(x: Any, /, *, offset: Any = 0) -> Any:
    return np.diagonal(x, offset, -2, -1)


@written_out(np.linalg.outer)
def outer(x1: Any, x2: Any, /) -> Any:
    return np.outer(x1, x2)


@written_out(np.linalg.trace)
def trace(x: Any, /, *, offset: Any = 0) -> Any:
    return np.sum(np.diagonal(x, offset, -2, -1), axis=-1)


@written_out(np.linalg.matmul)
def matmul(x1: Any, x2: Any, /) -> Any:
    return np.matmul(x1, x2)


@written_out(np.linalg.matrix_transpose)
def matrix_transpose(x: Any, /) -> Any:
    return np.swapaxes(x, -1, -2)


@written_out(np.linalg.tensordot)
def tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Any:
    return np.tensordot(x1, x2, axes)


def vecdot(x1: Any, x2: Any, /, *, axis: Any = -1) -> Any:
    return np.sum(np.conj(x1) * x2, axis=axis)


written_out(np.vecdot, np.linalg.vecdot)(vecdot)


def matvec(x1: Any, x2: Any, /) -> Any:
    return np.matmul(x1, x2[..., None])[..., 0]


def vecmat(x1: Any, x2: Any, /) -> Any:
    return np.matmul(np.conj(x1)[..., None, :], x2)[..., 0, :]


if hasattr(np, "matvec"):  # NumPy 2.2
    written_out(np.matvec)(matvec)
    written_out(np.vecmat)(vecmat)


def astype(x: Any, dtype: Any, /) -> Any:
    return np.asarray(x).astype(dtype)


if hasattr(np, "astype"):  # NumPy 2.1
    written_out(np.astype)(astype)


@written_out(np.asanyarray, np.asfortranarray, np.asarray_chkfinite)
def asanyarray(a: Any, dtype: Any = None) -> Any:
    return np.asarray(a, dtype)


@written_out(np.divmod)
def divmod_of(x1: Any, x2: Any, /) -> Any:
    return np.floor_divide(x1, x2), np.remainder(x1, x2)


@written_out(np.modf)
def modf(x: Any, /) -> Any:
    return np.where(np.isinf(x), 0.0, x - np.trunc(x)), np.trunc(x)


@written_out(np.geomspace)
def geomspace(start: Any, stop: Any, num: Any = 50) -> Any:
    return np.exp(np.linspace(np.log(start), np.log(stop), num))


@written_out(np.logspace)
def logspace(start: Any, stop: Any, num: Any = 50, endpoint: Any = True, base: Any = 10.0) -> Any:
    return base ** np.linspace(start, stop, num)
