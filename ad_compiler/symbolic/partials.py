"""Forms of a partial derivative, and the choice of the cheapest that is accurate.

SymPy finds the forms: as differentiated, simplified, factored, in terms of the result `y` instead of the
argument (by inverting the function, where it is a Moebius function of one exponential under functions that
are easy to invert). It does not know floating point: every form is examined (`symbolic.accuracy`) against
what the chain rule gives, and only then may it be chosen, for the fewest operations.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import sympy as sp

from ad_compiler.parsing import parse_module
from ad_compiler.symbolic.accuracy import Examination, run
from ad_compiler.symbolic.expressions import numpy_text, stable

_SIMPLE = {"abs", "sign", "where", "maximum", "minimum", "heaviside", "floor", "ceil"}
FINEST_EXPONENT = 50  # the largest denominator of the numbers in a sum that stands in an exponential
LARGEST_EXPONENT = 1000  # the largest numerator of the numbers that stand in an exponential
_COSTS: dict[type[ast.AST], int] = {ast.Div: 2, ast.Pow: 15}


def cost(text: str, known: frozenset[str] = frozenset()) -> int:
    """Operations in an expression or a program, weighted; sub-expressions in `known` are computed already.

    >>> cost("(1 - y) * y"), cost("np.exp(-x) / y"), cost("np.exp(-x) / y", frozenset(["np.exp(-x)"]))
    (2, 13, 2)
    """
    return _cost(parse_module(text), set(known))


def _cost(node: ast.AST, known: set[str]) -> int:
    if isinstance(node, (ast.BinOp, ast.UnaryOp, ast.Call)):
        text = ast.unparse(node)
        if text in known:
            return 0
        known.add(text)
    own = 0
    if isinstance(node, ast.BinOp):
        small = (
            isinstance(node.op, ast.Pow)
            and isinstance(node.right, ast.Constant)
            and node.right.value in (2, 3)
        )
        own = 2 if small else _COSTS.get(type(node.op), 1)
    elif isinstance(node, (ast.UnaryOp, ast.Compare)) and not isinstance(
        getattr(node, "operand", None), ast.Constant
    ):
        own = 1
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        own = 2 if node.func.attr in _SIMPLE else 4 if node.func.attr == "sqrt" else 10
    return own + sum([_cost(child, known) for child in ast.iter_child_nodes(node)])


def parts(text: str) -> frozenset[str]:
    """The operations inside an expression, as text."""
    inner = (
        node for node in ast.walk(parse_module(text)) if isinstance(node, (ast.BinOp, ast.UnaryOp, ast.Call))
    )
    return frozenset(ast.unparse(node) for node in inner)


def derivative(expression: sp.Expr, symbol: sp.Symbol) -> sp.Expr:
    """The derivative; a jump has none, and counts as flat there."""
    found: sp.Expr = sp.diff(expression, symbol).replace(sp.DiracDelta, lambda *_: sp.S.Zero)
    return found


def forms(
    expression: sp.Expr, symbol: sp.Symbol, y: sp.Symbol, inner: Mapping[sp.Expr, sp.Symbol], patient: bool
) -> Iterator[sp.Expr]:
    """Expressions equal to the derivative by `symbol`, where `y` is the result.

    `inner` names expressions that have been computed on the way to the result. Only if `patient` all of
    SymPy's means are tried, which takes seconds for long expressions.
    """
    raw = derivative(expression, symbol)
    shapes = [
        raw,
        *_rearranged(raw, patient),
        _inverted_exponentials(raw, symbol),
        _by_sigmoids(expression, symbol),
    ]
    kernel = inverse(expression, symbol, y)
    if kernel is not None:
        exponential, value = kernel
        rate = exponential.exp.coeff(symbol)
        powers = {e: value ** (e.exp.coeff(symbol) / rate) for e in raw.atoms(sp.exp) if e.exp.has(symbol)}
        shapes += _rearranged(raw.xreplace(powers), patient)
    for shape in shapes:
        with_result = shape.subs(expression, y)
        named = shape
        for part, name in inner.items():
            named = named.subs(part, name)
        for form in (shape, with_result, named, named.subs(expression, y)):
            yield from (form, stable(form))


def _rearranged(expression: sp.Expr, patient: bool) -> list[sp.Expr]:
    if _has_fine_exponents(expression):
        return []
    simplified = sp.simplify(expression) if patient else sp.cancel(expression)
    return [simplified, sp.factor(expression), sp.factor(simplified), sp.expand(simplified)]


def _has_fine_exponents(expression: sp.Expr) -> bool:
    """Whether SymPy would write it with powers of many thousands: `exp(0.0324 + 0.36 * x)` has a
    polynomial in `exp(1/2500)`, of degree 81; `exp(0.3 / x)` has one in `exp(1/(2**54 * x))`, for 0.3 is a
    fraction of two numbers that large."""
    exponents = [sp.expand(e.exp) for e in expression.atoms(sp.exp)]
    return any(
        (number.q > FINEST_EXPONENT and not exponent.is_Mul) or abs(number.p) > LARGEST_EXPONENT
        for exponent in exponents
        for number in exponent.atoms(sp.Rational)
    )


def _inverted_exponentials(expression: sp.Expr, symbol: sp.Symbol) -> sp.Expr:
    """`exp(x) / (1 + exp(x))` as `1 / (1 + exp(-x))`."""
    rate = _rate(expression, symbol)
    if rate is None:
        return expression
    small = sp.Dummy(positive=True)
    changed = {e: small ** (-e.exp / (rate * symbol)) for e in expression.atoms(sp.exp) if e.exp.has(symbol)}
    found: sp.Expr = sp.cancel(expression.xreplace(changed)).subs(small, sp.exp(-rate * symbol))
    return found


def _by_sigmoids(expression: sp.Expr, symbol: sp.Symbol) -> sp.Expr:
    """The product and chain rules with `s * (1 - s)` for the derivative of `s = 1 / (1 + exp(u))`."""
    sigmoids = {
        part: sp.Dummy()
        for part in expression.atoms(sp.Pow)
        if part.exp == -1 and part.base.is_Add and len(part.base.args) == 2 and sp.S.One in part.base.args
        if (part.base - 1).func is sp.exp and part.has(symbol)
    }
    outer = expression.xreplace(sigmoids)
    total = derivative(outer, symbol)
    for part, name in sigmoids.items():
        total += derivative(outer, name) * name * (name - 1) * derivative((part.base - 1).exp, symbol)
    found: sp.Expr = total.xreplace({name: part for part, name in sigmoids.items()})
    return found


def _rate(expression: sp.Expr, symbol: sp.Symbol) -> sp.Expr | None:
    """The largest `k > 0` such that all exponentials are powers of `exp(k * symbol)`."""
    rates = [e.exp / symbol for e in expression.atoms(sp.exp) if e.exp.has(symbol)]
    if not rates or not all(rate.is_Rational for rate in rates):
        return None
    found: sp.Expr = sp.Abs(sp.gcd_list(rates))
    return found


def inverse(expression: sp.Expr, symbol: sp.Symbol, y: sp.Symbol) -> tuple[sp.Expr, sp.Expr] | None:
    """The exponential that `expression = y` is a Moebius function of, and its value in terms of `y`.

    >>> x, y = sp.symbols("x y", real=True)
    >>> inverse(sp.log(1 + sp.exp(x)), x, y)
    (exp(x), exp(y) - 1)
    """
    value: sp.Expr = y
    while True:
        outside, body = expression.as_independent(symbol, as_Add=expression.is_Add)
        if expression.is_Add and outside.is_number and outside != 0 and body.func in (sp.log, sp.Mul, sp.Pow):
            expression, value = body, value - outside
        elif expression.is_Mul and outside.is_number and outside != 1:
            expression, value = body, value / outside
        elif expression.func is sp.log:
            expression, value = expression.args[0], sp.exp(value)
        else:
            break
    rate = _rate(expression, symbol)
    if rate is None:
        return None
    large = sp.Dummy(positive=True)
    changed = {e: large ** (e.exp / (rate * symbol)) for e in expression.atoms(sp.exp) if e.exp.has(symbol)}
    rational = sp.cancel(expression.xreplace(changed))
    if rational.has(symbol) or not rational.is_rational_function(large):
        return None
    above, below = rational.as_numer_denom()
    equation = sp.Poly(above - value * below, large)
    degree = equation.degree()
    if degree == 0 or any(power not in (0, degree) for (power,) in equation.monoms()):
        return None
    return sp.exp(degree * rate * symbol), sp.factor(-equation.nth(0) / equation.nth(degree))


def choose(
    expression: sp.Expr,
    symbols: Sequence[sp.Symbol],
    place: int,
    chain_rule: Callable[..., Any],
    forward: str,
    y: sp.Symbol,
    inner: Mapping[sp.Expr, sp.Symbol],
    patient: bool = True,
) -> str | None:
    """The best form of the derivative by `symbols[place]`; as text; None where none is accurate.

    `forward` is the text of the function, `chain_rule` computes the same derivative from the arguments.
    What is written as in `forward` costs nothing, for it has been computed there.
    """
    names = [symbol.name for symbol in symbols]
    texts: dict[str, int] = {}
    known = parts(forward)
    for form in forms(expression, symbols[place], y, inner, patient):
        try:
            text = numpy_text(form)
        except ValueError:
            continue
        texts[text] = cost(text, known)
    value = formula(names, forward)
    examination = Examination(
        derivative(expression, symbols[place]),
        symbols,
        lambda point: abs(run(value, point)[0]) < float("inf"),
    )
    reference = examination.report(chain_rule)
    steps = {y.name: forward, **{name.name: numpy_text(part) for part, name in inner.items()}}
    accepted = []
    for text in texts:
        report = examination.report(formula(names, text, steps))
        if report.no_worse_than(reference):
            accepted.append((report.wrong, texts[text], len(text), text))
    return min(accepted)[3] if accepted else None


def formula(names: Sequence[str], text: str, steps: Mapping[str, str] | None = None) -> Callable[..., Any]:
    """A function of these arguments, with other names computed first."""
    import numpy as np

    body = [f"    {name} = {step}\n" for name, step in (steps or {}).items()]
    namespace: dict[str, Any] = {"np": np}
    exec(f"def formula({', '.join(names)}):\n{''.join(body)}    return {text}\n", namespace)
    found: Callable[..., Any] = namespace["formula"]
    return found
