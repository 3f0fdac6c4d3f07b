"""Third derivatives of scalar programs are those of SymPy, in reverse mode thrice and in mixed modes.

A program is run on an expression in place of its argument, with SymPy's functions in place of NumPy's. What
it compares is decided by the value of the expression at the point. So SymPy gets what the program computes
there, and differentiates it thrice.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from types import FunctionType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import sympy as sp

from ad_compiler import grad, hvp, jvp
from tests.helpers import function_from_expression, function_from_source, generator
from tests.test_rules import CASES, Case

X = sp.Symbol("x", real=True)


class Tracked:
    """An expression of `x`, and its value at the point."""

    def __init__(self, expression: Any, value: float) -> None:
        self.expression, self.value = sp.sympify(expression), value


def apply(function: Callable[..., Any], number: Callable[..., Any], *arguments: Any) -> Any:
    """A function of expressions, and of their values."""
    if not any(isinstance(each, Tracked) for each in arguments):
        return number(*arguments)
    expressions = [exact(each.expression if isinstance(each, Tracked) else each) for each in arguments]
    values = [each.value if isinstance(each, Tracked) else each for each in arguments]
    return Tracked(function(*expressions), number(*values))


def exact(number: Any) -> Any:
    return sp.Rational(number) if isinstance(number, float) else number


def arithmetic(function: Callable[..., Any], swapped: bool) -> Callable[..., Any]:
    def method(self: Tracked, *others: Any) -> Any:
        return apply(function, function, *(reversed((self, *others)) if swapped else (self, *others)))

    return method


def comparison(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Tracked, other: Any) -> bool:
        return bool(function(self.value, other.value if isinstance(other, Tracked) else other))

    return method


for _name in ("add", "sub", "mul", "truediv", "pow"):
    setattr(Tracked, f"__{_name}__", arithmetic(getattr(operator, _name), swapped=False))
    setattr(Tracked, f"__r{_name}__", arithmetic(getattr(operator, _name), swapped=True))
for _name in ("lt", "le", "gt", "ge"):
    setattr(Tracked, f"__{_name}__", comparison(getattr(operator, _name)))
for _name in ("neg", "abs"):
    setattr(Tracked, f"__{_name}__", arithmetic(getattr(operator, _name), swapped=False))

FUNCTIONS = {
    "exp": sp.exp,
    "log": sp.log,
    "sin": sp.sin,
    "cos": sp.cos,
    "tan": sp.tan,
    "tanh": sp.tanh,
    "sinh": sp.sinh,
    "cosh": sp.cosh,
    "sqrt": sp.sqrt,
    "arctan": sp.atan,
    "log1p": lambda x: sp.log(1 + x),
    "expm1": lambda x: sp.exp(x) - 1,
    "hypot": lambda x, y: sp.sqrt(x**2 + y**2),
    "arctan2": sp.atan2,
    "logaddexp": lambda x, y: sp.log(sp.exp(x) + sp.exp(y)),
}


def namespace(module: Any) -> SimpleNamespace:
    known = {name: getattr(module, name) for name in FUNCTIONS if hasattr(module, name)}
    return SimpleNamespace(
        **{
            name: (lambda *xs, f=FUNCTIONS[name], g=number: apply(f, g, *xs))
            for name, number in known.items()
        }
    )


def with_expressions(program: FunctionType) -> FunctionType:
    """The program on SymPy's functions; the helpers that it calls, too."""
    names = dict(program.__globals__) | {"np": namespace(np), "math": namespace(math)}
    made = FunctionType(program.__code__, names, program.__name__, program.__defaults__)
    names[program.__name__] = made
    for name in program.__code__.co_names:
        if isinstance(names.get(name), FunctionType) and names[name] is not made:
            names[name] = with_expressions(names[name])
    return made


def third_derivative(expression: Any, x: float) -> float:
    derivative = sp.diff(expression, X, 3)
    evaluate = sp.lambdify(X, derivative, "mpmath", cse=True)
    import mpmath

    with mpmath.workdps(50):
        return float(mpmath.re(evaluate(mpmath.mpf(x))))


# Elementwise functions, powers, quotients.


def powers(x):
    return x**5 - 2 * x**3 + x**-2 + x**2.5


def quotient(x):
    return (x * x + 1) / (x - 3) / (2 + np.sin(x))


def number_to_a_variable_power(x):
    return 2.0**x + x**x


def composed(x):
    return np.exp(-(np.tanh(x) ** 2)) * np.log(1 + x * x) + np.sqrt(1 + np.cos(x) ** 2)


def of_math(x):
    return math.exp(math.sin(x)) / math.sqrt(1 + x**4) + math.log1p(x * x) - math.tanh(x) * math.expm1(-x)


def of_two_arguments(x):
    return np.hypot(x, x * x + 1) * np.arctan2(np.sin(x), 2 + x * x) + np.logaddexp(x, -2 * x)


def sigmoid(x):
    return 1 / (1 + np.exp(-(2 * x - 1)))


# Branches.


def one_of_three(x):
    if x < 0:
        return np.exp(x) * x
    elif x < 1:
        return x**4 / (1 + x)
    return np.log(x) * np.cos(x)


def conditional_expressions(x):
    y = x * x if x > 0.5 else np.sin(x)
    return (y**3 if y > 1 else np.exp(y)) * x


def early_return_in_a_loop(x):
    total = 1.0
    for k in range(1, 9):
        total = total * (1 + x / k)
        if total > 3:
            return total * np.sin(x)
    return np.cos(total)


def continued(x):
    total = 0.0
    for k in range(6):
        term = np.sin(k * x)
        if term < 0:
            continue
        total += term**2 / (k + 1)
    return total


def broken_off(x):
    term, total = 1.0, 0.0
    for k in range(1, 20):
        total += term
        term = term * x / k
        if term < 1e-3:
            break
    return total * term


# Loops.


def horner(x):
    total = 0.0
    for c in (0.3, -1.2, 0.7, 2.0, -0.4, 1.1):
        total = total * x + c
    return total


def newton(x):
    y = 1.0
    for _ in range(4):
        y = y - (y * y - x) / (2 * y)
    return y


def newton_cube_root(x):
    y = x
    for _ in range(3):
        y = (2 * y + x / (y * y)) / 3
    return y


def exponential_series(x):
    term, total = 1.0, 1.0
    for k in range(1, 12):
        term *= x / k
        total += term
    return total


def series_until_small(x):
    term, total, k = x, 0.0, 1
    while abs(term) > 1e-4:
        total = total + term
        term = -term * x * x / ((k + 1) * (k + 2))
        k += 2
    return total


def logistic_map(x):
    for _ in range(4):
        x = 3.2 * x * (1 - x)
    return x


def continued_fraction(x):
    y = x
    for k in range(5, 0, -1):
        y = k + x / y
    return y


def nested_loops(x):
    total = 0.0
    for i in range(1, 4):
        product = 1.0
        for j in range(i):
            product *= np.sin(x + j) / i
        total += product
    return total


def pendulum(x):
    v = 0.3
    for _ in range(3):
        v = v - 0.1 * np.sin(x)
        x = x + 0.1 * v
    return x * v


# Calls, containers.


def cube(x):
    return x * x * x


def helpers(x):
    return cube(np.sin(x)) / (1 + sigmoid(cube(x)))


def helper_in_a_loop(x):
    total = x
    for _ in range(2):
        total = cube(total) - sigmoid(total) * x
    return total


def nested_sines(x, depth):
    return x if depth == 0 else np.sin(x) * nested_sines(x, depth - 1) + depth


def recursion(x):
    return nested_sines(x, 3)


def of_a_list(x):
    terms = [1.0, x]
    for k in range(2, 6):
        terms.append(2 * x * terms[k - 1] - terms[k - 2])
    return terms[5] * terms[3] + sum(terms)


def of_a_dict(x):
    state = {"angle": x, "speed": 1.0}
    for _ in range(3):
        state["speed"] = state["speed"] - 0.2 * np.sin(state["angle"])
        state["angle"] = state["angle"] + 0.2 * state["speed"]
    return state["angle"] * state["speed"]


def swapped_in_every_turn(x):
    a, b = x, 1.0
    for _ in range(5):
        a, b = a * b + np.cos(x), a
    return a - b


PROGRAMS: list[tuple[Any, tuple[float, ...]]] = [
    (powers, (0.7, 1.9)),
    (quotient, (-1.3, 0.4, 5.0)),
    (number_to_a_variable_power, (0.4, 1.7)),
    (composed, (-0.8, 0.3)),
    (of_math, (-0.6, 1.2)),
    (of_two_arguments, (0.3, 1.1)),
    (sigmoid, (-3.0, 0.1, 8.0)),
    (one_of_three, (-0.7, 0.6, 2.3)),
    (conditional_expressions, (0.2, 0.8, 1.4)),
    (early_return_in_a_loop, (0.2, 1.1, 2.5)),
    (continued, (0.4, 1.3)),
    (broken_off, (0.3, 1.2)),
    (horner, (-0.7, 1.3)),
    (newton, (0.6, 2.0)),
    (newton_cube_root, (0.7, 1.6)),
    (exponential_series, (-0.5, 1.3)),
    (series_until_small, (0.4, 1.5)),
    (logistic_map, (0.2, 0.55)),
    (continued_fraction, (0.7, 2.1)),
    (nested_loops, (0.3, 1.4)),
    (pendulum, (0.4, 1.2)),
    (helpers, (0.3, 0.9)),
    (helper_in_a_loop, (0.4, 0.8)),
    (recursion, (0.5, 1.3)),
    (of_a_list, (0.3, 0.9)),
    (of_a_dict, (0.4, 1.2)),
    (swapped_in_every_turn, (0.3, 0.8)),
]


def mixed_modes(program: Any) -> list[tuple[str, Any]]:
    """Functions that give the third derivative, by how they do."""
    text = """
    def second(x):
        return jvp(grad(program), (x,), (1.0,))[1]

    def product(x):
        return hvp(program)(x, 1.0)
    """
    names: dict[str, Any] = {"program": program, "grad": grad, "jvp": jvp, "hvp": hvp}
    second = function_from_source(text.partition("    def product")[0], **names)
    product = function_from_source(text[text.index("    def product") :], **names)
    return [
        ("reverse over reverse over reverse", grad(grad(grad(program)))),
        ("forward over forward over reverse", lambda x: jvp(second, (x,), (1.0,))[1]),
        ("reverse over forward over reverse", grad(product)),
        ("forward over reverse, over reverse", lambda x: hvp(grad(program))(x, 1.0)),
    ]


@pytest.mark.parametrize(("program", "points"), PROGRAMS, ids=lambda each: getattr(each, "__name__", ""))
def test_program(program: FunctionType, points: tuple[float, ...]) -> None:
    modes = mixed_modes(program)
    for point in points:
        run = with_expressions(program)(Tracked(X, point))
        assert run.value == pytest.approx(program(point), rel=1e-12)
        expected = third_derivative(run.expression, point)
        for mode, differentiate in modes:
            found = differentiate(point)
            assert found == pytest.approx(expected, rel=1e-10, abs=1e-10), (mode, point)


SMOOTH = [
    case for case in CASES if case.integers and not case.oracle.has(sp.Piecewise, sp.Abs, sp.sign, sp.floor)
]
REPRESENTATIVE = 4  # every so manieth operation runs in every test run, the others only with -m slow


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.forms[0], marks=[] if n % REPRESENTATIVE == 0 else pytest.mark.slow)
        for n, case in enumerate(SMOOTH)
    ],
)
def test_operation(case: Case) -> None:
    """By the first argument of an elementwise operation; what the value multiplies is no constant."""
    rng = generator(case.forms, "third")
    names = sorted(case.domain, key=str)
    point = [float(rng.uniform(*case.domain[name])) for name in names]
    program = function_from_expression(case.forms[0])
    found = grad(grad(grad(program)))(*point)
    expected = sp.diff(case.oracle, names[0], 3)
    values = {name: sp.Rational(number) for name, number in zip(names, point, strict=True)}
    assert found == pytest.approx(float(expected.subs(values).evalf(40)), rel=1e-9, abs=1e-10)
