"""Programs to graphs: every operation of the forward sweep is a node, every value an edge.

    for i in range(n):            n4  for    <- n2, n1, n8    s
        s = s + x          ->       turn:
                                      n6  s
                                      n7  i
                                      n8  +  <- n6, n1        s

A branch has a graph for either side, a loop one for a turn: what a turn starts with are nodes inside, and
what it yields goes to the loop. A function that calls itself is one gate.
"""

from __future__ import annotations

from ad_compiler.backends.numpy.expressions import BINARY, UNARY, Expressions
from ad_compiler.frontend.program import Lowered
from ad_compiler.graph import Edge, Graph, Node, Wire, abbreviated
from ad_compiler.ir import Block, Branch, Call, Loop, Operand, Operation, Value
from ad_compiler.ir import Node as IrNode
from ad_compiler.pipeline import pairs, seed_structure
from ad_compiler.rules.shapes import type_of
from ad_compiler.traversal import results_of, turn_values, values_in


class GraphDrawer:
    """Draws a program; `wires` tells which edge a value became."""

    def __init__(self, lowered: Lowered) -> None:
        self.lowered = lowered
        self.makers: dict[Value, str] = {}
        self.wires: dict[Value, Wire] = {}
        self.count = 0

    def draw(self, name: str) -> Graph:
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
            elif isinstance(node, Call):
                self.gate(node, node.function.name, graph)
            elif isinstance(node, Operation) and node.result not in self.wires and not node.primitive.guard:
                self.gate(node, label_of(node), graph)

    def gate(self, node: Operation | Call, label: str, graph: Graph) -> None:
        made = self.new_id()
        for value in values_in(node.arguments):
            self.read(value, made, graph)
        effect = isinstance(node, Operation) and node.primitive.effect
        wires = () if effect else tuple([self.wire(result, made) for result in results_of(node)])
        graph.nodes.append(Node(made, "operation", label, wires, line=line_of(node)))

    def branch(self, node: Branch, graph: Graph) -> None:
        made = self.new_id()
        self.read(node.condition, made, graph)
        sides = {"then": Graph(graph.name), "else": Graph(graph.name)}
        for side, block in zip(sides.values(), (node.then, node.otherwise), strict=True):
            self.part(block, made, side)
        wires = tuple([self.wire(result, made) for result in node.results])
        graph.nodes.append(Node(made, "branch", "if", wires, sides, line_of(node)))

    def loop(self, node: Loop, graph: Graph) -> None:
        """Into a loop goes what its first turn starts with, and its bounds; inside is one turn."""
        made = self.new_id()
        for value in values_in((node.bounds, node.initial)):
            self.read(value, made, graph)
        turn = Graph(graph.name)
        for value in turn_values(node):
            start = self.new_id()
            wire = self.wire(value, start)
            turn.nodes.append(Node(start, "turn", value.name or "·", (wire,)))
        parts = {"turn": turn}
        if node.condition is not None:
            parts = {"while": Graph(graph.name), "turn": turn}
            self.part(node.condition, made, parts["while"])
        self.part(node.body, made, turn)
        wires = tuple([self.wire(result, made) for result in node.results])
        label = "while" if node.bounds is None else "for"
        graph.nodes.append(Node(made, "loop", label, wires, parts, line_of(node)))

    def part(self, block: Block, target: str, graph: Graph) -> None:
        """The graph of a block inside of a node, and what it yields to that node."""
        self.block(block, graph)
        for operand in block.results:
            self.read(operand, target, graph)

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
