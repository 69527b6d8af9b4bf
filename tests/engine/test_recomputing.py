"""Gradient checkpointing by `auto`: where a run would not fit without, decided once, said and kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.engine import two_step, world
from training.engine import estimate, pop_train, preparation, recomputing, runner, shapes
from training.engine.spec import RunSpec, decisive

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


def spec(**training: Any) -> RunSpec:
    return RunSpec.model_validate({"training": training})


@pytest.mark.parametrize(
    ("given", "read"),
    [(True, "on"), (False, "off"), ("true", "on"), ("False", "off"), ("auto", "auto"), ("on", "on")],
)
def test_what_was_true_or_false_is_read_as_on_or_off(given: Any, read: str) -> None:
    assert spec(gradient_checkpointing=given).training.gradient_checkpointing == read


@pytest.mark.parametrize("given", [None, 1, "yes", "sometimes"])
def test_anything_else_is_refused(given: Any) -> None:
    with pytest.raises(ValueError, match="gradient_checkpointing"):
        spec(gradient_checkpointing=given)


def test_it_pays_only_where_the_run_would_not_fit() -> None:
    shape = shapes.tiny(RunSpec().model.tiny)
    without = estimate.memory(spec(gradient_checkpointing="off"), shape, pass_tokens=16_384).total
    enough = int(without / recomputing.FILLED) + 1
    assert not recomputing.weigh(spec(), shape, 512, enough).on
    assert recomputing.weigh(spec(), shape, 512, enough - 2).on
    assert f"{without / 1e9:.1f} GB" in recomputing.weigh(spec(), shape, 512, enough).why


def test_what_a_process_has_already_counts_as_free() -> None:
    assert recomputing.free() > psutil.Process().memory_info().rss


@pytest.mark.parametrize("kind", ["preference", "sft", "reward_model"])
def test_a_run_decides_keeps_and_says_it(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = world.run_dir if kind == "preference" else lambda folder: two_step.run_dir(folder, kind)
    for room, on in ((1 << 40, False), (1, True)):
        monkeypatch.setattr(recomputing, "free", lambda room=room: room)
        folder = make(tmp_path / str(on))
        runner.train(world.open_run(folder))
        record = json.loads((folder / "run.json").read_text())
        assert record["gradient_checkpointing"]["on"] is on
        assert record["spec"]["training"]["gradient_checkpointing"] == ("on" if on else "off")
        codes = {event.data["code"] for event in world.told(folder, "warning")}
        assert ("gradient_checkpointing_on" in codes) is on


def test_a_resumed_run_keeps_what_it_decided_wherever_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recomputing, "free", lambda: 1)
    folder = world.run_dir(tmp_path)
    runner.train(world.open_run(folder))
    monkeypatch.setattr(recomputing, "free", lambda: 1 << 40)
    run = world.open_run(folder)
    rows = preparation.prepare(run, max((folder / "checkpoints").glob("checkpoint-*")))
    assert runner.build_trainer(run, rows).args.activation_checkpointing
    run = world.open_run(folder)
    rows = preparation.prepare(run, None)  # from the start it decides anew
    assert not runner.build_trainer(run, rows).args.activation_checkpointing


def test_a_run_from_before_goes_on_as_its_spec_said(tmp_path: Path) -> None:
    assert recomputing.before(tmp_path) == {}
    for stored in (True, False):
        document = {"spec": {"training": {"gradient_checkpointing": stored}}}
        (tmp_path / "run.json").write_text(json.dumps(document))
        assert recomputing.before(tmp_path)["gradient_checkpointing"]["on"] is stored


def test_a_checkpoint_goes_on_with_it_switched() -> None:
    assert decisive(spec(gradient_checkpointing=True)) == decisive(spec())
    assert decisive(spec(seed=1)) != decisive(spec())


def test_a_dry_run_says_what_it_comes_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = world.run_dir(tmp_path)
    for room, word in ((1 << 40, "off"), (1, "on")):
        monkeypatch.setattr(recomputing, "free", lambda room=room: room)
        assert pop_train.main(["train", str(folder / "spec.json"), "--dry-run"]) == 0
        assert f"gradient checkpointing is {word}: without it" in capsys.readouterr().out
    asked = ["train", str(folder / "spec.json"), "--dry-run", "--json", "--gradient-checkpointing"]
    assert pop_train.main(asked) == 0
    assert json.loads(capsys.readouterr().out)["gradient_checkpointing"] is None
