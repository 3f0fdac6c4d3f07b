"""A 784-128-10 ReLU network on a batch of 64: the size of an MNIST classifier."""
# mypy: allow-untyped-defs, allow-untyped-calls
# The benchmarked function is written as users write NumPy: without annotations.

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.program import Program, times_faster

Array = NDArray[np.float64]
Labels = NDArray[np.int64]


def loss(W1, b1, W2, b2, X, labels):
    hidden = np.maximum(0, X @ W1 + b1)
    scores = hidden @ W2 + b2
    shifted = scores - np.max(scores, axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
    return -np.mean(log_probabilities[np.arange(X.shape[0]), labels])


def by_hand(
    W1: Array, b1: Array, W2: Array, b2: Array, X: Array, labels: Labels
) -> tuple[Array, Array, Array, Array]:
    hidden = X @ W1
    hidden += b1
    np.maximum(hidden, 0.0, out=hidden)
    scores = hidden @ W2
    scores += b2
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)
    scores[np.arange(X.shape[0]), labels] -= 1.0
    scores /= X.shape[0]
    hidden_bar = scores @ W2.T
    hidden_bar *= hidden > 0.0
    return X.T @ hidden_bar, hidden_bar.sum(axis=0), hidden.T @ scores, scores.sum(axis=0)


def in_torch() -> Callable[..., Any]:
    import torch
    from torch.nn.functional import cross_entropy

    def loss(W1: Any, b1: Any, W2: Any, b2: Any, X: Any, labels: Any) -> Any:
        hidden = torch.relu(torch.addmm(b1, X, W1))
        return cross_entropy(torch.addmm(b2, hidden, W2), labels)

    return loss


def inputs() -> tuple[Any, ...]:
    random = np.random.default_rng(0)
    return (
        random.normal(size=(784, 128)) / 28,
        random.normal(size=128),
        random.normal(size=(128, 10)) / 11,
        random.normal(size=10),
        random.normal(size=(64, 784)),
        random.integers(10, size=64),
    )


PROGRAM = Program(
    name="mlp_large",
    title="MLP 784-128-10, batch 64",
    function=loss,
    argnums=(0, 1, 2, 3),
    inputs=inputs,
    by_hand=by_hand,
    in_torch=in_torch,
    targets=(times_faster(1.4, "JAX jit"),),
)
