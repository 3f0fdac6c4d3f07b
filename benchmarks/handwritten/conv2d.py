"""Seven-loop convolution: a product of matrices for each row of the filters, one image after the other.

A strip holds what lies under one row of the window at each of its places along a row of the image:
`columns * channels` numbers that are neighbours in memory. The strips of the rows r, r + 1, ... are one
matrix without another copy, so the loops over i, j, s, c and k are one product for each image and r. A
copy of all windows, `rows` times larger, would leave the cache. The adjoint of the copy is a sum of shifted
strips.
"""

import numpy as np
from numpy.typing import NDArray

from benchmarks.handwritten.compiling import native

Array = NDArray[np.float64]


@native
def gradient(X: Array, W: Array) -> tuple[Array, Array]:
    images, height, width, channels = X.shape
    rows, columns, _, filters = W.shape
    high, wide, taps = height - rows + 1, width - columns + 1, columns * channels
    places = high * wide
    x = X.reshape((images, height, width * channels))
    w = W.reshape((rows, taps, filters))
    x_bar = np.zeros((images, height, width * channels))
    w_bar = np.zeros((rows, taps, filters))
    strips = np.empty((height * wide, taps))
    strips_bar = np.empty((height * wide, taps))
    y = np.empty((places, filters))
    y_part = np.empty((places, filters))
    w_part = np.empty((taps, filters))
    strips_part = np.empty((places, taps))
    for n in range(images):
        for i in range(height):
            for j in range(wide):
                for t in range(taps):
                    strips[i * wide + j, t] = x[n, i, j * channels + t]
                    strips_bar[i * wide + j, t] = 0.0
        np.dot(strips[:places], w[0], y)
        for r in range(1, rows):
            np.dot(strips[r * wide : r * wide + places], w[r], y_part)
            for p in range(places):
                for k in range(filters):
                    y[p, k] += y_part[p, k]
        for p in range(places):
            for k in range(filters):
                y[p, k] *= 2.0
        for r in range(rows):
            np.dot(strips[r * wide : r * wide + places].T, y, w_part)
            for t in range(taps):
                for k in range(filters):
                    w_bar[r, t, k] += w_part[t, k]
            np.dot(y, w[r].T, strips_part)
            for p in range(places):
                for t in range(taps):
                    strips_bar[r * wide + p, t] += strips_part[p, t]
        for i in range(height):
            for j in range(wide):
                for t in range(taps):
                    x_bar[n, i, j * channels + t] += strips_bar[i * wide + j, t]
    return x_bar.reshape(X.shape), w_bar.reshape(W.shape)
