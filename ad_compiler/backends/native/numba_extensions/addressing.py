"""Elements of contiguous arrays, read and written in few instructions.

    x[i, j]         data and lengths of x from its memory; data[i * lengths[1] + j]

Numba copies all that describes an array for every access, takes it apart and computes the steps along all
axes: more than fifty instructions, which LLVM reduces to these ten. To write them and to reduce them took
half of the time of a compilation. What they mean is the same: a subscript below 0 counts from the end.
"""
# mypy: allow-untyped-calls, disable-error-code="misc,attr-defined"
# Numba has no types.

from __future__ import annotations

from typing import Any

from llvmlite.ir import Constant
from numba.core import lowering, types

from ad_compiler.backends.native.numba_extensions.peeling import constant
from ad_compiler.backends.native.numba_extensions.whole_numbers import count_of_words, words


class Addressing(lowering.Lower):
    """Lowers such accesses by itself, and leaves everything else to Numba."""

    def lower_expr(self, resty: Any, expr: Any) -> Any:
        if expr.op in ("getitem", "static_getitem"):
            index = expr.index if expr.op == "getitem" else expr.index_var
            place = self.element(expr.value, index)
            if place is not None:
                kind = self.typeof(expr.value.name)
                return self.context.unpack_value(self.builder, kind.dtype, place, alignment(kind))
        return super().lower_expr(resty, expr)

    def lower_setitem(self, target_var: Any, index_var: Any, value_var: Any, signature: Any) -> Any:
        place = self.element(target_var, index_var)
        if place is None:
            return super().lower_setitem(target_var, index_var, value_var, signature)
        kind = self.typeof(target_var.name)
        value = self.loadvar(value_var.name)
        value = self.context.cast(self.builder, value, self.typeof(value_var.name), kind.dtype)
        self.context.pack_value(self.builder, kind.dtype, value, place, alignment(kind))
        return None

    def element(self, array: Any, index: Any) -> Any:
        """A pointer to an element; None for another access."""
        kind = self.typeof(array.name)
        is_array = isinstance(kind, types.Array) and kind.layout == "C" and array.name in self.varmap
        if not is_array or index is None or self.context.enable_boundscheck:
            return None
        index_type = self.typeof(index.name)
        if not count_of_words(index_type) == kind.ndim > 0:
            return None
        builder = self.builder
        subscripts = words(builder, index_type, self.loadvar(index.name))
        described, model = self.getvar(array.name), self.context.data_model_manager[kind]
        zero = Constant(self.context.get_value_type(types.int32), 0)
        data_at, shape_at = (zero.type(model.get_field_position(name)) for name in ("data", "shape"))
        at = None
        for axis, subscript in enumerate(subscripts):
            known = constant(subscript)
            may_be_below = known is None or known < 0
            if axis or may_be_below:
                place = builder.gep(described, [zero, shape_at, zero.type(axis)], inbounds=True)
                length = builder.load(place)
            if may_be_below:
                is_below = builder.icmp_signed("<", subscript, subscript.type(0))
                subscript = builder.select(is_below, builder.add(subscript, length), subscript)
            at = subscript if at is None else builder.add(builder.mul(at, length), subscript)
        data = builder.load(builder.gep(described, [zero, data_at], inbounds=True))
        return builder.gep(data, [at])


def alignment(kind: Any) -> int | None:
    return None if kind.aligned else 1
