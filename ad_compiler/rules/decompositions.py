"""Rules of matrix decompositions.

A symmetric matrix is taken to stay symmetric: `cholesky`, `eigh` and `eigvalsh`, which read one triangle
only, get the symmetric cotangent, as in JAX and autograd. Decompositions that are not unique nearby (equal
eigenvalues or singular values) have infinite derivatives of vectors; those of the values stay finite.

Sources: Murray, Differentiation of the Cholesky decomposition (2016); Giles, An extended collection of matrix
derivative results (2008), section 3; Walter and Lehmann, Algorithmic differentiation of linear algebra
functions with application in optimum experimental design (2010), for QR; Townsend, Differentiating the
singular value decomposition (2016).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ad_compiler.analysis.types import ArrayType, Axis, Length, TupleType, representative, same_length
from ad_compiler.builder import Builder
from ad_compiler.ir import Operand
from ad_compiler.refusal import Refusal
from ad_compiler.rules.notation import definition, expansion, expansions, registry, rule
from ad_compiler.rules.shapes import type_of
from ad_compiler.rules.solving import real_dtype, square_type, transposed
from ad_compiler.rules.tuples import several


def symmetric(a: Any) -> Any:
    return 0.5 * (a + transposed(a))


def diagonal_matrices(v: Any) -> Any:
    """Matrices with these vectors as diagonals."""
    return v[..., None] * np.eye(np.shape(v)[-1])


@rule(np.linalg.cholesky, infer=square_type)
def cholesky(a: Any, upper: Any = False, *, y: Any, g: Any) -> Any:
    factor, bar = (transposed(y), transposed(g)) if upper else (y, g)
    inner = transposed(factor) @ np.tril(bar)
    lower = np.tril(inner) - 0.5 * diagonal_matrices(np.diagonal(inner, 0, -2, -1))
    left = np.linalg.solve(transposed(factor), lower)
    return symmetric(transposed(np.linalg.solve(transposed(factor), transposed(left))))


def eigenvalues_type(a: Any, UPLO: Any = "L") -> ArrayType:
    kind = square_type(a)
    return ArrayType(kind.dtype, kind.shape[:-1])


@rule(np.linalg.eigvalsh, infer=eigenvalues_type)
def eigvalsh(a: Any, UPLO: Any = "L", *, g: Any) -> Any:
    vectors = np.linalg.eigh(a, UPLO)[1]
    return (vectors * g[..., None, :]) @ transposed(vectors)


def eigh_type(a: Any, UPLO: Any = "L") -> TupleType:
    return TupleType((eigenvalues_type(a), square_type(a)))


@rule("eigh", infer=eigh_type, text="np.linalg.eigh")
def eigh(a: Any, UPLO: Any = "L", *, y: Any, g: Any) -> Any:
    values, vectors = y
    if g[1] is None:
        return (vectors * g[0][..., None, :]) @ transposed(vectors)
    mixed = gaps(values) * (transposed(vectors) @ g[1])
    inner = mixed if g[0] is None else mixed + diagonal_matrices(g[0])
    return symmetric(vectors @ inner @ transposed(vectors))


several(np.linalg.eigh, "eigh", ("eigenvalues", "eigenvectors"))


def gaps(values: Any) -> Any:
    """The matrix of `1 / (values[j] - values[i])`, 0 on the diagonal."""
    same = np.eye(np.shape(values)[-1])
    return (1 - same) / (values[..., None, :] - values[..., :, None] + same)


def check_mode(mode: Any) -> None:
    if mode not in ("reduced", "r", "complete"):
        raise Refusal(f"`np.linalg.qr` in mode {mode!r} has no rule", 'use mode="reduced"')


def shorter(a: Axis, b: Axis) -> Axis:
    a, b = representative(a), representative(b)
    if same_length(a, b):
        return a
    if isinstance(a, int) and isinstance(b, int):
        return min(a, b)
    return Length(("shorter", a, b), may_be_one=True)


def qr_type(a: Any, mode: Any = "reduced") -> TupleType:
    check_mode(mode)
    kind = type_of(a)
    rows, columns = kind.shape[-2:]
    inner = rows if mode == "complete" else columns
    dtype = real_dtype(kind)
    return TupleType(
        (ArrayType(dtype, (*kind.shape[:-1], inner)), ArrayType(dtype, (*kind.shape[:-2], inner, columns)))
    )


@rule("qr", infer=qr_type, text="np.linalg.qr")
def qr(a: Any, mode: Any = "reduced", *, y: Any, g: Any) -> Any:
    q, r = y
    if g[1] is None:
        return qr_pulled_back(q, r, -(transposed(g[0]) @ q), g[0])
    if g[0] is None:
        return qr_pulled_back(q, r, r @ transposed(g[1]), 0.0)
    return qr_pulled_back(q, r, r @ transposed(g[1]) - transposed(g[0]) @ q, g[0])


def qr_pulled_back(q: Any, r: Any, m: Any, q_bar: Any) -> Any:
    mirrored = np.tril(m) + transposed(np.tril(m, -1))
    return transposed(np.linalg.solve(r, transposed(q_bar + q @ mirrored)))


several(np.linalg.qr, "qr", ("Q", "R"))
_pair_of_qr = expansions[np.linalg.qr]


@expansion(np.linalg.qr)
def qr_of_tall(builder: Builder, a: Operand, mode: Any = "reduced") -> Operand:
    """`np.linalg.qr` of a matrix that has at least as many rows as columns (just as many, if complete)."""
    import operator

    from ad_compiler.rules.structure import length

    rank = len(type_of(a).shape)
    rows, columns = (length(builder, a, rank - 2), length(builder, a, rank - 1))
    fits = builder.call(registry[operator.eq if mode == "complete" else operator.ge], (rows, columns))
    builder.call(registry["assert"], (fits, "the QR decomposition of a wide matrix is not differentiated"))
    both = _pair_of_qr(builder, a, "reduced" if mode == "r" else mode)
    return both.fields["R"] if mode == "r" else both


def svd_type(a: Any, full_matrices: Any = True, compute_uv: Any = True, hermitian: Any = False) -> TupleType:
    kind = type_of(a)
    dtype = real_dtype(kind)
    *batch, rows, columns = kind.shape
    inner = shorter(rows, columns)
    left, right = (rows, columns) if full_matrices else (inner, inner)
    return TupleType(
        (
            ArrayType(dtype, (*batch, rows, left)),
            ArrayType(dtype, (*batch, inner)),
            ArrayType(dtype, (*batch, right, columns)),
        )
    )


@rule("svd", infer=svd_type, text="np.linalg.svd")
def svd(
    a: Any, full_matrices: Any = True, compute_uv: Any = True, hermitian: Any = False, *, y: Any, g: Any
) -> Any:
    u, s, vh = y
    if g[0] is None and g[2] is None:
        if full_matrices:
            number = np.shape(s)[-1]
            return (u[..., :number] * g[1][..., None, :]) @ vh[..., :number, :]
        return (u * g[1][..., None, :]) @ vh
    if full_matrices:
        assert np.shape(a)[-1] == np.shape(a)[-2], "full singular vectors of a matrix that is not square"
    return svd_pulled_back(u, s, transposed(vh), g[0], g[1], g[2])


def svd_pulled_back(u: Any, s: Any, v: Any, u_bar: Any, s_bar: Any, vh_bar: Any) -> Any:
    """The cotangent of `u * s @ v.T`, from those of its factors that have one."""
    apart = gaps(s * s)
    inner = 0.0 if s_bar is None else diagonal_matrices(s_bar)
    outside = 0.0
    if u_bar is not None:
        turned = transposed(u) @ u_bar
        inner = inner + (apart * (turned - transposed(turned))) * s[..., None, :]
        outside = outside + ((u_bar - u @ turned) / s[..., None, :]) @ transposed(v)
    if vh_bar is not None:
        v_bar = transposed(vh_bar)
        turned = transposed(v) @ v_bar
        inner = inner + s[..., :, None] * (apart * (turned - transposed(turned)))
        outside = outside + u @ (transposed(v_bar - v @ turned) / s[..., :, None])
    return u @ inner @ transposed(v) + outside


several(np.linalg.svd, "svd", ("U", "S", "Vh"))
_parts_of_svd = expansions[np.linalg.svd]


@expansion(np.linalg.svd)
def svd_or_values(
    builder: Builder, a: Operand, full_matrices: Any = True, compute_uv: Any = True, hermitian: Any = False
) -> Operand:
    """`np.linalg.svd`; of the values alone they are a part of the reduced decomposition."""
    if hermitian:
        raise Refusal("`np.linalg.svd` of a Hermitian matrix by its eigenvalues has no rule", "use `eigh`")
    if not compute_uv:
        return builder.call(registry["singular_values"], (a,))
    return _parts_of_svd(builder, a, full_matrices)


def values_type(a: Any) -> ArrayType:
    return svd_type(a).parts[1]


@rule("singular_values", infer=values_type)
def singular_values(a: Any, *, g: Any) -> Any:
    u, _, vh = np.linalg.svd(a, full_matrices=False)
    return (u * g[..., None, :]) @ vh


if hasattr(np.linalg, "svdvals"):

    @definition(np.linalg.svdvals)
    def svdvals(x: Any, /) -> Any:
        return np.linalg.svd(x, compute_uv=False)
