"""`gate`: a new elementwise operation from an expression.

>>> softplus = gate("log(1 + exp(x))", name="softplus")
>>> float(softplus(1000.0))
1000.0
>>> print(softplus.source)
import numpy as np
<BLANKLINE>
<BLANKLINE>
def softplus(x):
    \"\"\"log(exp(x) + 1)\"\"\"
    return np.logaddexp(0, x)
<BLANKLINE>
<BLANKLINE>
def softplus_partials(x, *, y):
    \"\"\"By x; `y` is the result.\"\"\"
    return -np.expm1(-y)
<BLANKLINE>
"""

from __future__ import annotations

import ast
import itertools
import keyword
from collections.abc import Sequence
from types import FunctionType
from typing import TYPE_CHECKING, Any

import numpy as np

from ad_compiler.generated import keep_text
from ad_compiler.parsing import parse_module

if TYPE_CHECKING:
    import sympy

_numbers = itertools.count(1)


class Gate:
    """An elementwise operation. Call it with numbers and arrays, which are broadcast as NumPy does.

    In a differentiated program its NumPy expression stands where it is called, and its partial
    derivatives are used as they are in `source`: the reverse sweep does not enter its operations.
    """

    def __init__(
        self, name: str, expression: str, arguments: tuple[str, ...], source: str, singular: bool
    ) -> None:
        self.__name__ = name
        self.__doc__ = expression
        self.expression = expression
        self.arguments = arguments
        self.source = source
        self.singular = singular  # a partial derivative is infinite somewhere
        functions = functions_of(source)
        self.forward = functions[name]
        self.partials = functions.get(f"{name}_partials")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    def __repr__(self) -> str:
        return f"gate({self.expression!r}, {self.arguments!r}, {self.__name__!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Gate, (self.__name__, self.expression, self.arguments, self.source, self.singular)


def gate(
    expression: str | sympy.Expr, arguments: str | Sequence[str] | None = None, name: str | None = None
) -> Gate:
    """Make an elementwise operation from a SymPy expression or its text, such as `"x * exp(-y**2)"`.

    `arguments` gives the order of its arguments (default: alphabetical), as names or as one text of them.
    Numbers are real; a text is evaluated by SymPy, so do not take it from strangers. SymPy simplifies the
    partial derivatives, and a simpler form is used only where it is as accurate as the chain rule, over
    the whole range of doubles.

    Raises `ValueError` for text that is no expression or that NumPy has no functions for, `TypeError`
    for other objects.
    """
    from ad_compiler.symbolic.gates import write_gate

    if isinstance(arguments, str):
        arguments = arguments.replace(",", " ").split()
    name = "gate" if name is None else name
    if not name.isidentifier() or keyword.iskeyword(name) or name == "np":
        raise ValueError(f"{name!r} cannot be the name of a gate")
    return Gate(name, *write_gate(expression, arguments, name))


def functions_of(source: str) -> dict[str, FunctionType]:
    """The functions of a generated text, which is known to tracebacks and to `frontend.source`."""
    names = [node.name for node in parse_module(source).body if isinstance(node, ast.FunctionDef)]
    filename = f"<ad_compiler gate {names[0]} {next(_numbers)}>"
    keep_text(filename, source)
    namespace: dict[str, Any] = {"__name__": "ad_compiler.generated", "np": np}
    exec(compile(source, filename, "exec"), namespace)
    return {name: namespace[name] for name in names}
