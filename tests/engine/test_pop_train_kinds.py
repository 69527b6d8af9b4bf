"""`pop-train` for SFT, reward models and what is kept: each command its own flags, runs made from runs."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.engine import world
from tests.engine.test_pop_train import QUICK, here  # noqa: F401 - a fixture
from training.engine import cli, pop_train, reference_cache
from training.engine.presets import PRESETS
from training.engine.reference_cache import ReferenceCache

pytestmark = [
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
    pytest.mark.usefixtures("here"),
]
DATA = ["--dataset", "rows.jsonl", *QUICK, "--max-length", "128"]


def run(command: str, *words: str) -> int:
    return pop_train.main([command, *DATA, *words])


def results(file: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(file).read_text(encoding="utf-8"))["results"]
    return found


def test_three_commands_make_a_policy_of_two_steps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("sft", "--out", "runs/sft") == 0
    assert "Held-out loss" in capsys.readouterr().err
    assert run("reward-model", "--base", "runs/sft", "--patience", "0", "--out", "runs/judge") == 0
    said = capsys.readouterr()
    assert "Pair accuracy" in said.err
    assert "MISSING" not in said.err  # the new head is no news
    assert said.out == ""
    words = ["--method", "mmpo", "--reward-model", "runs/judge", "--base", "runs/sft/model"]
    assert run("train", *words, "--out", "runs/mmpo") == 0
    assert "Scoring with the reward model, 15 preferences" in capsys.readouterr().err
    spec = json.loads((tmp_path / "runs/mmpo/spec.json").read_text())
    assert spec["method"]["reward_model"] == str(tmp_path / "runs/judge/model")
    assert spec["model"]["base"] == str(tmp_path / "runs/sft/model")
    assert json.loads((tmp_path / "runs/judge/spec.json").read_text())["kind"] == "reward_model"


@pytest.mark.parametrize("command", ["sft", "reward-model"])
def test_events_are_all_that_is_on_stdout(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command, "--json", "--out", "a") == 0
    lines = [json.loads(line)["kind"] for line in capsys.readouterr().out.splitlines()]
    assert lines == [event.kind for event in world.told(Path("a"))]


@pytest.mark.parametrize(
    ("command", "flag"),
    [
        ("sft", "--method"),
        ("sft", "--beta"),
        ("sft", "--param"),
        ("sft", "--objective"),
        ("sft", "--row-order"),
        ("reward-model", "--method"),
        ("reward-model", "--reward-model"),
        ("train", "--patience"),
    ],
)
def test_flags_of_another_kind_are_not_offered(
    command: str, flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run(command, flag, "1")
    assert f"unrecognized arguments: {flag}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["sft", "--set", "beta=1"], "neither a setting of a run nor a setting of sft runs"),
        (["reward-model", "--set", "objectiv=pop"], "Did you mean objective"),
        (["sft", "--preset", "tiny-cpu-reward"], "a spec of reward_model runs"),
        (["train", "--preset", "tiny-cpu-sft", "--method", "dpo"], "'method' is neither"),
        (["train", "--method", "madpo"], "needs a reward model"),
        (["train", "--method", "dpo", "--reward-model", "x"], "reads no reward margins"),
        (["train", "--method", "mmpo", "--reward-model", "x", "--dry-run"], "There is no reward model in"),
        (["reward-model", "--objective", "best"], "reward.objective"),
    ],
)
def test_what_does_not_fit_the_kind_is_refused_before_anything_is_made(
    tmp_path: Path, words: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words) == cli.BAD_INPUT
    assert reason in capsys.readouterr().err
    assert [one.name for one in tmp_path.iterdir()] == ["rows.jsonl"]


def test_a_spec_of_any_kind_is_trained_by_train(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "sft.yaml").write_text("kind: sft\ndataset: {path: rows.jsonl}\n")
    assert pop_train.main(["train", "sft.yaml", *QUICK, "--out", "a", "--quiet"]) == 0
    assert set(results("a/evaluation.json")) == {"heldout_loss"}
    assert pop_train.main(["reward-model", "sft.yaml", "--out", "b"]) == cli.BAD_INPUT
    assert pop_train.main(["reward-model", "a"]) == cli.BAD_INPUT
    assert capsys.readouterr().err.count("a spec of sft runs") == 2
    assert pop_train.main(["sft", "a"]) == pop_train.main(["train", "a"]) == 0
    assert capsys.readouterr().err.count("a is finished") == 2


def test_help_names_the_presets_of_the_kind(capsys: pytest.CaptureFixture[str]) -> None:
    for command, kind in (("train", "preference"), ("sft", "sft"), ("reward-model", "reward_model")):
        with pytest.raises(SystemExit):
            pop_train.main([command, "--help"])
        said = " ".join(capsys.readouterr().out.split()).partition("start from a preset: ")[2]
        names = said.partition(" --set")[0].split(", ")
        assert names == [one.name for one in PRESETS.values() if one.spec.get("kind", "preference") == kind]


def test_dry_runs_speak_of_their_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("sft", "--dry-run") == 0
    said = capsys.readouterr().out
    assert "10 chosen responses, 5 held out" in said
    assert "each of 4 responses (a forward pass: at most 2 responses, " in said
    assert "about 40 F (a sequence forward; backward counts 2): training 30, evaluation 10" in said
    assert run("reward-model", "--dry-run", "--objective", "pop") == 0
    said = capsys.readouterr().out
    assert "8 training rows of 5 strong and 5 weak preferences, 5 held out" in said
    assert "at most 2 in 1 epoch" in said
    assert "training 96, evaluation 20" in said
    assert run("reward-model", "--dry-run", "--json", "--patience", "0") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["cost"]["reference"], found["memory"]["target"], found["unknown"]) == (0, 0, [])
    assert [one.name for one in tmp_path.iterdir()] == ["rows.jsonl"]


def test_a_dry_run_of_a_reward_model_warns_as_the_run_would(capsys: pytest.CaptureFixture[str]) -> None:
    Path("rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in world.rows(8, heldout=0)))
    assert run("reward-model", "--dry-run") == 0
    assert "Warning: The dataset has no held-out preferences" in capsys.readouterr().err


@pytest.mark.parametrize("lora", [[], ["--lora", "4"]])
@pytest.mark.parametrize("command", ["sft", "reward-model"])
def test_a_model_evaluated_again_has_the_numbers_it_had(
    command: str, lora: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command, "--out", "a", "--learning-rate", "0.02", "--save-steps", "1", *lora) == 0
    before = results("a/evaluation.json")
    assert pop_train.main(["evaluate", "a"]) == 0
    name = "Held-out loss" if command == "sft" else "Pair accuracy"
    assert name in capsys.readouterr().out
    assert close(results("a/evaluations/model-rows-heldout.json"), before)
    steps = [int(one.name.partition("-")[2]) for one in Path("a/checkpoints").glob("checkpoint-*")]
    card = Path("a/model/README.md").read_text()
    (kept,) = [step for step in steps if f"Optimizer steps: {step}\n" in card]
    assert pop_train.main(["evaluate", f"a/checkpoints/checkpoint-{kept}"]) == 0
    assert close(results(f"a/evaluations/checkpoint-{kept}-rows-heldout.json"), before)


def close(one: Any, other: Any) -> bool:
    """Equal but for what merging adapters rounds."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(close(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(close, one, other))
    return bool(one == (pytest.approx(other, rel=1e-4) if isinstance(other, float) else other))


def test_evaluations_that_say_nothing_of_the_kind_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("sft", "--out", "a", "--quiet") == 0
    assert pop_train.main(["evaluate", "a", "--evaluations", "pop_accuracy"]) == cli.BAD_INPUT
    said = capsys.readouterr().err
    assert "pop_accuracy says nothing of an sft run" in said
    assert "There are heldout_loss, generation, win_rate, median_advantage." in said


@pytest.fixture
def spaces() -> list[ReferenceCache]:
    """Two models' log-probabilities, the first not used for 40 days."""
    old, new = (ReferenceCache(name, "fp32") for name in ("old", "new"))
    old.put({bytes(32): 1.0})
    new.put({bytes(32): 1.0, bytes(31) + b"1": 2.0})
    past = time.time() - 40 * 86_400
    os.utime(old.folder, (past, past))
    return [old, new]


def test_what_is_kept_is_listed(spaces: list[ReferenceCache], capsys: pytest.CaptureFixture[str]) -> None:
    assert pop_train.main(["cache", "list"]) == 0
    head, newest, oldest, together = capsys.readouterr().out.splitlines()
    assert head.split() == ["model", "sequences", "size", "last", "used"]
    assert newest.split()[:2] == [spaces[1].folder.name[:12], "2"]
    assert oldest.split()[:2] == [spaces[0].folder.name[:12], "1"]
    assert together.startswith("2 models, 3 sequences, ")
    assert pop_train.main(["cache", "list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["folder"], one["sequences"]) for one in found] == [
        (str(spaces[1].folder), 2),
        (str(spaces[0].folder), 1),
    ]


def test_what_was_not_used_lately_goes_and_is_named(
    spaces: list[ReferenceCache], capsys: pytest.CaptureFixture[str]
) -> None:
    assert pop_train.main(["cache", "prune", "--days", "50"]) == 0
    assert "all there is was used in the last 50 days" in capsys.readouterr().out
    assert pop_train.main(["cache", "prune"]) == 0
    said = capsys.readouterr().out
    assert "Removed 1 model, 1 sequence," in said
    assert spaces[0].folder.name[:12] in said
    assert [one.folder for one in reference_cache.spaces()] == [spaces[1].folder]
    assert pop_train.main(["cache", "prune", "--all", "--json"]) == 0
    assert [one["folder"] for one in json.loads(capsys.readouterr().out)] == [str(spaces[1].folder)]
    for words in (["list"], ["prune", "--all"]):
        assert pop_train.main(["cache", *words]) == 0
        assert "Nothing is kept in" in capsys.readouterr().out


@pytest.mark.parametrize("days", ["few", "-1", "nan"])
def test_days_are_a_number(
    days: str, spaces: list[ReferenceCache], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        pop_train.main(["cache", "prune", f"--days={days}"])
    assert "is no number of days" in capsys.readouterr().err
    assert all(one.folder.is_dir() for one in spaces)
