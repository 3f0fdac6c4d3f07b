"""Lowers the body of a derivative rule right where it is needed, for both modes."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from ad_compiler.analysis.zeros import may_hold_zeros
from ad_compiler.builder import Builder
from ad_compiler.errors import Unsupported
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.inlining import inline
from ad_compiler.ir import Operand, Operation, Shortcut, Value
from ad_compiler.rules.notation import registry
from ad_compiler.rules.shapes import type_of


def apply_rule(
    context: Context, node: Operation, given: dict[str, Operand], wanted: frozenset[int] | None
) -> Operand:
    """Lower the rule of an operation; only the `wanted` items of the tuple it returns."""
    primitive = node.primitive
    assert primitive.rule is not None
    needs = {name: operand for name, operand in given.items() if name in primitive.needs}
    context.wanted = None if wanted is None else (context.depth + 1, wanted)
    return lower_rule(context, node, primitive.rule, list(node.arguments), needs, flavour_of(node))


def apply_shortcut(context: Context, shortcut: Shortcut, wanted: frozenset[int]) -> tuple[Operand, ...]:
    """Lower the partial derivatives of a gate."""
    node = shortcut.result.operation
    assert isinstance(node, Operation)
    context.wanted = (context.depth + 1, wanted)
    flavour = "math." if type_of(shortcut.result).python else "np."
    partials = lower_rule(context, node, shortcut.partials, list(shortcut.inputs), shortcut.given, flavour)
    return partials if isinstance(partials, tuple) else (partials,)


def flavour_of(node: Operation) -> str:
    """The spelling of the functions in the body of a rule."""
    text = node.primitive.text
    return "math." if text.startswith("math.") else "np." if text else "operator"


def lower_rule(
    context: Context,
    node: Operation,
    rule: Any,
    arguments: list[Operand],
    needs: dict[str, Operand],
    flavour: str,
) -> Operand:
    """Run the body of a rule over the operands of an operation."""
    before = context.in_rule
    context.in_rule = flavour
    source, place = node.place if node.place is not None else (context.here.source, context.here.source.node)
    try:
        if hasattr(rule, "inline_in"):  # a derivative of the user's own
            return rule.inline_in(context, place, arguments, needs)
        return inline(context, place, rule, arguments, needs)
    except Unsupported as error:
        raise source.refuse(place, error.reason, error.advice) from None
    finally:
        context.in_rule = before
        context.wanted = None


def guarded_product(builder: Builder, factor: Operand, partial: Operand, singular: bool) -> Operand:
    """`factor * partial`, where an exact zero of a (co)tangent that was not selected stays zero."""
    if partial is None:
        return 0.0
    if not isinstance(partial, Value) or not isinstance(factor, Value):
        return builder.call(registry[operator.mul], (factor, partial))
    chosen = factor.operation
    if isinstance(chosen, Operation) and chosen.primitive.name == "select" and 0.0 in chosen.arguments[1:]:
        condition, *sides = chosen.arguments  # strong where 0 is selected; the other side may hold zeros, too
        sides = [side if side == 0.0 else guarded_product(builder, side, partial, singular) for side in sides]
        return builder.call(registry["select"], (condition, *sides))
    product = builder.call(registry[operator.mul], (factor, partial))
    node = product.operation if isinstance(product, Value) else None
    if isinstance(node, Operation) and node.primitive.name == "select":
        return product  # the selection was moved outwards, and is strong
    if not (singular or may_hold_zeros(factor)):
        return product
    return builder.call(registry["select"], (differs_from_zero(builder, factor), product, 0.0))


def differs_from_zero(builder: Builder, factor: Value) -> Operand:
    """The condition `factor != 0`, of a factor without its sign."""
    node = factor.operation
    if isinstance(node, Operation) and node.primitive.name == "neg" and isinstance(node.arguments[0], Value):
        return differs_from_zero(builder, node.arguments[0])
    return builder.call(registry[operator.ne], (factor, 0))


def is_singular(node: Operation) -> bool:
    """Whether a partial derivative may be infinite where the operation itself is finite."""
    singular = node.primitive.singular
    return singular(*node.arguments) if callable(singular) else singular


def positions(wanted: Sequence[bool]) -> frozenset[int]:
    return frozenset(i for i, flag in enumerate(wanted) if flag)
