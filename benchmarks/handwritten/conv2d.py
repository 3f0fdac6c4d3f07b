"""Seven-loop convolution: the filters, whose numbers are contiguous, become the innermost loop.

One nest over windows holds forward and reverse sweep: `Y` is read back only where it was written, so the
results of a window are one short array, and its cotangent is twice that.
"""

import numpy as np
from numpy.typing import NDArray

from benchmarks.handwritten.compiling import native

Array = NDArray[np.float64]


@native
def gradient(X: Array, W: Array) -> tuple[Array, Array]:
    images, height, width, channels = X.shape
    rows, columns, _, filters = W.shape
    taps = columns * channels
    x = X.reshape((images, height, width * channels))
    w = W.reshape((rows, taps, filters))
    X_bar = np.zeros((images, height, width * channels))
    W_bar = np.zeros((rows, taps, filters))
    y = np.empty(filters)
    for n in range(images):
        for i in range(height - rows + 1):
            for j in range(width - columns + 1):
                start = j * channels
                for k in range(filters):
                    y[k] = 0.0
                for r in range(rows):
                    for t in range(taps):
                        value = x[n, i + r, start + t]
                        for k in range(filters):
                            y[k] += value * w[r, t, k]
                for k in range(filters):
                    y[k] *= 2.0
                for r in range(rows):
                    for t in range(taps):
                        value = x[n, i + r, start + t]
                        total = 0.0
                        for k in range(filters):
                            total += y[k] * w[r, t, k]
                            W_bar[r, t, k] += value * y[k]
                        X_bar[n, i + r, start + t] += total
    return X_bar.reshape(X.shape), W_bar.reshape(W.shape)
