"""Whole programs, against the gradients that HIPS autograd finds for the same functions."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

import autograd
import autograd.numpy
import numpy as np
import pytest

from ad_compiler import grad


def softmax_regression(W, b, X, y):
    scores = X @ W + b
    shifted = scores - np.max(scores, axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
    return -np.mean(log_probabilities[np.arange(len(y)), y]) + 0.01 * np.sum(W**2)


def attention(Q, K, V):
    weights = np.exp(Q @ np.swapaxes(K, -1, -2) / np.sqrt(Q.shape[-1]))
    weights = weights / np.sum(weights, axis=-1, keepdims=True)
    return np.sum(np.tanh(weights @ V))


def gaussian_process(lengths, X, y):
    difference = (X[:, None, :] - X[None, :, :]) / lengths
    kernel = np.exp(-0.5 * np.sum(difference**2, axis=2)) + 0.1 * np.eye(len(X))
    return np.dot(y, kernel @ y) / np.einsum("ij,ij->", kernel, kernel)


def batch_normalisation(x, scale, shift):
    centred = x - x.mean(axis=0)
    normal = centred / np.sqrt(np.var(x, axis=0) + 1e-5)
    return np.sum(np.maximum(normal * scale + shift, 0.0) ** 2)


def lennard_jones(positions):
    difference = positions[:, None, :] - positions[None, :, :]
    square = np.sum(difference**2, axis=-1) + 10.0 * np.eye(len(positions))
    sixth = 1.0 / square**3
    return np.sum(np.where(square < 6.0, sixth**2 - sixth, 0.0))


def stencil(u, c):
    inner = u[1:-1, 1:-1]
    laplacian = u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4 * inner
    return np.sum((inner + c * laplacian) ** 3)


def piecewise(x, y):
    if x * y > 0:
        return np.sin(x) ** y if y < 1 else np.log(x * y) / x
    return np.hypot(x, y) * np.arctan2(y, x)


RANDOM = np.random.default_rng(7)


def normal(*shape: int) -> Any:
    return RANDOM.normal(size=shape)


CASES: list[tuple[Callable[..., Any], int, tuple[Any, ...]]] = [
    (softmax_regression, 2, (normal(5, 3), normal(3), normal(8, 5), RANDOM.integers(0, 3, 8))),
    (attention, 3, (normal(2, 4, 3), normal(2, 6, 3), normal(2, 6, 5))),
    (gaussian_process, 3, (np.exp(normal(2)), normal(7, 2), normal(7))),
    (batch_normalisation, 3, (normal(6, 4), normal(4), normal(4))),
    (lennard_jones, 1, (1.5 * normal(6, 3),)),
    (stencil, 2, (normal(6, 5), 0.3)),
    (piecewise, 2, (0.7, 0.4)),
    (piecewise, 2, (1.7, 2.4)),
    (piecewise, 2, (-0.7, 0.4)),
]


@pytest.mark.parametrize(("f", "count", "args"), CASES, ids=lambda part: getattr(part, "__name__", ""))
def test_gradients_agree(f: FunctionType, count: int, args: tuple[Any, ...]) -> None:
    other = FunctionType(f.__code__, {**f.__globals__, "np": autograd.numpy})
    for number in range(count):
        expected = autograd.grad(other, number)(*args)
        np.testing.assert_allclose(grad(f, number)(*args), expected, rtol=1e-10, atol=1e-12)
