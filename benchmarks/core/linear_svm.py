"""A linear classifier with multiclass hinge loss: 256 images of 3,073 values, 10 classes."""
# mypy: allow-untyped-defs, allow-untyped-calls
# The benchmarked function is written as users write NumPy: without annotations.

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.program import Program, times_faster

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

REGULARISATION = 1e-3


def hinge_loss(W, X, labels):
    n = X.shape[0]
    scores = X @ W
    correct = scores[np.arange(n), labels]
    margins = np.maximum(0, scores - correct[:, np.newaxis] + 1)
    data_loss = np.sum(margins) / n - 1  # the correct class adds a margin of 1 in each row
    return data_loss + REGULARISATION * np.sum(W * W)


def by_hand(W: Array, X: Array, labels: Labels) -> Array:
    n = X.shape[0]
    rows = np.arange(n)
    scores = X @ W
    scores -= scores[rows, labels][:, np.newaxis] - 1.0
    scores_bar = (scores > 0.0).astype(np.float64)
    scores_bar[rows, labels] -= scores_bar.sum(axis=1)
    scores_bar /= n
    W_bar = X.T @ scores_bar
    W_bar += (2.0 * REGULARISATION) * W
    return W_bar


def in_torch() -> Callable[..., Any]:
    import torch

    def hinge_loss(W: Any, X: Any, labels: Any) -> Any:
        scores = X @ W
        correct = torch.gather(scores, 1, labels[:, None])
        data_loss = torch.relu(scores - correct + 1).sum() / X.shape[0] - 1
        return data_loss + REGULARISATION * (W * W).sum()

    return hinge_loss


def inputs() -> tuple[Any, ...]:
    random = np.random.default_rng(0)
    X = random.normal(size=(256, 3073))
    X[:, -1] = 1.0
    return random.normal(size=(3073, 10)) / 50, X, random.integers(10, size=256)


PROGRAM = Program(
    name="linear_svm",
    title="linear SVM 256x3073x10",
    function=hinge_loss,
    argnums=(0,),
    inputs=inputs,
    by_hand=by_hand,
    in_torch=in_torch,
    targets=(times_faster(1.4, "JAX jit"),),
)
