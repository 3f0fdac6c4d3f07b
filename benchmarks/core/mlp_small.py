"""A 16-8-3 tanh network on a batch of 4: arrays so small that every operation is overhead."""
# mypy: allow-untyped-defs, allow-untyped-calls
# The benchmarked function is written as users write NumPy: without annotations.

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.program import Program, times_faster

Array = NDArray[np.float64]


def loss(W1, b1, W2, b2, X, targets):
    hidden = np.tanh(X @ W1 + b1)
    scores = hidden @ W2 + b2
    shifted = scores - np.max(scores, axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
    return -np.sum(targets * log_probabilities) / X.shape[0]


def by_hand(
    W1: Array, b1: Array, W2: Array, b2: Array, X: Array, targets: Array
) -> tuple[Array, Array, Array, Array]:
    # On arrays this small `a.dot(b)` takes half the time of `a @ b`.
    hidden = X.dot(W1)
    hidden += b1
    np.tanh(hidden, hidden)
    scores = hidden.dot(W2)
    scores += b2
    scores -= np.maximum.reduce(scores, axis=1, keepdims=True)
    np.exp(scores, scores)
    scores /= np.add.reduce(scores, axis=1, keepdims=True)
    scores -= targets  # each row of targets sums to 1
    scores /= X.shape[0]
    W2_bar = hidden.T.dot(scores)
    np.square(hidden, hidden)
    np.subtract(1.0, hidden, hidden)
    hidden *= scores.dot(W2.T)
    return X.T.dot(hidden), np.add.reduce(hidden), W2_bar, np.add.reduce(scores)


def in_torch() -> Callable[..., Any]:
    import torch
    from torch.nn.functional import cross_entropy

    def loss(W1: Any, b1: Any, W2: Any, b2: Any, X: Any, targets: Any) -> Any:
        hidden = torch.tanh(torch.addmm(b1, X, W1))
        return cross_entropy(torch.addmm(b2, hidden, W2), targets)

    return loss


def inputs() -> tuple[Array, ...]:
    random = np.random.default_rng(0)
    targets = np.eye(3)[random.integers(3, size=4)]
    return (
        random.normal(size=(16, 8)) / 4,
        random.normal(size=8),
        random.normal(size=(8, 3)) / 3,
        random.normal(size=3),
        random.normal(size=(4, 16)),
        targets,
    )


PROGRAM = Program(
    name="mlp_small",
    title="MLP 16-8-3, batch 4",
    function=loss,
    argnums=(0, 1, 2, 3),
    inputs=inputs,
    by_hand=by_hand,
    in_torch=in_torch,
    targets=(
        times_faster(2.0, "JAX jit"),
        times_faster(3.0, "PyTorch"),
        times_faster(10.0, "autograd"),
    ),
)
