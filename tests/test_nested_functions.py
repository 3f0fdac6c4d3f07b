"""Derivatives in differentiated programs of what is called as a function: recursions that end at run time."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

from ad_compiler import (
    Unsupported,
    cotangent,
    custom_vjp,
    grad,
    hessian,
    hvp,
    jacfwd,
    jacrev,
    jvp,
    linearize,
    stop_gradient,
    value_and_grad,
    vjp,
)
from ad_compiler.testing import check_grads

ZERO, ONE, TWO, THREE, FOUR, FIVE = range(6)  # read from outside: numbers of the run


def power(x: Any, n: int) -> Any:
    if n <= 0:
        return 1.0
    return x * power(x, n - 1)


def halved(x: Any, bound: Any) -> Any:
    """Several arguments, and a tuple of a number and an array."""
    if np.sum(x * x) < bound:
        return np.sin(x[0]) * x[1], x * x
    total, squares = halved(0.6 * x, bound)
    return total * np.sum(x) + bound, squares * x


def halved_sum(x: Any, bound: Any) -> Any:
    total, squares = halved(x, bound)
    return total + np.sum(squares * np.array([1.0, -0.5, 2.0]))


def even(x: Any, n: int) -> Any:
    return x if n == 0 else np.sin(odd(x, n - 1)) * x


def odd(x: Any, n: int) -> Any:
    return x * x if n == 0 else even(x, n - 1) + x


def doubled_in_place(a: Any, k: int) -> None:
    if k == len(a):
        return
    a[k] = a[k] * a[k - 1]
    doubled_in_place(a, k + 1)


def written(x: Any) -> Any:
    a = x.copy()
    doubled_in_place(a, 1)
    return np.sum(a * a)


def described(x: Any, n: int) -> Any:
    """A recursion that returns a dict."""
    if n <= 0:
        return {"value": x, "slope": 2.0 * x}
    inner = described(x * 0.5, n - 1)
    return {"value": inner["value"] * x, "slope": inner["slope"] + x}


def of_a_dict(p: Any, n: int) -> Any:
    found = described(p["a"] * p["b"][0], n)
    return found["value"] * found["slope"]


def with_aux(x: Any, n: int) -> Any:
    y = power(x, n)
    return np.sin(y), {"power": y * x}


def into(out: Any, x: Any, n: int) -> None:
    out[:] = x * power(x[0], n)


@custom_vjp
def clipped(x: Any) -> Any:
    return x * x


clipped.defvjp(lambda x: (x * x, x), lambda x, g: (2.0 * x * g,))


def with_a_rule(x: Any, n: int) -> Any:
    return clipped(power(x, n)) * x


def gradient(x: Any) -> Any:
    return grad(power)(x, FOUR) * x


def of_zero_depth(x: Any) -> Any:
    return grad(power)(x, ZERO) + grad(power)(x, ONE) * x**2


def value_and_gradient(x: Any) -> Any:
    value, slope = value_and_grad(power)(x, THREE)
    return value * slope


def both_results(x: Any) -> Any:
    slope, aux = grad(with_aux, has_aux=True)(x, THREE)
    (value, other), again = value_and_grad(with_aux, has_aux=True)(x, TWO)
    return slope * aux["power"] + value * other["power"] * again


def pulled_back(x: Any, bound: Any, c: Any) -> Any:
    value, pullback = vjp(halved, x, bound)
    by_x, by_bound = pullback((c, c * value[1]))
    again, _ = pullback((1.0, x))
    return np.sum(by_x * x) + by_bound + np.sum(again) * value[0]


def pushed(x: Any, v: Any) -> Any:
    value, along = jvp(halved_sum, (x, 0.5), (v, 0.3))
    return value * along


def linear(x: Any, v: Any) -> Any:
    value, push = linearize(power, x, THREE)
    return value * push(v, None)


def written_into(x: Any, c: Any) -> Any:
    value, pullback = vjp(into, np.zeros(3), x, TWO, of="out", argnums=(1,))
    (found,) = pullback(c)
    return np.sum(found * value)


def of_a_part(x: Any, bound: Any) -> Any:
    """The inner derivative is by one argument, the outer by both."""
    return np.sum(grad(halved_sum)(x, bound) * x) + grad(halved_sum, argnums="bound")(x, bound)


def closure(x: Any, y: Any) -> Any:
    def inner(z: Any) -> Any:
        return power(z * x, THREE) * y

    return grad(inner)(y) * grad(lambda t: inner(t) * x)(2.0)


def in_a_loop(x: Any, n: int) -> Any:
    for i in range(n):
        x = x - 0.1 * grad(power)(x, i) * x
    return x


def in_a_branch(x: Any) -> Any:
    slope = grad(power)(x, FOUR) if x > 1.0 else value_and_grad(power)(x, THREE)[0]
    return slope * x


def in_a_recursion(x: Any, n: int) -> Any:
    if n <= 0:
        return x
    return grad(power)(x, n) + in_a_recursion(x * 0.5, n - 1)


def mutual(x: Any) -> Any:
    return grad(even)(x, FOUR) + value_and_grad(even)(x, THREE)[1]


def in_place(x: Any) -> Any:
    g = grad(written)(x)
    return np.sum(g * x)


def of_dicts(a: Any, b: Any) -> Any:
    g = grad(of_a_dict)({"a": a, "b": [b, 1]}, TWO)
    return g["a"] * g["b"][0]


def twice_the_same(x: Any) -> Any:
    def f(a: Any, b: Any) -> Any:
        return power(a, TWO) * power(b, THREE)

    first, second = grad(f, argnums=(0, 1))(x, x)
    return first * second


def then_a_write(x: Any) -> Any:
    a = x * 2.0
    g = grad(halved_sum)(a, 0.5)
    a[1] = g[0]
    g[2] = a[1] * x[0]
    return np.sum(a * g)


def by_a_rule(x: Any) -> Any:
    return grad(with_a_rule)(x, TWO) * x


def stopped(x: Any) -> Any:
    return grad(lambda t: power(t, TWO) * stop_gradient(power(t, THREE)))(x)


def jacobians(x: Any) -> Any:
    def f(t: Any) -> Any:
        return halved(t, 0.5)[1]

    return np.sum(jacfwd(f)(x) @ jacrev(f)(x))


X = np.array([0.9, 0.4, -0.7])
PROGRAMS: list[Any] = [
    (gradient, (1.3,)),
    (of_zero_depth, (1.3,)),
    (value_and_gradient, (1.3,)),
    (both_results, (0.7,)),
    (pulled_back, (X, 0.5, 0.8)),
    pytest.param(pushed, (X, X[::-1].copy()), marks=pytest.mark.slow, id="pushed"),
    (linear, (1.2, 0.4)),
    (written_into, (X, X[::-1].copy())),
    pytest.param(of_a_part, (X, 0.4), marks=pytest.mark.slow, id="of_a_part"),
    (closure, (1.1, 0.6)),
    (in_a_loop, (1.2, 3)),
    (in_a_loop, (1.2, 0)),
    (in_a_branch, (1.2,)),
    (in_a_branch, (0.8,)),
    (in_a_recursion, (1.2, 3)),
    pytest.param(mutual, (0.8,), marks=pytest.mark.slow, id="mutual"),
    (in_place, (X,)),
    (of_dicts, (1.1, 0.7)),
    (twice_the_same, (1.3,)),
    (then_a_write, (X,)),
    (by_a_rule, (1.2,)),
    pytest.param(jacobians, (X,), marks=pytest.mark.slow, id="jacobians"),
]


@pytest.mark.parametrize(("f", "args"), PROGRAMS, ids=lambda each: getattr(each, "__name__", ""))
def test_all_combinations_of_modes(f: Any, args: tuple[Any, ...]) -> None:
    check_grads(f, args, order=2, modes=("fwd", "rev"))


def test_writes_before_the_pullback_is_called() -> None:
    def f(x: Any) -> Any:
        a = x * 2.0
        value, pullback = vjp(halved_sum, a, 0.5)
        a[0] = x[1] ** 2
        by_a, _ = pullback(value)
        return np.sum(by_a * a)

    with pytest.raises(Unsupported, match="written into before the pullback is called") as caught:
        grad(f)(X)
    assert caught.value.text is not None and "pullback(value)" in caught.value.text
    assert ".copy()" in caught.value.advice


def test_the_same_array_twice() -> None:
    def f(x: Any) -> Any:
        return power(x[0], THREE) * x[1]

    def total(x: Any) -> Any:
        return np.sum(hvp(f)(x, x) + grad(f)(x))

    check_grads(total, (X,), order=2, modes=("fwd", "rev"))


def test_third_derivatives() -> None:
    def f(x: Any) -> Any:
        return power(x, FIVE)

    expected = 60 * 1.3**2
    for third in (grad(grad(grad(f))), jacfwd(grad(grad(f))), grad(hessian(f)), hessian(grad(f))):
        assert third(1.3) == pytest.approx(expected, rel=1e-13)
    check_grads(lambda x: hessian(f)(x) * grad(f)(x), (1.3,), order=2, modes=("fwd", "rev"))


def test_a_gradient_that_is_stopped_stays_stopped() -> None:
    slope = grad(lambda x: power(x, TWO) * stop_gradient(power(x, THREE)))
    assert slope(1.5) == pytest.approx(2 * 1.5**4)
    assert grad(slope)(1.5) == pytest.approx(2 * 1.5**3)
    assert jvp(slope, (1.5,), (1.0,))[1] == pytest.approx(2 * 1.5**3)


def test_derivatives_of_a_rule() -> None:
    """The second derivative is that of what the rule computes, and its Jacobian is not symmetric."""

    @custom_vjp
    def product(x: Any, y: Any) -> Any:
        return x * y

    product.defvjp(lambda x, y: (x * y, (x, y)), lambda saved, g: (g * saved[1], g * saved[0] * saved[1]))

    def f(x: Any, y: Any) -> Any:
        return product(power(x, ONE), power(y, ONE))

    gradient = grad(f, argnums=(0, 1))
    x, y = 0.7, 1.9
    assert gradient(x, y) == pytest.approx((y, x * y))

    def weighted(x: Any, y: Any) -> Any:
        by_x, by_y = gradient(x, y)
        return 2.0 * by_x + 3.0 * by_y

    assert grad(weighted, argnums=(0, 1))(x, y) == pytest.approx((3 * y, 2 + 3 * x))
    assert jvp(weighted, (x, y), (1.0, 0.5))[1] == pytest.approx(3 * y + 0.5 * (2 + 3 * x))


def test_hooks() -> None:
    def f(x: Any) -> Any:
        y = power(x, THREE)
        with cotangent(y) as y_bar:
            y_bar *= 2.0
        return y * x

    assert grad(f)(1.5) == pytest.approx(7 * 1.5**3)
    assert jvp(grad(f), (1.5,), (1.0,))[1] == pytest.approx(21 * 1.5**2)
    with pytest.raises(Unsupported, match="this hook replaces a cotangent"):
        grad(grad(f))(1.5)


def test_draws_are_made_once() -> None:
    def noisy(x: Any, rng: Any) -> Any:
        return power(x, TWO) * rng.normal()

    def pulled(x: Any, rng: Any) -> Any:
        value, pullback = vjp(noisy, x, rng)
        return value + pullback(1.0)[0]

    expected = 2 * np.random.default_rng(0).normal()
    along = jvp(grad(noisy), (1.5, np.random.default_rng(0)), (1.0, None))[1]
    assert along == pytest.approx(expected)
    for f in (grad(noisy), pulled):
        with pytest.raises(Unsupported, match="draws random numbers"):
            grad(f)(1.5, np.random.default_rng(0))


def test_single_precision_and_complex_numbers() -> None:
    def rotated(z: Any, n: int) -> Any:
        return z if n == 0 else rotated(z * z * (0.3 + 0.4j), n - 1)

    def f(x: Any) -> Any:
        return np.sum(rotated(x + 1j * x**2, TWO).real)

    check_grads(lambda x: np.sum(grad(f)(x) ** 2), (X,), order=2, modes=("fwd", "rev"))
    single = X.astype(np.float32)
    g = grad(lambda x: np.sum(grad(halved_sum)(x, np.float32(0.5)) * x))(single)
    assert g.dtype == np.float32
    expected = grad(lambda x: np.sum(grad(halved_sum)(x, 0.5) * x))(single.astype(float))
    np.testing.assert_allclose(g, expected, rtol=1e-5)


def test_jacobians_of_gradients() -> None:
    expected = [jvp(grad(halved_sum), (X, 0.5), (row, None))[1] for row in np.eye(3)]
    for matrix in (hessian, lambda f: jacfwd(grad(f)), lambda f: jacrev(grad(f))):
        np.testing.assert_allclose(matrix(halved_sum)(X, 0.5), expected, rtol=1e-12)
    np.testing.assert_allclose(hvp(halved_sum)(X, 0.5, X), X @ expected, rtol=1e-12)


def test_text() -> None:
    text = grad(lambda x: grad(power)(x, FOUR) * x).source_for(1.3)
    assert "import" not in text.replace("import numpy as np", "")
    assert 'def power_grad(x, n):\n        """Gradient of power with respect to x."""' in text
    assert 'def power_grad_vjp(x, n, x_dot):\n        """Pullback of power_grad."""' in text


@pytest.mark.parametrize("n", [2, TWO], ids=["of a text", "of a function"])
def test_a_pullback_that_a_rule_saves(n: int) -> None:
    @custom_vjp
    def f(x: Any) -> Any:
        return power(x, n)

    def forward(x: Any) -> Any:
        return vjp(lambda t: power(t, n), x)

    f.defvjp(forward, lambda pullback, g: pullback(g))
    with pytest.raises(Unsupported, match="is used in a reverse sweep"):
        grad(f)(1.5)


def test_messages_and_checks_are_made_once(capsys: pytest.CaptureFixture[str]) -> None:
    def told(x: Any, n: int) -> Any:
        print("power", n)
        return power(x, n)

    def f(x: Any, n: int) -> Any:
        value, pullback = vjp(told, x, n)
        return value * pullback(1.0)[0] * grad(told)(x, n)

    assert grad(f)(1.0, 3) == pytest.approx(9 * 7)
    assert capsys.readouterr().out == "power 3\n" * 2


def test_an_array_that_is_written_into_is_given_once() -> None:
    def f(a: Any, b: Any) -> Any:
        a[0] = 5 * b[1]
        return np.sum(a * b * b)

    def twice(x: Any) -> Any:
        y = x * 2.0
        return np.sum(grad(f)(y, y[:]))

    def once(x: Any) -> Any:
        y = x * 2.0
        return np.sum(grad(f)(y.copy(), y))

    with pytest.raises(Unsupported, match="may be given it twice") as caught:
        grad(twice)(X)
    assert caught.value.text is not None and "grad(f)(y, y[:])" in caught.value.text
    check_grads(once, (X,), order=2, modes=("fwd", "rev"))


def test_third_order_by_argument_and_cotangent() -> None:
    def pulled(x: Any, c: Any) -> Any:
        return vjp(power, x, THREE)[1](c)[0]

    check_grads(pulled, (1.3, 0.7), order=3, modes=("fwd", "rev"))


class Pair(NamedTuple):
    first: Any
    second: Any


def test_records() -> None:
    def f(pair: Pair, n: int) -> Any:
        return Pair(power(pair.first, n) * pair.second, pair.second**2)

    def total(x: Any) -> Any:
        value, pullback = vjp(f, Pair(x, 2.0 * x), TWO)
        found, _ = pullback(Pair(value.second, 1.0))
        return found.first * found.second

    check_grads(total, (1.3,), order=2, modes=("fwd", "rev"))


def test_results_that_are_constant(capsys: pytest.CaptureFixture[str]) -> None:
    def constant(x: Any, n: int) -> Any:
        if n <= 0:
            print("end")
            return x
        constant(x, n - 1)
        return 3.0

    def f(x: Any) -> Any:
        value, pullback = vjp(constant, x, TWO)
        return x * value + pullback(1.0)[0]

    assert grad(f)(1.2) == 3.0
    assert capsys.readouterr().out == "end\n"
