"""The tangent of a call whose function is given by a definition in simpler functions.

    y = np.trapezoid(x)    ->    y = np.trapezoid(x)
                                 y_dot = np.sum(0.5 * (x_dot[1:] + x_dot[:-1]))

The definition is lowered behind the call, over values that stand for the arguments, and pushed forward there by a
sweep of its own (`reverse_definitions` is the same in reverse mode).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ad_compiler.ir import (
    Block,
    Operand,
    Operation,
    Value,
    inputs_of,
    map_values,
    nodes_in,
    substitute,
    values_in,
)
from ad_compiler.transforms.reverse_definitions import lower_apart

if TYPE_CHECKING:
    from ad_compiler.transforms.forward import ForwardSweep


def forward_definition(sweep: ForwardSweep, node: Operation) -> Operand:
    """The tangent of a call; None where it is zero."""
    from ad_compiler.transforms.forward import ForwardSweep

    builder = sweep.builder
    statement, place = builder.statement, builder.place
    block, result, actual = lower_apart(sweep.context, node)
    tangents = {value: sweep.tangents[a] for value, a in actual.items() if a in sweep.tangents}
    inner = ForwardSweep(sweep.context, block, tangents, {})
    inner.unread = unread_parts(block, result)
    inner.run(block)
    builder.statement, builder.place = statement, place
    tangent = inner.tangents.get(result) if isinstance(result, Value) else None
    known: dict[Value, Operand] = dict(actual)
    substitute(block, known)
    builder.block.operations += block.operations
    return map_values(lambda value: known.get(value, value), tangent)


def unread_parts(block: Block, result: Operand) -> set[Value]:
    """The parts that tuples were unpacked into and that nobody reads."""
    nodes = list(nodes_in(block))
    read = {*values_in(result), *(value for node in nodes for value in inputs_of(node))}
    made = [node.result for node in nodes if isinstance(node, Operation) and node.primitive.name == "part_of"]
    return {part for part in made if part not in read}
