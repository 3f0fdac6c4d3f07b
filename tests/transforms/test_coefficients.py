"""Jacobians with the factors of a direction collected, against those where they are applied one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ad_compiler import hessian, jacfwd, jacrev, pipeline
from tests.helpers import function_from_expression, generator


def chain(x: Any) -> Any:
    return np.exp(x / (1.0 + 0.05 * x))


def stencil(x: Any) -> Any:
    inside = np.concatenate([np.zeros(1), x, np.zeros(1)])
    return inside[2:] - 2.0 * x + inside[:-2] - 0.3 * np.sin(3.0 * x)


def broadcast(x: Any) -> Any:
    return np.cos(2.0 * x) * np.exp(np.ones((2, 1)) * x) / np.arange(1.0, 3.0)[:, None]


def factors_that_are_views(x: Any) -> Any:
    y = np.sin(x)
    return y[1:] * x[:-1] * y[:-1] * 2.0


def factors_written_into(x: Any) -> Any:
    y = np.sin(x)
    z = np.cos(2.0 * x) * y[::-1] * 0.5
    y[1:] = 3.0
    return z * y * x[0]


def steps(x: Any) -> Any:
    for _ in range(2):
        x = x + 0.1 * np.sin(2.0 * x) * x
    return x


def chosen(x: Any) -> Any:
    return np.where(x > 0.0, np.sqrt(x), 0.0) * np.exp(-x * x)


def cancelled(x: Any) -> Any:
    return 0.5 * x * np.ones(3) + (2.0 * x - x - x) + (x * 2.0) * 0.5 - (-x)


def cancelled_but_for_the_shape(x: Any) -> Any:
    moved = np.ones((2, 1)) * x
    return 2.0 * x * x + (moved - moved)


def read_twice(x: Any) -> Any:
    y = 2.0 * x * x
    return np.concatenate([y, np.sin(y) * y])


def of_matrix(x: Any) -> Any:
    return 3.0 * np.tanh(x @ x.T) * np.exp(np.sum(x, axis=1)) / 2.0


def complex_result(x: Any) -> Any:
    return np.exp(1j * np.sin(2.0 * x)) * (1.0 + 2.0j)


def of_number(x: Any, scale: Any = 0.5) -> Any:
    return np.sin(x / scale) / scale * scale


FUNCTIONS = [
    chain,
    stencil,
    broadcast,
    factors_that_are_views,
    factors_written_into,
    steps,
    chosen,
    cancelled,
    cancelled_but_for_the_shape,
    read_twice,
    complex_result,
    of_number,
]
VECTORS = [np.array([0.3, -0.7, 1.9]), np.array([0.3, -0.7, 1.9], dtype=np.float32), np.zeros(3)]


def made(make: Callable[..., Any], function: Any, block: int | None) -> Any:
    """A derivative that does so many directions at once."""
    derivative = make(function)
    derivative.block_for = lambda _: block
    return derivative


def assert_same(make: Callable[..., Any], function: Any, *args: Any) -> None:
    """Collected or not: the Jacobian is the same."""
    for block in (1, None):
        with np.errstate(all="ignore"):
            found = made(make, function, block)(*args)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(pipeline, "collect_coefficients", lambda *_: None)
                expected = made(make, function, block)(*args)
        assert found.dtype == expected.dtype
        tolerance = 1e-5 if args[0].dtype == np.float32 else 1e-12
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("x", VECTORS, ids=["double", "single", "zeros"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_jacobians(function: Any, x: Any) -> None:
    assert_same(jacfwd, function, x)


def test_other_jacobians() -> None:
    assert_same(jacfwd, of_matrix, np.array([[0.3, -0.7, 1.9], [0.2, 0.1, 0.4]]))
    assert_same(jacrev, steps, VECTORS[0])
    assert_same(hessian, lambda x: np.sum(steps(x) * np.exp(x[::-1])), VECTORS[0])
    assert_same(jacfwd, chain, np.ones(0))


@pytest.mark.parametrize("scale", [0.0, np.float64(0.0), np.zeros(())])
@pytest.mark.parametrize("size", [0, 2])
def test_division_by_zero(scale: Any, size: int) -> None:
    """It raises or warns as the program itself does: not before a loop that does no turn."""
    assert_same(lambda f: jacfwd(f, argnums=0), of_number, np.ones(size), scale)


def test_range() -> None:
    """Entries that are in range are kept, where a factor alone is not."""
    found = jacfwd(lambda x: np.exp(x) * np.exp(-x) * 2.0)(np.array([600.0, -600.0, 0.0]))
    np.testing.assert_allclose(found, np.zeros((3, 3)), atol=1e-12)


def test_strong_zeros() -> None:
    """What is not selected gives zero, also where the coefficient of what is would be infinite."""
    with np.errstate(all="ignore"):
        found = hessian(lambda x: np.sum(np.log(np.maximum(x, 1e-300))))(np.array([0.0, 4.0]))
    np.testing.assert_allclose(found, [[0.0, 0.0], [0.0, -1.0 / 16.0]], rtol=1e-12)


def random_expression(rng: Any, depth: int) -> str:
    """An expression in `x` that has its shape."""
    if not depth:
        return str(rng.choice(["x", "x[::-1]", "0.5", "c"]))
    first, second = random_expression(rng, depth - 1), random_expression(rng, depth - 1)
    forms = ["({} + {})", "({} - {})", "{} * {}", "({} / (2.0 + np.cos({})))", "np.sin({}) * {}", "-{} + {}"]
    return str(rng.choice(forms)).format(first, second)


@pytest.mark.parametrize("seed", range(25))
def test_random_expressions(seed: int) -> None:
    expression = f"{random_expression(generator(seed), 3)} + x * np.sum(c)"
    function = function_from_expression(expression)
    c, x = np.array([0.5, 2.0, -1.0]), np.array([0.3, -0.7, 1.9])
    assert_same(lambda f: jacfwd(f, argnums="x"), function, c, x)


def test_text() -> None:
    text = made(jacfwd, stencil, 1).source_for(np.ones(3))
    assert text.endswith(
        """
    columns = []
    coefficient = -2.0 - 0.9 * cos
    for i in range(x.shape[0]):
        direction = eye[i]
        zeros = np.zeros(1)
        zeros_1 = np.zeros(1)
        inside_dot = np.concatenate([np.zeros_like(zeros), direction, np.zeros_like(zeros_1)])
        difference_dot = inside_dot[2:] + coefficient * direction + inside_dot[:-2]
        columns.append(difference_dot)
    x_jacobian = np.reshape(np.moveaxis(np.array(columns), 0, -1), (x.shape[0], x.shape[0]))
    return x_jacobian
"""
    ), text
