"""Gauss-Seidel: each row is split into what does not depend on the cell to the left, and the recurrence.

The first is a loop that is vectorised. The second, `left = known + 0.25 * left`, is a chain of fused
multiplications and additions, each of which waits 4 cycles for the one before. So it is taken four cells at a
time: sums within the four, which wait for nothing outside them, and then one step of the chain, with the
powers of 0.25. Backwards likewise: the chain gives the cotangents of a row, then three rows are added to in
one loop.
"""

import numpy as np
from numpy.typing import NDArray

from benchmarks.handwritten.compiling import native

Array = NDArray[np.float64]

ONCE, TWICE, THRICE, FOUR_TIMES = 0.25, 0.25**2, 0.25**3, 0.25**4


@native
def gradient(initial: Array, f: Array, steps: int) -> tuple[Array, Array]:
    n, m = initial.shape
    cells = m - 2
    fours = cells // 4 * 4
    u = initial.copy()
    known = np.empty(cells)
    for _ in range(steps):
        for i in range(n - 2):
            for j in range(cells):
                known[j] = 0.25 * (u[i, j + 1] + u[i + 2, j + 1] + u[i + 1, j + 2] + f[i + 1, j + 1])
            left = u[i + 1, 0]
            for j in range(0, fours, 4):
                p0 = known[j]
                p1 = known[j + 1] + ONCE * p0
                p2 = known[j + 2] + ONCE * p1
                p3 = known[j + 3] + ONCE * p2
                u[i + 1, j + 1] = p0 + ONCE * left
                u[i + 1, j + 2] = p1 + TWICE * left
                u[i + 1, j + 3] = p2 + THRICE * left
                left = p3 + FOUR_TIMES * left
                u[i + 1, j + 4] = left
            for j in range(fours, cells):
                left = known[j] + ONCE * left
                u[i + 1, j + 1] = left

    for i in range(n):
        for j in range(m):
            u[i, j] *= 2.0
    u_bar = u
    f_bar = np.zeros((n, m))
    for _ in range(steps):
        for row in range(n - 2):
            i = n - 3 - row
            right = 0.0
            for done in range(0, fours, 4):
                j = cells - 4 - done
                p3 = ONCE * u_bar[i + 1, j + 4]
                p2 = ONCE * u_bar[i + 1, j + 3] + ONCE * p3
                p1 = ONCE * u_bar[i + 1, j + 2] + ONCE * p2
                p0 = ONCE * u_bar[i + 1, j + 1] + ONCE * p1
                known[j + 3] = p3 + ONCE * right
                known[j + 2] = p2 + TWICE * right
                known[j + 1] = p1 + THRICE * right
                right = p0 + FOUR_TIMES * right
                known[j] = right
            for done in range(fours, cells):
                j = cells - 1 - done
                right = ONCE * u_bar[i + 1, j + 1] + ONCE * right
                known[j] = right
            for j in range(cells):
                u_bar[i, j + 1] += known[j]
                u_bar[i + 2, j + 1] += known[j]
                f_bar[i + 1, j + 1] += known[j]
            u_bar[i + 1, 0] += known[0]
            u_bar[i + 1, 1] = 0.0
            for j in range(cells - 1):
                u_bar[i + 1, j + 2] = known[j]  # the adjoint of a cell dies where the cell is written
            u_bar[i + 1, m - 1] += known[cells - 1]
    return u_bar, f_bar
