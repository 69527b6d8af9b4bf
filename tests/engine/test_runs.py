"""Whole runs in this process: every method, LoRA, what is written, and that the model can be used."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.engine import two_step, world
from training.engine import catalog, preparation, presets, records, results, runner
from training.engine.errors import DatasetError, NotFinite

# PEFT and TRL still ask the models by a name that transformers will drop in version 6.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


def kinds(folder: Path) -> list[str]:
    return [event.kind for event in world.told(folder)]


WITHOUT_REWARDS = [entry.slug for entry in catalog.POLICY_METHODS.values() if not entry.needs_reward_margin]


@pytest.mark.parametrize("slug", WITHOUT_REWARDS)
def test_every_method_trains_evaluates_and_exports(tmp_path: Path, slug: str) -> None:
    folder = world.run_dir(tmp_path, method={"slug": slug, "params": {"beta": 0.5}})
    model = runner.train(world.open_run(folder))
    stages = [event.data["name"] for event in world.told(folder, "stage")]
    assert stages == ["sft", "reference", "train", "evaluate", "save"]
    assert kinds(folder)[0] == "started"
    assert kinds(folder)[-1] == "finished"
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= {
        file.name for file in model.iterdir()
    }
    before, after = load_file(folder / "base" / "model.safetensors"), load_file(model / "model.safetensors")
    assert any(not torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("kind", ["preference", "sft", "reward_model"])
@pytest.mark.parametrize(("rows_per_step", "rates"), [(99, [1e-3]), (6, [0.0, 1e-3])])
def test_a_run_of_so_few_steps_still_trains(
    tmp_path: Path, kind: str, rows_per_step: int, rates: list[float]
) -> None:
    """The warm-up is rounded up, and leaves a step at the full rate: of one step, all."""
    make = world.run_dir if kind == "preference" else partial(two_step.run_dir, kind=kind)
    training = {"rows_per_step": rows_per_step, "warmup_ratio": 0.9}
    folder = make(tmp_path, lines=world.rows(10), training=training)
    model = runner.train(world.open_run(folder))
    logged = [event.data for event in world.told(folder, "metrics") if event.step and "loss" in event.data]
    assert [one["learning_rate"] for one in logged if "heldout/loss" not in one] == pytest.approx(rates)
    before, after = load_file(folder / "base" / "model.safetensors"), load_file(model / "model.safetensors")
    assert any(not torch.equal(before[name], after[name]) for name in before.keys() & after.keys())


def test_metrics_say_what_the_contract_promises(tmp_path: Path) -> None:
    folder = world.run_dir(tmp_path)
    runner.train(world.open_run(folder))
    logged = [event for event in world.told(folder, "metrics") if event.step is not None]
    promised = {
        "loss",
        "learning_rate",
        "grad_norm",
        "rewards/margins",
        "rewards/accuracies",
        "logps/chosen",
        "logps/rejected",
        "pop/margin",
        "pop/weak_margin",
        "pop/zero_share",
        "pop/clip_share",
    }
    assert all(promised <= set(event.data) for event in logged)
    assert [event.step for event in logged] == [1, 2]
    assert logged[0].data["loss"] == pytest.approx(0.693147, abs=1e-5)
    assert 0 < logged[-1].data["pop/drift_ratio"] < 0.1
    last = world.told(folder, "progress")[-2]
    assert (last.data["done"], last.data["total"]) != (0, 0)


def test_evaluations_are_in_the_file_and_in_the_events(tmp_path: Path) -> None:
    folder = world.run_dir(tmp_path)
    runner.train(world.open_run(folder))
    stored = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    nobody_asked = {*results.WRITTEN, *results.JUDGED}
    assert set(stored["results"]) == set(catalog.EVALUATIONS) - nobody_asked
    assert stored["results"]["pop_accuracy"]["n"] == 4
    assert stored["results"]["pair_accuracy"]["n"] == 5
    heldout = {one.id for one in records.load(folder / "rows.jsonl").preferences if one.split == "heldout"}
    assert set(stored["results"]["margin_correlation"]["points"]["id"]) <= heldout
    for event in world.told(folder, "evaluation"):
        assert event.data["result"] == stored["results"][event.data["name"]]
        assert event.data["dataset_sha256"] == stored["dataset_sha256"]
        assert event.data["seed"] == stored["seed"] == 0
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert record["versions"]["trl"] == "1.16.0"
    assert record["spec"]["method"]["slug"] == "dpo_pop"


def test_the_model_loads_generates_and_carries_its_card(tmp_path: Path) -> None:
    folder = world.run_dir(tmp_path, name="A name")
    model_dir = runner.train(world.open_run(folder))
    model = AutoModelForCausalLM.from_pretrained(model_dir)
    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hi"}], tokenize=False, add_generation_prompt=True
    )
    ids = tokenizer(text, return_tensors="pt", return_token_type_ids=False)
    assert model.generate(**ids, max_new_tokens=3, do_sample=False).shape[1] > ids["input_ids"].shape[1]
    assert model.config.use_cache is True
    card = (model_dir / "README.md").read_text(encoding="utf-8")
    sha256 = world.told(folder, "started")[0].data["dataset_sha256"]
    for part in ("# A name", sha256, "2509.22851", '"slug": "dpo_pop"', "PoP accuracy", '"trl": "1.16.0"'):
        assert part in card


def test_lora_trains_adapters_only_and_exports_a_merged_model(tmp_path: Path) -> None:
    model = world.spec()["model"] | {"lora": {"r": 4, "alpha": 8}}
    folder = world.run_dir(tmp_path, model=model, training={"learning_rate": 1e-2})
    run = world.open_run(folder)
    model_dir = runner.train(run)
    checkpoint = max((folder / "checkpoints").iterdir())
    target = load_file(checkpoint / "target.safetensors")
    assert target
    assert all(".lora_" in name and one.dtype == torch.float32 for name, one in target.items())
    assert not (checkpoint / "ref").exists()
    merged = AutoModelForCausalLM.from_pretrained(model_dir).state_dict()
    base = AutoModelForCausalLM.from_pretrained(folder / "base").state_dict()
    moved = {name for name in base if not torch.equal(base[name], merged[name])}
    assert moved
    assert all("proj" in name for name in moved)


def test_gradient_checkpointing_changes_nothing(tmp_path: Path) -> None:
    weights = []
    for name, on in (("off", False), ("on", True)):
        folder = world.run_dir(tmp_path / name, training={"gradient_checkpointing": on})
        weights.append(load_file(runner.train(world.open_run(folder)) / "model.safetensors"))
    for name, one in weights[0].items():
        torch.testing.assert_close(one, weights[1][name])


def test_the_same_seed_gives_the_same_model_and_another_does_not(tmp_path: Path) -> None:
    weights = []
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        folder = world.run_dir(tmp_path / name, training={"seed": seed})
        weights.append(load_file(runner.train(world.open_run(folder)) / "model.safetensors"))
    assert all(torch.equal(one, weights[1][name]) for name, one in weights[0].items())
    assert any(not torch.equal(one, weights[2][name]) for name, one in weights[0].items())


def test_micro_batches_of_any_size_give_the_same_training(tmp_path: Path) -> None:
    found = []
    for micro in (1, 2, 4):  # 10 rows: steps of 4, 4 and 2, and short micro-batches at the end
        folder = world.run_dir(tmp_path / str(micro), world.rows(10), training={"micro_batch": micro})
        runner.train(world.open_run(folder))
        found.append([event.data["loss"] for event in world.told(folder, "metrics") if event.step])
    assert len(found[0]) == 3
    assert found[1] == pytest.approx(found[0], rel=1e-4)
    assert found[2] == pytest.approx(found[0], rel=1e-4)


@pytest.mark.parametrize("lora", [None, {"r": 4, "alpha": 8}])
def test_bf16_is_autocast_over_fp32_weights_that_are_trained(
    tmp_path: Path, lora: dict[str, int] | None
) -> None:
    first = runner.train(world.open_run(world.run_dir(tmp_path / "base")))
    changes: dict[str, Any] = {
        "model": {"base": str(first), "lora": lora},
        "training": {"precision": "bf16", "learning_rate": 1e-2},
    }
    folder = world.run_dir(tmp_path / "run", **changes)
    run = world.open_run(folder)
    model = runner.train(run)
    assert not (folder / "base").exists()
    assert world.told(folder, "metrics")[0].data["loss"] == pytest.approx(0.6931, abs=2e-2)
    stored = load_file(max((folder / "checkpoints").iterdir()) / "target.safetensors")
    assert {one.dtype for one in stored.values()} == {torch.float32}
    kept = {one.dtype for one in load_file(model / "model.safetensors").values()}
    assert kept == {torch.bfloat16 if lora else torch.float32}


@pytest.mark.skipif(not world.SHARED.exists(), reason="the shared data is not here")
def test_the_tiny_preset_learns_real_preferences(tmp_path: Path) -> None:
    text = (world.SHARED / "pairs.jsonl").read_text(encoding="utf-8")
    short = [one for one in map(json.loads, text.splitlines()) if len(str(one)) < 900][:40]
    lines = [{"strong": one, "weak": short[place - 1]} for place, one in enumerate(short)]
    preset = presets.PRESETS["tiny-cpu"].spec
    training = preset["training"] | {"epochs": 5}
    folder = world.run_dir(tmp_path, lines, **preset | {"training": training})
    runner.train(world.open_run(folder))
    logged = [event.data["rewards/accuracies"] for event in world.told(folder, "metrics") if event.step]
    assert sum(logged[-3:]) / 3 > 0.9
    assert sum(logged[1:4]) / 3 < 0.75


def test_positions_the_model_lacks_are_told(tmp_path: Path) -> None:
    folder = world.run_dir(tmp_path / "base")
    model = runner.train(world.open_run(folder))
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    (model / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 40}), encoding="utf-8")
    folder = world.run_dir(tmp_path / "run", model={"base": str(model)})
    runner.train(world.open_run(folder))
    assert "max_length_cut" in {event.data["code"] for event in world.told(folder, "warning")}


def test_rows_that_do_not_fit_are_left_out_and_told(tmp_path: Path) -> None:
    long = world.row(1, 2)
    long["weak"]["prompt"] = "far too long " * 80
    folder = world.run_dir(tmp_path, [*world.rows(8), long], training={"max_length": 100})
    runner.train(world.open_run(folder))
    (warning,) = world.told(folder, "warning")
    assert warning.data["code"] == "rows_dropped"
    assert warning.data["message"].startswith("1 training rows are left out")


def test_nothing_that_fits_is_bad_input(tmp_path: Path) -> None:
    lines = [world.row(1, 2)]
    for side in lines[0].values():
        if isinstance(side, dict):
            side["prompt"] = "".join(chr(ord("A") + n) for n in range(50))
    folder = world.run_dir(tmp_path, lines, training={"max_length": 16})
    with pytest.raises(DatasetError, match="longer than 16 tokens"):
        runner.train(world.open_run(folder))


def test_a_margin_method_without_scores_is_bad_input(tmp_path: Path) -> None:
    lines = world.rows(4)
    for line in lines:
        line["strong"].pop("score_chosen")
    folder = world.run_dir(tmp_path, lines, method={"slug": "dpo_scaled"})
    with pytest.raises(DatasetError, match="needs scores") as refused:
        runner.train(world.open_run(folder))
    assert refused.value.code == "scores_missing"


def test_a_pop_method_without_rows_is_bad_input(tmp_path: Path) -> None:
    folder = world.run_dir(tmp_path, [world.preference(1), world.preference(2)])
    with pytest.raises(DatasetError, match="no training rows"):
        runner.train(world.open_run(folder))


def test_a_loss_that_is_not_finite_stops_the_run_without_a_poisoned_checkpoint(tmp_path: Path) -> None:
    folder = world.run_dir(tmp_path, world.rows(20), training={"learning_rate": 1e30, "save_steps": 1})
    with pytest.raises(NotFinite):
        runner.train(world.open_run(folder))
    for file in (folder / "checkpoints").glob("*/model.safetensors"):
        if (file.parent / "COMPLETE").exists():
            assert all(torch.isfinite(one).all() for one in load_file(file).values())


def test_only_the_last_two_checkpoints_stay(tmp_path: Path) -> None:
    folder = world.run_dir(tmp_path, world.rows(20), training={"save_steps": 1})
    runner.train(world.open_run(folder))
    assert sorted(one.name for one in (folder / "checkpoints").glob("checkpoint-*")) == [
        "checkpoint-4",
        "checkpoint-5",
    ]


def scored(margins: list[float]) -> list[dict[str, Any]]:
    """A row whose strong side has each of these score margins."""
    lines = [world.row(n, n + 1000) for n in range(len(margins))]
    for line, margin in zip(lines, margins, strict=True):
        line["strong"] |= {"score_chosen": margin, "score_rejected": 0.0}
        line["weak"] |= {"score_chosen": margin, "score_rejected": 0.0}
    return lines


def test_odpo_leaves_out_what_has_no_logarithm_and_says_so(tmp_path: Path) -> None:
    folder = world.run_dir(tmp_path, scored([1.0, 0.0, 2.0, -1.0, 0.5, 3.0]), method={"slug": "odpo"})
    run = world.open_run(folder)
    rows = preparation.prepare(run, None)
    assert len(rows) == 8  # both sides of four lines
    warned = {event.data["code"]: event.data["message"] for event in world.told(folder, "warning")}
    assert warned["margins_not_positive"].startswith("4 of 12 training preferences are left out")
    assert "score_margin_negative" not in warned


def test_odpo_without_any_positive_margin_is_refused(tmp_path: Path) -> None:
    folder = world.run_dir(tmp_path, scored([0.0, -1.0]), method={"slug": "odpo"})
    with pytest.raises(DatasetError, match="there is none"):
        preparation.prepare(world.open_run(folder), None)


def test_an_evaluation_moves_nothing_that_a_method_remembers(tmp_path: Path) -> None:
    folder = world.run_dir(tmp_path, method={"slug": "beta_dpo"})
    run = world.open_run(folder)
    rows = preparation.prepare(run, None)
    trainer = runner.build_trainer(run, rows)
    batch = trainer.data_collator(rows[:4])
    with torch.no_grad():  # the policy leaves its reference
        for one in trainer.model.parameters():
            one.add_(0.05 * torch.randn_like(one))

    def remembered() -> list[torch.Tensor]:
        assert trainer.remembered is not None
        return [value.clone() for value in trainer.remembered.state_dict().values()]

    before = remembered()
    trainer.model.eval()
    trainer.compute_loss(trainer.model, batch)
    assert all(torch.equal(one, other) for one, other in zip(before, remembered(), strict=True))
    trainer.model.train()
    trainer.compute_loss(trainer.model, batch)
    assert not all(torch.equal(one, other) for one, other in zip(before, remembered(), strict=True))


def test_few_rows_a_forward_pass_are_warned_of_where_a_method_compares_them(tmp_path: Path) -> None:
    folder = world.run_dir(tmp_path, method={"slug": "amapo"})
    preparation.prepare(world.open_run(folder), None)
    assert "batch_small" in {event.data["code"] for event in world.told(folder, "warning")}


@pytest.mark.parametrize("slug", ["beta_dpo", "dpo"])
def test_log_probabilities_that_are_no_numbers_end_the_run_in_words(tmp_path: Path, slug: str) -> None:
    run = world.open_run(world.run_dir(tmp_path, method={"slug": slug}))
    rows = preparation.prepare(run, None)
    trainer = runner.build_trainer(run, rows)
    with torch.no_grad():
        next(trainer.model.parameters()).fill_(float("nan"))
    with pytest.raises(NotFinite, match="NaN or infinite at step 1"):
        trainer.compute_loss(trainer.model, trainer.data_collator(rows[:4]))
