"""Expressions: syntax nodes to operands."""

from __future__ import annotations

import ast
import operator
from typing import Any

import numpy as np

from ad_compiler.analysis.types import STRING, ArrayType
from ad_compiler.frontend import attributes, lists
from ad_compiler.frontend.aliases import current
from ad_compiler.frontend.branches import choose
from ad_compiler.frontend.calls import call_operand
from ad_compiler.frontend.context import Context, Given, handles, lower
from ad_compiler.frontend.objects import is_value
from ad_compiler.frontend.operations import describe_any, elements_of, evaluate, operation
from ad_compiler.frontend.scope import Undecided, locate
from ad_compiler.frontend.statements import assign, local_function
from ad_compiler.frontend.stretched import stretched_sum
from ad_compiler.frontend.undecided import settled
from ad_compiler.ir import Operand, Record, Value
from ad_compiler.rules.list_elements import is_list
from ad_compiler.rules.notation import constant, registry

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
    items = listed(context, node.elts)
    return tuple(items) if isinstance(node, ast.Tuple) else items


def listed(context: Context, elements: list[ast.expr]) -> list[Operand]:
    """What stands in brackets, behind a star the items of a container."""
    items: list[Operand] = []
    for element in elements:
        if isinstance(element, ast.Starred):
            items.extend(elements_of(context, element, lower(context, element.value)))
        else:
            items.append(lower(context, element))
    return items


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
    positional = listed(context, node.args)
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
