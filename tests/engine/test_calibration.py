"""Calibration and distance to the reference against values worked out here."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from training.engine.evaluations import HeldOut, calibration, divergence
from training.engine.evaluations.clusters import Clusters
from training.engine.evaluations.heldout import Generated

NAN = float("nan")


def heldout(margin: Any, **more: Any) -> HeldOut:
    margin = np.asarray(margin, np.float64)
    rows = np.asarray(more.pop("rows", []), np.int64).reshape(-1, 2)
    arrays: dict[str, Any] = {
        name: np.asarray(value, np.float64) if isinstance(value, list) else value
        for name, value in more.items()
    }
    return HeldOut(margin, np.full(len(margin), NAN), rows, seed=0, **arrays)


def test_a_confidence_of_three_quarters_that_is_right_half_the_time() -> None:
    logit = float(special.logit(0.75))
    found = calibration.evaluate(heldout([logit, -logit] * 20))
    assert found["n"] == 40
    assert found["expected_calibration_error"] == pytest.approx(0.25)
    assert found["brier"] == pytest.approx((0.25**2 + 0.75**2) / 2)
    around = stats.binomtest(20, 40).proportion_ci(method="wilson")
    (row,) = found["reliability"]  # equal confidences are never in different bins
    assert row == pytest.approx(
        {"confidence": 0.75, "right": 0.5, "low": around.low, "high": around.high, "n": 40}
    )


def test_bins_have_equal_counts_and_the_order_of_the_data_does_not_matter() -> None:
    draws = np.random.default_rng(3)
    margin = draws.normal(size=200)
    found = calibration.evaluate(heldout(margin))
    assert [row["n"] for row in found["reliability"]] == [20] * 10
    again = calibration.evaluate(heldout(draws.permutation(margin)))
    assert again["reliability"] == [pytest.approx(row) for row in found["reliability"]]
    # by hand from the table
    error = sum(row["n"] / 200 * abs(row["right"] - row["confidence"]) for row in found["reliability"])
    assert found["expected_calibration_error"] == pytest.approx(error)


def test_forecasts_that_are_right_as_often_as_they_say_are_within_what_chance_gives() -> None:
    draws = np.random.default_rng(5)
    logit = draws.normal(scale=2, size=4000)
    outcome = draws.random(4000) < special.expit(logit)
    found = calibration.evaluate(heldout(np.where(outcome, logit, -logit)))
    low, high = found["error_by_chance_interval"]
    assert low < found["error_by_chance"] < high < 0.05
    assert low <= found["expected_calibration_error"] <= high
    tripled = calibration.evaluate(heldout(3 * np.where(outcome, logit, -logit)))
    assert tripled["expected_calibration_error"] > tripled["error_by_chance_interval"][1]


@settings(max_examples=25)
@given(st.lists(st.floats(-20, 20), min_size=1, max_size=30))
def test_both_orders_of_each_pair_say_the_same(margin: list[float]) -> None:
    """σ(m) for an outcome of 1 and σ(−m) for one of 0, which is the symmetric way to say it."""
    logit = np.asarray(margin)
    once = calibration.forecasts(logit, np.ones(len(logit)), 0)
    swapped = calibration.forecasts(-logit, np.zeros(len(logit)), 0)
    assert json.dumps(once["reliability"]) == json.dumps(swapped["reliability"])
    assert once["brier"] == pytest.approx(swapped["brier"])


def test_a_margin_of_zero_is_right_by_half() -> None:
    found = calibration.evaluate(heldout([0.0, 0.0]))
    assert found["expected_calibration_error"] == 0
    assert found["brier"] == pytest.approx(0.25)


def test_comparisons_are_held_against_the_consensus_confidence() -> None:
    margin = [float(special.logit(0.8)), 0.0, float(special.logit(0.6)), 0.0]
    rows = [(0, 1), (2, 3), (1, 0)]
    found = calibration.evaluate(heldout(margin, rows=rows, confidence=[1.0, 2 / 3, 2 / 3]))["comparisons"]
    table = [(row["confidence"], row["right"], row["n"]) for row in found["reliability"]]
    assert table == [pytest.approx((0.6, 2 / 3, 1)), pytest.approx((0.8, (1 + 1 / 3) / 2, 2))]
    error = (1 / 3) * (2 / 3 - 0.6) + (2 / 3) * (0.8 - 2 / 3)
    assert found["expected_calibration_error"] == pytest.approx(error)
    assert found["brier"] == pytest.approx((0.2**2 + (0.6 - 2 / 3) ** 2 + (0.2 - 2 / 3) ** 2) / 3)
    leads = [margin[strong] - margin[weak] for strong, weak in rows]
    assert found["spearman"] == pytest.approx(stats.spearmanr(leads, [1.0, 2 / 3, 2 / 3]).statistic)


def test_without_comparisons_there_is_none_to_be_calibrated() -> None:
    assert calibration.evaluate(heldout([1.0]))["comparisons"] is None


BOTH = heldout(
    [1.0, 2.0],
    chosen_logps=[-10.0, -20.0],
    rejected_logps=[-14.0, -28.0],
    reference_logps=np.asarray([[-9.0, -12.0], [-22.0, -20.0]]),
    chosen_lengths=[5.0, 8.0],
    rejected_lengths=[6.0, 10.0],
)


def test_both_responses_apart() -> None:
    found = divergence.evaluate(BOTH)
    assert (found["chosen_log_ratio"], found["rejected_log_ratio"]) == ((-1 + 2) / 2, (-2 - 8) / 2)
    assert (found["chosen_logp"], found["chosen_reference_logp"]) == (-15, -15.5)
    assert (found["rejected_logp"], found["rejected_reference_logp"]) == (-21, -16)
    assert (found["chosen_tokens"], found["rejected_tokens"]) == (6.5, 8)
    assert found["both_fall"] == 0.5  # the first preference
    assert found["chosen_log_ratio_interval"] == [-1, 2]
    assert "generated" not in found


def written(own_samples: bool = True, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "prompts": np.asarray([7, 7, 9]),
        "tokens": np.asarray([4.0, 6.0, 10.0]),
        "ended": np.asarray([True, True, False]),
        "logps": np.asarray([-3.0, -4.0, -8.0]),
        "reference_logps": np.asarray([-5.0, -4.0, -12.0]),
        "reference_tokens": np.full(3, np.nan),
    } | changes
    return divergence.of_generated(Generated(**values, own_samples=own_samples), seed=0)


def test_kl_from_the_policys_own_samples() -> None:
    found = written()
    assert found["kl_response"] == pytest.approx((2 + 0 + 4) / 3)
    assert found["kl_token"] == pytest.approx((2 + 0 + 4) / (4 + 6 + 10))
    assert found["kl_response_interval"] == pytest.approx([1, 4])  # of the prompts, not of the responses
    assert found["n"] == 3
    assert found["estimator"].startswith("k1")


def test_the_estimate_of_kl_covers_the_truth() -> None:
    """One token out of four under two distributions, where KL is a sum."""
    ours, theirs = np.asarray([0.4, 0.3, 0.2, 0.1]), np.asarray([0.1, 0.2, 0.3, 0.4])
    drawn = np.random.default_rng(2).choice(4, size=4000, p=ours)
    found = written(
        prompts=np.arange(4000),
        tokens=np.ones(4000),
        ended=np.ones(4000, bool),
        logps=np.log(ours)[drawn],
        reference_logps=np.log(theirs)[drawn],
    )
    low, high = found["kl_token_interval"]
    assert low < stats.entropy(ours, theirs) < high
    assert high - low < 0.1


def test_no_kl_where_the_samples_are_not_the_policys_own_or_not_all_known() -> None:
    assert "temperature" in written(own_samples=False)["note"]
    lacking = written(reference_logps=np.asarray([-5.0, NAN, -12.0]))
    assert lacking["note"] == "No KL: 1 responses have no log-probabilities."
    assert "kl_token" not in lacking


def test_a_resample_takes_a_prompt_with_all_its_items() -> None:
    clusters = Clusters(np.asarray([7, 9, 7, 3]))
    assert clusters.count == 3  # 3, 7 and 9 are 0, 1 and 2
    assert clusters.weights(np.asarray([[1, 1, 0], [2, 2, 2]])).tolist() == [[2, 0, 2, 1], [0, 3, 0, 0]]


def test_many_items_of_a_few_prompts_are_not_all_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).normal(size=600)
    clusters, sizes = Clusters(np.arange(600) % 6), []

    def mean(weights: Any) -> Any:
        sizes.append(weights.size)
        return weights @ values / weights.sum(axis=1)

    whole = clusters.around(mean, 0)
    monkeypatch.setattr("training.engine.evaluations.heldout.HELD", 6000)
    sizes.clear()
    assert clusters.around(mean, 0) == pytest.approx(whole)  # the same draws
    assert max(sizes) == 6000
    assert sum(sizes) == 600 * 1000


@pytest.mark.parametrize("name", ["calibration", "divergence"])
def test_what_does_not_apply_is_skipped_in_words(name: str) -> None:
    evaluate = {"calibration": calibration.evaluate, "divergence": divergence.evaluate}[name]
    assert "no held-out" in evaluate(heldout([]))["skipped"]


def test_divergence_without_log_probabilities_is_skipped() -> None:
    assert "not known" in divergence.evaluate(heldout([1.0]))["skipped"]
