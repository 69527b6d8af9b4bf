"""What the panel on sampling says of runs, sentence by sentence, and what it refuses to say: pure."""

from __future__ import annotations

from typing import Any

import pytest

from training import samplings, trade_off
from training.comparing import Result
from training.samplings import Sampling, Trained
from training.study.paper import PUBLISHED
from training.trade_off import Advice, Offered, advise

RANDOM, ITERATIVE = Sampling("random", 2), Sampling("iterative", 2, reuse=True)
LOW, HIGH, BETWEEN = (0.6, 0.55, 0.65), (0.75, 0.7, 0.8), (0.7, 0.62, 0.78)
NAMES = {"accuracy": "pair_accuracy", "spearman": "margin_correlation", "win_rate": "win_rate"}


def trained(run: int, sampling: Sampling, seed: int = 0, **measured: Any) -> Trained:
    """A run with these values, (value, low, high); `more` changes its spec, `win` and so on its results."""
    spec = {"method": {"slug": "dpo_pop"}, "training": {"seed": seed}} | measured.pop("spec", {})
    labels = measured.pop("labels", 300)
    about = {"judge": "j", "against": measured.pop("against", "reference")}
    about |= {name: measured.pop(f"by_{name}", None) for name in ("opponent", "sampling")}
    results = tuple(
        Result(
            NAMES[name],
            {"n": 40, name: value, f"{name}_interval": [low, high], **about},
            f"sha of {sampling}",
        )
        for name, (value, low, high) in measured.items()
    )
    return Trained(run, sampling, labels, 200, spec, {"max_rows_per_strong": 2}, results)


def of(random: dict[str, Any], iterative: dict[str, Any], *more: Trained) -> Advice:
    return advise([trained(2, ITERATIVE, **iterative), trained(1, RANDOM, **random), *more], [])


def test_each_goal_is_given_to_the_sampling_that_is_apart_in_it() -> None:
    found = of(
        {"accuracy": LOW, "spearman": LOW, "win_rate": HIGH},
        {"accuracy": HIGH, "spearman": HIGH, "win_rate": LOW},
    )
    assert found.conclusion == (
        "As far as these runs tell: iterative to tell preferences apart, random to write better."
    )
    values = "0.75 [0.70, 0.80] against 0.60 [0.55, 0.65]"
    assert found.grounds == (
        (
            f"Iterative told preferences apart better, by pair accuracy ({values} with random) "
            f"and Spearman ({values} with random)."
        ),
        f"Random won more often ({values} with iterative).",
    )
    assert found.missing == ()
    assert [line.trained.run for line in found.lines] == [2, 1]
    assert found.lines[0].trained.labels_per_row == 1.5


def test_where_intervals_overlap_nothing_is_told() -> None:
    found = of({"accuracy": LOW, "win_rate": BETWEEN}, {"accuracy": BETWEEN, "win_rate": HIGH})
    assert found.conclusion == "Nothing can be told yet."
    assert found.grounds == (
        (
            "Which sampling tells preferences apart better cannot be told: the intervals overlap, in pair "
            "accuracy "
            "(0.70 [0.62, 0.78] against 0.60 [0.55, 0.65] with random)."
        ),
        (
            "Which sampling writes better cannot be told: win rates overlap "
            "(0.75 [0.70, 0.80] against 0.70 [0.62, 0.78] with random)."
        ),
    )


@pytest.mark.parametrize(
    ("random", "iterative", "said"),
    [
        ({"accuracy": HIGH, "win_rate": HIGH}, {"accuracy": LOW, "win_rate": LOW}, "random, for both."),
        (
            {"accuracy": HIGH, "win_rate": HIGH},
            {"accuracy": LOW, "win_rate": BETWEEN},
            "random to tell preferences apart. Which writes better is open.",
        ),
        (
            {"accuracy": HIGH, "win_rate": LOW},
            {"accuracy": BETWEEN, "win_rate": HIGH},
            "iterative to write better. Which tells preferences apart better is open.",
        ),
        (
            {"accuracy": HIGH, "spearman": LOW, "win_rate": LOW},
            {"accuracy": LOW, "spearman": HIGH, "win_rate": HIGH},
            "iterative to write better. Which tells preferences apart better is open.",
        ),
    ],
)
def test_no_more_is_concluded_than_is_decided(random: Any, iterative: Any, said: str) -> None:
    assert of(random, iterative).conclusion == f"As far as these runs tell: {said}"


def test_measures_of_discrimination_may_overlap_or_contradict_each_other() -> None:
    one, other = {"accuracy": HIGH, "spearman": BETWEEN}, {"accuracy": LOW, "spearman": LOW}
    assert of(one, other).grounds[0] == (
        "Random told preferences apart better, by pair accuracy "
        "(0.75 [0.70, 0.80] against 0.60 [0.55, 0.65] with iterative); by Spearman the intervals overlap."
    )
    torn = of({"accuracy": HIGH, "spearman": LOW}, {"accuracy": LOW, "spearman": HIGH}).grounds[0]
    assert torn == (
        "Random preferred the chosen response more often (0.75 [0.70, 0.80] against 0.60 [0.55, 0.65] with "
        "iterative), and iterative ordered margins better (Spearman 0.75 [0.70, 0.80] against 0.60 "
        "[0.55, 0.65] with random)."
    )


def test_every_run_of_a_sampling_must_be_apart() -> None:
    again = trained(3, RANDOM, seed=1, accuracy=LOW, win_rate=BETWEEN)
    found = of({"accuracy": LOW, "win_rate": LOW}, {"accuracy": HIGH, "win_rate": HIGH}, again)
    assert found.conclusion.endswith("iterative to tell preferences apart. Which writes better is open.")


def test_win_rates_of_other_judges_and_missing_ones_are_no_ground() -> None:
    unlike = of({"win_rate": LOW}, {"win_rate": HIGH, "against": "run 3"})
    assert unlike.conclusion == "Nothing can be told yet."
    assert [one.partition(": ")[2] for one in unlike.grounds] == [
        "fewer than two of them have a pair accuracy.",
        (
            "the win rate was measured on other items, by another judge, against another opponent or with "
            "responses drawn otherwise."
        ),
    ]
    same_name = of({"win_rate": LOW, "by_opponent": "aa"}, {"win_rate": HIGH, "by_opponent": "bb"})
    assert same_name.grounds[1] == unlike.grounds[1]
    drawn = of(
        {"win_rate": LOW, "by_sampling": "temperature 1"}, {"win_rate": HIGH, "by_sampling": "temperature 0"}
    )
    assert drawn.conclusion == "Nothing can be told yet."
    assert "the same judge, the same opponent and the same sampling" in unlike.missing[0].words
    unjudged = of({"accuracy": LOW}, {"accuracy": HIGH, "win_rate": HIGH})
    assert "fewer than two of them have a win rate" in unjudged.grounds[1]
    assert "launch runs with evaluation.judge" in unjudged.missing[0].words


def test_a_value_without_an_interval_decides_nothing() -> None:
    found = of({"accuracy": (0.9, None, None)}, {"accuracy": LOW})
    assert found.grounds[0].endswith("the pair accuracy has no interval.")


def test_runs_that_differ_in_more_than_sampling_tell_nothing() -> None:
    other = {"method": {"slug": "dpo_pop_raw"}}
    found = of({"accuracy": LOW, "spec": other}, {"accuracy": HIGH})
    assert (found.conclusion, found.grounds) == (
        "Nothing can be told yet: sampling is not all that differs.",
        (),
    )
    assert found.missing[0].words == (
        "The runs also differ in method.slug: train with the same settings on each dataset."
    )
    alike = of({"accuracy": LOW, "spec": other}, {"accuracy": HIGH}, trained(3, RANDOM, accuracy=LOW))
    assert alike.conclusion.startswith("As far as these runs tell: iterative")
    assert {line.trained.run for line in alike.lines} == {2, 3}  # the one that was trained alike


def test_what_is_missing_is_a_run_on_a_dataset_that_waits_or_on_one_to_be_made() -> None:
    alone = advise([trained(1, RANDOM, accuracy=LOW)], [Offered(7, "A", RANDOM)])
    assert alone.conclusion == "Nothing can be told yet: there is only one sampling."
    assert "No run on an iterative dataset of these preferences" in alone.missing[0].words
    waiting = advise([trained(1, RANDOM)], [Offered(9, "New", ITERATIVE), Offered(8, "Old", ITERATIVE)])
    (missing,) = waiting.missing
    assert (missing.dataset, missing.like) == (9, 1)
    assert missing.words == "No run on “New” (iterative, k 2): train on it with the same settings."
    assert advise([], []).missing[0].words == (
        "No finished run was trained on PoP rows of a dataset that holds preferences out."
    )


def test_remarks_name_other_seeds_and_other_numbers_of_labels() -> None:
    found = of({"accuracy": LOW, "labels": 200}, {"accuracy": HIGH})
    assert "say nothing of other seeds" in found.remarks[0]
    assert "200 to 300" in found.remarks[1]
    seeds = [trained(3, RANDOM, seed=1, accuracy=LOW), trained(4, ITERATIVE, seed=1, accuracy=HIGH)]
    assert not any("seeds" in one for one in of({"accuracy": LOW}, {"accuracy": HIGH}, *seeds).remarks)
    assert any("older version" in one for one in of({"labels": None}, {}).remarks)


def test_samplings_that_share_a_strategy_are_named_in_full() -> None:
    found = advise([trained(1, RANDOM, accuracy=LOW), trained(2, Sampling("random", 4), accuracy=HIGH)], [])
    assert found.grounds[0].startswith("“random, k 4” told preferences apart better")
    assert str(Sampling("active", 2, 3, reuse=False)) == "active, k 2, without reuse, 3 labels a comparison"


def test_a_manifest_tells_sampling_labels_and_rows() -> None:
    manifest = {
        "strategy": "iterative",
        "k": 2,
        "labels_per_comparison": 3,
        "reuse": False,
        "counts": {"rows": 12, "heldout_rows": 2},
        "labels": {"train": 30, "heldout": 6},
        "options": {},
    }
    assert samplings.sampling_of(manifest) == Sampling("iterative", 2, 3, reuse=False)
    assert samplings.labels_and_rows(manifest) == (30, 10)
    assert samplings.labels_and_rows(manifest | {"options": {"resplit_share": 0.2}}) == (36, 12)
    assert samplings.labels_and_rows({"counts": {"rows": 5}}) == (None, 5)


def test_the_papers_figures_are_the_published_ones() -> None:
    random, iterative = "dpo_pop", "dpo_pop_iterative"
    for metric, (one, other) in {
        "accuracy": (0.71, 0.79),
        "pearson": (0.36, 0.247),
        "win_vs_dpo": (0.64, 0.57),
    }.items():
        assert (PUBLISHED[metric][random], PUBLISHED[metric][iterative]) == (one, other)
    assert ".79 to .71" in trade_off.PAPER
    assert ".360 to .247" in trade_off.PAPER
    assert "64% to 57%" in trade_off.PAPER
