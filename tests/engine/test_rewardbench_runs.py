"""RewardBench in an evaluation run: the command's own figures, with the other evaluations or alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.engine import two_step, world
from tests.engine.test_responses import judge_folder
from tests.engine.test_rewardbench import ROWS, asked, folder
from training.engine import cli, runner
from training.engine.benchmarks import pairs
from training.engine.errors import Cancelled, DatasetError, SpecError
from training.engine.events import EventWriter
from training.engine.spec import RunSpec
from training.engine.stopping import Stop

__all__ = ["folder"]  # the finished run, a fixture


def again(place: Path, of: Path, **evaluation: Any) -> Path:
    """An evaluation run of a run, with the benchmark's rows beside its spec; not begun."""
    place.mkdir()
    (place / "bench.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    section = {"rewardbench": {"data": "bench.jsonl"}} | evaluation
    spec = {"kind": "evaluation", "subject": {"run": str(of)}, "evaluation": section}
    spec["dataset"] = {"path": str(of / "rows.jsonl")}
    (place / "spec.json").write_text(json.dumps(spec))
    return place


def told(place: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((place / "evaluation.json").read_text())
    return found


def test_a_run_has_the_commands_figures_beside_those_of_its_dataset(folder: Path, tmp_path: Path) -> None:
    place = again(tmp_path / "again", folder)
    runner.train(world.open_run(place))
    found, first = told(place), told(folder)
    result = found["results"].pop("rewardbench")
    assert found["results"] == first["results"]
    assert result == asked(folder)[0]["rewardbench"]
    assert result["data_sha256"] == pairs.read([str(place / "bench.jsonl")]).data.sha256
    row = next(one for one in world.told(place, "evaluation") if one.data["name"] == "rewardbench")
    assert row.data["result"] == result
    assert (row.data["dataset_sha256"], row.data["seed"]) == (result["data_sha256"], first["seed"])
    assert row.data["duration_seconds"] == found["duration_seconds"]["rewardbench"] > 0
    stages = [one.data["name"] for one in world.told(place, "stage")]
    assert stages[-2:] == ["rewardbench", "rewardbench"]
    assert "reference" in stages[:-2]
    assert not list(place.glob("*.part"))


def test_alone_it_asks_nothing_about_the_dataset(folder: Path, tmp_path: Path) -> None:
    wanted = {"rewardbench": {"data": "bench.jsonl", "compat": True}}
    place = again(tmp_path / "again", folder, names=[], **wanted)
    runner.train(world.open_run(place))
    assert list(told(place)["results"]) == ["rewardbench"]
    assert told(place)["results"]["rewardbench"] == asked(folder, "--compat")[0]["rewardbench"]
    assert {one.data["name"] for one in world.told(place, "stage")} == {"rewardbench"}


def test_a_reward_model_is_scored_by_its_rewards_and_can_be_cancelled(tmp_path: Path) -> None:
    of = two_step.run_dir(tmp_path / "of", "reward_model", world.rows(8))
    judge_folder(of / "model")
    place = again(tmp_path / "again", of, names=[])
    runner.train(world.open_run(place))
    assert told(place)["results"]["rewardbench"] == asked_of(of, place)
    run = world.open_run(again(tmp_path / "stopped", of, names=[]), StoppedAtIt)
    run.events.stop = run.stop
    with pytest.raises(Cancelled):
        runner.train(run)
    assert told(tmp_path / "stopped")["results"] == {}


class StoppedAtIt(EventWriter):
    """Somebody asks to stop the moment the benchmark begins."""

    stop: Stop

    def write(self, kind: Any, step: int | None = None, **data: Any) -> None:
        super().write(kind, step, **data)
        self.stop.requested |= data.get("name") == "rewardbench"


def asked_of(of: Path, place: Path) -> dict[str, Any]:
    """What the command says of the same run and rows."""
    from training.engine import pop_train

    words = ["rewardbench", str(of), "--data", str(place / "bench.jsonl"), "--out", str(place / "own.json")]
    assert pop_train.main(words) == cli.FINISHED
    found: dict[str, Any] = json.loads((place / "own.json").read_text())["rewardbench"]
    return found


def test_what_cannot_be_scored_is_refused_before_anything_slow(folder: Path, tmp_path: Path) -> None:
    gone = again(tmp_path / "gone", folder, rewardbench={"data": "nothing.jsonl"})
    with pytest.raises(DatasetError, match=r"There is no file nothing\.jsonl"):
        runner.train(world.open_run(gone))
    assert not world.told(gone, "stage")
    sft = two_step.run_dir(tmp_path / "sft", "sft", world.rows(8))
    (sft / "model").mkdir()
    (sft / "model" / "config.json").write_text("{}")
    with pytest.raises(SpecError, match="an sft run has none"):
        runner.train(world.open_run(again(tmp_path / "of-sft", sft)))
    with pytest.raises(ValueError, match="is for evaluation runs"):
        RunSpec.model_validate({"evaluation": {"rewardbench": {"data": "a.jsonl"}}})
