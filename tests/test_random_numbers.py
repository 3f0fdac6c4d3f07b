"""Draws from a generator that is an argument: made once, in order, differentiated by location and scale."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ad_compiler import grad, jvp, value_and_grad, vjp
from tests.helpers import function_from_expression, function_from_source


def fresh() -> np.random.Generator:
    return np.random.default_rng(3)


def along_axes(f: Callable[..., Any], x: Any, step: float = 1e-6) -> Any:
    """Central differences with the same draws."""
    return [
        (f(x + step * unit, fresh()) - f(x - step * unit, fresh())) / (2 * step) for unit in np.eye(len(x))
    ]


PROGRAMS = [
    "np.sum(x * rng.normal(size=3))",
    "np.sum(rng.normal(x, 2.0) ** 2)",
    "np.sum(rng.normal(0.5, x) ** 2) + rng.normal(x[0], x[1], 5).sum()",
    "np.sum(rng.uniform(-x, 2 * x) * x)",
    "np.sum(rng.exponential(x) + rng.rayleigh(x) * x)",
    "np.sum(rng.laplace(x, x) * rng.logistic(x, 1.0) + rng.gumbel(0.0, x))",
    "np.sum(rng.lognormal(x, x / 4) + rng.gamma(2.0, x))",
    "np.sum(x * rng.poisson(2.0, 3) + x[rng.permutation(3)] * rng.integers(4))",
    "x[0] * rng.random() - x[1] * rng.random() + np.sum(x * rng.standard_normal(3, dtype=np.float32))",
]


@pytest.mark.parametrize("expression", PROGRAMS)
def test_gradient(expression: str) -> None:
    f = function_from_source(f"def f(x, rng):\n    return {expression}\n")
    x = np.array([0.7, 1.3, 2.1])
    value, gradient = value_and_grad(f)(x, fresh())
    assert value == pytest.approx(f(x, fresh()), rel=1e-13)
    np.testing.assert_allclose(gradient, along_axes(f, x), rtol=1e-6, atol=1e-7)
    direction = np.array([1.0, -2.0, 0.5])
    tangent = jvp(f, (x, fresh()), (direction, None))[1]
    assert tangent == pytest.approx(gradient @ direction, rel=1e-10)


def test_draws_are_made_in_order_and_once() -> None:
    """Those that nobody reads, too; in loops and branches; a pullback draws nothing."""
    f = function_from_source(
        """
        def f(x, rng):
            rng.normal(size=7)
            total = 0.0
            for i in range(4):
                z = rng.uniform()
                if z > 0.5:
                    total = total + x[0] * z * x[1]
                else:
                    total = total - np.sum(x * rng.normal(size=3)) ** 2
            return total
        """
    )
    x = np.array([0.7, 1.3, 2.1])
    generator, plain = fresh(), fresh()
    value, pullback = vjp(f, x, generator, argnums=(0,))
    assert value == pytest.approx(f(x, plain), rel=1e-14)
    assert generator.random() == plain.random()
    first = pullback(1.0)
    np.testing.assert_array_equal(first, pullback(1.0))
    np.testing.assert_allclose(first[0], along_axes(f, x), rtol=1e-6)
    assert generator.random() == plain.random()


@pytest.mark.parametrize("expression", ["rng.gamma(x, 1.0)", "rng.beta(x, 2.0)", "rng.poisson(x) * x"])
def test_parameters_without_a_pathwise_derivative(expression: str) -> None:
    f = function_from_source(f"def f(x, rng):\n    return {expression}\n")
    if "poisson" in expression:
        assert grad(f)(1.5, fresh()) == f(1.5, fresh()) / 1.5
    else:
        with pytest.raises(SyntaxError, match="not a formula of the draw"):
            grad(f)(1.5, fresh())


def test_refused() -> None:
    with pytest.raises(SyntaxError, match="random numbers of the whole process"):
        grad(function_from_expression("x * np.random.normal()"))(1.0)
    with pytest.raises(SyntaxError, match="the method `shuffle` of a generator has no rule"):
        grad(function_from_source("def f(x, rng):\n    rng.shuffle(x)\n    return x[0]\n"))(
            np.ones(2), fresh()
        )
