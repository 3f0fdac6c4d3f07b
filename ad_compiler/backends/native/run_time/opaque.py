"""A number that LLVM is not told: how many turns a loop of few turns has (see `blocking.py`)."""
# mypy: allow-untyped-defs, allow-untyped-calls, disable-error-code="misc,call-arg"
# Numba infers the types of these functions, and its decorators have none.

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload


def at_run_time(number):
    """The whole number itself, which only the running program knows."""
    return number


@intrinsic
def through_register(typing_context, number):
    """An empty piece of assembly, which is given a number and gives it back."""

    def generate(context, builder, signature, arguments):
        word = ir.IntType(64)
        kind = ir.FunctionType(word, [word])
        return builder.call(ir.InlineAsm(kind, "", "=r,0", False), arguments)

    return types.int64(types.int64), generate


@overload(at_run_time)
def compiled_at_run_time(number):
    return lambda number: through_register(number)
