"""Writes a gate: the NumPy text of an expression and of its partial derivatives."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Sequence
from typing import Any

import sympy as sp

from ad_compiler.gate import functions_of
from ad_compiler.parsing import parse_module
from ad_compiler.symbolic.accuracy import Examination, points, run
from ad_compiler.symbolic.chain_rule import chain_rule
from ad_compiler.symbolic.expressions import numpy_text, parse, stable
from ad_compiler.symbolic.partials import choose, formula


def write_gate(
    expression: Any, arguments: Sequence[str] | None, name: str
) -> tuple[str, tuple[str, ...], str, bool]:
    """The expression as text, the names of its arguments, the source of the gate, and whether a partial
    derivative is infinite somewhere the gate is finite.

    The source has one function where no form of a partial derivative is as accurate as the chain rule.
    """
    parsed, symbols = parse(expression, arguments)
    names = [symbol.name for symbol in symbols]
    forward = forward_text(parsed, symbols)
    source = "import numpy as np\n\n\n"
    source += f'def {name}({", ".join(names)}):\n    """{parsed}"""\n    return {forward}\n'
    function = functions_of(source)[name]
    value = formula(names, forward)
    if not any(math.isfinite(run(value, point)[0]) for point in points(len(names))):
        raise ValueError(f"`{parsed}` has no real value where it was tried")
    y = sp.Symbol("result" if "y" in names else "y", real=True)
    texts = []
    for place, argument in enumerate(names):
        chosen = choose(parsed, symbols, place, chain_rule(function, argument)[0], forward, y, {})
        if chosen is None:
            return str(parsed), tuple(names), source, False
        texts.append(chosen)
    used = any(y.name in names_in(text) for text in texts)
    rule = f"def {name}_partials({', '.join(names)}{f', *, {y.name}' if used else ''}):\n"
    rule += f'    """By {" and ".join(names)}{f"; `{y.name}` is the result" if used else ""}."""\n'
    rule += f"    return {', '.join(texts)}\n"
    partials = [formula(names, text, {y.name: forward}) for text in texts]
    return str(parsed), tuple(names), f"{source}\n\n{rule}", is_singular(parsed, value, partials)


def forward_text(expression: sp.Expr, symbols: Sequence[sp.Symbol]) -> str:
    """NumPy's text of the expression: the one that keeps accuracy and range, if they differ in that."""
    plain, careful = numpy_text(expression), numpy_text(stable(expression))
    if plain == careful:
        return plain
    names = [symbol.name for symbol in symbols]
    examination = Examination(expression, symbols, lambda point: True)
    reports = [examination.report(formula(names, text)) for text in (plain, careful)]
    return careful if reports[1].better_than(reports[0]) else plain


def names_in(text: str) -> set[str]:
    return {node.id for node in ast.walk(parse_module(text)) if isinstance(node, ast.Name)}


def is_singular(
    expression: sp.Expr, value: Callable[..., Any], partials: Sequence[Callable[..., Any]]
) -> bool:
    """Whether a partial derivative may be infinite, or NaN, where the gate itself is finite."""
    roots = [
        p for p in expression.atoms(sp.Pow) if p.exp.is_Rational and 0 < p.exp < 1 and not p.base.is_positive
    ]
    if roots or expression.has(sp.asin, sp.acos, sp.acosh):
        return True
    return any(
        math.isfinite(run(value, point)[0])
        and not all(math.isfinite(run(partial, point)[0]) for partial in partials)
        for point in points(len(expression.free_symbols))
    )
