"""jacobi_2d: the adjoint of the stencil is the stencil, so each reverse sweep gathers into the other array.

The sweep is linear and nothing is saved. What a sweep writes is dead before it is written: its cotangent is
what the other array's was, and two arrays do for all steps. The adjoints of the edges only grow: they are
kept in the results, and the arrays swept over have edges of zeros, so no cell is a special case.

Both sweeps of a step are one pass over the rows, the second a row behind the first: a row of the second
needs the first's row below it, and overwrites nothing that the first still reads. Each array comes from
memory once in a step.
"""

import numpy as np
from numpy.typing import NDArray

from benchmarks.handwritten.compiling import native

Array = NDArray[np.float64]


@native
def step(a: Array, b: Array) -> None:
    """Write the averages over `a` into the inner cells of `b`, and then those over `b` into `a`."""
    n, m = a.shape[0] - 2, a.shape[1] - 2
    for i in range(n):
        for j in range(m):
            near = a[i + 1, j] + a[i + 1, j + 2] + a[i, j + 1] + a[i + 2, j + 1]
            b[i + 1, j + 1] = 0.2 * (a[i + 1, j + 1] + near)
        if i > 0:
            for j in range(m):
                near = b[i, j] + b[i, j + 2] + b[i - 1, j + 1] + b[i + 1, j + 1]
                a[i, j + 1] = 0.2 * (b[i, j + 1] + near)
    for j in range(m):
        near = b[n, j] + b[n, j + 2] + b[n - 1, j + 1] + b[n + 1, j + 1]
        a[n, j + 1] = 0.2 * (b[n, j + 1] + near)


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
        step(a, b)
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
        step(a, b)
        add_edges(b, A_bar)
    for i in range(n - 2):
        for j in range(m - 2):
            A_bar[i + 1, j + 1] = a[i + 1, j + 1]
    return A_bar, B_bar
