"""Gauss-Seidel sweeps over a square, cell by cell: three nested loops of scalars."""
# mypy: allow-untyped-defs, allow-untyped-calls
# The benchmarked function is written as users write NumPy: without annotations.

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.program import Program

Array = NDArray[np.float64]


def gauss_seidel(initial, f, steps):
    u = initial.copy()
    n = u.shape[0]
    for _ in range(steps):
        for i in range(1, n - 1):
            for j in range(1, n - 1):
                u[i, j] = 0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] + f[i, j])
    return np.sum(u * u)


def by_hand(initial: Array, f: Array, steps: int) -> tuple[Array, Array]:
    # Reading and writing one number of a nested list takes a fifth of the time that an array takes.
    u: list[list[float]] = initial.tolist()
    sources: list[list[float]] = f.tolist()
    n = len(u)
    for _ in range(steps):
        for i in range(1, n - 1):
            above, row, below, source = u[i - 1], u[i], u[i + 1], sources[i]
            left = row[0]
            for j in range(1, n - 1):
                left = row[j] = 0.25 * (above[j] + below[j] + left + row[j + 1] + source[j])

    u_bar: list[list[float]] = (2.0 * np.array(u)).tolist()
    f_bar = [[0.0] * n for _ in range(n)]
    for _ in range(steps):
        for i in range(n - 2, 0, -1):
            above, row, below, source = u_bar[i - 1], u_bar[i], u_bar[i + 1], f_bar[i]
            edge = row[-1]
            s = 0.0
            for j in range(n - 2, 0, -1):
                s = 0.25 * (row[j] + s)
                above[j] += s
                below[j] += s
                source[j] += s
                row[j + 1] = s  # the adjoint of a cell dies where the cell is written
            row[1] = 0.0
            row[0] += s
            row[-1] += edge
    return np.array(u_bar), np.array(f_bar)


def in_jax() -> Callable[..., Any]:
    import jax.numpy as jnp
    from jax import lax

    def gauss_seidel(initial: Any, f: Any, steps: int) -> Any:
        def cell(left: Any, known: Any) -> Any:
            new = 0.25 * (known + left)
            return new, new

        def row(above: Any, rows: Any) -> Any:
            old, below, source = rows
            known = above[1:-1] + below[1:-1] + old[2:] + source[1:-1]
            _, inner = lax.scan(cell, old[0], known)
            new = jnp.concatenate([old[:1], inner, old[-1:]])
            return new, new

        def sweep(_: Any, u: Any) -> Any:
            _, inner = lax.scan(row, u[0], (u[1:-1], u[2:], f[1:-1]))
            return jnp.concatenate([u[:1], inner, u[-1:]])

        u = lax.fori_loop(0, steps, sweep, initial)
        return (u * u).sum()

    return gauss_seidel


def in_jax_as_written() -> Callable[..., Any]:
    """One cell after the other, each written into its place."""
    from jax import lax

    def gauss_seidel(initial: Any, f: Any, steps: int) -> Any:
        inner = initial.shape[0] - 2

        def cell(place: Any, u: Any) -> Any:
            i, j = 1 + place // inner, 1 + place % inner
            return u.at[i, j].set(0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] + f[i, j]))

        u = lax.fori_loop(0, steps, lambda _, u: lax.fori_loop(0, inner * inner, cell, u), initial)
        return (u * u).sum()

    return gauss_seidel


def in_torch() -> Callable[..., Any]:
    import torch

    def gauss_seidel(initial: Any, f: Any, steps: int) -> Any:
        u = [list(row) for row in initial]
        n = len(u)
        for _ in range(steps):
            for i in range(1, n - 1):
                for j in range(1, n - 1):
                    neighbours = u[i - 1][j] + u[i + 1][j] + u[i][j - 1] + u[i][j + 1]
                    u[i][j] = 0.25 * (neighbours + f[i, j])
        result = torch.stack([torch.stack(row) for row in u])
        return (result * result).sum()

    return gauss_seidel


def inputs(n: int = 20, steps: int = 5) -> tuple[Any, ...]:
    random = np.random.default_rng(0)
    return random.normal(size=(n, n)), random.normal(size=(n, n)), steps


PROGRAM = Program(
    name="gauss_seidel",
    title="Gauss-Seidel N=20 T=5",
    function=gauss_seidel,
    argnums=(0, 1),
    inputs=inputs,
    by_hand=by_hand,
    in_jax=in_jax,
    in_torch=in_torch,
    left_out={"autograd": "it cannot write in place, and cells have to be updated one by one"},
)
