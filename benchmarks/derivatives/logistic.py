"""The Hessian of logistic regression, as Newton's method asks for it: 1,000 samples of 50 features."""
# mypy: allow-untyped-defs, allow-untyped-calls
# The benchmarked function is written as users write NumPy: without annotations.

import numpy as np
from numpy.typing import NDArray

from benchmarks.derivatives.contenders import DerivativeProgram

Array = NDArray[np.float64]


def loss(w, X, signs):
    return np.mean(np.logaddexp(0.0, -signs * (X @ w))) + 0.001 * (w @ w)


def hessian(w: Array, X: Array, signs: Array) -> Array:
    chance = 1.0 / (1.0 + np.exp(signs * (X @ w)))
    curvature = chance * (1.0 - chance) / len(signs)
    return (X.T * curvature) @ X + 0.002 * np.eye(len(w))


def inputs() -> tuple[Array, ...]:
    random = np.random.default_rng(0)
    X = random.normal(size=(1000, 50))
    return random.normal(size=50) / 10, X, np.sign(random.normal(size=1000))


PROGRAMS = (
    DerivativeProgram(
        name="logistic_hessian",
        title="Logistic regression 1000x50, Hessian",
        kind="hessian",
        function=loss,
        inputs=inputs,
        by_hand=hessian,
    ),
)
