"""The joint rules: known answers, symmetries, and what crowd-kit says to them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from annotation.consensus import JOINT, RULES, Votes, dawid_skene, noisy_bradley_terry, weighted

Floats = NDArray[np.float64]
PEOPLE, PREFERENCES = 4, 5


def votes_of(cast: list[tuple[int, int, int]], pairs: list[tuple[int, int]]) -> Votes:
    columns = np.array(cast, np.int64).reshape(-1, 3)
    low, high = np.array(pairs, np.int32).reshape(-1, 2).T
    return Votes(
        columns[:, 0].astype(np.int32),
        columns[:, 1].astype(np.int32),
        columns[:, 2].astype(np.int8),
        low,
        high,
    )


@st.composite
def random_votes(draw: st.DrawFn) -> Votes:
    pair = st.tuples(st.integers(0, PREFERENCES - 1), st.integers(0, PREFERENCES - 1))
    pairs = draw(st.lists(pair.filter(lambda one: one[0] != one[1]), min_size=1, max_size=6))
    places = [(c, a) for c in range(len(pairs)) for a in range(PEOPLE)]
    sides = draw(st.lists(st.sampled_from([0, 1, -1, None]), min_size=len(places), max_size=len(places)))
    cast = [(c, a, side) for (c, a), side in zip(places, sides, strict=True) if side is not None]
    return votes_of(cast, pairs)


def many(seed: int, comparisons: int = 60, people: int = 5) -> Votes:
    """People of known accuracy about pairs of 20 preferences of known order; about four votes each."""
    rng = np.random.default_rng(seed)
    low = rng.integers(0, 20, comparisons)
    high = (low + 1 + rng.integers(0, 19, comparisons)) % 20
    accuracy = np.linspace(0.55, 0.95, people)
    asked = rng.random((comparisons, people)) < 0.8
    asked[:, -1] |= ~asked.any(axis=1)
    comparison, annotator = np.nonzero(asked)
    right = rng.random(len(comparison)) < accuracy[annotator]
    side = np.where(right == (low < high)[comparison], 0, 1)
    return votes_of(list(zip(comparison, annotator, side, strict=True)), list(zip(low, high, strict=True)))


def turned(votes: Votes, which: NDArray[np.bool_]) -> Votes:
    """The same votes, with low and high of some comparisons exchanged."""
    side = np.where(which[votes.comparison] & (votes.side >= 0), 1 - votes.side, votes.side).astype(np.int8)
    low, high = np.where(which, votes.high, votes.low), np.where(which, votes.low, votes.high)
    return Votes(votes.comparison, votes.annotator, side, low, high)


def test_the_registry_names_its_rules() -> None:
    assert list(RULES) == ["majority", "weighted", "dawid_skene", "noisy_bradley_terry"]
    assert all(name == rule.name for name, rule in RULES.items())


@pytest.mark.parametrize("name", JOINT)
@given(votes=random_votes(), data=st.data())
@settings(max_examples=10)
def test_exchanging_low_and_high_of_any_comparison_turns_its_answer(
    name: str, votes: Votes, data: st.DataObject
) -> None:
    which = np.array(data.draw(st.lists(st.booleans(), min_size=votes.size, max_size=votes.size)))
    p, other = JOINT[name].fit(votes), JOINT[name].fit(turned(votes, which))
    np.testing.assert_allclose(other, np.where(which, 1.0 - p, p), atol=1e-6)


@pytest.mark.parametrize("name", JOINT)
@given(votes=random_votes(), random=st.randoms(use_true_random=False))
@settings(max_examples=10)
def test_other_numbers_for_comparisons_annotators_and_votes_change_nothing(
    name: str, votes: Votes, random: Any
) -> None:
    comparisons, people, order = (
        np.array(random.sample(range(n), n), np.int32) for n in (votes.size, PEOPLE, len(votes.side))
    )
    back = np.argsort(comparisons)
    mixed = Votes(
        comparisons[votes.comparison][order],
        people[votes.annotator][order],
        votes.side[order],
        votes.low[back],
        votes.high[back],
    )
    rule = JOINT[name]
    np.testing.assert_allclose(rule.fit(mixed), rule.fit(votes)[back], atol=1e-6)


@pytest.mark.parametrize("name", JOINT)
@given(wins=st.lists(st.sampled_from([0, 1, -1]), min_size=1, max_size=8), people=st.integers(1, PEOPLE))
@settings(max_examples=10)
def test_unanimous_votes_win(name: str, wins: list[int], people: int) -> None:
    pairs = [(2 * place, 2 * place + 1) for place in range(len(wins))]
    votes = votes_of([(c, a, side) for c, side in enumerate(wins) for a in range(people)], pairs)
    p = JOINT[name].fit(votes)
    for found, side in zip(p, wins, strict=True):
        assert np.isnan(found) if side < 0 else (found > 0.5) == (side == 0)
        assert side < 0 or 0.0 <= found <= 1.0


@given(votes=random_votes())
@settings(max_examples=30)
def test_under_weighted_whoever_all_agree_on_wins(votes: Votes) -> None:
    p = weighted.fit(votes)
    for c in range(votes.size):
        sides = set(votes.side[votes.comparison == c].tolist()) - {-1}
        assert np.isnan(p[c]) == (not sides)
        if len(sides) == 1:
            assert (p[c] > 0.5) == (sides == {0})


def test_weighted_by_hand() -> None:
    """Three people, four comparisons. The third is alone against both others in the last."""
    agreed = [(c, a, 0) for c in range(3) for a in range(3)]
    votes = votes_of([*agreed, (3, 0, 0), (3, 1, 0), (3, 2, 1)], [(0, 1)] * 4)
    # In the last, for the first two the others are divided: they are judged three times, the third four.
    expected = [(3 + 3) / (3 + 4), (3 + 3) / (3 + 4), (3 + 3) / (4 + 4)]
    np.testing.assert_allclose(weighted.accuracies(votes), expected)
    odds = (6 / 1) * (6 / 1) / (0.75 / 0.25)
    assert weighted.fit(votes)[3] == pytest.approx(odds / (1 + odds))


def test_gold_answers_outweigh_what_the_others_say() -> None:
    plain = votes_of([(0, 0, 0), (0, 1, 1), (0, 2, 1)], [(0, 1)])
    assert weighted.fit(plain)[0] < 0.5
    right, total = np.array([40, 20, 20], np.int32), np.array([40, 40, 40], np.int32)
    known = Votes(plain.comparison, plain.annotator, plain.side, plain.low, plain.high, right, total)
    judged_alone = (3 + 0) / (4 + 1)  # the first: one comparison, against both others
    assert weighted.accuracies(known)[0] == pytest.approx(min(0.99, (40 + 10 * judged_alone) / 50))
    assert weighted.accuracies(known)[1] == pytest.approx(0.55)  # kept from counting for nothing
    assert weighted.fit(known)[0] > 0.5


def test_the_reliable_one_outvotes_two_who_guess() -> None:
    votes = many(3, comparisons=400)
    truth = votes.low < votes.high
    shares = {name: float(((rule.fit(votes) > 0.5) == truth).mean()) for name, rule in JOINT.items()}
    sign = np.where(votes.side == 0, 1.0, -1.0)
    lead = np.bincount(votes.comparison, sign, votes.size)
    majority = float(np.where(lead == 0, 0.5, (lead > 0) == truth).mean())
    assert min(shares.values()) > majority + 0.02, (majority, shares)


def one_accuracy_em(votes: Votes, steps: int) -> Floats:
    """Dawid-Skene with one accuracy an annotator and priors of ½, written down in another way."""
    comparison, annotator, sign = votes.comparison, votes.annotator, np.where(votes.side == 0, 1.0, -1.0)
    lead = np.bincount(comparison, sign, votes.size) / np.bincount(comparison, minlength=votes.size)
    low = (1 + lead) / 2
    for _ in range(steps):
        right = np.where(sign > 0, low[comparison], 1 - low[comparison])
        accuracy = np.bincount(annotator, right) / np.bincount(annotator)
        weight = np.log(accuracy / (1 - accuracy))
        low = 1 / (1 + np.exp(-np.bincount(comparison, sign * weight[annotator], votes.size)))
    return low


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("steps", [1, 7, 40])
def test_dawid_skene_has_one_accuracy_an_annotator(seed: int, steps: int) -> None:
    votes = many(seed)
    found = dawid_skene.fit(votes, steps=steps, tolerance=-1e9)
    np.testing.assert_allclose(found, one_accuracy_em(votes, steps), atol=1e-7)


def test_dawid_skene_goes_on_until_nothing_changes() -> None:
    votes = many(1, comparisons=300)
    np.testing.assert_allclose(dawid_skene.fit(votes), one_accuracy_em(votes, 2_000), atol=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_noisy_bradley_terry_is_at_a_top_of_crowd_kits_likelihood(seed: int) -> None:
    """Crowd-kit's likelihood with our priors added falls in every direction from our fit."""
    votes = many(seed)
    best = noisy_bradley_terry.fitted(votes)
    rng = np.random.default_rng(seed)
    top = log_posterior(votes, best.strength, best.care)
    for _ in range(30):
        strength = best.strength + rng.normal(0, 0.1, len(best.strength))
        odds = np.log(best.care / (1 - best.care)) + rng.normal(0, 0.1, len(best.care))
        assert log_posterior(votes, strength, 1 / (1 + np.exp(-odds))) < top


def log_posterior(votes: Votes, strength: Floats, care: Floats) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from crowdkit.aggregation import NoisyBradleyTerry

    low, high = votes.low[votes.comparison], votes.high[votes.comparison]
    data = np.stack([low, high, np.where(votes.side == 0, low, high)], axis=1) + 1
    x = np.concatenate([[0.0], strength, np.zeros(len(care)), np.log(care / (1 - care))])
    lost = NoisyBradleyTerry._compute_log_likelihood(
        x, data, votes.annotator, len(strength), len(care), regularization_ratio=0.0
    )
    prior = 4.0 * np.log(care).sum() + np.log1p(-care).sum() - 0.15 * np.square(strength).sum()
    return float(prior - lost)


def test_a_chain_overrules_a_lone_vote_under_noisy_bradley_terry() -> None:
    chain = [(c, a, 0) for c in (0, 1) for a in range(4)]
    votes = votes_of([*chain, (2, 0, 1)], [(0, 1), (1, 2), (0, 2)])
    assert JOINT["noisy_bradley_terry"].fit(votes)[2] > 0.5 > JOINT["weighted"].fit(votes)[2]


@pytest.mark.parametrize("name", JOINT)
def test_nobody_voted(name: str) -> None:
    assert np.isnan(JOINT[name].fit(votes_of([], [(0, 1), (1, 2)]))).all()
    assert len(JOINT[name].fit(votes_of([], []))) == 0
