"""Trackers: none unless asked for, refused in words when not installed, and given what the events say."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainerCallback

from tests.engine import two_step, world
from training.engine import cli, loop, preparation, runner, tracking
from training.engine.errors import SpecError
from training.engine.spec import RunSpec

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


class Listening(TrainerCallback):  # type: ignore[misc]
    """A callback that stands where transformers puts those of `report_to`."""

    def __init__(self) -> None:
        self.heard: dict[int, dict[str, Any]] = {}

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:
        if "loss" in logs:
            self.heard[state.global_step] = dict(logs)


def asking(*names: str) -> RunSpec:
    return RunSpec.model_validate({"training": {"report_to": list(names)}})


def test_a_tracker_that_is_not_installed_is_refused_before_anything_is_built(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.path", [])  # no package can be found
    folder = world.run_dir(tmp_path, training={"report_to": ["mlflow"]})
    assert cli.main(["check", str(folder)]) == cli.BAD_INPUT
    assert "pip install mlflow" in capsys.readouterr().err


def test_every_missing_tracker_is_named_with_the_package_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [])
    with pytest.raises(SpecError, match="wandb, tensorboard") as refused:
        tracking.check(asking("wandb", "tensorboard"))
    assert refused.value.hint == "pip install wandb tensorboard"


def test_nothing_is_reported_unless_asked_for(tmp_path: Path) -> None:
    run = world.open_run(world.run_dir(tmp_path))
    trainer = runner.build_trainer(run, preparation.prepare(run, None))
    assert trainer.args.report_to == []
    names = {type(one).__name__ for one in trainer.callback_handler.callbacks}
    assert not names & {"WandbCallback", "TensorBoardCallback", "MLflowCallback"}


def test_trackers_tell_their_makers_nothing_unless_the_environment_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY", raising=False)
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "true")
    preparation.begin(world.open_run(world.run_dir(tmp_path)), None)
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert os.environ["WANDB_ERROR_REPORTING"] == "true"
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")  # so that it is taken back


def test_an_unknown_tracker_is_refused() -> None:
    with pytest.raises(ValueError, match="report_to"):
        asking("comet")


def test_trackers_are_given_our_own_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listening = Listening()
    build = runner.build_trainer

    def built(*arguments: Any) -> Any:
        trainer = build(*arguments)
        trainer.add_callback(listening)
        return trainer

    monkeypatch.setattr(runner, "build_trainer", built)
    run = world.open_run(world.run_dir(tmp_path))
    runner.train(run)
    told = {event.step: event.data for event in world.told(tmp_path, "metrics") if "loss" in event.data}
    assert told
    assert listening.heard.keys() == told.keys()
    for step, data in told.items():
        assert {"pop/weak_margin", "rewards/margins", "grad_norm"} <= data.keys()
        assert step is not None
        assert listening.heard[step].items() >= data.items()


@pytest.mark.parametrize("kind", ["sft", "reward_model"])
def test_trackers_are_given_the_metrics_of_every_kind(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And stdout, which is for events, nothing."""
    listening = Listening()
    fit = loop.fit

    def fitted(run: Any, trainer: Any, resume: Path | None) -> int:
        trainer.add_callback(listening)
        return fit(run, trainer, resume)

    monkeypatch.setattr(loop, "fit", fitted)
    runner.train(world.open_run(two_step.run_dir(tmp_path, kind)))
    assert capsys.readouterr().out == ""
    metrics = [event for event in world.told(tmp_path, "metrics") if event.step is not None]
    told = [event for event in metrics if "heldout/loss" not in event.data]
    assert listening.heard.keys() == {event.step for event in told}
    for event in told:
        assert listening.heard[event.step or 0].items() >= event.data.items()
        assert ("reward/margins" in event.data) == (kind == "reward_model")


@pytest.mark.parametrize("kind", ["sft", "reward_model"])
def test_every_kind_reports_where_its_spec_says(tmp_path: Path, kind: str) -> None:
    asked = two_step.run_dir(tmp_path / "asked", kind, training={"report_to": ["tensorboard"]})
    told = loop.arguments(world.open_run(asked))
    assert (told.report_to, told.run_name) == (["tensorboard"], "asked")
    assert loop.arguments(world.open_run(two_step.run_dir(tmp_path / "quiet", kind))).report_to == []


def test_trackers_do_not_stand_in_the_way_of_going_on(tmp_path: Path) -> None:
    folder = world.run_dir(tmp_path)
    first = world.open_run(folder)
    runner.train(first)
    document = json.loads((folder / "run.json").read_text())
    del document["spec"]["training"]["report_to"]  # as written before there were trackers
    (folder / "run.json").write_text(json.dumps(document))
    runner.train(world.open_run(folder))
    assert world.told(folder, "started")[-1].data["resumed_from"] is not None


def test_tensorboard_files_hold_our_metrics(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = world.open_run(world.run_dir(tmp_path, training={"report_to": ["tensorboard"]}))
    runner.train(run)
    (file,) = (tmp_path / "checkpoints" / "runs").rglob("events.out.tfevents.*")
    found = EventAccumulator(str(file))
    found.Reload()
    scalars = {one.step: one.value for one in found.Scalars("train/pop/weak_margin")}
    told = [event for event in world.told(tmp_path, "metrics") if "loss" in event.data]
    assert scalars == pytest.approx({event.step: event.data["pop/weak_margin"] for event in told})
