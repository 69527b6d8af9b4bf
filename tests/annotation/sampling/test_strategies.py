from __future__ import annotations

import random as stdlib_random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.sampling import STRATEGIES, Plan, UnknownStrategy, iterative, random, strategy


@given(st.integers(2, 40), st.text(max_size=8))
@settings(max_examples=30)
def test_random_stream_holds_every_pair_once(size: int, seed: str) -> None:
    pairs = [random.pair_at(size, seed, place) for place in range(random.length(size))]
    assert len(set(pairs)) == size * (size - 1) // 2
    assert all(0 <= low < high < size for low, high in pairs)


@given(st.integers(1, 300), st.text(max_size=8))
@settings(max_examples=30)
def test_every_preference_gets_its_turn_as_anchor(size: int, seed: str) -> None:
    assert {iterative.anchor_at(size, seed, place) for place in range(size)} == set(range(size))


@given(st.integers(2, 120), st.text(max_size=8), st.data())
@settings(max_examples=30)
def test_anchor_meets_every_other_preference_once(size: int, seed: str, data: st.DataObject) -> None:
    anchor = data.draw(st.integers(0, size - 1))
    partners = [iterative.partner_at(size, seed, anchor, place) for place in range(size - 1)]
    assert sorted(partners) == [number for number in range(size) if number != anchor]


def test_large_pool_costs_no_more_than_a_small_one() -> None:
    low, high = random.pair_at(10**9, "s", 10**17)
    assert 0 <= low < high < 10**9


@pytest.mark.parametrize(
    ("size", "k", "wanted"), [(0, 2, 0), (1, 2, 0), (2, 2, 1), (5, 2, 10), (100, 2, 200)]
)
def test_random_target_is_k_per_preference_as_far_as_there_are_pairs(size: int, k: int, wanted: int) -> None:
    assert random.target(size, k) == wanted
    assert random.estimate(Plan(size=size, k=k, overlap=3)) == 3 * wanted


def _simulated(plan: Plan, draw: stdlib_random.Random) -> int:
    """Comparisons the iterative strategy draws when the larger of two random margins always wins."""
    margin = [draw.random() for _ in range(plan.size)]
    wins, met, drawn = [0] * plan.size, set(), 0
    for anchor in draw.sample(range(plan.size), plan.size):
        attempts = 0
        while wins[anchor] < plan.k and attempts < plan.k * plan.attempt_cap:
            partner = draw.randrange(plan.size)
            pair = (min(anchor, partner), max(anchor, partner))
            if anchor == partner or pair in met:
                continue
            met.add(pair)
            drawn, attempts = drawn + 1, attempts + 1
            if margin[anchor] > margin[partner]:
                wins[anchor] += 1
            elif plan.reuse:
                wins[partner] += 1
    return drawn


@pytest.mark.parametrize("reuse", [True, False])
@pytest.mark.parametrize(("k", "cap"), [(1, 3), (2, 3), (2, 5), (6, 2)])
def test_iterative_estimate_agrees_with_a_simulation(reuse: bool, k: int, cap: int) -> None:
    plan = Plan(size=600, k=k, attempt_cap=cap, reuse=reuse)
    draw = stdlib_random.Random(1)  # noqa: S311 - a simulation
    simulated = sum(_simulated(plan, draw) for _ in range(6)) / 6
    assert iterative.estimate(plan) == pytest.approx(simulated, rel=0.04)


def test_reuse_saves_labels_and_overlap_multiplies_them() -> None:
    plan = Plan(size=1000, k=2, attempt_cap=3, reuse=False)
    with_reuse = iterative.estimate(replace(plan, reuse=True))
    assert with_reuse < 0.75 * iterative.estimate(plan)
    assert iterative.estimate(replace(plan, overlap=3)) == 3 * iterative.estimate(plan)


@given(st.integers(0, 12), st.integers(1, 8), st.integers(1, 6), st.booleans())
def test_no_estimate_passes_the_number_of_pairs(size: int, k: int, cap: int, reuse: bool) -> None:
    plan = Plan(size=size, k=k, attempt_cap=cap, reuse=reuse)
    for entry in STRATEGIES.values():
        assert 0 <= entry.estimate(plan) <= size * (size - 1) / 2 + 1e-9


@pytest.mark.parametrize("name", list(STRATEGIES))
def test_every_strategy_says_what_it_is(name: str) -> None:
    entry = strategy(name)
    assert entry.name == name
    assert all((entry.title, entry.summary, entry.doc))


def test_unknown_strategy_lists_the_known_ones() -> None:
    with pytest.raises(UnknownStrategy, match="random, iterative"):
        strategy("bandit")
