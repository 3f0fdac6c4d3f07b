"""Computational graphs: the lecture's circuits, branches, arrays, and their pictures."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from ad_compiler import Unsupported, grad, value_and_grad
from ad_compiler.graph import Graph, Node, Wire, abbreviated
from tests.helpers import function_from_source, generator
from tests.test_random_programs import programs


def product_of_sum(x: float, y: float, z: float) -> float:
    q = x + y
    return q * z


def sigmoid(w0: float, x0: float, w1: float, x1: float, w2: float) -> float:
    return 1.0 / (1.0 + math.exp(-(w0 * x0 + w1 * x1 + w2)))


def piecewise(x: float, w: float) -> float:
    if x > 0:
        s = math.sin(x)
        y = s * w
    else:
        y = x * x
    return y * 3.0


def nested(x: float, y: float) -> float:
    z = 0.5
    if x > 0:
        z = x * y if y > 1 else x + y
    return z * x


def squared_norm(W: Any, x: Any) -> Any:
    y = W @ x
    return np.sum(y * y)


def nodes_of(graph: Graph) -> list[Node]:
    return [node for part in graph.walk() for node in part.nodes]


def node(graph: Graph, label: str) -> Node:
    """The first node with this label."""
    return next(node for node in nodes_of(graph) if node.label == label)


def wire(graph: Graph, name: str) -> Wire:
    return next(wire for node in nodes_of(graph) for wire in node.wires if wire.name == name)


def drawn(graph: Graph) -> list[tuple[str, str, Any, Any]]:
    """(label of source, label of target, value, gradient) for every edge."""
    labels = {node.id: node.label for node in nodes_of(graph)}
    return [
        (labels[edge.source], labels[edge.target], edge.value, edge.gradient)
        for part in graph.walk()
        for edge in part.edges
    ]


def test_product_of_sum_has_the_lectures_values_and_gradients() -> None:
    graph = grad(product_of_sum, argnums=("x", "y", "z")).graph_at(-2.0, 5.0, -4.0)
    assert drawn(graph) == [
        ("x", "+", -2.0, -4.0),
        ("y", "+", 5.0, -4.0),
        ("+", "*", 3.0, -4.0),
        ("z", "*", -4.0, 3.0),
        ("*", "output", -12.0, 1.0),
    ]
    assert wire(graph, "q").value == 3.0


def test_gradients_are_drawn_for_every_real_input() -> None:
    assert drawn(grad(product_of_sum).graph_at(-2.0, 5.0, -4.0))[1] == ("y", "+", 5.0, -4.0)


def test_whole_numbers_asked_for_count_as_reals() -> None:
    every = grad(product_of_sum, argnums=("x", "y", "z"))
    assert drawn(every.graph_at(-2, 5, -4)) == drawn(every.graph_at(-2.0, 5.0, -4.0))
    assert drawn(grad(product_of_sum).graph_at(-2, 5, -4))[1] == ("y", "+", 5, None)


def test_sigmoid_circuit_shows_every_gate() -> None:
    graph = grad(sigmoid).graph_at(2.0, -1.0, -3.0, -2.0, -3.0)
    gates = [(n.label, n.wires[0].value, n.wires[0].gradient) for n in graph.nodes if n.wires]
    expected = [
        ("w0", 2.0, -0.196612),
        ("x0", -1.0, 0.393224),
        ("w1", -3.0, -0.393224),
        ("x1", -2.0, -0.589836),
        ("w2", -3.0, 0.196612),
        ("*", -2.0, 0.196612),
        ("*", 6.0, 0.196612),
        ("+", 4.0, 0.196612),
        ("+", 1.0, 0.196612),
        ("-", -1.0, -0.196612),
        ("exp", 0.367879, -0.534447),
        ("1.0 + ·", 1.367879, -0.534447),
        ("1.0 / ·", 0.731059, 1.0),
    ]
    assert [label for label, _, _ in gates] == [label for label, _, _ in expected]
    for got, wanted in zip(gates, expected, strict=True):
        assert got[1:] == pytest.approx(wanted[1:], abs=1e-6)


@pytest.mark.parametrize("function", [product_of_sum, sigmoid, piecewise, nested, squared_norm])
def test_an_unevaluated_graph_has_the_same_nodes_and_edges(function: Callable[..., Any]) -> None:
    random = generator("same", function.__name__)
    count = function.__code__.co_argcount
    args: list[Any] = [random.standard_normal() for _ in range(count)]
    if function is squared_norm:
        args = [random.standard_normal((2, 3)), random.standard_normal(3)]
    gradient = grad(function)
    gradient(*args)  # `graph` is of the newest kinds called with
    plain, evaluated = gradient.graph, gradient.graph_at(*args)
    assert [(n.id, n.label) for n in nodes_of(plain)] == [(n.id, n.label) for n in nodes_of(evaluated)]
    assert [edge[:2] for edge in drawn(plain)] == [edge[:2] for edge in drawn(evaluated)]
    assert {edge[2:] for edge in drawn(plain) if edge[0] != "0.5"} == {(None, None)}
    assert [n.id for n in sorted(nodes_of(plain), key=lambda n: int(n.id[1:]))] == [
        f"n{i + 1}" for i in range(len(nodes_of(plain)))
    ]


def test_graph_before_a_call_assumes_floats() -> None:
    assert wire(grad(product_of_sum).graph, "q").type == "float"


def test_the_side_of_a_branch_that_is_taken() -> None:
    graph = grad(piecewise).graph_at(1.0, 2.0)
    branch = node(graph, "if")
    assert [n.label for n in branch.inside["then"].nodes] == ["sin", "*"]
    assert (wire(graph, "s").value, wire(graph, "s").gradient) == (math.sin(1.0), 6.0)
    assert branch.inside["else"].nodes[0].wires[0].value is None
    assert branch.wires[0].gradient == 3.0
    assert wire(graph, "x").gradient == pytest.approx(6.0 * math.cos(1.0))


def test_the_side_of_a_branch_that_is_not_taken() -> None:
    graph = grad(piecewise).graph_at(-1.0, 2.0)
    branch = node(graph, "if")
    for inner in branch.inside["then"].nodes:
        assert (inner.wires[0].value, inner.wires[0].gradient) == (None, None)
    assert (branch.inside["else"].nodes[0].wires[0].value, wire(graph, "w").gradient) == (1.0, 0.0)


@pytest.mark.parametrize("x", [-1.5, 0.5])
@pytest.mark.parametrize("y", [-2.0, 3.0])
def test_nested_branches_agree_with_the_gradient(x: float, y: float) -> None:
    gradient = value_and_grad(nested, argnums=("x", "y"))
    graph = gradient.graph_at(x, y)
    value, (x_bar, y_bar) = gradient(x, y)
    assert (wire(graph, "x").gradient, wire(graph, "y").gradient) == (x_bar, y_bar)
    assert drawn(graph)[-1][2] == value or value in [edge[2] for edge in drawn(graph)]
    labels = [n.label for n in nodes_of(graph)]
    assert labels.count("if") == 2 and "0.5" in labels


def product_until(x: float, n: int) -> float:
    y = 1.0
    for i in range(n):
        y = y * x + i
        if y > 5.0:
            break
    return y * y


def halved(x: float) -> float:
    while x > 1.0:
        x = x / 2.0
    return x


def power(x: float, n: int) -> float:
    if n == 0:
        return 1.0
    return x * power(x, n - 1)


@pytest.mark.parametrize(
    ("function", "args"),
    [(product_until, (1.5, 4)), (product_until, (1.5, 0)), (halved, (5.0,)), (power, (2.0, 3))],
)
def test_gradients_around_loops_and_recursion(function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    graph = grad(function).graph_at(*args)
    value, x_bar = value_and_grad(function)(*args)
    assert wire(graph, "x").gradient == x_bar
    assert graph.edges[-1].value == value
    assert graph.edges[-1].gradient == 1.0
    parsed(graph.to_dot())


def test_a_loop_shows_one_turn() -> None:
    gradient = grad(product_until)
    graph = gradient.graph_at(1.5, 4)
    loop = node(graph, "for")
    assert loop.kind == "loop" and list(loop.inside) == ["turn"]
    turn = loop.inside["turn"]
    assert {n.label for n in turn.nodes if n.kind == "turn"} >= {"y", "i"}
    assert [n.label for n in turn.nodes if n.kind == "operation"][:2] == ["*", "+"]
    assert not turn.evaluated and turn.nodes[0].wires[0].value is None
    after = next(wire for wire in loop.wires if wire.name == "y")
    assert (after.value, after.gradient) == (6.875, 13.75)
    assert list(node(grad(halved).graph, "while").inside) == ["while", "turn"]


def test_a_refusal_before_a_call_says_what_was_assumed() -> None:
    for read in (lambda f: f.graph, lambda f: f.source):
        with pytest.raises(Unsupported) as refused:
            read(grad(lambda x, n: sum(x for _ in range(n))))
        assert refused.value.__notes__ == [
            "Not called yet: assumed x: float, n: float. Annotate, or give examples to `source_for`."
        ]


def test_arrays_carry_gradients_of_their_own_shape() -> None:
    W, x = np.array([[0.1, 0.5], [-0.3, 0.8]]), np.array([0.2, 0.4])
    graph = grad(squared_norm, argnums=("W", "x")).graph_at(W, x)
    np.testing.assert_allclose(wire(graph, "W").gradient, [[0.088, 0.176], [0.104, 0.208]])
    np.testing.assert_allclose(wire(graph, "x").gradient, [-0.112, 0.636])
    np.testing.assert_allclose(wire(graph, "y").value, [0.22, 0.26])
    np.testing.assert_allclose(wire(graph, "y").gradient, [0.44, 0.52])
    summed = node(graph, "sum").wires[0]
    assert (summed.value, summed.gradient) == (pytest.approx(0.116), 1.0)
    product = node(graph, "*").wires[0]
    np.testing.assert_array_equal(product.gradient, [1.0, 1.0])


def test_inputs_of_containers_and_globals() -> None:
    class Params(NamedTuple):
        W: Any
        b: float

    def loss(params: Params, extra: dict[str, float]) -> Any:
        return np.sum(params.W) * SCALE + params.b * extra["c"]

    gradient = grad(loss)
    args = Params(np.ones(2), 3.0), {"c": 4.0}
    graph = gradient.graph_at(*args)
    inputs = {n.label: n.wires[0].gradient for n in graph.nodes if n.kind == "input"}
    np.testing.assert_array_equal(inputs.pop("params.W"), [SCALE, SCALE])
    assert inputs == {"params.b": 4.0, "extra['c']": 3.0, "SCALE": 2.0}
    gradient(*args)
    assert [n.label for n in gradient.graph.nodes] == [n.label for n in graph.nodes]


SCALE = 2.0


def test_several_results_and_unused_values() -> None:
    def with_aux(x: float) -> tuple[float, float]:
        unused = x * 7.0  # noqa: F841
        return x * x, x + 1.0

    graph = grad(with_aux, has_aux=True).graph_at(3.0)
    assert [n.label for n in graph.nodes if n.kind == "output"] == ["output[0]", "output[1]"]
    assert (wire(graph, "x").gradient, wire(graph, "unused").gradient) == (6.0, 0.0)


def test_where_an_exponent_has_no_derivative_the_rest_is_drawn() -> None:
    def cube(x: float, n: float) -> float:
        return math.pow(x, n)

    graph = grad(cube).graph_at(-2.0, 3.0)
    assert (wire(graph, "x").value, wire(graph, "x").gradient) == (-2.0, 12.0)


def test_refusals_and_wrong_calls() -> None:
    def loop(x: float) -> float:
        for _ in range(3):
            x = os_dependent(x)
        return x

    with pytest.raises(Unsupported):
        grad(loop).graph_at(1.0)
    with pytest.raises(TypeError):
        grad(product_of_sum).graph_at(1.0)
    with pytest.raises(ZeroDivisionError):
        grad(lambda x: 1.0 / x).graph_at(0.0)


def os_dependent(x: float) -> float:
    return float(open(str(x)).read())


NODE = re.compile(r'(n\d+) \[label="((?:[^"\\]|\\.)*)", shape=(\w+)\];')
EDGE = re.compile(
    r'(n\d+) -> (n\d+) \[(?:label="((?:[^"\\]|\\.)*)"|style=dashed)'
    r'(?:, xlabel="((?:[^"\\]|\\.)*)")?\];'
)
OTHER = re.compile(r'digraph "[^"]*" \{|rankdir=LR;|subgraph cluster_\w+ \{|label="\w+";|\}')


def parsed(dot: str) -> tuple[dict[str, str], list[tuple[str, ...]]]:
    """Nodes and edges; fails where a line is not of the DOT language as we write it."""
    nodes, edges, depth = {}, [], 0
    for line in dot.splitlines():
        text = line.strip()
        if found := NODE.fullmatch(text):
            assert found[1] not in nodes
            nodes[found[1]] = found[2]
        elif found := EDGE.fullmatch(text):
            edges.append(found.groups(""))
        else:
            assert OTHER.fullmatch(text), text
        depth += text.endswith("{")
        depth -= text == "}"
        assert depth > 0 or line == "}"
    assert depth == 0
    assert all(end in nodes for edge in edges for end in edge[:2])
    return nodes, edges


def test_dot_has_the_value_above_and_the_gradient_below() -> None:
    nodes, edges = parsed(grad(product_of_sum).graph_at(-2.0, 5.0, -4.0).to_dot())
    assert list(nodes.values()) == ["x", "y", "z", "+", "*", "output"]
    assert ("n4", "n5", "3\\n-4", "q") in edges
    assert ("n5", "n6", "-12\\n1", "") in edges


def test_dot_of_a_branch_has_clusters() -> None:
    dot = grad(nested).graph_at(0.5, 3.0).to_dot()
    parsed(dot)
    assert len(re.findall(r"subgraph cluster_n\d+ \{", dot)) == 2
    assert len(re.findall(r"cluster_n\d+_(then|else) \{", dot)) == 4
    assert "style=dashed" in dot
    parsed(grad(nested).graph.to_dot())


def test_dot_escapes_quotes() -> None:
    def labelled(params: dict[str, float]) -> float:
        return params['"'] * 2.0

    nodes, _ = parsed(grad(labelled).graph_at({'"': 1.0}).to_dot())
    assert '\\"' in nodes["n1"]


def test_text_of_a_graph() -> None:
    assert repr(grad(product_of_sum).graph_at(-2.0, 5.0, -4.0)).splitlines() == [
        "computational graph of product_of_sum, evaluated",
        "n1  x                  -2     gradient -4",
        "n2  y                  5      gradient -4",
        "n3  z                  -4     gradient 3",
        "n4  +       <- n1, n2  q = 3  gradient -4",
        "n5  *       <- n4, n3  -12    gradient 1",
        "n6  output  <- n5",
    ]
    assert "  then:\n" in str(grad(piecewise).graph)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking these takes minutes
)
@given(programs(), st.integers(0, 2**32 - 1))
def test_random_programs_agree_with_their_gradients(
    program: tuple[str, list[tuple[int, ...]]], seed: int
) -> None:
    text, shapes = program
    f = function_from_source(text)
    rng = np.random.default_rng(seed)
    args = [rng.uniform(-1.5, 1.5, s) if s else float(rng.uniform(-1.5, 1.5)) for s in shapes]
    with np.errstate(all="ignore"):
        assume(np.isfinite(f(*args)))
    names = f.__code__.co_varnames[: len(args)]
    gradient = value_and_grad(f, argnums=names)
    graph = gradient.graph_at(*args)
    value, gradients = gradient(*args)
    for name, expected in zip(names, gradients, strict=True):
        np.testing.assert_allclose(wire(graph, name).gradient, expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(graph.edges[-1].value, value, rtol=1e-12, atol=1e-12)
    parsed(graph.to_dot())
    parsed(gradient.graph.to_dot())


def test_lengths_read_from_outside_that_must_be_known() -> None:
    def loss(x: Any) -> Any:
        return np.sum(x.reshape(ROWS, -1)[0]) * SCALE

    graph = grad(loss).graph_at(np.arange(6.0))
    np.testing.assert_array_equal(wire(graph, "x").gradient, [2.0, 2.0, 2.0, 0.0, 0.0, 0.0])


ROWS = 2


def test_abbreviations() -> None:
    assert abbreviated(np.float32(0.1)) == "0.1"
    assert abbreviated(np.array(3.0)) == "() 3"
    assert abbreviated(np.zeros((10, 3))) == "(10, 3)"
    assert abbreviated(np.array([True])) == "(1,) [True]"
    assert abbreviated("text") == "'text'"
