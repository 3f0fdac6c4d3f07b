"""Expressions: syntax nodes to operands."""

from __future__ import annotations

import ast
import operator
from typing import Any

import numpy as np

from ad_compiler.analysis.layout import is_array
from ad_compiler.analysis.types import STRING, ArrayType, same_length
from ad_compiler.frontend import attributes, lists
from ad_compiler.frontend.aliases import current, object_of
from ad_compiler.frontend.branches import choose
from ad_compiler.frontend.calls import call_operand
from ad_compiler.frontend.context import Context, Given, handles, lower
from ad_compiler.frontend.objects import is_value
from ad_compiler.frontend.operations import describe_any, elements_of, evaluate, operation
from ad_compiler.frontend.scope import Undecided, locate
from ad_compiler.frontend.statements import assign, local_function
from ad_compiler.frontend.stretched import stretched_sum
from ad_compiler.frontend.undecided import settled
from ad_compiler.ir import Operand, Operation, Record, Value, values_in
from ad_compiler.refusal import Refusal
from ad_compiler.rules.list_elements import is_list
from ad_compiler.rules.notation import constant, registry
from ad_compiler.rules.shapes import rank_of, shape_of

BINARY: dict[type[ast.operator], Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.MatMult: operator.matmul,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
}
UNARY: dict[type[ast.unaryop], Any] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: operator.invert,
}
COMPARE: dict[type[ast.cmpop], Any] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


@handles(ast.Constant)
def constant_expression(context: Context, node: ast.Constant) -> Operand:
    return node.value


@handles(Given)
def given(context: Context, node: Given) -> Operand:
    return node.operand


@handles(ast.Name)
def name(context: Context, node: ast.Name) -> Operand:
    scope = context.here.find(node.id)
    if scope is not None:
        operand = settled(context, scope, node.id)
        if isinstance(operand, Undecided):
            raise context.refuse(
                node, f"what `{node.id}` is here is not known: {operand.reason}", operand.advice
            )
        return current(context, operand)
    outermost = context.here
    location = locate(outermost.function, node.id)
    if location is None:
        raise context.refuse(node, f"the name `{node.id}` is not defined", "define it before it is used")
    return context.read(location)


@handles(ast.BinOp)
def binary(context: Context, node: ast.BinOp) -> Operand:
    left, right = lower(context, node.left), lower(context, node.right)
    return apply_binary(context, node, BINARY[type(node.op)], left, right)


def is_container(operand: Operand) -> bool:
    return isinstance(operand, (tuple, list, str, dict))


def is_number(operand: Operand) -> bool:
    return isinstance(operand, (bool, int, float, complex, np.generic))


def apply_binary(context: Context, node: ast.AST, function: Any, left: Operand, right: Operand) -> Operand:
    made = lists.sum_of(context, node, function, left, right)
    if made is not None:
        return made
    if (is_list(left) and is_numpy(right)) or (is_list(right) and is_numpy(left)):
        left, right = lists.given(context, node, function, [left, right])
    if not isinstance(left, Value) and not isinstance(right, Value):
        if (
            is_number(left)
            and is_number(right)
            and not (context.in_rule or (is_whole(left) and is_whole(right)))
        ):
            return operation(context, node, registry[function], (left, right))
        if (is_number(left) and is_number(right)) or is_container(left) or is_container(right):
            return evaluate(context, node, function, left, right)
    for operand in (left, right):
        if isinstance(operand, (Record, str, dict)) or operand is None:
            raise context.refuse(
                node, f"{describe_any(operand)} stands where a number or an array is needed", "use its parts"
            )
    primitive = registry[function]
    if context.in_rule == "np." and function in (operator.truediv, operator.pow) and all_python(left, right):
        primitive = registry[np.true_divide if function is operator.truediv else np.power]
    return operation(context, node, primitive, (left, right))


def is_numpy(operand: Operand) -> bool:
    """Whether an operand is an array or one of NumPy's numbers, which makes an array of a list."""
    return isinstance(operand, Value) and isinstance(operand.type, ArrayType) and not operand.type.python


def is_whole(operand: Operand) -> bool:
    return isinstance(operand, (bool, int, np.integer))


def all_python(*operands: Operand) -> bool:
    """Whether NumPy must divide, not Python: a NumPy function never raises, so its rule must not."""
    return all(
        isinstance(o.type, ArrayType) and o.type.python if isinstance(o, Value) else True for o in operands
    )


@handles(ast.UnaryOp)
def unary(context: Context, node: ast.UnaryOp) -> Operand:
    operand = lists.truth_of(context, node, lower(context, node.operand))
    if isinstance(node.op, ast.Not):
        if isinstance(operand, Value):
            return operation(context, node, registry["not"], (operand,))
        return not operand
    function = UNARY[type(node.op)]
    if isinstance(operand, Value):
        return operation(context, node, registry[function], (operand,))
    return evaluate(context, node, function, operand)


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


@handles(ast.IfExp)
def conditional(context: Context, node: ast.IfExp) -> Operand:
    condition = lower(context, node.test)
    summed = stretched_sum(context, node, condition)
    if summed is not None:
        return summed
    return choose(
        context, node, condition, lambda: lower(context, node.body), lambda: lower(context, node.orelse)
    )


@handles(ast.Tuple, ast.List)
def sequence(context: Context, node: ast.Tuple | ast.List) -> Operand:
    items: list[Operand] = []
    for element in node.elts:
        if isinstance(element, ast.Starred):
            items.extend(elements_of(context, element, lower(context, element.value)))
        else:
            items.append(lower(context, element))
    return tuple(items) if isinstance(node, ast.Tuple) else items


@handles(ast.Dict)
def dictionary(context: Context, node: ast.Dict) -> Operand:
    result: dict[Any, Operand] = {}
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            inner = lower(context, value)
            if not isinstance(inner, dict):
                raise context.refuse(
                    value, "what is merged is not a dict known while compiling", "write its items"
                )
            result.update(inner)
            continue
        name = lower(context, key)
        if isinstance(name, (Value, list, dict, Record)):
            raise context.refuse(key, "a key is not known while compiling", "use constant keys")
        result[name] = lower(context, value)
    return result


@handles(ast.Subscript)
def subscript(context: Context, node: ast.Subscript) -> Operand:
    if isinstance(node.value, ast.Attribute) and node.value.attr == "flat":
        container = flat_elements(context, node.value)
    else:
        container = lower(context, node.value)
    index = lower(context, node.slice)
    return attributes.item(context, node, container, index)


def flat_elements(context: Context, node: ast.Attribute) -> Operand:
    """What `a.flat[...]` selects from: the elements in order, as a copy."""
    owner = lower(context, node.value)
    if not isinstance(owner, Value):
        return attributes.get(context, node, owner, "flat")
    return operation(context, node, registry[np.ndarray.flatten], (owner, "C"), method=True)


@handles(ast.Slice)
def slice_expression(context: Context, node: ast.Slice) -> Operand:
    return slice(
        *[None if part is None else lower(context, part) for part in (node.lower, node.upper, node.step)]
    )


@handles(ast.Attribute)
def attribute(context: Context, node: ast.Attribute) -> Operand:
    return attributes.get(context, node, lower(context, node.value), node.attr)


@handles(ast.Call)
def call(context: Context, node: ast.Call) -> Operand:
    from ad_compiler.frontend.comprehensions import with_rows

    node = with_rows(context, node)
    positional, keywords = arguments_of(context, node)
    if isinstance(node.func, ast.Attribute):
        owner = lower(context, node.func.value)
        return attributes.call_method(context, node, owner, node.func.attr, positional, keywords)
    return call_operand(context, node, lower(context, node.func), positional, keywords)


def arguments_of(context: Context, node: ast.Call) -> tuple[list[Operand], dict[str, Operand]]:
    """The arguments of a call, those unpacked from containers included."""
    positional: list[Operand] = []
    for argument in node.args:
        if isinstance(argument, ast.Starred):
            positional.extend(elements_of(context, argument, lower(context, argument.value)))
        else:
            positional.append(lower(context, argument))
    keywords: dict[str, Operand] = {}
    for keyword in node.keywords:
        value = lower(context, keyword.value)
        if keyword.arg is not None:
            keywords[keyword.arg] = value
        elif isinstance(value, dict):
            keywords.update(value)
        else:
            raise context.refuse(
                keyword.value, "what `**` unpacks is not known while compiling", "name the arguments"
            )
    return [current(context, each) for each in positional], {
        name: current(context, each) for name, each in keywords.items()
    }


@handles(ast.NamedExpr)
def walrus(context: Context, node: ast.NamedExpr) -> Operand:
    operand = lower(context, node.value)
    scope = context.here
    while scope.comprehension and scope.enclosing is not None:
        scope = scope.enclosing
    inner, context.scope = context.here, scope
    try:
        assign(context, node.target, operand)
    finally:
        context.scope = inner
    return operand


@handles(ast.Lambda)
def local_lambda(context: Context, node: ast.Lambda) -> Operand:
    return local_function(context, node)


@handles(ast.Starred)
def starred(context: Context, node: ast.Starred) -> Operand:
    raise context.refuse(node, "a starred expression stands alone", "put it into a tuple, a list or a call")


@constant("format", infer=lambda *parts: STRING, variadic=True)
def formatted(*parts: Any) -> None: ...


@handles(ast.JoinedStr)
def format_string(context: Context, node: ast.JoinedStr) -> Operand:
    parts: list[Operand] = []
    for part in node.values:
        if isinstance(part, ast.Constant):
            parts.append(part.value)
            continue
        assert isinstance(part, ast.FormattedValue)
        spec = ""
        if part.format_spec is not None:
            spec = lower(context, part.format_spec)
            if not isinstance(spec, str):
                raise context.refuse(
                    node, "a format is not known while compiling", "write the format as a constant"
                )
        parts.append((lower(context, part.value), part.conversion, spec))
    if not is_value(parts):
        raise context.refuse(node, "an iterator or an object is put into a text", "use the numbers in it")
    if all(isinstance(part, str) for part in parts):
        return "".join(parts)
    return operation(context, node, registry["format"], tuple(parts))
