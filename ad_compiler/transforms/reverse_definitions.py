"""The reverse of a call whose function is given by a definition in simpler functions.

    y = np.trapezoid(x)        # y = 0.5 * np.sum(x[1:] + x[:-1])
                       ->      total_bar = 0.5 * y_bar
                               x_bar[1:] = total_bar
                               x_bar[:-1] += total_bar

The definition is lowered into the reverse sweep, over values that stand for the arguments, and
differentiated there by a sweep of its own. What it computes and its derivative does not read is dead code;
the forward sweep keeps the call as the user wrote it, with NumPy's own rounding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ad_compiler.frontend.calls import lower_definition, with_lists_as_arrays
from ad_compiler.ir import Block, Branch, Loop, Operand, Operation, Value, map_values, substitute, values_in
from ad_compiler.transforms.cotangents import Cotangents

if TYPE_CHECKING:
    from ad_compiler.transforms.differentiate import ReverseSweep


def reverse_definition(
    sweep: ReverseSweep, node: Operation, cotangent: Operand
) -> list[tuple[Value, Operand]]:
    """The contributions of a call to the cotangents of its arguments."""
    from ad_compiler.transforms.differentiate import ReverseSweep

    context, builder = sweep.context, sweep.builder
    stands_for = {argument: Value(argument.type) for argument in values_in(node.arguments)}
    actual: dict[Value, Operand] = {value: argument for argument, value in stands_for.items()}
    active = [stands_for[argument] for argument in stands_for if argument in sweep.active]
    source, place = node.place or (context.here.source, context.here.source.node)
    block = Block()
    cotangents: Cotangents = {}
    assert node.primitive.rule is not None
    with builder.apart(block):
        arguments = map_values(lambda value: stands_for[value], node.arguments)
        arguments = with_lists_as_arrays(context, node.primitive, arguments)
        result = lower_definition(context, place, node.primitive.rule, arguments, {})
        inner = ReverseSweep(context, block, active, {})
        if any(isinstance(made, (Branch, Loop)) for made in block.operations):
            raise source.refuse(place, "its definition depends on numbers", "write it out")
        if isinstance(result, Value):
            if result in actual:  # the definition is the identity: the cotangent is this call's own
                cotangents[result] = cotangent
            else:
                inner.add(cotangents, result, cotangent)
        inner.block(block, cotangents)
    substitute(block, actual)
    builder.block.operations += block.operations
    contributions = [(value, cotangents.get(value)) for value in active]
    return [
        (actual[value], map_values(lambda each: actual.get(each, each), contribution))
        for value, contribution in contributions
        if contribution is not None
    ]
