"""Training: a gradient handed to SciPy's L-BFGS, which wants one flat vector of parameters."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize

from ad_compiler.demo.models import FloatArray


@dataclass(frozen=True)
class Trained:
    """What training found, and what it took."""

    params: Any
    loss: float
    iterations: int
    seconds: float


def train(loss_and_gradient: Callable[..., Any], start: Any, *data: Any, max_iterations: int) -> Trained:
    """Minimise the loss over its first argument, an array or a named tuple of arrays.

    `loss_and_gradient(params, *data)` gives the loss and a gradient shaped like `start`.
    """

    def objective(vector: FloatArray) -> tuple[float, FloatArray]:
        loss, gradient = loss_and_gradient(unflatten(vector, start), *data)
        return loss, flatten(gradient)

    began = time.perf_counter()
    found = minimize(
        objective,
        flatten(start),
        method="L-BFGS-B",
        jac=True,
        options={"maxiter": max_iterations},
    )
    seconds = time.perf_counter() - began
    return Trained(unflatten(found.x, start), float(found.fun), int(found.nit), seconds)


def flatten(params: Any) -> FloatArray:
    """All numbers of an array, or of a tuple of arrays, in one vector."""
    arrays = params if isinstance(params, tuple) else (params,)
    return np.concatenate([array.ravel() for array in arrays])


def unflatten(vector: FloatArray, like: Any) -> Any:
    """The inverse of `flatten`: `vector` in the structure and shapes of `like`."""
    if not isinstance(like, tuple):
        return vector.reshape(like.shape)
    ends = np.cumsum([array.size for array in like])
    pieces = np.split(vector, ends[:-1])
    shaped = (piece.reshape(array.shape) for piece, array in zip(pieces, like, strict=True))
    return type(like)(*shaped)
