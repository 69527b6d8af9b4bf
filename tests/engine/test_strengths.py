"""Strengths of preferences, fitted to PoP rows: what they are, what they are told of, and who loads what."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.engine import world
from training.engine import checkpoints, preparation, runner
from training.engine.errors import DatasetError
from training.engine.records import PopData, Preference, Row
from training.engine.strengths import Fitted, fitted

# PEFT and TRL still ask the models by a name that transformers will drop in version 6.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


def data(rows: list[tuple[int, int]], size: int, confidence: float = 1.0, heldout: int = 0) -> PopData:
    """`size` training preferences behind `heldout` others, and training rows between them by number."""
    splits = ["heldout"] * heldout + ["train"] * size
    preferences = [Preference(str(place), split, [], [], []) for place, split in enumerate(splits)]
    made = [Row(heldout + strong, heldout + weak, "train", confidence) for strong, weak in rows]
    return PopData(preferences, made, "")


def fit(found: PopData, precision: float = 0.3, uncertainty: float = 0.0) -> Fitted:
    return fitted(found, prior_precision=precision, uncertainty=uncertainty)


def drawn(size: int, rows: int, seed: int = 0) -> list[tuple[int, int]]:
    """Rows between random preferences, the stronger by a random truth on the left most of the time."""
    draws = np.random.default_rng(seed)
    truth = draws.normal(0, 1.5, size)
    found = []
    for _ in range(rows):
        one, other = draws.choice(size, 2, replace=False)
        won = draws.random() < 1 / (1 + np.exp(truth[other] - truth[one]))
        found.append((int(one), int(other)) if won else (int(other), int(one)))
    return found


@pytest.mark.parametrize(("confidence", "precision"), [(1.0, 0.3), (0.7, 0.3), (1.0, 2.0)])
def test_theta_is_where_the_posterior_is_flat(confidence: float, precision: float) -> None:
    """Σ over a preference's rows of (its share of the win − σ(gap)) = precision·θ, written down again."""
    rows = drawn(30, 90)
    theta = fit(data(rows, 30, confidence), precision).theta
    slope = -precision * theta
    for strong, weak in rows:
        missed = confidence - 1 / (1 + np.exp(theta[weak] - theta[strong]))
        slope[strong] += missed
        slope[weak] -= missed
    assert np.abs(slope).max() < 1e-7


def test_strength_is_what_lies_above_the_low_quantile_with_mean_one() -> None:
    found = fit(data(drawn(200, 1200), 200))
    above = np.maximum(found.theta - np.quantile(found.theta, 0.02), 0)
    np.testing.assert_allclose(found.strength, above / above.mean(), rtol=1e-12)
    assert found.strength.mean() == pytest.approx(1)
    assert found.strength.min() == 0
    assert (found.strength == 0).sum() == 4


def test_who_beats_many_is_stronger_than_who_beats_none() -> None:
    found = fit(data([(0, 1), (1, 2), (2, 3), (0, 2), (1, 3)], 4))
    assert list(np.argsort(-found.theta)) == [0, 1, 2, 3]
    assert found.connected == 1


def test_a_row_of_less_confidence_says_less_and_below_a_half_nothing() -> None:
    gaps = [float(np.ptp(fit(data([(0, 1)], 2, confidence)).theta)) for confidence in (1.0, 0.8, 0.5, 0.3)]
    assert gaps[0] > gaps[1] > gaps[2] == pytest.approx(0, abs=1e-7)
    assert gaps[3] == pytest.approx(0, abs=1e-7)


def test_a_preference_in_no_row_keeps_the_priors_strength() -> None:
    found = fit(data([(0, 1), (1, 2)], 5))
    assert found.theta[3:].tolist() == pytest.approx([0, 0], abs=1e-12)
    assert found.deviation[3:].tolist() == pytest.approx([0.3**-0.5] * 2)
    assert (found.strength[3:] > 0).all()
    assert (found.labelled, found.training) == (3, 5)


def test_held_out_preferences_have_none_and_their_rows_are_not_read() -> None:
    rows = drawn(20, 40)
    one = data(rows, 20, heldout=3)
    one.rows += [Row(0, 1, "heldout"), Row(2, 0, "heldout")]
    found, alone = fit(one), fit(data(rows, 20))
    assert np.isnan(found.strength[:3]).all()
    np.testing.assert_array_equal(found.strength[3:], alone.strength)


def test_inferred_rows_are_no_answers_for_the_fit() -> None:
    """They follow from the answers: counted, they would make strengths look surer than they are."""
    rows = drawn(20, 40)
    told, alone = data(rows, 21), fit(data(rows, 21))
    told.rows += [Row(0, place, "train", 0.97, inferred=True) for place in range(1, 21)]
    found = fit(told)
    np.testing.assert_array_equal(found.theta, alone.theta)
    np.testing.assert_array_equal(found.deviation, alone.deviation)
    assert found.labelled == alone.labelled < 21


def test_doubt_takes_deviations_off_so_that_what_few_labels_say_counts_less() -> None:
    rows = [*drawn(40, 200), (40, 0)]  # the last one won its only comparison
    plain, doubting = fit(data(rows, 41)), fit(data(rows, 41), uncertainty=1.0)
    np.testing.assert_array_equal(plain.theta, doubting.theta)
    lowered = plain.theta - plain.deviation
    above = np.maximum(lowered - np.quantile(lowered, 0.02), 0)
    np.testing.assert_allclose(doubting.strength, above / above.mean(), rtol=1e-12)
    assert plain.deviation[40] == plain.deviation.max()
    assert doubting.strength[40] < plain.strength[40]


def test_without_any_difference_all_are_equally_strong() -> None:
    assert fit(data([(0, 1), (1, 2)], 3, confidence=0.5)).strength.tolist() == [1, 1, 1]


def prepared(folder: Path, lines: list[dict[str, Any]] | None = None, **params: Any) -> Any:
    method = {"slug": "dpo_pop_strength", "params": {"beta": 0.5, **params}}
    run = world.open_run(world.run_dir(folder, lines, method=method))
    return run, preparation.prepare(run, None)


def test_a_run_trains_every_preference_with_its_own_strength(tmp_path: Path) -> None:
    run, rows = prepared(tmp_path)
    training = run.data.preferences_of("train")
    assert [row["strong"] for row in rows] == training
    column = run.columns["strength"]
    assert column[training].mean().item() == pytest.approx(1)
    assert column.isnan().sum() == len(run.data.preferences) - len(training)
    expected = torch.from_numpy(fit(run.data).strength).float()
    torch.testing.assert_close(column, expected, equal_nan=True, rtol=0, atol=0)
    metrics = [event.data for event in world.told(tmp_path, "metrics") if "strengths/labelled" in event.data]
    assert [one["strengths/labelled"] for one in metrics] == [len(training)]


def test_a_run_that_goes_on_has_the_same_strengths_and_does_not_tell_them_again(tmp_path: Path) -> None:
    folder = world.run_dir(tmp_path, method={"slug": "dpo_pop_strength", "params": {"beta": 0.5}})
    first = world.open_run(folder)
    runner.train(first)
    again = world.open_run(folder)
    preparation.prepare(again, checkpoints.last(again.checkpoints))
    torch.testing.assert_close(
        again.columns["strength"], first.columns["strength"], equal_nan=True, rtol=0, atol=0
    )
    told = [event for event in world.told(folder, "metrics") if "strengths/labelled" in event.data]
    assert len(told) == 1


@pytest.mark.parametrize("weighted", [True, False])
def test_the_first_step_has_the_loss_that_the_strengths_say(tmp_path: Path, weighted: bool) -> None:
    """The policy is its reference there, h = 0: the mean over all preferences of w·log(1 + e^(μs)), μ = 2."""
    method = {"slug": "dpo_pop_strength", "params": {"beta": 0.5, "weighted": weighted}}
    training = {"rows_per_step": 32, "micro_batch": 4}
    folder = world.run_dir(tmp_path, method=method, training=training)
    run = world.open_run(folder)
    runner.train(run)
    s = fit(run.data).strength
    s = s[~np.isnan(s)]
    expected = ((s if weighted else 1.0) * np.log1p(np.exp(2 * s))).mean()
    logged = [event.data["loss"] for event in world.told(folder, "metrics") if event.step == 1]
    assert logged == [pytest.approx(expected, rel=1e-4)]
    assert np.ptp(s) > 0.5


def test_the_runs_parameters_reach_the_fit(tmp_path: Path) -> None:
    run, _ = prepared(tmp_path, prior_precision=2.0, uncertainty=0.5)
    expected = torch.from_numpy(fit(run.data, 2.0, 0.5).strength).float()
    torch.testing.assert_close(run.columns["strength"], expected, equal_nan=True, rtol=0, atol=0)


def warnings(folder: Path) -> dict[str, str]:
    return {event.data["code"]: event.data["message"] for event in world.told(folder, "warning")}


def test_rows_that_do_not_connect_are_warned_of(tmp_path: Path) -> None:
    prepared(tmp_path, [world.row(1, 2), world.row(3, 4), world.row(4, 5)])
    assert "the largest holds 60% of the labelled preferences" in warnings(tmp_path)["strengths_unconnected"]


def test_rows_that_connect_are_not(tmp_path: Path) -> None:
    prepared(tmp_path, [world.row(1, 2), world.row(2, 3), world.row(3, 4)])
    assert not any(code.startswith("strengths") for code in warnings(tmp_path))


def test_preferences_without_a_label_are_told(tmp_path: Path) -> None:
    prepared(tmp_path, [world.row(1, 2), world.preference(3)])
    assert warnings(tmp_path)["strengths_unlabelled"].startswith("1 of 3 training preferences are in no")


def test_without_rows_there_is_nothing_to_fit_to(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no training rows"):
        prepared(tmp_path, [world.preference(1), world.preference(2)])


def test_the_fit_brings_no_django_and_nothing_of_the_web_application() -> None:
    """A plain installation of the engine has it: `annotation.quality` is arithmetic (ADR 9)."""
    program = "import json, sys, training.engine.strengths; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=world.ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(done.stdout))
    assert not {"django", "celery", "torch", "config", "rest_framework"} & loaded
    assert {name for name in loaded if name.startswith("annotation.")} == {
        "annotation.quality",
        "annotation.quality.belief",
        "annotation.quality.spread",
        "annotation.quality.strengths",
    }
