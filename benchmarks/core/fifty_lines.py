"""A straight-line function of 50 statements: how long a gradient takes to build."""
# mypy: allow-untyped-defs, allow-untyped-calls
# The benchmarked function is written as users write NumPy: without annotations.

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.program import Problem

Array = NDArray[np.float64]


def fifty_lines(A, b, c, x):
    u0 = A @ x
    u1 = u0 + b
    u2 = np.tanh(u1)
    u3 = u2 * c
    u4 = u3 - x
    u5 = np.exp(-0.1 * u4)
    u6 = u5 / (1 + u5)
    u7 = A.T @ u6
    u8 = np.sin(u7) * np.cos(u6)
    u9 = u8 + 0.5 * u1
    v0 = A @ u9
    v1 = v0 + b
    v2 = np.tanh(v1)
    v3 = v2 * c
    v4 = v3 - u9
    v5 = np.exp(-0.1 * v4)
    v6 = v5 / (1 + v5)
    v7 = A.T @ v6
    v8 = np.sin(v7) * np.cos(v6)
    v9 = v8 + 0.5 * v1
    w0 = A @ v9
    w1 = w0 + b
    w2 = np.maximum(0, w1)
    w3 = w2 * c
    w4 = w3 - v9
    w5 = np.sqrt(1 + w4**2)
    w6 = w4 / w5
    w7 = A.T @ w6
    w8 = np.arctan(w7) * np.cos(w6)
    w9 = w8 + 0.5 * w1
    total = np.sum(w9)
    centred = w9 - np.mean(w9)
    spread = np.sqrt(np.mean(centred**2) + 1e-3)
    scaled = centred / spread
    outer = scaled[:, np.newaxis] * c[np.newaxis, :]
    blended = 0.1 * outer + A
    product = blended @ scaled
    shifted = product - np.max(product)
    weights = np.exp(shifted)
    normaliser = np.sum(weights)
    probabilities = weights / normaliser
    entropy = -np.sum(probabilities * np.log(probabilities))
    energy = np.sum(product * probabilities)
    left = np.reshape(scaled, (2, -1))
    folded = np.sum(left, axis=0)
    pair = np.concatenate([folded, folded * b[:4]])
    clipped = np.where(pair > 0, pair, 0.01 * pair)
    penalty = np.sum(clipped**2) + np.sum(b**2)
    smooth = np.log(1 + np.exp(0.1 * total))
    return entropy + energy + 0.1 * penalty + smooth


def inputs() -> tuple[Array, ...]:
    random = np.random.default_rng(0)
    return (
        0.3 * random.normal(size=(8, 8)),
        random.normal(size=8),
        random.normal(size=8),
        random.normal(size=8),
    )


PROBLEM = Problem(
    name="build_time",
    title="building the gradient of 50 lines",
    function=fifty_lines,
    argnums=(0, 1, 2, 3),
    inputs=inputs,
)
