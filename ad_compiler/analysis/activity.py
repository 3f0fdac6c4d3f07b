"""Which values carry a derivative.

A value is active when it depends, through differentiable operations, on an input that is
differentiated. Only active values get a cotangent; for all others no code is made (Griewank and
Walther, section 6.2).
"""

from __future__ import annotations

from collections.abc import Iterable

from ad_compiler.ir import Block, Branch, Call, Function, Loop, Operand, Operation, PullbackCall, Value
from ad_compiler.traversal import function_of, values_in

Entered = tuple[Function, ...]  # the functions around that are gone through just now


def active_values(
    block: Block, inputs: Iterable[Value], blocked: frozenset[Value] = frozenset()
) -> set[Value]:
    """The active values; those in `blocked` are known to carry no derivative."""
    active = set(inputs)
    _visit(block, active, blocked, ())
    return active


def _visit(block: Block, active: set[Value], blocked: frozenset[Value], entered: Entered) -> None:
    for node in block.operations:
        if isinstance(node, Loop):
            _visit_loop(node, active, blocked, entered)
        elif isinstance(node, Call):
            _visit_call(node, active, blocked, entered)
        elif isinstance(node, PullbackCall):
            _visit_pullback(node, active, blocked, entered)
        elif not isinstance(node, (Operation, Branch)):
            continue
        elif isinstance(node, Branch):
            _visit(node.then, active, blocked, entered)
            _visit(node.otherwise, active, blocked, entered)
            for result, *sides in zip(node.results, node.then.results, node.otherwise.results, strict=True):
                _join(result, sides, active)
        elif (
            isinstance(node, Operation)
            and node.result.type.differentiable
            and node.result not in blocked
            and any(v in active for v in differentiable_inputs(node))
        ):
            active.add(node.result)


def _visit_loop(loop: Loop, active: set[Value], blocked: frozenset[Value], entered: Entered) -> None:
    """What a turn yields may be active only because of a turn before: go round until nothing is added."""
    before = -1
    while len(active) > before:
        before = len(active)
        for value, *sources in zip(loop.carried, loop.initial, loop.body.results, strict=True):
            _join(value, sources, active)
        _visit(loop.body, active, blocked, entered)
    for result, *sources in zip(loop.results, loop.initial, loop.body.results, strict=True):
        _join(result, sources, active)


def _visit_call(call: Call, active: set[Value], blocked: frozenset[Value], entered: Entered) -> None:
    """The function that is called, for all of its calls: go round until nothing is added."""
    function = call.function
    if function.derivatives is not None:
        for result in call.results:
            _join(result, call.arguments, active)
        return
    for parameter, argument in zip(function.parameters, call.arguments, strict=True):
        _join(parameter.structure, (argument,), active)
    _visit_until_settled(function, function.forward, active, blocked, entered)
    for result, operand in zip(call.results, function.result, strict=False):
        _join(result, (operand,), active)


def _visit_pullback(
    call: PullbackCall, active: set[Value], blocked: frozenset[Value], entered: Entered
) -> None:
    """The pullback of a function that has been gone through, for all of its calls."""
    function = function_of(call)
    assert function.reverse is not None
    for seed, cotangent in zip(function.seed, call.cotangents, strict=True):
        _join(seed, (cotangent,), active)
    _visit_until_settled(function, function.reverse, active, blocked, entered)
    for result, operand in zip(call.results, function.reverse_result, strict=True):
        _join(result, (operand,), active)


def _visit_until_settled(
    function: Function, block: Block, active: set[Value], blocked: frozenset[Value], entered: Entered
) -> None:
    before = -1
    while function not in entered and len(active) > before:
        before = len(active)
        _visit(block, active, blocked, (*entered, function))


def _join(value: Value, sources: Iterable[Operand], active: set[Value]) -> None:
    if value.type.differentiable and any(v in active for v in values_in(tuple(sources))):
        active.add(value)


def differentiable_inputs(operation: Operation) -> Iterable[Value]:
    """The values among the arguments that the operation's rule differentiates."""
    primitive = operation.primitive
    if primitive.variadic:
        return () if primitive.rule is None else values_in(operation.arguments)
    wanted = [
        argument
        for name, argument in zip(primitive.parameters, operation.arguments, strict=True)
        if name in primitive.differentiable
    ]
    return values_in(wanted)
