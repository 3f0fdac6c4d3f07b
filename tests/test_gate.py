"""`gate`: operations made from expressions, in plain NumPy code and in differentiated programs."""

from __future__ import annotations

import copy
import math
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import sympy as sp

import ad_compiler
from ad_compiler import Unsupported, gate, grad, value_and_grad
from tests.helpers import (
    assert_gradient_matches_finite_differences,
    function_from_expression,
    function_from_source,
)

softplus = gate("log(1 + exp(x))", name="softplus")
bell = gate("x * exp(-y**2)", name="bell")
root = gate("sqrt(x)", name="root")


# --- as a function ---


def test_works_on_numbers_and_arrays() -> None:
    x = np.linspace(-3.0, 3.0, 7)
    np.testing.assert_allclose(softplus(x), np.log1p(np.exp(x)), rtol=1e-14)
    assert softplus(0.5) == pytest.approx(math.log1p(math.exp(0.5)))
    assert softplus(x.astype(np.float32)).dtype == np.float32


def test_broadcasts() -> None:
    column, row = np.array([[1.0], [2.0]]), np.array([0.0, 0.5, 1.0])
    np.testing.assert_allclose(bell(column, row), column * np.exp(-(row**2)))
    np.testing.assert_allclose(bell(y=row, x=2.0), 2 * np.exp(-(row**2)))


def test_source_is_readable() -> None:
    assert bell.source == (
        "import numpy as np\n"
        "\n\n"
        "def bell(x, y):\n"
        '    """x*exp(-y**2)"""\n'
        "    return x * np.exp(-(y * y))\n"
        "\n\n"
        "def bell_partials(x, y, *, result):\n"
        '    """By x and y; `result` is the result."""\n'
        "    return np.exp(-(y * y)), -2 * result * y\n"
    )


def test_repr_can_be_evaluated() -> None:
    assert repr(bell) == "gate('x*exp(-y**2)', ('x', 'y'), 'bell')"
    assert eval(repr(bell)).source == bell.source


def test_arguments_in_any_order() -> None:
    for arguments in ("b a", "b, a", ["b", "a"], ("b", "a")):
        assert gate("a - b", arguments)(1.0, 3.0) == 2.0
    assert gate("a - b")(1.0, 3.0) == -2.0


def test_sympy_expressions() -> None:
    t, E = sp.symbols("t E")
    assert gate(t * sp.sin(E))(2.0, 0.5) == gate("t*sin(E)", "E t")(2.0, 0.5)
    assert gate("x * pi")(1.0) == math.pi
    assert gate("0.1 * x").source.count("0.1 * x") == 1


def test_pickles_and_copies_without_sympy() -> None:
    again = pickle.loads(pickle.dumps(softplus))
    assert again.source == softplus.source and again(3.0) == softplus(3.0)
    assert copy.deepcopy(softplus)(3.0) == softplus(3.0)
    program = f"import sys, pickle; print(pickle.loads({pickle.dumps(softplus)!r})(0.0));"
    program += "assert 'sympy' not in sys.modules"
    printed = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout
    assert float(printed) == pytest.approx(math.log(2))


def test_importing_the_package_does_not_import_sympy() -> None:
    program = "import sys, ad_compiler; ad_compiler.gate; assert 'sympy' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("x +",), ValueError, "is not an expression"),
        (("np.exp(x)",), ValueError, "plain mathematics"),
        (("foo(x)",), ValueError, "not a function that SymPy knows"),
        (("gamma(x)",), ValueError, "NumPy has no function"),
        (("sqrt(-1 - x**2)",), ValueError, "no real value"),
        (("3",), ValueError, "depends on each of its arguments"),
        (("x", "x y"), ValueError, "depends on each of its arguments"),
        (("x + y", "x"), ValueError, "depends on each of its arguments"),
        (("np * 2",), ValueError, "cannot be the name of an argument"),
        (("x", None, "two words"), ValueError, "cannot be the name of a gate"),
        (("x", None, "lambda"), ValueError, "cannot be the name of a gate"),
        ((3,), TypeError, "SymPy expression or its text"),
        ((math.exp,), TypeError, "SymPy expression or its text"),
    ],
)
def test_refusals(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        gate(*arguments)


# --- accuracy: what SymPy finds is used only where it is as good as the chain rule ---


def test_forward_text_keeps_the_range() -> None:
    assert "np.logaddexp(0, x)" in softplus.source
    assert softplus(1000.0) == 1000.0
    assert softplus(-700.0) == pytest.approx(math.exp(-700.0), rel=1e-14)
    assert "np.expm1(x)" in gate("exp(x) - 1").source
    assert "np.log1p(x * x)" in gate("log(1 + x**2)").source
    assert "np.logaddexp(x, y)" in gate("log(exp(x) + exp(y))").source


def test_forward_text_that_is_good_enough_is_kept() -> None:
    assert "1 / (1 + np.exp(-x))" in gate("1/(1 + exp(-x))").source
    assert "1 - np.exp(x) * y" in gate("1 - y*exp(x)").source or "np.exp(x)" in gate("1 - y*exp(x)").source


@pytest.mark.parametrize(
    ("expression", "partials"),
    [
        ("1/(1 + exp(-x))", "y * (1 - y)"),
        ("log(1 + exp(x))", "-np.expm1(-y)"),
        ("(exp(x) - exp(-x))/(exp(x) + exp(-x))", "1 - y * y"),
        ("log(cosh(x))", "np.tanh(x)"),
        ("exp(-x**2/2)", "-x * y"),
        ("sqrt(1 + x**2)", "x / y"),
        ("x*log(x)", "np.log(x) + 1"),
        ("sqrt(x)", "0.5 / y"),
        ("Max(x, 0)", "np.where(x == 0, 0.5, np.where(x < 0, 0.0, 1.0))"),
        ("Piecewise((x, x > 0), (exp(x) - 1, True))", "np.where(x > 0, 1, np.exp(x))"),
    ],
)
def test_partial_derivatives_are_simplified(expression: str, partials: str) -> None:
    assert gate(expression).source.splitlines()[-1].strip() == f"return {partials}"


@pytest.mark.parametrize("expression", ["x**n", "x**n/n"])
def test_wrong_simplification_is_rejected(expression: str) -> None:
    """SymPy's derivative n * x**n / x is NaN at x = 0."""
    power = gate(expression, "x n")
    assert power.partials is None
    f = function_from_source("def f(x, n):\n    return power(x, n)\n", power=power)
    assert grad(f)(0.0, 2.0) == 0.0
    assert grad(f)(0.0, 1.0) == 1.0
    assert_gradient_matches_finite_differences(f, (1.3, 2.5), (0, 1))


def test_gradient_where_the_naive_form_overflows() -> None:
    f = function_from_expression("softplus(x)", softplus=softplus)
    assert [grad(f)(x) for x in (-1000.0, -40.0, 0.0, 1000.0)] == pytest.approx(
        [0.0, math.exp(-40.0), 0.5, 1.0], rel=1e-14
    )
    pair = gate("log(exp(x) + exp(y))", name="pair")
    both = function_from_expression("pair(x, y)", pair=pair)
    np.testing.assert_allclose(
        grad(both, argnums=(0, 1))(1000.0, 999.0), (1 / (1 + math.exp(-1)), 1 / (1 + math.exp(1))), rtol=1e-12
    )


# --- in differentiated programs ---


EXPRESSIONS = [
    ("1/(1 + exp(-x))", (0.7,)),
    ("x/(1 + exp(-x))", (0.7,)),
    ("x*tanh(log(1 + exp(x)))", (0.7,)),
    ("0.5*x*(1 + tanh(0.797885*(x + 0.044715*x**3)))", (0.7,)),
    ("abs(x)**3", (-0.7,)),
    ("sin(x)/x", (0.7,)),
    ("x*y + 0.1*sin(z)", (0.7, 0.2, -1.1)),
    ("atan2(y, x)*sign(z)", (0.7, 0.2, -1.1)),
    ("Max(x, y, 0.5)", (0.7, 0.2)),
    ("Piecewise((x**2, (x > 0) & (y > 0)), (y, True))", (0.7, 0.2)),
    ("x**1.5/y**2", (0.7, 0.2)),
    ("asin(x) + acosh(y)", (0.7, 1.2)),
    ("log1p(x) + expm1(y) + square(x)", (0.7, 0.2)),
]


@pytest.mark.parametrize(("expression", "at"), EXPRESSIONS, ids=[e for e, _ in EXPRESSIONS])
def test_gradients(expression: str, at: tuple[float, ...]) -> None:
    made = gate(expression)
    arguments = ", ".join(made.arguments)
    f = function_from_source(f"def f({arguments}):\n    return made({arguments}) * 2\n", made=made)
    values = dict(zip(sorted(made.arguments), at, strict=True))
    point = tuple(values[name] for name in made.arguments)
    assert_gradient_matches_finite_differences(f, point, tuple(range(len(point))))
    total = function_from_source(f"def f({arguments}):\n    return np.sum(made({arguments}))\n", made=made)
    arrays = tuple(np.array([value, 1.1 * value]) for value in point)
    assert_gradient_matches_finite_differences(total, arrays, tuple(range(len(point))))


def test_emitted_code_names_no_helper() -> None:
    f = function_from_source("def f(w, X):\n    return np.sum(softplus(X @ w))\n", softplus=softplus)
    w, X = np.ones(3), np.ones((4, 3))
    assert value_and_grad(f).source_for(w, X) == (
        "import numpy as np\n"
        "\n\n"
        "def f_value_and_grad(w, X):\n"
        '    """Value of f, and its gradient with respect to w."""\n'
        "    logaddexp = np.logaddexp(0, X.dot(w))\n"
        "\n"
        "    # d(return np.sum(softplus(X @ w)))\n"
        "    w_bar = X.T.dot(-np.expm1(-logaddexp))\n"
        "    return logaddexp.sum(), w_bar\n"
    )
    assert_gradient_matches_finite_differences(f, (w, X), (0, 1))


def test_gradients_are_summed_over_broadcast_axes() -> None:
    f = function_from_source("def f(x, y):\n    return np.sum(bell(x, y) ** 2)\n", bell=bell)
    assert_gradient_matches_finite_differences(
        f, (np.array([[0.3], [0.4]]), np.array([1.0, -0.2, 0.1])), (0, 1)
    )
    assert_gradient_matches_finite_differences(f, (0.5, np.array([1.0, -0.2, 0.1])), (0, 1))
    assert_gradient_matches_finite_differences(f, (np.array([1.0, 2.0], dtype=np.float32), 0.5), (0,))


@pytest.mark.parametrize(
    "expression",
    [
        "bell(x, 2.0) * bell(2.0, x) + bell(2.0, 3.0)",
        "bell(y=x, x=x)",
        "bell(*(x, x)) * softplus(softplus(x))",
        "identity(x) * softplus(3.0)",
        "softplus(x) if softplus(x) > 0.5 else bell(x, x)",
        "np.logaddexp(0, x) * softplus(x)",
        "1 / (1 + np.exp(-softplus(x)))",
    ],
)
def test_ways_to_call(expression: str) -> None:
    f = function_from_expression(expression, bell=bell, softplus=softplus, identity=gate("x"))
    for at in (0.4, -0.4):
        assert_gradient_matches_finite_differences(f, (at,), (0,))


def test_zero_cotangents_stay_zero_where_a_partial_is_infinite() -> None:
    f = function_from_source("def f(x):\n    return np.sum(np.where(x > 0, root(x), 0.0))\n", root=root)
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(grad(f)(np.array([4.0, 0.0])), [0.25, 0.0])
    g = function_from_expression("0 * root(x)", root=root)
    with np.errstate(divide="ignore"):
        assert grad(g)(np.float64(0.0)) == 0.0


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("softplus(x, x)", "takes 1 positional arguments"),
        ("softplus()", "needs an argument `x`"),
        ("softplus(z=x)", "has no parameter `z`"),
        ("softplus([x])", "is given to the gate `softplus`"),
        ("softplus(None) * x", "None is given to the gate `softplus`"),
    ],
)
def test_wrong_calls_are_refused_in_the_users_line(expression: str, reason: str) -> None:
    f = function_from_source(f"def f(x):\n    return np.sum({expression})\n", softplus=softplus)
    with pytest.raises(Unsupported, match=reason) as caught:
        grad(f)(0.3)
    assert caught.value.lineno == 2


def test_exported() -> None:
    assert ad_compiler.gate is gate
