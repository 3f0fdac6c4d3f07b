"""Which operations have a form as loops; all others are calls of a library (`library.py`).

What decides is the operation with the kinds of its operands: `a * b` of complex numbers has a form, `a % b`
of unsigned numbers has none.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from ad_compiler.analysis.types import ArrayType, TupleType
from ad_compiler.backends.native.lowering import arithmetic
from ad_compiler.backends.native.nests import Scalar
from ad_compiler.ir import Operand, Operation
from ad_compiler.refusal import Refusal
from ad_compiler.rules.shapes import rank_of, type_of
from ad_compiler.traversal import values_in


def names(text: str) -> frozenset[str]:
    return frozenset(text.split())


ELEMENTWISE_CONSTANTS = names(
    """
    and_ bitwise_and bitwise_or bitwise_xor ceil eq equal fix floor floor_divide floordiv ge greater
    greater_equal gt invert isclose isfinite isinf isnan le left_shift less less_equal logical_and
    logical_not logical_or logical_xor lshift lt ne not not_equal or_ right_shift rint rshift sign
    signbit trunc xor around round int bool rounded bit_length
    """
)
"""Elementwise operations that have no derivative."""

OF_COMPLEX = names(
    """
    sum mean prod cumsum trace matmul dot inner tensordot einsum concatenate stack array asarray astype
    reshape ravel flatten getitem index_add index_set transpose swapaxes moveaxis expand_dims squeeze
    broadcast_to sum_where_broadcast flip copy ascontiguousarray sliding_window_view diagonal diag tril triu
    zeros ones empty full eye identity zeros_like ones_like empty_like full_like length size outer roll repeat
    tile pad diff item
    """
)
"""Whose loops hold for complex numbers too; elementwise operations are asked one by one."""

LIMITS: dict[str, Callable[[Operation], bool]] = {
    "ravel": lambda node: node.arguments[1] == "C",
    "flatten": lambda node: node.arguments[1] == "C",
    "roll": lambda node: node.arguments[2] is not None or rank_of(node.arguments[0]) == 1,
    "repeat": lambda node: node.arguments[2] is not None or rank_of(node.arguments[0]) == 1,
    "outer": lambda node: rank_of(node.arguments[0]) == rank_of(node.arguments[1]) == 1,
    "diff": lambda node: type_of(node.result).dtype.kind != "b",
    "sort": lambda node: False,
}
"""What the loops of an operation ask of it."""

CASTS = frozenset(
    {"astype", "float64", "float32", "float", "int", "bool", "item", "real", "imag", "conjugate"}
)
KNOWN_TEXTS = ("np.linalg.norm", "np.lib.stride_tricks.sliding_window_view")


def has_loops(node: Operation) -> bool:
    """Whether the operation has a form as loops."""
    kind, name = node.result.type, node.primitive.name
    if isinstance(kind, TupleType) or is_foreign(node):
        return False
    if not isinstance(kind, ArrayType):
        return True
    if name in CASTS:
        return has_scalar_form(node, node.arguments[:1])
    pulled, others = names_with_loops()
    if name in ELEMENTWISE_CONSTANTS or (node.primitive.kind == "elementwise" and name not in pulled):
        return has_scalar_form(node, node.arguments)
    operands = [value.type for value in values_in(node.arguments)]
    is_complex = any(isinstance(each, ArrayType) and each.dtype.kind == "c" for each in (*operands, kind))
    stays = name in OF_COMPLEX and (kind.dtype.kind == "c" or name in ("length", "size"))
    if is_complex and not stays:
        return False
    limit = LIMITS.get(name)
    return (name in pulled or name in others) and (limit is None or limit(node))


def has_scalar_form(node: Operation, arguments: tuple[Operand, ...]) -> bool:
    """Whether an element of the result can be written as an expression: it is tried."""
    operands = [operand for operand in arguments if operand is not None]
    if any(isinstance(each, (str, dict)) for each in operands):
        return False
    parts = [Scalar(f"part{n}") for n in range(len(operands))]
    try:
        arithmetic.elementwise(node, operands, parts, [type_of(operand) for operand in operands])
    except Refusal:
        return False
    return True


@functools.cache
def names_with_loops() -> tuple[frozenset[str], frozenset[str]]:
    """The names of what is read element by element, and of what has loops of its own."""
    from ad_compiler.backends.native.lowering.program import NESTED
    from ad_compiler.backends.native.lowering.pulls import PULLS

    return frozenset(PULLS), frozenset(NESTED) | {"reshape", "flatten", "index_add", "index_set"}


def is_foreign(node: Operation) -> bool:
    """Whether a function is not one of NumPy's own namespace: another may have the same name."""
    text = node.primitive.text
    return (text.count(".") > 1 and text not in KNOWN_TEXTS) or text.startswith(("scipy", "time"))
