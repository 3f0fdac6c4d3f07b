"""Derivatives of the user's own."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from ad_compiler import Unsupported, checkpoint, custom_jvp, custom_vjp, grad, hessian, hvp, jvp, vjp
from tests.helpers import function_from_source


@custom_vjp
def log_sum_exp(x: Any, y: Any) -> Any:
    return np.log(np.sum(np.exp(x * y)))


def forward(x: Any, y: Any) -> Any:
    m = np.max(x * y)
    s = np.sum(np.exp(x * y - m))
    return np.log(s) + m, {"inputs": (x, y), "largest": m, "total": s}


def backward(residuals: Any, g: Any) -> Any:
    x, y = residuals["inputs"]
    p = np.exp(x * y - residuals["largest"]) / residuals["total"]
    return g * p * y, g * np.sum(p * x)


log_sum_exp.defvjp(forward, backward)


def with_rule(x: Any, y: Any) -> Any:
    return np.sum(x) * log_sum_exp(np.sin(x), y) ** 2


def without_rule(x: Any, y: Any) -> Any:
    return np.sum(x) * np.log(np.sum(np.exp(np.sin(x) * y))) ** 2


@custom_jvp
def scaled_square(x: Any, k: Any) -> Any:
    return x * x * k


@scaled_square.defjvp
def scaled_square_tangent(primals: Any, tangents: Any) -> Any:
    (x, k), (x_dot, k_dot) = primals, tangents
    return scaled_square(x, k), 2 * x * k * x_dot + x * x * k_dot


def with_tangent(x: Any, y: Any) -> Any:
    return np.sum(scaled_square(np.sin(x), np.sum(x * y)) ** 2)


def without_tangent(x: Any, y: Any) -> Any:
    return np.sum((np.sin(x) ** 2 * np.sum(x * y)) ** 2)


@pytest.mark.parametrize(("mine", "plain"), [(with_rule, without_rule), (with_tangent, without_tangent)])
def test_every_mode_and_order(mine: Any, plain: Any) -> None:
    x, y = np.array([1.0, -2.0, 0.5]), 1.5
    assert mine(x, y) == pytest.approx(plain(x, y), rel=1e-14)
    for found, expected in zip(grad(mine, (0, 1))(x, y), grad(plain, (0, 1))(x, y), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    along = jvp(mine, (x, y), (x, 1.0))
    np.testing.assert_allclose(along, jvp(plain, (x, y), (x, 1.0)), rtol=1e-12)
    np.testing.assert_allclose(hessian(mine)(x, y), hessian(plain)(x, y), rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(hvp(mine)(x, y, x), hvp(plain)(x, y, x), rtol=1e-11, atol=1e-12)


def test_in_loops_and_branches() -> None:
    def mine(x: Any, n: int) -> Any:
        for i in range(n):
            x = scaled_square(x, 0.5) if x > 1.0 else log_sum_exp(x, 2.0 + i)
        return x

    def plain(x: Any, n: int) -> Any:
        for i in range(n):
            x = x * x * 0.5 if x > 1.0 else np.log(np.exp(x * (2.0 + i)))
        return x

    for x in (0.3, 1.7):
        assert grad(mine)(x, 4) == pytest.approx(grad(plain)(x, 4), rel=1e-12)
        assert jvp(mine, (x, 4), (1.0, None))[1] == pytest.approx(grad(plain)(x, 4), rel=1e-12)


def test_the_rule_is_what_counts_and_shows_in_the_source() -> None:
    @custom_vjp
    def clipped(x: Any) -> Any:
        return x

    limit = 1.0
    clipped.defvjp(lambda x: (x, None), lambda residuals, g: (np.clip(g, -limit, limit),))
    f = grad(lambda x: np.sum(5.0 * clipped(x) * x))
    np.testing.assert_array_equal(f(np.array([0.1, 2.0])), [0.5 + 0.5, 10.0 + 1.0])
    assert "np.clip(" in f.source and "clipped" not in f.source
    assert clipped(3.0) == 3.0


def test_arguments_that_are_not_differentiated() -> None:
    @custom_vjp(nondiff_argnums=(1,))
    def power(x: Any, n: Any) -> Any:
        return x**n

    power.defvjp(lambda x, n: (x**n, x), lambda n, x, g: (g * n * x ** (n - 1) * 10.0,))
    assert grad(lambda x: power(x, 3))(2.0) == 120.0

    @custom_jvp(nondiff_argnums=(0,))
    def applied(f: Any, x: Any) -> Any:
        return f(x)

    applied.defjvp(lambda f, primals, tangents: (f(*primals), 7.0 * tangents[0]))
    assert grad(lambda x: applied(np.sin, x))(2.0) == 7.0


def test_arguments_in_containers_and_cotangents_that_are_left_out() -> None:
    @custom_vjp
    def layer(params: Any, x: Any) -> Any:
        return x @ params["w"] + params["b"]

    layer.defvjp(
        lambda params, x: (x @ params["w"] + params["b"], x),
        lambda x, g: ({"w": x.T @ g, "b": None}, None),
    )
    params = {"w": np.ones((2, 3)), "b": np.ones(3)}
    x = np.arange(8.0).reshape(4, 2)
    found, x_bar = grad(lambda params, x: np.sum(layer(params, x) ** 2), (0, 1))(params, x)
    np.testing.assert_allclose(found["w"], x.T @ (2 * layer(params, x)))
    np.testing.assert_array_equal(found["b"], np.zeros(3))
    np.testing.assert_array_equal(x_bar, np.zeros((4, 2)))


def test_derivative_of_the_function_itself_and_pickling() -> None:
    x = np.array([1.0, 2.0])
    value, pullback = vjp(log_sum_exp, x, 1.0)
    assert value == pytest.approx(np.log(np.sum(np.exp(x))))
    np.testing.assert_allclose(pullback(1.0)[0], np.exp(x) / np.sum(np.exp(x)))
    assert pickle.loads(pickle.dumps(log_sum_exp)) is log_sum_exp
    assert log_sum_exp.__name__ == "log_sum_exp"


MISUSED = [
    ("f", "", "has no rule"),
    ("f", "f.defvjp(lambda x, y: x * y, lambda r, g: (g, g))", "does not return .value, residuals."),
    ("f", "f.defvjp(lambda x, y: (x * y, None), lambda r, g: (g,))", "gives 1 cotangents for 2 arguments"),
    ("f", "f.defvjp(lambda x, y: (x * y, None), lambda r, g: g)", "gives no tuple for 2 arguments"),
    (
        "f",
        "f.defvjp(lambda x, y: (x * y, None), lambda r, g: (g, np.ones((2, 2))))",
        "the cotangent of argument 1 of .* is an array of float64 and rank 2, and",
    ),
    ("f", "f.defvjp(lambda x, y: ((x, y), None), lambda r, g: (g, g))", "more than one number or array"),
    ("h", "", "has no rule"),
    ("h", "h.defjvp(lambda p, t: t[0])", "does not return .value, tangent."),
    ("h", "h.defjvp(lambda p, t: (p[0], np.ones((2, 2))))", "the tangent of .* is an array of float64"),
]


@pytest.mark.parametrize(("name", "rule", "message"), MISUSED)
def test_misuse_is_refused(name: str, rule: str, message: str) -> None:
    text = f"""
    @custom_vjp
    def f(x, y):
        return x * y

    @custom_jvp
    def h(x, y):
        return x * y

    {rule}

    def loss(x, y):
        return np.sum({name}(x, y))
    """
    loss = function_from_source(text, custom_vjp=custom_vjp, custom_jvp=custom_jvp)
    with pytest.raises(Unsupported, match=message) as caught:
        grad(loss, (0, 1))(np.ones(3), np.ones(3))
    assert caught.value.text is not None and f"{name}(x, y)" in caught.value.text


def test_what_is_no_function() -> None:
    with pytest.raises(TypeError, match="a function is needed"):
        custom_vjp(3.0)
    with pytest.raises(TypeError, match="defvjp needs two functions"):
        custom_vjp(forward).defvjp(forward, None)
    with pytest.raises(TypeError, match="defjvp needs a function"):
        custom_jvp(forward).defjvp(1.0)


def step(u: Any, dt: float) -> Any:
    a = np.sin(u)
    b = np.exp(-a * a)
    v = u.copy()
    v[1:] += dt * np.tanh(b * u)[:-1] * a[1:]
    return v


def inner_loop(x: Any, k: Any) -> Any:
    for _ in range(5):
        x = x + 0.1 * np.sin(k * x)
    return x


checked_step = checkpoint(step)
checked_loop = checkpoint(inner_loop)


def checked(u: Any, steps: int) -> Any:
    for _ in range(steps):
        u = checked_step(u, 0.1)
    return np.sum(u * u) + checked_loop(u[0], u[1])


def unchecked(u: Any, steps: int) -> Any:
    for _ in range(steps):
        u = step(u, 0.1)
    return np.sum(u * u) + inner_loop(u[0], u[1])


def test_checkpoint_saves_the_arguments_alone() -> None:
    u = np.linspace(0.0, 1.0, 5)
    np.testing.assert_array_equal(grad(checked)(u, 10), grad(unchecked)(u, 10))
    kept = grad(checked).source_for(u, 10)
    assert kept.count("tape.append(u)") == 1
    assert "tape.append((" in grad(unchecked).source_for(u, 10)
    np.testing.assert_allclose(
        jvp(checked, (u, 10), (u, None))[1], jvp(unchecked, (u, 10), (u, None))[1], rtol=1e-13
    )
    np.testing.assert_allclose(hessian(checked)(u, 3), hessian(unchecked)(u, 3), rtol=1e-12, atol=1e-14)
    assert checked_step(u, 0.1).tolist() == step(u, 0.1).tolist()


def test_checkpoint_of_what_cannot_be_is_refused() -> None:
    f = function_from_source(
        "def f(x):\n    def inner(y):\n        return y * x\n    return checkpoint(inner)(x)\n",
        checkpoint=checkpoint,
    )
    with pytest.raises(Unsupported, match="given a function of the program itself"):
        grad(f)(2.0)
    with pytest.raises(Unsupported, match="more than one number or array"):
        grad(lambda x: pair(x)[0])(2.0)


pair = checkpoint(lambda x: (x, 2.0 * x))
