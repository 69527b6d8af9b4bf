"""The command line: exit codes, messages, one engine a folder, and no Django anywhere."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from safetensors import SafetensorError

from tests.engine import world
from training.engine import catalog, cli


def failure(folder: Path) -> dict[str, Any]:
    """Run `train` in this process, which must refuse; what it told."""
    assert cli.main(["train", str(folder)]) == cli.BAD_INPUT
    (event,) = world.told(folder, "failed")
    return event.data


def test_a_run_goes_from_end_to_end_without_django(tmp_path: Path) -> None:
    folder = world.run_dir(tmp_path)
    (folder / "rows.jsonl").unlink()
    sha256 = world.canonical(folder / "dataset")
    document = world.spec(dataset={"path": "dataset", "sha256": sha256})
    (folder / "spec.json").write_text(json.dumps(document), encoding="utf-8")
    program = (
        "import sys; sys.modules['django'] = None\n"
        "from training.engine.cli import main\n"
        f"code = main(['train', {str(folder)!r}])\n"
        "assert not [name for name in sys.modules if name.split('.')[0] in ('celery', 'config')]\n"
        "assert not [name for name in sys.modules if name.startswith('django.')]\n"
        "sys.exit(code)"
    )
    greeted = os.environ | {"WANDB_MODE": "offline"}  # transformers prints a line about that
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=world.ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=greeted,
    )
    assert done.returncode == cli.FINISHED, done.stderr
    assert "WANDB" not in done.stdout
    assert "step 1  loss 0.6931" in done.stdout
    assert world.told(folder, "started")[0].data["dataset_sha256"] == sha256
    assert world.told(folder)[-1].kind == "finished"
    assert cli.main(["check", str(folder)]) == cli.FINISHED


def test_methods_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["methods"]) == cli.FINISHED
    out = capsys.readouterr().out
    assert all(slug in out for slug in catalog.METHODS)
    assert "target_rate=0.01" in out


def test_check_says_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", str(world.run_dir(tmp_path))]) == cli.FINISHED
    assert "12 rows" in capsys.readouterr().out
    assert not (tmp_path / "events.jsonl").exists()


def test_check_refuses_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = world.run_dir(tmp_path, dataset={"path": "nowhere"})
    assert cli.main(["check", str(folder)]) == cli.BAD_INPUT
    assert "There is no dataset" in capsys.readouterr().err


def test_a_negative_beta_is_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = world.run_dir(tmp_path, method={"slug": "dpo_pop", "params": {"beta": -0.1}})
    told = failure(folder)
    assert told["code"] == "bad_spec"
    assert "beta" in told["message"]
    assert "greater than 0" in told["message"]
    said = capsys.readouterr().err
    assert told["message"] in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"version": 1, "trai', "half-written"),
        ('{"trainig": {}}', "trainig: Extra inputs"),
        ('{"method": {"slug": "dop"}}', "unknown method 'dop'"),
        ("[]", "valid dictionary"),
    ],
)
def test_a_bad_spec_is_refused_with_the_reason(tmp_path: Path, text: str, reason: str) -> None:
    world.run_dir(tmp_path)
    (tmp_path / "spec.json").write_text(text, encoding="utf-8")
    assert reason in failure(tmp_path)["message"]


def test_a_missing_spec_is_refused(tmp_path: Path) -> None:
    assert "no spec.json" in failure(tmp_path)["message"]


def test_a_dataset_with_another_hash_is_refused(tmp_path: Path) -> None:
    folder = world.run_dir(tmp_path, dataset={"sha256": "0" * 64})
    told = failure(folder)
    assert told["code"] == "dataset_hash"
    assert "0" * 64 in told["message"]
    assert told["hint"]


def test_a_half_written_dataset_is_refused(tmp_path: Path) -> None:
    folder = world.run_dir(tmp_path)
    text = (folder / "rows.jsonl").read_text(encoding="utf-8")
    (folder / "rows.jsonl").write_text(text[:-40], encoding="utf-8")
    assert "half-written" in failure(folder)["message"]


def test_a_dataset_without_rows_is_refused(tmp_path: Path) -> None:
    told = failure(world.run_dir(tmp_path, [world.preference(1)]))
    assert told["code"] == "dataset_empty"
    assert "Label comparisons" in told["hint"]


@pytest.mark.parametrize("name", ["nobody/no-such-model", "/no/such/folder"])
def test_an_unknown_model_is_refused_with_a_hint(tmp_path: Path, name: str) -> None:
    told = failure(world.run_dir(tmp_path, model={"base": name}))
    assert told["code"] == "model_not_found"
    assert name in told["message"]
    assert "safetensors" in told["hint"]


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert cli.main(["train", str(tmp_path / "nowhere")]) == cli.BAD_INPUT


def test_two_engines_never_share_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = world.run_dir(tmp_path)
    with (folder / "engine.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert cli.main(["train", str(folder)]) == cli.BAD_INPUT
    assert "Another engine" in capsys.readouterr().err
    assert not (folder / "events.jsonl").exists()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MemoryError(), "out_of_memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "out_of_memory"),
        (OSError(28, "No space left on device"), "disk_full"),
        (RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534"), "disk_full"),
        (SafetensorError("I/O error: No space left on device (os error 28)"), "disk_full"),
        (KeyError("x"), "crash"),
    ],
)
def test_a_crash_is_explained(error: Exception, code: str) -> None:
    found, hint = cli.explain(error)
    assert found == code
    assert hint
