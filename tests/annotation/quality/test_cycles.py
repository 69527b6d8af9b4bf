from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.quality import cycles
from annotation.quality.cycles import Cycles, find

SIZE = 7
PAIRS = list(combinations(range(SIZE), 2))
OUTCOMES = st.lists(st.sampled_from([-1, 0, 1]), min_size=len(PAIRS), max_size=len(PAIRS))
Edges = list[tuple[int, int]]


def found(edges: Edges, most: int = 50) -> Cycles:
    winners = np.array([winner for winner, _ in edges], dtype=np.int64)
    losers = np.array([loser for _, loser in edges], dtype=np.int64)
    return find(winners, losers, most)


def ring(*ids: int) -> Edges:
    return list(zip(ids, [*ids[1:], ids[0]], strict=True))


def chosen(outcomes: list[int]) -> Edges:
    """An edge for each pair that was compared: -1 was not."""
    pairs = zip(PAIRS, outcomes, strict=True)
    return [pair if outcome else pair[::-1] for pair, outcome in pairs if outcome >= 0]


def is_cycle(cycle: list[int], edges: Edges) -> bool:
    return set(ring(*cycle)) <= set(edges)


def reachable(edges: Edges) -> set[tuple[int, int]]:
    """By Warshall's algorithm."""
    ways = set(edges)
    for middle in range(SIZE):
        ways |= {(a, d) for a, b in ways if b == middle for c, d in ways if c == middle}
    return ways


def test_nothing_compared_has_no_cycle() -> None:
    assert found([]) == Cycles(0, 0, 0, 0, 0, 0, [])
    assert found([]).share is None


def test_one_circle_by_the_ids_of_its_preferences() -> None:
    result = found(ring(30, 10, 20))
    assert result == Cycles(3, 1, 1, 3, 1, 3, [[10, 20, 30]])
    assert result.share == 1


def test_an_order_has_triangles_and_no_circle() -> None:
    result = found(PAIRS)
    assert (result.triangles, result.circles, result.in_cycles, result.examples) == (35, 0, 0, [])


def test_a_longer_way_round_is_found_where_there_is_no_circle() -> None:
    result = found([*ring(1, 2, 3, 4, 5), (5, 6)])
    assert (result.circles, result.in_cycles, result.groups, result.largest_group) == (0, 5, 1, 5)
    assert result.examples == [[1, 2, 3, 4, 5]]


def test_examples_are_bounded_and_the_counts_are_not() -> None:
    many = [edge for first in range(0, 300, 3) for edge in ring(first, first + 1, first + 2)]
    result = found(many, most=7)
    assert (len(result.examples), result.circles, result.groups) == (7, 100, 100)


def test_blocks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(3)
    pairs = [pair if draw.random() < 0.7 else pair[::-1] for pair in combinations(range(30), 2)]
    whole = found(pairs)
    monkeypatch.setattr(cycles, "PATHS_AT_ONCE", 50)
    assert found(pairs) == whole


def test_answers_by_coin_make_a_quarter_of_the_triangles_circles() -> None:
    draw = np.random.default_rng(0)
    edges = [pair if draw.random() < 0.5 else pair[::-1] for pair in combinations(range(80), 2)]
    assert found(edges).share == pytest.approx(0.25, abs=0.01)


@given(OUTCOMES)
def test_counts_are_those_of_the_definition(outcomes: list[int]) -> None:
    edges = chosen(outcomes)
    known = set(edges)
    triples = [
        triple
        for triple in combinations(range(SIZE), 3)
        if all(pair in known or pair[::-1] in known for pair in combinations(triple, 2))
    ]
    round_ = [(a, b, c) for a, b, c in triples if is_cycle([a, b, c], edges) or is_cycle([a, c, b], edges)]
    ways = reachable(edges)
    result = found(edges)
    assert (result.comparisons, result.triangles, result.circles) == (len(edges), len(triples), len(round_))
    assert result.in_cycles == sum((one, one) in ways for one in range(SIZE))


@given(OUTCOMES)
def test_every_example_is_a_cycle_and_every_circle_an_example(outcomes: list[int]) -> None:
    edges = chosen(outcomes)
    result = found(edges)
    assert all(is_cycle(cycle, edges) for cycle in result.examples)
    circles = [cycle for cycle in result.examples if len(cycle) == 3]
    assert len({tuple(sorted(cycle)) for cycle in circles}) == result.circles
    assert bool(result.examples) == bool(result.groups)
