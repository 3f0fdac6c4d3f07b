"""Rules of matrix functions on complex numbers: finite differences in both modes, twice, and JAX.

Every expression is tested under a random cotangent of its own, so that also the phases of vectors count:
they are those that LAPACK fixes. JAX's derivative of vectors is compared where the phases do not count.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ad_compiler import grad, jvp
from tests.helpers import function_from_expression, function_from_source, generator

Shape = tuple[int, ...]


def hermitian(a: Any) -> Any:
    return a + np.conj(np.swapaxes(a, -1, -2)) + 6 * np.eye(np.shape(a)[-1])


NAMES: dict[str, Any] = {"hermitian": hermitian}
OF_SCIPY = """
linalg.lu(A)[1] @ linalg.lu(A)[2] ** 2
linalg.lu_solve(linalg.lu_factor(A), B)
linalg.lu_solve(linalg.lu_factor(A), B, trans=2)
linalg.solve_triangular(A, B, "C", lower=True)
linalg.cho_solve(linalg.cho_factor(hermitian(A)), B)
linalg.solve_banded((1, 1), A, B)
linalg.expm(A)
linalg.expm_frechet(A, A.T)[1]
linalg.sqrtm(hermitian(A) + A)
linalg.logm(hermitian(A) + A)
linalg.cosm(A) + linalg.sinm(A)
linalg.solve_continuous_lyapunov(hermitian(A), A)
linalg.toeplitz(A[0], A[1])
"""
SQUARE: list[Shape] = [(2, 3, 3), (1, 1)]
ANY: list[Shape] = [(4, 2), (2, 4), (2, 3, 3)]

# Expressions of A, and shapes of A; B is a vector or matrix of as many rows.
TABLE: list[tuple[str, list[Shape]]] = [
    (
        """
        np.linalg.cholesky(hermitian(A))
        np.linalg.cholesky(hermitian(A), upper=True)
        np.linalg.eigvalsh(hermitian(A))
        np.linalg.eigh(hermitian(A))[1]
        np.linalg.eigh(hermitian(A), "U").eigenvectors
        np.linalg.slogdet(A)[0]
        np.linalg.slogdet(A)[1]
        np.linalg.slogdet(A).sign * np.linalg.slogdet(A).logabsdet
        np.linalg.eigvals(A)
        np.linalg.eig(A)[0]
        np.linalg.eig(A).eigenvectors
        np.linalg.eig(A.real + 0j)[1]
        np.linalg.svd(A)[0] @ np.linalg.svd(A)[2]
        np.linalg.det(A)
        np.linalg.inv(A)
        """,
        SQUARE,
    ),
    (
        """
        np.linalg.eigh(hermitian(A))[1] * np.linalg.eigh(hermitian(A))[0]
        np.linalg.eig(A)[1] * np.linalg.eig(A)[0]
        np.linalg.matrix_power(A, -2)
        """,
        [(3, 3)],
    ),
    (
        """
        np.linalg.qr(A)[0]
        np.linalg.qr(A)[1]
        np.linalg.qr(A).Q @ np.linalg.qr(A).R ** 2
        np.linalg.qr(A, mode="r")
        np.linalg.svd(A, compute_uv=False)
        np.linalg.svd(A, full_matrices=False)[0]
        np.linalg.svd(A, full_matrices=False)[2]
        np.linalg.svd(A, False).U * np.linalg.svd(A, False)[1][..., None, :]
        np.linalg.pinv(A)
        np.linalg.norm(A, 2, axis=(-2, -1))
        """,
        ANY,
    ),
    ('np.linalg.qr(A, mode="complete")[0]\nnp.linalg.qr(A, "complete")[1]', [(3, 3), (2, 3)]),
    ("np.linalg.lstsq(A, B, rcond=None)[0]", [(4, 2), (2, 4)]),
    ("np.linalg.solve(A, B)", [(2, 3, 3)]),
    ("np.roots(A)", [(4,), (2,), (1,)]),
]
if importlib.util.find_spec("scipy") is not None:
    NAMES["linalg"] = importlib.import_module("scipy.linalg")
    TABLE.append((OF_SCIPY, [(3, 3)]))
CASES = [
    pytest.param(line.strip(), shape, id=f"{line.strip()} at {shape}")
    for lines, shapes in TABLE
    for line in lines.strip().split("\n")
    for shape in shapes
]


def random_complex(rng: np.random.Generator, shape: Shape) -> Any:
    return rng.uniform(0.3, 1.5, shape) * np.exp(1j * rng.uniform(-3, 3, shape))


def weighted(expression: str, shape: Shape) -> tuple[Callable[..., Any], list[Any]]:
    """A real function: a random linear one of the expression. Its arguments."""
    rng = generator(expression, shape)
    plain = function_from_expression(expression, **NAMES)
    given = {"A": random_complex(rng, shape), "B": random_complex(rng, (*shape[:-1], 2))}
    args = [given[name] for name in plain.__code__.co_varnames[: plain.__code__.co_argcount]]
    weights = random_complex(rng, np.shape(plain(*args)))
    text = f"np.sum(np.real(({expression}) * weights))"
    return function_from_expression(text, weights=weights, **NAMES), args


@pytest.mark.parametrize(("expression", "shape"), CASES)
def test_both_modes_are_finite_differences(expression: str, shape: Shape) -> None:
    f, args = weighted(expression, shape)
    gradients = grad(f, argnums=tuple(range(len(args))))(*args)
    rng, step = generator(expression, shape, "directions"), 1e-4
    for place, (arg, gradient) in enumerate(zip(args, gradients, strict=True)):
        assert gradient.dtype == arg.dtype and gradient.shape == arg.shape
        for unit in (1.0, 1j):
            tangents: list[Any] = [None] * len(args)
            tangents[place] = rng.uniform(-1, 1, arg.shape) * unit

            def along(t: float, place: int = place, direction: Any = tangents[place]) -> Any:
                return f(*args[:place], args[place] + t * direction, *args[place + 1 :])

            near, far = along(step) - along(-step), along(2 * step) - along(-2 * step)
            expected = (8 * near - far) / (12 * step)
            allowed = 1e-6 * (1 + np.sum(np.abs(gradient)))
            assert abs(np.sum(gradient * tangents[place]).real - expected) < allowed
            assert abs(jvp(f, tuple(args), tuple(tangents))[1] - expected) < allowed


LARGE = [case for case in CASES if case.values[1] in ((4, 2), (4,), (3, 3), (2, 3, 3))]


@pytest.mark.parametrize(("expression", "shape"), LARGE)
def test_second_order_and_single_precision(expression: str, shape: Shape) -> None:
    """The gradient's text, differentiated again along a curve of matrices; that of complex64."""
    f, args = weighted(expression, shape)
    rng = generator(expression, shape, "curve")
    space: dict[str, Any] = {"f": f}
    for name, a in zip("AB", args, strict=False):
        space |= {f"{name}0": a} | {f"{name}{i}": random_complex(rng, a.shape) for i in (1, 2)}
    moved = ", ".join(f"{name}0 + {name}1 * t + {name}2 * t ** 2" for name in "AB"[: len(args)])
    slope = grad(function_from_source(f"def along(t):\n    return f({moved})\n", **space))
    step = 1e-4
    near, far = slope(0.1 + step) - slope(0.1 - step), slope(0.1 + 2 * step) - slope(0.1 - 2 * step)
    expected = (8 * near - far) / (12 * step)
    assert grad(slope)(0.1) == pytest.approx(expected, rel=1e-5, abs=1e-5)
    singles = [a.astype(np.complex64) for a in args]
    exact = grad(f, argnums=tuple(range(len(args))))(*args)
    for single, double in zip(grad(f, argnums=tuple(range(len(args))))(*singles), exact, strict=True):
        assert single.dtype == np.complex64
        np.testing.assert_allclose(single, double, rtol=5e-3, atol=5e-3 * np.max(np.abs(double)))


INVARIANT = """
np.sum(np.abs(np.linalg.cholesky(hermitian(A))) ** 3)
np.sum(np.linalg.eigvalsh(hermitian(A)) ** 2 * np.arange(3))
np.sum(np.abs(np.linalg.eigh(hermitian(A))[1]) ** 3)
np.sum(np.linalg.svd(A, compute_uv=False) ** 2 * np.arange(3))
np.sum(np.abs(np.linalg.svd(A, full_matrices=False)[0]) ** 3)
np.sum(np.abs(np.linalg.svd(A, full_matrices=False)[2]) ** 3)
np.sum(np.abs(np.linalg.qr(A)[0]) ** 3 + np.abs(np.linalg.qr(A)[1]) ** 3)
np.real(np.linalg.slogdet(A)[0] * (1 + 2j)) + np.linalg.slogdet(A)[1]
np.sum(np.abs(np.linalg.pinv(A[:, :2])) ** 3)
np.sum(np.abs(np.linalg.lstsq(A[:, :2], A)[0]) ** 3)
np.sum(np.abs(np.linalg.eigvals(A)) ** 3)
np.sum(np.abs(np.roots(A[0])) ** 3)
""".strip().split("\n")


@pytest.mark.parametrize("expression", INVARIANT)
def test_gradient_is_that_of_jax(expression: str) -> None:
    jax = pytest.importorskip("jax")
    A = random_complex(generator(expression), (3, 3))
    jnp = jax.numpy
    theirs_text = expression.replace("np.roots(A[0])", "np.roots(A[0], strip_zeros=False)")

    def hermitian_of_jax(a: Any) -> Any:
        return a + jnp.conj(a.T) + 6 * jnp.eye(3)

    with jax.enable_x64(True):
        theirs = jax.grad(function_from_expression(theirs_text, np=jnp, hermitian=hermitian_of_jax))(A)
        mine = grad(function_from_expression(expression, **NAMES))(A)
        np.testing.assert_allclose(mine, np.asarray(theirs), rtol=1e-8, atol=1e-9)


def test_phases_that_are_not_defined() -> None:
    """Where the component that is real vanishes, functions without phases keep their gradients."""
    rng = generator("blocks")
    blocks = np.zeros((4, 4), complex)
    blocks[:2, :2], blocks[2:, 2:] = random_complex(rng, (2, 2)), random_complex(rng, (2, 2))
    f = function_from_expression("np.sum(np.abs(np.linalg.eigh(hermitian(A))[1]) ** 4)", **NAMES)
    direction = random_complex(rng, (4, 4))
    direction[:2, 2:] = direction[2:, :2] = 0.0
    step = 1e-5
    expected = (f(blocks + step * direction) - f(blocks - step * direction)) / (2 * step)
    assert np.sum(grad(f)(blocks) * direction).real == pytest.approx(expected, rel=1e-6)
    assert jvp(f, (blocks,), (direction,))[1] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", ["linalg.eig(x)[0]", "linalg.eigvals(x)", "roots(x[0])"])
def test_real_or_complex(name: str) -> None:
    f = function_from_expression(f"np.sum(np.abs(np.{name}))")
    with pytest.raises(SyntaxError, match="depending on the values") as caught:
        grad(f)(np.eye(2))
    assert "astype" in caught.value.advice  # type: ignore[attr-defined]


def test_order_of_eigenvalues() -> None:
    """Of a large matrix `eigvals` and `eig` have different ones."""
    A = random_complex(generator("large"), (160, 160))
    f = function_from_expression("np.sum(np.abs(np.linalg.eigvals(A)) * np.arange(160))")
    direction, step = random_complex(generator("direction"), (160, 160)), 1e-6
    before, value, after = (np.linalg.eigvals(A + t * direction) for t in (-step, 0.0, step))
    matched = [found[np.argmin(np.abs(value[:, None] - found), axis=1)] for found in (before, after)]
    slopes = (np.abs(matched[1]) - np.abs(matched[0])) / (2 * step)
    found = np.sum(grad(f)(A) * direction).real
    assert found == pytest.approx(np.sum(slopes * np.arange(160)), rel=1e-5)


def test_tangents_of_complex_numbers() -> None:
    """They are complex; a real one fits, too."""
    assert jvp(lambda z: z * z, (1 + 2j,), (1j,)) == ((1 + 2j) ** 2, 2j * (1 + 2j))
    value, tangent = jvp(lambda z: np.abs(z) ** 2, (np.array([3 + 4j]),), (np.array([1.0]),))
    assert tangent == pytest.approx([6.0]) and value.dtype == tangent.dtype == np.float64
    single = jvp(lambda z: z * 2, (np.ones(2, np.complex64),), (np.ones(2, np.complex64),))[1]
    assert single.dtype == np.complex64
    with pytest.raises(TypeError, match="convert it"):
        jvp(lambda x: x * 2, (np.ones(2),), (np.ones(2, complex),))
    with pytest.raises(TypeError, match="convert it"):
        jvp(lambda x: x * 2, (np.ones(2, np.complex64),), (np.ones(2, complex),))
