"""jacobi_2d: the adjoint of the stencil is the stencil, so each reverse sweep gathers into the other array.

The sweep is linear and nothing is saved. What a sweep writes is dead before it is written: its cotangent is
what the other array's was, and two arrays do for all steps. The adjoints of the edges only grow: they are
kept in the results, and the arrays swept over have edges of zeros, so no cell is a special case.
"""

import numpy as np
from numpy.typing import NDArray

from benchmarks.handwritten.compiling import native

Array = NDArray[np.float64]


@native
def sweep(source: Array, target: Array) -> None:
    """Write the averages over `source` into the inner cells of `target`."""
    rows, columns = source.shape[0] - 2, source.shape[1] - 2
    for i in range(rows):
        for j in range(columns):
            near = source[i + 1, j] + source[i + 1, j + 2] + source[i, j + 1] + source[i + 2, j + 1]
            target[i + 1, j + 1] = 0.2 * (source[i + 1, j + 1] + near)


@native
def add_edges(source: Array, edges: Array) -> None:
    """Add to the edges of `edges` what the inner cells of `source` next to them hold, times 0.2."""
    n, m = source.shape
    for j in range(m - 2):
        edges[0, j + 1] += 0.2 * source[1, j + 1]
        edges[n - 1, j + 1] += 0.2 * source[n - 2, j + 1]
    for i in range(n - 2):
        edges[i + 1, 0] += 0.2 * source[i + 1, 1]
        edges[i + 1, m - 1] += 0.2 * source[i + 1, m - 2]


@native
def gradient(A: Array, B: Array, steps: int) -> tuple[Array, Array]:
    n, m = A.shape
    a, b = A.copy(), B.copy()
    for _ in range(steps):
        sweep(a, b)
        sweep(b, a)
    A_bar = np.empty((n, m))
    B_bar = np.zeros((n, m))
    for i in range(n):
        for j in range(m):
            A_bar[i, j] = 2.0 * a[i, j]
            a[i, j] = A_bar[i, j]
    for i in (0, n - 1):
        for j in range(m):
            a[i, j] = 0.0
            b[i, j] = 0.0
    for i in range(n):
        a[i, 0] = 0.0
        a[i, m - 1] = 0.0
        b[i, 0] = 0.0
        b[i, m - 1] = 0.0
    for _ in range(steps):
        add_edges(a, B_bar)
        sweep(a, b)
        add_edges(b, A_bar)
        sweep(b, a)
    for i in range(n - 2):
        for j in range(m - 2):
            A_bar[i + 1, j + 1] = a[i + 1, j + 1]
    return A_bar, B_bar
