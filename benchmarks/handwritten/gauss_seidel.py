"""Gauss-Seidel: each row is split into what does not depend on the cell to the left, and the recurrence.

The first is a loop that is vectorised. The second is a chain of one multiplication and one addition for each
cell, whose latency is all the time there is: 4 cycles if the product with 0.25 is taken out of the chain.
Backwards likewise: the chain gives the cotangents of a row, then three rows are added to in one loop.
"""

import numpy as np
from numpy.typing import NDArray

from benchmarks.handwritten.compiling import native

Array = NDArray[np.float64]


@native
def gradient(initial: Array, f: Array, steps: int) -> tuple[Array, Array]:
    n, m = initial.shape
    u = initial.copy()
    f_bar = np.zeros((n, m))
    known = np.empty(m - 2)
    for _ in range(steps):
        for i in range(n - 2):
            for j in range(m - 2):
                known[j] = 0.25 * (u[i, j + 1] + u[i + 2, j + 1] + u[i + 1, j + 2] + f[i + 1, j + 1])
            left = u[i + 1, 0]
            for j in range(m - 2):
                left = known[j] + 0.25 * left
                u[i + 1, j + 1] = left

    for i in range(n):
        for j in range(m):
            u[i, j] *= 2.0
    u_bar = u
    for _ in range(steps):
        for row in range(n - 2):
            i = n - 3 - row
            s = 0.0
            for column in range(m - 2):
                j = m - 3 - column
                s = 0.25 * u_bar[i + 1, j + 1] + 0.25 * s
                known[j] = s
            for j in range(m - 2):
                u_bar[i, j + 1] += known[j]
                u_bar[i + 2, j + 1] += known[j]
                f_bar[i + 1, j + 1] += known[j]
            u_bar[i + 1, 0] += known[0]
            u_bar[i + 1, 1] = 0.0
            for j in range(m - 3):
                u_bar[i + 1, j + 2] = known[j]  # the adjoint of a cell dies where the cell is written
            u_bar[i + 1, m - 1] += known[m - 3]
    return u_bar, f_bar
