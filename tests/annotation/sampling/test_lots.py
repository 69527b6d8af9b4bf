from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from annotation.sampling import lots

MANY = 20_000
RARE = 1e-6  # how often a fair lot would fail such a test


def _shares(seed: int, person: int, gold: int, retest: int) -> Counter[str]:
    return Counter(lots.turn(seed, person, served, gold, retest) for served in range(MANY))


def test_each_kind_comes_at_its_share_of_a_persons_turns() -> None:
    for person in (1, 2):
        drawn = _shares(7, person, 10, 5)
        for kind, share in (("gold", 0.10), ("retest", 0.05), ("work", 0.85)):
            low, high = stats.binom.interval(1 - RARE, MANY, share)
            assert low <= drawn[kind] <= high, kind


def test_two_people_get_their_checks_at_independent_turns() -> None:
    both = sum(
        lots.turn(7, 1, served, 30, 0) == lots.turn(7, 2, served, 30, 0) == "gold" for served in range(MANY)
    )
    low, high = stats.binom.interval(1 - RARE, MANY, 0.09)
    assert low <= both <= high


def test_what_comes_does_not_tell_what_comes_next() -> None:
    turns = [lots.turn(7, 1, served, 30, 0) == "gold" for served in range(MANY)]
    twice = sum(one and other for one, other in zip(turns[::2], turns[1::2], strict=True))
    low, high = stats.binom.interval(1 - RARE, MANY // 2, 0.09)
    assert low <= twice <= high


@given(seed=st.integers(), person=st.integers(0, 2**63), served=st.integers(0, 2**31))
def test_without_rates_it_is_always_work(seed: int, person: int, served: int) -> None:
    assert lots.turn(seed, person, served, 0, 0) == "work"
    assert 0 <= lots.lot(seed, "turn", person, served) < 1


def test_the_order_hangs_on_the_seed() -> None:
    assert _shares(7, 1, 50, 0) != _shares(8, 1, 50, 0) or lots.lot(7, "turn", 1, 0) != lots.lot(
        8, "turn", 1, 0
    )
