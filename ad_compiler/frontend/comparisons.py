"""Comparisons, `is` and `in`, and what joins them: `and`, `or`, `not`.

Numbers and arrays are compared by operations of the graph, containers item by item. What is known while
compiling is decided there, and what is behind it is left out as Python leaves it out.
"""

from __future__ import annotations

import ast
import operator
from typing import Any

from ad_compiler.analysis.layout import is_array
from ad_compiler.analysis.types import ArrayType, same_length
from ad_compiler.frontend import lists
from ad_compiler.frontend.aliases import object_of
from ad_compiler.frontend.branches import choose
from ad_compiler.frontend.context import Context, handles, lower
from ad_compiler.frontend.operations import evaluate, operation
from ad_compiler.ir import Operand, Operation, Record, Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.notation import constant, registry
from ad_compiler.rules.shapes import rank_of, shape_of
from ad_compiler.traversal import values_in

COMPARE: dict[type[ast.cmpop], Any] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


@handles(ast.Compare)
def compare(context: Context, node: ast.Compare) -> Operand:
    left = lower(context, node.left)
    return compare_rest(context, node, left, list(zip(node.ops, node.comparators, strict=True)))


def compare_rest(
    context: Context, node: ast.Compare, left: Operand, rest: list[tuple[ast.cmpop, ast.expr]]
) -> Operand:
    """`a < b < c` is `a < b and b < c`, with `b` evaluated once."""
    (op, comparator), *others = rest
    right = lower(context, comparator)
    result = compare_two(context, node, op, left, right)
    if not others:
        return result
    return choose(context, node, result, lambda: compare_rest(context, node, right, others), lambda: result)


def is_same(context: Context, node: ast.AST, left: Operand, right: Operand) -> bool:
    """`left is right`, where that is known."""
    if left is right or not (is_array(left) and is_array(right)):
        return left is right
    first, second = object_of(context, left), object_of(context, right)
    if first is not second and all(
        value.access is not None or value in context.choices for value in (first, second)
    ):
        raise context.refuse(
            node, "whether two names hold the same array is known at run time only", "compare the elements"
        )
    return first is second


def compare_two(context: Context, node: ast.AST, op: ast.cmpop, left: Operand, right: Operand) -> Operand:
    if isinstance(op, (ast.Is, ast.IsNot)):
        return is_same(context, node, left, right) is isinstance(op, ast.Is)
    if isinstance(op, (ast.In, ast.NotIn)):
        if isinstance(left, Value) or not isinstance(right, (tuple, list, dict, str, set, frozenset, range)):
            raise context.refuse(
                node, "membership is not known while compiling", "compare with `==`, or use `np.isin`"
            )
        if any(isinstance(item, Value) for item in right):
            raise context.refuse(
                node, "membership is not known while compiling", "compare the elements with `==`"
            )
        return (left in right) is isinstance(op, ast.In)
    function = COMPARE[type(op)]
    if same_number(left, right):
        return bool(function(0, 0))
    if any(isinstance(side, (tuple, list, dict, Record)) and any(values_in(side)) for side in (left, right)):
        return compare_containers(context, node, op, left, right)
    if not isinstance(left, Value) and not isinstance(right, Value):
        return evaluate(context, node, function, left, right)
    if (left is None or right is None) and isinstance(op, (ast.Eq, ast.NotEq)):
        return isinstance(op, ast.NotEq)
    return operation(context, node, registry[function], (left, right))


def same_number(left: Operand, right: Operand) -> bool:
    """Whether both are one whole number: lengths that NumPy has found to be equal among them."""
    if not isinstance(left, Value) or not isinstance(right, Value):
        return False
    if left is right:
        return isinstance(left.type, ArrayType) and left.type.rank == 0 and left.type.dtype.kind in "bi"
    axes = [
        shape_of(node.arguments[0])[node.arguments[1]]
        for node in (left.operation, right.operation)
        if isinstance(node, Operation) and node.primitive.name == "length"
    ]
    return len(axes) == 2 and same_length(*axes)


def compare_containers(
    context: Context, node: ast.AST, op: ast.cmpop, left: Operand, right: Operand
) -> Operand:
    """`x.shape == (n, 3)`: whether all items are equal, one after the other as Python compares them."""
    if not isinstance(op, (ast.Eq, ast.NotEq)):
        raise context.refuse(node, "containers are ordered by numbers in them", "compare the numbers")
    if isinstance(left, Value) or isinstance(right, Value) or isinstance(left, (dict, Record)):
        raise context.refuse(node, "a container with numbers in it is compared", "compare its items")
    equal: Operand = type(left) is type(right) and len(left) == len(right)
    pairs = list(zip(left, right, strict=True)) if equal else []
    pairs.sort(key=lambda pair: any(values_in(pair)))  # what is known decides first
    for one, other in pairs:
        if any(is_array(side) for side in (one, other)):
            raise context.refuse(node, "a container with arrays in it is compared", "compare the arrays")

        def items_equal(one: Operand = one, other: Operand = other) -> Operand:
            return compare_two(context, node, ast.Eq(), one, other)

        equal = choose(context, node, equal, items_equal, lambda: False)
    if isinstance(op, ast.Eq):
        return equal
    return operation(context, node, registry["not"], (equal,)) if isinstance(equal, Value) else not equal


@constant("not", infer=lambda a: _truth(a))
def logical_not(a: Any) -> None: ...


def _truth(a: Any) -> ArrayType:
    from ad_compiler.analysis.types import BOOL

    if rank_of(a) > 0:
        raise Refusal("the truth of an array is ambiguous", "use `.any()`, `.all()` or `np.logical_not`")
    return BOOL


@handles(ast.BoolOp)
def boolean(context: Context, node: ast.BoolOp) -> Operand:
    return boolean_rest(context, node, node.values)


def boolean_rest(context: Context, node: ast.BoolOp, values: list[ast.expr]) -> Operand:
    first = lower(context, values[0])
    if len(values) == 1:
        return first
    first = lists.truth_of(context, values[0], first)
    if isinstance(node.op, ast.And):
        return choose(context, node, first, lambda: boolean_rest(context, node, values[1:]), lambda: first)
    return choose(context, node, first, lambda: first, lambda: boolean_rest(context, node, values[1:]))
