"""Whether a result has been too small for its type since somebody asked to watch: processors take note of it.

    watch_underflow(states)             a * b of 1e-200 each is 0.0, not 1e-400: it is noted
    ...                                 (IEEE 754, section 7.5)
    saw_underflow(states)               True

That is a bit of the status of each thread: MXCSR on x86-64, FPSR on 64-bit ARM. Reading it costs nothing
while results are computed. On other processors, and where loops run as Python, the answer is always yes.

What is watched for stores what it computes in the array that is the argument: so nothing moves what stands
between the two calls out of there.
"""
# mypy: allow-untyped-defs, allow-untyped-calls, disable-error-code="misc,call-arg,attr-defined"
# Numba infers the types of these functions, and its decorators have none.

from __future__ import annotations

import platform
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ad_compiler.backends.native.numba_extensions.disabling import is_disabled

ON_INTEL = platform.machine().lower() in ("x86_64", "amd64")
ON_ARM = platform.machine().lower() in ("aarch64", "arm64")
IS_KNOWN = (ON_INTEL or ON_ARM) and not is_disabled()
BIT = 1 << 4 if ON_INTEL else 1 << 3
WORD, HALF = ir.IntType(64), ir.IntType(32)


def status(builder: Any) -> Any:
    """The status of the thread, and its type."""
    if ON_INTEL:
        place = cgutils.alloca_once(builder, HALF)
        call_with(builder, "stmxcsr", place)
        return builder.load(place)
    kind = ir.FunctionType(WORD, [])
    return builder.asm(kind, "mrs $0, fpsr", "=r", [], side_effect=True)


def set_status(builder: Any, value: Any) -> None:
    if ON_INTEL:
        call_with(builder, "ldmxcsr", cgutils.alloca_once_value(builder, value))
    else:
        builder.asm(ir.FunctionType(ir.VoidType(), [WORD]), "msr fpsr, $0", "r", [value], side_effect=True)


def call_with(builder: Any, name: str, place: Any) -> None:
    kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t])
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.sse.{name}")
    builder.call(function, [builder.bitcast(place, cgutils.voidptr_t)])


def watching(typing_context, results):
    """`watch_underflow` as machine code."""

    def generate(context, builder, signature, arguments):
        if IS_KNOWN:
            value = status(builder)
            set_status(builder, builder.and_(value, value.type(~BIT)))
        return context.get_dummy_value()

    return types.void(results), generate


def asking(typing_context, results):
    """`saw_underflow` as machine code."""

    def generate(context, builder, signature, arguments):
        if not IS_KNOWN:
            return cgutils.true_bit
        value = status(builder)
        return builder.icmp_unsigned("!=", builder.and_(value, value.type(BIT)), value.type(0))

    return types.boolean(results), generate


def _watch_underflow(results: Any) -> None:
    """`watch_underflow` where the loops run as Python."""


def _saw_underflow(results: Any) -> bool:
    """`saw_underflow` where the loops run as Python."""
    return True


watch_underflow = _watch_underflow if is_disabled() else intrinsic(watching)
saw_underflow = _saw_underflow if is_disabled() else intrinsic(asking)
