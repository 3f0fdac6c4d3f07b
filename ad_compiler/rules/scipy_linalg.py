"""Rules of `scipy.linalg`: what it shares with NumPy, triangular systems, and matrices of a pattern.

Source: Giles, An extended collection of matrix derivative results (2008). The matrices of a pattern read
their elements by index.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import linalg

from ad_compiler.analysis.types import ArrayType
from ad_compiler.ir import Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.decompositions import cholesky as lower_cholesky
from ad_compiler.rules.notation import at_compile_time, constant, definition, rule, written_out
from ad_compiler.rules.scipy_precision import double
from ad_compiler.rules.solving import conjugated, square_type, transposed


@written_out(linalg.inv)
def inv(a: Any) -> Any:
    return np.linalg.inv(a)


@written_out(linalg.det)
def det(a: Any) -> Any:
    return np.linalg.det(double(a))


@written_out(linalg.norm)
def norm(a: Any, ord: Any = None, axis: Any = None, keepdims: Any = False) -> Any:
    return np.linalg.norm(a, ord, axis, keepdims)


@written_out(linalg.pinv)
def pinv(a: Any) -> Any:
    return np.linalg.pinv(a)


@written_out(linalg.solve)
def solve(a: Any, b: Any) -> Any:
    return np.linalg.solve(a, b)


@written_out(linalg.svdvals)
def svdvals(a: Any) -> Any:
    return np.linalg.svd(a, compute_uv=False)


@written_out(linalg.svd)
def svd(a: Any, full_matrices: Any = True, compute_uv: Any = True) -> Any:
    return np.linalg.svd(a, full_matrices, compute_uv)


MODES: dict[str, Any] = {"full": "complete", "economic": "reduced", "r": "r"}


@written_out(linalg.qr)
def qr(a: Any, *, mode: Any = "full") -> Any:
    return np.linalg.qr(a, MODES[mode])


@rule(linalg.cholesky, infer=square_type, complex=True)
def cholesky(a: Any, lower: Any = False, *, y: Any, g: Any) -> Any:
    return lower_cholesky(a, not lower, y=y, g=g)


def triangular_type(
    a: Any, b: Any, trans: Any = 0, lower: Any = False, unit_diagonal: Any = False
) -> ArrayType:
    from ad_compiler.rules.solving import solve_type

    return solve_type(a, b)


def triangular_solution(
    a: Any, b: Any, trans: Any = 0, lower: Any = False, unit_diagonal: Any = False
) -> Any:
    """`scipy.linalg.solve_triangular` with the matrix or its transpose."""


@rule(
    triangular_solution,
    infer=triangular_type,
    text="scipy.linalg.solve_triangular",
    name="solve_triangular",
    complex=True,
)
def triangular_solution_rule(
    a: Any, b: Any, trans: Any = 0, lower: Any = False, unit_diagonal: Any = False, *, y: Any, g: Any
) -> Any:
    b_bar = triangular_solution(a, g, 1 - trans, lower, unit_diagonal)
    first, second = (b_bar, y) if trans == 0 else (y, b_bar)
    product = np.outer(first, second) if np.ndim(y) == 1 else first @ transposed(second)
    k = -1 if unit_diagonal else 0
    return -(np.tril(product, k) if lower else np.triu(product, -k)), b_bar


@written_out(linalg.solve_triangular)
def solve_triangular(a: Any, b: Any, trans: Any = 0, lower: Any = False, unit_diagonal: Any = False) -> Any:
    form = form_of(trans)
    if form < 2:
        return triangular_solution(a, b, form, lower, unit_diagonal)
    return conjugated(triangular_solution(a, conjugated(b), 1, lower, unit_diagonal))


@at_compile_time
def form_of(trans: Any) -> int:
    """0 for the matrix itself, 1 for its transpose, 2 for the conjugate of that."""
    if isinstance(trans, Value) or trans not in (0, 1, 2, "N", "T", "C"):
        raise Refusal(f"the form {trans!r} of a triangular matrix is not known", "use trans=0, 1 or 2")
    return "NTC".index(trans) if isinstance(trans, str) else int(trans)


@written_out(linalg.cho_solve)
def cho_solve(c_and_lower: Any, b: Any) -> Any:
    c, lower = c_and_lower
    half = linalg.solve_triangular(c, b, 0 if lower else 2, lower)
    return linalg.solve_triangular(c, half, 2 if lower else 0, lower)


@written_out(linalg.cho_factor)
def cho_factor(a: Any, lower: Any = False) -> Any:
    return linalg.cholesky(a, lower), lower


@written_out(linalg.block_diag)
def block_diag(*arrs: Any) -> Any:
    blocks = [np.atleast_2d(array) for array in arrs]
    return stacked(blocks)


def stacked(blocks: Any) -> Any:
    if len(blocks) == 1:
        return blocks[0]
    first, rest = blocks[0], stacked(blocks[1:])
    right = np.zeros((np.shape(first)[0], np.shape(rest)[1]), dtype=rest.dtype)
    below = np.zeros((np.shape(rest)[0], np.shape(first)[1]), dtype=first.dtype)
    return np.concatenate([np.concatenate([first, right], 1), np.concatenate([below, rest], 1)], 0)


@definition(linalg.toeplitz, complex=True)
def toeplitz(c: Any, r: Any = None) -> Any:
    row = conjugated(c) if r is None else r
    rows, columns = np.shape(c)[0], np.shape(row)[0]
    diagonals = np.concatenate([np.flip(row[1:]), c])
    return diagonals[columns - 1 + np.arange(rows)[:, None] - np.arange(columns)[None, :]]


@definition(linalg.circulant, complex=True)
def circulant(c: Any) -> Any:
    places = np.arange(np.shape(c)[0])
    return c[(places[:, None] - places[None, :]) % np.shape(c)[0]]


@definition(linalg.hankel, complex=True)
def hankel(c: Any, r: Any) -> Any:
    places = np.arange(np.shape(c)[0])[:, None] + np.arange(np.shape(r)[0])[None, :]
    return np.concatenate([c, r[1:]])[places]


@definition(linalg.companion, complex=True)
def companion(a: Any) -> Any:
    n = np.shape(a)[0] - 1
    return np.concatenate([(-a[1:] / a[0])[None], np.eye(n, dtype=a.dtype)[:-1]], 0)


@definition(linalg.leslie)
def leslie(f: Any, s: Any) -> Any:
    return np.concatenate(
        [f[None], np.concatenate([np.diag(s), np.zeros((np.shape(s)[0], 1), s.dtype)], 1)], 0
    )


@definition(linalg.fiedler)
def fiedler(a: Any) -> Any:
    return np.abs(a[:, None] - a[None, :])


@definition(linalg.convolution_matrix, complex=True)
def convolution_matrix(a: Any, n: Any, mode: Any = "full") -> Any:
    size = np.shape(a)[0]
    zeros = np.zeros(n - 1, a.dtype)
    whole = linalg.toeplitz(np.concatenate([a, zeros]), np.concatenate([a[:1], zeros]))
    if mode == "full":
        return whole
    shorter = np.minimum(size, n)
    if mode == "same":
        return whole[(shorter - 1) // 2 :][: np.maximum(size, n)]
    return whole[shorter - 1 :][: np.maximum(size, n) - shorter + 1]


@definition(linalg.solve_toeplitz, complex=True)
def solve_toeplitz(c_or_cr: Any, b: Any) -> Any:
    return np.linalg.solve(double(toeplitz_of(c_or_cr)), b)


@definition(linalg.matmul_toeplitz, complex=True)
def matmul_toeplitz(c_or_cr: Any, x: Any) -> Any:
    return double(toeplitz_of(c_or_cr)) @ x


def toeplitz_of(c_or_cr: Any) -> Any:
    if is_pair(c_or_cr):
        return linalg.toeplitz(c_or_cr[0], c_or_cr[1])
    return linalg.toeplitz(c_or_cr)


@at_compile_time
def is_pair(operand: Any) -> bool:
    return isinstance(operand, tuple)


def constant_type(n: Any, *_: Any) -> ArrayType:
    from ad_compiler.rules.shapes import axis_if_not_negative

    return ArrayType(np.dtype(np.float64), (axis_if_not_negative(n), axis_if_not_negative(n)))


@constant(linalg.hilbert, linalg.invhilbert, infer=constant_type)
def hilbert(n: Any) -> None: ...
