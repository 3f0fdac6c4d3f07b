"""Rosenbrock's function, whose Hessian is tridiagonal: the product in 1,000 dimensions, all of it in 100."""
# mypy: allow-untyped-defs, allow-untyped-calls
# The benchmarked function is written as users write NumPy: without annotations.

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.derivatives.contenders import DerivativeProgram

Array = NDArray[np.float64]


def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def bands(x: Array) -> tuple[Array, Array]:
    """The diagonal of the Hessian, and the one beside it."""
    beside = -400.0 * x[:-1]
    diagonal = np.zeros_like(x)
    diagonal[:-1] = 1200.0 * x[:-1] ** 2 - 400.0 * x[1:] + 2.0
    diagonal[1:] += 200.0
    return diagonal, beside


def product(x: Array, vector: Array) -> Array:
    diagonal, beside = bands(x)
    result = diagonal * vector
    result[:-1] += beside * vector[1:]
    result[1:] += beside * vector[:-1]
    return result


def hessian(x: Array) -> Array:
    diagonal, beside = bands(x)
    result = np.zeros((len(x), len(x)))
    place = np.arange(len(x))
    result[place, place] = diagonal
    result[place[1:], place[:-1]] = result[place[:-1], place[1:]] = beside
    return result


def inputs(n: int) -> tuple[Any, ...]:
    return (np.random.default_rng(0).normal(size=n),)


HVP = DerivativeProgram(
    name="rosenbrock_hvp",
    title="Rosenbrock n=1000, Hessian times vector",
    kind="hvp",
    function=rosenbrock,
    inputs=partial(inputs, 1000),
    vector=lambda: np.random.default_rng(1).normal(size=1000),
    by_hand=product,
)
HESSIAN = DerivativeProgram(
    name="rosenbrock_hessian",
    title="Rosenbrock n=100, Hessian",
    kind="hessian",
    function=rosenbrock,
    inputs=partial(inputs, 100),
    by_hand=hessian,
)
PROGRAMS = (HVP, HESSIAN)
