"""New arrays, `np.empty` and `np.zeros` of lengths that are whole numbers, in few instructions.

    np.empty((n, m))        is n or m below 0, or the size too large? ValueError
                            memory of the size; data and lengths of the new array

Numba compiles a function for every rank and type of lengths, and three more that it calls: a tenth of the
time of a compilation. What is raised is the same: `ValueError`, or `MemoryError` where there is no memory.
"""
# mypy: allow-untyped-calls, disable-error-code="misc,attr-defined"
# Numba has no types.

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite.ir import Constant
from numba.core import cgutils, lowering, types
from numba.core.typing.templates import signature

from ad_compiler.backends.native.numba_extensions.whole_numbers import count_of_words, words

FUNCTIONS: tuple[Any, ...] = (np.empty, np.zeros)
TOO_BIG = "array is too big; `arr.size * arr.dtype.itemsize` is larger than the maximum possible size."
NEGATIVE = "negative dimensions are not allowed"


def allocation(function: Any, args: Any, kws: Any) -> Any:
    """The signature of such a call; None for another one."""
    if not is_allocating(function) or kws or not 0 < len(args) < 3:
        return None
    from numba.core.typing import npydecl  # here: it takes long, and is there already where code is compiled

    rank = count_of_words(args[0])
    dtype = types.float64 if len(args) == 1 else npydecl.parse_dtype(args[1])
    if dtype is None or not rank:
        return None
    return signature(types.Array(dtype, rank, "C"), *args)


def is_allocating(called: Any) -> bool:
    return isinstance(called, types.Function) and called.typing_key in FUNCTIONS


class Allocating(lowering.Lower):
    """Lowers such calls by itself, and leaves everything else to Numba."""

    def lower_expr(self, resty: Any, expr: Any) -> Any:
        if expr.op == "call" and is_allocating(self.typeof(expr.func.name)):
            kinds = [self.typeof(each.name) for each in expr.args]
            if not expr.vararg and allocation(self.typeof(expr.func.name), kinds, expr.kws) is not None:
                is_zeros = self.typeof(expr.func.name).typing_key is np.zeros
                return self.allocated(resty, expr.args[0], is_zeros)
        return super().lower_expr(resty, expr)

    def allocated(self, kind: Any, lengths: Any, is_zeros: bool) -> Any:
        """A new array."""
        from numba.np import arrayobj

        builder, context = self.builder, self.context
        shape = words(builder, self.typeof(lengths.name), self.loadvar(lengths.name))
        word = shape[0].type
        itemsize = Constant(word, arrayobj.get_itemsize(context, kind))
        negative = too_big = Constant(cgutils.bool_t, 0)
        count: Any = Constant(word, 1)
        for length in shape:
            negative = builder.or_(negative, builder.icmp_signed("<", length, word(0)))
        for factor in (*shape, itemsize):
            product = builder.smul_with_overflow(count, factor)
            count = builder.extract_value(product, 0)
            too_big = builder.or_(too_big, builder.extract_value(product, 1))
        for is_wrong, message in ((negative, NEGATIVE), (too_big, TOO_BIG)):
            with builder.if_then(is_wrong, likely=False):
                context.call_conv.return_user_exc(builder, ValueError, (message,))
        strides = [itemsize]
        for length in reversed(shape[1:]):
            strides.insert(0, builder.mul(strides[0], length))
        align = context.get_preferred_array_alignment(kind.dtype)
        memory = context.nrt.meminfo_alloc_aligned(builder, count, align)
        data = context.nrt.meminfo_data(builder, memory)
        if is_zeros:
            cgutils.memset(builder, data, count, 0)
        array = arrayobj.make_array(kind)(context, builder)
        pointer = builder.bitcast(data, context.get_data_type(kind.dtype).as_pointer())
        arrayobj.populate_array(
            array, data=pointer, shape=shape, strides=strides, itemsize=itemsize, meminfo=memory
        )
        return array._getvalue()
