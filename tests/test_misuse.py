"""What a user can do wrong with each derivative: a clear error, and never a silently broadcast result.

The same is tried outside of programs, where arguments are checked before anything is compiled, and inside of
a program that is differentiated, where the error points at the line.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

import ad_compiler
from ad_compiler import (
    Unsupported,
    check_grads,
    checkpoint,
    custom_jvp,
    custom_vjp,
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
from tests.helpers import function_from_source

X = np.array([1.0, 2.0, 3.0])
ANY: Any = X  # of a type that the hints do not allow
M = np.ones((2, 3))


class Point(NamedTuple):
    a: Any
    b: Any


def square(x: Any) -> Any:
    return np.sum(x * x)


def vector(x: Any) -> Any:
    return x * x


def pair(x: Any) -> Any:
    return x, 2.0 * x


def product(x: Any, y: Any) -> Any:
    return np.sum(x * y)


def structured(p: Any) -> Any:
    return np.sum(p["w"]) * p["b"]


def pointed(p: Any) -> Any:
    return np.sum(p.a * p.b)


def starred(*xs: Any) -> Any:
    return np.sum(xs[0])


def nothing(x: Any) -> Any:
    return None


P = {"w": X, "b": 2.0}
SHAPE, DTYPE, MISFIT = ValueError, TypeError, TypeError

OUTSIDE: list[tuple[Any, type[Exception], str]] = [
    # tangents
    (
        lambda: jvp(square, (X,), (X[:2],)),
        SHAPE,
        r"the tangent of x has shape \(2,\), the argument has \(3,\)",
    ),
    (lambda: jvp(square, (X,), (1.0,)), SHAPE, r"the tangent of x has shape \(\), the argument has \(3,\)"),
    (lambda: jvp(square, (X,), (X[:, None],)), SHAPE, r"has shape \(3, 1\), the argument has \(3,\)"),
    (lambda: jvp(square, (2.0,), (X,)), SHAPE, r"has shape \(3,\), the argument is a number"),
    (lambda: jvp(square, (X,), (1j * X,)), DTYPE, "the tangent of x has the dtype complex128"),
    (
        lambda: jvp(square, (X.astype(np.float32),), (X,)),
        DTYPE,
        "has the dtype float64, and float32 is needed",
    ),
    (lambda: jvp(square, (2.0,), ("1",)), DTYPE, "the tangent of x has the dtype <U1"),
    (lambda: jvp(square, (X,), (X > 1,)), DTYPE, "the tangent of x has the dtype bool"),
    (lambda: jvp(square, (X,), (None,)), MISFIT, "nothing is to be differentiated"),
    (lambda: jvp(square, (X,), (X, X)), MISFIT, "1 primals and 2 tangents are given"),
    (lambda: jvp(square, (X, X), (X,)), MISFIT, "2 primals and 1 tangents are given"),
    (lambda: jvp(square, (X, X), (X, X)), MISFIT, "too many positional arguments"),
    (lambda: jvp(product, (X,), (X,)), MISFIT, "missing a required argument: 'y'"),
    (lambda: jvp(square, ANY, ANY), MISFIT, "the primals must be a tuple"),
    (lambda: jvp(square, (X,), ANY), MISFIT, "the tangents must be a tuple"),
    (lambda: jvp(square, (X,)), MISFIT, "jvp needs the primals and the tangents"),
    (lambda: jvp(3.0, (X,), (X,)), MISFIT, "a function is needed, not float"),  # type: ignore[arg-type]
    (lambda: jvp(structured, (P,), ({"w": X},)), MISFIT, r"must be a dict with the keys \['w', 'b'\]"),
    (lambda: jvp(structured, (P,), (X,)), MISFIT, "must be a dict with the keys"),
    (lambda: jvp(structured, (P,), ({"w": X, "b": X},)), SHAPE, r"the tangent of p\['b'\] has shape \(3,\)"),
    (lambda: jvp(pointed, (Point(X, X),), ((X,),)), MISFIT, "must be a Point of 2"),
    (lambda: linearize(square, X)[1](), MISFIT, "1 primals and 0 tangents are given"),
    (lambda: linearize(square, X)[1](X, X), MISFIT, "1 primals and 2 tangents are given"),
    (lambda: linearize(square, X)[1](X[:2]), SHAPE, r"the tangent of x has shape \(2,\)"),
    (lambda: linearize(square, X)[1](None), MISFIT, "nothing is to be differentiated"),
    (lambda: linearize(product, X), MISFIT, "missing a required argument: 'y'"),
    (lambda: linearize(3.0, X), MISFIT, "a function is needed, not float"),  # type: ignore[arg-type]
    # cotangents
    (lambda: vjp(vector, X)[1](1.0), SHAPE, r"the cotangent has shape \(\), the result has \(3,\)"),
    (lambda: vjp(vector, X)[1](X[:2]), SHAPE, r"the cotangent has shape \(2,\), the result has \(3,\)"),
    (lambda: vjp(vector, X)[1](M), SHAPE, r"the cotangent has shape \(2, 3\), the result has \(3,\)"),
    (lambda: vjp(vector, X)[1](None), SHAPE, r"the cotangent has shape \(\)"),
    (
        lambda: vjp(vector, X)[1](1j * X),
        DTYPE,
        "the cotangent has the dtype complex128, and float64 is needed",
    ),
    (lambda: vjp(vector, X)[1](["a", "b", "c"]), DTYPE, "the cotangent has the dtype <U1"),
    (lambda: vjp(square, X)[1](X), SHAPE, r"the cotangent has shape \(3,\), the result is a number"),
    (lambda: vjp(square, X)[1](1j), DTYPE, "the cotangent has the dtype complex128"),
    (lambda: vjp(square, X)[1](None), DTYPE, "the cotangent has the dtype object"),
    (lambda: vjp(square, X)[1]("1"), DTYPE, "the cotangent has the dtype <U1"),
    (lambda: vjp(np.sin, X), Unsupported, "not a function written in Python"),
    (lambda: vjp(pair, X)[1](X), MISFIT, "the cotangent must be a tuple of 2"),
    (lambda: vjp(pair, X)[1]((X,)), MISFIT, "the cotangent must be a tuple of 2"),
    (lambda: vjp(pair, X)[1]((X, 1.0)), SHAPE, r"the cotangent\[1\] has shape \(\)"),
    (lambda: vjp(lambda x: {"a": x}, X)[1]({"b": X}), MISFIT, r"must be a dict with the keys \['a'\]"),
    (lambda: vjp(square, "a"), MISFIT, "none of the arguments holds a number"),
    (lambda: vjp(square, X, X), MISFIT, "too many positional arguments"),
    (lambda: vjp(square), MISFIT, "missing a required argument: 'x'"),
    (lambda: vjp(3.0, X), MISFIT, "a function is needed, not float"),  # type: ignore[arg-type]
    # which arguments
    *(
        (lambda make=make: make(square, 1), ValueError, "argnums 1 is out of range for 1 arguments")
        for make in (grad, value_and_grad, jacfwd, jacrev, jacobian, hessian, hvp, elementwise_grad)
    ),
    *(
        (lambda make=make, bad=bad: make(product, bad), error, message)
        for make in (grad, hessian, jacobian)
        for bad, error, message in (
            ("z", ValueError, "product has no argument 'z'; it has x, y"),
            (-3, ValueError, "argnums -3 is out of range"),
            ((0, 0), ValueError, "must name at least one argument, and none twice"),
            ((0, "x"), ValueError, "none twice"),
            ((1, -1), ValueError, "none twice"),
            ((), ValueError, "at least one argument"),
            (None, TypeError, "must be a position, a name, or a tuple of these"),
            (1.0, TypeError, "must be a position, a name, or a tuple of these"),
            (True, TypeError, "must be a position, a name, or a tuple of these"),
        )
    ),
    (lambda: vjp(square, X, argnums="y"), ValueError, "square has no argument 'y'"),
    (lambda: vjp(square, X, argnums=(0, 0)), ValueError, "none twice"),
    # what is differentiated, and its result
    (lambda: grad(3.0), MISFIT, "a function is needed, not float"),  # type: ignore[call-overload]
    (
        lambda: grad(vector)(X),
        Unsupported,
        "returns an array of float64 and rank 1, and a gradient is defined",
    ),
    (lambda: grad(pair)(X), Unsupported, "returns a tuple, and a gradient is defined for a single number"),
    (lambda: grad(square)("a"), Unsupported, "the argument `x` holds no number"),
    (lambda: grad(square)(X.astype(object)), Unsupported, "`x` is an array of object"),
    (lambda: grad(square)(X, X), MISFIT, "too many positional arguments"),
    (lambda: grad(square, has_aux=True)(X), Unsupported, r"the function must return \(value, aux\)"),
    (lambda: hessian(vector)(X), Unsupported, "a gradient is defined for a single number"),
    (lambda: hvp(vector)(X, X), Unsupported, "a gradient is defined for a single number"),
    *(
        (lambda make=make, f=f: make(f)(X), Unsupported, message)
        for make in (jacfwd, jacrev, jacobian, elementwise_grad)
        for f, message in (
            (pair, "the function returns a tuple, and this derivative is of one number or array"),
            (nothing, "the function returns None, and this derivative is of one number or array"),
        )
    ),
    *(
        (lambda make=make: make(structured)(P), TypeError, "is taken by arrays and numbers, and p is a dict")
        for make in (jacfwd, jacrev, jacobian, hessian, elementwise_grad)
    ),
    (lambda: jacfwd(starred)(X), TypeError, r"needs a function without \* and \*\*"),
    # vectors
    (lambda: hvp(square)(X), MISFIT, "missing a required argument: 'x'"),
    (lambda: hvp(square)(X, X[:2]), SHAPE, r"the vector for x has shape \(2,\), the argument has \(3,\)"),
    (lambda: hvp(square)(X, 1.0), SHAPE, r"the vector for x has shape \(\)"),
    (lambda: hvp(square)(X, M), SHAPE, r"the vector for x has shape \(2, 3\)"),
    (lambda: hvp(square)(X, None), MISFIT, "the vector is None"),
    (lambda: hvp(square)(X, 1j * X), DTYPE, "the vector for x has the dtype complex128"),
    (lambda: hvp(product, (0, 1))(X, X, X), MISFIT, "the vector must be a tuple of 2"),
    (lambda: hvp(product, (0, 1))(X, X, (X, X[:1])), SHAPE, r"the vector for y has shape \(1,\)"),
    (lambda: hvp(structured)(P, {"w": X}), MISFIT, "must be a dict with the keys"),
    # rules of the user's own
    (lambda: custom_vjp(3.0), MISFIT, "a function is needed, not float"),
    (lambda: custom_vjp(square, nondiff_argnums=(5,)), ValueError, r"\(5,\) is out of range for 1 arguments"),
    (lambda: custom_jvp(product, nondiff_argnums=(0, -2)), ValueError, "names an argument twice"),
    (lambda: custom_jvp(product, nondiff_argnums=("x",)), TypeError, "must be a tuple of positions"),  # type: ignore[arg-type]
    (lambda: custom_vjp(product, nondiff_argnums=0), TypeError, "must be a tuple of positions"),  # type: ignore[arg-type]
    (lambda: checkpoint(3.0), MISFIT, "a function is needed, not float"),  # type: ignore[arg-type]
    (lambda: check_grads(square, X), MISFIT, "must be a tuple with one entry for each, not ndarray"),  # type: ignore[arg-type]
    (lambda: check_grads(3.0, (X,)), MISFIT, "a function is needed, not float"),  # type: ignore[arg-type]
    (lambda: check_grads(square, (X,), order=0), ValueError, "checks orders from 1 on"),
    (lambda: check_grads(square, (X,), modes=("forward",)), ValueError, 'in the modes "fwd" and "rev"'),
    (lambda: check_grads(square, (X, X)), MISFIT, "too many positional arguments"),
]


@pytest.mark.parametrize("number", range(len(OUTSIDE)))
def test_outside_of_programs(number: int) -> None:
    call, error, message = OUTSIDE[number]
    with pytest.raises(error, match=message) as caught:
        call()
    if isinstance(caught.value, Unsupported) and caught.value.lineno is not None:
        assert caught.value.text and caught.value.advice


INSIDE = [
    (
        "jvp(square, (x,), (1.0,))[1]",
        "the tangent of `x` is `1.0`, and an array of float64 and rank 1 is needed",
    ),
    (
        "jvp(square, (x,), (x[:, None],))[1]",
        "is an array of float64 and rank 2, and an array .* rank 1 is needed",
    ),
    ("jvp(square, (x,), (x * 1j,))[1]", "the tangent of `x` is an array of complex128"),
    ("jvp(square, (x,), ('a',))[1]", "the tangent of `x` is a str"),
    ("jvp(square, (x,), (x, x))[1]", "1 primals and 2 tangents are given"),
    ("jvp(square, (x,), (None,))[1]", "no argument has a tangent"),
    ("jvp(square, x, x)[1]", "`jvp` needs tuples of primals and of tangents"),
    ("jvp(square, (x, x), (x, x))[1]", "too many positional arguments"),
    ("jvp(structured, ({'w': x, 'b': 1.0},), ({'w': x},))[1]", "is no dict with the same keys"),
    ("jvp(structured, ({'w': x, 'b': 1.0},), ({'w': x, 'b': x},))[1]", "is an array .*, and `1.0` is needed"),
    ("jvp(pointed, (Point(x, x),), ((x, x),))[1]", "the tangent of `p` is no Point"),
    ("jvp(pointed, (Point(x, x),), (Point(x, 1.0),))[1]", "the tangent of `p`.b is `1.0`"),
    ("jvp(3.0, (x,), (x,))[1]", "what is to be differentiated is no function"),
    ("linearize(square, x)[1](1.0)", "the tangent of `x` is `1.0`"),
    ("linearize(square, x)[1]()", "1 primals and 0 tangents are given"),
    ("vjp(vector, x)[1](1.0)[0]", "the cotangent is `1.0`, and an array of float64 and rank 1 is needed"),
    ("vjp(vector, x)[1](np.ones((2, 3)))[0]", "the cotangent is an array of float64 and rank 2"),
    ("vjp(vector, x)[1](None)[0]", "the cotangent is None"),
    ("vjp(vector, x)[1]()[0]", "`pullback` needs an argument"),
    ("vjp(vector, x)[1](x, x)[0]", "`pullback` takes 1 positional argument"),
    ("vjp(vector, x)[1](x * 1j)[0]", "the cotangent is an array of complex128"),
    ("vjp(square, x)[1](x)[0]", "the cotangent is an array of float64 and rank 1, and a float64 is needed"),
    ("vjp(pair, x)[1](x)[0]", "the cotangent is no container of 2"),
    ("vjp(pair, x)[1]((x,))[0]", "the cotangent is no container of 2"),
    ("vjp(pair, x)[1]((x, 1.0))[0]", r"the cotangent\[1\] is `1.0`"),
    ("vjp(square, x, argnums=1)[1](1.0)[0]", "argnums 1 names no argument of `square`"),
    ("vjp(square, x, argnums=(0, 0))[1](1.0)[0]", r"argnums \(0, 0\) names no argument, or one twice"),
    ("vjp(square, x, x)[1](1.0)[0]", "too many positional arguments"),
    ("grad(square, 1)(x)", "argnums 1 names no argument of `square`"),
    ("grad(square, 'q')(x)", "argnums 'q' names no argument of `square`"),
    ("grad(product, (0, 'x'))(x, x)[0]", "names no argument, or one twice"),
    ("grad(square, ())(x)[0]", "names no argument, or one twice"),
    ("grad(square, 1.5)(x)", "argnums 1.5 names no argument"),
    ("grad(square)(x, x)", "too many positional arguments"),
    ("grad(3.0)(x)", "what is to be differentiated is no function"),
    ("grad(x)(x)", "what is to be differentiated is no function"),
    ("grad(square, 0, True)(x)", "this call does not fit"),
    ("grad(square, color=1)(x)", "this call does not fit"),
    ("hvp(square)(x, 1.0)", "the vector is `1.0`, and an array of float64 and rank 1 is needed"),
    ("hvp(square)(x)", "missing a required argument: 'vector'"),
    ("hvp(product, (0, 1))(x, x, x)[0]", "the vector is no container of 2"),
    ("hvp(product, (0, 1))(x, x, (x,))[0]", "the vector is no container of 2"),
    ("jacfwd(structured)({'w': x, 'b': 1.0})", "is taken by arrays and numbers, and p is a dict"),
    ("jacfwd(square, 1)(x)", "argnums 1 is out of range"),
    ("jacrev(square)(x, x)", "too many positional arguments"),
    ("jacfwd(3.0)(x)", "what is to be differentiated is no function"),
    ("stop_gradient(x, x)", "`stop_gradient` takes one argument"),
    ("checkpoint(3.0)(x)", "what is to be differentiated is no function"),
    ("checkpoint(square)(x, x)", "too many positional arguments"),
    ("custom_vjp(square)(x)", "this is called inside of a differentiated program"),
    ("check_grads(square, (x,))", "this is called inside of a differentiated program"),
]
NAMES = {name: getattr(ad_compiler, name) for name in ad_compiler.__all__}
PROGRAMS = {f.__name__: f for f in (square, vector, pair, product, structured, pointed)}


@pytest.mark.parametrize(("expression", "message"), INSIDE)
def test_inside_of_programs(expression: str, message: str) -> None:
    f = function_from_source(
        f"def f(x):\n    return np.sum({expression})\n", **NAMES, **PROGRAMS, Point=Point
    )
    with pytest.raises(Unsupported, match=message) as caught:
        grad(f)(X)
    assert caught.value.text is not None and expression[:10] in caught.value.text and caught.value.advice


@pytest.mark.parametrize(
    "expression",
    [
        "jvp(square, (x,), (x[:2],))[1]",
        "vjp(vector, x)[1](x[:1])[0]",
        "hvp(square)(x, x[1:])",
        "linearize(square, x)[1](x[:1])",
    ],
)
def test_lengths_that_are_known_when_it_runs(expression: str) -> None:
    f = function_from_source(f"def f(x):\n    return np.sum({expression})\n", **NAMES, **PROGRAMS)
    with pytest.raises(ValueError, match="has another length along axis 0 than its value"):
        grad(f)(X)


def test_what_mixes_elements_has_no_derivative_of_each() -> None:
    for f, place in (
        (lambda x: np.cumsum(x) * x, "np.cumsum(x)"),
        (lambda x: x[::-1] * x, "x[::-1]"),
        (lambda x: x - np.mean(x), "np.mean(x)"),
        (lambda x: np.sort(x), "np.sort(x)"),
    ):
        with pytest.raises(Unsupported, match="does not work element by element") as caught:
            elementwise_grad(f)(X)
        error = caught.value
        assert error.text is not None and error.offset is not None and error.end_offset is not None
        assert error.text[error.offset - 1 : error.end_offset - 1] == place
    with pytest.raises(Unsupported, match="an array of float64 and rank 1, and a float is needed"):
        elementwise_grad(lambda a, x: a * x)(2.0, X)
    with pytest.raises(Unsupported, match="and length 1 is needed"):
        elementwise_grad(lambda x, y: x * y)(np.ones(1), X)


def test_what_works_element_by_element() -> None:
    def looped(x: Any) -> Any:
        for _ in range(3):
            x = np.where(x > 1.0, np.sin(x), x * x) + np.sum(np.ones(2))
        return x if np.sum(X) > 0 else 2.0 * x

    for x in (X, 0.5, M * 0.3):
        expected = np.reshape(np.diag(np.reshape(jacobian(looped)(x), (np.size(x), -1))), np.shape(x))
        np.testing.assert_allclose(elementwise_grad(looped)(x), expected, rtol=1e-14)
    one, two = elementwise_grad(lambda x, y: x * y, (0, 1))(X, 2.0 * X)
    np.testing.assert_array_equal(one, 2.0 * X)
    np.testing.assert_array_equal(two, X)
