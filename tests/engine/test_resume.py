"""Interrupted by SIGTERM, then by SIGKILL, then resumed: the same model, to the last bit."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.engine import warm, world
from training.engine import checkpoints, runner
from training.engine.errors import Cancelled, SpecError
from training.engine.events import EventWriter
from training.engine.progress import Progress

# PEFT and TRL still ask the models by a name that transformers will drop in version 6.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

LONG = {"epochs": 2, "save_steps": 4, "micro_batch": 1}


def weights(folder: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_file(folder / "model" / "model.safetensors")
    return found


def assert_same(one: Path, other: Path) -> None:
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_killed_twice_and_resumed_ends_with_the_same_bits(tmp_path: Path) -> None:
    """At steps that are drawn anew each time; a failure shows which."""
    draws = random.SystemRandom()
    at, later = draws.randint(2, 10), draws.randint(5, 10)
    lines = world.rows(60)
    whole = world.run_dir(tmp_path / "whole", lines, training=LONG)
    runner.train(world.open_run(whole))

    broken = world.run_dir(tmp_path / "broken", lines, training=LONG)
    first = warm.engine("train", str(broken), said=tmp_path / "first.txt")
    warm.wait_until(world.reached(broken, at), first)
    first.send_signal(signal.SIGTERM)
    assert first.wait(60) == 3, first.read()
    (cancelled,) = world.told(broken, "cancelled")
    assert cancelled.data["checkpoint"] is True
    stopped = cancelled.step or 0
    assert at <= stopped < 30

    second = warm.engine("train", str(broken), said=tmp_path / "second.txt")
    warm.wait_until(world.reached(broken, stopped + later), second)
    second.kill()
    second.wait(60)
    assert not (broken / "model").exists()
    assert world.told(broken, "started")[1].data["resumed_from"] == stopped

    runner.train(world.open_run(broken))
    resumed = world.told(broken, "started")[2].data["resumed_from"]
    assert resumed > stopped
    assert resumed % 4 == 0
    assert_same(whole, broken)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's notice of a parent's death is Linux's")
def test_an_engine_whose_supervisor_dies_stops_with_a_checkpoint(tmp_path: Path) -> None:
    folder = world.run_dir(tmp_path, world.rows(200), training=LONG)
    command = [sys.executable, "-m", "training.engine", "train", str(folder)]
    program = f"import subprocess; subprocess.run({command!r})"
    with (tmp_path / "log.txt").open("w") as log:
        parent = subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=world.ROOT,
            env={**os.environ, "POP_SUPERVISED": "1", "OMP_NUM_THREADS": "1"},
            stdout=log,
            stderr=log,
            text=True,
        )
    world.wait_until(world.reached(folder, 2), parent)
    parent.kill()
    parent.wait(60)
    deadline = time.monotonic() + 60
    while not world.told(folder, "cancelled"):
        assert time.monotonic() < deadline, (tmp_path / "log.txt").read_text()
    assert world.told(folder, "cancelled")[0].data["checkpoint"] is True
    assert checkpoints.last(folder / "checkpoints") is not None


class Interrupting(EventWriter):
    """Asks the run to stop when it logs step 3."""

    stop: Any = None

    def write(self, kind: Any, step: int | None = None, **data: Any) -> None:
        super().write(kind, step, **data)
        if kind == "metrics" and step == 3 and self.stop is not None:
            self.stop.requested = True


def interrupted(folder: Path) -> None:
    run = world.open_run(folder, Interrupting)
    run.events.stop = run.stop
    with pytest.raises(Cancelled) as cancelled:
        runner.train(run)
    assert cancelled.value.checkpoint


def assert_a_break_changes_nothing(tmp_path: Path, changes: dict[str, Any]) -> None:
    """A run in one go, and one that is stopped and resumed, end with the same bits."""
    whole = world.run_dir(tmp_path / "whole", world.rows(14), **changes)
    broken = world.run_dir(tmp_path / "broken", world.rows(14), **changes)
    runner.train(world.open_run(whole))
    interrupted(broken)
    runner.train(world.open_run(broken))
    assert_same(whole, broken)


@pytest.mark.parametrize("slug", ["dpo_pop", "dpo_margin_gt"])
@pytest.mark.parametrize("lora", [None, {"r": 4, "alpha": 8, "dropout": 0.2}])
def test_resume_carries_target_adapters_and_random_state(
    tmp_path: Path, slug: str, lora: dict[str, float] | None
) -> None:
    changes: dict[str, Any] = {
        "model": world.spec()["model"] | {"lora": lora},
        "training": {"epochs": 2, "learning_rate": 1e-2, "logging_steps": 1},
        "method": {"slug": slug, "params": {"beta": 0.5}},
    }
    if slug == "dpo_pop":
        changes["method"]["params"] |= {"target_rate": 0.5, "target_interval": 2}
    assert_a_break_changes_nothing(tmp_path, changes)


@pytest.mark.parametrize(
    ("slug", "params"), [("beta_dpo", {"filter": True}), ("alpha_dpo", {}), ("gamma_dpo", {"kl_tau": 0.1})]
)
def test_resume_carries_what_a_method_remembers(tmp_path: Path, slug: str, params: dict[str, Any]) -> None:
    """Averages, the queue and its draws: without them the steps after the resume would differ."""
    changes: dict[str, Any] = {
        "training": {"epochs": 2, "learning_rate": 1e-2, "logging_steps": 1, "micro_batch": 2},
        "method": {"slug": slug, "params": {"beta": 0.5, **params}},
    }
    assert_a_break_changes_nothing(tmp_path, changes)


def test_a_run_killed_after_its_last_checkpoint_takes_no_further_step(tmp_path: Path) -> None:
    """In the midst of an epoch, where the loop has rows left."""
    folder = world.run_dir(tmp_path, world.rows(30), training={"epochs": 0.5})
    runner.train(world.open_run(folder))
    first, logged = weights(folder), len(world.told(folder, "metrics"))
    runner.train(world.open_run(folder))
    assert world.told(folder, "started")[1].data["resumed_from"] == world.told(folder, "checkpoint")[-1].step
    assert len(world.told(folder, "metrics")) == logged
    assert all(torch.equal(one, first[name]) for name, one in weights(folder).items())


def test_a_stop_before_training_leaves_no_checkpoint(tmp_path: Path) -> None:
    run = world.open_run(world.run_dir(tmp_path))
    run.stop.requested = True
    with pytest.raises(Cancelled) as cancelled:
        runner.train(run)
    assert cancelled.value.checkpoint is False


def test_a_checkpoint_does_not_go_on_with_another_spec(tmp_path: Path) -> None:
    runner.train(world.open_run(world.run_dir(tmp_path)))
    with pytest.raises(SpecError, match="changed since checkpoint-2") as refused:
        runner.train(world.open_run(world.run_dir(tmp_path, training={"learning_rate": 2e-3})))
    assert refused.value.code == "spec_changed"


def test_a_half_written_checkpoint_is_passed_over_and_removed(tmp_path: Path) -> None:
    for step in (4, 8, 12):
        (tmp_path / f"checkpoint-{step}").mkdir()
    for step in (4, 8):
        checkpoints.mark_complete(tmp_path / f"checkpoint-{step}")
    found = checkpoints.last(tmp_path)
    assert found is not None
    assert checkpoints.step_of(found) == 8
    assert not (tmp_path / "checkpoint-12").exists()


def test_the_rate_after_a_resume_counts_this_process_only(tmp_path: Path) -> None:
    events = EventWriter(tmp_path / "events.jsonl")
    progress = Progress(events, "train", 100, start=50)
    progress.began -= 10.0
    progress.at(60)
    progress.at(61)  # too soon after the last one
    progress.at(100)
    events.close()
    told = world.told(tmp_path, "progress")
    assert [event.data["done"] for event in told] == [60, 100]
    assert told[0].data["rate"] == pytest.approx(1.0, rel=0.05)
    assert told[0].data["eta_seconds"] == pytest.approx(40, rel=0.05)
