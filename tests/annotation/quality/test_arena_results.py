"""Win rates and scores of an arena, against other ways to the same numbers."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize

from annotation.quality import arena, shares, strengths
from annotation.quality.arena import Votes
from annotation.quality.belief import PRIOR_SD

Floats = NDArray[np.float64]


def votes(*given: tuple[int, int, int, float]) -> Votes:
    """(prompt, first, second, score of first), one vote each."""
    table = np.array(given, np.float64).reshape(-1, 4)
    prompt, first, second = (table[:, place].astype(np.int64) for place in range(3))
    return Votes(prompt, first, second, table[:, 3], np.ones(len(table)))


def drawn(theta: Floats, prompts: int, seed: int, share: float = 0.5) -> Votes:
    draw = np.random.default_rng(seed)
    models = len(theta)
    given = [
        (prompt, one, other, float(draw.random() < 1 / (1 + np.exp(theta[other] - theta[one]))))
        for prompt in range(prompts)
        for one in range(models)
        for other in range(one + 1, models)
        if draw.random() < share
    ]
    return votes(*given)


def won(found: Votes, models: int) -> Floats:
    table = np.zeros((models, models))
    np.add.at(table, (found.first, found.second), found.count * found.score)
    np.add.at(table, (found.second, found.first), found.count * (1 - found.score))
    return table


def test_the_fit_is_that_of_strengths_and_of_a_general_optimiser() -> None:
    found = drawn(np.array([1.0, 0.3, -0.2, -1.1]), 40, seed=3)
    theta = arena.fit(won(found, 4)[None])[0]
    low, high = found.first.astype(np.int32), found.second.astype(np.int32)
    assert theta == pytest.approx(strengths.fit(low, high, found.score, 4).theta, abs=1e-7)

    def loss(at: Floats) -> float:
        gap = at[found.first] - at[found.second]
        return float(np.logaddexp(0, gap).sum() - found.score @ gap + 0.5 * at @ at / PRIOR_SD**2)

    assert theta == pytest.approx(optimize.minimize(loss, np.zeros(4)).x, abs=1e-4)


def test_two_models_have_a_closed_form() -> None:
    """Without a prior the gap is the log odds; with it, where its pull and the votes are in balance."""
    table = np.array([[0.0, 30.0], [10.0, 0.0]])
    theta = arena.fit(table[None], prior_sd=1e4)[0]
    assert theta[0] - theta[1] == pytest.approx(log(3), abs=1e-6)
    gap = optimize.brentq(lambda d: 30 - 40 / (1 + np.exp(-d)) - d / 2 / PRIOR_SD**2, 0, 5)
    theta = arena.fit(table[None])[0]
    assert theta == pytest.approx([gap / 2, -gap / 2], abs=1e-9)


def test_a_rate_of_one_vote_a_prompt_is_wilsons() -> None:
    found = votes(*((prompt, 0, 1, float(prompt < 14)) for prompt in range(20)))
    rate = arena.results(found, 2).rates[0][1]
    assert rate is not None
    low, high = shares.interval(0.7, 20 * 19 / 20)  # n − 1: the variance is estimated
    assert (rate.votes, rate.value, rate.low, rate.high) == pytest.approx((20, 0.7, low, high))


def test_votes_on_one_prompt_do_not_make_it_surer() -> None:
    once = [(prompt, 0, 1, float(prompt < 14)) for prompt in range(20)]
    one, five = (arena.results(votes(*(once * times)), 2) for times in (1, 5))
    assert five.standings[0].rate.value == one.standings[0].rate.value
    assert five.standings[0].rate.low == pytest.approx(one.standings[0].rate.low)
    # The score's prior weighs less against five times the votes; prompts are drawn alike.
    assert five.standings[0].high == pytest.approx(one.standings[0].high, abs=25)


def test_ties_are_half_a_win_each() -> None:
    found = arena.results(votes((0, 0, 1, 0.5), (1, 1, 0, 0.5)), 2)
    assert [one.score for one in found.standings] == [pytest.approx(1000)] * 2
    assert found.standings[0].rate.value == 0.5


def test_who_never_lost_has_no_bound_above_and_few_prompts_leave_much_open() -> None:
    best, worst, absent = arena.results(votes(*((prompt, 2, 0, 1.0) for prompt in range(4))), 3).standings
    assert (best.model, worst.model, absent.model) == (2, 0, 1)
    assert (best.high, worst.low, absent.score) == (None, None, None)
    assert best.low is not None
    assert best.score is not None
    assert best.low < 1000 < best.score
    assert (best.rate.low, best.rate.high) == pytest.approx(shares.interval(1.0, 4))


def test_models_that_never_met_are_told_apart() -> None:
    found = arena.results(votes((0, 0, 1, 1.0), (1, 1, 0, 1.0), (0, 2, 3, 0.0), (1, 2, 3, 0.5)), 4)
    groups = {one.model: one.group for one in found.standings}
    assert found.groups == 2
    assert (groups[0], groups[2]) == (groups[1], groups[3])
    assert groups[0] != groups[2]


def test_nothing_is_known_without_votes() -> None:
    found = arena.results(votes(), 2)
    assert [one.score for one in found.standings] == [None, None]


def test_intervals_hold_the_truth() -> None:
    """95 % of 40 intervals for each of three models: at most 12 of the 120 miss it (p < .02 if 95 % do)."""
    theta = np.array([0.8, 0.0, -0.8])
    missed = 0
    for seed in range(40):
        for one in arena.results(drawn(theta, 60, seed), 3, resamples=200).standings:
            truth = 1000 + 400 / log(10) * theta[one.model]
            assert one.low is not None
            assert one.high is not None
            missed += not one.low <= truth <= one.high
    assert missed <= 12


def test_equal_responses_tie_as_often_as_others_are_asked() -> None:
    """Models 0 and 1 differ at 4 prompts, of which 2 were asked: each of 3 equal ones is half a tie."""
    given = votes((0, 0, 1, 1.0), (1, 0, 1, 1.0))
    askable = np.array([[0, 4], [4, 0]])
    place = np.array([7, 8, 9])
    ties = arena.ties(place, (np.zeros(3, np.int64), np.ones(3, np.int64)), given, askable)
    assert ties.count == pytest.approx([0.5, 0.5, 0.5])
    rate = arena.results(given.and_also(ties), 2).rates[0][1]
    assert rate is not None
    assert (rate.votes, rate.value) == pytest.approx((3.5, 2.75 / 3.5))
