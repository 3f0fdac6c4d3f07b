"""Linear SVM: two products by BLAS, the second in the orientation whose result has long rows."""

import numpy as np
from numpy.typing import NDArray

from benchmarks.core.linear_svm import REGULARISATION
from benchmarks.handwritten.compiling import native

Array = NDArray[np.float64]
Labels = NDArray[np.int64]


@native
def gradient(W: Array, X: Array, labels: Labels) -> Array:
    n = X.shape[0]
    features, classes = W.shape
    scores = np.dot(X, W)
    share = 1.0 / n
    for row in range(n):
        label = labels[row]
        correct = scores[row, label] - 1.0
        count = 0.0
        for c in range(classes):
            active = 1.0 if scores[row, c] - correct > 0.0 else 0.0
            count += active
            scores[row, c] = active * share
        scores[row, label] -= count * share
    W_T_bar = np.dot(scores.T, X)
    W_bar = np.empty((features, classes))
    for j in range(features):
        for c in range(classes):
            W_bar[j, c] = W_T_bar[c, j] + (2.0 * REGULARISATION) * W[j, c]
    return W_bar
