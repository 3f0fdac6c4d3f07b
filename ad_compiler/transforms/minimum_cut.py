"""Minimum cuts of networks: the cheapest set of edges that parts the source from the sink.

    source -3-> a -1-> sink         the cut is {a -> sink}, of weight 1

By the theorem of Ford and Fulkerson its weight is the maximum flow, which is found by Dinic's algorithm
(Ahuja, Magnanti and Orlin, Network Flows (1993), section 7.5).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

SOURCE, SINK = "source", "sink"


class Network:
    """A directed graph whose edges have whole numbers as weights; None is an edge that is never cut.

    >>> network = Network()
    >>> network.connect(SOURCE, "a", 3)
    >>> network.connect("a", SINK, 1)
    >>> network.sink_side()
    {'sink'}
    """

    def __init__(self) -> None:
        self.left: dict[Hashable, dict[Hashable, int]] = {SOURCE: {}, SINK: {}}  # what may still flow
        self.endless: list[tuple[Hashable, Hashable]] = []
        self.total = 0

    def connect(self, start: Hashable, end: Hashable, weight: int | None) -> None:
        """Add an edge; parallel ones add up."""
        for node in (start, end):
            self.left.setdefault(node, {})
        self.left[start].setdefault(end, 0)
        self.left[end].setdefault(start, 0)
        if weight is None:
            self.endless.append((start, end))
        else:
            self.left[start][end] += weight
            self.total += weight

    def sink_side(self) -> set[Hashable]:
        """The nodes on the sink's side of a minimum cut: of several, the one with the fewest such nodes."""
        for start, end in self.endless:
            self.left[start][end] = self.total + 1
        while (levels := self.levels()) is not None:
            edges = {node: list(ends) for node, ends in self.left.items()}
            while path := self.path(levels, edges):
                flow = min(self.left[start][end] for start, end in path)
                for start, end in path:
                    self.left[start][end] -= flow
                    self.left[end][start] += flow
        found: set[Hashable] = {SINK}
        waiting: list[Hashable] = [SINK]
        while waiting:
            node = waiting.pop()
            for before in self.left[node]:
                if before not in found and self.left[before][node]:
                    found.add(before)
                    waiting.append(before)
        return found

    def levels(self) -> dict[Hashable, int] | None:
        """How many edges every node is from the source; None if the sink is out of reach."""
        levels: dict[Hashable, int] = {SOURCE: 0}
        waiting: deque[Hashable] = deque([SOURCE])
        while waiting:
            node = waiting.popleft()
            for end, weight in self.left[node].items():
                if weight and end not in levels:
                    levels[end] = levels[node] + 1
                    waiting.append(end)
        return levels if SINK in levels else None

    def path(
        self, levels: dict[Hashable, int], edges: dict[Hashable, list[Hashable]]
    ) -> list[tuple[Hashable, Hashable]]:
        """A shortest way for more flow; `edges` are those that have not led into a dead end yet."""
        path: list[tuple[Hashable, Hashable]] = []
        node: Hashable = SOURCE
        while node != SINK:
            while edges[node]:
                end = edges[node][-1]
                if self.left[node][end] and levels.get(end) == levels[node] + 1:
                    path.append((node, end))
                    node = end
                    break
                edges[node].pop()
            else:
                if not path:
                    return []
                node, _ = path.pop()
                edges[node].pop()
        return path
