"""`pop-train`: what people type, what they see, and what stays when they stop it."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import termios
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.engine import warm, world
from training.engine import catalog, cli, pop_train
from training.engine.console import folders

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

QUICK = [
    *("--rows-per-step", "4", "--micro-batch", "2", "--learning-rate", "1e-3", "--max-length", "64"),
    *("--set", "model.tiny.hidden_size=32", "--set", "model.tiny.layers=2", "--set", "model.tiny.heads=2"),
    *("--set", "model.tiny.vocabulary=300", "--set", "model.tiny.sft_steps=2"),
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to type in, with rows.jsonl."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "rows.jsonl", world.rows(8))
    return tmp_path


def write(file: Path, lines: list[dict[str, Any]]) -> None:
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def train(*words: str) -> int:
    return pop_train.main(["train", "--dataset", "rows.jsonl", *QUICK, *words])


def test_flags_alone_train_and_say_what_came_of_it(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--method", "dpo_pop", "--beta", "0.5", "--epochs", "1", "--out", "runs/first") == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "Training, 2 steps" in said.err
    assert "Pair accuracy" in said.err
    assert "The model is in runs/first/model" in said.err
    spec = json.loads((here / "runs/first/spec.json").read_text())
    assert spec["method"]["params"]["beta"] == 0.5
    assert spec["dataset"]["path"] == str(here / "rows.jsonl")
    assert (here / "runs/first/model/model.safetensors").is_file()


def test_the_same_words_again_find_it_finished(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--out", "a") == 0
    told = len(world.told(here / "a"))
    assert train("--out", "a") == 0
    assert "a is finished" in capsys.readouterr().err
    assert len(world.told(here / "a")) == told


def test_other_settings_are_refused_in_a_folder_that_has_begun(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--out", "a") == 0
    assert train("--out", "a", "--epochs", "2") == cli.BAD_INPUT
    assert "training.epochs is 1.0 there and 2.0 here" in capsys.readouterr().err


def test_a_folder_of_other_things_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "thesis").mkdir()
    (here / "thesis" / "chapter1.tex").write_text("…")
    assert train("--out", "thesis") == cli.BAD_INPUT
    assert "is not empty and holds no run" in capsys.readouterr().err
    assert [one.name for one in (here / "thesis").iterdir()] == ["chapter1.tex"]


def test_without_a_folder_a_run_gets_one_of_its_own(here: Path) -> None:
    names = [folders.named("My first run!").name, folders.named("…").name]
    assert names[0].startswith("My-first-run-2")
    assert names[1].startswith("run-2")
    assert train("--name", "mine", "--quiet", "--method", "dpo") == 0
    (folder,) = (here / "runs").iterdir()
    assert folder.name.startswith("mine-")


def test_a_spec_file_is_read_from_its_own_folder(here: Path) -> None:
    """And its flags from the present one; the file's order of things is the lowest."""
    (here / "specs").mkdir()
    write(here / "specs" / "data.jsonl", world.rows(8))
    document = world.spec(dataset={"path": "data.jsonl"})
    (here / "specs" / "a.yaml").write_text(json.dumps(document))
    words = ["train", "specs/a.yaml", "--out", "a", "--param", "max_margin=3", "--seed", "7", "--quiet"]
    assert pop_train.main(words) == 0
    spec = json.loads((here / "a/spec.json").read_text())
    assert spec["dataset"]["path"] == str(here / "specs" / "data.jsonl")
    assert spec["method"]["params"] | {"beta": 0.5, "max_margin": 3.0} == spec["method"]["params"]
    assert spec["training"]["seed"] == 7


def test_json_is_the_events_on_stdout(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--out", "a", "--json", "--method", "dpo") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["kind"] for line in lines] == [event.kind for event in world.told(here / "a")]
    assert lines[-1]["kind"] == "finished"


def test_warnings_are_said_even_when_quiet(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(here / "rows.jsonl", [*world.rows(8), world.row(70, 71) | {"provenance": "tie"}])
    assert train("--out", "a", "--quiet") == 0
    said = capsys.readouterr().err
    assert "Warning: 1 rows are ties" in said
    assert "Training" not in said
    assert "The model is in" not in said


def test_a_crash_is_told_in_words_and_its_traceback_is_kept(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(here / "rows.jsonl", world.rows(20))
    assert train("--out", "a", "--learning-rate", "1e30") == cli.CRASHED
    said = capsys.readouterr().err
    assert "Lower the learning rate" in said
    assert "Traceback" not in said
    assert "Traceback" in (here / "a/engine.log").read_text()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["train"], "No dataset is named"),
        (["train", "--dataset", "nothing.jsonl"], "There is no dataset at"),
        (["train", "--dataset", "rows.jsonl", "--method", "dop"], "unknown method 'dop'"),
        (["train", "--dataset", "rows.jsonl", "--beta", "-1"], "beta: Input should be greater than 0"),
        (["train", "--dataset", "rows.jsonl", "--method", "dpo", "--kl-tau", "3"], "nor a parameter of dpo"),
        (["train", "--dataset", "rows.jsonl", "--set", "sed=1"], "Did you mean seed"),
        (["train", "--dataset", "rows.jsonl", "--preset", "huge"], "no preset 'huge'"),
        (["train", "nothing.yaml"], "nothing.yaml cannot be read"),
        (["methods", "dop"], "unknown method 'dop'"),
        (["evaluate", "nothing"], "is not the folder of a run"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(
    here: Path, words: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pop_train.main(words) == cli.BAD_INPUT
    assert reason in capsys.readouterr().err
    assert [one.name for one in here.iterdir()] == ["rows.jsonl"]


def test_a_begun_run_takes_no_new_settings(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world.run_dir(here / "a")
    assert pop_train.main(["train", "a", "--epochs", "3"]) == cli.BAD_INPUT
    assert "name the folder alone" in capsys.readouterr().err


def test_ctrl_c_keeps_the_last_step_and_the_next_start_goes_on(here: Path) -> None:
    write(here / "rows.jsonl", world.rows(40))
    words = ["--dataset", str(here / "rows.jsonl"), *QUICK, "--epochs", "30", "--method", "dpo_pop_raw"]
    folder = here / "long"
    process = typed(here / "said.txt", "train", *words, "--out", str(folder))
    warm.wait_until(world.reached(folder, 3), process)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == cli.CANCELLED, process.read()
    assert f"go on with: pop-train train {folder}" in process.read()
    (stopped,) = world.told(folder, "cancelled")
    again = typed(here / "again.txt", "train", str(folder))
    warm.wait_until(world.reached(folder, (stopped.step or 0) + 2), again)
    again.send_signal(signal.SIGINT)
    assert again.wait(60) == cli.CANCELLED, again.read()
    assert world.told(folder, "started")[-1].data["resumed_from"] == stopped.step


def test_an_evaluation_is_stopped_in_a_word(here: Path) -> None:
    assert train("--out", "a", "--quiet") == 0
    process = started("evaluate", str(here / "a"))
    world.wait_until(lambda: handles_interrupts(process.pid), process)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == cli.CANCELLED
    assert said.endswith("Stopped.\n")
    assert "Traceback" not in said


def handles_interrupts(pid: int) -> bool:
    """Whether the process is past its start: it has read its words and loads torch."""
    return "libtorch_cpu" in Path(f"/proc/{pid}/maps").read_text()


def test_a_terminal_sees_bars_with_the_loss(here: Path) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    words = [
        "train",
        "--dataset",
        str(here / "rows.jsonl"),
        *QUICK,
        "--out",
        str(here / "a"),
        "--method",
        "dpo",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "training.engine.pop_train", *words],
        cwd=world.ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    seen = ""
    with os.fdopen(ours, encoding="utf-8", errors="replace") as terminal:
        try:
            while part := terminal.read(1):
                seen += part
        except OSError:  # Linux says so when the other side is closed
            pass
    assert process.wait(60) == 0, seen
    assert "Training: 100%" in seen
    assert "loss=" in seen
    assert "Pair accuracy" in seen


def typed(said: Path, *words: str) -> warm.Process:
    return warm.Process(warm.module, "training.engine.pop_train", list(words), said=said)


def started(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "training.engine.pop_train", *words],
        cwd=world.ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_dry_run_says_what_it_takes_and_makes_nothing(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--dry-run", "--method", "dpo_pop", "--epochs", "2") == 0
    said = capsys.readouterr().out
    assert "8 training rows of 5 strong and" in said
    assert "4 in 2 epochs, each of 4 rows (a forward pass: at most 2 preferences, 16,384 tokens)" in said
    assert "policy 60, target 20" in said
    assert "parameters" in said
    assert "Memory" in said
    assert [one.name for one in here.iterdir()] == ["rows.jsonl"]


def test_a_dry_run_for_programs_is_json(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--dry-run", "--json", "--method", "dpo") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["counts"]["rows"] == found["counts"]["strong"]
    assert found["memory"]["total"] == found["memory"]["held"] + found["memory"]["activations"]
    assert found["unknown"] == []


def test_a_dry_run_without_the_model_says_what_it_does_not_know(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--dry-run", "--base", "nobody/no-such-model") == 0
    said = capsys.readouterr().out
    assert "Not known: tokens, memory and operations." in said
    assert "8 training rows" in said
    assert "Memory" not in said


def test_a_dry_run_warns_and_refuses_as_the_run_would(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(here / "rows.jsonl", [world.preference(1), world.preference(2)])
    assert train("--dry-run", "--method", "dpo_pop") == cli.BAD_INPUT
    assert "no training rows for DPO-PoP" in capsys.readouterr().err
    write(here / "rows.jsonl", [*world.rows(8), world.row(70, 71) | {"provenance": "tie"}])
    assert train("--dry-run") == 0
    assert "Warning: 1 rows are ties" in capsys.readouterr().err


def test_methods_are_listed_for_people_and_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert pop_train.main(["methods"]) == 0
    said = capsys.readouterr().out
    assert all(slug in said for slug in catalog.METHODS)
    assert pop_train.main(["methods", "--json"]) == 0
    assert [one["slug"] for one in json.loads(capsys.readouterr().out)] == list(catalog.METHODS)


@pytest.mark.parametrize("slug", catalog.METHODS)
def test_a_method_is_explained(slug: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert pop_train.main(["methods", slug]) == 0
    said = capsys.readouterr().out
    assert catalog.METHODS[slug].source in said
    assert all(name in said for name in catalog.METHODS[slug].params.model_fields)
    assert pop_train.main(["methods", slug, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["slug"] == slug


@pytest.mark.parametrize(
    ("slug", "needs"),
    [
        ("dpo", "preferences"),
        ("dpo_pop", "PoP rows"),
        ("madpo", "preferences, a reward model's run (reward_model)"),
        ("mmpo", "preferences, scores (or a reward model's run: reward_model)"),
        ("dpo_scaled", "preferences, scores"),
        ("dpo_pop_strength", "preferences, PoP rows to fit strengths to"),
    ],
)
def test_what_a_method_cannot_do_without_is_told(
    slug: str, needs: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pop_train.main(["methods", slug]) == 0
    assert f"Needs: {needs}\n" in capsys.readouterr().out


def test_limits_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert pop_train.main(["methods", "dpo_pop"]) == 0
    assert "0.01, above 0, at most 1." in capsys.readouterr().out


def test_the_command_is_installed_under_its_name() -> None:
    project = tomllib.loads((world.ROOT / "pyproject.toml").read_text())["project"]
    module, function = project["scripts"]["pop-train"].split(":")
    assert (module, function) == (pop_train.__name__, pop_train.main.__name__)


HELP = [
    ["--help"],
    ["train", "--help"],
    ["sft", "--help"],
    ["reward-model", "--help"],
    ["cache", "prune", "--help"],
    ["alpaca-judge", "--help"],
    ["methods"],
    ["train", "--epochz", "1"],
    ["cache", "prune", "--days", "few"],
]


@pytest.mark.parametrize("words", HELP)
def test_help_lists_and_refusals_need_no_torch(words: list[str]) -> None:
    program = (
        "import sys\n"
        "from training.engine.pop_train import main\n"
        "try:\n"
        f"    main({words!r})\n"
        "except SystemExit:\n"
        "    pass\n"
        "assert not {'torch', 'transformers', 'datasets'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=world.ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
