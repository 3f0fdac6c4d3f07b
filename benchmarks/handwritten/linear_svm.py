"""Linear SVM: a block of rows at a time, so that X, which both products read, comes from memory once.

What follows from a row's scores needs no other row, so a block goes forwards and backwards while it is in the
cache. Both products are BLAS; the second is in the orientation whose result has long rows.
"""

import numpy as np
from numpy.typing import NDArray

from benchmarks.core.linear_svm import REGULARISATION
from benchmarks.handwritten.compiling import native

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

BLOCK = 32  # rows: 0.8 MB


@native
def gradient(W: Array, X: Array, labels: Labels) -> Array:
    n = X.shape[0]
    features, classes = W.shape
    share = 1.0 / n
    W_T_bar = np.zeros((classes, features))
    part = np.empty((classes, features))
    scores = np.empty((BLOCK, classes))
    for start in range(0, n, BLOCK):
        size = min(BLOCK, n - start)
        np.dot(X[start : start + size], W, scores[:size])
        for row in range(size):
            label = labels[start + row]
            correct = scores[row, label] - 1.0
            count = 0.0
            for c in range(classes):
                active = 1.0 if scores[row, c] - correct > 0.0 else 0.0
                count += active
                scores[row, c] = active * share
            scores[row, label] -= count * share
        np.dot(scores[:size].T, X[start : start + size], part)
        for c in range(classes):
            for j in range(features):
                W_T_bar[c, j] += part[c, j]
    W_bar = np.empty((features, classes))
    for j in range(features):
        for c in range(classes):
            W_bar[j, c] = W_T_bar[c, j] + (2.0 * REGULARISATION) * W[j, c]
    return W_bar
