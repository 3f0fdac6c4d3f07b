"""Jacobians, Hessians and products with them, and what they feed in SciPy."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from ad_compiler import (
    Unsupported,
    elementwise_grad,
    grad,
    hessian,
    hvp,
    jacfwd,
    jacobian,
    jacrev,
    jvp,
    linearize,
    value_and_grad,
    vjp,
)

JACOBIANS = [jacfwd, jacrev, jacobian]


def numerical_jacobian(f: Any, x: Any) -> Any:
    x = np.asarray(x, float)
    columns = []
    for index in np.ndindex(x.shape):
        moved = np.zeros(x.shape)
        moved[index] = 1e-5
        columns.append((np.asarray(f(x + moved)) - np.asarray(f(x - moved))) / 2e-5)
    return (
        np.moveaxis(np.array(columns).reshape(*x.shape, *np.shape(f(x))), range(x.ndim), range(-x.ndim, 0))
        if x.ndim
        else columns[0]
    )


def vector(x: Any) -> Any:
    return np.sin(x) * x[::-1] + np.sum(x * x)


def matrix(x: Any) -> Any:
    return np.outer(x, np.exp(x))[:, :2]


def scalar(x: Any) -> Any:
    return np.sum(np.tanh(x) * x)


def of_matrix(x: Any) -> Any:
    return x @ x.T @ np.ones(2)


def of_number(x: Any) -> Any:
    return np.array([x * x, np.sin(x)])


def number_of_number(x: Any) -> Any:
    return x**3


def with_loop(x: Any) -> Any:
    y = x.copy()
    for i in range(1, len(x)):
        y[i] = y[i - 1] * x[i] + np.sin(y[i])
    return y


POINTS = [
    (vector, np.array([0.5, -1.0, 2.0])),
    (matrix, np.array([0.5, -1.0, 0.3])),
    (scalar, np.array([0.5, -1.0, 2.0])),
    (of_matrix, np.array([[0.5, -1.0, 2.0], [0.1, 0.2, 0.3]])),
    (of_number, 0.7),
    (number_of_number, 0.7),
    (with_loop, np.array([0.5, -1.0, 2.0, 0.1])),
    (vector, np.array([0.5])),
]


@pytest.mark.parametrize("make", JACOBIANS)
@pytest.mark.parametrize(("f", "x"), POINTS)
def test_jacobian(make: Any, f: Any, x: Any) -> None:
    found = make(f)(x)
    expected = numerical_jacobian(f, x)
    assert np.shape(found) == np.shape(f(x)) + np.shape(x)
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-8)
    again = pickle.loads(pickle.dumps(make(f)))
    np.testing.assert_array_equal(again(x), found)


def test_text() -> None:
    text = jacfwd(lambda x: np.sin(x) * x[::-1] + x[0]).source_for(np.ones(3))
    assert text.endswith(
        '''def function_jacfwd(x):
    """Jacobian of function with respect to x, by columns."""
    sin = np.sin(x)
    x_part = x[::-1]
    cos = np.cos(x)
    directions = np.eye(x.shape[0])
    coefficient = x_part * cos
    total_dot = coefficient * directions + sin * directions[:, ::-1] + directions[:, 0][:, None]
    return total_dot.T
'''
    ), text


def in_place(x: Any, y: Any) -> Any:
    """It writes into its arguments; a derivative is that at the arguments as they were given."""
    x[1:] += 0.5 * x[:-1]
    y[0] = x[0] * y[1]
    return np.sin(x) * y[0]


def number_in_place(x: Any, y: Any) -> Any:
    return np.sum(in_place(x, y) ** 2)


@pytest.mark.parametrize("make", [*JACOBIANS, hessian])
def test_functions_that_write_into_their_arguments(make: Any) -> None:
    x, y = np.array([0.5, 1.0, -0.3]), np.array([1.0, 2.0])
    f, first = (number_in_place, jacrev(number_in_place)) if make is hessian else (in_place, in_place)

    def at(z: Any) -> Any:
        return first(z.copy(), y.copy())

    found = make(f)(x, y)
    np.testing.assert_allclose(found, numerical_jacobian(at, x), rtol=1e-7, atol=1e-8)
    pairs = make(lambda x, y: (f(x, y), 3.0), has_aux=True)(x, y)
    np.testing.assert_allclose(pairs[0], found, rtol=1e-12)
    assert pairs[1] == 3.0
    np.testing.assert_array_equal(x, [0.5, 1.0, -0.3])
    np.testing.assert_array_equal(y, [1.0, 2.0])


def pair(x: Any, n: Any, y: Any) -> Any:
    return np.sin(x) * n * np.sum(y), {"seen": n}


@pytest.mark.parametrize("make", JACOBIANS)
def test_several_arguments_and_auxiliary_results(make: Any) -> None:
    x, y = np.array([0.5, 1.0]), np.array([1.0, 2.0, 3.0])
    derivative = make(pair, argnums=("y", "x"), has_aux=True)
    (y_jacobian, x_jacobian), aux = derivative(x, 2.0, y)
    assert aux == {"seen": 2.0}
    np.testing.assert_allclose(x_jacobian, np.diag(np.cos(x) * 12.0), atol=1e-15)
    np.testing.assert_allclose(y_jacobian, np.repeat((2 * np.sin(x))[:, None], 3, axis=1))
    np.testing.assert_allclose(derivative(x=x, n=2.0, y=y)[0][1], x_jacobian)


def test_single_precision_stays() -> None:
    x = np.array([0.5, 1.0], np.float32)
    assert jacfwd(vector)(x).dtype == np.float32
    assert hessian(scalar)(x).dtype == np.float32


def loss(W: Any, b: Any, X: Any) -> Any:
    return np.sum(np.tanh(X @ W + b) ** 2)


def arguments() -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(3)
    return rng.normal(size=(2, 3)), rng.normal(size=3), rng.normal(size=(5, 2))


def test_hessian_by_blocks() -> None:
    W, b, X = arguments()
    blocks = hessian(loss, argnums=(0, 1))(W, b, X)
    for i, (name, one) in enumerate((("W", W), ("b", b))):
        for j, other in enumerate((W, b)):

            def gradient(moved: Any, i: int = i, j: int = j) -> Any:
                return grad(loss, argnums=i)(*(moved, b, X) if j == 0 else (W, moved, X))

            expected = numerical_jacobian(gradient, other)
            assert blocks[i][j].shape == one.shape + other.shape, name
            np.testing.assert_allclose(blocks[i][j], expected, rtol=1e-6, atol=1e-7)


def test_product_with_the_hessian() -> None:
    W, b, X = arguments()
    v, w = np.ones((2, 3)), np.array([1.0, -1.0, 0.5])
    product = hvp(loss, argnums=(0, 1))(W, b, X, (v, w))
    blocks = hessian(loss, argnums=(0, 1))(W, b, X)
    np.testing.assert_allclose(product[0], np.tensordot(blocks[0][0], v, 2) + blocks[0][1] @ w)
    np.testing.assert_allclose(product[1], np.tensordot(blocks[1][0], v, 2) + blocks[1][1] @ w)
    one = hvp(loss)(W, b, X, v)
    np.testing.assert_allclose(one, np.tensordot(blocks[0][0], v, 2))
    params = {"a": np.ones(2), "b": 3.0}
    found = hvp(lambda p: np.sum(p["a"] ** 3) * p["b"])(params, {"a": np.array([1.0, 0.0]), "b": 0.0})
    np.testing.assert_array_equal(found["a"], [18.0, 0.0])
    assert found["b"] == 3.0


def test_both_orders_of_modes_agree() -> None:
    W, b, X = arguments()
    forward_over_reverse = hessian(loss)(W, b, X)
    for other in (jacrev(grad(loss)), jacfwd(jacfwd(loss)), jacrev(jacfwd(loss)), jacfwd(jacrev(loss))):
        np.testing.assert_allclose(other(W, b, X), forward_over_reverse, rtol=1e-10, atol=1e-12)


def test_derivative_of_every_element() -> None:
    x = np.array([[0.5, 1.0], [2.0, 3.0]])
    np.testing.assert_allclose(elementwise_grad(lambda x: np.exp(x) * x)(x), np.exp(x) * (x + 1))
    one, two = elementwise_grad(lambda x, y: x * y, argnums=(0, 1))(x, 2 * x)
    np.testing.assert_array_equal(one, 2 * x)
    np.testing.assert_array_equal(two, x)


def test_linearize() -> None:
    x = np.array([0.5, -1.0, 2.0])
    value, derivative = linearize(lambda x, n: vector(x) * n, x, 2.0)
    np.testing.assert_array_equal(value, vector(x) * 2.0)
    np.testing.assert_allclose(derivative(np.ones(3), None), 2 * jacfwd(vector)(x).sum(axis=1))
    np.testing.assert_allclose(derivative(None, 1.0), vector(x))
    assert "_jvp(" in derivative.source


def test_inside_of_a_differentiated_program() -> None:
    x = np.array([0.5, -1.0, 2.0])

    def f(x: Any) -> Any:
        return np.sum(jacfwd(vector)(x) ** 2) + np.sum(hvp(scalar)(x, x)) + hessian(number_of_number)(x[0])

    expected = numerical_jacobian(f, x)
    np.testing.assert_allclose(grad(f)(x), expected, rtol=1e-6)
    np.testing.assert_allclose(jvp(f, (x,), (x,))[1], expected @ x, rtol=1e-6)
    np.testing.assert_allclose(
        vjp(jacobian(vector), x)[1](np.ones((3, 3)))[0],
        numerical_jacobian(lambda x: np.sum(jacrev(vector)(x)), x),
        rtol=1e-6,
    )

    def local(x: Any, a: Any) -> Any:
        def inner(y: Any) -> Any:
            return a * y * y

        return np.sum(jacrev(inner)(x))

    assert grad(local, "a")(x, 3.0) == pytest.approx(2 * np.sum(x))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: jacfwd(lambda p: p["a"])({"a": 1.0}), TypeError, "arrays and numbers, and p is a dict"),
        (lambda: jacfwd(lambda *x: x[0])(1.0), TypeError, r"without \* and \*\*"),
        (lambda: jacfwd(vector, argnums=1), ValueError, "argnums 1 is out of range"),
        (lambda: jacfwd(vector, argnums="y"), ValueError, "has no argument 'y'"),
        (lambda: jacfwd(3.0), TypeError, "a function is needed"),
        (lambda: hvp(scalar)(np.ones(2), np.ones(3)), ValueError, r"the vector for x has shape \(3,\)"),
        (lambda: hvp(scalar, argnums=(0,))(np.ones(2), np.ones(2)), TypeError, "must be a tuple of 1"),
        (lambda: jacrev(vector).source, ValueError, "no source before it is called"),
        (lambda: hessian(vector)(np.ones(2)), Unsupported, "a gradient is defined for a single number"),
        (lambda: jacfwd(lambda x: (x, x))(np.ones(2)), Unsupported, "tuple|container|rank"),
    ],
)
def test_misuse(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def rosenbrock(x: Any) -> Any:
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def test_newton_conjugate_gradients_on_a_thousand_variables() -> None:
    optimize = pytest.importorskip("scipy.optimize")
    start = np.where(np.arange(1000) % 2, 1.0, -1.2)
    found = optimize.minimize(
        value_and_grad(rosenbrock),
        start,
        jac=True,
        hessp=hvp(rosenbrock),
        method="Newton-CG",
        options={"xtol": 1e-10, "maxiter": 5000},
    )
    gradient = grad(rosenbrock)(found.x)
    assert np.max(np.abs(gradient)) < 1e-3
    assert found.fun < 4.0  # one of its two minima


def trajectory(k: Any, times: Any) -> Any:
    x, v = 1.0, 0.0
    h = times[1] - times[0]
    states = []
    for _ in range(len(times)):
        states.append(x)
        k1x, k1v = v, -k[0] * x - k[1] * v
        k2x, k2v = v + h / 2 * k1v, -k[0] * (x + h / 2 * k1x) - k[1] * (v + h / 2 * k1v)
        k3x, k3v = v + h / 2 * k2v, -k[0] * (x + h / 2 * k2x) - k[1] * (v + h / 2 * k2v)
        k4x, k4v = v + h * k3v, -k[0] * (x + h * k3x) - k[1] * (v + h * k3v)
        x = x + h / 6 * (k1x + 2 * k2x + 2 * k3x + k4x)
        v = v + h / 6 * (k1v + 2 * k2v + 2 * k3v + k4v)
    return np.array(states)


def test_parameters_of_a_differential_equation_by_least_squares() -> None:
    optimize = pytest.importorskip("scipy.optimize")
    times = np.linspace(0.0, 4.0, 40)
    measured = trajectory(np.array([2.0, 0.3]), times)

    def misfit(k: Any, times: Any, measured: Any) -> Any:
        return trajectory(k, times) - measured

    found = optimize.least_squares(
        misfit, np.array([1.0, 0.1]), jac=jacobian(misfit), args=(times, measured), xtol=1e-14
    )
    np.testing.assert_allclose(found.x, [2.0, 0.3], rtol=1e-8)


def test_jacobian_of_a_stiff_differential_equation() -> None:
    integrate = pytest.importorskip("scipy.integrate")

    def reaction(t: Any, y: Any) -> Any:
        slow, fast = -0.04 * y[0] + 1e4 * y[1] * y[2], 3e7 * y[1] ** 2
        return np.array([slow, -slow - fast, fast])

    found = integrate.solve_ivp(
        reaction,
        (0.0, 40.0),
        np.array([1.0, 0.0, 0.0]),
        method="BDF",
        jac=jacobian(reaction, argnums="y"),
        rtol=1e-6,
        atol=1e-10,
    )
    np.testing.assert_allclose(found.y[:, -1], [0.7158, 9.1855e-6, 0.2842], rtol=1e-3)


COMPLEX_RESULT = [lambda x: np.exp(1j * x), lambda x: np.sum(np.exp(1j * x))]


@pytest.mark.parametrize("f", COMPLEX_RESULT)
def test_complex_result(f: Any) -> None:
    """Columns are complex; rows would be those of the real part, and are refused."""
    x = np.array([0.3, 0.5])
    expected = np.diag(1j * np.exp(1j * x)) if np.ndim(f(x)) else 1j * np.exp(1j * x)
    for made in (jacfwd, jacobian):
        np.testing.assert_allclose(made(f)(x), expected, rtol=1e-14)
    by_rows: tuple[Any, ...] = (jacrev, elementwise_grad)
    for refused in by_rows:
        with pytest.raises(Unsupported, match="real part only") as caught:
            refused(f)(x)
        assert caught.value.advice is not None and "jacfwd" in caught.value.advice


@pytest.mark.parametrize("made", [*JACOBIANS, hessian, elementwise_grad])
def test_complex_arguments_have_no_jacobian(made: Any) -> None:
    """By real directions only one half of the derivative would be seen."""
    with pytest.raises(TypeError, match=r"z is complex: call `jvp` along 1 and 1j"):
        made(lambda z: np.sum(np.abs(z) ** 2))(np.array([1 + 2j, 0.5 - 1j]))


def test_vectors_of_other_kinds() -> None:
    def f(x: Any, *, k: Any = 2.0) -> Any:
        y = x.copy()
        for i in range(1, len(x)):
            y[i] = y[i - 1] * x[i] * k
        return np.sum(y)

    x, product = np.array([0.5, -1.0, 2.0]), hvp(f)
    expected = hessian(f)(x) @ np.array([1.0, 2.0, 3.0])
    for vector in (
        np.array([1, 2, 3]),
        np.array([1.0, 2.0, 3.0]),
        [1.0, 2.0, 3.0],
        np.array([1, 2, 3], np.float32),
    ):
        for _ in range(2):
            np.testing.assert_allclose(product(x, vector), expected, rtol=1e-6)
    np.testing.assert_allclose(product(x, np.ones(3), k=3.0), hessian(f)(x, k=3.0) @ np.ones(3), rtol=1e-12)
    with pytest.raises(ValueError, match="shape"):
        product(x, np.ones(2))

    def many(*xs: Any) -> Any:
        return xs[0] * xs[1]

    with pytest.raises((TypeError, ValueError)):
        hvp(many)(1.0, 2.0, 1.0)
