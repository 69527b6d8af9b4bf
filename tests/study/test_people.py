"""Simulated people: what they answer follows from the truth, their error, and what is too close to call."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.sampling import STRATEGIES
from training.study import people
from training.study.people import Labelling, play


def asked(strategy: str, size: int = 40, **options: object) -> Labelling:
    truth = np.random.default_rng(3).normal(size=size).tolist()
    found = Labelling(truth, **{"error": 0.0, "seed": 7} | options)  # type: ignore[arg-type]
    for _ in play(strategy, found):
        pass
    return found


@given(
    strategy=st.sampled_from(list(STRATEGIES)),
    size=st.integers(2, 25),
    k=st.integers(1, 4),
    gap=st.sampled_from([0.0, 0.5, 10.0]),
    reuse=st.booleans(),
    seed=st.integers(0, 5),
)
def test_no_pair_is_asked_twice_and_no_quota_is_passed(  # noqa: PLR0917
    strategy: str, size: int, k: int, gap: float, reuse: bool, seed: int
) -> None:
    found = asked(strategy, size, k=k, gap=gap, reuse=reuse, seed=seed)
    assert found.labels == len(found.compared)
    rows = people.rows(found, each=k)
    assert len({(one.stronger, one.weaker) for one in rows}) == len(rows)
    assert all(found.truth[one.stronger] - found.truth[one.weaker] >= gap for one in rows)
    assert max(found.wins) <= k


def test_random_replaces_what_is_too_close_to_call() -> None:
    found = asked("random", gap=0.5)
    assert len(found.answers) == 2 * 40
    assert found.labels > len(found.answers)


def test_people_err_at_their_rate() -> None:
    found = asked("random", 400, error=0.2, k=4)
    wrong = sum(found.truth[one.stronger] < found.truth[one.weaker] for one in found.answers)
    assert wrong / len(found.answers) == pytest.approx(0.2, abs=0.04)


def test_three_people_a_comparison_err_less_and_cost_three_labels() -> None:
    alone, three = (asked("random", 400, error=0.2, k=4, overlap=one) for one in (1, 3))
    wrong = [
        sum(one.truth[row.stronger] < one.truth[row.weaker] for row in one.answers) for one in (alone, three)
    ]
    assert wrong[1] < 0.7 * wrong[0]  # .104 of 1,600 against .2
    assert three.labels == 3 * len(three.compared)
    assert {row.confidence for row in three.answers} == {2 / 3, 1.0}


def test_without_reuse_a_partner_that_wins_makes_no_row() -> None:
    found = asked("iterative", reuse=False)
    assert any(one.anchor != one.stronger for one in found.answers)
    assert all(one.anchor == one.stronger for one in people.rows(found))


def test_the_limit_of_rows_keeps_the_first() -> None:
    found = asked("random")
    rows = people.rows(found, each=1)
    assert [one.stronger for one in rows] == list(dict.fromkeys(one.stronger for one in found.answers))
