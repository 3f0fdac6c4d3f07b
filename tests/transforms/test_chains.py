"""One text for all spellings of a chain, and never the same text for different ones."""

from __future__ import annotations

from typing import Any

import pytest

from ad_compiler.frontend.program import lower_program
from ad_compiler.frontend.source import read_source
from ad_compiler.ir import Operation
from ad_compiler.symbolic.chains import in_numpy
from ad_compiler.transforms.chains import chains_to, may_contain
from tests.helpers import function_from_expression, generator


def chain_of(expression: str) -> str:
    """The text of the whole of an expression of `x`."""
    f: Any = function_from_expression(expression)
    lowered = lower_program(f, read_source(f), {"x": 0.5}, ("x",), frozenset(), None)
    operations = [n for n in lowered.function.forward.operations if isinstance(n, Operation)]
    positions = {node.result: i for i, node in enumerate(operations) if may_contain(node)}
    *_, longest = chains_to(lowered.function.result, positions, lambda value, reads: True)
    terms = longest.terms()
    if terms is None or longest.start.access != "x":
        raise ValueError("this is more than one chain")
    return terms[longest.result].show(0)


@pytest.mark.parametrize(
    ("text", "spellings"),
    [
        (
            "1/(1 + exp(-x))",
            ["1.0 / (1.0 + math.exp(-x))", "1 / (np.exp(-x) + 1)", "np.reciprocal(1 + np.exp(x * -1))"],
        ),
        (
            "exp(-0.5*x**2)",
            ["np.exp(-x**2 / 2)", "np.exp(-x * x * 0.5)", "np.exp(-0.5 * np.square(x))", "np.exp(x**2 / -2)"],
        ),
        ("exp(x) - 1", ["np.exp(x) - 1", "-1 + np.exp(x)"]),
        ("1 - exp(x)", ["1 - np.exp(x)", "-np.exp(x) + 1"]),
        ("x/(1 + exp(-x))", ["x / (1 + np.exp(-x))"]),
        ("x*(1/(1 + exp(-x)))", ["1 / (1 + np.exp(-x)) * x", "x * (1 / (1 + np.exp(-x)))"]),
        ("0.1*x", ["0.1 * x", "x * 0.1"]),
        ("x/3", ["x / 3"]),
        ("-x/3", ["-x / 3", "-(x / 3)"]),
        ("0.1*(3*x)", ["0.1 * (3 * x)"]),
        ("x**3 - x", ["x**3 - x", "-x + x**3"]),
        ("(1 + x)**2", ["(x + 1) * (1 + x)", "(1 + x)**2", "(-1 - x)**2"]),
        ("(2*x)**0.5", ["(2 * x)**0.5"]),
        ("(1 + x)**(-1)", ["(x + 1)**-1"]),
    ],
)
def test_one_text_for_all_spellings(text: str, spellings: list[str]) -> None:
    assert [chain_of(spelling) for spelling in spellings] == [text] * len(spellings)


def random_expression(depth: int, choose: Any) -> str:
    if depth == 0:
        return str(choose(["x", "x", "x", "2", "0.1", "(-3)", "0.5"]))
    inner = random_expression(depth - 1, choose)
    other = random_expression(choose(range(depth)), choose)
    return str(
        choose(
            [
                f"({inner} + {other})",
                f"({inner} - {other})",
                f"({inner} * {other})",
                f"({inner} / {other})",
                f"(-{inner})",
                f"np.exp({inner})",
                f"{inner}**2",
                f"({inner} - x)",
            ]
        )
    )


def test_text_means_what_the_program_computes() -> None:
    rng = generator("chains")
    compared = 0
    for _ in range(400):
        expression = f"np.tanh({random_expression(3, lambda items: items[int(rng.integers(len(items)))])})"
        try:
            text = chain_of(expression)
            expected = function_from_expression(expression)(0.3)
        except (ZeroDivisionError, OverflowError, ValueError, TypeError):
            continue  # no function of x, or not one chain, or not defined there
        computed = function_from_expression(in_numpy(text))(0.3)
        assert computed == pytest.approx(expected, rel=1e-12, abs=1e-12, nan_ok=True), expression
        compared += 1
    assert compared > 100
