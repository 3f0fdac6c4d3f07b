"""`max(a, b)` and `min(a, b)` of whole numbers, in two instructions.

    max(n - 1, 0)           is 0 above n - 1? 0, otherwise n - 1

Numba compiles a function for each of both. What is given back where numbers are equal is the same.
"""
# mypy: allow-untyped-calls, disable-error-code="misc,attr-defined"
# Numba has no types.

from __future__ import annotations

from typing import Any

from numba.core import lowering, types
from numba.core.typing.templates import signature

from ad_compiler.backends.native.numba_extensions.whole_numbers import is_word

COMPARISONS: dict[Any, str] = {max: ">", min: "<"}  # the second number is given back where it is so


def comparison(function: Any, args: Any, kws: Any) -> Any:
    """The signature of such a call; None for another one."""
    if kws or len(args) != 2 or not is_comparing(function) or not all(map(is_word, args)):
        return None
    return signature(types.int64, types.int64, types.int64)


def is_comparing(called: Any) -> bool:
    return isinstance(called, types.Function) and called.typing_key in COMPARISONS


class Comparing(lowering.Lower):
    """Lowers such calls by itself, and leaves everything else to Numba."""

    def lower_expr(self, resty: Any, expr: Any) -> Any:
        if expr.op == "call" and is_comparing(self.typeof(expr.func.name)) and not expr.vararg:
            called = self.typeof(expr.func.name)
            kinds = [self.typeof(each.name) for each in expr.args]
            if comparison(called, kinds, expr.kws) is not None:
                first, second = (self._cast_var(each, types.int64) for each in expr.args)
                is_second = self.builder.icmp_signed(COMPARISONS[called.typing_key], second, first)
                return self.builder.select(is_second, second, first)
        return super().lower_expr(resty, expr)
