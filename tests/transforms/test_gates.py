"""Gate fusion: which chains are fused, that the derivative is right everywhere, and how it reads."""

from __future__ import annotations

import ast
import inspect
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import sympy as sp

from ad_compiler import grad, value_and_grad
from ad_compiler.gate import functions_of
from ad_compiler.rules.gates import known
from ad_compiler.symbolic.accuracy import Examination, run
from ad_compiler.symbolic.chain_rule import chain_rule
from ad_compiler.symbolic.chains import in_numpy, simpler
from ad_compiler.symbolic.expressions import parse
from ad_compiler.symbolic.partials import cost, derivative, formula
from tests.helpers import (
    assert_gradient_matches_finite_differences,
    function_from_expression,
    function_from_source,
)

KNOWN = [chain for chain, gate in known.items() if gate is not None]
X = sp.Symbol("x", real=True)


def source_of(expression: str, at: Any) -> str:
    """The generated gradient of an expression."""
    return str(grad(function_from_expression(expression)).source_for(at))


def statements(source: str) -> list[str]:
    """The lines after the docstring that are no comments."""
    lines = [line.strip() for line in source.split('"""')[-1].splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def body(text: str) -> str:
    """A function's statements without its head and docstring."""
    (function,) = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    return "\n".join(ast.unparse(node) for node in function.body if not isinstance(node, ast.Expr))


# --- the table ---


@pytest.mark.parametrize("chain", KNOWN)
def test_known_gate_is_as_accurate_as_the_chain_rule_and_costs_no_more(chain: str) -> None:
    gate = known[chain]
    assert gate is not None
    expression, symbols = parse(chain)
    text = in_numpy(chain)
    forward = functions_of(f"import numpy as np\ndef f(x):\n    return {text}\n")["f"]
    by_chain_rule, program = chain_rule(forward, "x")
    values = {name: formula(["x"], in_numpy(part)) for name, part in gate.inner.items()} | {"y": forward}
    asked = inspect.getfullargspec(gate.partials).kwonlyargs

    def by_gate(x: Any) -> Any:
        return gate.partials(x, **{name: values[name](x) for name in asked})

    def is_finite(point: tuple[float, ...]) -> bool:
        return math.isfinite(run(forward, point)[0])

    examination = Examination(derivative(expression, symbols[0]), symbols, is_finite)
    mine, its = examination.report(by_gate), examination.report(by_chain_rule)
    assert mine.no_worse_than(its)
    assert mine.wrong == 0
    rule = ast.unparse(ast.parse(inspect.getsource(gate.partials)).body[0])
    assert cost(body(rule[rule.index("def ") :])) <= cost(program) - cost(text)


@pytest.mark.parametrize("chain", KNOWN)
def test_known_gate_is_what_sympy_derives(chain: str) -> None:
    gate = known[chain]
    assert gate is not None
    values: dict[str, Any] = {name: parse(part)[0] for name, part in gate.inner.items()}
    values["y"] = parse(chain, ("x",))[0]
    asked = inspect.getfullargspec(gate.partials).kwonlyargs
    if gate.partials.__name__ == "log_cosh":
        assert sp.diff(values["y"], X) == sp.sinh(X) / sp.cosh(X)  # NumPy's tanh does not take symbols
        return
    found = gate.partials(X, **{name: values[name] for name in asked})
    difference = sp.nsimplify(found) - sp.diff(values["y"], X)
    assert sp.simplify(difference.rewrite(sp.exp)) == 0


# --- the sigmoid ---

SIGMOIDS = [
    "1 / (1 + np.exp(-z))",
    "1.0 / (1.0 + np.exp(-z))",
    "1 / (np.exp(-z) + 1)",
    "1.0 / (1.0 + math.exp(-z))",
    "np.reciprocal(1 + np.exp(-1.0 * z))",
    "np.divide(1, np.add(1, np.exp(np.negative(z))))",
    "(1 + math.exp(-z)) ** -1",
]


@pytest.mark.parametrize("expression", SIGMOIDS[:-1])
def test_sigmoid_is_one_gate_however_it_is_written(expression: str) -> None:
    f = function_from_source(f"def f(z):\n    y = {expression}\n    return y\n")
    assert statements(grad(f).source_for(0.3))[-2:] == ["z_bar = (1.0 - y) * y", "return z_bar"]
    assert grad(f)(0.3) == pytest.approx(0.24445831169074586, rel=1e-15)


@pytest.mark.parametrize("expression", SIGMOIDS)
@pytest.mark.parametrize("at", [0.0, 1.5, -30.0, 30.0])
def test_sigmoid_gradient(expression: str, at: float) -> None:
    y = 1 / (1 + math.exp(-at))
    assert grad(function_from_expression(expression))(at) == pytest.approx(y * (1 - y), abs=1e-16, rel=1e-14)


def test_sigmoid_neuron() -> None:
    f = function_from_source(
        """
        def neuron(w0, w1, w2, x0, x1):
            return 1 / (1 + np.exp(-(w0 * x0 + w1 * x1 + w2)))
        """
    )
    gradient = grad(f, argnums=(0, 1, 2, 3, 4))(2.0, -3.0, -3.0, -1.0, -2.0)
    np.testing.assert_allclose(gradient, (-0.196612, -0.393224, 0.196612, 0.393224, -0.589836), atol=1e-6)


def test_sigmoid_of_arrays() -> None:
    f = function_from_source(
        """
        def f(W, x):
            y = 1 / (1 + np.exp(-(W @ x)))
            return np.sum(y)
        """
    )
    W, x = np.arange(6.0).reshape(2, 3) / 6, np.array([1.0, -2.0, 0.5])
    assert "(1.0 - y) * y" in grad(f).source_for(W, x)
    assert_gradient_matches_finite_differences(f, (W, x), (0, 1))
    single = grad(f)(W.astype(np.float32), x.astype(np.float32))
    assert single.dtype == np.float32


@pytest.mark.parametrize(
    ("expression", "limits"),
    [
        ("1 / (1 + np.exp(-x))", (0.0, 0.0)),
        ("x / (1 + np.exp(-x))", (0.0, 1.0)),
        ("x * (1 / (1 + np.exp(-x)))", (0.0, 1.0)),
        ("np.log(np.cosh(x))", (-1.0, 1.0)),
        ("np.exp(-x * x)", (0.0, 0.0)),
    ],
)
def test_no_overflow_where_the_result_is_finite(expression: str, limits: tuple[float, float]) -> None:
    f = function_from_expression(expression)
    with np.errstate(over="ignore"):
        assert [grad(f)(np.float64(x)) for x in (-700.0, 700.0)] == pytest.approx(limits, abs=1e-290)
        if "cosh" not in expression:
            assert [grad(f)(np.float64(x)) for x in (-800.0, 800.0)] == list(limits)


# --- what is a chain ---


@pytest.mark.parametrize(
    "text",
    [
        "e = np.exp(-x)\n    y = 1 / (1 + e)\n    return y * e * x",
        "e = np.exp(-x)\n    return (1 / (1 + e), e)[0] + 0 * e",
        "e = np.exp(-x)\n    assert e > 0\n    return 1 / (1 + e)",
        "e = np.exp(-x)\n    print(e)\n    return 1 / (1 + e)",
        "e = np.exp(-x)\n    return 1 / (1 + e) if e > 0 else x",
    ],
)
def test_value_read_by_another_is_not_inside_a_gate(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    f = function_from_source(f"def f(x):\n    {text}\n")
    assert "(1.0 - " not in grad(f).source_for(0.3)
    assert_gradient_matches_finite_differences(f, (0.3,), (0,))


def test_result_of_the_function_is_not_inside_a_gate() -> None:
    f = function_from_source(
        """
        def f(x):
            e = np.exp(-x)
            return 1 / (1 + e), e
        """
    )
    value, gradient = value_and_grad(f, has_aux=True)(0.3)
    assert value[1] == math.exp(-0.3)
    assert gradient == pytest.approx(0.24445831169074586)
    assert "(1.0 - " not in value_and_grad(f, has_aux=True).source_for(0.3)


def test_other_input_is_not_inside_a_gate() -> None:
    assert_gradient_matches_finite_differences(
        function_from_source("def f(x, a):\n    return 1 / (a + np.exp(-x))\n"), (0.3, 1.0), (0, 1)
    )


def test_gates_inside_branches() -> None:
    f = function_from_source(
        """
        def f(x):
            if x > 0:
                y = 1 / (1 + np.exp(-x))
            else:
                y = np.exp(x) / (1 + np.exp(x))
            return y
        """
    )
    assert grad(f).source_for(0.3).count("(1.0 - ") == 2
    for at in (0.3, -0.3):
        assert_gradient_matches_finite_differences(f, (at,), (0,))


def test_gates_around_gates() -> None:
    f = function_from_expression("1 / (1 + np.exp(-(3 * (1 / (1 + np.exp(-x))) + 1)))")
    assert grad(f).source_for(0.3).count("(1.0 - ") == 2
    assert_gradient_matches_finite_differences(f, (0.3,), (0,))


# --- chains that SymPy is asked about ---

UNKNOWN = [
    "np.log(np.exp(2 * x) + 3) ** 2",
    "np.exp(x) / (3 + np.exp(x))",
    "1 / (1 + np.exp(-x)) ** 2",
    "np.log(1 / (2 + np.exp(-x)))",
    "np.tanh(np.log(1 + math.exp(x)))",
    "math.log(0.3 * math.exp(x) + math.tanh(x) ** 2 + 1)",
]


@pytest.mark.parametrize("expression", UNKNOWN)
def test_unknown_chains(expression: str) -> None:
    f = function_from_expression(expression)
    for at in (0.3, -1.7, 2.5):
        assert_gradient_matches_finite_differences(f, (at,), (0,))


def test_sympy_finds_a_derivative_in_terms_of_the_result() -> None:
    gate = simpler("1/(3 + exp(x))", ("3 + exp(x)", "exp(x)"))
    assert gate is not None
    y = 1 / (3 + math.exp(0.7))
    assert inspect.getfullargspec(gate.partials).kwonlyargs == ["y"]
    assert gate.partials(0.7, y=y) == pytest.approx(y * (3 * y - 1), rel=1e-14)
    assert "exp" not in source_of("1 / (3 + np.exp(-x))", 0.7).split("# d(")[1].split("\n", 1)[1]


def test_sympy_form_that_costs_more_is_not_taken() -> None:
    assert simpler("log(3 + exp(x))", ("3 + exp(x)", "exp(x)")) is None


def test_sympy_is_not_imported_for_known_gates_and_arrays() -> None:
    program = (
        "import sys, linecache\n"
        "text = ['import numpy as np\\n', 'def f(w, X):\\n', '    s = 1 / (1 + np.exp(-(X @ w)))\\n',"
        " '    return np.log(1 + np.exp(np.sum(s * s))) + np.sum(np.log(s / (3 + np.exp(s))))\\n']\n"
        "linecache.cache['<f>'] = (0, None, text, '<f>')\n"
        "exec(compile(''.join(text), '<f>', 'exec'))\n"
        "from ad_compiler import grad\n"
        "grad(f)(np.ones(3), np.ones((4, 3)))\n"
        "assert 'sympy' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
