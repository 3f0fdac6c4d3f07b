"""Programs to graphs: `f.graph` and `f.graph_at`.

One evaluation runs the compiler's own program, forward and reverse sweep, made to return every
value and every cotangent instead of the result alone. It is taken before dead code is removed and
without shortcuts over gates, so that every gate of the user's program is there. What only one side
of a branch computes is None behind the branch when the other side was taken:

    if x > 0:                     if x > 0:
        y = sin(x) * x    ->          t = sin(x)
    else:                             y = t * x
        y = 0.0                   else:
                                      y, t = 0.0, None
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ad_compiler.analysis.types import is_one
from ad_compiler.backends.loader import load, module_text
from ad_compiler.backends.numpy.emit import emit
from ad_compiler.backends.numpy.expressions import BINARY, UNARY, Expressions
from ad_compiler.errors import Unsupported
from ad_compiler.frontend.program import Lowered, lower_program
from ad_compiler.frontend.source import read_source
from ad_compiler.graph import Edge, Graph, Node, Wire, abbreviated
from ad_compiler.ir import (
    Block,
    Branch,
    Loop,
    Operand,
    Operation,
    Record,
    Value,
    inputs_of,
    results_of,
    values_in,
)
from ad_compiler.ir import Node as IrNode
from ad_compiler.pipeline import Request, check_scalar, pairs, primal_name, seed_structure
from ad_compiler.refusal import NeedsConstant
from ad_compiler.rules.notation import registry
from ad_compiler.rules.shapes import rank_of, type_of
from ad_compiler.transforms.cotangents import Cotangents
from ad_compiler.transforms.differentiate import ReverseSweep
from ad_compiler.transforms.tape import record

Recorded = tuple[Value, Operand, Block]  # a value, what is known of it, and the block that knows it


def graph_of(request: Request, arguments: Mapping[str, Any]) -> Graph:
    """The graph of the program for arguments of these kinds; raises `Unsupported`."""
    return GraphBuilder(lowered_program(request, arguments)).build(primal_name(request.primal))


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
    builder = GraphBuilder(lowered)
    graph = builder.build(primal_name(request.primal))
    evaluation = Evaluation(request, lowered, every_input=every_input)
    evaluation.run(args, kwargs)
    for value, wire in builder.wires.items():
        wire.value, wire.gradient = evaluation.value(value), evaluation.gradient(value)
    for part in graph.walk():
        part.evaluated = True
    return graph


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
        for result in node.results:
            if result in cotangents:
                self.recorded.append((result, cotangents[result], self.builder.block))
        super().branch(node, cotangents)


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
        record(function, repeated=False)
        self.function = function
        self.captures = lowered.context.captures.values()
        self.active = sweep.active
        self.values: dict[Value, Any] = dict.fromkeys(values)
        self.gradients: dict[Value, Any] = dict.fromkeys(gradients)

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Run the program on these arguments."""
        text = module_text(emit(self.function))
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
            found += [(result, result, block) for result in results_of(node)]
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


class GraphBuilder:
    """Draws a program; `wires` tells which edge a value became."""

    def __init__(self, lowered: Lowered) -> None:
        self.lowered = lowered
        self.makers: dict[Value, str] = {}
        self.wires: dict[Value, Wire] = {}
        self.count = 0

    def build(self, name: str) -> Graph:
        function, graph = self.lowered.function, Graph(name)
        for parameter in function.parameters:
            for value in values_in(parameter.structure):
                real = self.real(value)
                label = value.access or parameter.name
                made = self.new_id()
                graph.nodes.append(Node(made, "input", label, (self.wire(real, made, label),)))
                self.makers[value] = made
        self.block(function.forward, graph)
        outputs = function.result
        for value, place in pairs(outputs, seed_structure(outputs, "output")):
            target = self.new_id()
            graph.nodes.append(Node(target, "output", place.access or "output"))
            self.read(value, target, graph)
        return graph

    def real(self, value: Value) -> Value:
        """What an input is differentiated as: a whole number is converted first."""
        reals = set(values_in(self.lowered.differentiated)) - {value}
        for node in self.lowered.function.forward.operations:
            if isinstance(node, Operation) and node.result in reals and node.arguments[0] is value:
                return node.result
        return value

    def new_id(self) -> str:
        self.count += 1
        return f"n{self.count}"

    def wire(self, value: Value, maker: str, name: str | None = None) -> Wire:
        self.makers[value] = maker
        self.wires[value] = Wire(name or value.name, str(value.type))
        return self.wires[value]

    def block(self, block: Block, graph: Graph) -> None:
        for node in block.operations:
            if isinstance(node, Branch):
                self.branch(node, graph)
            elif isinstance(node, Loop):
                self.loop(node, graph)
            elif isinstance(node, Operation) and node.result not in self.wires:
                self.operation(node, graph)

    def operation(self, node: Operation, graph: Graph) -> None:
        made = self.new_id()
        for value in values_in(node.arguments):
            self.read(value, made, graph)
        wires = () if node.primitive.effect else (self.wire(node.result, made),)
        graph.nodes.append(Node(made, "operation", label_of(node), wires, line=line_of(node)))

    def branch(self, node: Branch, graph: Graph) -> None:
        made = self.new_id()
        self.read(node.condition, made, graph)
        sides = []
        for block in (node.then, node.otherwise):
            side = Graph(graph.name)
            self.block(block, side)
            for operand in block.results:
                self.read(operand, made, side)
            sides.append(side)
        wires = tuple([self.wire(result, made) for result in node.results])
        graph.nodes.append(Node(made, "branch", "if", wires, sides[0], sides[1], line_of(node)))

    def loop(self, node: Loop, graph: Graph) -> None:
        """A loop is drawn as one gate: what it reads of the values around it, and what it leaves."""
        made = self.new_id()
        for value in dict.fromkeys(inputs_of(node)):
            if value in self.makers:
                self.read(value, made, graph)
        wires = tuple([self.wire(result, made) for result in node.results])
        label = "while" if node.bounds is None else "for"
        graph.nodes.append(Node(made, "operation", label, wires, line=line_of(node)))

    def read(self, operand: Operand, target: str, graph: Graph) -> None:
        """An edge; what is known while compiling gets a node of its own."""
        if isinstance(operand, Value):
            graph.edges.append(Edge(self.makers[operand], target, self.wires[operand]))
            return
        made = self.new_id()
        wire = Wire(None, str(type_of(operand)), operand)
        graph.nodes.append(Node(made, "constant", abbreviated(operand), (wire,)))
        graph.edges.append(Edge(made, target, wire))


def line_of(node: IrNode) -> int | None:
    return None if node.place is None else getattr(node.place[1], "lineno", None)


def label_of(node: Operation) -> str:
    """The symbol of an operation; with what is known of its arguments, `·` for the others.

    x + y  ->  +      x @ W  ->  @      1.0 / x  ->  1.0 / ·      x.sum(axis=0)  ->  ·.sum(axis=0)
    """
    primitive = node.primitive
    name = primitive.name
    plain = primitive.variadic or all(
        is_computed(argument) or (known in primitive.defaults and argument is primitive.defaults[known])
        for known, argument in zip(primitive.parameters, node.arguments, strict=True)
    )
    if plain and not primitive.effect:
        return BINARY[name][0] if name in BINARY else UNARY.get(name, name)
    return Expressions(lambda value: "·").operation(node)[0].removeprefix("np.").removeprefix("math.")


def is_computed(operand: Operand) -> bool:
    if isinstance(operand, (tuple, list)):
        return bool(operand) and all(map(is_computed, operand))
    return isinstance(operand, Value)
