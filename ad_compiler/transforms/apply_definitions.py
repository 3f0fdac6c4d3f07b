"""The derivative of a call whose function is given by a definition in simpler functions.

    y = np.trapezoid(x)        # y = 0.5 * np.sum(x[1:] + x[:-1])
                       ->      total_bar = 0.5 * y_bar
                               x_bar[1:] = total_bar
                               x_bar[:-1] += total_bar

The definition is lowered over values that stand for the arguments, and differentiated by a sweep of its own.
What it computes and its derivative does not read is dead code; the call is kept as the user wrote it, with
NumPy's own rounding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ad_compiler.frontend.calls import lower_definition, with_lists_as_arrays
from ad_compiler.frontend.context import Context
from ad_compiler.ir import Block, Branch, Loop, Operand, Operation, Value
from ad_compiler.transforms.cotangents import Cotangents
from ad_compiler.traversal import inputs_of, map_values, nodes_in, substitute, values_in

if TYPE_CHECKING:
    from ad_compiler.transforms.differentiate import ReverseSweep
    from ad_compiler.transforms.forward import ForwardSweep


@dataclass(frozen=True, slots=True)
class Body:
    """A definition lowered for one call: its operations, and the values that stand for the arguments."""

    block: Block
    result: Operand
    stands_for: dict[Value, Value]  # an argument -> the value in the body

    def actual(self, operand: Operand) -> Operand:
        """What the body computes, in terms of the arguments."""
        arguments = {value: argument for argument, value in self.stands_for.items()}
        return map_values(lambda value: arguments.get(value, value), operand)


@contextmanager
def lowered(context: Context, node: Operation) -> Iterator[Body]:
    """The body of a definition, to be differentiated inside; then its operations are in the program."""
    stands_for = {argument: Value(argument.type) for argument in values_in(node.arguments)}
    source, place = node.place or (context.here.source, context.here.source.node)
    builder, block, rule = context.builder, Block(), node.primitive.rule
    assert rule is not None
    with builder.apart(block):
        arguments = map_values(lambda value: stands_for[value], node.arguments)
        arguments = with_lists_as_arrays(context, node.primitive, arguments)
        result = lower_definition(context, place, rule, arguments, {})
        if any(isinstance(made, (Branch, Loop)) for made in block.operations):
            raise source.refuse(place, "its definition depends on numbers", "write it out")
        yield Body(block, result, stands_for)
    substitute(block, {value: argument for argument, value in stands_for.items()})
    builder.block.operations += block.operations


def reverse_definition(
    sweep: ReverseSweep, node: Operation, cotangent: Operand
) -> list[tuple[Value, Operand]]:
    """The contributions of a call to the cotangents of its arguments."""
    from ad_compiler.transforms.differentiate import ReverseSweep

    cotangents: Cotangents = {}
    with lowered(sweep.context, node) as body:
        active = {argument: value for argument, value in body.stands_for.items() if argument in sweep.active}
        inner = ReverseSweep(sweep.context, body.block, list(active.values()), {})
        if body.result in body.stands_for.values():  # the identity: the cotangent is this call's own
            cotangents[body.result] = cotangent
        elif isinstance(body.result, Value):
            inner.add(cotangents, body.result, cotangent)
        inner.block(body.block, cotangents)
    return [
        (argument, body.actual(cotangents[value]))
        for argument, value in active.items()
        if cotangents.get(value) is not None
    ]


def push_definition(sweep: ForwardSweep, node: Operation) -> Operand:
    """The tangent of a call."""
    from ad_compiler.transforms.forward import ForwardSweep

    with lowered(sweep.context, node) as body:
        moving: Iterable[Value] = [each for each in body.stands_for if each in sweep.tangents]
        tangents = {body.stands_for[each]: sweep.tangents[each] for each in moving}
        inner = ForwardSweep(sweep.context, body.block, tangents, {})
        inner.unread = unread_parts(body.block, body.result)
        with sweep.builder.apart(Block()), inner.rewriting(body.block):
            pass
        tangent = inner.tangents.get(body.result) if isinstance(body.result, Value) else None
    return body.actual(tangent)


def unread_parts(block: Block, result: Operand) -> set[Value]:
    """The parts that tuples were unpacked into and that nobody reads: their tangents are not asked for."""
    nodes = list(nodes_in(block))
    read = {*values_in(result), *(value for node in nodes for value in inputs_of(node))}
    made = [node.result for node in nodes if isinstance(node, Operation) and node.primitive.name == "part_of"]
    return {part for part in made if part not in read}
