"""Implicit functions: derivatives of what solvers find, from the equations that they solve."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ad_compiler import Unsupported, check_grads, grad, hessian, implicit, jvp, value_and_grad, vjp
from tests.helpers import function_from_source

RNG = np.random.default_rng(0)
W = RNG.normal(size=(4, 4)) * 0.3
B = RNG.normal(size=4)
A = np.eye(3) * 2 + 0.1 * RNG.normal(size=(3, 3))
C = RNG.normal(size=(3, 3))
FACTORS = np.array([2.0, 3.0])


@implicit(root=lambda x, a: x * x - a)
def square_root(a: Any, start: Any = 1.0) -> Any:
    x = start
    while abs(x * x - a) > 1e-15 * a:
        x = 0.5 * (x + a / x)
    return x


def cubic(x: Any, A: Any, b: Any) -> Any:
    return A @ x + x**3 - b


def newton(A: Any, b: Any) -> Any:
    x = np.zeros_like(b)
    for _ in range(50):
        r = cubic(x, A, b)
        if np.max(np.abs(r)) < 1e-14:
            break
        x = x - np.linalg.solve(A + np.diag(3 * x**2), r)
    return x


def layer(x: Any, W: Any, b: Any) -> Any:
    return np.tanh(W @ x + b)


def settle(W: Any, b: Any, x0: Any, tolerance: float = 1e-15) -> Any:
    x = x0
    for _ in range(1000):
        new = layer(x, W, b)
        if np.max(np.abs(new - x)) < tolerance:
            return new
        x = new
    return x


@implicit(root=lambda X, A, C: A @ X + X @ A.T + X**3 - C)
def matrix_equation(A: Any, C: Any) -> Any:
    X = np.zeros_like(C)
    for _ in range(100):
        X = X - 0.15 * (A @ X + X @ A.T + X**3 - C)
    return X


def smoothing(x: Any, K: Any, f: Any) -> Any:
    return K @ x + np.sinh(x) - f


def minimiser(K: Any, f: Any) -> Any:
    x = np.zeros_like(f)
    for _ in range(30):
        x = x - np.linalg.solve(K + np.diag(np.cosh(x)), smoothing(x, K, f))
    return x


@implicit(root=lambda x, p: p["a"] * x + x**3 - p["b"][0])
def of_a_dict(p: Any) -> Any:
    x = 0.5
    for _ in range(50):
        x = x - (p["a"] * x + x**3 - p["b"][0]) / (p["a"] + 3 * x * x)
    return x


def in_loops_and_branches(a: Any) -> Any:
    total = 0.0
    for k in range(3):
        if a > 0:
            total = total + of_a_dict({"a": a + k, "b": (total + 1.0, 2.0)})
    return total


@implicit(fixed_point=lambda x, a: 0.5 * np.cos(x) * a)
def number_fixed_point(a: Any) -> Any:
    x = 0.0
    for _ in range(100):
        x = 0.5 * math.cos(x) * a
    return x


dense_newton = implicit(root=cubic)(newton)
free_newton = implicit(root=cubic, linear_solver="bicgstab")(newton)
conjugate = implicit(root=smoothing, linear_solver="cg")(minimiser)
equilibria = {
    solver: implicit(fixed_point=layer, linear_solver=solver)(settle)
    for solver in ("dense", "iterate", "bicgstab")
}


@implicit(fixed_point=lambda X, A: np.sin(X) @ A * 0.2 + A)
def matrix_fixed_point(A: Any) -> Any:
    X = A
    for _ in range(200):
        X = np.sin(X) @ A * 0.2 + A
    return X


@implicit(root=lambda f, vjp, x, v: f * vjp + f**3 - x * v)
def with_names_of_ours(x: Any, v: Any, vjp: Any) -> Any:
    found = 0.0
    for _ in range(60):
        found = found - (found * vjp + found**3 - x * v) / (vjp + 3 * found**2)
    return found


PROGRAMS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "number": (lambda a: square_root(a) ** 3, (4.0,)),
    "vector": (lambda A, b: np.sum(dense_newton(A, b) ** 2), (A, B[:3])),
    "bicgstab": (lambda A, b: np.sum(free_newton(A, b) ** 2), (A, B[:3])),
    "conjugate_gradients": (lambda f: np.sum(conjugate(A @ A.T, f) ** 2), (B[:3],)),
    "fixed_point": (lambda W, b: np.sum(equilibria["dense"](W, b, B) ** 2), (W, B)),
    "fixed_point_iterated": (lambda b: np.sum(equilibria["iterate"](W, b, B) ** 2), (B,)),
    "fixed_point_bicgstab": (lambda b: np.sum(equilibria["bicgstab"](W, b, B) ** 2), (B,)),
    "fixed_number": (lambda a: number_fixed_point(a) ** 2, (0.7,)),
    "fixed_matrix": (lambda A: np.sum(matrix_fixed_point(A) * C), (A * 0.3,)),
    "matrix": (lambda A, C: np.sum(np.sin(matrix_equation(A, C))), (A, C)),
    "loops": (in_loops_and_branches, (1.5,)),
    "names": (lambda x, v: with_names_of_ours(x, v, 2.0) * x, (1.5, 0.4)),
    "twice": (lambda a: square_root(square_root(a) + a), (2.0,)),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_derivatives_of_first_and_second_order(name: str) -> None:
    program, args = PROGRAMS[name]
    check_grads(program, args, order=2, modes=("fwd", "rev"))


def test_third_order() -> None:
    third = grad(grad(grad(lambda a: square_root(a))))
    assert third(4.0) == pytest.approx(0.375 * 4**-2.5, rel=1e-12)


def test_hessian_is_symmetric_and_that_of_the_matrix() -> None:
    matrix, free = (
        hessian(lambda b, solve=solve: np.sum(solve(A, b) ** 2)) for solve in (dense_newton, free_newton)
    )
    found = matrix(B[:3])
    np.testing.assert_allclose(found, found.T, rtol=1e-10)
    np.testing.assert_allclose(free(B[:3]), found, rtol=1e-8)


def test_the_derivative_is_exact_where_the_solver_s_own_is_not() -> None:
    """A solver that starts at its solution does no turn: through its turns the derivative would be zero."""
    root = math.sqrt(2.0)
    assert grad(square_root)(2.0, root) == pytest.approx(0.5 / root, rel=1e-15)
    assert grad(square_root.fun)(2.0, root) == 0.0


def test_what_the_equation_does_not_take_has_no_derivative() -> None:
    by_start = grad(lambda x0: np.sum(equilibria["dense"](W, B, x0)))(B)
    assert by_start.tolist() == [0.0] * 4
    assert grad(lambda a, s: square_root(a, s), argnums="s")(2.0, 1.0) == 0.0


def test_structures_and_whole_numbers() -> None:
    found = grad(of_a_dict)({"a": 2.0, "b": (3.0, 1.0)})
    assert found["a"] == pytest.approx(-0.2)
    assert found["b"] == (pytest.approx(0.2), 0.0)
    assert grad(square_root)(4) == 0.25
    _, tangent = jvp(of_a_dict, ({"a": 2.0, "b": (3.0, 1.0)},), ({"a": 1.0, "b": (1.0, 5.0)},))
    assert tangent == pytest.approx(0.0, abs=1e-15)


def test_value_and_pullback() -> None:
    value, gradient = value_and_grad(square_root)(9.0)
    assert (value, gradient) == (3.0, pytest.approx(1 / 6))
    x, pullback = vjp(dense_newton, A, B[:3])
    assert x.tolist() == newton(A, B[:3]).tolist() == dense_newton(A, B[:3]).tolist()
    rows = np.array([pullback(row)[1] for row in np.eye(3)])
    np.testing.assert_allclose(rows, np.linalg.inv(A + np.diag(3 * x**2)), rtol=1e-12)


def test_nothing_is_saved_of_the_turns() -> None:
    derivative = grad(lambda b: np.sum(dense_newton(A, b)))
    text = derivative.source_for(B[:3])
    assert "tape" not in text
    assert "np.linalg.solve(x_jacobian.T" in text


def test_a_linear_solver_of_the_user_s() -> None:
    def by_neumann_series(product: Any, g: Any) -> Any:
        u = g
        for _ in range(200):
            u = u + (g - product(u))
        return u

    solve = implicit(fixed_point=layer, linear_solver=by_neumann_series)(settle)
    f = lambda b: np.sum(solve(W, b, B) ** 2)  # noqa: E731
    check_grads(f, (B,))
    np.testing.assert_allclose(grad(f)(B), grad(lambda b: np.sum(equilibria["dense"](W, b, B) ** 2))(B))


def test_single_precision() -> None:
    for solver in equilibria.values():
        found = grad(lambda b, s=solver: np.sum(s(W.astype(np.float32), b, B.astype(np.float32))))(
            B.astype(np.float32)
        )
        assert found.dtype == np.float32
        wanted = grad(lambda b: np.sum(equilibria["dense"](W, b, B)))(B)
        np.testing.assert_allclose(found, wanted, rtol=1e-3)


def test_what_does_not_converge_raises() -> None:
    """No derivative rather than a wrong one."""
    indefinite = np.array([[0.0, 1.0], [-1.0, 0.0]])
    solve = implicit(root=lambda x, b: indefinite @ x - b, linear_solver="cg")(
        lambda b: np.linalg.solve(indefinite, b)
    )
    with (
        pytest.raises(ArithmeticError, match="was not solved by conjugate gradients"),
        np.errstate(all="ignore"),
    ):
        grad(lambda b: np.sum(solve(b)))(np.ones(2))


def test_a_singular_equation_raises() -> None:
    solve = implicit(root=lambda x, b: np.array([[1.0, 1.0], [1.0, 1.0]]) @ x - b)(lambda b: b / 2)
    with pytest.raises(np.linalg.LinAlgError):
        grad(lambda b: np.sum(solve(b)))(np.ones(2))


def test_globals_of_an_equation() -> None:
    solve = implicit(root=lambda x, a: FACTORS * x - a)(lambda a: a / FACTORS)
    np.testing.assert_allclose(grad(lambda a: np.sum(solve(a)))(np.ones(2)), 1 / FACTORS)


def test_machine_code() -> None:
    pytest.importorskip("numba")
    assert grad(in_loops_and_branches, backend="numba")(1.5) == pytest.approx(
        grad(in_loops_and_branches)(1.5)
    )


REFUSED = {
    "tuple": ("root=lambda x, a: a", "return (a, a)", "returns a tuple", "np.concatenate"),
    "constant": ("root=lambda x, a: x - a", "return 1.0", "returns a constant", "return one array"),
    "complex": ("root=lambda x, a: x - a", "return a * 1j", "is a complex", "return real numbers"),
    "shape": (
        "root=lambda x, a: np.sum(x) - a",
        "return np.ones(3) * a",
        "the residual of `solve` is",
        "shape of the solution",
    ),
    "step": (
        "fixed_point=lambda x, a: np.sum(x) - a",
        "return np.ones(3) * a",
        "the step of `solve` is",
        "shape of the solution",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    equation, body, reason, advice = REFUSED[name]
    program = function_from_source(
        f"""
        @implicit({equation})
        def solve(a):
            {body}
        def f(a):
            x = solve(a)
            return np.sum(np.abs(x))
        """,
        implicit=implicit,
    )
    with pytest.raises(Unsupported) as caught:
        grad(program)(2.0)
    error = caught.value
    assert reason in error.reason
    assert advice in error.advice
    assert error.lineno == 5
    assert error.text is not None and error.offset is not None and error.end_offset is not None
    assert error.text[error.offset - 1 : error.end_offset - 1] == "solve(a)"


def test_refused_where_it_is_made_in_a_program() -> None:
    program = function_from_source(
        """
        def f(a):
            solve = implicit(root=lambda x, b: x * x - a * b)(np.sqrt)
            return solve(2.0)
        """,
        implicit=implicit,
    )
    with pytest.raises(Unsupported, match="`implicit` is applied in a program") as caught:
        grad(program)(2.0)
    assert "define the solver outside" in caught.value.advice
    assert caught.value.lineno == 2


def test_what_fits_no_solver() -> None:
    with pytest.raises(TypeError, match="one equation"):
        implicit()
    with pytest.raises(TypeError, match="one equation"):
        implicit(root=cubic, fixed_point=layer)
    for equation, reason in (
        (lambda x, z: x, r"arguments of the solver \(A, b\): `z` is none"),
        (lambda x: x, r"there are none"),
        (lambda x, *b: x, r"an equation has named arguments"),
        (3, "an equation is a function, not int"),
    ):
        with pytest.raises(TypeError, match=reason):
            implicit(root=equation)(newton)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="is for fixed points"):
        implicit(root=cubic, linear_solver="iterate")(newton)
    with pytest.raises(ValueError, match="no linear solver 'qr'"):
        implicit(root=cubic, linear_solver="qr")(newton)


def test_the_decorator_keeps_its_name() -> None:
    """No module of the package takes it over when it is loaded."""
    import ad_compiler

    square_root(2.0)
    assert ad_compiler.implicit is implicit
    assert ad_compiler.checkpointed is not None and callable(ad_compiler.checkpointed)
