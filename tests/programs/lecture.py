"""Programs whose generated derivatives are golden files, beside those of the demo."""

from __future__ import annotations

import math

import numpy as np


def squared_norm(W, x):
    y = W @ x
    return np.sum(y * y)


def huber(residual, width):
    """Quadratic near zero, linear far away."""
    size = abs(residual)
    # the two pieces meet with equal slopes
    if size <= width:
        loss = 0.5 * residual**2
    else:
        excess = size - width  # beyond the quadratic part
        loss = width * excess + 0.5 * width**2
    return math.log(1 + loss)


def dict_loss(params, x, y):
    hidden = np.tanh(x @ params["W"] + params["b"])
    error = hidden @ params["out"] - y
    return np.mean(error**2)


def polar(x, y):
    """Cartesian to polar coordinates."""
    radius = np.sqrt(x * x + y * y)
    angle = np.arctan2(y, x)
    return radius, angle


def affine(x, W, b):
    # one row of x for each example
    return x @ W + b


def two_layers(W1, b1, W2, b2, x):
    # the hidden layer
    hidden = np.tanh(affine(x, W1, b1))
    # the scores, and how large they are
    scores = affine(hidden, W2, b2)
    return np.sum(scores**2) / 2


def gather_and_scatter(table, rows, columns):
    picked = table[rows]  # rows may repeat
    crossed = table[1:, columns]
    counts = np.zeros(4)
    np.add.at(counts, rows, picked[:, 0])
    counts[:2] *= 3.0
    return np.sum(picked * picked) + np.sum(np.sin(crossed)) + np.sum(counts**2)
