"""The Gaussian-mixture log-likelihood of ADBench: d = 10 dimensions, k = 25 components, n = 1000.

Each component has an inverse covariance `Q.T @ Q`, with `Q` lower triangular. Row j of `icf` packs
the factor of component j: the logarithms of the diagonal, then the entries below it.
"""
# mypy: allow-untyped-defs, allow-untyped-calls
# The benchmarked function is written as users write NumPy: without annotations.

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.program import Program, times_faster

Array = NDArray[np.float64]

D, K, N = 10, 25, 1000
GAMMA, M = 1.0, 0  # parameters of the Wishart prior
ROWS, COLUMNS = np.tril_indices(D, -1)
BELOW = len(ROWS)

# Where an entry of Q stands in a packed factor that ends with a 0, for those above the diagonal.
POSITION = np.full((D, D), D + BELOW)
POSITION[np.arange(D), np.arange(D)] = np.arange(D)
POSITION[ROWS, COLUMNS] = D + np.arange(BELOW)


def constant_terms() -> float:
    """The terms of the log-likelihood and of the prior that no parameter enters."""
    degrees = D + M + 1
    log_gamma = D * (D - 1) / 4 * math.log(math.pi)
    log_gamma += sum(math.lgamma((degrees - j) / 2) for j in range(D))
    prior = degrees * D * (math.log(GAMMA) - math.log(2) / 2) - log_gamma
    return -N * D / 2 * math.log(2 * math.pi) - K * prior


CONSTANT = constant_terms()


def log_sum_exp(values, axis):
    largest = np.max(values, axis=axis, keepdims=True)
    return np.squeeze(largest, axis) + np.log(np.sum(np.exp(values - largest), axis=axis))


def log_likelihood(alphas, means, icf, x):
    log_diagonal, below = icf[:, :D], icf[:, D:]
    diagonal = np.exp(log_diagonal)
    packed = np.concatenate([diagonal, below, np.zeros((K, 1))], axis=1)
    Q = packed[:, POSITION]

    points = x.T.copy()  # contiguous, for the broadcast that follows
    centred = points - means[:, :, np.newaxis]
    whitened = Q @ centred
    distance = np.sum(whitened**2, axis=1)
    log_weight = alphas + np.sum(log_diagonal, axis=1)
    component = log_weight[:, np.newaxis] - 0.5 * distance

    prior = 0.5 * GAMMA**2 * (np.sum(diagonal**2) + np.sum(below**2)) - M * np.sum(log_diagonal)
    return CONSTANT + np.sum(log_sum_exp(component, 0)) - N * log_sum_exp(alphas, 0) + prior


def by_hand(alphas: Array, means: Array, icf: Array, x: Array) -> tuple[Array, Array, Array]:
    diagonal = np.exp(icf[:, :D])
    packed = np.zeros((K, D + BELOW + 1))
    packed[:, :D] = diagonal
    packed[:, D:-1] = icf[:, D:]
    Q = packed[:, POSITION]

    centred = np.ascontiguousarray(x.T) - means[:, :, np.newaxis]
    whitened = Q @ centred
    component = np.einsum("kdn,kdn->kn", whitened, whitened)
    component *= -0.5
    component += (alphas + icf[:, :D].sum(axis=1))[:, np.newaxis]
    component -= component.max(axis=0)
    np.exp(component, out=component)
    component /= component.sum(axis=0)
    responsibility = component
    weight = responsibility.sum(axis=1)

    whitened *= responsibility[:, np.newaxis, :]
    Q_bar = whitened @ np.swapaxes(centred, 1, 2)
    summed = whitened.sum(axis=2)[:, np.newaxis, :]  # over the points first: then a small matmul
    means_bar = (summed @ Q)[:, 0, :]

    icf_bar = np.empty_like(icf)
    icf_bar[:, :D] = (GAMMA**2 * diagonal - Q_bar[:, np.arange(D), np.arange(D)]) * diagonal
    icf_bar[:, :D] += (weight - M)[:, np.newaxis]
    icf_bar[:, D:] = GAMMA**2 * icf[:, D:] - Q_bar[:, ROWS, COLUMNS]

    alphas_bar = np.exp(alphas - alphas.max())
    alphas_bar *= -N / alphas_bar.sum()
    alphas_bar += weight
    return alphas_bar, means_bar, icf_bar


def in_torch() -> Callable[..., Any]:
    import torch

    position = torch.as_tensor(POSITION)
    zeros = torch.zeros((K, 1), dtype=torch.float64)

    def log_likelihood(alphas: Any, means: Any, icf: Any, x: Any) -> Any:
        log_diagonal, below = icf[:, :D], icf[:, D:]
        diagonal = torch.exp(log_diagonal)
        Q = torch.cat([diagonal, below, zeros], dim=1)[:, position]
        whitened = Q @ (x.T - means[:, :, None])
        distance = (whitened**2).sum(dim=1)
        component = (alphas + log_diagonal.sum(dim=1))[:, None] - 0.5 * distance
        prior = 0.5 * GAMMA**2 * ((diagonal**2).sum() + (below**2).sum()) - M * log_diagonal.sum()
        likelihood = torch.logsumexp(component, 0).sum() - N * torch.logsumexp(alphas, 0)
        return CONSTANT + likelihood + prior

    return log_likelihood


def inputs() -> tuple[Array, ...]:
    random = np.random.default_rng(0)
    return (
        random.normal(size=K),
        random.normal(size=(K, D)),
        0.3 * random.normal(size=(K, D + BELOW)),
        random.normal(size=(N, D)),
    )


PROGRAM = Program(
    name="gaussian_mixture",
    title="Gaussian mixture d=10 k=25 n=1000",
    function=log_likelihood,
    argnums=(0, 1, 2),
    inputs=inputs,
    by_hand=by_hand,
    in_torch=in_torch,
    targets=(times_faster(1.4, "JAX jit"),),
)
