"""What keeps LLVM from vectorising a loop is replaced: calls of exp, log and tanh, and sums in one order.

    for i in range(n):                  for i in range(n):
        y = np.exp(x[i])        ->          y = vector_exp(x[i])
        total += y                          total = plus(total, y)

Sums over elements are those of `np.sum` and of products, whose order NumPy does not promise either. Outside
of loops over elements the platform's functions stay: one call of them is faster. The user's own loops, and
their sums, stay as they are.
"""

from __future__ import annotations

from ad_compiler.backends.native.nests import (
    Apply,
    Choice,
    Code,
    Define,
    Expression,
    Nest,
    Repeat,
    Scalar,
    Store,
)

FUNCTIONS = {f"np.{name}({{0}})": f"vector_{name}({{0}})" for name in ("exp", "log", "tanh")}


def vectorise(body: list[Code], inside: bool = False) -> None:
    """Replace the calls in the nests of a program, in place."""
    for code in body:
        if isinstance(code, Nest):
            vectorise(code.body, True)
        elif isinstance(code, Repeat):
            vectorise(code.body, inside)
        elif isinstance(code, Choice):
            vectorise(code.then, inside)
            vectorise(code.otherwise, inside)
        elif isinstance(code, (Define, Store)) and inside:
            code.value = replaced(code.value)
            if isinstance(code, Define) and code.operator == "+=":
                code.operator, code.value = "=", Apply("plus({0}, {1})", (Scalar(code.name), code.value))


def replaced(expression: Expression) -> Expression:
    if not isinstance(expression, Apply):
        return expression
    parts = tuple(map(replaced, expression.parts))
    form = FUNCTIONS.get(expression.form, expression.form)
    return Apply(form, parts, expression.precedence, expression.needs)
