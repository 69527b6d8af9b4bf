"""`reward_model` runs: the losses by hand, early stopping that stops, the best weights, breaks."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.engine import two_step, warm, world
from tests.engine.test_resume import assert_same
from training.engine import rewarding, runner
from training.engine.errors import DatasetError

# PEFT and TRL still ask the models by a name that transformers will drop in version 6.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
HELDOUT = [world.preference(number) for number in range(5000, 5005)]
LONG = {"epochs": 6, "learning_rate": 3e-3, "save_steps": 2}


def logged(folder: Path, name: str) -> dict[int, float]:
    found = world.told(folder, "metrics")
    return {event.step or 0: event.data[name] for event in found if name in event.data}


def test_each_objective_has_its_formula_and_the_weak_side_no_gradient() -> None:
    differences = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64, requires_grad=True)
    of = torch.tensor([0, 2, 2])

    def expected(value: float) -> float:
        return math.log1p(math.exp(-value))

    plain = rewarding.losses(differences, {"strong_of": of})
    assert plain.tolist() == pytest.approx([expected(0.5), expected(2.0), expected(2.0)])
    margin = rewarding.losses(differences, {"strong_of": of, "margin": torch.tensor([1.0, 0.0, -1.0])})
    assert margin.tolist() == pytest.approx([expected(-0.5), expected(2.0), expected(3.0)])
    pop = rewarding.losses(differences, {"strong_of": of, "weak_of": torch.tensor([1, 1, 0])})
    assert pop.tolist() == pytest.approx([expected(1.5), expected(3.0), expected(1.5)])
    (gradient,) = torch.autograd.grad(pop.sum(), differences)
    slopes = [-1 / (1 + math.exp(value)) for value in (1.5, 3.0, 1.5)]
    assert gradient.tolist() == pytest.approx([slopes[0], 0.0, slopes[1] + slopes[2]])


def test_a_run_learns_to_prefer_what_people_chose(tmp_path: Path) -> None:
    folder = two_step.run_dir(tmp_path, "reward_model", world.rows(40), training=LONG)
    model = runner.train(world.open_run(folder))
    margins = two_step.reward_margins(folder, HELDOUT)
    stored = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))["results"]
    curves = {"margin_correlation", "cumulative_accuracy", "calibration"}
    assert set(stored) == {"pair_accuracy", "pop_accuracy"} | curves
    assert stored["pair_accuracy"]["accuracy"] == sum(margin > 0 for margin in margins) / 5 > 0.5
    ordered = sum(strong > weak for strong, weak in pairwise(margins))
    assert (stored["pop_accuracy"]["accuracy"], stored["pop_accuracy"]["n"]) == (ordered / 4, 4)
    assert logged(folder, "loss")[1] == pytest.approx(math.log(2), abs=0.05)
    card = (model / "README.md").read_text(encoding="utf-8")
    assert "text-classification" in card
    assert "`bradley_terry`" in card


def test_patience_ends_the_run_and_its_best_weights_are_kept(tmp_path: Path) -> None:
    training = LONG | {"epochs": 40, "learning_rate": 0.05, "save_steps": 1}
    folder = two_step.run_dir(
        tmp_path, "reward_model", world.rows(8), training=training, reward={"patience": 3}
    )
    runner.train(world.open_run(folder))
    losses = logged(folder, "heldout/loss")
    best = min(losses, key=lambda step: losses[step])
    total = world.told(folder, "stage")[1].data["total"]
    assert max(losses) == best + 3 < total
    margins = two_step.reward_margins(folder, HELDOUT)
    assert sum(math.log1p(math.exp(-margin)) for margin in margins) / 5 == pytest.approx(
        losses[best], rel=1e-3
    )
    assert f"Optimizer steps: {best}\n" in (folder / "model" / "README.md").read_text(encoding="utf-8")

    first = (folder / "model" / "model.safetensors").read_bytes()
    told = len(world.told(folder, "metrics"))
    runner.train(world.open_run(folder))  # as if it had been killed before it was saved
    assert len(world.told(folder, "metrics")) == told
    assert (folder / "model" / "model.safetensors").read_bytes() == first


def test_without_patience_it_goes_on_to_the_end(tmp_path: Path) -> None:
    training = LONG | {"epochs": 3, "learning_rate": 0.05}
    reward = {"patience": 0, "watch": "accuracy"}
    folder = two_step.run_dir(tmp_path, "reward_model", world.rows(8), training=training, reward=reward)
    runner.train(world.open_run(folder))
    accuracies = logged(folder, "heldout/accuracy")
    assert max(accuracies) == world.told(folder, "stage")[1].data["total"]
    stored = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))["results"]
    assert stored["pair_accuracy"]["accuracy"] == max(accuracies.values())


def test_without_heldout_preferences_a_warning_says_what_is_kept(tmp_path: Path) -> None:
    folder = two_step.run_dir(tmp_path, "reward_model", world.rows(8, heldout=0))
    runner.train(world.open_run(folder))
    (warning,) = world.told(folder, "warning")
    assert (warning.data["code"], "last weights" in warning.data["message"]) == ("no_heldout", True)


def test_killed_and_resumed_ends_with_the_same_bits(tmp_path: Path) -> None:
    lines = world.rows(40)
    changes = {"training": LONG | {"micro_batch": 1, "epochs": 3}, "reward": {"patience": 9}}
    whole = two_step.run_dir(tmp_path / "whole", "reward_model", lines, **changes)
    runner.train(world.open_run(whole))
    broken = two_step.run_dir(tmp_path / "broken", "reward_model", lines, **changes)
    process = warm.engine("train", str(broken), said=tmp_path / "said.txt")
    warm.wait_until(world.reached(broken, 9), process)
    process.kill()
    process.wait(60)
    assert not (broken / "model").exists()
    runner.train(world.open_run(broken))
    assert world.told(broken, "started")[1].data["resumed_from"] >= 8
    assert_same(whole, broken)


def test_pop_rows_and_adapters(tmp_path: Path) -> None:
    """Eq. 5 on PoP rows; the adapters are merged and the head is the trained one."""
    model = world.spec()["model"] | {"lora": {"r": 4, "alpha": 8}}
    folder = two_step.run_dir(
        tmp_path, "reward_model", world.rows(16), reward={"objective": "pop"}, model=model, training=LONG
    )
    made = runner.train(world.open_run(folder))
    weights = load_file(made / "model.safetensors")
    assert not [name for name in weights if "lora" in name]
    margins = two_step.reward_margins(folder, HELDOUT)
    losses = logged(folder, "heldout/loss")
    assert sum(math.log1p(math.exp(-margin)) for margin in margins) / 5 == pytest.approx(
        min(losses.values()), rel=1e-3
    )


@pytest.mark.parametrize(("objective", "words"), [("margin", "needs scores"), ("pop", "no training rows")])
def test_an_objective_without_its_data_is_refused(tmp_path: Path, objective: str, words: str) -> None:
    lines: list[dict[str, Any]] = world.rows(4)
    for line in lines:
        line["split"] = "heldout" if objective == "pop" else line["split"]
        for side in ("strong", "weak"):
            line[side] = {key: value for key, value in line[side].items() if "score" not in key}
    folder = two_step.run_dir(tmp_path, "reward_model", lines, reward={"objective": objective})
    with pytest.raises(DatasetError, match=words):
        runner.train(world.open_run(folder))


def test_the_objective_margin_asks_for_the_score_margin(tmp_path: Path) -> None:
    """At step 1 rewards are about equal: the loss is −log σ(−m), mean over the step."""
    training = {"epochs": 1, "rows_per_step": 12, "micro_batch": 12}
    folder = two_step.run_dir(tmp_path, "reward_model", reward={"objective": "margin"}, training=training)
    runner.train(world.open_run(folder))
    scored = [world.preference(number) for number in (*range(5), *range(1000, 1005))]
    margins = [one["score_chosen"] - one["score_rejected"] for one in scored]
    expected = sum(math.log1p(math.exp(margin)) for margin in margins) / len(margins)
    assert logged(folder, "loss")[1] == pytest.approx(expected, abs=0.1)
