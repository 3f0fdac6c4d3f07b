"""`a.reshape((n, m))` of contiguous arrays, in few instructions.

    a.reshape((n, m))       is n or m below 0, or n * m not the size of a? ValueError
                            the same memory, with other lengths

Numba looks for a length of -1 first, in a function of its own, and writes a case for arrays that are not
contiguous. Native code knows all lengths.
"""
# mypy: allow-untyped-calls, disable-error-code="misc,attr-defined"
# Numba has no types.

from __future__ import annotations

from typing import Any

from llvmlite.ir import Constant
from numba.core import cgutils, lowering, types

from ad_compiler.backends.native.numba_extensions.whole_numbers import count_of_words, words

OTHER_SIZE = "total size of new array must be unchanged"


class Reshaping(lowering.Lower):
    """Lowers such calls by itself, and leaves everything else to Numba."""

    def lower_expr(self, resty: Any, expr: Any) -> Any:
        if expr.op == "call" and len(expr.args) == 1 and not expr.kws and not expr.vararg:
            called = self.typeof(expr.func.name)
            if is_reshaping(called, self.typeof(expr.args[0].name)):
                return self.reshaped(resty, called.this, self.loadvar(expr.func.name), expr.args[0])
        return super().lower_expr(resty, expr)

    def reshaped(self, kind: Any, given_kind: Any, given: Any, lengths: Any) -> Any:
        """The array with other lengths."""
        from numba.np import arrayobj

        builder, context = self.builder, self.context
        source = context.make_array(given_kind)(context, builder, given)
        shape = words(builder, self.typeof(lengths.name), self.loadvar(lengths.name))
        word = shape[0].type
        strides, size, is_wrong = [source.itemsize], Constant(word, 1), Constant(cgutils.bool_t, 0)
        for length in reversed(shape):
            strides.insert(0, builder.mul(strides[0], length))
            size = builder.mul(size, length)
            is_wrong = builder.or_(is_wrong, builder.icmp_signed("<", length, word(0)))
        is_wrong = builder.or_(is_wrong, builder.icmp_signed("!=", size, source.nitems))
        with builder.if_then(is_wrong, likely=False):
            context.call_conv.return_user_exc(builder, ValueError, (OTHER_SIZE,))
        array = arrayobj.make_array(kind)(context, builder)
        arrayobj.populate_array(
            array,
            data=source.data,
            shape=shape,
            strides=strides[1:],
            itemsize=source.itemsize,
            meminfo=source.meminfo,
            parent=source.parent,
        )
        made = array._getvalue()
        self.incref(kind, made)
        return made


def is_reshaping(called: Any, lengths: Any) -> bool:
    if not isinstance(called, types.BoundFunction) or called.typing_key != "array.reshape":
        return False
    return called.this.layout == "C" and count_of_words(lengths) > 0
