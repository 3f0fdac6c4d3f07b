"""Rules of the user's in the notation of the built-in ones, for functions read and for functions called."""

from __future__ import annotations

import math
import operator
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ad_compiler import (
    Unsupported,
    check_grads,
    custom_rule,
    custom_vjp,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    vjp,
)
from tests import foreign
from tests.foreign import solve
from tests.helpers import function_from_source

X = np.array([0.5, -1.0, 2.0])
A = np.eye(3) * 3.0 + np.arange(9.0).reshape(3, 3) / 10.0


@custom_rule.elementwise(foreign.gain)
def gain(x: Any, *, y: Any) -> Any:
    return 1.0 - y * y


@custom_rule.linear(foreign.smooth, result=lambda x, width=3: x)
def smooth(x: Any, width: Any = 3, *, g: Any) -> Any:
    return foreign.smooth(g, width)


@custom_rule(solve, result=lambda a, b: a @ b)
def solved(a: Any, b: Any, *, y: Any, g: Any) -> Any:
    v = solve(a.T, g)
    return -np.outer(v, y), v


@custom_rule(foreign.energy, result=lambda x, scale=1.0: 0.0)
def energy(x: Any, scale: Any = 1.0, *, g: Any) -> Any:
    return g * scale * 4.0 * x**3


@custom_rule.constant(foreign.whole, result=lambda x: x)
def whole(x: Any) -> None: ...


@custom_rule.linear(foreign.identity, result=lambda x: x)
def identity(x: Any, *, g: Any) -> Any:
    return g


@custom_rule.elementwise(foreign.liar, result=lambda x: x)
def liar(x: Any) -> Any:
    return 1.0


@custom_rule.elementwise(foreign.halved, result=lambda x: x)
def halved(x: Any) -> Any:
    return 0.5


def with_gain(x: Any) -> Any:
    y = foreign.gain(x)
    return np.sum(y * y * x)


def with_tanh(x: Any) -> Any:
    y = np.tanh(x)
    return np.sum(y * y * x)


def test_an_elementwise_function_in_every_mode_and_order() -> None:
    assert with_gain(X) == with_tanh(X)
    np.testing.assert_allclose(grad(with_gain)(X), grad(with_tanh)(X), rtol=1e-14)
    np.testing.assert_allclose(jvp(with_gain, (X,), (X,)), jvp(with_tanh, (X,), (X,)), rtol=1e-14)
    np.testing.assert_allclose(hessian(with_gain)(X), hessian(with_tanh)(X), rtol=1e-13, atol=1e-15)
    third = grad(lambda x: np.sum(hvp(with_gain)(x, x)))
    np.testing.assert_allclose(third(X), grad(lambda x: np.sum(hvp(with_tanh)(x, x)))(X), rtol=1e-12)


def test_broadcasting_is_not_the_rule_s_business() -> None:
    np.testing.assert_allclose(
        grad(lambda x, b: np.sum(foreign.gain(x + b) ** 2), (0, 1))(np.ones((2, 3)), X)[1],
        grad(lambda x, b: np.sum(np.tanh(x + b) ** 2), (0, 1))(np.ones((2, 3)), X)[1],
        rtol=1e-14,
    )
    assert grad(lambda x: foreign.gain(x))(0.5) == pytest.approx(1.0 - np.tanh(0.5) ** 2)


def steps(a: Any, b: Any) -> Any:
    for i in range(3):
        if b[0] > i:
            b = b + solve(a, np.sin(b))
        else:
            b = foreign.smooth(b * 2.0, width=3) + foreign.energy(b, scale=0.1)
    return np.sum(b)


def test_in_loops_and_branches() -> None:
    for start in (X, -X, 3.0 * X):
        check_grads(steps, (A, start), order=2, modes=("fwd", "rev"))
    np.testing.assert_allclose(jacobian(lambda b: solve(A, b))(X), np.linalg.inv(A), rtol=1e-12)


def test_the_call_shows_in_the_source_with_its_import_and_its_check() -> None:
    text = grad(lambda x: np.sum(foreign.smooth(x, width=5) ** 2)).source_for(X)
    assert text.startswith("import numpy as np\nimport tests.foreign\n\n\n")
    assert "smooth = tests.foreign.smooth(x, width=5)" in text
    assert "    if smooth.shape != x.shape or smooth.dtype != np.float64:\n        raise TypeError(" in text
    assert "x_bar = tests.foreign.smooth(2.0 * smooth, width=5)" in text


def test_the_source_runs_without_the_compiler(tmp_path: Path) -> None:
    derivative = grad(steps, (0, 1))
    script = tmp_path / "standalone.py"
    script.write_text(
        f"{derivative.source_for(A, X)}\nprint(*[g.tolist() for g in steps_grad(np.array({A.tolist()}), "
        f"np.array({X.tolist()}))])\nimport sys\nprint('ad_compiler' in sys.modules)\n"
    )
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(root)},
        check=True,
    )
    expected = " ".join(str(g.tolist()) for g in derivative(A, X))
    assert done.stdout.splitlines() == [expected, "False"]


def test_the_function_is_not_run_to_be_differentiated() -> None:
    foreign.calls.clear()
    derivative = grad(lambda x: foreign.energy(x))
    derivative.source_for(X)
    assert foreign.calls == []
    derivative(X)
    assert foreign.calls == []  # the gradient does not need the value
    vjp(foreign.energy, X)
    assert foreign.calls == ["energy"]


def test_a_user_s_function_is_entered() -> None:
    def step(x: Any) -> Any:
        return np.where(x > 0, 1.0, 0.0)

    @custom_rule.elementwise(step)
    def smooth_step(x: Any) -> Any:
        return np.exp(-x * x)

    def clipped(x: Any) -> Any:
        return x

    @custom_rule(clipped)
    def clip(x: Any, *, g: Any) -> Any:
        return np.clip(g, -1.0, 1.0)

    def doubled(x: Any, times: Any = 1) -> Any:
        return 2.0**times * x

    @custom_rule.linear(doubled)
    def transposed(x: Any, times: Any = 1, *, g: Any) -> Any:
        return doubled(g, times)

    def rounded(x: Any) -> Any:
        return x * 1.0

    @custom_rule.constant(rounded)
    def signature(x: Any) -> None: ...

    f = grad(lambda x: np.sum(step(x)))
    np.testing.assert_allclose(f(X), np.exp(-X * X))
    assert "step(" not in f.source
    np.testing.assert_array_equal(grad(lambda x: np.sum(5.0 * clipped(x) + x))(X), np.full(3, 2.0))
    assert grad(lambda x: doubled(x, times=3))(1.0) == 8.0
    assert jvp(lambda x: doubled(x, times=3), (1.0,), (2.0,)) == (8.0, 16.0)
    assert grad(grad(lambda x: doubled(x) ** 3))(1.0) == 48.0
    assert grad(lambda x: x * rounded(x))(3.0) == 3.0
    assert jvp(lambda x: np.sum(step(x)), (X,), (X,))[1] == pytest.approx(np.sum(np.exp(-X * X) * X))


def test_a_rule_for_tangents() -> None:
    def cube(x: Any, k: Any) -> Any:
        return k * x**3

    @custom_rule(cube)
    def pullback(x: Any, k: Any, *, y: Any, g: Any) -> Any:
        return g * 3.0 * k * x**2, np.sum(g * y / k)

    @custom_rule.pushforward(cube)
    def tangent(x: Any, k: Any, *, y: Any, x_dot: Any, k_dot: Any) -> Any:
        return 1000.0 * (3.0 * k * x**2 * x_dot + y / k * k_dot)

    assert grad(cube)(2.0, 1.0) == 12.0
    assert jvp(cube, (2.0, 1.0), (1.0, None)) == (8.0, 12000.0)
    np.testing.assert_allclose(
        jvp(lambda x, k: cube(x * 1.0, k), (X, 2.0), (None, 1.0))[1], 1000.0 * X**3, rtol=1e-14
    )


def test_a_later_rule_replaces_an_earlier_one() -> None:
    def f(x: Any) -> Any:
        return x * x

    derivative = grad(lambda x: f(x))
    assert derivative(3.0) == 6.0

    @custom_rule.elementwise(f)
    def first(x: Any) -> Any:
        return 1.0

    assert derivative(3.0) == 1.0

    @custom_rule.elementwise(f)
    def second(x: Any) -> Any:
        return 2.0

    assert derivative(3.0) == 2.0 and grad(lambda x: f(x))(3.0) == 2.0


def test_what_the_rule_reads_is_read_at_every_call() -> None:
    factor = 2.0

    def f(x: Any) -> Any:
        return x

    @custom_rule(f)
    def scaled(x: Any, *, g: Any) -> Any:
        return g * factor

    derivative = grad(lambda x: f(x))
    assert derivative(1.0) == 2.0
    factor = 3.0
    assert derivative(1.0) == 3.0


def test_constants_and_arguments_that_are_no_reals() -> None:
    np.testing.assert_array_equal(grad(lambda x: np.sum(foreign.whole(x) * x))(X), np.round(X))
    np.testing.assert_array_equal(grad(lambda x: np.sum(foreign.whole(x) * x))(np.array([1, 2])), [1.0, 2.0])
    assert foreign.gain(1) == np.tanh(1)


def test_memory_that_may_be_shared_is_left_alone() -> None:
    def squares(x: Any) -> Any:
        z = 2.0 * x
        for _ in range(3):
            y = foreign.identity(z)
            z = z + y * y
        return np.sum(z)

    def plain(x: Any) -> Any:
        z = 2.0 * x
        for _ in range(3):
            z = z + z * z
        return np.sum(z)

    np.testing.assert_allclose(grad(squares)(X), grad(plain)(X), rtol=1e-14)
    gradient = vjp(foreign.identity, X)[1](X)[0]
    assert not np.shares_memory(gradient, X)
    for line, message in (
        ("y[0] = 1.0", "what `tests.foreign.identity` gives may be a part of its arguments, and is written"),
        ("z[0] = 1.0", "an array was written into that what `tests.foreign.identity` gave may be a part of"),
    ):
        text = f"""
        def f(x):
            z = 2.0 * x
            y = foreign.identity(z)
            {line}
            return np.sum(y * z)
        """
        with pytest.raises(Unsupported, match=message):
            grad(function_from_source(text, foreign=foreign))(X)


def test_another_result_than_said_is_found_when_it_runs() -> None:
    f = grad(lambda x: np.sum(foreign.liar(x) * x))
    with pytest.raises(TypeError, match="liar gives another shape or dtype than its rule says"):
        f(X)
    with pytest.raises(TypeError, match="halved gives another shape or dtype than its rule says"):
        grad(lambda x: np.sum(foreign.halved(x) ** 2))(X)
    with pytest.raises(TypeError, match="liar gives another shape"):
        hessian(lambda x: np.sum(foreign.liar(x) ** 3))(X)


def test_native_code() -> None:
    pytest.importorskip("numba")
    fast = grad(with_gain, backend="numba")
    np.testing.assert_allclose(fast(X), grad(with_tanh)(X), rtol=1e-14)
    assert "import tests.foreign\n" in fast.native_source and "with objmode" in fast.native_source
    np.testing.assert_allclose(grad(steps, (0, 1), backend="numba")(A, X)[0], grad(steps)(A, X), rtol=1e-12)

    def squares(x: Any) -> Any:
        z = 2.0 * x
        for _ in range(3):
            y = foreign.identity(z)
            z = z + y * y
        return np.sum(z)

    np.testing.assert_allclose(grad(squares, backend="numba")(X), grad(squares)(X), rtol=1e-14)
    with pytest.raises(TypeError, match="liar gives another shape or dtype than its rule says"):
        grad(lambda x: np.sum(foreign.liar(x) * x), backend="numba")(X)
    with pytest.raises(TypeError, match="halved gives another shape or dtype than its rule says"):
        grad(lambda x: np.sum(foreign.halved(x) ** 2), backend="numba")(X)

    def step(x: Any) -> Any:
        return np.where(x > 0, 1.0, 0.0)

    @custom_rule.elementwise(step)
    def smooth_step(x: Any) -> Any:
        return np.exp(-x * x)

    np.testing.assert_allclose(grad(lambda x: np.sum(step(x)), backend="numba")(X), np.exp(-X * X))


def test_functions_of_numpy_and_scipy_that_have_no_rule() -> None:
    special = pytest.importorskip("scipy.special")

    @custom_rule.elementwise(special.struve)
    def struve(v: Any, x: Any, *, y: Any) -> Any:
        return None, special.struve(v - 1, x) - v / x * y

    @custom_rule(np.real_if_close, result=lambda a: a)
    def real_if_close(a: Any, *, g: Any) -> Any:
        return g

    f = grad(lambda x: np.sum(special.struve(1.5, x) ** 2))
    check_grads(lambda x: special.struve(1.5, x), (np.array([0.5, 2.0]),), order=2)
    assert "import scipy.special\n" in f.source_for(X) and "raise" not in f.source_for(X)
    with pytest.raises(Unsupported, match=r"the partial derivative by `v` .* is None"):
        grad(lambda v: special.struve(v, 1.0))(0.5)
    np.testing.assert_array_equal(grad(lambda x: np.sum(np.real_if_close(x) * 2.0))(X), np.full(3, 2.0))


def lower_case(x: Any) -> Any:
    return x


GIVEN_WRONGLY: list[tuple[Any, Any, type[Exception], str]] = [
    (lambda: custom_rule(3.0), lambda x, *, g: g, TypeError, "a rule is for a function, not for 3.0"),
    (lambda: custom_rule(float), lambda x, *, g: g, TypeError, "not for float"),
    (lambda: custom_rule(lower_case), 3.0, TypeError, "a rule is a function in Python"),
    (lambda: custom_rule(np.sin), lambda x, *, g: g, ValueError, "sin has a derivative rule already"),
    (
        lambda: custom_rule(operator.add),
        lambda a, b, *, g: g,
        ValueError,
        "add has a derivative rule already",
    ),
    (lambda: custom_rule(math.sin), lambda x, *, g: g, ValueError, "has a derivative rule already"),
    (
        lambda: custom_rule(custom_vjp(lower_case)),
        lambda x, *, g: g,
        ValueError,
        "has a derivative rule already",
    ),
    (lambda: custom_rule(grad(lower_case)), lambda x, *, g: g, ValueError, "has a derivative rule already"),
    (lambda: custom_rule(lower_case), lambda x: x, TypeError, "asks for g, and may for y"),
    (lambda: custom_rule.linear(lower_case), lambda x, *, y, g: x, TypeError, "asks for g"),
    (lambda: custom_rule.elementwise(lower_case), lambda x, *, g: x, TypeError, "asks for y alone"),
    (lambda: custom_rule.constant(lower_case), lambda x, *, y: x, TypeError, "asks for nothing"),
    (lambda: custom_rule(lower_case), lambda *x, g: g, TypeError, "names all of its parameters"),
    (lambda: custom_rule(lower_case), lambda x=1, *, g: g, TypeError, "parameters without a default"),
    (lambda: custom_rule(lower_case), lambda y, *, g: g, ValueError, "lower_case takes x, and the rule y"),
    (lambda: custom_rule(lower_case), lambda x, y, *, g: g, ValueError, "takes x, and the rule x, y"),
    (lambda: custom_rule(solve, result=lower_case), lambda a, *, g: g, ValueError, "solve needs b"),
    (
        lambda: custom_rule(foreign.smooth, result=lower_case),
        lambda x, width=4, *, g: g,
        ValueError,
        "the default of 'width' is 3 in smooth, and 4 in the rule",
    ),
    (lambda: custom_rule(np.unique), lambda ar, *, g: g, ValueError, "say by `result=` what it gives"),
    (lambda: custom_rule(lower_case, result=3), lambda x, *, g: g, TypeError, "`result` is a function"),
    (
        lambda: custom_rule(lambda x: x, result=lower_case),
        lambda x, *, g: g,
        ValueError,
        "cannot be imported by its name",
    ),
    (
        lambda: custom_rule(foreign.whole, result=lower_case, name="tests.foreign.smooth"),
        lambda x, *, g: g,
        ValueError,
        "'tests.foreign.smooth' is no name under which whole is found",
    ),
    (
        lambda: custom_rule.pushforward(lower_case),
        lambda x, *, x_dot: x_dot,
        ValueError,
        "has no rule of yours yet",
    ),
    (lambda: custom_rule.pushforward(foreign.gain), 3.0, TypeError, "a rule is a function in Python"),
    (lambda: custom_rule.pushforward(foreign.gain), lambda z, *, z_dot: z, TypeError, "of the other one: x"),
    (
        lambda: custom_rule.pushforward(foreign.gain),
        lambda x, *, g: x,
        TypeError,
        "asks for x_dot, and may for y",
    ),
]


@pytest.mark.parametrize(("decorator", "rule", "error", "message"), GIVEN_WRONGLY)
def test_a_rule_that_does_not_fit_is_refused_at_once(
    decorator: Any, rule: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        decorator()(rule)


REFUSED = [
    ("custom_rule(f)", "lambda x, k, *, g: g", "gives 1 cotangent for 2 arguments"),
    ("custom_rule(f)", "lambda x, k, *, g: (g, g, g)", "gives 3 cotangents for 2 arguments"),
    (
        "custom_rule(f)",
        "lambda x, k, *, g: (g, np.ones((2, 2)))",
        "the cotangent by `k` .* of float64 and rank 2",
    ),
    ("custom_rule(f)", "lambda x, k, *, g: (np.sum(g), g)", "the cotangent by `x` .* is a float64"),
    ("custom_rule(f)", "lambda x, k, *, g: (g * 1j, g)", "the cotangent by `x` .* is an array of complex128"),
    ("custom_rule(f)", "lambda x, k, *, g: ((g, g), g)", "the cotangent by `x` .* is a tuple"),
    ("custom_rule(f)", "lambda x, k, *, g: (np.unique(g), g)", "`numpy.unique` has no derivative rule"),
    ("custom_rule.elementwise(f)", "lambda x, k: 1.0", "gives 1 partial derivative for 2 arguments"),
    ("custom_rule.elementwise(f)", "lambda x, k: (None, 1.0)", "the partial derivative by `x` .* is None"),
    (
        "custom_rule.elementwise(f)",
        "lambda x, k: ((1.0, x), 1.0)",
        "the partial derivative by `x` .* is a tuple",
    ),
    ("custom_rule.elementwise(f)", "lambda x, k: (1.0, np.ones((2, 3)))", "by `k` .* of float64 and rank 2"),
    ("custom_rule.linear(f)", "lambda x, k=1.0, *, g: (g, g)", "gives 2 cotangents for 1 argument"),
    ("custom_rule.linear(f)", "lambda x, k=1.0, *, g: np.sum(g)", "the cotangent by `x` .* is a float64"),
]


@pytest.mark.parametrize(("decorator", "rule", "message"), REFUSED)
def test_a_rule_that_gives_something_else_is_refused(decorator: str, rule: str, message: str) -> None:
    default = "=1.0" if "linear" in decorator else ""
    text = f"""
    def f(x, k{default}):
        return x * k

    {decorator}({rule})

    def loss(x, k):
        return np.sum(f(x, k))
    """
    loss = function_from_source(text, custom_rule=custom_rule)
    with pytest.raises(Unsupported, match=message) as caught:
        grad(loss, (0, 1))(np.ones(3), np.ones(3))
    assert caught.value.advice and caught.value.text is not None and "f(x, k)" in caught.value.text


def test_another_length_is_found_when_it_runs() -> None:
    def f(x: Any) -> Any:
        return x * 2.0

    @custom_rule(f)
    def shorter(x: Any, *, g: Any) -> Any:
        return g[1:]

    with pytest.raises(ValueError, match=r"the cotangent by `x` .* has another length along axis 0"):
        grad(lambda x: np.sum(f(x)))(X)

    @custom_rule.elementwise(f)
    def partial(x: Any) -> Any:
        return x[1:]

    with pytest.raises(ValueError, match=r"the partial derivative by `x` .* has another length along axis 0"):
        grad(lambda x: np.sum(f(x)))(X)


CALLS = [
    ("foreign.gain(x, 1)", "may be given by position"),
    ("foreign.gain()", "the argument `x` of `tests.foreign.gain` is missing"),
    ("foreign.gain([x, x])", "its rule is for numbers and arrays|the argument `x`"),
    ("foreign.gain('s')", "the argument `x` of `tests.foreign.gain` is a str"),
    (
        "foreign.smooth(x, width=np.sin)",
        "the argument `width` of `tests.foreign.smooth` cannot be written down",
    ),
    ("foreign.smooth(x, mode=1)", "the argument `mode` of `tests.foreign.smooth` is not supported"),
    ("foreign.gain(x * 1j)", "`tests.foreign.gain` of complex numbers has no derivative rule"),
]


@pytest.mark.parametrize(("call", "message"), CALLS)
def test_calls_that_do_not_fit_are_refused(call: str, message: str) -> None:
    f = function_from_source(f"def f(x):\n    return np.sum(np.real({call}))\n", foreign=foreign)
    with pytest.raises(Unsupported, match=message) as caught:
        grad(f)(X)
    assert caught.value.text is not None and call in caught.value.text


def test_names_of_modules_are_not_taken() -> None:
    f = function_from_source(
        "def f(x, tests):\n    return np.sum(foreign.gain(x) * tests)\n", foreign=foreign
    )
    with pytest.raises(Unsupported, match="the argument `tests` is called as a module"):
        grad(f)(X, X)
    g = function_from_source(
        "def f(x):\n    tests = x * 2\n    return np.sum(foreign.gain(x) * tests * tests)\n", foreign=foreign
    )
    check_grads(g, (X,))
