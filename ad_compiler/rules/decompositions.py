"""Rules of matrix decompositions.

A symmetric matrix is taken to stay symmetric: `cholesky`, `eigh` and `eigvalsh`, which read one triangle
only, get the symmetric cotangent, as in JAX and autograd. Decompositions that are not unique nearby (equal
eigenvalues or singular values) have infinite derivatives of vectors; those of the values stay finite.

Complex vectors have a phase, which LAPACK fixes: it makes one component of each real (`phases_fixed`). The
derivative is that of the vectors which are so fixed. Where that component vanishes the phase is not defined,
and counts as constant; a function that does not depend on the phases is differentiated rightly there, too.

Sources: Murray, Differentiation of the Cholesky decomposition (2016); Giles, An extended collection of matrix
derivative results (2008), section 3; Walter and Lehmann, Algorithmic differentiation of linear algebra
functions with application in optimum experimental design (2010), for QR; Townsend, Differentiating the
singular value decomposition (2016); Boeddeker, Hanebrink, Drude, Heymann and Haeb-Umbach, On the computation
of complex-valued gradients with application to statistically optimum beamforming (2017), for complex ones.
The cotangents here are the conjugates of theirs (see `complex_numbers`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ad_compiler.analysis.types import ArrayType, Axis, Length, TupleType, is_one, representative, same_length
from ad_compiler.builder import Builder
from ad_compiler.ir import Operand
from ad_compiler.refusal import Refusal
from ad_compiler.rules.notation import at_compile_time, definition, expansion, expansions, registry, rule
from ad_compiler.rules.shapes import is_complex, type_of
from ad_compiler.rules.solving import (
    adjoint,
    conjugated,
    magnitude_dtype,
    real_dtype,
    square_type,
    transposed,
)
from ad_compiler.rules.tuples import several


def symmetric(a: Any) -> Any:
    """The symmetric part of a real matrix, the Hermitian part of a complex one."""
    return 0.5 * (a + adjoint(a))


def diagonal_matrices(v: Any) -> Any:
    """Matrices with these vectors as diagonals."""
    return v[..., None] * np.eye(np.shape(v)[-1])


@rule(np.linalg.cholesky, infer=square_type, complex=True)
def cholesky(a: Any, upper: Any = False, *, y: Any, g: Any) -> Any:
    factor, bar = (adjoint(y), adjoint(g)) if upper else (y, g)
    inner = transposed(factor) @ np.tril(bar)
    lower = np.tril(inner) - 0.5 * diagonal_matrices(np.diagonal(inner, 0, -2, -1))
    left = np.linalg.solve(transposed(factor), lower)
    return symmetric(transposed(np.linalg.solve(adjoint(factor), transposed(left))))


def eigenvalues_type(a: Any, UPLO: Any = "L") -> ArrayType:
    kind = square_type(a)
    return ArrayType(magnitude_dtype(kind.dtype), kind.shape[:-1])


@rule(np.linalg.eigvalsh, infer=eigenvalues_type, complex=True)
def eigvalsh(a: Any, UPLO: Any = "L", *, g: Any) -> Any:
    vectors = np.linalg.eigh(a, UPLO)[1]
    return (conjugated(vectors) * g[..., None, :]) @ transposed(vectors)


def eigh_type(a: Any, UPLO: Any = "L") -> TupleType:
    return TupleType((eigenvalues_type(a), square_type(a)))


@rule("eigh", infer=eigh_type, text="np.linalg.eigh", complex=True)
def eigh(a: Any, UPLO: Any = "L", *, y: Any, g: Any) -> Any:
    values, vectors = y
    if g[1] is None:
        return (conjugated(vectors) * g[0][..., None, :]) @ transposed(vectors)
    bar = g[1]
    if is_complex(a):
        turn = np.sum(vectors * bar, axis=-2)
        bar = phases_fixed(bar, turn, vectors, 0 if UPLO == "L" else -1)
    mixed = gaps(values) * (transposed(vectors) @ bar)
    inner = mixed if g[0] is None else mixed + diagonal_matrices(g[0])
    return symmetric(conjugated(vectors) @ inner @ transposed(vectors))


several(np.linalg.eigh, "eigh", ("eigenvalues", "eigenvectors"))


def phases_fixed(bar: Any, turn: Any, vectors: Any, row: Any) -> Any:
    """The cotangent of vectors (columns) whose phases may turn, of those whose component `row` stays real.

    A small turn by an angle changes the result by `-turn.imag` times it. Where the component is so small
    that rounding decides about the phase, it does not turn.
    """
    edge = np.real(vectors[..., row, :])
    sure = np.abs(edge) > rounding(vectors)
    angle = np.where(sure, np.imag(turn), 0.0) / np.where(sure, edge, 1.0)
    place = np.eye(np.shape(vectors)[-2], dtype=edge.dtype)[row, :, None]
    return bar - place * (1j * angle)[..., None, :]


@at_compile_time
def rounding(a: Any) -> float:
    return float(np.finfo(type_of(a).dtype).eps ** 0.5)


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
    inner = rows if mode == "complete" else shorter(rows, columns)
    dtype = real_dtype(kind)
    return TupleType(
        (ArrayType(dtype, (*kind.shape[:-1], inner)), ArrayType(dtype, (*kind.shape[:-2], inner, columns)))
    )


@rule("qr", infer=qr_type, text="np.linalg.qr", complex=True)
def qr(a: Any, mode: Any = "reduced", *, y: Any, g: Any) -> Any:
    q, r = y
    rows = np.shape(a)[-2]
    if is_column(a) or (not is_row(a) and np.shape(a)[-1] <= rows):
        return qr_pulled_back(q, r, g[0], g[1])
    return qr_of_wide_pulled_back(a, q, r, g[0], g[1], rows)


@at_compile_time
def is_column(a: Any) -> bool:
    return is_one(type_of(a).shape[-1])


@at_compile_time
def is_row(a: Any) -> bool:
    return is_one(type_of(a).shape[-2])


def qr_of_wide_pulled_back(a: Any, q: Any, r: Any, q_bar: Any, r_bar: Any, rows: Any) -> Any:
    """The decomposition is that of the first columns; the others of `r` are `q.conj().T @ a`."""
    if r_bar is None:
        first = qr_pulled_back(q, r[..., :rows], q_bar, None)
        return np.concatenate([first, np.zeros_like(a[..., rows:])], -1)
    others = r_bar[..., rows:]
    through = conjugated(a[..., rows:] @ transposed(others))
    first = qr_pulled_back(q, r[..., :rows], through if q_bar is None else q_bar + through, r_bar[..., :rows])
    return np.concatenate([first, conjugated(q) @ others], -1)


def qr_pulled_back(q: Any, r: Any, q_bar: Any, r_bar: Any) -> Any:
    """The cotangent of `q @ r`, where `r` is square and has a real diagonal."""
    if q_bar is None:
        return qr_mirrored(q, r, conjugated(r) @ adjoint(r_bar), 0.0)
    turned = adjoint(q_bar) @ conjugated(q)
    return qr_mirrored(q, r, -turned if r_bar is None else conjugated(r) @ adjoint(r_bar) - turned, q_bar)


def qr_mirrored(q: Any, r: Any, m: Any, q_bar: Any) -> Any:
    below = np.tril(m, -1)
    mirrored = np.tril(m) + transposed(below)
    if is_complex(m):
        mirrored = below + adjoint(below) + diagonal_matrices(np.real(np.diagonal(m, 0, -2, -1)))
    return transposed(np.linalg.solve(r, transposed(q_bar + conjugated(q) @ mirrored)))


several(np.linalg.qr, "qr", ("Q", "R"))
_pair_of_qr = expansions[np.linalg.qr]


@expansion(np.linalg.qr)
def qr_in_mode(builder: Builder, a: Operand, mode: Any = "reduced") -> Operand:
    """`np.linalg.qr`; a complete one of a tall matrix has columns that LAPACK is free to choose."""
    import operator

    from ad_compiler.rules.structure import length

    if mode == "complete":
        rank = len(type_of(a).shape)
        rows, columns = (length(builder, a, rank - 2), length(builder, a, rank - 1))
        fits = builder.call(registry[operator.le], (rows, columns))
        reason = "the complete QR decomposition of a tall matrix is not differentiated"
        builder.call(registry["assert"], (fits, reason))
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
            ArrayType(magnitude_dtype(dtype), (*batch, inner)),
            ArrayType(dtype, (*batch, right, columns)),
        )
    )


@rule("svd", infer=svd_type, text="np.linalg.svd", complex=True)
def svd(
    a: Any, full_matrices: Any = True, compute_uv: Any = True, hermitian: Any = False, *, y: Any, g: Any
) -> Any:
    u, s, vh = y
    if g[0] is None and g[2] is None:
        if full_matrices:
            number = np.shape(s)[-1]
            return conjugated((u[..., :number] * g[1][..., None, :]) @ vh[..., :number, :])
        return conjugated((u * g[1][..., None, :]) @ vh)
    if full_matrices:
        assert np.shape(a)[-1] == np.shape(a)[-2], "full singular vectors of a matrix that is not square"
    v_bar = None if g[2] is None else adjoint(g[2])
    if is_complex(a):
        return complex_svd_pulled_back(a, u, s, adjoint(vh), g[0], g[1], v_bar)
    return svd_pulled_back(u, s, adjoint(vh), g[0], g[1], v_bar)


def complex_svd_pulled_back(a: Any, u: Any, s: Any, v: Any, u_bar: Any, s_bar: Any, v_bar: Any) -> Any:
    """That of vectors whose phases are fixed: of the shorter kind, the first component is real."""
    left = np.zeros_like(u) if u_bar is None else u_bar
    right = np.zeros_like(v) if v_bar is None else v_bar
    turn = np.sum(u * left, axis=-2) + np.sum(v * right, axis=-2)
    if np.shape(a)[-2] >= np.shape(a)[-1]:
        return svd_pulled_back(u, s, v, left, s_bar, phases_fixed(right, turn, v, 0))
    return svd_pulled_back(u, s, v, phases_fixed(left, turn, u, 0), s_bar, right)


def svd_pulled_back(u: Any, s: Any, v: Any, u_bar: Any, s_bar: Any, v_bar: Any) -> Any:
    """The cotangent of `u * s @ v.conj().T`, from those of its factors that have one."""
    apart = gaps(s * s)
    inner = 0.0 if s_bar is None else diagonal_matrices(s_bar)
    outside = 0.0
    if u_bar is not None:
        turned = transposed(u) @ u_bar
        inner = inner + (apart * (turned - adjoint(turned))) * s[..., None, :]
        if is_complex(u):
            inner = inner + diagonal_matrices(1j * np.imag(np.diagonal(turned, 0, -2, -1)) / s)
        outside = outside + ((u_bar - conjugated(u) @ turned) / s[..., None, :]) @ transposed(v)
    if v_bar is not None:
        turned = transposed(v) @ v_bar
        inner = inner + s[..., :, None] * (apart * (turned - adjoint(turned)))
        outside = outside + conjugated(u) @ (adjoint(v_bar - conjugated(v) @ turned) / s[..., :, None])
    return conjugated(u) @ inner @ transposed(v) + outside


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


@rule("singular_values", infer=values_type, complex=True)
def singular_values(a: Any, *, g: Any) -> Any:
    u, _, vh = np.linalg.svd(a, full_matrices=False)
    return conjugated((u * g[..., None, :]) @ vh)


if hasattr(np.linalg, "svdvals"):

    @definition(np.linalg.svdvals)
    def svdvals(x: Any, /) -> Any:
        return np.linalg.svd(x, compute_uv=False)
