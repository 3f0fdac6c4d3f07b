"""Loops over `range(start, stop, step)` with a step of 1 or -1, in few instructions.

    count = max(stop - start, 0); i = start
    while count > 0:
        count -= 1; ...; i += step

Numba finds out at run time whether the step is zero or negative and what a rest is, and keeps all that it
knows of a range in memory three times: ninety instructions for a loop, which LLVM reduces to these few.
"""
# mypy: allow-untyped-calls, disable-error-code="misc"
# Numba has no types.

from __future__ import annotations

from typing import Any

from llvmlite.ir import Constant
from numba.core import cgutils, lowering, types

from ad_compiler.backends.native.numba_extensions.peeling import constant, part, together

PAIR = types.Pair(types.int64, types.boolean)  # the next number, and whether there is one


class Counting(lowering.Lower):
    """Lowers such loops by itself, and leaves everything else to Numba."""

    def lower_expr(self, resty: Any, expr: Any) -> Any:
        if expr.op == "call" and resty == types.range_state64_type and self.is_range(expr):
            return self.made_range(resty, expr)
        if expr.op == "getiter" and self.typeof(expr.value.name) == types.range_state64_type:
            iterator = self.iterator(resty, self.loadvar(expr.value.name))
            if iterator is not None:
                return iterator
        if expr.op == "iternext" and self.typeof(expr.value.name) == types.range_iter64_type:
            return self.next_pair(resty, self.loadvar(expr.value.name))
        if expr.op in ("pair_first", "pair_second") and self.typeof(expr.value.name) == PAIR:
            return part(self.builder, self.loadvar(expr.value.name), int(expr.op == "pair_second"))
        return super().lower_expr(resty, expr)

    def is_range(self, expr: Any) -> bool:
        """Whether a call is one of `range` itself, with nothing to unpack."""
        called = self.typeof(expr.func.name)
        is_itself = isinstance(called, types.Function) and called.typing_key is range
        return is_itself and not expr.vararg and not expr.kws

    def made_range(self, resty: Any, expr: Any) -> Any:
        """`range` of one, two or three whole numbers."""
        signature = self.fndesc.calltypes[expr]
        given = [self._cast_var(each, kind) for each, kind in zip(expr.args, signature.args, strict=True)]
        word = self.context.get_value_type(types.int64)
        start = given[0] if len(given) > 1 else Constant(word, 0)
        step = given[2] if len(given) > 2 else Constant(word, 1)
        stop = given[min(len(given) - 1, 1)]
        return together(self.builder, self.context.get_value_type(resty), [start, stop, step])

    def iterator(self, resty: Any, given: Any) -> Any:
        """What is ahead, in memory: the next number, and how many there are."""
        builder = self.builder
        start, stop, step = (part(builder, given, place) for place in range(3))
        if constant(step) not in (1, -1):
            return None
        following = cgutils.alloca_once(builder, start.type)
        count = cgutils.alloca_once(builder, start.type)
        builder.store(start, following)
        ahead = builder.sub(stop, start) if constant(step) == 1 else builder.sub(start, stop)
        zero = ahead.type(0)
        # Numbers below 0 would do, but loops where LLVM does not know a last turn are vectorised worse.
        builder.store(builder.select(builder.icmp_signed(">", ahead, zero), ahead, zero), count)
        return together(builder, self.context.get_value_type(resty), [following, stop, step, count])

    def next_pair(self, resty: Any, iterator: Any) -> Any:
        """The next number, and whether there is one."""
        builder = self.builder
        following, _, step, count = (part(builder, iterator, place) for place in range(4))
        number, ahead = builder.load(following), builder.load(count)
        is_valid = builder.icmp_signed(">", ahead, ahead.type(0))
        with builder.if_then(is_valid):
            builder.store(builder.sub(ahead, ahead.type(1), flags=["nsw"]), count)
            builder.store(builder.add(number, step), following)
        return together(builder, self.context.get_value_type(resty), [number, is_valid])
