"""Derivatives of derivatives, and derivatives inside of programs that are differentiated."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import sympy as sp

from ad_compiler import Unsupported, grad, hessian, jvp, stop_gradient, value_and_grad, vjp
from tests.helpers import function_from_expression, function_from_source

SCALARS = [
    "x ** 3 * y",
    "np.sin(x) * np.exp(y)",
    "np.exp(x * y) / (1 + x * x)",
    "np.log(1 + x * x + y * y)",
    "np.tanh(x + y) * x",
    "1 / (1 + np.exp(-x * y))",
    "np.sqrt(x * x + y * y)",
    "np.arctan2(x, y) ** 2",
    "x ** y",
]


@pytest.mark.parametrize("expression", SCALARS)
def test_third_derivatives_are_sympys(expression: str) -> None:
    f = function_from_expression(expression)
    x, y = sp.symbols("x y", positive=True)
    names = {
        "sin": sp.sin,
        "exp": sp.exp,
        "log": sp.log,
        "tanh": sp.tanh,
        "sqrt": sp.sqrt,
        "arctan2": sp.atan2,
    }
    oracle = eval(expression, {"np": type("np", (), names), "x": x, "y": y})
    point = {x: sp.Float(0.7, 30), y: sp.Float(1.3, 30)}
    for first, second, third in ((0, 0, 0), (0, 1, 0), (1, 1, 1), (1, 0, 1)):
        variables = [(x, y)[n] for n in (first, second, third)]
        expected = float(sp.diff(oracle, *variables).subs(point))
        found = grad(grad(grad(f, first), second), third)(0.7, 1.3)
        np.testing.assert_allclose(found, expected, rtol=1e-11)
        along = jvp(grad(jvp_along(f, first), second), (0.7, 1.3), tuple(float(n == third) for n in (0, 1)))[
            1
        ]
        np.testing.assert_allclose(along, expected, rtol=1e-11, err_msg="forward over reverse over forward")


def jvp_along(f: Any, place: int) -> Any:
    """The derivative of a function of two numbers along one of them, as a program that calls `jvp`."""
    tangents = ("1.0, None", "None, 1.0")[place]
    text = f"def along(x, y):\n    return jvp(f, (x, y), ({tangents}))[1]\n"
    return function_from_source(text, f=f, jvp=jvp)


def test_text_of_a_second_derivative() -> None:
    text = grad(grad(cubic)).source_for(2.0)
    assert text.endswith("    # d(product = x * x)\n    x_bar = 6.0 * x\n    return x_bar\n")


def cubic(x: Any) -> Any:
    return x * x * x


def test_a_derivative_does_not_see_the_variables_of_another() -> None:
    # The classical confusion of perturbations: d/dx (x * d/dy (x + y)) is 1, not 2.
    def outer(x: Any) -> Any:
        def inner(y: Any) -> Any:
            return x + y

        return x * grad(inner)(1.0)

    assert grad(outer)(1.0) == 1.0

    def forwards(x: Any) -> Any:
        return x * jvp(lambda y: x + y, (1.0,), (1.0,))[1]

    assert jvp(forwards, (1.0,), (1.0,))[1] == 1.0
    assert grad(forwards)(1.0) == 1.0

    def through_both(x: Any) -> Any:
        return grad(lambda y: x * x * y * y)(x)

    assert grad(through_both)(2.0) == 6 * 2.0**2


def test_newton_on_a_derivative_in_a_loop() -> None:
    def well(x: Any, a: Any) -> Any:
        return x**4 - a * x * x

    def minimum(a: Any) -> Any:
        x = 1.0
        for _ in range(30):
            x = x - grad(well)(x, a) / grad(grad(well))(x, a)
        return x

    for a in (0.5, 2.0):
        value, derivative = value_and_grad(minimum)(a)
        assert value == pytest.approx(np.sqrt(a / 2), rel=1e-12)
        assert derivative == pytest.approx(0.25 / np.sqrt(a / 2), rel=1e-9)


def network(params: Any, t: Any) -> Any:
    return np.sum(params["v"] * np.tanh(params["w"] * t + params["b"]))


def residual(params: Any, t: Any) -> Any:
    return grad(network, argnums="t")(params, t) + network(params, t)


def physics_informed(params: Any, times: Any) -> Any:
    total = (network(params, 0.0) - 1.0) ** 2
    for t in times:
        total = total + residual(params, t) ** 2
    return total


def test_physics_informed_loss() -> None:
    rng = np.random.default_rng(1)
    params = {name: rng.normal(size=4) for name in "vwb"}
    times = np.linspace(0.0, 1.0, 5)
    gradient = grad(physics_informed)(params, times)

    def plain(params: Any) -> float:
        total = (network(params, 0.0) - 1.0) ** 2
        for t in times:
            slope = np.sum(params["v"] * params["w"] / np.cosh(params["w"] * t + params["b"]) ** 2)
            total += (slope + network(params, t)) ** 2
        return float(total)

    for name in params:
        for place in range(4):
            ahead, behind = ({**params, name: params[name] + s * np.eye(4)[place]} for s in (1e-5, -1e-5))
            expected = (plain(ahead) - plain(behind)) / 2e-5
            np.testing.assert_allclose(gradient[name][place], expected, rtol=1e-6, atol=1e-8)


def test_pullback_in_a_program() -> None:
    def f(x: Any, y: Any, n: int) -> Any:
        return np.sin(x) * y**n, np.sum(x)

    def product(x: Any, y: Any) -> Any:
        (first, total), pullback = vjp(f, x, y, 2)
        x_bar, y_bar, nothing = pullback((np.ones_like(first), 1.0))
        assert nothing is None
        return np.sum(x_bar * x_bar) + np.sum(y_bar) * total

    x, y = np.array([0.5, 1.0]), np.array([2.0, -1.0])

    def plain(x: Any, y: Any) -> Any:
        return np.sum((np.cos(x) * y**2 + 1) ** 2) + np.sum(2 * np.sin(x) * y) * np.sum(x)

    for mine, expected in zip(grad(product, (0, 1))(x, y), grad(plain, (0, 1))(x, y), strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-12)


def test_value_and_auxiliary_results_in_a_program() -> None:
    def loss(x: Any) -> Any:
        return x**3, 2.0 * x

    def f(x: Any) -> Any:
        (value, aux), gradient = value_and_grad(loss, has_aux=True)(x)
        return value + 10 * aux + 100 * gradient

    assert grad(f)(2.0) == 12.0 + 20.0 + 1200.0


def test_loops_and_branches_again() -> None:
    def f(x: Any, n: int) -> Any:
        total = 0.0
        for i in range(n):
            if x > i:
                total = total + x**i
            else:
                total = total * x
        return total

    for x in (0.5, 2.5, 5.0):
        numerical = (grad(f)(x + 1e-6, 4) - grad(f)(x - 1e-6, 4)) / 2e-6
        np.testing.assert_allclose(grad(grad(f))(x, 4), numerical, rtol=1e-7, atol=1e-6)
        np.testing.assert_allclose(jvp(grad(f), (x, 4), (1.0, None))[1], numerical, rtol=1e-7, atol=1e-6)


def test_derivatives_of_derivatives_pickle_and_keep_their_arguments() -> None:
    second = grad(grad(cubic))
    assert pickle.loads(pickle.dumps(second))(3.0) == 18.0
    third = grad(value_and_third)
    assert third(2.0) == 6.0
    x = np.array([1.0, 2.0])
    kept = x.copy()

    def writes(x: Any) -> Any:
        x[0] = x[1] ** 3
        return np.sum(x * x)

    hessian_row = jvp(grad(writes), (x,), (np.array([0.0, 1.0]),))[1]
    np.testing.assert_allclose(hessian_row, [0.0, 30 * 16.0 + 2.0])
    np.testing.assert_array_equal(x, kept)


def value_and_third(x: Any) -> Any:
    return grad(grad(cubic))(x)


def test_stop_gradient() -> None:
    def f(x: Any) -> Any:
        return np.sum(x * stop_gradient(x) + stop_gradient((x, x))[1])

    x = np.array([1.0, 2.0])
    np.testing.assert_array_equal(grad(f)(x), x)
    np.testing.assert_array_equal(jvp(f, (x,), (np.ones(2),))[1], 3.0)
    assert stop_gradient(x) is x
    assert "stop" not in grad(f).source


def test_stop_gradient_in_derivatives_of_higher_order() -> None:
    """What is a constant in the gradient is one in the gradient of that."""
    assert grad(grad(lambda x: x * stop_gradient(x)))(3.0) == 0.0
    assert grad(grad(lambda x: x * x * stop_gradient(x)))(3.0) == 6.0
    assert grad(grad(grad(lambda x: x * x * stop_gradient(x))))(3.0) == 0.0
    assert hessian(lambda x: np.sum(x**2 * stop_gradient(x)))(np.array([1.0, 2.0])).tolist() == [
        [2.0, 0.0],
        [0.0, 4.0],
    ]
    assert jvp(grad(lambda x: x * stop_gradient(x)), (3.0,), (1.0,)) == (3.0, 0.0)


REFUSED = [
    ("grad(x)(2.0)", "what is to be differentiated is no function"),
    ("grad(lambda y: y, argnums=3)(x)", "names no argument"),
    ("grad(lambda y: y * np.ones(3))(x)", "a gradient is defined for a single number"),
    ("jvp(lambda y: y, (x,), (1.0, 2.0))[0]", "1 primals and 2 tangents"),
    ("jvp(lambda y: y, (x,), (np.ones(2),))[0]", "the tangent of `y` is an array of float64 and rank 1"),
    ("jvp(lambda y: y, x, 1.0)[0]", "needs tuples of primals and of tangents"),
    ("jvp(lambda y: y, (x,), (None,))[0]", "no argument has a tangent"),
    ("stop_gradient(x, x)", "takes one argument"),
    ("grad(lambda y, z: y * z)(x)", "this call does not fit|needs an argument"),
]


@pytest.mark.parametrize(("expression", "message"), REFUSED)
def test_misuse_inside_of_a_program_is_refused(expression: str, message: str) -> None:
    known: dict[str, Any] = {"grad": grad, "jvp": jvp, "stop_gradient": stop_gradient}
    f = function_from_source(f"def f(x):\n    return {expression}\n", **known)
    with pytest.raises(Unsupported, match=message) as caught:
        grad(f)(2.0)
    assert caught.value.lineno in (1, 2)


def test_effects_on_the_program_around_are_refused() -> None:
    def f(x: Any) -> Any:
        seen = np.zeros(2)

        def inner(y: Any) -> Any:
            seen[0] = y
            return y * y

        return grad(inner)(x) + seen[0]

    with pytest.raises(Unsupported, match="changes what is outside of it") as caught:
        grad(f)(2.0)
    assert caught.value.text is not None and "grad(inner)(x)" in caught.value.text


class Model:
    def __init__(self, weight: float) -> None:
        self.weight = weight

    def loss(self, x: Any) -> Any:
        return self.weight * x**3


FACTOR = 2.0


def scaled_by_a_global(x: Any) -> Any:
    return FACTOR * x**3


def test_attributes_and_globals_are_read_at_every_call(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model(2.0)
    second, matrix = grad(grad(model.loss)), hessian(model.loss)
    assert (second(2.0), matrix(2.0)) == (24.0, 24.0)
    model.weight = 3.0
    assert (second(2.0), matrix(2.0)) == (36.0, 36.0)
    of_global = grad(grad(scaled_by_a_global))
    assert of_global(1.0) == 12.0
    monkeypatch.setattr(f"{__name__}.FACTOR", 3.0)
    assert of_global(1.0) == 18.0


def scaled_into(a: Any, x: Any, y: Any) -> Any:
    for i in range(len(x)):
        y[i] = y[i] + a * x[i] * x[i]
    return 7.0 * a


def test_derivatives_of_what_is_written_into_an_argument() -> None:
    x = np.array([1.0, 2.0, 3.0])
    gradient = grad(scaled_into, "x", of="y")
    along = jvp(gradient, (2.0, x, x.copy()), (None, np.ones(3), None))
    assert [each.tolist() for each in along] == [[4.0, 8.0, 12.0], [4.0, 4.0, 4.0]]

    def product(x: Any) -> Any:
        y = np.ones(3)
        value, pullback = vjp(scaled_into, 2.0, x, y, of="y")
        _, moved = jvp(scaled_into, (2.0, x, y), (None, x, None), of="y")
        total, _ = value_and_grad(scaled_into, (1, 0, 2), of=("y",))(2.0, x, y)
        along = np.sum(y * moved) + np.sum(grad(scaled_into, "x", of="y")(2.0, x, y))
        return total * np.sum(pullback(x)[1]) + along + np.sum(value)

    def expected(x: Any) -> Any:
        written = 3 + 2 * np.sum(x * x)
        return written * np.sum(4 * x * x) + np.sum(4 * x * x) + 4 * np.sum(x) + written

    def by_name(x: Any) -> Any:
        return np.sum(grad(scaled_into, "x", of="w")(2.0, x, x.copy()))

    np.testing.assert_allclose(grad(product)(x), grad(expected)(x), rtol=1e-12)
    with pytest.raises(Unsupported, match="`of` names 'w', which is no argument of `scaled_into`"):
        grad(by_name)(x)


def test_cotangents_that_are_zero() -> None:
    """What guards a product against infinite factors is no kink."""
    f = function_from_source(
        """
        def f(a, w):
            s = np.where(w == 0, 0.0, a / np.where(w == 0, 1.0, w))
            return 0.5 * np.sum((s[1:] * s[:-1]) ** 2) + np.sum(s[0] * s)
        """
    )
    a, w, step = np.array([0.0, 1.0, 2.0, 0.0]), np.array([2.0, 2.0, 4.0, 1.0]), 1e-5
    gradient = grad(f)
    expected = [(gradient(a + step * e, w) - gradient(a - step * e, w)) / (2 * step) for e in np.eye(4)]
    np.testing.assert_allclose(hessian(f)(a, w), expected, atol=1e-9)
    along = function_from_source("def along(a, w, v):\n    return gradient(a, w) @ v\n", gradient=gradient)
    reverse = [grad(along)(a, w, v) for v in np.eye(4)]
    np.testing.assert_allclose(reverse, expected, atol=1e-9)


def test_guarded_products_stay_strong() -> None:
    """An infinite factor of a zero counts as nothing, in second derivatives, too."""
    f = function_from_source("def f(x):\n    return np.sum(np.where(x > 0, np.sqrt(x), 0.0) ** 2)\n")
    with np.errstate(all="ignore"):
        second = hessian(f)(np.array([0.0, 4.0]))
    assert np.all(np.isfinite(second))
