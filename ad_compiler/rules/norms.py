"""Rules of norms: the gradient of a norm at its kink is 0, and elements that tie for a maximum share it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ad_compiler.analysis.types import ArrayType
from ad_compiler.refusal import Refusal
from ad_compiler.rules.notation import at_compile_time, definition, rule, written_out
from ad_compiler.rules.reductions import restored
from ad_compiler.rules.shapes import is_complex, mean_type, normalized_axes, rank_of


def euclidean_norm(x: Any, axis: Any = None, keepdims: Any = False) -> Any:
    """`np.linalg.norm` of its default order: the root of the sum of the squares."""


def euclidean_type(x: Any, axis: Any = None, keepdims: Any = False) -> ArrayType:
    kind = mean_type(x, axis, keepdims)
    return ArrayType(kind.dtype.type(0).real.dtype, kind.shape)


@rule(euclidean_norm, infer=euclidean_type, text="np.linalg.norm", name="norm", complex=True)
def euclidean(x: Any, axis: Any = None, keepdims: Any = False, *, y: Any, g: Any) -> Any:
    scale = np.where(y == 0, 0.0, g / np.where(y == 0, 1.0, y))
    return restored(scale, x, axis, keepdims) * (np.conj(x) if is_complex(x) else x)


# The squares of norms are smooth where the norms are not: `transforms.roots` finds them in programs.


@definition("squared_norm", complex=True)
def squared_norm(x: Any, axis: Any = None, keepdims: Any = False) -> Any:
    squares = np.real(x) ** 2 + np.imag(x) ** 2 if is_complex(x) else x * x
    return np.sum(squares, axis=axis, keepdims=keepdims)


@definition("squared_deviation", complex=True)
def squared_deviation(a: Any, axis: Any = None, ddof: Any = 0, keepdims: Any = False) -> Any:
    return np.var(a, axis=axis, ddof=ddof, keepdims=keepdims)


@definition("squared_hypotenuse")
def squared_hypotenuse(a: Any, b: Any) -> Any:
    return a * a + b * b


@definition("squared_magnitude", complex=True)
def squared_magnitude(z: Any) -> Any:
    return np.real(z) ** 2 + np.imag(z) ** 2 if is_complex(z) else z * z


@definition("squared_root")
def squared_root(total: Any) -> Any:
    return total


@at_compile_time
def norm_axes(x: Any, axis: Any, ord: Any) -> tuple[int, ...]:
    """The axes a norm is taken over."""
    axes = normalized_axes(axis, rank_of(x))
    if axis is None and ord is None:
        return axes
    if len(axes) not in (1, 2):
        raise Refusal(f"a norm of order {ord!r} over {len(axes)} axes", "name one or two axes")
    return axes


@definition(np.linalg.norm, complex=True)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: Any = False) -> Any:
    axes = norm_axes(x, axis, ord)
    if ord is None or ord == "fro" or (ord == 2 and len(axes) == 1):
        return euclidean_norm(x, axis, keepdims)
    return vector_order(x, ord, axes, keepdims) if len(axes) == 1 else matrix_order(x, ord, axes, keepdims)


def vector_order(x: Any, ord: Any, axes: Any, keepdims: Any) -> Any:
    size = np.abs(x)
    if ord == np.inf:
        return np.max(size, axis=axes, keepdims=keepdims)
    if ord == -np.inf:
        return np.min(size, axis=axes, keepdims=keepdims)
    if ord == 0:
        return np.sum(np.where(x != 0, 1.0, 0.0), axis=axes, keepdims=keepdims)
    if ord == 1:
        return np.sum(size, axis=axes, keepdims=keepdims)
    total = np.sum(
        np.where(size == 0, 0.0, np.where(size == 0, 1.0, size) ** ord), axis=axes, keepdims=keepdims
    )
    return np.where(total == 0, 0.0, np.where(total == 0, 1.0, total) ** (1.0 / ord))


def matrix_order(x: Any, ord: Any, axes: Any, keepdims: Any) -> Any:

    matrices = np.moveaxis(x, axes, (-2, -1))
    if ord == 1:
        found = np.max(np.sum(np.abs(matrices), axis=-2), axis=-1)
    elif ord == -1:
        found = np.min(np.sum(np.abs(matrices), axis=-2), axis=-1)
    elif ord == np.inf:
        found = np.max(np.sum(np.abs(matrices), axis=-1), axis=-1)
    elif ord == -np.inf:
        found = np.min(np.sum(np.abs(matrices), axis=-1), axis=-1)
    else:
        check_order(ord)
        values = np.linalg.svd(matrices, compute_uv=False)
        found = np.sum(values, axis=-1) if ord == "nuc" else values[..., 0] if ord == 2 else values[..., -1]
    return restored(found, x, axes, False) if keepdims else found


@at_compile_time
def check_order(ord: Any) -> None:
    if ord not in (2, -2, "nuc"):
        raise Refusal(
            f"a matrix has no norm of order {ord!r}", "use 1, 2, inf, their negatives, 'fro' or 'nuc'"
        )


@definition(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    if p is None or p == 2 or p == -2:
        values = np.linalg.svd(x, compute_uv=False)
        return values[..., -1] / values[..., 0] if p == -2 else values[..., 0] / values[..., -1]
    return np.linalg.norm(x, p, (-2, -1)) * np.linalg.norm(np.linalg.inv(x), p, (-2, -1))


def vector_norm(x: Any, /, *, axis: Any = None, keepdims: Any = False, ord: Any = 2) -> Any:
    if axis is None and np.ndim(x) != 1:
        found = np.linalg.norm(np.ravel(x), ord)
        return np.reshape(found, ones(x)) if keepdims else found
    return np.linalg.norm(x, ord, axis, keepdims)


@at_compile_time
def ones(x: Any) -> tuple[int, ...]:
    return (1,) * rank_of(x)


def matrix_norm(x: Any, /, *, keepdims: Any = False, ord: Any = "fro") -> Any:
    return np.linalg.norm(x, ord, (-2, -1), keepdims)


written_out(np.linalg.vector_norm)(vector_norm)
written_out(np.linalg.matrix_norm)(matrix_norm)
