"""Win rates and advantages against values worked out here and by scipy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special, stats

from training.engine import catalog
from training.engine.evaluations import HeldOut, duels, median_advantage, win_rate
from training.engine.evaluations.heldout import Duels
from training.engine.records import Messages

NAN = float("nan")


def made(ours: Any, theirs: Any, prompts: Any = None, **lengths: Any) -> Duels:
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    return Duels(
        prompts=np.arange(len(ours)) if prompts is None else np.asarray(prompts),
        ours=ours,
        theirs=theirs,
        our_lengths=np.asarray(lengths.get("our_lengths", np.ones(len(ours))), np.float64),
        their_lengths=np.asarray(lengths.get("their_lengths", np.ones(len(ours))), np.float64),
        judge="a judge",
    )


def heldout(fights: Duels | None, **more: Any) -> HeldOut:
    return HeldOut(np.ones(1), np.full(1, NAN), np.zeros((0, 2), np.int64), seed=0, duels=fights, **more)


def responses(texts: dict[str, list[str]]) -> list[dict[str, Any]]:
    """{prompt: its responses} as lines of generations.jsonl."""
    found = []
    for prompt, written in texts.items():
        messages = [{"role": "user", "content": prompt}]
        for number, text in enumerate(written):
            one = {"prompt_id": duels.prompt_id(messages), "prompt": messages}
            found.append(one | {"sample": number, "response": text})
    return found


def length(conversations: Sequence[tuple[Messages, str]]) -> list[float]:
    """A judge that likes words."""
    return [float(len(text)) for _, text in conversations]


def test_three_wins_a_tie_and_a_loss() -> None:
    found = catalog.load(catalog.evaluation("win_rate").function)(
        heldout(made([3, 2, 5, 1, 0], [1, 1, 1, 1, 1]))
    )
    assert (found["n"], found["prompts"]) == (5, 5)
    assert found["win_rate"] == pytest.approx(3.5 / 5)
    assert found["ties"] == pytest.approx(1 / 5)
    assert found["length_controlled_win_rate"] == pytest.approx(3.5 / 5, abs=1e-4)  # all equally long
    low, high = found["win_rate_interval"]
    assert 0 <= low < 0.7 < high <= 1
    assert found["judge"] == "a judge"


def test_six_wins_of_six_are_not_called_certain() -> None:
    won = win_rate.evaluate(heldout(made([1] * 6, [0] * 6)))
    lost = win_rate.evaluate(heldout(made([0] * 6, [1] * 6)))
    wilson = stats.binomtest(6, 6).proportion_ci(method="wilson")
    assert won["win_rate_interval"] == pytest.approx([wilson.low, 1])
    assert lost["win_rate_interval"] == pytest.approx([0, 1 - wilson.low])
    assert won["ties_interval"] == pytest.approx([0, 1 - wilson.low])
    assert won["length_controlled_win_rate_interval"] is None
    twice = win_rate.evaluate(heldout(made([1] * 6, [0] * 6, prompts=[0, 0, 1, 1, 2, 2])))
    assert twice["win_rate_interval"][0] < wilson.low  # three prompts are three
    tied = win_rate.evaluate(heldout(made([1] * 6, [1] * 6)))
    assert (tied["win_rate"], tied["win_rate_interval"]) == (0.5, None)


def test_the_median_and_the_mean_of_the_differences() -> None:
    entry = catalog.evaluation("median_advantage")
    found = catalog.load(entry.function)(heldout(made([3, 2, 5, 1], [1, 1, 1, 1])))
    assert found["median_advantage"] == pytest.approx(1.5)
    assert found["mean_advantage"] == pytest.approx(1.75)
    low, high = found["median_advantage_interval"]
    assert low <= 1.5 <= high


def test_samples_of_a_prompt_are_resampled_together() -> None:
    alone = win_rate.evaluate(heldout(made([1, 0] * 8, [0, 1] * 8)))
    together = win_rate.evaluate(
        heldout(made([1] * 8 + [0] * 8, [0] * 8 + [1] * 8, prompts=[0] * 8 + [1] * 8))
    )
    assert (together["n"], together["prompts"]) == (16, 2)
    assert together["win_rate_interval"] == [0, 1]
    assert alone["win_rate_interval"][0] > 0.2


values = st.floats(-5, 5, allow_subnormal=False)


@settings(max_examples=60)
@given(st.lists(st.tuples(values, values, st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=30))
def test_swapping_the_sides_gives_the_rest(rows: list[tuple[float, float, int, int]]) -> None:
    ours, theirs, long, short = zip(*rows, strict=True)
    fights = made(ours, theirs, our_lengths=long, their_lengths=short)
    other = duels.swapped(fights)
    won, lost = duels.wins(fights), duels.wins(other)
    assert won.tolist() == (1 - lost).tolist()
    assert set(won[fights.ours == fights.theirs]) <= {0.5}
    lead = fights.our_lengths - fights.their_lengths
    rate = win_rate.length_controlled(won, lead)
    assert rate + win_rate.length_controlled(lost, -lead) == pytest.approx(1, abs=1e-5)


def test_length_control_is_scipys_logistic_regression() -> None:
    draws = np.random.default_rng(0)
    lead = draws.normal(40, 30, 300)
    x = np.tanh(lead / lead.std())
    won = (draws.random(300) < special.expit(-0.4 + 1.5 * x)).astype(float)
    won[:10] = 0.5
    weights = draws.integers(0, 3, 300).astype(float)

    def loss(at: Any, of: Any = None) -> float:
        w = np.ones(300) if of is None else of
        spread = np.sqrt(np.cov(lead, aweights=w, ddof=0))
        p = special.expit(at[0] + at[1] * np.tanh(lead / spread))
        return float(-(w * (won * np.log(p) + (1 - won) * np.log(1 - p))).sum())

    theirs = special.expit(
        optimize.minimize(loss, [0, 0], method="Nelder-Mead", options={"xatol": 1e-8}).x[0]
    )
    assert win_rate.length_controlled(won, lead) == pytest.approx(theirs, abs=1e-4)
    weighted = optimize.minimize(loss, [0, 0], (weights,), method="Nelder-Mead", options={"xatol": 1e-8}).x[0]
    assert win_rate.length_controlled(won, lead, weights) == pytest.approx(special.expit(weighted), abs=1e-4)
    found = win_rate.evaluate(heldout(made(won, np.full(300, 0.5), our_lengths=lead, their_lengths=0 * lead)))
    assert found["win_rate"] > 0.5 > found["length_controlled_win_rate"]  # it wins by length alone
    low, high = found["length_controlled_win_rate_interval"]
    assert low < special.expit(-0.4) < high


def test_who_always_wins_does_so_at_equal_lengths() -> None:
    assert win_rate.length_controlled(np.ones(20), np.arange(20.0)) > 0.999


def test_pairs_have_the_same_prompt_and_number() -> None:
    ours = responses({"a": ["long answer", "no"], "b": ["mine"], "c": ["nobody else has this"]})
    theirs = responses({"b": ["yours, longer"], "a": ["short", "yes", "more"]})
    pairs = duels.matched(ours, theirs)
    assert [(one["response"], other["response"]) for one, other in pairs] == [
        ("long answer", "short"),
        ("no", "yes"),
        ("mine", "yours, longer"),
    ]
    fights = duels.fought(pairs, length, named="words", against="them")
    assert fights.ours.tolist() == fights.our_lengths.tolist() == [11, 2, 4]
    assert fights.theirs.tolist() == [5, 3, 13]
    assert fights.prompts.tolist() == [0, 0, 1]
    assert duels.wins(fights).tolist() == [1, 0, 0]
    assert (fights.judge, fights.against) == ("words", "them")


def test_equal_texts_are_judged_once_and_tie() -> None:
    asked: list[str] = []

    def moody(conversations: Sequence[tuple[Messages, str]]) -> list[float]:
        asked.extend(text for _, text in conversations)
        return [float(place) for place, _ in enumerate(conversations)]

    same = responses({"a": ["x", "x"]})
    assert duels.wins(duels.fought(duels.matched(same, same), moody)).tolist() == [0.5, 0.5]
    assert asked == ["x"]


def test_nobody_meets_nobody() -> None:
    assert len(duels.fought([], length).ours) == 0


def test_rewards_that_are_no_numbers_are_told_and_nothing_else_is_lost() -> None:
    found = win_rate.evaluate(heldout(made([1, NAN, 0, 3], [0, 0, float("inf"), 1])))
    assert (found["n"], found["win_rate"]) == (2, 1)
    assert "2 of 4 pairs" in found["note"]
    assert "generations.jsonl" in found["note"]
    assert "no finite reward at all" in win_rate.evaluate(heldout(made([NAN], [1])))["skipped"]


def test_what_was_not_judged_says_how_or_why() -> None:
    assert "evaluation.judge" in median_advantage.evaluate(heldout(None))["skipped"]
    assert win_rate.evaluate(heldout(None, unjudged="The judge is gone."))["skipped"] == "The judge is gone."
