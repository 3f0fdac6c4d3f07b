"""Programs to graphs: `f.graph` and `f.graph_at`.

One evaluation runs the compiler's own program, forward and reverse sweep, made to return every value
and every cotangent instead of the result alone. It is taken before dead code is removed and without
shortcuts over gates, so that every gate of the user's program is there. What only one side of a branch
computes is None behind the branch when the other side was taken:

    if x > 0:                     if x > 0:
        y = sin(x)        ->          y = sin(x)
    else:                         else:
        y = 0.0                       y = None, 0.0 ...
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ad_compiler.analysis.types import ArrayType, is_one
from ad_compiler.backends.loader import load, module_text
from ad_compiler.backends.numpy.emit import emit
from ad_compiler.backends.numpy.expressions import BINARY, UNARY, Expressions
from ad_compiler.errors import Unsupported
from ad_compiler.frontend.program import Lowered, lower_program
from ad_compiler.frontend.source import Source, read_source
from ad_compiler.graph import Edge, Graph, Node, Wire
from ad_compiler.ir import Block, Branch, Function, Operand, Operation, Record, Value, map_values, values_in
from ad_compiler.pipeline import Request, check_scalar, primal_name
from ad_compiler.refusal import NeedsConstant
from ad_compiler.rules.notation import registry
from ad_compiler.rules.shapes import rank_of, type_of
from ad_compiler.transforms.differentiate import Cotangents, ReverseSweep

Results = dict[Value, Any]


def graph_of(request: Request, arguments: Mapping[str, Any]) -> Graph:
    """The graph of the program for arguments of these kinds; raises `Unsupported`."""
    _, lowered = lowered_program(request, arguments)
    return GraphBuilder(lowered).build(primal_name(request.primal))


def graph_at(
    request: Request, arguments: Mapping[str, Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Graph:
    """The graph with the values and gradients of one evaluation; raises `Unsupported`.

    The gradients are of the result, under `vjp` of the sum of its elements. They are taken with respect
    to every real number and array that comes in; where one has no derivative (the exponent of a negative
    number) only with respect to the arguments asked for.
    """
    try:
        evaluation = Evaluation(request, arguments, every_input=True)
        evaluation.run(args, kwargs)
    except (Unsupported, ArithmeticError, ValueError):
        evaluation = Evaluation(request, arguments, every_input=False)
        evaluation.run(args, kwargs)
    builder = GraphBuilder(evaluation.lowered, evaluation)
    return builder.build(primal_name(request.primal))


def lowered_program(request: Request, arguments: Mapping[str, Any]) -> tuple[Source, Lowered]:
    """The forward sweep alone, all of its operations kept."""
    source = read_source(request.primal)
    constants: frozenset[str] = frozenset()
    while True:
        try:
            lowered = lower_program(
                request.primal, source, arguments, request.argnums, constants, request.bound_self
            )
        except NeedsConstant as needed:
            if needed.access in constants:
                raise
            constants |= {needed.access}
        else:
            return source, lowered


def examples(function: Function) -> dict[str, Any]:
    """Arguments of the kinds a function was made for; symbolic lengths become 2."""
    return {parameter.name: example(parameter.structure) for parameter in function.parameters}


def example(structure: Operand) -> Any:
    if isinstance(structure, Record):
        return structure.cls(**{name: example(part) for name, part in structure.fields.items()})
    if isinstance(structure, (tuple, list)):
        return type(structure)(map(example, structure))
    if isinstance(structure, dict):
        return {key: example(part) for key, part in structure.items()}
    if not isinstance(structure, Value) or not isinstance(structure.type, ArrayType):
        return structure
    kind = structure.type
    if kind.python:
        return {"i": 1, "f": 1.0}[kind.dtype.kind]
    if kind.rank == 0 and structure.operation is None and not kind.python:
        return kind.dtype.type(1)
    return np.ones([1 if is_one(axis) else 2 for axis in kind.shape], kind.dtype)


class RecordingSweep(ReverseSweep):
    """A reverse sweep that remembers the cotangent of every value, and the block it is known in."""

    def __init__(self, lowered: Lowered, inputs: list[Value]) -> None:
        super().__init__(lowered.context, lowered.function.forward, inputs, {})
        self.recorded: list[tuple[Value, Operand, Block]] = []

    def operation(self, node: Operation, cotangent: Operand, cotangents: Cotangents) -> None:
        self.recorded.append((node.result, cotangent, self.builder.block))
        super().operation(node, cotangent, cotangents)

    def branch(self, node: Branch, cotangents: Cotangents) -> None:
        for result in node.results:
            if result in cotangents:
                self.recorded.append((result, cotangents[result], self.builder.block))
        super().branch(node, cotangents)


class Evaluation:
    """The program made to return all it computes, and what one run of it returned."""

    def __init__(self, request: Request, arguments: Mapping[str, Any], *, every_input: bool) -> None:
        source, self.lowered = lowered_program(request, arguments)
        function = self.lowered.function
        asked = list(values_in(self.lowered.differentiated))
        given = [value for p in function.parameters for value in values_in(p.structure)] if every_input else []
        inputs = [*asked, *(v for v in given if v.type.differentiable and v not in asked)]
        function.reverse = Block()
        self.lowered.context.builder.block = function.reverse
        sweep = RecordingSweep(self.lowered, inputs)
        cotangents = sweep.run(function.forward, self.seeds(request, source))
        self.lowered.context.builder.statement = None
        self.active = sweep.active
        forward = all_values(function.forward)
        values = [*((v, v, function.forward) for p in function.parameters for v in values_in(p.structure)), *forward]
        gradients = [
            *sweep.recorded,
            *((value, cotangent, function.reverse) for value, cotangent in cotangents.items()),
        ]
        shown = exported(function.forward, values)
        pulled = exported(function.reverse, gradients)
        self.value_keys, self.gradient_keys = list(shown), list(pulled)
        function.result, function.reverse_result = list(shown.values()), list(pulled.values())
        function.name = f"{primal_name(request.primal)}_graph"
        self.values: Results = {}
        self.gradients: Results = {}

    def seeds(self, request: Request, source: Source) -> Cotangents:
        """The cotangent of the result: 1, for every element."""
        output = self.lowered.function.result
        if request.has_aux and isinstance(output, tuple) and len(output) == 2:
            output = output[0]
        if request.mode != "vjp":
            check_scalar(source, output)
        builder = self.lowered.context.builder
        return {
            value: 1.0 if rank_of(value) == 0 else builder.call(registry[np.ones_like], (value, None))
            for value in values_in(output)
            if value.type.differentiable
        }

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Run the program on these arguments."""
        function = self.lowered.function
        text = module_text(emit(function))
        loaded = load(text, function.name, reads={}, guard=None, miss="", namespace={})
        loaded.__kwdefaults__ = None
        captures = {capture.name: capture.read() for capture in self.lowered.context.captures.values()}
        with np.errstate(all="ignore"):  # what is inf or NaN is seen in the drawing
            values, gradients = loaded(*args, **kwargs, **captures)
        self.values = dict(zip(self.value_keys, values, strict=True))
        self.gradients = dict(zip(self.gradient_keys, gradients, strict=True))

    def value_of(self, value: Value) -> Any:
        return self.values.get(value)

    def gradient_of(self, value: Value) -> Any:
        """In the shape and dtype of the value; zero where the result does not depend on it."""
        found = self.values.get(value)
        if found is None or value not in self.active:
            return None
        gradient = self.gradients.get(value)
        if gradient is None:
            gradient = 0.0
        if isinstance(found, np.ndarray):
            return np.broadcast_to(np.asarray(gradient, found.dtype), found.shape).copy()
        return type(found)(gradient)


def all_values(block: Block) -> list[tuple[Value, Operand, Block]]:
    """Every value made in a block and in those inside of it, with the block it is made in."""
    found: list[tuple[Value, Operand, Block]] = []
    for node in block.operations:
        if isinstance(node, Operation):
            if not node.primitive.effect:
                found.append((node.result, node.result, block))
            continue
        found += all_values(node.then) + all_values(node.otherwise)
        found += [(result, result, block) for result in node.results]
    return found


def exported(block: Block, wanted: list[tuple[Value, Operand, Block]]) -> dict[Value, Operand]:
    """The wanted operands, those of branches carried out of them: None on the other side."""
    found = {key: operand for key, operand, place in wanted if place is block}
    for node in block.operations:
        if not isinstance(node, Branch):
            continue
        for side, other in ((node.then, node.otherwise), (node.otherwise, node.then)):
            for key, operand in exported(side, wanted).items():
                kind = operand.type if isinstance(operand, Value) else type_of(operand)
                outside = Value(kind, operand.name if isinstance(operand, Value) else None)
                outside.operation = node
                node.results.append(outside)
                side.results.append(operand)
                other.results.append(None)
                found[key] = outside
    return found


class GraphBuilder:
    """Draws a program; with an evaluation, values and gradients too."""

    def __init__(self, lowered: Lowered, evaluation: Evaluation | None = None) -> None:
        self.lowered = lowered
        self.evaluation = evaluation
        self.makers: dict[Value, str] = {}
        self.wires: dict[Value, Wire] = {}
        self.count = 0

    def new_id(self) -> str:
        self.count += 1
        return f"n{self.count}"

    def build(self, name: str) -> Graph:
        function = self.lowered.function
        graph = Graph(name, evaluated=self.evaluation is not None)
        reals = set(values_in(self.lowered.differentiated))
        converted = {
            node.arguments[0]: node.result
            for node in function.forward.operations
            if isinstance(node, Operation) and node.result in reals
        }
        for parameter in function.parameters:
            for value in values_in(parameter.structure):
                made = self.new_id()
                self.makers[value] = made
                label = value.access or parameter.name
                wire = self.wire(converted.get(value, value), label)
                self.makers[converted.get(value, value)] = made
                graph.nodes.append(Node(made, "input", label, (wire,)))
        self.block(function.forward, graph)
        for operand in self.results:
            target = self.new_id()
            self.read(operand, target, graph)
            graph.nodes.append(Node(target, "output", "output"))
        return graph

    def wire(self, value: Value, name: str | None = None) -> Wire:
        if value not in self.wires:
            shown = self.evaluation
            values = (None, None) if shown is None else (shown.value_of(value), shown.gradient_of(value))
            self.wires[value] = Wire(name or value.name, str(value.type), *values)
        return self.wires[value]
