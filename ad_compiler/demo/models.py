"""Three image classifiers as plain NumPy losses; nothing here knows of differentiation.

Shapes: n images, d pixels, h hidden units or filters, c classes; labels `y` are ints of shape (n,).
Every loss is the mean over the images plus `regularisation` times the sum of squared weights.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]


class TwoLayerNet(NamedTuple):
    """Parameters of affine, ReLU, affine."""

    hidden_weights: FloatArray  # (d, h)
    hidden_bias: FloatArray  # (h,)
    output_weights: FloatArray  # (h, c)
    output_bias: FloatArray  # (c,)


class ConvNet(NamedTuple):
    """Parameters of convolution, ReLU, max-pool, affine."""

    filters: FloatArray  # (3, 3, h)
    filter_bias: FloatArray  # (h,)
    output_weights: FloatArray  # (pooled positions * h, c)
    output_bias: FloatArray  # (c,)


def two_layer_scores(params: TwoLayerNet, X: FloatArray) -> FloatArray:
    """Scores (n, c) of images X (n, d)."""
    hidden = np.maximum(0.0, X @ params.hidden_weights + params.hidden_bias)
    return hidden @ params.output_weights + params.output_bias


def conv_scores(params: ConvNet, images: FloatArray) -> FloatArray:
    """Scores (n, c) of images (n, rows, columns), both two more than an even number."""
    windows = sliding_window_view(images, (3, 3), axis=(1, 2))
    convolved = np.tensordot(windows, params.filters, axes=2) + params.filter_bias
    features = np.maximum(0.0, convolved)

    n, rows, columns, h = features.shape
    blocks = features.reshape(n, rows // 2, 2, columns // 2, 2, h)
    pooled: FloatArray = np.max(blocks, axis=(2, 4)).reshape(n, -1)

    return pooled @ params.output_weights + params.output_bias


def softmax_cross_entropy(scores: FloatArray, y: IntArray) -> np.floating:
    """Mean of -log(probability of the right class), stable for large scores."""
    shifted = scores - np.max(scores, axis=1, keepdims=True)
    log_normaliser = np.log(np.sum(np.exp(shifted), axis=1))
    losses: FloatArray = log_normaliser - shifted[np.arange(len(y)), y]
    return np.mean(losses)


def hinge_loss(W: FloatArray, X: FloatArray, y: IntArray, regularisation: float = 1e-3) -> np.floating:
    """Multiclass hinge loss: every wrong class should score at least 1 below the right one.

    The scores are X @ W; a last column of ones in X (n, d) makes the last row of W (d, c) a bias.
    """
    scores = X @ W
    right_scores = scores[np.arange(len(y)), y]
    margins: FloatArray = np.maximum(0.0, scores - right_scores[:, np.newaxis] + 1.0)
    data_loss = np.sum(margins) / len(y) - 1.0  # the right class itself has a margin of 1
    return data_loss + regularisation * np.sum(W * W)


def softmax_net_loss(
    params: TwoLayerNet, X: FloatArray, y: IntArray, regularisation: float = 1e-3
) -> np.floating:
    """Cross-entropy of a two-layer ReLU net."""
    data_loss = softmax_cross_entropy(two_layer_scores(params, X), y)
    squared_weights = np.sum(params.hidden_weights**2) + np.sum(params.output_weights**2)
    return data_loss + regularisation * squared_weights


def conv_net_loss(
    params: ConvNet, images: FloatArray, y: IntArray, regularisation: float = 1e-3
) -> np.floating:
    """Cross-entropy of a convolutional net."""
    data_loss = softmax_cross_entropy(conv_scores(params, images), y)
    squared_weights = np.sum(params.filters**2) + np.sum(params.output_weights**2)
    return data_loss + regularisation * squared_weights
