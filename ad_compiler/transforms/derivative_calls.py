"""Calls of derivatives, in a program that is differentiated: each becomes the call of another derivative.

    g = f_grad(x)       ->      g, g_dot = f_grad_jvp(x, x_dot)                 forwards
                                x_bar = f_grad_vjp(x, g_bar)                    in the reverse sweep

What these functions are is the matter of `transforms.derivative_functions`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ad_compiler.analysis.layout import is_array
from ad_compiler.analysis.types import ArrayType, Axis
from ad_compiler.ir import Call, Operand, Value
from ad_compiler.rules.shapes import type_of
from ad_compiler.transforms.copying_functions import Lengths
from ad_compiler.transforms.cotangents import Cotangents, finished, is_zero, name_cotangent, zero_like

if TYPE_CHECKING:
    from ad_compiler.transforms.differentiate import ReverseSweep
    from ad_compiler.transforms.forward import ForwardSweep


def push_derivative(sweep: ForwardSweep, call: Call) -> None:
    """Call the derivative with its own derivative along the tangents of its arguments."""
    derivatives = call.function.derivatives
    assert derivatives is not None
    places = active_places(call, sweep.active)
    if places:
        call.function = derivatives.tangent(places).function
        results = list(call.results)
        call.arguments += [sweep.tangent_of(call.arguments[place]) for place in places]
        for result in results:
            tangent = Value(ArrayType(type_of(result).dtype, type_of(result).shape))
            tangent.operation = call
            call.results.append(tangent)
            if result in sweep.active:
                sweep.know(result, tangent)
    sweep.builder.append(call)


def reverse_derivative(sweep: ReverseSweep, call: Call, seeds: list[Operand], cotangents: Cotangents) -> None:
    """Append the call of the pullback of a derivative, and add what it contributes."""
    derivatives = call.function.derivatives
    assert derivatives is not None
    known = {
        place: finished(sweep.context, result, seed)
        for place, (result, seed) in enumerate(zip(call.results, seeds, strict=True))
        if seed is not None and not is_zero(seed)
    }
    pullback = derivatives.pullback(active_places(call, sweep.active), tuple(known))
    if not pullback.targets:
        return  # what has a cotangent does not depend on what is active
    pulled = Call(
        pullback.derivatives.function,
        pullback.arguments(call.arguments, known, lambda n: zero_like(sweep.context, call.results[n])),
        [],
        call.statement,
        call.place,
    )
    contributions = []
    for place in pullback.targets:
        argument = call.arguments[place]
        cotangent = Value(ArrayType(type_of(argument).dtype, type_of(argument).shape))
        cotangent.operation = pulled
        pulled.results.append(cotangent)
        name_cotangent(argument, cotangent)
        contributions.append((argument, cotangent))
    sweep.builder.append(pulled)
    for argument, cotangent in contributions:
        sweep.add(cotangents, argument, cotangent)


def active_places(call: Call, active: set[Value]) -> tuple[int, ...]:
    return tuple([place for place, each in enumerate(call.arguments) if each in active])


def results_of_call(call: Call) -> list[Value]:
    """What stands for the results of a call."""
    parameters = [parameter.structure for parameter in call.function.parameters]
    axes: dict[Axis, Axis] = {}
    for parameter, argument in zip(parameters, call.arguments, strict=True):
        if isinstance(parameter.type, ArrayType) and parameter.type.rank:
            axes.update(zip(parameter.type.shape, type_of(argument).shape, strict=True))
    lengths = Lengths(axes, dict(zip(parameters, call.arguments, strict=True)), inputs=False)
    for operand in call.function.returned:
        result = Value(lengths.kind(type_of(operand)))
        result.immutable = not is_array(operand)
        result.operation = call
        call.results.append(result)
    return call.results
