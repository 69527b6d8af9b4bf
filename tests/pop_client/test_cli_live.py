"""`pop` against a real server and worker: from a file to a model, Ctrl-C, and downloads that are checked."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook as Verifier

from tests import world
from tests.annotation.receiver import receiver
from tests.live import PYTHON, ROOT, LiveStack

pytestmark = [pytest.mark.slow, pytest.mark.either]
SETUP = """
import json
from annotation.models import User
from tests import world
from tests.callers import secret_of
made = world.build()
world.say({**made, "token": secret_of(User.objects.get(pk=made["owner"]))})
"""
HOOK = """
from django.utils import timezone
from annotation.models import Project, User
from annotation.services import webhook_settings
from tests import world
_, secret = webhook_settings.create(
    project=Project.objects.get(pk={project}), url="{url}", events=["run.finished"],
    by=User.objects.get(pk={owner}), at=timezone.now(),
)
world.say(secret)
"""
POP = [PYTHON, "-c", "from pop_client.cli import main; main()"]


class Pop:
    """The command as a process of its own, signed in by the environment."""

    def __init__(self, live: LiveStack, made: dict[str, Any]) -> None:
        self.live, self.made = live, made
        self.env = {**live.env, "POP_URL": live.url, "POP_TOKEN": made["token"]}

    def __call__(self, *args: object, code: int = 0) -> Any:
        """Its rows; fails unless it exits as expected."""
        command = [*POP, *map(str, args)]
        done = subprocess.run(
            command, cwd=ROOT, env=self.env, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == code, f"{args}: {done.stdout}\n{done.stderr}\n{self.live.tails()}"
        assert "\x1b" not in done.stdout + done.stderr  # no bar where nobody looks
        if code:
            return done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()] if "--json" in args else done.stdout


@pytest.fixture(scope="module")
def pop(live_stack: LiveStack) -> Pop:
    return Pop(live_stack, live_stack.code(SETUP))


def jsonl(folder: Path) -> Path:
    file = folder / "more.jsonl"
    lines = [{"prompt": f"Why {n}?", "chosen": f"Because {n}.", "rejected": f"No {n}."} for n in range(20)]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def test_import_freeze_download_and_verify(pop: Pop, tmp_path: Path) -> None:
    (imported,) = pop("import", "world", jsonl(tmp_path), "--json")
    assert (imported["state"], imported["rows_imported"]) == ("done", 20)
    option = ("--option", "max_rows_per_strong=1", "-O", "min_confidence=0.5")
    (frozen,) = pop("freeze", "world", "--name", "By hand", *option, "--wait", "--json")
    assert frozen["state"] == "frozen"
    assert frozen["options"]["max_rows_per_strong"] == 1
    assert frozen["options"]["min_confidence"] == 0.5
    assert pop("datasets", "world", "--json")[0]["id"] == frozen["id"]
    whole = tmp_path / "whole.zip"
    pop("download", frozen["id"], "-o", whole, "--format", "canonical")
    assert pop("verify", frozen["id"], whole, "--json")[0]["sha256"] == frozen["sha256"]
    pop("download", frozen["id"], "-o", tmp_path / "rows.jsonl")
    assert len((tmp_path / "rows.jsonl").read_text().splitlines()) == frozen["row_count"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["more.jsonl", "rows.jsonl", "whole.zip"]


def test_an_option_nobody_knows_is_the_servers_to_refuse(pop: Pop) -> None:
    assert "no such option" in pop("freeze", "world", "-O", "speed=9", code=1)
    assert "NAME=VALUE" in pop("freeze", "world", "-O", "speed", code=2)


def test_another_datasets_file_is_found_out(pop: Pop, tmp_path: Path) -> None:
    whole, other = tmp_path / "whole.zip", tmp_path / "other.zip"
    pop("download", pop.made["dataset"], "-o", whole, "--format", "canonical")
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(other, "w") as new:
        for name in ("preferences.parquet", "rows.parquet"):
            new.writestr(name, old.read("preferences.parquet"))
    assert "SHA-256" in pop("verify", pop.made["dataset"], other, code=1)
    other.write_bytes(b"PK")
    assert "not a canonical dataset" in pop("verify", pop.made["dataset"], other, code=1)


def test_a_run_from_start_to_model_and_the_webhook_that_is_told(pop: Pop, tmp_path: Path) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(world.TINY))
    start = ("runs", "start", pop.made["dataset"], "--spec", spec, "--name", "Tiny", "--wait", "--json")
    with receiver() as taken:
        secret = pop.live.code(HOOK.format(url=taken.url, **pop.made))
        (run,) = pop(*start)
        pop.live.wait_for(lambda: taken.got, "the webhook to be told")
    assert (run["state"], run["has_model"]) == ("finished", True), run
    told: Any = Verifier(secret).verify(taken.got[0][1], taken.got[0][0])
    assert told["type"] == "run.finished"
    assert (told["data"]["id"], told["data"]["state"]) == (run["id"], "finished")
    assert pop("runs", "show", run["id"], "--json")[0]["name"] == "Tiny"
    assert [one["id"] for one in pop("runs", "list", "world", "--json")] == [run["id"]]
    assert pop("runs", "log", run["id"], "--lines", 5).strip()
    pop("runs", "download", run["id"], "-o", tmp_path / "model.tar")
    assert (tmp_path / "model.tar").stat().st_size > 1000
    both = {"instruction": "q", "output_1": "a", "generator_1": "base", "output_2": "b", "preference": 1.75}
    annotations = tmp_path / "annotations.json"
    annotations.write_text(json.dumps([both | {"generator_2": f"run-{run['id']}-{run['method']}"}]))
    (evaluation,) = pop("runs", "alpaca-eval", run["id"], annotations, "--json")
    assert evaluation["result"]["win_rate"] == 75
    assert "the benchmark has 805 prompts" in pop("runs", "alpaca-eval", run["id"], annotations)
    assert "409" in pop("runs", "cancel", run["id"], code=1)


def test_a_preset_takes_the_place_of_a_spec(pop: Pop) -> None:
    known = {one["name"]: one["spec"] for one in pop("runs", "presets", "--json")}
    assert known["tiny-cpu"]["model"]["base"] == "tiny"
    assert "tiny-cpu" in pop("runs", "presets")
    start = ("runs", "start", pop.made["dataset"], "--preset")
    assert "choose one of tiny-cpu" in " ".join(pop(*start, "huge", code=2).replace("│", " ").split())
    (run,) = pop(*start, "tiny-cpu", "--json")
    ((stored,),) = pop.live.sql("select spec from training_run where id = %s", run["id"])
    spec = json.loads(stored) if isinstance(stored, str) else stored
    assert spec["training"]["max_length"] == known["tiny-cpu"]["training"]["max_length"]
    pop("runs", "cancel", run["id"])


def test_rows_for_people_are_whole_and_say_the_same(pop: Pop) -> None:
    text = pop("projects")
    (row,) = pop("projects", "--json")
    assert all(str(value) in text for value in row.values())
    assert "labels_expected" in pop("progress", "world")


def test_ctrl_c_cancels_the_import_that_is_waited_for(bare_stack: LiveStack, tmp_path: Path) -> None:
    """No worker takes it up; the bar is on a terminal of its own."""
    made = bare_stack.code(SETUP)
    bare_stack.start_web()
    ours, theirs = pty.openpty()
    env = {**bare_stack.env, "POP_URL": bare_stack.url, "POP_TOKEN": made["token"], "TERM": "xterm"}
    command = [*POP, "import", "world", str(jsonl(tmp_path)), "--json"]
    waiting = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=theirs)
    seen = b""
    while b"queued" not in seen:
        seen += os.read(ours, 1024)
    waiting.send_signal(signal.SIGINT)
    assert waiting.wait(60) == 130
    os.close(theirs)
    os.close(ours)
    assert waiting.stdout is not None
    waiting.stdout.close()
    states = bare_stack.sql("select state from annotation_preferenceimport order by id desc limit 1")
    assert states == [("cancelled",)]
