"""A model evaluated again: the run's own numbers on its own data, other data, other models, checkpoints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.engine import world
from training.engine import cli, pop_train, records, reevaluation, runner
from training.engine.errors import DatasetError, SpecError

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


def finished(folder: Path, **changes: Any) -> Path:
    runner.train(world.open_run(world.run_dir(folder, world.rows(8, 6), **changes)))
    return folder


def numbers(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["results"]
    return found


def test_a_run_evaluated_again_has_the_numbers_it_had(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = finished(tmp_path / "run")
    before = {one.name: one.stat().st_mtime_ns for one in folder.iterdir()}
    assert pop_train.main(["evaluate", str(folder)]) == cli.FINISHED
    assert "PoP accuracy" in capsys.readouterr().out
    written = folder / "evaluations" / "model-rows-heldout.json"
    assert numbers(written) == numbers(folder / "evaluation.json")
    document = json.loads(written.read_text())
    first = json.loads((folder / "evaluation.json").read_text())
    assert (document["seed"], document["dataset_sha256"]) == (first["seed"], first["dataset_sha256"])
    after = {one.name: one.stat().st_mtime_ns for one in folder.iterdir()}
    assert {name: after[name] for name in before} == before


def test_numbers_are_the_same_where_the_reference_is_scored_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = finished(tmp_path)
    monkeypatch.setenv("POP_CACHE_DIR", str(tmp_path / "other"))
    subject = reevaluation.find(str(folder))
    assert subject is not None
    assert reevaluation.evaluate(subject)["results"] == numbers(folder / "evaluation.json")


def test_the_last_checkpoint_is_the_finished_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = finished(tmp_path, training={"save_steps": 1})
    checkpoints = sorted((folder / "checkpoints").glob("checkpoint-*"))
    for one in checkpoints:
        assert pop_train.main(["evaluate", str(one), "--json"]) == cli.FINISHED
    first, last = (numbers(folder / "evaluations" / f"{one.name}-rows-heldout.json") for one in checkpoints)
    assert last == numbers(folder / "evaluation.json")
    assert first != last
    assert json.loads(capsys.readouterr().out.split("\n}\n")[-2] + "}")["results"] == last


def again(folder: Path, evaluation: dict[str, Any] | None = None, **subject: Any) -> dict[str, Any]:
    """evaluation.json of an evaluation run in `folder`, of the run beside it."""
    folder.mkdir(exist_ok=True)
    document = {
        "kind": "evaluation",
        "dataset": {"path": "../run/rows.jsonl"},
        "subject": {"run": "../run", **subject},
        "evaluation": evaluation or {},
    }
    (folder / "spec.json").write_text(json.dumps(document), encoding="utf-8")
    written = runner.train(world.open_run(folder))
    found: dict[str, Any] = json.loads(written.read_text(encoding="utf-8"))
    return found


def test_a_run_of_its_own_evaluates_another_as_that_was_evaluated(tmp_path: Path) -> None:
    asked = {"generation": {"prompts": 3, "max_new_tokens": 4}}
    folder = finished(tmp_path / "run", training={"save_steps": 1}, evaluation=asked)
    told = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    same = again(tmp_path / "same", asked)
    assert same["results"] == told["results"]
    assert (tmp_path / "same" / "generations.jsonl").read_bytes() == (
        folder / "generations.jsonl"
    ).read_bytes()
    (tmp_path / "same" / "evaluation.json").unlink()
    assert again(tmp_path / "same", asked)["results"] == told["results"]  # as after a kill
    earlier = again(tmp_path / "earlier", asked, checkpoint=1, seed=5)
    assert earlier["seed"] == 5
    assert earlier["results"]["divergence"] != told["results"]["divergence"]
    on_all = again(tmp_path / "all", split="all")
    assert on_all["results"]["pair_accuracy"]["n"] > told["results"]["pair_accuracy"]["n"]
    with pytest.raises(SpecError, match="no checkpoint of step 7"):
        again(tmp_path / "gone", checkpoint=7)


def test_an_adapter_checkpoint_is_put_on_its_base(tmp_path: Path) -> None:
    folder = finished(tmp_path, model={"lora": {"r": 4, "alpha": 8}}, training={"learning_rate": 0.1})
    (checkpoint,) = (folder / "checkpoints").glob("checkpoint-2")
    adapter, merged = (reevaluation.find(str(model)) for model in (checkpoint, folder))
    assert adapter is not None
    assert merged is not None
    told = numbers(folder / "evaluation.json")
    assert reevaluation.evaluate(adapter)["results"] == told
    found = reevaluation.evaluate(merged)["results"]["margin_correlation"]["pearson"]
    assert found == pytest.approx(told["margin_correlation"]["pearson"], rel=1e-3)  # merging rounds


def test_other_data_can_be_named_and_the_split_chosen(tmp_path: Path) -> None:
    folder = finished(tmp_path / "run")
    other = tmp_path / "other.jsonl"
    other.write_text("".join(json.dumps(world.row(n, n + 1)) + "\n" for n in range(900, 906)))
    refused = ["evaluate", str(folder), "--dataset", str(other)]
    assert pop_train.main(refused) == cli.BAD_INPUT  # nothing in it is held out
    out = tmp_path / "out.json"
    words = [*refused, "--split", "train", "--evaluations", "pop_accuracy,pair_accuracy", "--out", str(out)]
    assert pop_train.main(words) == cli.FINISHED
    found = numbers(out)
    assert list(found) == ["pop_accuracy", "pair_accuracy"]
    assert (found["pop_accuracy"]["n"], found["pair_accuracy"]["n"]) == (6, 7)


def test_any_model_can_be_held_against_its_reference(tmp_path: Path) -> None:
    folder = finished(tmp_path / "run")
    (folder / "model").rename(tmp_path / "mine")
    (folder / "base").rename(tmp_path / "base")
    out = tmp_path / "out.json"
    words = [
        "--dataset",
        str(folder / "rows.jsonl"),
        "--beta",
        "0.5",
        "--max-length",
        "64",
        "--out",
        str(out),
    ]
    mine = ["evaluate", str(tmp_path / "mine"), "--reference", str(tmp_path / "base"), *words]
    assert pop_train.main(mine) == cli.FINISHED
    found, told = numbers(out), numbers(folder / "evaluation.json")
    assert found["pop_accuracy"] == told["pop_accuracy"]
    assert found["margin_correlation"]["pearson"] == pytest.approx(told["margin_correlation"]["pearson"])


def test_models_of_other_tokens_are_no_reference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = finished(tmp_path / "one")
    tiny = world.TINY | {"vocabulary": 280}
    other = finished(tmp_path / "other", model={"tiny": tiny})
    (one / "model").rename(tmp_path / "mine")
    words = ["--reference", str(other / "base"), "--dataset", str(one / "rows.jsonl")]
    assert pop_train.main(["evaluate", str(tmp_path / "mine"), *words]) == cli.BAD_INPUT
    assert "know different tokens" in capsys.readouterr().err


def test_nor_are_as_many_tokens_that_mean_something_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = finished(tmp_path / "run")
    (folder / "model").rename(tmp_path / "mine")
    file = folder / "base" / "tokenizer.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    vocabulary = document["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
    file.write_text(json.dumps(document), encoding="utf-8")
    words = ["--reference", str(folder / "base"), "--dataset", str(folder / "rows.jsonl")]
    assert pop_train.main(["evaluate", str(tmp_path / "mine"), *words]) == cli.BAD_INPUT
    assert "know different tokens" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (["--evaluations", "luck"], "unknown evaluation 'luck'"),
        (["--dataset", "nothing.jsonl"], "no dataset at"),
        (["--judge", "./nothing"], "a judge needs responses"),
        (["--generate", "2", "--judge", "."], "is no reward model that can be read: it has no config.json"),
        (["--generate", "-1"], "greater than or equal to 0"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(
    tmp_path: Path, changes: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = finished(tmp_path)
    assert pop_train.main(["evaluate", str(folder), *changes]) == cli.BAD_INPUT
    assert reason in capsys.readouterr().err


def test_a_run_without_a_model_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert pop_train.main(["evaluate", str(world.run_dir(tmp_path))]) == cli.BAD_INPUT
    assert "Train the run to its end first" in capsys.readouterr().err


def test_all_takes_both_splits(tmp_path: Path) -> None:
    data = records.load(world.run_dir(tmp_path) / "rows.jsonl")
    every = reevaluation.taken(data, "all")
    assert len(every.preferences_of("heldout")) == len(data.preferences)
    assert len(every.rows_of("heldout")) == len(data.rows)
    assert not reevaluation.taken(data, "train").preferences_of("train")
    with pytest.raises(DatasetError, match="no heldout preferences"):
        reevaluation.taken(records.PopData(data.preferences[:1], [], ""), "heldout")
