"""Tangents through calls: a function takes those of its arguments, and returns those of its results.

    rest = power(x, n - 1)          ->      rest, rest_dot = power(x, n - 1, x_dot)

Of a function that is differentiated already, the pullback takes the tangents of the cotangents that it is
given, and returns those of the cotangents that it gives. It remembers a call, the tangents in it included:

    rest, pullback = power(x, n - 1)        rest, rest_dot, pullback = power(x, n - 1, x_dot)
    x_bar = pullback(rest_bar)      ->      x_bar, x_bar_dot = pullback(rest_bar, rest_bar_dot)

A function is differentiated once, for all that is active in any of its calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ad_compiler.analysis.types import ArrayType
from ad_compiler.closures import add_parameters
from ad_compiler.ir import Block, Call, Function, Operand, PullbackCall, Value
from ad_compiler.rules.shapes import type_of
from ad_compiler.transforms.derivative_calls import push_derivative
from ad_compiler.traversal import function_of

if TYPE_CHECKING:
    from ad_compiler.transforms.forward import ForwardSweep


def push_call(sweep: ForwardSweep, call: Call) -> None:
    """Pass the tangents of the arguments, and receive those of the results."""
    function = call.function
    if function.derivatives is not None:
        push_derivative(sweep, call)
        return
    if function not in sweep.entered:
        sweep.entered.add(function)
        push_function(sweep, function)
    parameters = [parameter.structure for parameter in function.parameters]
    call.arguments += passed(sweep, parameters, call.arguments)
    pullback = call.results[len(sweep.results[function]) :]
    values = call.results[: len(sweep.results[function])]
    call.results[:] = [*values, *received(sweep, call, sweep.results[function]), *pullback]
    sweep.builder.append(call)


def push_pullback(sweep: ForwardSweep, call: PullbackCall) -> None:
    """Pass the tangents of the cotangents, and receive those of the cotangents that it gives."""
    function = function_of(call)
    call.cotangents += passed(sweep, function.seed, call.cotangents)
    call.results += received(sweep, call, sweep.gradients[function])
    sweep.builder.append(call)


def passed(sweep: ForwardSweep, parameters: list[Value], arguments: list[Operand]) -> list[Operand]:
    """The tangents of the arguments whose parameters are active."""
    active = [
        argument
        for parameter, argument in zip(parameters, arguments, strict=False)
        if parameter in sweep.active
    ]
    return [sweep.tangent_of(argument) for argument in active]


def received(sweep: ForwardSweep, call: Call | PullbackCall, returned: list[Operand]) -> list[Value]:
    """What stands for the tangents of the results: of each that is active in any call of the function."""
    found = []
    for result, operand in zip(call.results, returned, strict=False):
        if operand in sweep.active:
            tangent = Value(ArrayType(type_of(result).dtype, type_of(result).shape))
            tangent.operation = call
            found.append(tangent)
            sweep.know(result, tangent)
    return found


def push_function(sweep: ForwardSweep, function: Function) -> None:
    """Give a function, and its pullback if it has one, more parameters and results."""
    builder = sweep.builder
    statement = builder.statement
    sweep.results[function] = list(function.result)
    sweep.gradients[function] = list(function.reverse_result or ())
    tangents = [
        tangent_parameter(sweep, parameter.structure, f"{parameter.name}_dot")
        for parameter in function.parameters
        if parameter.structure in sweep.active
    ]
    add_parameters(function, tangents)
    with builder.separately(Block()), sweep.rewriting(function.forward):
        results = tangents_of(sweep, function.result)
        if function.reverse is not None:
            push_reverse(sweep, function, function.reverse)
    function.result = [*function.result, *results]
    builder.statement = statement


def push_reverse(sweep: ForwardSweep, function: Function, reverse: Block) -> None:
    """Differentiate the pullback of a function, whose forward sweep has tangents by now."""
    taken = {seed.access for seed in function.seed}
    for seed in list(function.seed):
        if seed in sweep.active:
            name, number = f"{seed.access}_dot", 0
            while name in taken:
                number += 1
                name = f"{seed.access}_dot_{number}"
            taken.add(name)
            tangent = tangent_parameter(sweep, seed, name)
            tangent.access = name
            function.seed.append(tangent)
    with sweep.rewriting(reverse):
        gradients = tangents_of(sweep, function.reverse_result)
    function.reverse_result = [*function.reverse_result, *gradients]


def tangent_parameter(sweep: ForwardSweep, value: Value, name: str) -> Value:
    tangent = Value(ArrayType(type_of(value).dtype, type_of(value).shape), name)
    tangent.immutable = value.immutable
    sweep.tangents[value] = tangent
    return tangent


def tangents_of(sweep: ForwardSweep, operands: list[Operand]) -> list[Operand]:
    return [sweep.tangent_of(operand) for operand in operands if operand in sweep.active]
