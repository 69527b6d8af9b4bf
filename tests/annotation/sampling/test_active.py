from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.quality.belief import UNSEEN, Belief
from annotation.sampling import Plan, active, strategy
from annotation.sampling.active import Candidate, choose, fill, information
from training.study.people import Labelling, play

BELIEF = st.builds(Belief, st.floats(-4, 4), st.floats(0.1, 2))
CANDIDATES = st.lists(st.builds(Candidate, BELIEF, st.booleans()), min_size=1, max_size=8)


def world(size: int, **options: object) -> Labelling:
    draw = random.Random(5)  # noqa: S311 - test data
    return Labelling([draw.gauss(0, 1) for _ in range(size)], 0.0, 7, **options)  # type: ignore[arg-type]


def played(name: str, of: Labelling) -> Labelling:
    for _ in play(name, of):
        continue
    return of


def test_whoever_has_room_comes_before_whoever_has_none() -> None:
    full, open_ = Candidate(Belief(-3.0, 0.2), has_room=False), Candidate(Belief(3.0, 0.2), has_room=True)
    assert choose(UNSEEN, [full, open_]) == 1


def test_among_the_full_the_likeliest_loser_is_taken() -> None:
    full = [Candidate(Belief(theta, 0.5), has_room=False) for theta in (1.0, -2.0, 0.0)]
    assert choose(Belief(0.5, 0.5), full) == 1


def test_among_those_with_room_the_least_foreseeable_answer_is_asked_for() -> None:
    anchor = Belief(1.0, 0.5)
    near, far = Candidate(Belief(1.1, 0.5), has_room=True), Candidate(Belief(-3.0, 0.5), has_room=True)
    unsure = Candidate(Belief(1.1, 1.5), has_room=True)
    assert choose(anchor, [far, near]) == 1
    assert choose(anchor, [near, unsure]) == 1


def test_equals_are_taken_in_the_order_of_the_stream() -> None:
    assert choose(UNSEEN, [Candidate(UNSEEN, has_room=True)] * 4) == 0
    with pytest.raises(ValueError, match="empty"):
        choose(UNSEEN, [])


@given(BELIEF, CANDIDATES)
def test_the_choice_has_the_best_score(anchor: Belief, candidates: list[Candidate]) -> None:
    best = candidates[choose(anchor, candidates)]
    for one in candidates:
        assert 0 <= fill(anchor, one) <= 1
        assert (fill(anchor, one), information(anchor, one)) <= (
            fill(anchor, best),
            information(anchor, best),
        )


def test_fewer_labels_fill_more_quotas_than_iterative() -> None:
    active_, iterative_ = played("active", world(300)), played("iterative", world(300))
    assert active_.labels < 0.85 * iterative_.labels
    assert sum(active_.wins) > sum(iterative_.wins)


def test_no_pair_twice_and_no_quota_passed() -> None:
    done = played("active", world(60))
    assert len(done.compared) == done.labels
    assert max(done.wins) == 2
    assert max(done.attempts) <= 6


@pytest.mark.parametrize("reuse", [True, False])
@pytest.mark.parametrize(("k", "cap"), [(1, 3), (2, 3), (4, 3)])
def test_the_estimate_is_near_the_simulation(k: int, cap: int, reuse: bool) -> None:
    done = played("active", world(300, k=k, attempt_cap=cap, reuse=reuse))
    plan = Plan(size=300, k=k, attempt_cap=cap, reuse=reuse)
    assert active.estimate(plan) == pytest.approx(done.labels, rel=0.12)


def test_it_is_the_strategy_that_learns() -> None:
    assert strategy("active").learns
    assert not strategy("iterative").learns
