"""Gaussian mixture: tiles of the points, so that forward and reverse sweep meet in the cache.

All that the likelihood does is done for each point by itself, but for the sums over points, so one loop
over tiles of points holds the forward and the reverse sweep. Within it, one loop over the points of the tile
for each component: the small constant length D is unrolled, and the points are what is vectorised.
"""

import numpy as np
from numpy.typing import NDArray

from benchmarks.core.gaussian_mixture import BELOW, COLUMNS, GAMMA, POSITION, ROWS, D, K, M
from benchmarks.handwritten.compiling import native, native_with
from benchmarks.handwritten.elementary import exp, exp_of_libm

Array = NDArray[np.float64]

TILE = 128


@native
def gradient(alphas: Array, means: Array, icf: Array, x: Array) -> tuple[Array, Array, Array]:
    n = x.shape[0]
    packed = np.zeros((K, D + BELOW + 1))
    offset = np.empty(K)
    for k in range(K):
        offset[k] = alphas[k]
        for d in range(D):
            packed[k, d] = exp(icf[k, d])
            offset[k] += icf[k, d]
        for e in range(BELOW):
            packed[k, D + e] = icf[k, D + e]
    Q = np.empty((K, D, D))
    for k in range(K):
        for i in range(D):
            for j in range(D):
                Q[k, i, j] = packed[k, POSITION[i, j]]

    weight = np.zeros(K)
    Q_bar = np.zeros((K, D, D))
    summed = np.zeros((K, D))
    points = np.empty((D, TILE))
    centred = np.empty((D, TILE))
    whitened = np.empty((K, D, TILE))
    responsibility = np.empty((K, TILE))
    largest = np.empty(TILE)
    total = np.empty(TILE)
    for start in range(0, n, TILE):
        size = min(TILE, n - start)
        for p in range(size):
            for d in range(D):
                points[d, p] = x[start + p, d]
            largest[p] = -np.inf
            total[p] = 0.0
        for k in range(K):
            for d in range(D):
                mean = means[k, d]
                for p in range(size):
                    centred[d, p] = points[d, p] - mean
            for i in range(D):
                for p in range(size):
                    w = 0.0
                    for j in range(D):
                        w += Q[k, i, j] * centred[j, p]
                    whitened[k, i, p] = w
            for p in range(size):
                distance = 0.0
                for i in range(D):
                    distance += whitened[k, i, p] * whitened[k, i, p]
                component = offset[k] - 0.5 * distance
                responsibility[k, p] = component
                largest[p] = max(largest[p], component)
        for k in range(K):
            for p in range(size):
                r = exp(responsibility[k, p] - largest[p])
                responsibility[k, p] = r
                total[p] += r
        for p in range(size):
            total[p] = 1.0 / total[p]
        for k in range(K):
            w = 0.0
            for p in range(size):
                r = responsibility[k, p] * total[p]
                responsibility[k, p] = r
                w += r
            weight[k] += w
            for d in range(D):
                mean = means[k, d]
                for p in range(size):
                    centred[d, p] = points[d, p] - mean
            for i in range(D):
                s = q0 = q1 = q2 = q3 = q4 = q5 = q6 = q7 = q8 = q9 = 0.0
                for p in range(size):
                    w = whitened[k, i, p] * responsibility[k, p]
                    s += w
                    q0 += w * centred[0, p]
                    q1 += w * centred[1, p]
                    q2 += w * centred[2, p]
                    q3 += w * centred[3, p]
                    q4 += w * centred[4, p]
                    q5 += w * centred[5, p]
                    q6 += w * centred[6, p]
                    q7 += w * centred[7, p]
                    q8 += w * centred[8, p]
                    q9 += w * centred[9, p]
                summed[k, i] += s
                Q_bar[k, i, 0] += q0
                Q_bar[k, i, 1] += q1
                Q_bar[k, i, 2] += q2
                Q_bar[k, i, 3] += q3
                Q_bar[k, i, 4] += q4
                Q_bar[k, i, 5] += q5
                Q_bar[k, i, 6] += q6
                Q_bar[k, i, 7] += q7
                Q_bar[k, i, 8] += q8
                Q_bar[k, i, 9] += q9

    alphas_bar = np.empty(K)
    means_bar = np.empty((K, D))
    icf_bar = np.empty((K, D + BELOW))
    top = alphas.max()
    normaliser = 0.0
    for k in range(K):
        alphas_bar[k] = exp(alphas[k] - top)
        normaliser += alphas_bar[k]
    for k in range(K):
        alphas_bar[k] = weight[k] - n * alphas_bar[k] / normaliser
        for j in range(D):
            mean_bar = 0.0
            for i in range(D):
                mean_bar += summed[k, i] * Q[k, i, j]
            means_bar[k, j] = mean_bar
        for d in range(D):
            diagonal = packed[k, d]
            icf_bar[k, d] = (GAMMA**2 * diagonal - Q_bar[k, d, d]) * diagonal + (weight[k] - M)
        for e in range(BELOW):
            icf_bar[k, D + e] = GAMMA**2 * icf[k, D + e] - Q_bar[k, ROWS[e], COLUMNS[e]]
    return alphas_bar, means_bar, icf_bar


gradient_with_libm = native_with(gradient, "gradient_with_libm", exp=exp_of_libm)
