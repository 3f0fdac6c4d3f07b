"""The transpose of a linear piece of program: it makes a pullback of a pushforward, and the other way round.

The piece is lowered for inputs that nobody gives, and differentiated backwards with respect to them. Being
linear, its derivative reads nothing of those inputs but their shapes, which those of the stand-ins are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ad_compiler.frontend.context import Context
from ad_compiler.ir import Block, Call, Loop, Operand, Operation, Value
from ad_compiler.refusal import Refusal
from ad_compiler.transforms.dead_code import remove_dead_code
from ad_compiler.transforms.differentiate import ReverseSweep
from ad_compiler.traversal import nodes_in, substitute

Pairs = list[tuple[Value, Operand]]


def transpose(
    context: Context, lower: Callable[[], Pairs], inputs: Sequence[Value], stand_ins: Sequence[Operand]
) -> list[Operand]:
    """The cotangents of `inputs`, from those of what `lower` gives, each beside its cotangent."""
    builder = context.builder
    block = Block()
    with builder.inside(block):
        pairs = lower()
        forward = Block(list(block.operations))
        if any(isinstance(node, (Loop, Call)) for node in nodes_in(forward)):
            raise Refusal("a derivative rule with a loop is transposed", "give a rule for this mode, too")
        cotangents = ReverseSweep(context, forward, inputs, {}).run(forward, pairs)
    found = [cotangents.get(each) for each in inputs]
    remove_dead_code([block], found)
    substitute(block, dict(zip(inputs, stand_ins, strict=True)))
    for node in block.operations:
        if isinstance(node, Operation):
            builder.remember(node)
    builder.block.operations += block.operations
    return found
