"""Minimum cuts against all cuts of small networks."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from ad_compiler.transforms.minimum_cut import SINK, SOURCE, Network

NODES = [SOURCE, "a", "b", "c", "d", SINK]
Edges = list[tuple[str, str, int | None]]


def weight_of(edges: Edges, sink_side: set[str]) -> float:
    """What is cut between the nodes outside and inside of `sink_side`."""
    cut = [w for start, end, w in edges if start not in sink_side and end in sink_side]
    return float("inf") if None in cut else float(sum(w for w in cut if w is not None))


@st.composite
def networks(draw: st.DrawFn) -> Edges:
    ends = st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)).filter(lambda pair: pair[0] != pair[1])
    weights = st.one_of(st.integers(0, 9), st.none())
    pairs = draw(st.lists(ends, max_size=12))
    return [
        (start, end, draw(st.integers(0, 9) if start == SOURCE else weights))
        for start, end in pairs
        if start != SINK and end != SOURCE
    ]


@given(networks())
def test_no_cut_is_cheaper_and_of_the_cheapest_the_sinks_side_is_the_smallest(edges: Edges) -> None:
    network = Network()
    for start, end, weight in edges:
        network.connect(start, end, weight)
    found = {str(node) for node in network.sink_side()}
    sides = [
        {SINK, *(node for node, inside in zip(NODES[1:-1], chosen, strict=True) if inside)}
        for chosen in product([False, True], repeat=4)
    ]
    least = min(weight_of(edges, side) for side in sides)
    assert weight_of(edges, found) == least
    assert len(found) == min(len(side) for side in sides if weight_of(edges, side) == least)
