"""Evaluations against values worked out here, and what they say when they do not apply."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from scipy import stats

from training.engine import catalog, evaluations
from training.engine.evaluations import HeldOut, margin_correlation
from training.engine.evaluations.correlation import spearman_of_resamples
from training.engine.evaluations.heldout import Floats, Ints, interval


def heldout(margin: list[float], score: list[float], rows: list[tuple[int, int]] | None = None) -> HeldOut:
    return HeldOut(
        np.asarray(margin, np.float64),
        np.asarray(score, np.float64),
        np.asarray(rows or [], np.int64).reshape(-1, 2),
        seed=0,
    )


def results(data: HeldOut) -> dict[str, Any]:
    return {name: result for name, result, _ in evaluations.run_all(catalog.EVALUATIONS, data)}


NAN = float("nan")
SOME = heldout([1.0, -1.0, 2.0, 0.0, 3.0], [1.0, 2.0, 3.0, NAN, 4.0], [(0, 1), (1, 2), (4, 3), (3, 3)])


def test_accuracies_count_ties_as_wrong() -> None:
    found = results(SOME)
    assert found["pair_accuracy"]["accuracy"] == pytest.approx(3 / 5)
    assert found["pair_accuracy"]["n"] == 5
    assert found["pop_accuracy"]["accuracy"] == pytest.approx(2 / 4)
    # Wilson by hand: (p + z²/2n ± z·√(p(1−p)/n + z²/4n²)) / (1 + z²/n), p = .6, n = 5, z = 1.96.
    assert found["pair_accuracy"]["interval"] == pytest.approx([0.2307, 0.8824], abs=1e-4)


def test_nine_of_nine_is_not_certainty() -> None:
    low, high = results(heldout([1.0] * 9, [1.0] * 9, []))["pair_accuracy"]["interval"]
    assert low == pytest.approx(9 / (9 + 1.959964**2), abs=1e-4)  # Wilson at p = 1: n / (n + z²)
    assert high == pytest.approx(1)


def test_correlations_use_scored_preferences_only() -> None:
    found = results(SOME)["margin_correlation"]
    margin, score = [1.0, -1.0, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0]
    assert found["n"] == 4
    assert found["pearson"] == pytest.approx(stats.pearsonr(margin, score).statistic)
    assert found["spearman"] == pytest.approx(stats.spearmanr(margin, score).statistic)
    assert found["pearson_interval"][0] <= found["pearson"] <= found["pearson_interval"][1]


def test_the_points_of_the_scatter_carry_the_ids_of_scored_preferences() -> None:
    assert "points" not in results(SOME)["margin_correlation"]  # results from before had none
    named = replace(SOME, ids=tuple("abcde"), margin=SOME.margin + 1 / 3)
    points = results(named)["margin_correlation"]["points"]
    assert (points["id"], points["score_margin"]) == (["a", "b", "c", "e"], [1.0, 2.0, 3.0, 4.0])
    assert points["margin"] == [1.33333, -0.666667, 2.33333, 3.33333]


def test_of_many_preferences_the_runs_seed_draws_the_points() -> None:
    count = margin_correlation.POINTS + 500
    margin = np.random.default_rng(7).normal(size=count)
    many = replace(heldout(margin.tolist(), margin.tolist()), ids=tuple(map(str, range(count))))
    drawn, again, other = (
        results(replace(many, seed=seed))["margin_correlation"]["points"] for seed in (0, 0, 1)
    )
    places = [int(one) for one in drawn["id"]]
    assert (drawn, len(set(places))) == (again, margin_correlation.POINTS)
    assert drawn["id"] != other["id"]
    assert drawn["margin"] == pytest.approx(margin[places], rel=1e-5)
    assert len(json.dumps(drawn)) < 100_000


def test_cumulative_accuracy_from_below_and_above() -> None:
    found = results(SOME)["cumulative_accuracy"]
    assert found["margin"] == [1.0, 2.0, 3.0, 4.0]
    assert found["lower"] == pytest.approx([1, 1 / 2, 2 / 3, 3 / 4])
    assert found["upper"] == pytest.approx([3 / 4, 2 / 3, 1, 1])
    assert (found["lower_n"], found["upper_n"]) == ([1, 2, 3, 4], [4, 3, 2, 1])
    assert sum(found["histogram"]["counts"]) == 4
    assert len(found["histogram"]["edges"]) == len(found["histogram"]["counts"]) + 1


def test_the_bootstrap_of_a_correlation_is_the_one_scipy_takes() -> None:
    draws = np.random.default_rng(4)
    score = draws.normal(size=120)
    margin = score + draws.normal(size=120)
    found = results(heldout(margin.tolist(), score.tolist()))["margin_correlation"]
    for name, statistic in (("pearson", stats.pearsonr), ("spearman", stats.spearmanr)):
        theirs = stats.bootstrap(
            (margin, score),
            lambda x, y, of=statistic: of(x, y).statistic,
            paired=True,
            vectorized=False,
            n_resamples=1000,
            method="percentile",
            rng=1,
        ).confidence_interval
        assert found[f"{name}_interval"] == pytest.approx([theirs.low, theirs.high], abs=0.02)


def test_equal_score_margins_share_one_point() -> None:
    found = results(heldout([1.0, -1.0, 1.0], [2.0, 2.0, 2.0]))["cumulative_accuracy"]
    assert found["margin"] == [2.0]
    assert found["lower"] == found["upper"] == pytest.approx([2 / 3])


def test_score_margins_that_differ_by_rounding_only_are_equal() -> None:
    margins = [0.9 - 0.6, 0.7 - 0.4, 0.5 - 0.2, 0.3]
    assert len(set(margins)) > 1
    found = results(heldout([1.0, -1.0, 1.0, 2.0], margins))
    assert found["cumulative_accuracy"]["margin"] == [0.3]
    assert found["cumulative_accuracy"]["lower"] == pytest.approx([3 / 4])
    assert "skipped" in found["margin_correlation"]
    tiny = results(heldout([1.0, -1.0, 1.0], [1e-12, 2e-12, 3e-12]))
    assert len(tiny["cumulative_accuracy"]["margin"]) == 3


def test_an_empty_split_is_skipped_in_words() -> None:
    for result in results(heldout([], [])).values():
        assert "no held-out" in result["skipped"]
    long = results(replace(heldout([], []), too_long=7, rows_too_long=2))
    for name, result in long.items():
        assert ("2 held-out comparisons" if name == "pop_accuracy" else "None of the 7") in result["skipped"]


def test_missing_scores_are_skipped_in_words() -> None:
    found = results(heldout([1.0, 2.0], [NAN, NAN]))
    for name, entry in catalog.EVALUATIONS.items():
        assert ("scores" in found[name].get("skipped", "")) == entry.needs_scores


def test_a_constant_margin_has_no_correlation() -> None:
    assert "skipped" in results(heldout([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]))["margin_correlation"]


def test_results_are_plain_json_and_the_same_for_the_same_seed() -> None:
    first, second = json.dumps(results(SOME), allow_nan=False), json.dumps(results(SOME), allow_nan=False)
    assert first == second


def mean_of(sample: Floats, drawn: Ints) -> Floats:
    found: Floats = sample[drawn].mean(axis=1)
    return found


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    draws = np.random.default_rng(1)
    covered = 0
    for trial in range(200):
        found = interval(partial(mean_of, draws.normal(size=40)), 40, trial, 300)
        assert found is not None
        low, high = found
        covered += low <= 0.0 <= high
    assert 176 <= covered <= 199  # 95% of 200 is 190; the percentile bootstrap of 40 falls a little short


def test_resamples_are_ranked_as_scipy_ranks_them_with_ties_and_without_spread() -> None:
    draws = np.random.default_rng(4)
    x, y = draws.normal(size=50).round(1), draws.integers(0, 4, 50).astype(float)
    drawn = draws.integers(0, 50, (30, 50))
    drawn[0] = 7  # nothing varies
    found = spearman_of_resamples(x, y)(drawn)
    assert np.isnan(found[0])
    expected = [stats.spearmanr(x[one], y[one]).statistic for one in drawn[1:]]
    assert found[1:] == pytest.approx(expected, abs=1e-12)
