"""`sft` runs: what they learn from, that the loss is the paper's, and that their model serves as a base."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.engine import two_step, world
from tests.engine.test_resume import assert_same, interrupted
from training.engine import preparation, reference, runner, supervised
from training.engine.errors import DatasetError

# PEFT and TRL still ask the models by a name that transformers will drop in version 6.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
TRAINING = {"epochs": 2, "learning_rate": 3e-3}


def nll(folder: Path, preferences: list[dict[str, Any]]) -> float:
    """Mean −log p of the chosen responses' tokens under a saved model, one sequence at a time."""
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    total, tokens = 0.0, 0
    for one in preferences:
        ids, start = two_step.chat(tokenizer, one["prompt"], one["chosen"])
        with torch.no_grad():
            logps = model(input_ids=torch.tensor([ids])).logits[0].double().log_softmax(-1)
        total -= sum(float(logps[place - 1, ids[place]]) for place in range(start, len(ids)))
        tokens += len(ids) - start
    return total / tokens


def test_a_run_learns_the_chosen_responses_and_says_how_well(tmp_path: Path) -> None:
    lines = world.rows(30)
    folder = two_step.run_dir(tmp_path, "sft", lines, training=TRAINING)
    model = runner.train(world.open_run(folder))
    stages = [event.data["name"] for event in world.told(folder, "stage")]
    assert stages == ["train", "evaluate", "save"]
    heldout = [world.preference(number) for number in range(5000, 5005)]
    stored = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))["results"]
    assert set(stored) == {"heldout_loss"}
    assert stored["heldout_loss"]["n"] == 5
    assert stored["heldout_loss"]["loss"] == pytest.approx(nll(model, heldout), rel=1e-4)
    assert stored["heldout_loss"]["loss"] < nll(folder / "base", heldout) - 0.2
    card = (model / "README.md").read_text(encoding="utf-8")
    assert "# SFT on tiny" in card
    assert "Held-out loss" in card


def test_the_loss_is_the_mean_over_the_tokens_of_the_step(tmp_path: Path) -> None:
    lines = world.rows(8)
    folder = two_step.run_dir(
        tmp_path, "sft", lines, training={"epochs": 1, "rows_per_step": 12, "micro_batch": 3}
    )
    run = world.open_run(folder)
    runner.train(run)
    (logged,) = [event for event in world.told(folder, "metrics") if event.step == 1]
    training = [run.data.preferences[row["place"]].id for row in supervised.chosen_rows(run)]
    assert len(training) == len(set(training)) == 10
    seen = {number: world.preference(number) for number in (*range(5), *range(1000, 1005))}
    assert logged.data["loss"] == pytest.approx(nll(folder / "base", list(seen.values())), rel=1e-4)


def test_a_response_chosen_twice_is_learned_once(tmp_path: Path) -> None:
    lines = world.rows(6, heldout=0)
    other = world.preference(0) | {"rejected": "Something else."}
    folder = two_step.run_dir(tmp_path, "sft", [*lines, {"strong": other, "weak": world.preference(1)}])
    run = world.open_run(folder)
    runner.train(run)
    chosen = [run.data.preferences[row["place"]].chosen for row in supervised.chosen_rows(run)]
    assert len(run.data.preferences) == len(chosen) + 1
    stored = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))["results"]
    assert "no held-out preferences: freeze it with a held-out share" in stored["heldout_loss"]["skipped"]


def test_responses_without_held_out_prompts_are_warned_of_before_training(tmp_path: Path) -> None:
    asked = {"generation": {"prompts": 3}}
    folder = two_step.run_dir(tmp_path, "sft", world.rows(4, heldout=0), evaluation=asked)
    run = world.open_run(folder)
    preparation.begin(run, None)
    supervised.ready(run)
    (warning,) = (one.data for one in world.told(folder, "warning"))
    assert warning["code"] == "no_prompts"
    assert warning["message"].startswith("The dataset has no held-out preferences, so there are no prompts")


def test_prompts_that_fill_the_length_are_refused_in_words(tmp_path: Path) -> None:
    lines = world.rows(4)
    for line in lines:
        line["strong"]["prompt"] = line["weak"]["prompt"] = "A long story. " * 20
    folder = two_step.run_dir(tmp_path, "sft", lines, training={"max_length": 16})
    run = world.open_run(folder)
    with pytest.raises(DatasetError, match="longer than 16 tokens"):
        runner.train(run)


@pytest.mark.parametrize("lora", [None, {"r": 4, "alpha": 8, "dropout": 0.2}])
def test_stopped_and_resumed_ends_with_the_same_bits(tmp_path: Path, lora: dict[str, float] | None) -> None:
    changes: dict[str, Any] = {"model": world.spec()["model"] | {"lora": lora}, "training": TRAINING}
    whole = two_step.run_dir(tmp_path / "whole", "sft", world.rows(30), **changes)
    broken = two_step.run_dir(tmp_path / "broken", "sft", world.rows(30), **changes)
    runner.train(world.open_run(whole))
    interrupted(broken)
    runner.train(world.open_run(broken))
    assert_same(whole, broken)


def test_a_run_killed_after_its_last_checkpoint_takes_no_further_step(tmp_path: Path) -> None:
    folder = two_step.run_dir(tmp_path, "sft", world.rows(30), training={"epochs": 0.5})
    runner.train(world.open_run(folder))
    first = (folder / "model" / "model.safetensors").read_bytes()
    steps = max(event.step or 0 for event in world.told(folder, "metrics"))
    logged = len(world.told(folder, "metrics"))
    runner.train(world.open_run(folder))
    assert world.told(folder, "started")[1].data["resumed_from"] == steps
    assert len(world.told(folder, "metrics")) == logged
    assert (folder / "model" / "model.safetensors").read_bytes() == first


def test_its_model_is_a_base_below_the_run_folder(tmp_path: Path) -> None:
    base = two_step.run_dir(tmp_path / "sft", "sft")
    runner.train(world.open_run(base))
    folder = world.run_dir(tmp_path / "dpo", model={"base": "sources/base"}, method={"slug": "dpo"})
    (folder / "sources").mkdir()
    (base / "model").rename(folder / "sources" / "base")
    run = world.open_run(folder)
    runner.train(run)
    assert world.told(folder, "stage")[0].data["name"] == "reference"
    kept = AutoModelForCausalLM.from_pretrained(folder / "sources" / "base")
    made = AutoModelForCausalLM.from_pretrained(folder / "model")
    assert reference.weights_hash(kept) != reference.weights_hash(made)
    assert sum(one.numel() for one in kept.parameters()) == sum(one.numel() for one in made.parameters())
