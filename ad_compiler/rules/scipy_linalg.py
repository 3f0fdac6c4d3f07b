"""Rules of `scipy.linalg`, which works on single matrices.

Source: Giles, An extended collection of matrix derivative results (2008); for the exponential Najfeld and
Havel, Derivatives of the matrix exponential and their computation (1995): a block of the exponential of a
block matrix.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import linalg

from ad_compiler.analysis.types import ArrayType
from ad_compiler.ir import Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.decompositions import cholesky as lower_cholesky
from ad_compiler.rules.notation import at_compile_time, definition, rule, written_out
from ad_compiler.rules.scipy_precision import double
from ad_compiler.rules.shapes import type_of
from ad_compiler.rules.solving import square_type

SIDES: dict[bool, Any] = {True: "L", False: "U"}


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


@written_out(linalg.eigh)
def eigh(a: Any, b: Any = None, *, lower: Any = True, eigvals_only: Any = False) -> Any:
    check_none(b)
    side = SIDES[lower]
    return np.linalg.eigvalsh(a, side) if eigvals_only else np.linalg.eigh(a, side)


@written_out(linalg.eigvalsh)
def eigvalsh(a: Any, b: Any = None, *, lower: Any = True) -> Any:
    check_none(b)
    return np.linalg.eigvalsh(a, SIDES[lower])


@at_compile_time
def check_none(b: Any) -> None:
    if b is not None:
        raise Refusal("a generalized eigenvalue problem has no rule", "reduce it by a Cholesky factor of `b`")


MODES: dict[str, Any] = {"full": "complete", "economic": "reduced", "r": "r"}


@written_out(linalg.qr)
def qr(a: Any, *, mode: Any = "full") -> Any:
    return np.linalg.qr(a, MODES[mode])


@rule(linalg.cholesky, infer=square_type)
def cholesky(a: Any, lower: Any = False, *, y: Any, g: Any) -> Any:
    return lower_cholesky(a, not lower, y=y, g=g)


def triangular_type(
    a: Any, b: Any, trans: Any = 0, lower: Any = False, unit_diagonal: Any = False
) -> ArrayType:
    from ad_compiler.rules.solving import solve_type

    return solve_type(a, b)


@rule(linalg.solve_triangular, infer=triangular_type)
def solve_triangular(
    a: Any, b: Any, trans: Any = 0, lower: Any = False, unit_diagonal: Any = False, *, y: Any, g: Any
) -> Any:
    straight = is_straight(trans)
    b_bar = linalg.solve_triangular(
        a, g, trans=1 if straight else 0, lower=lower, unit_diagonal=unit_diagonal
    )
    first, second = (b_bar, y) if straight else (y, b_bar)
    product = np.outer(first, second) if np.ndim(y) == 1 else first @ second.T
    k = -1 if unit_diagonal else 0
    return -(np.tril(product, k) if lower else np.triu(product, -k)), b_bar


@at_compile_time
def is_straight(trans: Any) -> bool:
    if isinstance(trans, Value) or trans not in (0, 1, "N", "T"):
        raise Refusal("`solve_triangular` of a conjugated matrix has no rule", "use trans=0 or 1")
    return trans in (0, "N")


@written_out(linalg.cho_solve)
def cho_solve(c_and_lower: Any, b: Any) -> Any:
    c, lower = c_and_lower
    half = linalg.solve_triangular(c, b, 0 if lower else 1, lower)
    return linalg.solve_triangular(c, half, 1 if lower else 0, lower)


@written_out(linalg.cho_factor)
def cho_factor(a: Any, lower: Any = False) -> Any:
    return linalg.cholesky(a, lower), lower


@rule(linalg.expm, infer=square_type)
def expm(A: Any, *, g: Any) -> Any:
    turned = np.swapaxes(A, -1, -2)
    n = np.shape(A)[-1]
    top = np.concatenate([turned, g], -1)
    bottom = np.concatenate([np.zeros_like(turned), turned], -1)
    return linalg.expm(np.concatenate([top, bottom], -2))[..., :n, n:]


def sylvester_type(a: Any, b: Any, q: Any) -> ArrayType:
    square_type(a), square_type(b)
    return ArrayType(np.result_type(type_of(a).dtype, type_of(q).dtype), type_of(q).shape)


@rule(linalg.solve_sylvester, infer=sylvester_type)
def solve_sylvester(a: Any, b: Any, q: Any, *, y: Any, g: Any) -> Any:
    q_bar = linalg.solve_sylvester(a.T, b.T, g)
    return -(q_bar @ y.T), -(y.T @ q_bar), q_bar


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


@definition(linalg.toeplitz)
def toeplitz(c: Any, r: Any = None) -> Any:
    row = c if r is None else r
    rows, columns = np.shape(c)[0], np.shape(row)[0]
    diagonals = np.concatenate([np.flip(row[1:]), c])
    return diagonals[columns - 1 + np.arange(rows)[:, None] - np.arange(columns)[None, :]]


@definition(linalg.circulant)
def circulant(c: Any) -> Any:
    places = np.arange(np.shape(c)[0])
    return c[(places[:, None] - places[None, :]) % np.shape(c)[0]]


@definition(linalg.hankel)
def hankel(c: Any, r: Any) -> Any:
    places = np.arange(np.shape(c)[0])[:, None] + np.arange(np.shape(r)[0])[None, :]
    return np.concatenate([c, r[1:]])[places]
