"""Forward over reverse: the tangents of a gradient, which are the product of the Hessian and a vector.

    y = x * x * x                       y = x * x * x
    x_bar = 3.0 * (x * x)       ->      x_bar_dot = 6.0 * x * vector

The forward sweep goes over both sweeps of a differentiated program. What the reverse sweep reads of a turn
of a loop, and of its tangent, is put on one tape afterwards. (Pearlmutter, Fast exact multiplication by the
Hessian, 1994; Griewank and Walther, Evaluating Derivatives (2008), section 5.1.)
"""

from __future__ import annotations

from functools import partial

from ad_compiler.analysis.shift import shift_maxima
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.program import Lowered
from ad_compiler.ir import Block, Function, Operand, Parameter, Shortcut, Value
from ad_compiler.transforms.apply_definitions import unread_parts
from ad_compiler.transforms.forward import ForwardSweep
from ad_compiler.transforms.forward_program import derivative_of_output, tangent_input
from ad_compiler.transforms.tangent_names import vector_name
from ad_compiler.traversal import map_values, values_in


def push_gradient_forward(
    lowered: Lowered,
    argnums: tuple[str, ...],
    single: bool,
    gradients: Operand,
    shortcuts: dict[Value, Shortcut],
) -> Operand:
    """Differentiate a program and its reverse sweep in place: the tangents of its gradients.

    The vector becomes an argument behind those given by position: one for each of `argnums`.
    """
    function, context = lowered.function, lowered.context
    assert function.reverse is not None
    name = vector_name([each.name for each in function.parameters])
    tangents: dict[Value, Operand] = {}
    parts = []
    for place, argument in enumerate(argnums):
        given = next(each for each in function.parameters if each.name == argument)
        access = name if single else f"{name}[{place}]"
        parts.append(map_values(partial(tangent_input, access), given.structure))
        differentiated = values_in(lowered.differentiated[argument])
        tangents.update(zip(differentiated, values_in(parts[-1]), strict=True))
    blocked = frozenset(shift_maxima(function.forward, function.result))
    product = push_sweeps(context, function, tangents, gradients, shortcuts, blocked)
    positional = [each for each in function.parameters if each.kind.startswith("positional")]
    for each in positional:
        each.default = None  # one that follows has none
    structure = parts[0] if single else tuple(parts)
    function.parameters.insert(len(positional), Parameter(name, structure, "positional"))
    return product


def push_sweeps(
    context: Context,
    function: Function,
    tangents: dict[Value, Operand],
    outputs: Operand,
    shortcuts: dict[Value, Shortcut],
    blocked: frozenset[Value],
) -> Operand:
    """Differentiate both sweeps of a program in place, along `tangents`: the tangents of these outputs."""
    assert function.reverse is not None
    both = Block([*function.forward.operations, *function.reverse.operations])
    sweep = ForwardSweep(context, both, tangents, shortcuts, blocked)
    sweep.unread = unread_parts(both, (function.result, outputs))
    builder = context.builder
    with (
        builder.generating(),
        builder.separately(Block()),
        sweep.rewriting(function.forward),
        sweep.rewriting(function.reverse),
    ):
        builder.statement = None
        product = derivative_of_output(sweep, outputs)
    builder.block = function.reverse
    return product
