"""The computational graph a user looks at: nodes are operations, edges are values.

    x --(+)--(*)-- output        n1  x                  -2     gradient -4
    y --/    /                   n4  +       <- n1, n2  q = 3  gradient -4
    z ------/                    n5  *       <- n4, n3  -12    gradient 1

With one evaluation every edge carries its value (above the wire, in the lecture's pictures) and its
gradient (below): the derivative of the output with respect to that value, the sum over everything
that reads it. How a graph is made from a program is in `graph_drawing.py`, how it is evaluated in
`graph_evaluation.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Kind = Literal["input", "constant", "operation", "branch", "loop", "turn", "output"]

SHAPES: dict[Kind, str] = {
    "input": "plaintext",
    "constant": "plaintext",
    "operation": "circle",
    "branch": "diamond",
    "loop": "diamond",
    "turn": "plaintext",
    "output": "plaintext",
}
CONTENTS_SHOWN = 6  # arrays of up to so many elements are written out


@dataclass(eq=False, slots=True)
class Wire:
    """A value of the program: its name (None if the user gave none), its type, one evaluation.

    `value` is None where nothing was evaluated, or on the side of a branch that was not taken;
    `gradient` also where the value carries no derivative (whole numbers, conditions).
    """

    name: str | None
    type: str
    value: Any = None
    gradient: Any = None


@dataclass(frozen=True, eq=False, slots=True)
class Node:
    """An input, an operation, a branch, a loop or an output; `wires` are the values it makes.

    `label` is what is drawn: a name, or a symbol in which `·` stands for what comes in. The graphs
    inside of a branch are its sides, `then` and `else`; those of a loop one `turn`, and the `while`
    condition. A turn starts with nodes of kind `turn`: what the turn before has left. `line` is
    where a node stands in the user's file.
    """

    id: str
    kind: Kind
    label: str
    wires: tuple[Wire, ...] = ()
    inside: dict[str, Graph] = field(default_factory=dict)
    line: int | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Edge:
    """One use of a value: `source` made it, `target` reads it (both are ids of nodes)."""

    source: str
    target: str
    wire: Wire

    @property
    def name(self) -> str | None:
        return self.wire.name

    @property
    def value(self) -> Any:
        return self.wire.value

    @property
    def gradient(self) -> Any:
        return self.wire.gradient


@dataclass(eq=False, slots=True, repr=False)
class Graph:
    """A computational graph. Those of branches and loops are inside of their nodes; `walk` visits all.

    An edge belongs to the graph its target is in; what a side of a branch or a turn of a loop
    yields, to that side or turn. A turn is never `evaluated`: its values are others in every turn.
    """

    name: str
    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    evaluated: bool = False

    def walk(self) -> Iterator[Graph]:
        """This graph and the graphs inside of its nodes, outer before inner."""
        yield self
        for node in self.nodes:
            for part in node.inside.values():
                yield from part.walk()

    def to_dot(self) -> str:
        """The graph for Graphviz: on every edge its value, and its gradient below."""
        lines = [f"digraph {quoted(self.name)} {{", "    rankdir=LR;", *_dot_nodes(self, 1)]
        for graph in self.walk():
            lines += [f"    {_dot_edge(edge, graph.evaluated)}" for edge in graph.edges]
        return "\n".join([*lines, "}"]) + "\n"

    def __str__(self) -> str:
        state = ", evaluated" if self.evaluated else ""
        return "\n".join([f"computational graph of {self.name}{state}", *_table(self)])

    __repr__ = __str__


def quoted(text: str) -> str:
    """A string of the DOT language; a newline is written `\\n`."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _dot_nodes(graph: Graph, depth: int) -> list[str]:
    indent = "    " * depth
    lines: list[str] = []
    for node in graph.nodes:
        shape = SHAPES[node.kind]
        if shape == "circle" and len(node.label) > 4:
            shape = "box"
        own = f"{node.id} [label={quoted(node.label)}, shape={shape}];"
        if not node.inside:
            lines.append(indent + own)
            continue
        lines += [f"{indent}subgraph cluster_{node.id} {{", f"{indent}    {own}"]
        for name, part in node.inside.items():
            lines.append(f"{indent}    subgraph cluster_{node.id}_{name} {{")
            lines.append(f"{indent}        label={quoted(name)};")
            lines += _dot_nodes(part, depth + 2)
            lines.append(f"{indent}    }}")
        lines.append(f"{indent}}}")
    return lines


def _dot_edge(edge: Edge, evaluated: bool) -> str:
    wire = edge.wire
    arrow = f"{edge.source} -> {edge.target}"
    if not evaluated:
        return f"{arrow} [label={quoted(f'{wire.name}: {wire.type}' if wire.name else wire.type)}];"
    name = f", xlabel={quoted(wire.name)}" if wire.name else ""
    if wire.value is None:
        return f"{arrow} [style=dashed{name}];"
    shown = [abbreviated(each) for each in (wire.value, wire.gradient) if each is not None]
    label = quoted("\n".join(shown))
    return f"{arrow} [label={label}{name}];"


def abbreviated(obj: Any) -> str:
    """A number with six digits; of an array the shape, and the contents if there are few.

    >>> abbreviated(np.array([[0.1, 0.5]]))
    '(1, 2) [[0.1, 0.5]]'
    """
    if isinstance(obj, np.ndarray):
        if obj.size > CONTENTS_SHOWN:
            return str(obj.shape)
        return f"{obj.shape} {_contents(obj.tolist())}"
    if isinstance(obj, (bool, np.bool_)):
        return str(bool(obj))
    return f"{obj:.6g}" if isinstance(obj, (int, float, np.number)) else repr(obj)


def _contents(tree: Any) -> str:
    return f"[{', '.join(map(_contents, tree))}]" if isinstance(tree, list) else abbreviated(tree)


def _table(graph: Graph) -> list[str]:
    rows = list(_rows(graph, ""))
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(4)]
    padded = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)) for row in rows
    )
    return [line.rstrip() for line in padded]


def _rows(graph: Graph, indent: str) -> Iterator[tuple[str, ...]]:
    """Id, label, what is read, the name and value or type, the gradient."""
    evaluated = graph.evaluated
    for node in graph.nodes:
        sources = ", ".join(
            edge.source for inner in _around(graph, node) for edge in inner.edges if edge.target == node.id
        )
        reads = f"<- {sources}" if sources else ""
        cells = [_cells(wire, evaluated, node) for wire in node.wires] or [("", "")]
        yield indent + node.id, node.label, reads, *cells[0]
        for more in cells[1:]:
            yield "", "", "", *more
        for name, part in node.inside.items():
            yield f"{indent}  {name}:", "", "", "", ""
            yield from _rows(part, f"{indent}    ")


def _around(graph: Graph, node: Node) -> list[Graph]:
    return [graph, *node.inside.values()]


def _cells(wire: Wire, evaluated: bool, node: Node) -> tuple[str, str]:
    named = f"{wire.name} " if wire.name and node.kind != "input" else ""
    if not evaluated:
        return f"{named.strip()}: {wire.type}" if named else wire.type, ""
    if wire.value is None:
        return f"{named}not evaluated", ""
    value = f"{named}= {abbreviated(wire.value)}" if named else abbreviated(wire.value)
    return value, "" if wire.gradient is None else f"gradient {abbreviated(wire.gradient)}"
