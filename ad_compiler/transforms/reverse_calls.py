"""The reverse of a call: the function returns its pullback too, which remembers all it needs.

    rest = power(x, n - 1)      ->      rest, pullback = power(x, n - 1)        in the forward sweep
                                        x_bar = pullback(rest_bar)              in the reverse sweep

The variables of every call live on in its pullback, so the calls of a recursion are their own tape
(Pearlmutter and Siskind, Reverse-mode AD in a functional framework (2008)). The function is
differentiated once, for all the arguments that are active in any of its calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ad_compiler.analysis.types import ArrayType, ObjectType
from ad_compiler.analysis.zeros import may_hold_unselected
from ad_compiler.ir import Block, Call, Function, Operand, PullbackCall, Value
from ad_compiler.rules.shapes import type_of
from ad_compiler.transforms.cotangents import Cotangents, finished, is_zero, name_cotangent
from ad_compiler.transforms.derivative_calls import reverse_derivative
from ad_compiler.traversal import functions_called, values_in

if TYPE_CHECKING:
    from ad_compiler.transforms.differentiate import ReverseSweep

PULLBACK = ObjectType("pullback")


def reverse_call(sweep: ReverseSweep, call: Call, cotangents: Cotangents) -> None:
    """Append the call of a pullback, and add what it contributes."""
    function, builder = call.function, sweep.builder
    seeds = [cotangents.pop(result, None) for result in call.results]
    if all(seed is None or is_zero(seed) for seed in seeds):
        return
    if function.derivatives is not None:
        reverse_derivative(sweep, call, seeds, cotangents)
        return
    given: list[Operand] = []
    for result, operand, seed in zip(call.results, function.result, seeds, strict=False):
        if operand in sweep.active:
            if seed is None or may_hold_unselected(seed):
                note(sweep.unselected, operand, function)
            given.append(finished(sweep.context, result, seed))
    differentiate_function(sweep, function)
    pullback = pullback_of(call)
    contributions: list[tuple[Value, Value]] = []
    pulled = PullbackCall(pullback, given, [], call.statement, call.place)
    for parameter, argument in zip(function.parameters, call.arguments, strict=True):
        if parameter.structure not in sweep.reached:
            continue
        kind = type_of(parameter.structure)
        shape = type_of(argument).shape if isinstance(argument, Value) else ()
        cotangent = Value(ArrayType(kind.dtype, shape))
        cotangent.operation = pulled
        cotangent.holds_zeros = parameter.structure in sweep.unselected
        pulled.results.append(cotangent)
        if isinstance(argument, Value):
            name_cotangent(argument, cotangent)
            cotangent.name = cotangent.name or f"{parameter.name}_bar"
            contributions.append((argument, cotangent))
    builder.append(pulled)
    for argument, cotangent in contributions:
        sweep.add(cotangents, argument, cotangent)


def pullback_of(call: Call) -> Value:
    """The pullback of a call, its last result."""
    if not call.results or call.results[-1].type is not PULLBACK:
        pullback = Value(PULLBACK, "pullback")
        pullback.operation = call
        call.results.append(pullback)
    return call.results[-1]


def note(known: set[Value], value: Value, function: Function) -> None:
    """Know one thing more of a parameter or result: the function has to be differentiated with it in mind."""
    if value not in known:
        known.add(value)
        function.reverse = None


def differentiate_function(sweep: ReverseSweep, function: Function) -> None:
    """Add the reverse sweep to a function, if it has none.

    At first no parameter is taken to be reached by a cotangent, and none to hold the zeros of `where`.
    Where a round shows more, the next one goes by that.
    """
    if function.reverse is not None or function in sweep.entered:
        return
    sweep.entered.append(function)
    while function.reverse is None:
        function.reverse = Block()
        reached, unselected = len(sweep.reached), set(sweep.unselected)
        add_reverse(sweep, function, function.reverse)
        if len(sweep.reached) > reached:  # zeros may have stood for cotangents that were not known
            sweep.unselected.intersection_update(unselected)
            for called in [function, *functions_called(function, derivatives=False)]:
                called.reverse = None
    sweep.entered.remove(function)


def add_reverse(sweep: ReverseSweep, function: Function, block: Block) -> None:
    builder, context = sweep.builder, sweep.context
    statement = builder.statement
    cotangents: Cotangents = {}
    function.seed = []
    results: list[Operand] = []
    with builder.separately(block):
        for operand in function.result:
            if operand in sweep.active:
                seed = seed_of(operand, {each.access for each in function.seed})
                seed.holds_zeros = operand in sweep.unselected
                function.seed.append(seed)
                sweep.add(cotangents, operand, seed)
        sweep.block(function.forward, cotangents)
        builder.statement = None
        for value in values_in([parameter.structure for parameter in function.parameters]):
            cotangent = cotangents.get(value)
            if cotangent is not None and not is_zero(cotangent):
                note(sweep.reached, value, function)
                if may_hold_unselected(cotangent):
                    note(sweep.unselected, value, function)
            if value in sweep.reached:
                results.append(finished(context, value, cotangent))
    builder.statement = statement
    function.reverse_result = results
    function.mirrors, function.indices = sweep.mirrors, sweep.indices


def seed_of(value: Value, taken: set[str | None]) -> Value:
    """The parameter of a pullback for the cotangent of one result."""
    wanted = f"{value.name or 'result'}_bar"
    name, number = wanted, 0
    while name in taken:
        number += 1
        name = f"{wanted}_{number}"
    seed = Value(ArrayType(type_of(value).dtype, type_of(value).shape), name, name)
    seed.cotangent_of = value
    return seed
