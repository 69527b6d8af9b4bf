from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.sampling.permutation import Permutation, pair_count, rank_pair, unrank_pair

seeds = st.text(max_size=30)


@given(st.integers(1, 600), seeds)
@settings(max_examples=60)
def test_every_element_stands_once(n: int, seed: str) -> None:
    permutation = Permutation(n, seed)
    assert sorted(permutation[place] for place in range(n)) == list(range(n))


@given(st.integers(1, 10**30), seeds, st.data())
def test_place_of_undoes_indexing(n: int, seed: str, data: st.DataObject) -> None:
    permutation = Permutation(n, seed)
    place = data.draw(st.integers(0, n - 1))
    element = permutation[place]
    assert 0 <= element < n
    assert permutation.place_of(element) == place


@pytest.mark.parametrize("place", [-1, 7, 8])
def test_places_outside_are_refused(place: int) -> None:
    with pytest.raises(IndexError):
        Permutation(7, "s")[place]
    with pytest.raises(IndexError):
        Permutation(7, "s").place_of(place)


def test_empty_permutation_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Permutation(0, "s")


def test_seed_fixes_the_order_across_versions() -> None:
    """Projects that are under way depend on it: changing the network means a new epoch for all of them."""
    permutation = Permutation(10, "42/train/pairs/1")
    assert [permutation[place] for place in range(10)] == [0, 2, 8, 1, 6, 9, 4, 5, 3, 7]


def test_other_seeds_give_other_orders() -> None:
    orders = {tuple(Permutation(8, str(seed))[place] for place in range(8)) for seed in range(200)}
    assert len(orders) > 190


@pytest.mark.parametrize("n", [5, 16, 45])
def test_first_place_is_uniform_over_seeds(n: int) -> None:
    """Chi-square against uniform, n − 1 degrees of freedom: mean + 6 standard deviations is not passed."""
    trials = 200 * n
    seen = Counter(Permutation(n, f"seed {seed}")[0] for seed in range(trials))
    chi_square = sum((seen[element] - 200) ** 2 / 200 for element in range(n))
    assert chi_square < (n - 1) + 6 * (2 * (n - 1)) ** 0.5


@given(st.integers(0, 10**18))
def test_ranks_and_pairs_are_one_to_one(rank: int) -> None:
    low, high = unrank_pair(rank)
    assert 0 <= low < high
    assert rank_pair(low, high) == rank


@given(st.integers(0, 80))
def test_pairs_of_the_first_n_fill_the_first_ranks(n: int) -> None:
    pairs = {unrank_pair(rank) for rank in range(pair_count(n))}
    assert len(pairs) == pair_count(n)
    assert all(high < n for _, high in pairs)


@pytest.mark.parametrize(("low", "high"), [(1, 1), (2, 1), (-1, 0)])
def test_what_is_no_pair_has_no_rank(low: int, high: int) -> None:
    with pytest.raises(ValueError, match="low < high"):
        rank_pair(low, high)


def test_negative_rank_is_refused() -> None:
    with pytest.raises(ValueError, match="start at 0"):
        unrank_pair(-1)
