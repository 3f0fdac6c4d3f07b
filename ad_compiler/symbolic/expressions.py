"""SymPy expressions from text, and NumPy text from SymPy expressions."""

from __future__ import annotations

import ast
import keyword
from collections.abc import Sequence
from typing import Any

import sympy as sp
from sympy.printing.str import StrPrinter

from ad_compiler.parsing import parse_expression

log1p, expm1, logaddexp = (sp.Function(name, real=True) for name in ("log1p", "expm1", "logaddexp"))

# SymPy's class -> NumPy's function.
_NUMPY = {
    "exp": "exp",
    "log": "log",
    "sin": "sin",
    "cos": "cos",
    "tan": "tan",
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "atan2": "arctan2",
    "sinh": "sinh",
    "cosh": "cosh",
    "tanh": "tanh",
    "asinh": "arcsinh",
    "acosh": "arccosh",
    "atanh": "arctanh",
    "Abs": "abs",
    "sign": "sign",
    "floor": "floor",
    "ceiling": "ceil",
    "log1p": "log1p",
    "expm1": "expm1",
    "logaddexp": "logaddexp",
}
# What may be called in an expression under a name that SymPy does not know.
_SPELLINGS: dict[str, Any] = {
    "log1p": lambda x: sp.log(1 + x),
    "expm1": lambda x: sp.exp(x) - 1,
    "logaddexp": lambda a, b: sp.log(sp.exp(a) + sp.exp(b)),
    "max": sp.Max,
    "min": sp.Min,
    "maximum": sp.Max,
    "minimum": sp.Min,
    "square": lambda x: x**2,
    "abs": sp.Abs,
    "sqrt": sp.sqrt,
    "Max": sp.Max,
    "Min": sp.Min,
    "Piecewise": sp.Piecewise,
    **{numpy: getattr(sp, name) for name, numpy in _NUMPY.items() if hasattr(sp, name)},
}
_CONSTANTS = {"pi": sp.pi, "E": sp.E}


def parse(expression: Any, arguments: Sequence[str] | None = None) -> tuple[sp.Expr, tuple[sp.Symbol, ...]]:
    """An expression over real symbols, and its arguments in order.

    Numbers are taken exactly as the doubles they are. Raises `ValueError` for what is no expression, has
    no arguments, or does not depend on one of those named; `TypeError` for other objects.
    """
    if isinstance(expression, str):
        expression = _read(expression, arguments or ())
    if not isinstance(expression, sp.Expr):
        given = type(expression).__name__
        raise TypeError(f"a gate is made from a SymPy expression or its text, not from {given}")
    reals = {symbol: sp.Symbol(symbol.name, real=True) for symbol in expression.free_symbols}
    expression = exact(expression.xreplace(reals))
    free = sorted(symbol.name for symbol in expression.free_symbols)
    names = tuple(free if arguments is None else arguments)
    if not free or sorted(names) != free:
        raise ValueError(
            f"the arguments of `{expression}` are {', '.join(free) or 'none'}: an elementwise operation "
            f"depends on each of its arguments, and those given are {', '.join(names) or 'none'}"
        )
    for name in names:
        if not name.isidentifier() or keyword.iskeyword(name) or name == "np":
            raise ValueError(f"`{name}` cannot be the name of an argument")
    return expression, tuple(sp.Symbol(name, real=True) for name in names)


def _read(text: str, arguments: Sequence[str]) -> sp.Expr:
    try:
        tree = parse_expression(text.strip())
    except SyntaxError as error:
        raise ValueError(f"`{text}` is not an expression: {error.msg}") from None
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    called = {function.id for function in calls if isinstance(function, ast.Name)}
    names: dict[str, Any] = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Attribute, ast.Lambda, ast.Subscript)):
            written = ast.unparse(node)
            raise ValueError(f"`{written}` in `{text}`: write plain mathematics, as in `x * exp(-y**2)`")
        if isinstance(node, ast.Name) and node.id not in called:
            constant = None if node.id in arguments else _CONSTANTS.get(node.id)
            names[node.id] = sp.Symbol(node.id, real=True) if constant is None else constant
    for name in called:
        known = _SPELLINGS.get(name, getattr(sp, name, None))
        if name not in _SPELLINGS and not (isinstance(known, type) and issubclass(known, sp.Function)):
            raise ValueError(f"`{name}` in `{text}` is not a function that SymPy knows")
        names[name] = known
    result: sp.Expr = sp.sympify(text, locals=names)
    return result


def exact(expression: sp.Expr) -> sp.Expr:
    """Floats as the rational numbers they are, so that SymPy does not round."""
    floats = expression.atoms(sp.Float)
    return expression.xreplace({number: sp.Rational(float(number)) for number in floats})


def numpy_text(expression: sp.Expr) -> str:
    """The expression in NumPy; `ValueError` where NumPy has no function of that name.

    >>> x = sp.Symbol("x", real=True)
    >>> numpy_text(x * sp.exp(-(x**2) / 2))
    'x * np.exp(-0.5 * (x * x))'
    """
    if expression.has(sp.zoo, sp.nan, sp.oo, sp.I):
        raise ValueError(f"`{expression}` is no real number")
    written = {r: sp.Float(r, 17) for r in expression.atoms(sp.Rational) if r.q > 1000 or abs(r.p) > 2**53}
    return ast.unparse(parse_expression(_NumPyText().doprint(expression.xreplace(written))))


class _NumPyText(StrPrinter):  # type: ignore[misc]  # SymPy has no types
    """SymPy's own layout of sums and products, NumPy's names."""

    def _print_Function(self, expr: Any) -> str:
        name = _NUMPY.get(type(expr).__name__)
        if name is None:
            raise ValueError(f"NumPy has no function for `{expr}`")
        return f"np.{name}({', '.join(map(self._print, expr.args))})"

    _print_Abs = _print_Function

    def _print_Pow(self, expr: Any, rational: bool = False) -> str:
        base, exponent = expr.as_base_exp()
        if exponent.is_number and exponent.is_negative:
            return f"1/{self.parenthesize(base**-exponent, 60, strict=True)}"
        if exponent == sp.Rational(1, 2):
            return f"np.sqrt({self._print(base)})"
        if base.is_Symbol and exponent == 2:
            return f"({base.name}*{base.name})"
        if base == sp.E:
            return f"np.exp({self._print(exponent)})"
        is_short = isinstance(exponent, sp.Rational) and exponent.q in (2, 4)
        power = repr(float(exponent)) if is_short else self._print(exponent)
        return f"({self._print(base)})**({power})"

    def _print_Mul(self, expr: Any) -> str:
        factor, rest = expr.as_coeff_Mul()
        if not isinstance(factor, sp.Rational) or factor.q not in (2, 4, 8, 16):
            text: str = super()._print_Mul(expr)
            return text
        text = self.parenthesize(rest, 50)
        return f"{float(factor)!r}{text[1:]}" if text.startswith("1/") else f"{float(factor)!r}*{text}"

    def _print_Float(self, expr: Any) -> str:
        return repr(float(expr))

    def _print_Pi(self, expr: Any) -> str:
        return "np.pi"

    def _print_Exp1(self, expr: Any) -> str:
        return "np.e"

    def _print_Heaviside(self, expr: Any) -> str:
        text = self._print(expr.args[0])  # a choice, and not a factor: what is not chosen contributes nothing
        return f"np.where(({text}) == 0, 0.5, np.where(({text}) < 0, 0.0, 1.0))"

    def _print_Max(self, expr: Any) -> str:
        return self._nested("np.maximum", expr.args)

    def _print_Min(self, expr: Any) -> str:
        return self._nested("np.minimum", expr.args)

    def _nested(self, name: str, items: Sequence[Any]) -> str:
        first, *rest = sorted(items, key=str)
        return self._print(first) if not rest else f"{name}({self._print(first)}, {self._nested(name, rest)})"

    def _print_Piecewise(self, expr: Any) -> str:
        text = "np.nan"
        for value, condition in reversed(expr.args):
            arm = self._print(value)
            text = arm if condition == sp.true else f"np.where({self._print(condition)}, {arm}, {text})"
        return text

    def _print_Relational(self, expr: Any) -> str:
        return f"{self._print(expr.lhs)} {expr.rel_op} {self._print(expr.rhs)}"

    def _print_And(self, expr: Any) -> str:
        return " & ".join(f"({self._print(item)})" for item in expr.args)

    def _print_Or(self, expr: Any) -> str:
        return " | ".join(f"({self._print(item)})" for item in expr.args)

    def emptyPrinter(self, expr: Any) -> str:
        raise ValueError(f"NumPy has no function for `{expr}`")


def stable(expression: sp.Expr) -> sp.Expr:
    """The same with functions that lose no digits: `log1p`, `expm1`, `logaddexp`."""
    expression = expression.replace(lambda e: e.func is sp.log, _stable_log)
    result: sp.Expr = expression.replace(lambda e: e.is_Add, _stable_sum)
    return result


def _stable_log(expression: sp.Expr) -> sp.Expr:
    (argument,) = expression.args
    terms = argument.args if argument.is_Add else ()
    if len(terms) == 2:
        exponents = [sp.S.Zero if t == 1 else t.exp if t.func is sp.exp else None for t in terms]
        known = [e for e in exponents if e is not None]
        if len(known) == 2:
            return logaddexp(*sorted(known, key=lambda e: (not e.is_number, str(e))))
    return log1p(argument - 1) if sp.S.One in terms else expression


def _stable_sum(expression: sp.Expr) -> sp.Expr:
    terms = expression.args
    for sign in (1, -1):
        if -sp.S(sign) in terms:
            for term in terms:
                if (sign * term).func is sp.exp:
                    rest = [t for t in terms if t not in (-sp.S(sign), term)]
                    return sp.Add(*rest, sign * expm1((sign * term).exp))
    return expression
