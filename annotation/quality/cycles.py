"""Circles among decided comparisons: A is stronger than B, B than C, and C than A.

One is no fault of anybody's: answers are noisy, and preferences of nearly the same strength come out either
way. Their share tells how noisy. Of all triangles (three preferences, each pair compared) none is a circle
when one order explains every answer, and one in four is when each answer is the toss of a coin.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

Ids = NDArray[np.int64]
Graph = sparse.csr_array
PATHS_AT_ONCE = 5_000_000  # paths of two comparisons held in memory


@dataclass(frozen=True)
class Cycles:
    """What was found. Examples are cycles as ids of preferences, each stronger than the next."""

    comparisons: int
    triangles: int  # three preferences with each pair compared
    circles: int  # those of them that go round
    in_cycles: int  # preferences in a cycle of any length
    groups: int  # sets of preferences each of which is, by some way round, stronger than each other
    largest_group: int
    examples: list[list[int]]

    @property
    def share(self) -> float | None:
        """Of the triangles, those that go round; None without triangles."""
        return self.circles / self.triangles if self.triangles else None


def find(winners: Ids, losers: Ids, most_examples: int = 50) -> Cycles:
    """The cycles among comparisons, each pair of preference ids named at most once.

    The counts are exact. Examples are the circles with the smallest ids, and a shortest way round in each
    group that has no circle. O(comparisons) memory; time grows with the paths of two comparisons.
    """
    ids, places = np.unique(np.concatenate([winners, losers]), return_inverse=True)
    beats = _graph(places[: len(winners)], places[len(winners) :], len(ids))
    groups = _groups(beats)
    sizes = np.bincount(groups) if len(groups) else np.zeros(0, np.int64)
    inside = sizes[sizes > 1]
    examples = list(_first(_circles(beats), most_examples))
    met = {int(groups[cycle[0]]) for cycle in examples}
    if len(examples) < most_examples:
        examples += _first(_ways_round(beats, groups, sizes, met), most_examples - len(examples))
    return Cycles(
        comparisons=len(winners),
        triangles=_triangles(beats),
        circles=sum(int(block.sum()) for _, block in _closing(beats, beats.T.tocsr())) // 3,
        in_cycles=int(inside.sum()),
        groups=len(inside),
        largest_group=int(inside.max(initial=0)),
        examples=[[int(ids[place]) for place in cycle] for cycle in examples],
    )


def _graph(rows: Ids, columns: Ids, size: int) -> Graph:
    graph = Graph((np.ones(len(rows), np.int64), (rows, columns)), shape=(size, size))
    graph.sort_indices()
    return graph


def _groups(beats: Graph) -> Ids:
    """A number for each preference: the same where each is stronger than the other by some way round."""
    if not beats.shape[0]:
        return np.zeros(0, np.int64)
    labels = csgraph.connected_components(beats, directed=True, connection="strong")[1]
    return labels.astype(np.int64)


def _triangles(beats: Graph) -> int:
    both = (beats + beats.T).tocsr()
    return sum(int(block.sum()) for _, block in _closing(both, both)) // 6


def _closing(steps: Graph, back: Graph) -> Iterator[tuple[int, Graph]]:
    """Blocks of rows (the first row, the block): how many ways of two steps each step back closes."""
    paths = np.concatenate([[0], np.cumsum(steps @ np.diff(steps.indptr).astype(np.int64))])
    start, size = 0, steps.shape[0]
    while start < size:
        end = int(np.searchsorted(paths, paths[start] + PATHS_AT_ONCE, side="right")) - 1
        end = min(max(end, start + 1), size)
        yield start, Graph((steps[start:end] @ steps).multiply(back[start:end]))
        start = end


def _circles(beats: Graph) -> Iterator[list[int]]:
    """The circles, each from its smallest place on, in the order of those."""
    back = beats.T.tocsr()
    back.sort_indices()
    for start, block in _closing(beats, back):
        block.sort_indices()
        for row in np.flatnonzero(np.diff(block.indptr)):
            first = start + int(row)
            for last in block.indices[block.indptr[row] : block.indptr[row + 1]]:
                between = np.intersect1d(_row(beats, first), _row(back, int(last)), assume_unique=True)
                yield from (
                    [first, int(middle), int(last)] for middle in between if first < min(middle, last)
                )


def _ways_round(beats: Graph, groups: Ids, sizes: Ids, met: set[int]) -> Iterator[list[int]]:
    """A shortest cycle through the first member of each group that no example was found in, larger first."""
    for group in sorted(np.flatnonzero(sizes > 1), key=lambda one: (-sizes[one], one)):
        if int(group) in met:
            continue
        members = np.flatnonzero(groups == group)
        yield [int(members[place]) for place in _shortest(Graph(beats[members][:, members]))]


def _shortest(group: Graph) -> list[int]:
    """A shortest cycle through place 0 of a graph in which each is reached from each."""
    order, before = csgraph.breadth_first_order(group, 0, directed=True, return_predecessors=True)
    backwards = set(_row(group.T.tocsr(), 0).tolist())
    place = next(int(one) for one in order if int(one) in backwards)
    cycle = [place]
    while place:
        place = int(before[place])
        cycle.append(place)
    return cycle[::-1]


def _row(graph: Graph, place: int) -> NDArray[np.int32]:
    return graph.indices[graph.indptr[place] : graph.indptr[place + 1]]


def _first(cycles: Iterator[list[int]], most: int) -> Iterator[list[int]]:
    return (cycle for cycle, _ in zip(cycles, range(most), strict=False))
