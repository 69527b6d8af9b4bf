"""Two processes (gloo) that divide the weights (FSDP2) train what one trains that has all of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.engine import two_step, world
from tests.engine.test_processes import (
    TRAINING,
    assert_the_same_training,
    heldout_loss,
    kill_the_second,
    launched,
    metrics,
    results,
    run_in_two,
    weights,
)
from training.engine import launched as environment
from training.engine import runner
from training.engine.errors import SpecError

CONFIG = "fsdp2.yaml"
# Five strong preferences a step, two a pass: one process has two passes, the other one has one.
UNEVEN = TRAINING | {"epochs": 6}
RUNS: dict[str, dict[str, Any]] = {
    "pop": {"method": {"slug": "dpo_pop"}, "training": UNEVEN | {"gradient_checkpointing": True}},
    "statistics": {
        "method": {"slug": "beta_dpo", "params": {}},
        "training": TRAINING | {"rows_per_step": 23, "epochs": 3, "micro_batch": 4},
    },
    "adapters": {
        "method": {"slug": "dpo_pop"},
        "model": {"lora": {"r": 4}},
        "training": UNEVEN | {"epochs": 2},
    },
}
# Steps of which the last has one response; rows that go through the model one at a time.
FEW = TRAINING | {"rows_per_step": 7, "micro_batch": 3, "epochs": 2}
ALONE = {"epochs": 9, "learning_rate": 0.02, "save_steps": 1, "rows_per_step": 9, "max_tokens": 16}
REWARD = {"objective": "pop", "patience": 1}
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "chosen": ("sft", {"training": FEW}),
    "rewards": ("reward_model", {"training": ALONE, "reward": REWARD}),
    "reward_adapters": (
        "reward_model",
        {"training": ALONE | {"epochs": 2}, "model": {"lora": {"r": 4}}, "reward": REWARD},
    ),
}
MEASURED = {
    "chosen": ("lengths/chosen",),
    "rewards": ("reward/margins", "reward/accuracies", "work/padding_share"),
    "reward_adapters": ("reward/margins", "reward/accuracies", "work/padding_share"),
}


def folders(root: Path, **changes: dict[str, Any]) -> dict[str, Path]:
    found = {}
    for name, sections in RUNS.items():
        training = sections["training"] | changes.get(name, {})
        found[name] = world.run_dir(root / name, world.rows(40), **sections | {"training": training})
    for name, (kind, sections) in KINDS.items():
        found[name] = two_step.run_dir(root / name, kind, world.rows(19), **sections)
    return found


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # peft's
def test_two_processes_with_parts_of_the_weights_train_what_one_trains_with_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Architectures, every kind of run, adapters; one that has no loss, is asked to stop, or is killed."""
    one = folders(tmp_path / "one")
    two = folders(tmp_path / "two", statistics={"micro_batch": 2})
    fails, broken = (
        world.run_dir(tmp_path / name, world.rows(40), **RUNS["pop"]) for name in ("fails", "broken")
    )
    monkeypatch.setenv("POP_CACHE_DIR", str(tmp_path / "cache"))  # the two share out the reference, too
    kind, sections = KINDS["rewards"]
    stops = two_step.run_dir(tmp_path / "stops", kind, world.rows(19), **sections)
    process = launched(*two.values(), fails, stops, broken, config=CONFIG, module=("tests.engine.divided",))
    monkeypatch.setenv("POP_CACHE_DIR", str(tmp_path / "of-one"))
    for folder in one.values():
        start(folder)
    world.wait_until(world.reached(broken, 5), process)
    kill_the_second(process, f"tests.engine.divided .*{broken}")

    for name in RUNS:
        assert_the_same_training(one[name], two[name])
    for name, measured in MEASURED.items():
        assert_the_same_training(one[name], two[name], measured)
    lost = [results(where["chosen"])["heldout_loss"]["loss"] for where in (one, two)]
    assert lost[1] == pytest.approx(lost[0], rel=1e-5)
    for name in ("rewards", "reward_adapters"):
        assert_the_best_is_kept(one[name], two[name])
    for name in ("pop", "chosen", "rewards"):
        held = json.loads((two[name] / "run.json").read_text())["weights_held"]
        total = sum(value.numel() for value in weights(one[name]).values())
        assert sum(held) == total
        assert max(held) < 0.51 * total
    for alone, together in zip(metrics(one["pop"]), metrics(two["pop"]), strict=True):
        for name in ("pop/weak_margin", "pop/drift_ratio"):
            if name in alone:  # the target has not moved in the first step
                assert together[name] == pytest.approx(alone[name], rel=1e-3, abs=1e-5), name
    assert [event.data["code"] for event in world.told(fails, "failed")] == ["loss_not_finite"]
    assert not (fails / "model").exists()
    assert [event.data["checkpoint"] for event in world.told(stops, "cancelled")] == [True]
    assert list(heldout_loss(stops)) == [1]

    whole = start(without_its_end(two["pop"], tmp_path / "whole"))
    assert world.told(whole, "started")[-1].data["resumed_from"] == 22
    for name, value in weights(whole).items():
        torch.testing.assert_close(value, weights(two["pop"])[name], rtol=1e-5, atol=1e-5)

    monkeypatch.setenv("POP_CACHE_DIR", str(tmp_path / "cache"))
    run_in_two(broken, CONFIG)
    assert (world.told(broken, "started")[-1].data["resumed_from"] or 0) > 0
    for name, value in weights(two["pop"]).items():
        assert torch.equal(value, weights(broken)[name])


def assert_the_best_is_kept(one: Path, two: Path) -> None:
    held = [heldout_loss(folder) for folder in (one, two)]
    assert held[0] == pytest.approx(held[1], rel=1e-4)
    best = min(held[1], key=lambda step: held[1][step])
    assert best < max(held[1])
    assert f"Optimizer steps: {best}\n" in (two / "model" / "README.md").read_text()
    assert results(one)["pair_accuracy"] == results(two)["pair_accuracy"]


def start(folder: Path) -> Path:
    runner.train(world.open_run(folder))
    return folder


def without_its_end(folder: Path, copy: Path) -> Path:
    """A finished run of 24 steps as it was after the 22nd."""
    shutil.copytree(folder, copy)
    shutil.rmtree(copy / "model")
    shutil.rmtree(copy / "checkpoints" / "checkpoint-24")
    return copy


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        ({"FSDP_VERSION": "1"}, "version 1"),
        ({"FSDP_VERSION": "2", "FSDP_OFFLOAD_PARAMS": "true"}, "fsdp_offload_params"),
        ({"FSDP_VERSION": "2", "FSDP_ACTIVATION_CHECKPOINTING": "true"}, "fsdp_activation_checkpointing"),
    ],
)
def test_a_division_that_is_not_known_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: dict[str, str], what: str
) -> None:
    for name, value in {"WORLD_SIZE": "2", "RANK": "0", **asked}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SpecError, match=what) as refused:
        start(world.run_dir(tmp_path))
    assert refused.value.code == "sharding_unknown"


def test_a_launcher_without_fsdp_or_with_one_process_divides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert not environment.sharded()
    assert environment.unknown_sharding() == ""
    monkeypatch.setenv("FSDP_VERSION", "2")
    assert environment.sharded()
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert not environment.sharded()


def test_a_divided_model_is_not_asked_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setenv("FSDP_VERSION", "2")
    run = world.open_run(world.run_dir(tmp_path, evaluation={"generation": {"prompts": 2}}))
    with pytest.raises(SpecError, match="divided") as refused:
        runner.train(run)
    assert refused.value.code == "sharding_unsupported"
    assert "pop-train evaluate" in str(refused.value.hint)
