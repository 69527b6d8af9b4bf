"""Two real processes (gloo) train what one trains: gradients, statistics, metrics; killed, they go on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from tests.engine import together, two_step, warm, world
from training.engine import launch as launch_folder
from training.engine import processes, runner
from training.engine.errors import Cancelled

CONFIGS = Path(next(iter(launch_folder.__path__)))
TRAINING = {"epochs": 2, "rows_per_step": 10, "learning_rate": 5e-3, "save_steps": 2}

pytestmark = pytest.mark.slow


ENGINE = ("training.engine", "train")


def launched(
    *folders: Path, config: str = "ddp.yaml", module: tuple[str, ...] = ENGINE
) -> subprocess.Popen[str]:
    """The engine (or another module) in two processes, by `accelerate launch` with a shipped config."""
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch"),
            *("--config_file", str(CONFIGS / config), "--main_process_port", str(together.free_port())),
            *("-m", *module, *map(str, folders)),
        ],
        cwd=world.ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run_in_two(folder: Path, config: str = "ddp.yaml") -> str:
    process = launched(folder, config=config)
    said = process.communicate(timeout=200)[0]
    assert process.returncode == 0, said
    return said


def weights(folder: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_file(folder / "model" / "model.safetensors")
    return found


def metrics(folder: Path) -> list[dict[str, Any]]:
    return [event.data for event in world.told(folder, "metrics") if event.step]


def results(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "evaluation.json").read_text())["results"]
    return found


def heldout_loss(folder: Path) -> dict[int, float]:
    found = [event for event in world.told(folder, "metrics") if "heldout/loss" in event.data]
    return {event.step or 0: event.data["heldout/loss"] for event in found}


POLICY = ("rewards/margins", "rewards/accuracies", "logps/chosen")


def assert_the_same_training(one: Path, two: Path, names: tuple[str, ...] = POLICY) -> None:
    for name, value in weights(one).items():
        torch.testing.assert_close(value, weights(two)[name], rtol=1e-5, atol=1e-5)
    assert len(metrics(one)) == len(metrics(two)) > 4
    for alone, shared in zip(metrics(one), metrics(two), strict=True):
        assert alone.keys() == shared.keys()  # a last step without rows for the first process, too
        for name in ("loss", "grad_norm", *names):
            assert shared[name] == pytest.approx(alone[name], rel=1e-3, abs=1e-5), name
    assert results(one).keys() == results(two).keys()


def assert_the_same_bits(one: Path, other: Path) -> None:
    for name, value in weights(one).items():
        assert torch.equal(value, weights(other)[name]), name


def test_two_processes_compare_the_pairs_of_both(tmp_path: Path) -> None:
    """Two with micro-batches of b see what one with 2·b sees; an epoch's last step has a single row."""
    lines, size = world.rows(40), 23  # over 24 different preferences: a step of 23 and one of 1
    training, method = TRAINING | {"rows_per_step": size, "epochs": 3}, {"slug": "beta_dpo", "params": {}}
    writing = {"generation": {"prompts": 3, "samples": 2, "max_new_tokens": 6}}
    changes = {"method": method, "evaluation": writing}
    one, two = (
        world.run_dir(tmp_path / name, lines, training=training | {"micro_batch": micro}, **changes)
        for name, micro in (("one", 4), ("two", 2))
    )
    runner.train(world.open_run(one))
    together.trained(two)
    assert_the_same_training(one, two)
    assert results(one)["pair_accuracy"] == results(two)["pair_accuracy"]
    alone, shared = ((folder / "generations.jsonl").read_text().splitlines() for folder in (one, two))
    assert len(shared) == 6
    for line, other in zip(map(json.loads, alone), map(json.loads, shared), strict=True):
        assert other["tokens"] == line["tokens"]  # they share out the responses
        assert other["reference_logp"] == pytest.approx(line["reference_logp"], abs=1e-3)


@pytest.mark.long  # two processes learn together in the test above, too
def test_two_processes_train_what_one_trains_and_go_on_when_one_was_killed(tmp_path: Path) -> None:
    training = TRAINING | {"epochs": 6}
    one, two, broken = (
        world.run_dir(tmp_path / name, world.rows(40), method={"slug": "dpo_pop"}, training=training)
        for name in ("one", "two", "broken")
    )
    runner.train(world.open_run(one))
    os.environ["POP_CACHE_DIR"] = str(tmp_path / "cache")  # the two share out the reference, too
    run_in_two(two)
    assert len(world.told(two, "started")) == 1
    assert {file.name for file in two.glob("checkpoints/*/rng_state*")} == {
        "rng_state_0.pth",
        "rng_state_1.pth",
    }
    assert_the_same_training(one, two)
    assert results(one)["pair_accuracy"] == results(two)["pair_accuracy"]

    process = launched(broken)
    world.wait_until(world.reached(broken, 5), process)
    kill_the_second(process, f"training.engine train {broken}")
    assert not (broken / "model").exists()
    together.trained(broken)
    assert (world.told(broken, "started")[-1].data["resumed_from"] or 0) > 0
    assert_the_same_bits(two, broken)


def kill_the_second(process: subprocess.Popen[str], command: str) -> None:
    helpers = subprocess.run(["pgrep", "-f", command], capture_output=True, text=True, check=True)
    ranks = {pid: environment(pid).get("RANK") for pid in helpers.stdout.split()}
    (second,) = [int(pid) for pid, rank in ranks.items() if rank == "1"]
    os.kill(second, signal.SIGKILL)
    process.communicate(timeout=100)
    assert process.returncode != 0


def environment(pid: str) -> dict[str, str]:
    try:
        text = Path(f"/proc/{pid}/environ").read_text()
    except OSError:
        return {}
    return dict(pair.split("=", 1) for pair in text.split("\0") if "=" in pair)


@pytest.mark.long
def test_two_processes_fine_tune_what_one_does(tmp_path: Path) -> None:
    """22 responses in steps of 7: the last one of an epoch has one, and the first process nothing to do."""
    training = TRAINING | {"epochs": 3, "rows_per_step": 7, "micro_batch": 3}
    one, two = (
        two_step.run_dir(tmp_path / name, "sft", world.rows(20), training=training) for name in ("one", "two")
    )
    runner.train(world.open_run(one))
    together.trained(two)
    assert world.told(two, "stage")[0].data["total"] == 12
    assert_the_same_training(one, two, ("lengths/chosen",))
    assert results(two)["heldout_loss"]["loss"] == pytest.approx(results(one)["heldout_loss"]["loss"])
    last = [alone["work/padding_share"] for alone in metrics(two)][3::4]
    assert last == [0.0] * 3  # a single response


@pytest.mark.long
def test_two_processes_learn_rewards_as_one_does_and_stop_together(tmp_path: Path) -> None:
    """Each row goes alone, so that padding is the same; every process has the same held-out loss."""
    training = {"epochs": 9, "learning_rate": 0.02, "save_steps": 1, "rows_per_step": 9, "max_tokens": 16}
    changes = {"training": training, "reward": {"objective": "pop", "patience": 2}}
    one, two, broken = (
        two_step.run_dir(tmp_path / name, "reward_model", world.rows(19), **changes)
        for name in ("one", "two", "broken")
    )
    runner.train(world.open_run(one))
    together.trained(two)
    assert_the_same_training(one, two, ("reward/margins", "reward/accuracies", "work/padding_share"))
    held = [heldout_loss(folder) for folder in (one, two)]
    assert held[0] == pytest.approx(held[1], rel=1e-4)
    best = min(held[1], key=lambda step: held[1][step])
    assert max(held[1]) == best + 2 < 27
    assert f"Optimizer steps: {best}\n" in (two / "model" / "README.md").read_text()
    assert results(one)["pair_accuracy"] == results(two)["pair_accuracy"]

    first, second = together.start(together.train, str(broken), folder=broken)
    warm.wait_until(world.reached(broken, best), first)
    second.kill()
    assert 0 not in together.ended([first, second])
    assert not (broken / "model").exists()
    together.trained(broken)
    assert (world.told(broken, "started")[-1].data["resumed_from"] or 0) >= best - 1
    assert_the_same_bits(two, broken)


def assert_both_fail(folder: Path) -> str:
    """Train in two processes, both of which fail; the message of the one event."""
    assert together.ended(together.start(together.train, str(folder), folder=folder)) == [1, 1]
    (failed,) = world.told(folder, "failed")
    assert failed.data["code"] == "loss_not_finite"
    message: str = failed.data["message"]
    return message


def test_processes_that_fail_at_the_same_step_keep_a_batch_each(tmp_path: Path) -> None:
    lines = world.rows(8, 0)
    for line in lines:
        line["strong"]["score_chosen"] = line["weak"]["score_chosen"] = 1e308
    two_step.run_dir(tmp_path, "reward_model", lines, reward={"objective": "margin"})
    message = assert_both_fail(tmp_path)
    kept = sorted((tmp_path / "failed_batch").iterdir())
    assert [file.name for file in kept] == ["step-1-rank-0.json", "step-1-rank-1.json"]
    assert "failed_batch/step-1-rank-0.json" in message
    first, second = (json.loads(file.read_text())["sequences"] for file in kept)
    assert first
    assert second
    assert first != second


def test_a_gradient_that_is_no_number_is_kept_once(tmp_path: Path) -> None:
    training = TRAINING | {"learning_rate": 1e30, "epochs": 4}
    two_step.run_dir(tmp_path, "sft", world.rows(30), training=training)
    message = assert_both_fail(tmp_path)
    (file,) = (tmp_path / "failed_batch").iterdir()
    assert f"failed_batch/{file.name}" in message
    assert len(json.loads(file.read_text())["sequences"]) == 10  # of the whole step


def test_the_process_with_the_guilty_preference_says_what_happened(tmp_path: Path) -> None:
    lines = world.rows(8, 0)
    lines[2]["strong"]["score_chosen"] = 1e308
    world.run_dir(tmp_path, lines, method={"slug": "dpo_scaled"}, training={"rows_per_step": 16})
    message = assert_both_fail(tmp_path)
    data = world.open_run(tmp_path).data
    guilty = next(one.id for one in data.preferences if one.score_margin and one.score_margin > 1e9)
    (file,) = (tmp_path / "failed_batch").glob("*.json")
    assert guilty in message
    assert f"failed_batch/{file.name}" in message


def divided() -> int:
    """The second process is asked to stop in the midst of its share; the exit code says what came of it."""
    processes.join()

    def find(own: list[int]) -> torch.Tensor:
        if not processes.first():
            raise Cancelled(checkpoint=True)
        return torch.zeros(4)

    with pytest.raises(Cancelled) as cancelled:
        processes.divided([0, 1, 2], find)
    processes.leave()
    return 7 if cancelled.value.checkpoint else 1


def test_a_stop_that_one_process_hears_in_shared_work_stops_all(tmp_path: Path) -> None:
    codes = together.ended(together.start(divided, folder=tmp_path))
    assert codes == [7, 7], together.said(tmp_path)


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.yaml")), ids=lambda file: file.stem)
def test_shipped_configs_are_ones_that_accelerate_takes(file: Path) -> None:
    from accelerate.commands.config.config_args import ClusterConfig, load_config_from_file

    found = load_config_from_file(str(file))
    assert isinstance(found, ClusterConfig)
    assert set(yaml.safe_load(file.read_text())) <= set(vars(found))
