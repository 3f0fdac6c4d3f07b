"""Derivatives of callables that are no functions: partial applications, instances, their methods."""

from __future__ import annotations

import dataclasses
import functools
import pickle
from typing import Any

import numpy as np
import pytest

from ad_compiler import (
    Unsupported,
    check_grads,
    elementwise_grad,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    linearize,
    value_and_grad,
    vjp,
)

X = np.array([0.5, 1.0, 2.0])


def loss(x: Any, w: Any, scale: float = 1.0) -> Any:
    return scale * np.sum(np.sin(x * w))


class Model:
    def __init__(self, w: Any) -> None:
        self.w = w
        self.dispatch = self.primal = "attributes of derivatives have these names, too"

    def __call__(self, x: Any) -> Any:
        return np.sum(np.sin(x * self.w))

    def scaled(self, x: Any, k: Any) -> Any:
        return k * self(x)

    thrice = functools.partialmethod(scaled, k=3.0)


@dataclasses.dataclass
class Weights:
    w: Any

    def __call__(self, x: Any) -> Any:
        return np.sum(np.sin(x * self.w))


@dataclasses.dataclass(frozen=True)
class Same:
    k: float

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same)

    def __hash__(self) -> int:
        return 1

    def __call__(self, x: Any) -> Any:
        return x * self.k


def test_partial_applications() -> None:
    w = np.array([1.0, 2.0, 3.0])
    by_keyword, by_position = functools.partial(loss, w=w, scale=2.0), functools.partial(loss, X)
    derivative = grad(by_keyword)
    np.testing.assert_array_equal(derivative(X), grad(loss)(X, w, 2.0))
    np.testing.assert_array_equal(derivative(X, scale=3.0), grad(loss)(X, w, 3.0))
    np.testing.assert_array_equal(grad(by_position)(w), grad(loss, "w")(X, w))
    np.testing.assert_array_equal(grad(by_position, "w")(w, scale=2.0), grad(loss, "w")(X, w, 2.0))
    w[0] = 5.0
    np.testing.assert_array_equal(derivative(X), grad(loss)(X, w, 2.0))
    assert derivative.__name__ == "loss" and "def loss_grad(x, *, w" in derivative.source
    again = pickle.loads(pickle.dumps(derivative))
    np.testing.assert_array_equal(again(X), derivative(X))


def test_every_derivative_of_a_partial_application() -> None:
    f, plain = functools.partial(loss, w=2.0), lambda x: loss(x, 2.0)
    for derivative in (hessian, jacobian, value_and_grad):
        np.testing.assert_array_equal(derivative(f)(X)[0], derivative(plain)(X)[0])
    np.testing.assert_array_equal(hvp(f)(X, X), hvp(plain)(X, X))
    assert jvp(f, (X,), (X,)) == jvp(plain, (X,), (X,))
    assert linearize(f, X)[1](X) == linearize(plain, X)[1](X)
    np.testing.assert_array_equal(vjp(f, X)[1](1.0)[0], vjp(plain, X)[1](1.0)[0])
    power = functools.partial(lambda x, n: x**n, n=3)
    assert grad(grad(power))(2.0) == 12.0
    np.testing.assert_array_equal(elementwise_grad(power)(X), 3 * X**2)
    check_grads(f, (X,), order=2)


def test_instances_and_their_methods() -> None:
    w = np.array([1.0, 2.0, 3.0])
    model = Model(w)
    expected = grad(loss)(X, w)
    derivative = grad(model)
    np.testing.assert_array_equal(derivative(X), expected)
    np.testing.assert_array_equal(grad(model.scaled)(X, 2.0), 2.0 * expected)
    np.testing.assert_array_equal(grad(model.thrice)(X), 3.0 * expected)
    np.testing.assert_array_equal(grad(model.__call__)(X), expected)
    np.testing.assert_array_equal(grad(functools.partial(model.scaled, k=4.0))(X), 4.0 * expected)
    np.testing.assert_array_equal(grad(functools.partial(model))(X), expected)
    np.testing.assert_array_equal(hessian(model)(X), hessian(loss)(X, w))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(derivative))(X), expected)
    model.w = np.ones(3)
    np.testing.assert_array_equal(derivative(X), np.cos(X))
    assert repr(derivative) == "<grad of Model>" and "def Model_grad(x" in derivative.source


def test_instances_that_are_equal_or_have_no_hash_are_themselves() -> None:
    assert (grad(Same(2.0))(1.0), grad(Same(3.0))(1.0)) == (2.0, 3.0)
    np.testing.assert_array_equal(grad(Weights(1.0))(X), np.cos(X))
    np.testing.assert_array_equal(grad(Weights(0.0))(X), np.zeros(3))


def test_keyword_only_arguments_of_jacobians() -> None:
    def f(x: Any, *, k: Any) -> Any:
        return k * x**2

    np.testing.assert_array_equal(jacobian(f)(X, k=3.0), np.diag(6.0 * X))
    np.testing.assert_array_equal(jacobian(f, "k")(X, k=3.0), X**2)
    np.testing.assert_array_equal(hessian(lambda x, *, k: k * np.sum(x**3))(X, k=2.0), np.diag(12.0 * X))


def test_in_programs() -> None:
    model, applied = Model(2.0), functools.partial(loss, w=2.0)
    np.testing.assert_array_equal(grad(lambda x: model(x) + applied(x))(X), 4.0 * np.cos(2.0 * X))
    made = grad(lambda x: np.sum(jacobian(functools.partial(lambda a, b: a * b * b, b=x))(X)))
    assert made(3.0) == 18.0
    assert grad(lambda x: grad(Model(x))(1.0))(0.5) == pytest.approx(np.cos(0.5) - 0.5 * np.sin(0.5))
    assert grad(lambda x: grad(functools.partial(lambda a, b: a * b * b, b=x))(1.0))(3.0) == 6.0


@pytest.mark.parametrize("fun", [np.sin, functools.partial(np.sin), functools.partial(float), Model, len])
def test_what_has_no_text_is_refused(fun: Any) -> None:
    with pytest.raises((Unsupported, ValueError), match=r"not a function written in Python|no signature"):
        grad(fun)(1.0)


def test_arrays_made_by_their_class() -> None:
    def f(x: Any) -> Any:
        a = np.ndarray(x.shape)
        b = np.ndarray(shape=(2, 3), dtype=np.float64)
        a[:] = 2.0 * x
        b[...] = a
        return np.sum(b * b)

    np.testing.assert_array_equal(grad(f)(X), 16.0 * X)
