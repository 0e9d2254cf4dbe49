"""The cheapest way to bring goods from sources to sinks: successive shortest paths.

Small and exact: a run has a handful of groups of items and a few dozen places to send them to.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import TypeAlias

Way: TypeAlias = tuple[int, int]
"""From a source to a sink, by their numbers."""


class _Net:
    """Edges in pairs: each has one back, on which a decision can be taken back."""

    def __init__(self, nodes: int) -> None:
        self.out: list[list[int]] = [[] for _ in range(nodes)]
        self.head: list[int] = []
        self.room: list[int] = []
        self.cost: list[int] = []

    def edge(self, tail: int, head: int, room: int, cost: int) -> int:
        """A new edge; its number."""
        for start, end, free, price in ((tail, head, room, cost), (head, tail, 0, -cost)):
            self.out[start].append(len(self.head))
            self.head.append(end)
            self.room.append(free)
            self.cost.append(price)
        return len(self.head) - 2

    def path(self, start: int, end: int) -> list[int]:
        """The edges of the cheapest way with room; empty without one."""
        best: list[int | None] = [None] * len(self.out)
        best[start] = 0
        came = [-1] * len(self.out)
        waiting = deque((start,))
        queued = {start}
        while waiting:
            node = waiting.popleft()
            queued.discard(node)
            at = best[node] or 0
            for edge in self.out[node]:
                to, price = self.head[edge], at + self.cost[edge]
                known = best[to]
                if self.room[edge] and (known is None or price < known):
                    best[to], came[to] = price, edge
                    if to not in queued:
                        queued.add(to)
                        waiting.append(to)
        edges: list[int] = []
        node = end
        while came[node] >= 0 and node != start:
            edges.append(came[node])
            node = self.head[came[node] ^ 1]
        return edges


def cheapest(
    supply: Sequence[int], room: Sequence[int | None], ways: Mapping[Way, int]
) -> dict[Way, int]:
    """How much goes which way, for the least cost; as much as there is room for.

    ``supply`` is what each source has, ``room`` what each sink takes (``None``: anything), ``ways``
    the cost of a piece.
    """
    sources, sinks = len(supply), len(room)
    start, end = sources + sinks, sources + sinks + 1
    total = sum(supply)
    net = _Net(sources + sinks + 2)
    for number, amount in enumerate(supply):
        net.edge(start, number, amount, 0)
    for number, free in enumerate(room):
        net.edge(sources + number, end, total if free is None else free, 0)
    edges = {way: net.edge(way[0], sources + way[1], total, cost) for way, cost in ways.items()}
    while path := net.path(start, end):
        amount = min(net.room[edge] for edge in path)
        for edge in path:
            net.room[edge] -= amount
            net.room[edge ^ 1] += amount
    return {way: moved for way, edge in edges.items() if (moved := net.room[edge ^ 1])}
