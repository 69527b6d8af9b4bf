from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize

from annotation.quality import spread
from annotation.quality.belief import PRIOR_SD
from annotation.quality.strengths import Strengths, fit
from tests.annotation.quality.worlds import Floats, Ids, random_pairs

SIZE = 6
Answer = tuple[int, int, float]
PAIR = st.tuples(st.integers(0, SIZE - 1), st.integers(0, SIZE - 1)).filter(lambda pair: pair[0] != pair[1])
ANSWER = st.tuples(PAIR, st.sampled_from([0.0, 0.5, 1.0])).map(lambda it: (*it[0], it[1]))
ANSWERS = st.lists(ANSWER, max_size=15)


def arrays(answers: list[Answer]) -> tuple[Ids, Ids, Floats]:
    low = np.array([one for one, _, _ in answers], dtype=np.int32)
    high = np.array([other for _, other, _ in answers], dtype=np.int32)
    return low, high, np.array([won for _, _, won in answers], dtype=np.float64)


def fitted(answers: list[Answer], size: int = SIZE, prior_sd: float = PRIOR_SD) -> Strengths:
    return fit(*arrays(answers), size, prior_sd=prior_sd)


def loss(theta: Floats, answers: list[Answer], prior_sd: float) -> float:
    """The definition, answer by answer."""
    total = float(theta @ theta) / (2 * prior_sd**2)
    for one, other, won in answers:
        gap = theta[one] - theta[other]
        total += won * np.logaddexp(0, -gap) + (1 - won) * np.logaddexp(0, gap)
    return total


def curvature(theta: Floats, answers: list[Answer], prior_sd: float) -> NDArray[np.float64]:
    result: NDArray[np.float64] = np.eye(len(theta)) / prior_sd**2
    for one, other, _ in answers:
        p = 1 / (1 + np.exp(theta[other] - theta[one]))
        difference = np.eye(len(theta))[one] - np.eye(len(theta))[other]
        result += p * (1 - p) * np.outer(difference, difference)
    return result


def test_one_answer_under_a_prior_of_one() -> None:
    """By hand: the gap 2x solves x = 1 − σ(2x), whose root is x = .337416…"""
    result = fitted([(0, 1, 1.0)], size=2, prior_sd=1.0)
    assert result.theta == pytest.approx([0.337416, -0.337416], abs=1e-6)
    # H = [[1+w, −w], [−w, 1+w]] with w = σ(2x)(1 − σ(2x)): variance (1+w)/(1+2w).
    w = 0.662584 * 0.337416
    assert result.sd == pytest.approx([((1 + w) / (1 + 2 * w)) ** 0.5] * 2, abs=1e-6)
    assert result.converged


def test_without_answers_the_prior_is_left() -> None:
    result = fitted([], size=3)
    assert result.theta.tolist() == [0, 0, 0]
    assert result.sd == pytest.approx([PRIOR_SD] * 3)
    assert result.converged


def test_too_close_moves_nothing_and_makes_surer() -> None:
    result = fitted([(0, 1, 0.5)], size=3)
    assert result.theta == pytest.approx([0, 0, 0])
    assert result.sd[0] < result.sd[2] == pytest.approx(PRIOR_SD)


def test_winner_of_every_comparison_has_a_finite_strength() -> None:
    result = fitted([(0, other, 1.0) for other in range(1, SIZE)] * 50)
    assert result.converged
    assert 1 < result.theta[0] < 10


def test_start_changes_where_the_search_begins_not_where_it_ends() -> None:
    world = random_pairs(200, 500)
    cold = fit(world.low, world.high, world.low_wins, 200)
    warm = fit(world.low, world.high, world.low_wins, 200, start=cold.theta)
    far = fit(world.low, world.high, world.low_wins, 200, start=np.linspace(-20, 20, 200))
    assert warm.iterations == 0
    assert far.theta == pytest.approx(cold.theta, abs=1e-6)


def test_same_answers_give_the_same_floats() -> None:
    world = random_pairs(3000, 6000)
    one, two = (fit(world.low, world.high, world.low_wins, 3000) for _ in range(2))
    assert one.theta.tobytes() == two.theta.tobytes()
    assert one.sd.tobytes() == two.sd.tobytes()


def test_strengths_find_the_truth() -> None:
    world = random_pairs(300, 12_000)
    result = fit(world.low, world.high, world.low_wins, 300)
    assert np.corrcoef(result.theta, world.truth)[0, 1] > 0.97
    inside = np.abs(result.theta - (world.truth - world.truth.mean())) < 1.96 * result.sd
    assert 0.9 < inside.mean() < 0.99


@given(ANSWERS, st.sampled_from([0.3, 1.0, PRIOR_SD]))
def test_it_is_what_a_plain_optimiser_finds(answers: list[Answer], prior_sd: float) -> None:
    result = fitted(answers, prior_sd=prior_sd)
    plain = minimize(loss, np.zeros(SIZE), args=(answers, prior_sd), method="BFGS", options={"gtol": 1e-6})
    assert result.converged
    assert result.theta == pytest.approx(plain.x, abs=2e-4)
    assert loss(result.theta, answers, prior_sd) <= plain.fun + 1e-12
    exact = np.diag(np.linalg.inv(curvature(result.theta, answers, prior_sd))) ** 0.5
    assert result.sd == pytest.approx(exact)


@given(ANSWERS, st.permutations(range(SIZE)))
def test_names_do_not_matter(answers: list[Answer], names: list[int]) -> None:
    renamed = fitted([(names[one], names[other], won) for one, other, won in answers])
    result = fitted(answers)
    assert renamed.theta[names] == pytest.approx(result.theta, abs=1e-6)
    assert renamed.sd[names] == pytest.approx(result.sd, abs=1e-6)


@given(ANSWERS)
def test_turned_answers_turn_the_strengths(answers: list[Answer]) -> None:
    result = fitted(answers)
    turned = fitted([(one, other, 1 - won) for one, other, won in answers])
    assert turned.theta == pytest.approx(-result.theta, abs=1e-6)
    other_way = fitted([(other, one, 1 - won) for one, other, won in answers])
    assert other_way.theta == pytest.approx(result.theta, abs=1e-6)


@given(ANSWERS, PAIR)
def test_one_more_win_raises_the_winner_and_lowers_the_loser(
    answers: list[Answer], pair: tuple[int, int]
) -> None:
    before, after = fitted(answers), fitted([*answers, (*pair, 1.0)])
    assert after.theta[pair[0]] > before.theta[pair[0]]
    assert after.theta[pair[1]] < before.theta[pair[1]]


@given(ANSWERS)
def test_strengths_sum_to_zero(answers: list[Answer]) -> None:
    assert fitted(answers).theta.sum() == pytest.approx(0, abs=1e-6)


def exact_and_propagated(size: int, low: Ids, high: Ids) -> tuple[Floats, Floats]:
    weights = np.random.default_rng(1).uniform(0.05, 0.25, len(low))
    edges = (low.astype(np.int64), high.astype(np.int64), weights)
    exact = spread._inverted(*edges, np.arange(size), 0.3)
    return exact**-0.5, spread._propagated(*edges, size, 0.3) ** -0.5


def test_propagated_deviations_are_exact_without_loops() -> None:
    chain = np.array(list(pairwise(range(40))), dtype=np.int32)
    exact, propagated = exact_and_propagated(40, chain[:, 0], chain[:, 1])
    assert propagated == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize(("answers", "off"), [(1000, 0.03), (4000, 0.03), (16_000, 0.03), (100_000, 0.08)])
def test_propagated_deviations_are_near_and_never_above(answers: int, off: float) -> None:
    world = random_pairs(1000, answers)
    pairs = np.unique(np.sort(np.stack([world.low, world.high], axis=1), axis=1), axis=0)
    exact, propagated = exact_and_propagated(1000, pairs[:, 0], pairs[:, 1])
    ratio = propagated / exact
    assert ratio.max() <= 1 + 1e-9
    assert ratio.min() >= 1 - off


def test_many_preferences_get_deviations_too() -> None:
    size = spread.INVERTED + 1000
    world = random_pairs(size, 3 * size)
    result = fit(world.low, world.high, world.low_wins, size)
    assert result.converged
    assert np.all((result.sd > 0) & (result.sd <= PRIOR_SD))
