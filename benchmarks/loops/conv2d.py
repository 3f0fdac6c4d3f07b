"""A convolution as seven nested loops: 2 images of 8x8x2, 2 filters of 3x3x2.

The rivals run their library's convolution, or as few array operations as they can.
"""
# mypy: allow-untyped-defs, allow-untyped-calls
# The benchmarked function is written as users write NumPy: without annotations.

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.program import Program

Array = NDArray[np.float64]
Shape = tuple[int, int, int, int]


def convolution(X, W):
    images, height, width, channels = X.shape
    rows, columns, _, filters = W.shape
    Y = np.zeros((images, height - rows + 1, width - columns + 1, filters))
    for n in range(images):
        for i in range(height - rows + 1):
            for j in range(width - columns + 1):
                for k in range(filters):
                    for r in range(rows):
                        for s in range(columns):
                            for c in range(channels):
                                Y[n, i, j, k] += X[n, i + r, j + s, c] * W[r, s, c, k]
    return np.sum(Y * Y)


def by_hand(X: Array, W: Array) -> tuple[Array, Array]:
    # Nested lists, as everywhere where numbers are read one by one; the filters come first, and a
    # row of a filter lies beside the row of the image that it meets.
    rows, columns, channels, filters = W.shape
    taps = columns * channels
    weights = W.transpose(3, 0, 1, 2).reshape(filters, rows, taps).tolist()
    weights_bar = [[[0.0] * taps for _ in range(rows)] for _ in range(filters)]
    X_bar = []
    for image in X.reshape(X.shape[0], X.shape[1], -1).tolist():
        image_bar = [[0.0] * len(row) for row in image]
        X_bar.append(image_bar)
        for i in range(len(image) - rows + 1):
            for start in range(0, len(image[0]) - taps + 1, channels):
                window = [row[start : start + taps] for row in image[i : i + rows]]
                for weight, weight_bar in zip(weights, weights_bar, strict=True):
                    y = 0.0
                    for xs, ws in zip(window, weight, strict=True):
                        for x, w in zip(xs, ws, strict=True):
                            y += x * w
                    y_bar = 2.0 * y
                    for r in range(rows):
                        xs, ws, row_bar, w_bar = window[r], weight[r], image_bar[i + r], weight_bar[r]
                        for t in range(taps):
                            row_bar[start + t] += y_bar * ws[t]
                            w_bar[t] += y_bar * xs[t]
    W_bar = np.array(weights_bar).reshape(filters, rows, columns, channels).transpose(1, 2, 3, 0)
    return np.array(X_bar).reshape(X.shape), W_bar


def by_hand_as_matrices(X: Array, W: Array) -> tuple[Array, Array]:
    """The same gradient by products of matrices, one for each row of the filters."""
    images, height, width, channels = X.shape
    rows, columns, _, filters = W.shape
    high, wide, taps = height - rows + 1, width - columns + 1, columns * channels
    strips = np.empty((images, height, wide, taps))
    for s in range(columns):
        strips[..., s * channels : (s + 1) * channels] = X[:, :, s : s + wide]
    weights = W.reshape(rows, taps, filters)
    y = np.zeros((images, high, wide, filters))
    for r in range(rows):
        y += strips[:, r : r + high] @ weights[r]
    y *= 2.0
    flat = y.reshape(-1, filters)
    strips_bar = np.zeros_like(strips)
    weights_bar = np.empty_like(weights)
    for r in range(rows):
        strips_bar[:, r : r + high] += y @ weights[r].T
        weights_bar[r] = strips[:, r : r + high].reshape(-1, taps).T @ flat
    X_bar = np.zeros_like(X)
    for s in range(columns):
        X_bar[:, :, s : s + wide] += strips_bar[..., s * channels : (s + 1) * channels]
    return X_bar, weights_bar.reshape(W.shape)


def in_jax() -> Callable[..., Any]:
    from jax import lax

    def convolution(X: Any, W: Any) -> Any:
        Y = lax.conv_general_dilated(X, W, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return (Y * Y).sum()

    return convolution


def in_jax_as_matrices() -> Callable[..., Any]:
    """A sum of matrix products, one for each row of the filters: several times faster on a processor."""
    import jax.numpy as jnp

    def convolution(X: Any, W: Any) -> Any:
        rows, columns, channels, filters = W.shape
        height, width = X.shape[1] - rows + 1, X.shape[2] - columns + 1
        strips = jnp.concatenate([X[:, :, s : s + width] for s in range(columns)], axis=-1)
        weights = W.reshape(rows, columns * channels, filters)
        Y = sum(strips[:, r : r + height] @ weights[r] for r in range(rows))
        return jnp.sum(Y * Y)

    return convolution


def in_torch() -> Callable[..., Any]:
    import torch

    def convolution(X: Any, W: Any) -> Any:
        Y = torch.nn.functional.conv2d(X.permute(0, 3, 1, 2), W.permute(3, 2, 0, 1))
        return (Y * Y).sum()

    return convolution


def in_autograd() -> Callable[..., Any]:
    import autograd.numpy as np

    def convolution(X: Any, W: Any) -> Any:
        rows, columns = W.shape[:2]
        height, width = X.shape[1] - rows + 1, X.shape[2] - columns + 1
        Y = 0.0
        for r in range(rows):
            for s in range(columns):
                Y = Y + np.dot(X[:, r : r + height, s : s + width], W[r, s])
        return np.sum(Y * Y)

    return convolution


def inputs(images: Shape = (2, 8, 8, 2), filters: Shape = (3, 3, 2, 2)) -> tuple[Array, ...]:
    random = np.random.default_rng(0)
    return random.normal(size=images), random.normal(size=filters)


PROGRAM = Program(
    name="conv2d",
    title="conv2d 7 loops 2x8x8x2 K=3",
    function=convolution,
    argnums=(0, 1),
    inputs=inputs,
    by_hand=by_hand,
    in_jax=in_jax,
    in_torch=in_torch,
    in_autograd=in_autograd,
)
