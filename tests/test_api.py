"""`grad`, `value_and_grad` and `vjp` as a user calls them: which arguments, of which kinds, in which form."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any, NamedTuple

import numpy as np
import pytest

from ad_compiler import check_grads, grad, value_and_grad, vjp
from ad_compiler.demo.circuits import product_of_sum, sigmoid_neuron

VECTOR = np.array([0.5, -1.5, 2.5])


# The circuits of the lecture.


def test_product_of_sum_exactly() -> None:
    gradient = grad(product_of_sum, argnums=("x", "y", "z"))
    assert gradient(-2.0, 5.0, -4.0) == (-4.0, -4.0, 3.0)
    assert value_and_grad(product_of_sum, (0, 1, 2))(-2.0, 5.0, -4.0) == (-12.0, (-4.0, -4.0, 3.0))


def test_sigmoid_neuron() -> None:
    value, gradient = value_and_grad(sigmoid_neuron, (0, 1, 2, 3, 4))(2.0, -3.0, -3.0, -1.0, -2.0)
    assert round(value, 6) == 0.731059
    assert [round(each, 6) for each in gradient] == [-0.196612, -0.393224, 0.196612, 0.393224, -0.589836]


def squared_norm(W, x):
    y = W @ x
    return np.sum(y * y)


def test_squared_norm() -> None:
    W, x = np.array([[0.1, 0.5], [-0.3, 0.8]]), np.array([0.2, 0.4])
    value, (dW, dx) = value_and_grad(squared_norm, ("W", "x"))(W, x)
    np.testing.assert_allclose(value, 0.116, rtol=1e-14)
    np.testing.assert_allclose(dW, [[0.088, 0.176], [0.104, 0.208]], rtol=1e-14)
    np.testing.assert_allclose(dx, [-0.112, 0.636], rtol=1e-14)


# Which arguments.


@pytest.mark.parametrize(
    ("argnums", "expected"),
    [
        (0, -4.0),
        (2, 3.0),
        (-1, 3.0),
        (-3, -4.0),
        ("z", 3.0),
        ((0,), (-4.0,)),
        ((2, 0), (3.0, -4.0)),
        (("z", 1), (3.0, -4.0)),
        ([0, "z"], (-4.0, 3.0)),
        ((-1, "x"), (3.0, -4.0)),
    ],
)
def test_argnums(argnums: Any, expected: Any) -> None:
    assert grad(product_of_sum, argnums)(-2.0, 5.0, -4.0) == expected
    assert value_and_grad(product_of_sum, argnums)(-2.0, 5.0, -4.0) == (-12.0, expected)
    _, pullback = vjp(product_of_sum, -2.0, 5.0, -4.0, argnums=argnums)
    assert pullback(1.0) == (expected if isinstance(expected, tuple) else (expected,))


def test_decorators() -> None:
    @grad
    def square(x):
        return x * x

    @grad(argnums=("y", "x"))
    def product(x, y):
        return x * y

    @value_and_grad(has_aux=True)
    def cube(x):
        return x**3, "aux"

    assert square(3.0) == 6.0
    assert product(2.0, 5.0) == (2.0, 5.0)
    assert cube(2.0) == ((8.0, "aux"), 12.0)


def test_decorator_above_another() -> None:
    def doubled(function):
        def wrapper(x):
            return 2.0 * function(x)

        return wrapper

    @grad
    @doubled
    def square(x):
        return x * x

    assert square(3.0) == 12.0


def scaled(factor):
    def decorate(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return factor * function(*args, **kwargs)

        return wrapper

    return decorate


@scaled(2.0)
@scaled(5.0)
def wrapped_product(x, y=3.0, *rest, offset=0.0, **named):
    return x * y + offset * x


def test_wrapper_is_called_as_what_it_wraps() -> None:
    gradient = grad(wrapped_product, ("x", "y", "offset"))
    assert wrapped_product(2.0) == 60.0
    assert gradient(2.0) == (30.0, 20.0, 20.0)
    assert gradient(2.0, 1.0, 7.0, offset=1.0, other=1.0) == (20.0, 20.0, 20.0)
    assert grad(wrapped_product, "rest")(2.0, 1.0, 7.0) == (0.0,)
    assert "(x, y=3.0, *rest, offset=0.0, factor=" in gradient.source


def test_two_lambdas_on_one_line() -> None:
    assert [grad(f)(3.0) for f in (lambda x: x * x, lambda x: x * x * x)] == [6.0, 27.0]


def test_vjp_differentiates_every_argument_with_numbers() -> None:
    def f(x, label, n, flag=True):
        return x * n if flag else x

    value, pullback = vjp(f, 3.0, "label", 2)
    assert value == 6.0
    assert pullback(10.0) == (20.0, None, 30.0)


def test_vjp_leaves_alone_what_must_be_whole() -> None:
    def f(x, i, axis):
        return np.sum(x[i], axis=axis)

    value, pullback = vjp(f, np.arange(6.0).reshape(3, 2), np.array([2, 2]), 1)
    np.testing.assert_array_equal(value, [9.0, 9.0])
    x_bar, i_bar, axis_bar = pullback(np.array([1.0, 10.0]))
    np.testing.assert_array_equal(x_bar, [[0.0, 0.0], [0.0, 0.0], [11.0, 11.0]])
    assert i_bar is None
    assert axis_bar is None


def test_pullback_can_be_called_again() -> None:
    value, pullback = vjp(lambda x, y: (x * y, {"sum": x + y}), VECTOR, 2.0)
    np.testing.assert_array_equal(value[0], 2 * VECTOR)
    for _ in range(2):
        x_bar, y_bar = pullback((np.ones(3), {"sum": np.zeros(3)}))
        np.testing.assert_array_equal(x_bar, [2.0, 2.0, 2.0])
        assert y_bar == 1.5
    x_bar, y_bar = pullback((np.zeros(3), {"sum": np.array([1.0, 0.0, 4.0])}))
    np.testing.assert_array_equal(x_bar, [1.0, 0.0, 4.0])
    assert y_bar == 5.0


# Auxiliary results.


def with_aux(x):
    y = x * x
    return y * x, {"square": y, "parts": [x, "text", None]}


def test_has_aux() -> None:
    aux = {"square": 9.0, "parts": [3.0, "text", None]}
    assert grad(with_aux, has_aux=True)(3.0) == (27.0, aux)
    assert value_and_grad(with_aux, has_aux=True)(3.0) == ((27.0, aux), 27.0)
    value, pullback, given = vjp(with_aux, 3.0, has_aux=True)
    assert (value, pullback(2.0), given) == (27.0, (54.0,), aux)


def test_aux_array_is_not_changed_by_the_reverse_sweep() -> None:
    def f(x):
        y = np.exp(x)
        return np.sum(y * y), y

    gradient, y = grad(f, has_aux=True)(VECTOR)
    np.testing.assert_array_equal(y, np.exp(VECTOR))
    np.testing.assert_allclose(gradient, 2 * np.exp(VECTOR) ** 2, rtol=1e-15)
    assert not np.shares_memory(gradient, y)


# How arguments are given.


def with_defaults(x, y=2.0, *, scale=3.0, weights=VECTOR):
    return x * y * scale * np.sum(weights)


def test_keywords_and_defaults() -> None:
    f = grad(with_defaults, ("x", "y", "scale"))
    assert f(1.0) == (9.0, 4.5, 3.0)
    assert f(1.0, 4.0) == f(1.0, y=4.0) == f(y=4.0, x=1.0) == (18.0, 4.5, 6.0)
    assert f(1.0, scale=1.0) == (3.0, 1.5, 3.0)
    assert f(1.0, weights=np.ones(1)) == (6.0, 3.0, 2.0)
    np.testing.assert_array_equal(grad(with_defaults, "weights")(1.0), [6.0, 6.0, 6.0])


def test_starred_parameters() -> None:
    def f(x, *rest, power=2, **named):
        return x**power * rest[0] + rest[1] * named["k"]

    assert grad(f)(3.0, 2.0, 5.0, k=7.0) == 12.0
    assert grad(f)(3.0, 2.0, 5.0, k=7.0, power=1) == 2.0
    assert grad(f, 1)(3.0, 2.0, 5.0, k=7.0) == (9.0, 7.0)
    assert grad(f, ("rest", "named"))(3.0, 2.0, 5.0, k=7.0) == ((9.0, 7.0), {"k": 5.0})
    assert grad(f, ("rest", "named"))(3.0, 2.0, 5.0, 1.0, k=7.0, unused=1.0) == (
        (9.0, 7.0, 0.0),
        {"k": 5.0, "unused": 0.0},
    )


def test_positional_only_parameters() -> None:
    def f(x, /, y, **x_too):
        return x * y * x_too["x"]

    assert grad(f, ("y", 0))(2.0, 3.0, x=5.0) == (10.0, 15.0)


@pytest.mark.parametrize(
    ("option", "expected"),
    [(None, 6.0), (True, 6.0), (2.0, 2.0), ("cube", 27.0), (math.sqrt, 0.5 / math.sqrt(3.0))],
)
def test_arguments_that_decide_what_the_program_is(option: Any, expected: float) -> None:
    def f(x, how=None):
        if how is None or how is True:
            return x * x
        if isinstance(how, str):
            return x**3 if how == "cube" else x
        return how * x if isinstance(how, float) else how(x)

    assert grad(f)(3.0, option) == expected


# Kinds of numbers.


def test_whole_numbers_count_as_reals() -> None:
    gradients = grad(product_of_sum, (0, 1, 2))(-2, 5, -4)
    assert gradients == (-4.0, -4.0, 3.0)
    assert all(type(each) is float for each in gradients)
    gradient = grad(lambda x: np.sum(x * x))(np.arange(3))
    assert gradient.dtype == np.float64
    np.testing.assert_array_equal(gradient, [0.0, 2.0, 4.0])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_precision_is_kept(dtype: Any) -> None:
    def f(x, scale):
        y = np.tanh(scale * x + 0.5) / 3
        return np.mean(y) + y[0] ** 2 + np.sum(np.where(x > 0, x, 0.0))

    x = VECTOR.astype(dtype)
    value, (x_bar, scale_bar) = value_and_grad(f, (0, 1))(x, dtype(2.0))
    assert value.dtype == f(x, dtype(2.0)).dtype == dtype
    assert x_bar.dtype == dtype
    assert type(scale_bar) is dtype
    _, (x_bar, _) = value_and_grad(f, (0, 1))(x, 2.0)
    assert x_bar.dtype == dtype


def test_each_gradient_has_the_dtype_of_its_argument() -> None:
    single, double = grad(lambda x, y: np.sum(x * y), (0, 1))(np.ones(3, np.float32), np.ones(3))
    assert (single.dtype, double.dtype) == (np.float32, np.float64)


@pytest.mark.parametrize("number", [3.0, 3, np.float64(3.0), np.float32(3.0), np.array(3.0)])
def test_numbers_of_every_kind(number: Any) -> None:
    assert grad(lambda x: x * x)(number) == 6.0


@pytest.mark.parametrize("shape", [(), (0,), (1,), (0, 3), (3, 0), (1, 1), (2, 1)])
def test_shapes_of_every_kind(shape: tuple[int, ...]) -> None:
    def f(x):
        return np.sum(np.sin(x) * x) + np.sum(x, axis=None) ** 2

    x = np.linspace(0.5, 1.5, math.prod(shape)).reshape(shape)
    gradient = grad(f)(x)
    assert np.shape(gradient) == shape
    np.testing.assert_allclose(gradient, np.cos(x) * x + np.sin(x) + 2 * np.sum(x), rtol=1e-14)


def test_memory_of_every_kind() -> None:
    def f(x):
        return np.sum(x[:, 0] * x[:, 1]) + np.sum(np.exp(x))

    x = np.linspace(-1.0, 1.0, 6).reshape(3, 2)
    expected = grad(f)(x)
    wide = np.zeros((6, 4))
    wide[::-2, ::2] = x
    read_only = x.copy()
    read_only.flags.writeable = False
    for same in (np.asfortranarray(x), wide[::-2, ::2], read_only, np.broadcast_to(x, (3, 2))):
        np.testing.assert_array_equal(grad(f)(same), expected)
        assert grad(f)(same).flags.writeable
    repeated = np.broadcast_to(np.array([0.5, 1.0]), (3, 2))
    np.testing.assert_array_equal(grad(f)(repeated), grad(f)(repeated.copy()))


def test_an_argument_given_twice() -> None:
    x = VECTOR.copy()
    for first, second in ((x, x), (x, x[:]), (x[:2], x[1:])):
        gradients = grad(lambda a, b: np.sum(a * a * b), (0, 1))(first, second)
        np.testing.assert_array_equal(gradients[0], 2 * first * second)
        np.testing.assert_array_equal(gradients[1], first * first)
    np.testing.assert_array_equal(x, VECTOR)


# Containers.


class Layer(NamedTuple):
    weights: Any
    bias: Any = 0.0


@dataclasses.dataclass
class Ball:
    centre: Any
    radius: float = 1.0
    label: str = "ball"


@dataclasses.dataclass(frozen=True)
class Scene:
    balls: tuple[Ball, ...]
    light: dict[str, Any]


def test_gradient_of_a_dict() -> None:
    params = {"b": 2.0, "W": VECTOR, "unused": np.ones((2, 2)), "label": "text", "none": None}
    gradient = grad(lambda p: p["b"] * np.sum(p["W"]))(params)
    assert list(gradient) == list(params)
    assert (gradient["b"], gradient["label"], gradient["none"]) == (1.5, "text", None)
    np.testing.assert_array_equal(gradient["W"], [2.0, 2.0, 2.0])
    np.testing.assert_array_equal(gradient["unused"], np.zeros((2, 2)))


def test_gradient_of_a_list_and_a_tuple() -> None:
    gradient = grad(lambda p: p[0] * p[1][0] ** p[1][1])([5.0, (2.0, 3)])
    assert gradient == [8.0, (60.0, 40.0 * math.log(2.0))]
    assert grad(lambda p: 2.0 * p[0])((1.0, (), [])) == (2.0, (), [])


def test_gradient_of_a_named_tuple() -> None:
    gradient = grad(lambda layer, x: x @ layer.weights + layer.bias)(Layer(VECTOR, 1.0), np.ones(3))
    assert type(gradient) is Layer
    np.testing.assert_array_equal(gradient.weights, np.ones(3))
    assert gradient.bias == 1.0


def test_gradient_of_a_dataclass() -> None:
    def f(scene):
        first, second = scene.balls
        gap = np.sum((first.centre - second.centre) ** 2) - (first.radius + second.radius) ** 2
        return scene.light["power"] * gap

    scene = Scene((Ball(VECTOR, 2.0), Ball(np.zeros(3), label="origin")), {"power": 10.0})
    gradient = grad(f)(scene)
    assert type(gradient) is Scene
    assert type(gradient.balls[0]) is Ball
    np.testing.assert_array_equal(gradient.balls[0].centre, 20 * VECTOR)
    np.testing.assert_array_equal(gradient.balls[1].centre, -20 * VECTOR)
    assert (gradient.balls[0].radius, gradient.balls[1].radius) == (-60.0, -60.0)
    assert gradient.balls[1].label == "origin"
    assert gradient.light == {"power": np.sum(VECTOR**2) - 9.0}


def test_an_array_twice_in_a_container() -> None:
    gradient = grad(lambda p: np.sum(p[0] * p[1]))([VECTOR, VECTOR])
    assert not np.shares_memory(*gradient)
    np.testing.assert_array_equal(gradient[0], VECTOR)


def test_containers_made_inside() -> None:
    def f(x):
        layers = [Layer(x, 1.0), Layer(weights=2 * x)]
        table = {"first": layers[0], **{"second": layers[1]}}
        (w, bias), *rest = (table["first"], *layers)
        return np.sum(w * table["second"].weights) * bias * len(rest)

    np.testing.assert_array_equal(grad(f)(VECTOR), 8 * VECTOR)


def test_result_in_a_container_under_vjp() -> None:
    value, pullback = vjp(lambda x: Layer(x * x, np.sum(x)), VECTOR)
    assert type(value) is Layer
    (x_bar,) = pullback(Layer(np.ones(3), 10.0))
    np.testing.assert_array_equal(x_bar, 2 * VECTOR + 10)
    (x_bar,) = pullback((np.ones(3), 0))
    np.testing.assert_array_equal(x_bar, 2 * VECTOR)


# Nobody else's arrays.


def test_gradients_share_no_memory() -> None:
    x, y = VECTOR.copy(), np.array([1.0, 2.0, 3.0])
    derivative = grad(lambda x, y: np.sum(x * y) + np.sum(x), (0, 1))
    first = derivative(x, y)
    expected = [each.copy() for each in first]
    for each in first:
        each[:] = 99.0
    np.testing.assert_array_equal(x, VECTOR)
    np.testing.assert_array_equal(y, [1.0, 2.0, 3.0])
    for each, right in zip(derivative(x, y), expected, strict=True):
        np.testing.assert_array_equal(each, right)


@pytest.mark.parametrize(
    "f",
    [
        lambda x, y: x,
        lambda x, y: (x, y),
        lambda x, y: x.T + y,
        lambda x, y: x + y,
        lambda x, y: np.concatenate([x, y]),
        lambda x, y: (x[::-1], y.reshape(3, 1)),
        lambda x, y: {"both": [x, x], "y": -y},
        lambda x, y: np.zeros(3),
    ],
)
def test_pullback_changes_no_cotangent_and_returns_arrays_of_its_own(f: Any) -> None:
    x, y = VECTOR.copy(), VECTOR[::-1].copy()
    value, pullback = vjp(f, x, y)
    leaves = [value] if isinstance(value, np.ndarray) else None
    if isinstance(value, dict):
        cotangent: Any = {"both": [np.ones(3), np.full(3, 2.0)], "y": np.full(3, 3.0)}
        leaves = [*cotangent["both"], cotangent["y"]]
    elif leaves is None:
        leaves = [np.full(each.shape, 2.0) for each in value]
        cotangent = tuple(leaves)
    else:
        leaves = [np.full(value.shape, 2.0)]
        cotangent = leaves[0]
    kept = [leaf.copy() for leaf in leaves]
    first = pullback(cotangent)
    expected = [each.copy() for each in first]
    arrays = [*first, x, y, *leaves]
    for i, each in enumerate(first):
        assert not any(np.shares_memory(each, other) for j, other in enumerate(arrays) if i != j)
        each[:] = 99.0
    for leaf, before in zip(leaves, kept, strict=True):
        np.testing.assert_array_equal(leaf, before)
    for each, right in zip(pullback(cotangent), expected, strict=True):
        np.testing.assert_array_equal(each, right)
    np.testing.assert_array_equal(x, VECTOR)
    np.testing.assert_array_equal(y, VECTOR[::-1])


def test_changing_an_argument_after_vjp_does_not_change_what_was_returned() -> None:
    x = VECTOR.copy()
    value, _ = vjp(lambda x: 2 * x, x)
    x[:] = 0.0
    np.testing.assert_array_equal(value, 2 * VECTOR)


# What runs besides: the forward sweep is the user's.


def test_prints_and_asserts_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    def f(x):
        y = np.sin(x)
        print(f"y is {y:.3f}", x, sep="; ")
        assert y < 0.9, f"too large: {y:.3f}"
        return y * y

    assert grad(f)(0.5) == pytest.approx(2 * math.sin(0.5) * math.cos(0.5))
    assert capsys.readouterr().out == "y is 0.479; 0.5\n"
    with pytest.raises(AssertionError, match=r"too large: 0\.997"):
        grad(f)(1.5)


def test_guards_are_kept() -> None:
    def f(x, n=1):
        if x < 0:
            raise ValueError(f"negative: {x}")
        return x * x * n

    derivative = grad(f)
    assert derivative(3.0) == 6.0
    with pytest.raises(ValueError, match=r"negative: -3\.0"):
        derivative(-3.0)


def test_constant_functions() -> None:
    assert grad(lambda x: 5.0)(3.0) == 0.0
    assert value_and_grad(lambda x: 7)(3.0) == (7, 0.0)
    np.testing.assert_array_equal(grad(lambda x: 1.0)(VECTOR), np.zeros(3))
    np.testing.assert_array_equal(grad(lambda x: np.floor(np.sum(x)))(VECTOR), np.zeros(3))


# Users' own tests.


def test_check_grads_accepts_what_is_right() -> None:
    params = {"W": np.array([[0.1, 0.5], [-0.3, 0.8]]), "label": "text"}
    check_grads(lambda p, x, n: np.tanh(p["W"] @ x) ** n, (params, np.array([0.2, 0.4]), 2))
    check_grads(lambda x: (x * x, np.sum(np.sin(x))), (VECTOR.astype(np.float32),))


def test_check_grads_finds_what_is_wrong() -> None:
    with pytest.raises(AssertionError, match="argument 1"):
        check_grads(lambda x, y: x * np.floor(y), (1.0, 2.0))


def test_an_update_in_a_branch_reads_its_value_before_it_is_renamed() -> None:
    def f(s, x):
        if s <= 1.5:
            x = x[::-1]
        return np.sum(np.sin(x * np.arange(3)))

    check_grads(f, (1.0, VECTOR))
    check_grads(f, (2.0, VECTOR))


def test_whole_coefficients_on_one_side_of_a_branch() -> None:
    def f(s, x):
        return x @ np.array([1, 2, 3]) if s > 0.5 else 0.5 * np.sum(x)

    for s, expected in ((1.0, [1.0, 2.0, 3.0]), (0.0, [0.5, 0.5, 0.5])):
        gradient = grad(f, "x")(s, VECTOR)
        assert gradient.dtype == np.float64
        np.testing.assert_array_equal(gradient, expected)
