"""Systems of few equations, solved by compiled loops: against NumPy, and what is left to NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")

from ad_compiler import grad, value_and_grad
from ad_compiler.backends.native.lowering.library import FEW
from ad_compiler.backends.native.run_time import small_systems
from ad_compiler.backends.native.run_time.departure import Departure

PAIRS: dict[str, tuple[Callable[..., Any], Callable[..., Any], bool]] = {
    "inv": (small_systems.few_inverse, np.linalg.inv, False),
    "det": (small_systems.few_determinant, np.linalg.det, False),
    "slogdet": (small_systems.few_slogdet, np.linalg.slogdet, False),
    "cholesky": (small_systems.few_cholesky, np.linalg.cholesky, False),
    "solve": (small_systems.few_solution, np.linalg.solve, True),
}


def matrix(n: int, kind: str) -> Any:
    rng = np.random.default_rng(n)
    a = rng.normal(size=(n, n))
    if kind == "definite":
        return a @ a.T + n * np.eye(n)
    if kind == "permuted":
        return np.eye(n)[rng.permutation(n)] * rng.uniform(0.5, 2.0, n)
    return a + np.diag(10.0 ** rng.integers(-3, 4, n)) if kind == "scaled" else a


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("kind", ["definite", "permuted", "scaled", "any"])
def test_against_numpy(name: str, kind: str) -> None:
    compiled, numpy, has_right = PAIRS[name]
    for n in (0, 1, 2, 3, 4, 7, FEW):
        a = matrix(n, kind)
        if name == "cholesky" and kind != "definite":
            continue
        for given in (a, np.asfortranarray(a), np.repeat(a, 2, axis=1)[:, ::2]):
            arguments = (given, np.random.default_rng(0).normal(size=(n, 3))) if has_right else (given,)
            before = [np.array(argument) for argument in arguments]
            np.testing.assert_allclose(
                np.hstack(compiled(*arguments)) if name == "slogdet" else compiled(*arguments),
                np.hstack(numpy(*arguments)) if name == "slogdet" else numpy(*arguments),
                rtol=1e-9,
                atol=1e-10,
            )
            for argument, copy in zip(arguments, before, strict=True):
                np.testing.assert_array_equal(argument, copy)


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("element", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_left_to_numpy(name: str, element: float) -> None:
    compiled, _, has_right = PAIRS[name]
    a = np.eye(3)
    a[2, 1] = element
    with pytest.raises(Departure):
        compiled(*((a, np.ones((3, 1))) if has_right else (a,)))


@pytest.mark.parametrize("name", PAIRS)
def test_what_is_singular_is_left_to_numpy(name: str) -> None:
    compiled, _, has_right = PAIRS[name]
    a = np.array([[1.0, 2.0], [2.0, 4.0]])
    with pytest.raises(Departure):
        compiled(*((a, np.ones((2, 1))) if has_right else (a,)))


def likelihood(a: Any, b: Any) -> Any:
    factor = np.linalg.cholesky(a)
    inside = b @ np.linalg.solve(a, b) + np.sum(np.linalg.solve(a, factor) ** 2)
    sign, logarithm = np.linalg.slogdet(a)
    return (
        inside
        + sign * logarithm
        + np.sum(np.log(np.diag(factor)))
        + np.linalg.det(a)
        + np.linalg.inv(a)[0, 0]
    )


@pytest.mark.parametrize("n", [1, 4, FEW, FEW + 1])
def test_one_derivative_for_few_and_many_equations(n: int) -> None:
    a, b = matrix(n, "definite") / (2.0 * n), np.linspace(-1.0, 1.0, n)
    native = value_and_grad(likelihood, argnums=(0, 1), backend="numba", cache=False)
    plain = value_and_grad(likelihood, argnums=(0, 1))
    for of, right in ((a, b), (matrix(3, "definite"), np.ones(3))):
        mine, other = native(of, right), plain(of, right)
        np.testing.assert_allclose(mine[0], other[0], rtol=1e-10)
        for one, two in zip(mine[1], other[1], strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-10)


def test_numpy_raises_what_there_is_to_raise() -> None:
    derivative = grad(lambda a: np.linalg.inv(a)[0, 0], backend="numba", cache=False)
    np.testing.assert_allclose(derivative(2 * np.eye(2)), [[-0.25, 0.0], [0.0, 0.0]])
    with pytest.raises(np.linalg.LinAlgError):
        derivative(np.zeros((2, 2)))
    with pytest.raises(np.linalg.LinAlgError):
        derivative(np.ones((2, 3)))
