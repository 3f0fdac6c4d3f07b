"""Sums over axes that may have been stretched by broadcasting, as derivatives write them.

    b_bar += (g.sum(axis=0, keepdims=True) if b.shape[0] == 1 else g)

Both sides fit `b`, but they do not have one shape: as a branch it would be refused. It is one operation,
with a derivative of its own, so that derivatives can be differentiated again.
"""

from __future__ import annotations

import ast

from ad_compiler.analysis.types import ArrayType, Axis, Identity, Length, is_one
from ad_compiler.frontend.context import Context, lower
from ad_compiler.frontend.operations import operation
from ad_compiler.ir import Operand, Operation, Value
from ad_compiler.rules.notation import registry
from ad_compiler.rules.shapes import shape_of


def stretched_sum(context: Context, node: ast.IfExp, condition: Operand) -> Operand | None:
    """The sum, if the expression is one, and the condition is known only at run time."""
    test = condition.operation if isinstance(condition, Value) else None
    if not isinstance(test, Operation) or test.primitive.name != "eq":
        return None
    match node:
        case ast.IfExp(
            test=ast.Compare(ops=[ast.Eq()], comparators=[ast.Constant(value=int(one))]),
            body=ast.Call(
                func=ast.Attribute(value=summed, attr="sum"),
                args=[],
                keywords=[
                    ast.keyword(arg="axis", value=ast.Constant(value=int(axis))),
                    ast.keyword(arg="keepdims", value=ast.Constant(value=True)),
                ],
            ),
            orelse=other,
        ) if ast.dump(summed) == ast.dump(other):
            pass
        case _:
            return None
    array, count = lower(context, summed), test.arguments[0]
    if not isinstance(count, Value) or not isinstance(array, Value) or not isinstance(array.type, ArrayType):
        return None
    kind = array.type
    if kind.dtype.kind not in "fc" or not 0 <= axis < kind.rank or is_one(kind.shape[axis]):
        return None
    arguments = (array, count, one, axis, length_left(array, count, one))
    return operation(context, node, registry["sum_where_broadcast"], arguments)


def length_left(array: Value, count: Value, one: int) -> Axis:
    """How long the axis is afterwards: as what was measured; else 1, or what it was."""
    measured = count.operation
    if one == 1 and isinstance(measured, Operation) and measured.primitive.name == "length":
        of, axis = measured.arguments
        return shape_of(of)[axis]
    return Length(("stretched", Identity(array), Identity(count)), may_be_one=True)
