from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.quality.belief import PRIOR_SD, UNSEEN, Belief, chance, updated
from annotation.quality.strengths import fit
from tests.annotation.quality.worlds import World, random_pairs

BELIEF = st.builds(Belief, st.floats(-5, 5), st.floats(0.05, 3))
WON = st.sampled_from([0.0, 0.5, 1.0])


def after_all(world: World, size: int) -> list[Belief]:
    beliefs = [UNSEEN] * size
    for one, other, won in zip(world.low, world.high, world.low_wins, strict=True):
        beliefs[one], beliefs[other] = updated(beliefs[one], beliefs[other], float(won))
    return beliefs


def test_first_answer_is_the_fit_itself() -> None:
    result = fit(np.array([0], np.int32), np.array([1], np.int32), np.array([1.0]), 2)
    one, other = updated(UNSEEN, UNSEEN, 1.0)
    assert [one.theta, other.theta] == pytest.approx(result.theta.tolist())
    assert [one.sd, other.sd] == pytest.approx(result.sd.tolist())


def test_the_less_sure_side_moves_further() -> None:
    known, unknown = updated(Belief(0.0, 0.5), Belief(0.0, 1.5), 1.0)
    assert 0 < known.theta < -unknown.theta


@given(BELIEF, BELIEF, WON)
def test_turned_answer_is_the_same_step(one: Belief, other: Belief, won: float) -> None:
    there, back = updated(one, other, won), updated(other, one, 1 - won)
    assert [there[0].theta, there[0].sd] == pytest.approx([back[1].theta, back[1].sd], abs=1e-8)
    assert [there[1].theta, there[1].sd] == pytest.approx([back[0].theta, back[0].sd], abs=1e-8)


@given(BELIEF, BELIEF, WON)
def test_an_answer_makes_both_surer(one: Belief, other: Belief, won: float) -> None:
    mine, theirs = updated(one, other, won)
    assert 0 < mine.sd <= one.sd
    assert 0 < theirs.sd <= other.sd


@given(BELIEF, BELIEF)
def test_chances_of_both_sides_sum_to_one(one: Belief, other: Belief) -> None:
    assert chance(one, other) + chance(other, one) == pytest.approx(1)


def test_chance_is_sigma_averaged_over_the_beliefs() -> None:
    one, other = Belief(1.5, 1.2), Belief(0.2, 0.8)
    draws = np.random.default_rng(0).normal(1.3, np.hypot(1.2, 0.8), 200_000)
    assert chance(one, other) == pytest.approx(float(np.mean(1 / (1 + np.exp(-draws)))), abs=0.01)


@pytest.mark.parametrize(("answers", "correlation"), [(500, 0.97), (1000, 0.97), (10_000, 0.99)])
def test_beliefs_stay_near_the_fit(answers: int, correlation: float) -> None:
    world = random_pairs(500, answers)
    beliefs = after_all(world, 500)
    result = fit(world.low, world.high, world.low_wins, 500)
    theta = np.array([belief.theta for belief in beliefs])
    sd = np.array([belief.sd for belief in beliefs])
    assert np.corrcoef(theta, result.theta)[0, 1] > correlation
    assert np.sqrt(np.mean((theta - result.theta) ** 2)) < 0.3
    assert 0.9 < (sd / result.sd).mean() < 1.1
    assert sd.max() <= PRIOR_SD
