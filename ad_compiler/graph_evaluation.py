"""The graphs of a program: `f.graph`, and `f.graph_at` with the numbers of one evaluation.

An evaluation runs the compiler's own program, forward and reverse sweep, made to return every
value and every cotangent instead of the result alone. It is taken before dead code is removed and
without shortcuts over gates, so that every gate of the user's program is there. What only one side
of a branch computes is None behind the branch when the other side was taken:

    if x > 0:                     if x > 0:
        y = sin(x) * x    ->          t = sin(x)
    else:                             y = t * x
        y = 0.0                   else:
                                      y, t = 0.0, None

What is inside of a loop has another value in every turn, and none is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ad_compiler.analysis.types import is_one
from ad_compiler.backends.loader import load, module_text
from ad_compiler.backends.numpy.emit import emit
from ad_compiler.closures import close_all
from ad_compiler.errors import Unsupported
from ad_compiler.frontend.program import Lowered, lower_program
from ad_compiler.frontend.source import read_source
from ad_compiler.graph import Graph
from ad_compiler.graph_drawing import GraphDrawer
from ad_compiler.ir import Block, Branch, Call, Loop, Operand, Operation, Record, Value
from ad_compiler.pipeline import Request, check_scalar, name_functions, primal_name
from ad_compiler.refusal import NeedsConstant
from ad_compiler.rules.notation import registry
from ad_compiler.rules.shapes import rank_of, type_of
from ad_compiler.transforms.cotangents import Cotangents, may_be_unbound
from ad_compiler.transforms.dead_code import remove_dead_code
from ad_compiler.transforms.differentiate import ReverseSweep
from ad_compiler.transforms.tape import record
from ad_compiler.traversal import functions_called, modules_of, results_of, values_in

Recorded = tuple[Value, Operand, Block]  # a value, what is known of it, and the block that knows it


def graph_of(request: Request, arguments: Mapping[str, Any]) -> Graph:
    """The graph of the program for arguments of these kinds; raises `Unsupported`."""
    return GraphDrawer(lowered_program(request, arguments)).draw(primal_name(request.primal))


def graph_at(
    request: Request, arguments: Mapping[str, Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Graph:
    """The graph with the values and gradients of one evaluation; raises `Unsupported`.

    The gradients are those of the result (under `vjp` of the sum of its elements), with respect to
    every real number and array that comes in; where one has no derivative there (the exponent of a
    negative number), with respect to the arguments asked for.
    """
    try:
        return evaluated(request, arguments, args, kwargs, every_input=True)
    except (Unsupported, ArithmeticError, ValueError):
        return evaluated(request, arguments, args, kwargs, every_input=False)


def evaluated(
    request: Request,
    arguments: Mapping[str, Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    every_input: bool,
) -> Graph:
    lowered = lowered_program(request, arguments)
    drawer = GraphDrawer(lowered)
    graph = drawer.draw(primal_name(request.primal))
    evaluation = Evaluation(request, lowered, every_input=every_input)
    evaluation.run(args, kwargs)
    for value, wire in drawer.wires.items():
        if value in evaluation.values:
            wire.value, wire.gradient = evaluation.value(value), evaluation.gradient(value)
    mark_evaluated(graph)
    return graph


def mark_evaluated(graph: Graph) -> None:
    """A graph and the sides of its branches, but not the turns of its loops."""
    graph.evaluated = True
    for node in graph.nodes:
        if node.kind == "branch":
            for side in node.inside.values():
                mark_evaluated(side)


def lowered_program(request: Request, arguments: Mapping[str, Any]) -> Lowered:
    """The forward sweep alone, all of its operations kept."""
    source = read_source(request.primal)
    constants: frozenset[str] = frozenset()
    while True:
        try:
            return lower_program(
                request.primal, source, arguments, request.argnums, constants, request.bound_self
            )
        except NeedsConstant as needed:
            if needed.access in constants:
                raise
            constants |= {needed.access}


def examples(lowered: Lowered) -> dict[str, Any]:
    """Arguments of the kinds a program was made for; symbolic lengths become 2."""
    read = {capture.name for capture in lowered.context.captures.values()}
    parameters = [p for p in lowered.function.parameters if p.name not in read]
    return {parameter.name: example(parameter.structure) for parameter in parameters}


def example(structure: Operand) -> Any:
    if isinstance(structure, Record):
        return structure.cls(**{name: example(part) for name, part in structure.fields.items()})
    if isinstance(structure, (tuple, list)):
        return type(structure)(map(example, structure))
    if isinstance(structure, dict):
        return {key: example(part) for key, part in structure.items()}
    if not isinstance(structure, Value):
        return structure
    kind = type_of(structure)
    if kind.python:
        return {"i": 1, "f": 1.0}[kind.dtype.kind]
    return np.ones([1 if is_one(axis) else 2 for axis in kind.shape], kind.dtype)


class RecordingSweep(ReverseSweep):
    """A reverse sweep that remembers the cotangent of every value, and the block it is known in."""

    def __init__(self, lowered: Lowered, inputs: list[Value]) -> None:
        super().__init__(lowered.context, lowered.function.forward, inputs, {})
        self.recorded: list[Recorded] = []

    def operation(self, node: Operation, cotangent: Operand, cotangents: Cotangents) -> None:
        self.recorded.append((node.result, cotangent, self.builder.block))
        super().operation(node, cotangent, cotangents)

    def branch(self, node: Branch, cotangents: Cotangents) -> None:
        self.remember(node, cotangents)
        super().branch(node, cotangents)

    def loop(self, node: Loop, cotangents: Cotangents) -> None:
        self.remember(node, cotangents)
        super().loop(node, cotangents)

    def call(self, node: Call, cotangents: Cotangents) -> None:
        self.remember(node, cotangents)
        super().call(node, cotangents)

    def remember(self, node: Branch | Loop | Call, cotangents: Cotangents) -> None:
        for result in node.results:
            if result in cotangents:
                self.recorded.append((result, cotangents[result], self.builder.block))


class Evaluation:
    """The program made to return every value and cotangent, and what one run of it returned."""

    def __init__(self, request: Request, lowered: Lowered, *, every_input: bool) -> None:
        function, builder = lowered.function, lowered.context.builder
        given = [value for parameter in function.parameters for value in values_in(parameter.structure)]
        inputs = list(values_in(lowered.differentiated))
        if every_input:
            inputs += [value for value in given if value.type.differentiable and value not in inputs]
        function.reverse = builder.block = Block()
        sweep = RecordingSweep(lowered, inputs)
        cotangents = sweep.run(function.forward, seeds(request, lowered).items())
        builder.statement = None
        known = [(value, value, function.forward) for value in given] + made_in(function.forward)
        pulled = [(value, bar, function.reverse) for value, bar in cotangents.items()] + sweep.recorded
        values, gradients = exported(function.forward, known), exported(function.reverse, pulled)
        function.result, function.reverse_result = list(values.values()), list(gradients.values())
        function.name = f"{primal_name(request.primal)}_graph"
        function.mirrors, function.indices = sweep.mirrors, sweep.indices
        for called in functions_called(function):
            remove_dead_code(called.blocks, (called.result, called.reverse_result), inside=True)
        close_all(function)
        for each in [function, *functions_called(function)]:
            record(each, repeated=False)
        name_functions(function)
        self.function = function
        self.captures = lowered.context.captures.values()
        self.active = sweep.active
        self.values: dict[Value, Any] = dict.fromkeys(values)
        self.gradients: dict[Value, Any] = dict.fromkeys(gradients)

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Run the program on these arguments."""
        text = module_text(emit(self.function), modules_of(self.function))
        run = load(text, self.function.name, reads={}, guard=None, miss="", namespace={})
        parameters = {parameter.name for parameter in self.function.parameters}
        captures = {c.name: c.read() for c in self.captures if c.name in parameters}
        with np.errstate(all="ignore"):  # what is inf or NaN is seen in the drawing
            values, gradients = run(*args, **kwargs, **captures)
        self.values = dict(zip(self.values, values, strict=True))
        self.gradients = dict(zip(self.gradients, gradients, strict=True))

    def value(self, value: Value) -> Any:
        return self.values[value]

    def gradient(self, value: Value) -> Any:
        """In the shape and dtype of the value; zero where the result does not depend on it."""
        found = self.values[value]
        if found is None or value not in self.active:
            return None
        gradient = self.gradients.get(value)
        if gradient is None:
            gradient = 0.0
        if isinstance(found, np.ndarray):
            return np.broadcast_to(np.asarray(gradient, found.dtype), found.shape).copy()
        return type(found)(gradient)


def seeds(request: Request, lowered: Lowered) -> Cotangents:
    """The cotangent of the result: 1, for every element."""
    output, builder = lowered.function.result, lowered.context.builder
    if request.has_aux:
        output, _ = output
    if request.mode != "vjp":
        check_scalar(lowered.context.here.source, output)
    return {
        value: 1.0 if rank_of(value) == 0 else builder.call(registry[np.ones_like], (value, None))
        for value in values_in(output)
        if value.type.differentiable
    }


def made_in(block: Block) -> list[Recorded]:
    """Every value made in a block and in those inside of it."""
    found: list[Recorded] = []
    for node in block.operations:
        if isinstance(node, Branch):
            found += made_in(node.then) + made_in(node.otherwise)
        if not isinstance(node, Operation) or not node.primitive.effect:
            bound = [result for result in results_of(node) if not may_be_unbound(result)]
            found += [(result, result, block) for result in bound]
    return found


def exported(block: Block, wanted: list[Recorded]) -> dict[Value, Operand]:
    """The wanted operands, carried out of the branches that know them: None on the other side."""
    found = {key: operand for key, operand, place in wanted if place is block}
    for node in block.operations:
        if not isinstance(node, Branch):
            continue
        for side, other in ((node.then, node.otherwise), (node.otherwise, node.then)):
            for key, operand in exported(side, wanted).items():
                outside = Value(operand.type if isinstance(operand, Value) else type_of(operand))
                outside.operation = node
                node.results.append(outside)
                side.results.append(operand)
                other.results.append(None)
                found[key] = outside
    return found
