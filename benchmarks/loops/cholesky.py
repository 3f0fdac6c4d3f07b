"""Cholesky factorisation by rows, and the logarithm of the determinant: saves O(n**2).

The rivals call their library's factorisation, which is what their users would do.
"""
# mypy: allow-untyped-defs, allow-untyped-calls
# The benchmarked function is written as users write NumPy: without annotations.

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.program import Program

Array = NDArray[np.float64]


def half_log_determinant(A):
    n = A.shape[0]
    L = np.zeros((n, n))
    for i in range(n):
        for j in range(i):
            L[i, j] = (A[i, j] - L[i, :j] @ L[j, :j]) / L[j, j]
        L[i, i] = np.sqrt(A[i, i] - L[i, :i] @ L[i, :i])
    return np.sum(np.log(np.diag(L)))


def by_hand(A: Array) -> Array:
    n = A.shape[0]
    L = np.empty((n, n))
    rows: list[Array] = []  # row j up to the diagonal
    diagonal: list[float] = []
    for i in range(n):
        row, given = L[i, :i], A[i].tolist()
        for j in range(i):
            row[j] = (given[j] - row[:j].dot(rows[j])) / diagonal[j]
        diagonal.append(math.sqrt(given[i] - row.dot(row)))
        rows.append(row)

    # Every entry of L is written once, so that nothing was saved; the adjoint of L becomes that of A.
    A_bar = np.zeros((n, n))
    rows_bar = [A_bar[i, :i] for i in range(n)]
    diagonal_bar = [1 / pivot for pivot in diagonal]
    for i in range(n - 1, -1, -1):
        row, row_bar = rows[i], rows_bar[i]
        s = diagonal_bar[i] / (2 * diagonal[i])
        A_bar[i, i] = s
        row_bar -= (2 * s) * row
        for j in range(i - 1, -1, -1):
            s = row_bar.item(j) / diagonal[j]
            row_bar[j] = s
            diagonal_bar[j] -= s * row.item(j)
            row_bar[:j] -= s * rows[j]
            rows_bar[j] -= s * row[:j]
    return A_bar


def in_jax() -> Callable[..., Any]:
    import jax.numpy as jnp

    def half_log_determinant(A: Any) -> Any:
        lower = jnp.tril(A)  # the only half that the program reads
        L = jnp.linalg.cholesky(lower + jnp.tril(A, -1).T, symmetrize_input=False)
        return jnp.log(jnp.diag(L)).sum()

    return half_log_determinant


def in_torch() -> Callable[..., Any]:
    import torch

    def half_log_determinant(A: Any) -> Any:
        L = torch.linalg.cholesky(torch.tril(A) + torch.tril(A, -1).T)
        return torch.log(torch.diagonal(L)).sum()

    return half_log_determinant


def in_autograd() -> Callable[..., Any]:
    import autograd.numpy as np

    def half_log_determinant(A: Any) -> Any:
        L = np.linalg.cholesky(np.tril(A) + np.tril(A, -1).T)
        return np.sum(np.log(np.diag(L)))

    return half_log_determinant


def inputs(n: int = 30) -> tuple[Array, ...]:
    factor = np.random.default_rng(0).normal(size=(n, n))
    return (factor @ factor.T + n * np.eye(n),)


PROGRAM = Program(
    name="cholesky",
    title="Cholesky by rows n=30",
    function=half_log_determinant,
    argnums=(0,),
    inputs=inputs,
    by_hand=by_hand,
    in_jax=in_jax,
    in_torch=in_torch,
    in_autograd=in_autograd,
)
