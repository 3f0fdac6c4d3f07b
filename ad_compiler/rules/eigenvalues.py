"""Rules of eigenvalues and eigenvectors of general matrices, and of the roots of polynomials.

Of a real matrix NumPy gives real or complex numbers, as the values are: a type that is not known while
compiling. Of a complex one they are always complex, and that is what has a rule. Equal eigenvalues have
infinite derivatives.

The vectors are those of LAPACK: of length 1, the largest component real. Source: Boeddeker, Hanebrink, Drude,
Heymann and Haeb-Umbach, On the computation of complex-valued gradients with application to statistically
optimum beamforming (2017), section 4.2, to which the terms of that normalisation are added.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ad_compiler.analysis.types import ArrayType, Length, TupleType
from ad_compiler.refusal import Refusal
from ad_compiler.rules.decompositions import diagonal_matrices, gaps
from ad_compiler.rules.notation import rule
from ad_compiler.rules.shapes import type_of
from ad_compiler.rules.solving import square_type, transposed
from ad_compiler.rules.tuples import several


def check_kind(a: Any) -> None:
    if type_of(a).dtype.kind != "c":
        raise Refusal(
            "of real arguments this gives real numbers or complex ones, depending on the values",
            "pass `a.astype(complex)`, or use `np.linalg.eigh` where a matrix is symmetric",
        )


def eigenvalues_type(a: Any) -> ArrayType:
    check_kind(a)
    kind = square_type(a)
    return ArrayType(kind.dtype, kind.shape[:-1])


@rule(np.linalg.eigvals, infer=eigenvalues_type, complex=True)
def eigvals(a: Any, *, y: Any, g: Any) -> Any:
    """Without vectors LAPACK finds the values of large matrices in another order than with them."""
    values, vectors = np.linalg.eig(a)
    order = np.argmin(np.abs(values[..., None, :] - y[..., :, None]), axis=-1)
    vectors = np.take_along_axis(vectors, order[..., None, :], -1)
    return transposed(np.linalg.inv(vectors)) @ (g[..., :, None] * transposed(vectors))


def eig_type(a: Any) -> TupleType:
    return TupleType((eigenvalues_type(a), square_type(a)))


@rule("eig", infer=eig_type, text="np.linalg.eig", complex=True)
def eig(a: Any, *, y: Any, g: Any) -> Any:
    values, vectors = y
    left = transposed(np.linalg.inv(vectors))
    if g[1] is None:
        return left @ (g[0][..., :, None] * transposed(vectors))
    mixed = gaps(values) * (transposed(vectors) @ normalised(g[1], vectors))
    inner = mixed if g[0] is None else mixed + diagonal_matrices(g[0])
    return left @ inner @ transposed(vectors)


def normalised(bar: Any, vectors: Any) -> Any:
    """The cotangent of vectors of any length and phase, of those of length 1 whose largest component is real.

    A factor `1 + c` of a vector changes the result by `(c * change).real`.
    """
    change = np.sum(vectors * bar, axis=-2)
    sizes = np.where(np.imag(vectors) == 0, np.abs(vectors), -1.0)
    places = np.arange(np.shape(vectors)[-2])[:, None] == np.argmax(sizes, axis=-2)[..., None, :]
    turned = 1j * np.imag(change) / np.max(sizes, axis=-2)
    edge = np.sign(np.sum(np.where(places, np.real(vectors), 0.0), axis=-2))
    lengths = np.conj(vectors) * np.real(change)[..., None, :]
    return bar - lengths - places * (edge * turned)[..., None, :]


several(np.linalg.eig, "eig", ("eigenvalues", "eigenvectors"))


def roots_type(p: Any) -> ArrayType:
    check_kind(p)
    return ArrayType(type_of(p).dtype, (Length(object(), may_be_one=True),))


@rule(np.roots, infer=roots_type, complex=True)
def roots(p: Any, *, y: Any, g: Any) -> Any:
    """By the implicit function theorem: the slope by a coefficient is minus its power over the derivative."""
    powers = y[:, None] ** np.arange(np.shape(p)[0] - 1, -1, -1)
    slopes = np.polyval(np.polyder(p), y)
    return -((g / slopes) @ powers)
