"""The synthetic world: rewards by hand, base labels that are Bradley-Terry, the same from a seed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from training.study import world
from training.study.world import Noise, Prompt, World

PROMPT = Prompt(wanted=(2, 4, 8), avoided=7)


def saturating(*qualities: float) -> float:
    return 4 * (1 - math.exp(-sum(qualities) / 1.5))


def test_a_reward_is_what_its_words_are_worth() -> None:
    here = World(5)
    quality, filler = here.quality, here.filler
    words = "w2.0 w2.1 w4.3 f0 w7.2 f3 w8.0 w1.0 w1.1 w1.2 w1.3"  # eleven
    expected = saturating(quality[2, 0], quality[2, 1])
    expected += 0.7 * saturating(quality[4, 3]) + 0.4 * saturating(quality[8, 0])
    expected += filler[0] + filler[3] - 1.2
    assert here.reward(PROMPT, words) == pytest.approx(expected)
    assert here.reward(PROMPT, words, ended=False) == pytest.approx(expected - 1)


def test_repeats_and_other_lengths_cost() -> None:
    here = World(5)
    filler = here.filler
    eleven = " ".join(["f0", "f1"] * 5 + ["f0"])
    assert here.reward(PROMPT, eleven) == pytest.approx(6 * filler[0] + 5 * filler[1])
    repeated = " ".join(["f0"] * 6 + ["f1"] * 5)
    assert here.reward(PROMPT, repeated) == pytest.approx(6 * filler[0] + 5 * filler[1] - 9 * 0.5)
    assert here.reward(PROMPT, "f0") == pytest.approx(filler[0] - 10 * 0.12)
    assert here.reward(PROMPT, "") == pytest.approx(-11 * 0.12)


def test_words_that_are_none_count_for_the_length_only() -> None:
    here = World(5)
    assert here.reward(PROMPT, "a2 not7 w9 wx.y w2.7 hello f99") == pytest.approx(-4 * 0.12)


def test_responses_are_of_the_world_and_of_its_lengths() -> None:
    here, draws = World(1), np.random.default_rng(0)
    found = [here.response(here.prompt(draws), draws).split() for _ in range(200)]
    assert {len(words) for words in found} == set(range(6, 17))
    assert {word for words in found for word in words} == set(here.words)


def test_the_chosen_response_was_observed_to_be_better() -> None:
    found = world.preferences(World(2), 200, Noise(), 1)
    assert all(one.margin > 0 and one.chosen != one.rejected for one in found)
    assert all(one.graded == one.observed for one in found)
    right = np.mean([one.true[0] > one.true[1] for one in found])
    assert 0.65 < right < 0.9


def test_without_noise_the_truth_is_observed() -> None:
    found = world.preferences(World(2), 100, Noise(base=0), 1)
    assert all(one.observed == one.true for one in found)


def test_base_labels_are_bradley_terry() -> None:
    """P(chosen) = σ(Δ/scale): what the observed order says in the mean."""
    found = world.preferences(World(3), 4000, Noise(base=1.5), 1)
    expected = np.mean([1 / (1 + math.exp(-abs(one.true[0] - one.true[1]) / 1.5)) for one in found])
    right = np.mean([one.true[0] > one.true[1] for one in found])
    assert right == pytest.approx(expected, abs=4 * math.sqrt(0.25 / 4000))


def test_coarse_scores_are_whole_steps() -> None:
    found = world.preferences(World(2), 50, Noise(graded=1.0, coarse=2.0), 1)
    assert all(value % 2 == 0 for one in found for value in one.graded)
    assert any(one.graded[0] <= one.graded[1] for one in found)  # a rating may miss what people saw


def test_low_and_high_quality_differ() -> None:
    means = [
        np.mean([one.true for one in world.preferences(World(2), 60, Noise(), 1, part)])
        for part in ((0.0, 1 / 3), (1 / 3, 2 / 3), (2 / 3, 1.0))
    ]
    assert means[0] + 1 < means[1] < means[2] - 1


def test_a_seed_is_a_world() -> None:
    one, other = (world.preferences(World(4), 20, Noise(), 1) for _ in range(2))
    assert one == other
    assert world.preferences(World(5), 20, Noise(), 1) != one
    assert (World(4).quality != World(5).quality).all()
