"""Asks SymPy for a simpler derivative of a chain of scalars."""

from __future__ import annotations

import ast
from collections.abc import Sequence

import sympy as sp

from ad_compiler.gate import functions_of
from ad_compiler.parsing import parse_expression, parse_module
from ad_compiler.rules.gates import KnownGate
from ad_compiler.symbolic.chain_rule import chain_rule
from ad_compiler.symbolic.expressions import parse
from ad_compiler.symbolic.partials import choose, cost


def simpler(chain: str, inner: Sequence[str]) -> KnownGate | None:
    """The derivative of a chain (a text as `transforms.chains` writes it) by `x`, as a rule.

    `inner` are the chains of the values on the way, which the rule may ask for. None where SymPy finds
    nothing that costs less than the chain rule and is as accurate.
    """
    try:
        return _simpler(chain, inner)
    except (ValueError, TypeError, ArithmeticError, NotImplementedError, sp.PolynomialError):
        return None  # SymPy has no answer; `x - x` is no function of x to it


def _simpler(chain: str, inner: Sequence[str]) -> KnownGate | None:
    expression, symbols = parse(chain, ("x",))
    forward = in_numpy(chain)
    function = functions_of(f"import numpy as np\n\n\ndef chain(x):\n    return {forward}\n")["chain"]
    derivative, text = chain_rule(function, "x")
    names = {f"inner{place}": part for place, part in enumerate(inner)}
    known = {parse(part, ("x",))[0]: sp.Symbol(name, real=True) for name, part in names.items()}
    y = sp.Symbol("y", real=True)
    chosen = choose(expression, symbols, 0, derivative, forward, y, known, patient=False)
    if chosen is None or cost(chosen) >= cost(text) - cost(forward):
        return None
    words = {node.id for node in ast.walk(parse_module(chosen)) if isinstance(node, ast.Name)}
    asked = ["y"] * ("y" in words) + sorted(words & names.keys())
    star = f", *, {', '.join(asked)}" if asked else ""
    rule = f'import numpy as np\n\n\ndef partial(x{star}):\n    """Of {chain}."""\n    return {chosen}\n'
    return KnownGate(functions_of(rule)["partial"], {name: names[name] for name in asked if name != "y"})


def in_numpy(chain: str) -> str:
    """The text with NumPy's functions: `np.exp(-x)`."""
    tree = parse_expression(chain)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            node.func = ast.Attribute(ast.Name("np"), node.func.id)
    return ast.unparse(tree)
