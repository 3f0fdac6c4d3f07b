"""A network of two tanh layers: its Jacobian by the input, and a product with the Hessian by its weights."""
# mypy: allow-untyped-defs, allow-untyped-calls
# The benchmarked functions are written as users write NumPy: without annotations.

import numpy as np
from numpy.typing import NDArray

from benchmarks.derivatives.contenders import DerivativeProgram

Array = NDArray[np.float64]


def network(x, A, B):
    return np.tanh(np.tanh(x @ A) @ B)


def jacobian(x: Array, A: Array, B: Array) -> Array:
    hidden = np.tanh(x @ A)
    result = np.tanh(hidden @ B)
    return ((1.0 - result**2)[:, np.newaxis] * B.T * (1.0 - hidden**2)) @ A.T


def loss(W, X, weights, targets):
    return np.mean((np.tanh(X @ W) @ weights - targets) ** 2)


def product(W: Array, X: Array, weights: Array, targets: Array, vector: Array) -> Array:
    hidden = np.tanh(X @ W)
    slope = 1.0 - hidden * hidden
    hidden_dot = slope * (X @ vector)
    scale = 2.0 / len(targets)
    misfit, misfit_dot = hidden @ weights - targets, hidden_dot @ weights
    first = np.outer(scale * misfit_dot, weights) * slope
    first -= np.outer(2.0 * scale * misfit, weights) * hidden * hidden_dot
    return X.T @ first


def network_inputs() -> tuple[Array, ...]:
    random = np.random.default_rng(0)
    return (
        random.normal(size=64),
        random.normal(size=(64, 128)) / 8,
        random.normal(size=(128, 64)) / 11,
    )


def loss_inputs() -> tuple[Array, ...]:
    random = np.random.default_rng(0)
    return (
        random.normal(size=(16, 32)) / 4,
        random.normal(size=(64, 16)),
        random.normal(size=32) / 6,
        random.normal(size=64),
    )


PROGRAMS = (
    DerivativeProgram(
        name="network_jacobian",
        title="Network 64-128-64, Jacobian",
        kind="jacfwd",
        function=network,
        inputs=network_inputs,
        by_hand=jacobian,
    ),
    DerivativeProgram(
        name="mlp_hvp",
        title="MLP 16-32-1, batch 64, Hessian times vector",
        kind="hvp",
        function=loss,
        inputs=loss_inputs,
        vector=lambda: np.random.default_rng(1).normal(size=(16, 32)),
        by_hand=product,
    ),
)
