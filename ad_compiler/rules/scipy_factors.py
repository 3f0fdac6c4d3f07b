"""Rules of `scipy.linalg` that factor a matrix, or solve with factors.

The permutation of a factorisation by Gaussian elimination is constant. Sources: Giles, An extended collection
of matrix derivative results (2008); de Hoog, Anderssen and Lukas, Differentiation of matrix functionals using
triangular factorization (2011), for LU; Gawlik and Leok, Iterative computation of the Frechet derivative of
the polar decomposition (2017).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import linalg

from ad_compiler.analysis.types import INT, ArrayType, TupleType
from ad_compiler.refusal import Refusal
from ad_compiler.rules.decompositions import diagonal_matrices, gaps, shorter, symmetric
from ad_compiler.rules.notation import at_compile_time, rule, written_out
from ad_compiler.rules.scipy_linalg import form_of
from ad_compiler.rules.shapes import _contract, type_of
from ad_compiler.rules.solving import conjugated, magnitude_dtype, real_dtype, solve_type, square_type
from ad_compiler.rules.tuples import several

SIDES: dict[bool, Any] = {True: "L", False: "U"}


def matrix_type(a: Any) -> ArrayType:
    """A single matrix: whole numbers become doubles."""
    kind = type_of(a)
    if kind.rank != 2:
        raise Refusal(f"an array of rank {kind.rank} stands where a matrix is needed", "pass one matrix")
    return ArrayType(real_dtype(kind), kind.shape)


# --- LU: a = p @ l @ u ---


def lu_type(a: Any, p_indices: Any = False) -> TupleType:
    kind = matrix_type(a)
    rows, columns = kind.shape
    inner = shorter(rows, columns)
    order = (
        ArrayType(INT.dtype, (rows,)) if p_indices else ArrayType(magnitude_dtype(kind.dtype), (rows, rows))
    )
    return TupleType((order, ArrayType(kind.dtype, (rows, inner)), ArrayType(kind.dtype, (inner, columns))))


@rule("lu", infer=lu_type, text="scipy.linalg.lu", complex=True)
def lu_rule(a: Any, p_indices: Any = False, *, y: Any, g: Any) -> Any:
    order, lower, upper = y
    l_bar = np.zeros_like(lower) if g[1] is None else g[1]
    u_bar = np.zeros_like(upper) if g[2] is None else g[2]
    ordered = lu_pulled_back(lower, upper, l_bar, u_bar)
    return ordered[order] if p_indices else order @ ordered


def three_parts(a: Any, p_indices: Any = False) -> Any:
    """`scipy.linalg.lu` that gives the permutation, too."""


several(three_parts, "lu")


@written_out(linalg.lu)
def lu(a: Any, permute_l: Any = False, *, p_indices: Any = False) -> Any:
    order, lower, upper = three_parts(a, p_indices)
    return (order @ lower, upper) if permute_l else (order, lower, upper)


def lu_pulled_back(lower: Any, upper: Any, l_bar: Any, u_bar: Any) -> Any:
    """The cotangent of `lower @ upper`: the first block is that of square factors."""
    n = np.shape(upper)[0]
    if np.shape(lower)[0] > n:
        below = linalg.solve_triangular(upper, l_bar[n:].T).T
        first = square_lu_pulled_back(lower[:n], upper, l_bar[:n], u_bar - lower[n:].T @ below)
        return np.concatenate([first, below], 0)
    if np.shape(upper)[1] > n:
        beside = linalg.solve_triangular(lower, u_bar[:, n:], 1, True, True)
        l_own = l_bar - beside @ upper[:, n:].T
        first = square_lu_pulled_back(lower, upper[:, :n], l_own, u_bar[:, :n])
        return np.concatenate([first, beside], 1)
    return square_lu_pulled_back(lower, upper, l_bar, u_bar)


def square_lu_pulled_back(lower: Any, upper: Any, l_bar: Any, u_bar: Any) -> Any:
    inner = np.tril(lower.T @ l_bar, -1) + np.triu(u_bar @ upper.T)
    right = linalg.solve_triangular(upper, inner.T).T
    return linalg.solve_triangular(lower, right, 1, True, True)


def packed_type(a: Any) -> TupleType:
    kind = square_type(matrix_of(a))
    return TupleType((kind, ArrayType(np.dtype(np.int32), kind.shape[:1])))


def matrix_of(a: Any) -> Any:
    matrix_type(a)
    return a


@rule("lu_factor", infer=packed_type, text="scipy.linalg.lu_factor", complex=True)
def lu_factor(a: Any, *, y: Any, g: Any) -> Any:
    """Both factors in one matrix; the exchanges of rows, as a permutation, are computed anew."""
    packed, bar = y[0], g[0]
    lower = np.tril(packed, -1) + np.eye(np.shape(packed)[0])
    order = three_parts(a, True)[0]
    return square_lu_pulled_back(lower, np.triu(packed), np.tril(bar, -1), np.triu(bar))[order]


several(linalg.lu_factor, "lu_factor")


def lu_solution_type(packed: Any, exchanges: Any, b: Any, trans: Any) -> ArrayType:
    return solve_type(packed, b)


def lu_solution(packed: Any, exchanges: Any, b: Any, trans: Any) -> Any:
    """`scipy.linalg.lu_solve((packed, exchanges), b, trans)`."""


@rule(
    lu_solution,
    infer=lu_solution_type,
    text="scipy.linalg",
    name="lu_solve",
    differentiable=("packed", "b"),
    complex=True,
)
def lu_solution_rule(packed: Any, exchanges: Any, b: Any, trans: Any, *, y: Any, g: Any) -> Any:
    b_bar = lu_solution(packed, exchanges, g, 1 - trans)
    right = g if trans == 0 else b
    first = linalg.solve_triangular(packed, right, 1)
    second = linalg.solve_triangular(packed, first, 1, True, True)
    other = y if trans == 0 else b_bar
    upper_bar = columns(first) @ columns(other).T
    lower_bar = columns(second) @ columns(np.triu(packed) @ other).T
    return -(np.triu(upper_bar) + np.tril(lower_bar, -1)), b_bar


@written_out(linalg.lu_solve)
def lu_solve(lu_and_piv: Any, b: Any, trans: Any = 0) -> Any:
    packed, exchanges = lu_and_piv
    form = form_of(trans)
    if form < 2:
        return lu_solution(packed, exchanges, b, form)
    return conjugated(lu_solution(packed, exchanges, conjugated(b), 1))


def columns(a: Any) -> Any:
    return a[:, None] if np.ndim(a) == 1 else a


# --- banded matrices ---


def banded_type(l_and_u: Any, ab: Any, b: Any, check_finite: Any = True) -> ArrayType:
    kind, right = type_of(ab), type_of(b)
    if kind.rank != 2 or right.rank not in (1, 2):
        raise Refusal(
            "a banded system is not one matrix and its right-hand sides", "solve one after the other"
        )
    _contract(kind.shape[-1], right.shape[0])
    return ArrayType(np.result_type(real_dtype(kind), real_dtype(right)), right.shape)


@rule(linalg.solve_banded, infer=banded_type, differentiable=("ab", "b"), complex=True)
def solve_banded(l_and_u: Any, ab: Any, b: Any, check_finite: Any = True, *, y: Any, g: Any) -> Any:
    below, above = l_and_u
    number = np.shape(ab)[1]
    diagonals = np.arange(below + above + 1)[:, None]
    rows = np.arange(number) + diagonals - above
    places = np.arange(number) + diagonals - below
    turned = np.flip(ab, 0)[diagonals, np.clip(places, 0, number - 1)]
    turned = np.where((places >= 0) & (places < number), turned, 0.0)
    b_bar = linalg.solve_banded((above, below), turned, g, check_finite=check_finite)
    products = np.sum(columns(b_bar)[np.clip(rows, 0, number - 1)] * columns(y), axis=-1)
    return np.where((rows >= 0) & (rows < number), -products, 0.0), b_bar


# --- symmetric eigenvalue problems ---


def generalized_type(a: Any, b: Any, lower: Any = True) -> TupleType:
    kind = square_type(matrix_of(a))
    return TupleType((ArrayType(kind.dtype, kind.shape[:1]), kind))


@rule("generalized_eigh", infer=generalized_type, text="scipy.linalg.eigh")
def generalized_eigh(a: Any, b: Any, lower: Any = True, *, y: Any, g: Any) -> Any:
    """`a @ v = b @ v * values` with `v.T @ b @ v` the identity, of symmetric matrices."""
    values, vectors = y
    inner: Any = 0.0
    halves: Any = 0.0
    if g[1] is not None:
        turned = vectors.T @ g[1]
        inner, halves = gaps(values) * turned, 0.5 * np.diagonal(turned)
    own = halves if g[0] is None else g[0] * values + halves
    of_b = inner * values + diagonal_matrices(own)
    of_a = inner if g[0] is None else inner + diagonal_matrices(g[0])
    return symmetric(vectors @ of_a @ vectors.T), -symmetric(vectors @ of_b @ vectors.T)


def both_of_two(a: Any, b: Any, lower: Any = True) -> Any:
    """`scipy.linalg.eigh` of two matrices."""


several(both_of_two, "generalized_eigh")


@written_out(linalg.eigh)
def eigh(a: Any, b: Any = None, *, lower: Any = True, eigvals_only: Any = False) -> Any:
    if b is not None:
        values, vectors = both_of_two(a, b, lower)
        return values if eigvals_only else (values, vectors)
    side = SIDES[lower]
    return np.linalg.eigvalsh(a, side) if eigvals_only else np.linalg.eigh(a, side)


@written_out(linalg.eigvalsh)
def eigvalsh(a: Any, b: Any = None, *, lower: Any = True) -> Any:
    if b is not None:
        return both_of_two(a, b, lower)[0]
    return np.linalg.eigvalsh(a, SIDES[lower])


def tridiagonal_type(d: Any, e: Any) -> TupleType:
    diagonal, beside = type_of(d), type_of(e)
    dtype = np.result_type(real_dtype(diagonal), real_dtype(beside))
    (n,) = diagonal.shape
    return TupleType((ArrayType(dtype, (n,)), ArrayType(dtype, (n, n))))


@rule("eigh_tridiagonal", infer=tridiagonal_type, text="scipy.linalg.eigh_tridiagonal")
def eigh_of_tridiagonal(d: Any, e: Any, *, y: Any, g: Any) -> Any:
    values, vectors = y
    mixed = 0.0 if g[1] is None else gaps(values) * (vectors.T @ g[1])
    inner = mixed if g[0] is None else mixed + diagonal_matrices(g[0])
    a_bar = vectors @ inner @ vectors.T
    return np.diagonal(a_bar), np.diagonal(a_bar, 1) + np.diagonal(a_bar, -1)


def both_of_tridiagonal(d: Any, e: Any) -> Any:
    """`scipy.linalg.eigh_tridiagonal` with the vectors."""


several(both_of_tridiagonal, "eigh_tridiagonal")


@written_out(linalg.eigh_tridiagonal)
def eigh_tridiagonal(d: Any, e: Any, eigvals_only: Any = False) -> Any:
    values, vectors = both_of_tridiagonal(d, e)
    return values if eigvals_only else (values, vectors)


# --- the polar decomposition ---


def polar_type(a: Any) -> TupleType:
    kind = matrix_type(a)
    return TupleType((kind, ArrayType(kind.dtype, (kind.shape[1], kind.shape[1]))))


@rule("polar", infer=polar_type, text="scipy.linalg.polar")
def polar_rule(a: Any, *, y: Any, g: Any) -> Any:
    """`a = u @ p` with orthonormal columns of `u` and a symmetric, positive definite `p`."""
    assert np.shape(a)[0] >= np.shape(a)[1], "the right polar decomposition of a wide matrix is not unique"
    u, p = y
    spread = np.zeros_like(p) if g[1] is None else g[1]
    turned = -(spread @ p)
    beyond: Any = 0.0
    if g[0] is not None:
        inside = u.T @ g[0]
        turned = turned + inside
        beyond = np.linalg.solve(p, (g[0] - u @ inside).T).T
    turn = linalg.solve_sylvester(p, p, turned)
    return u @ (spread + turn - turn.T) + beyond


def right_polar(a: Any) -> Any:
    """`scipy.linalg.polar` with the positive factor on the right."""


several(right_polar, "polar")


@written_out(linalg.polar)
def polar(a: Any, side: Any = "right") -> Any:
    check_side(side)
    if side == "right":
        return right_polar(a)
    u, p = right_polar(a.T)
    return u.T, p


@at_compile_time
def check_side(side: Any) -> None:
    if side not in ("left", "right"):
        raise Refusal(f"the side {side!r} of a polar decomposition is not known", 'use "right" or "left"')
