"""MLP 784-128-10: two large products are left to BLAS, everything between them is one loop over rows."""

import numpy as np
from numpy.typing import NDArray

from benchmarks.handwritten.compiling import native
from benchmarks.handwritten.elementary import exp

Array = NDArray[np.float64]
Labels = NDArray[np.int64]


@native
def gradient(
    W1: Array, b1: Array, W2: Array, b2: Array, X: Array, labels: Labels
) -> tuple[Array, Array, Array, Array]:
    batch = X.shape[0]
    units, classes = W2.shape
    hidden = np.dot(X, W1)
    hidden_bar = np.empty((batch, units))
    b1_bar = np.zeros(units)
    b2_bar = np.zeros(classes)
    W2_T = np.empty((classes, units))  # rows of it are contiguous: one loop over the units for each class
    W2_T_bar = np.zeros((classes, units))
    for j in range(units):
        for c in range(classes):
            W2_T[c, j] = W2[j, c]
    scores = np.empty(classes)
    for row in range(batch):
        for j in range(units):
            h = hidden[row, j] + b1[j]
            hidden[row, j] = h if h > 0.0 else 0.0
        largest = -np.inf
        for c in range(classes):
            score = b2[c]
            for j in range(units):
                score += hidden[row, j] * W2_T[c, j]
            scores[c] = score
            largest = max(largest, score)
        total = 0.0
        for c in range(classes):
            scores[c] = exp(scores[c] - largest)
            total += scores[c]
        for c in range(classes):
            scores[c] /= total
        scores[labels[row]] -= 1.0
        for c in range(classes):
            scores[c] /= batch
            b2_bar[c] += scores[c]
        for j in range(units):
            hidden_bar[row, j] = 0.0
        for c in range(classes):
            s = scores[c]
            for j in range(units):
                W2_T_bar[c, j] += s * hidden[row, j]
                hidden_bar[row, j] += s * W2_T[c, j]
        for j in range(units):
            h_bar = hidden_bar[row, j] if hidden[row, j] > 0.0 else 0.0
            hidden_bar[row, j] = h_bar
            b1_bar[j] += h_bar
    W2_bar = np.empty((units, classes))
    for j in range(units):
        for c in range(classes):
            W2_bar[j, c] = W2_T_bar[c, j]
    return np.dot(X.T, hidden_bar), b1_bar, W2_bar, b2_bar
