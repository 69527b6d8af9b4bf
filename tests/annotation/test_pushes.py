"""Pushes to the Hub, by the real library against a Hub on this machine, and read again by `load_dataset`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from annotation.errors import Conflict, Invalid, NotAllowed
from annotation.models import AuditEntry, DatasetPush, PopDataset
from annotation.services import pushes
from tests.annotation.push_server import Hub, taking
from tests.cast import Cast
from tests.live import LiveStack, bare_stack

__all__ = ["bare_stack"]
pytestmark = pytest.mark.either
TOKEN = "hf_a_token_of_somebody"
REPO = "acme/tone"
ASK = """
from django.utils import timezone
from annotation.models import PopDataset
from annotation.services import pushes
from tests import world
made = world.build()
one = PopDataset.objects.get(pk=made["dataset"])
push = pushes.start(
    dataset=one, repo_id="{repo}", token="{token}", by=one.created_by, at=timezone.now(), private={private}
)
world.say([push.pk, one.sha256, one.row_count, one.heldout_row_count, one.preference_count])
"""
RUN = """
from annotation.models import DatasetPush
from annotation.services import pushes
from tests import world
pushes.run({push})
one = DatasetPush.objects.get(pk={push})
world.say([one.state, one.url, one.error, one.sealed_token])
"""
LOAD = """
import json
import os
from datasets import load_dataset
found = {}
for name in (None, "rows", "preferences"):
    loaded = load_dataset("acme/tone", name, streaming=True)
    read = {split: list(part) for split, part in loaded.items()}
    found[str(name)] = {split: [len(rows), sorted(rows[0])] for split, rows in read.items()}
print(json.dumps(found), flush=True)
os._exit(0)  # Arrow's threads may abort a process that ends after streaming Parquet (apache/arrow #45214)
"""


def frozen(cast: Cast, state: str = "frozen") -> PopDataset:
    return PopDataset.objects.create(
        project=cast.project,
        number=1,
        state=state,
        sha256="5e" * 32,
        created_by=cast.owner,
        created_at=timezone.now(),
    )


def start(dataset: PopDataset, at: datetime, **other: Any) -> DatasetPush:
    values: dict[str, Any] = {"repo_id": REPO, "token": TOKEN, "by": dataset.created_by} | other
    return pushes.start(dataset=dataset, at=at, **values)


def run(live: LiveStack, hub: Hub, push: int) -> list[str]:
    found: list[str] = live.code(
        RUN.format(push=push),
        HF_HUB_OFFLINE="0",
        HF_ENDPOINT=hub.url,
        NO_PROXY="*",
        HF_HOME=str(live.var_dir),
    )
    return found


@pytest.mark.slow
def test_what_is_pushed_is_what_load_dataset_reads(bare_stack: LiveStack, tmp_path: Path) -> None:
    asked = ASK.format(repo=REPO, token=TOKEN, private=True)
    push, sha256, rows, heldout, preferences = bare_stack.code(asked)
    stored = bare_stack.sql("select sealed_token from annotation_datasetpush")
    assert stored != [("",)]
    assert TOKEN not in str(stored)
    with taking(REPO, TOKEN) as hub:
        assert run(bare_stack, hub, push) == ["done", f"{hub.url}/datasets/{REPO}", "", ""]
        assert (hub.made[0]["type"], hub.made[0]["visibility"]) == ("dataset", "private")
        env = {**os.environ, "HF_HUB_OFFLINE": "0", "HF_ENDPOINT": hub.url, "NO_PROXY": "*"}
        env["HF_HOME"] = str(tmp_path)
        done = subprocess.run(
            [sys.executable, "-c", LOAD], env=env, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["rows"] == found["None"]
    assert {split: count for split, (count, _) in found["rows"].items()} == {
        "train": rows - heldout,
        **({"heldout": heldout} if heldout else {}),
    }
    assert {"strong_prompt", "weak_rejected", "confidence"} <= set(found["rows"]["train"][1])
    assert sum(count for count, _ in found["preferences"].values()) == preferences
    card = hub.files["README.md"].decode()
    assert sha256 in card
    assert "license" not in card
    assert json.loads(hub.files["manifest.json"])["sha256"] == sha256
    assert not bare_stack.sql(
        "select 1 from annotation_auditentry where cast(details as text) like %s", f"%{TOKEN}%"
    )


@pytest.mark.slow
def test_a_token_that_may_not_write_is_said_so_and_forgotten(bare_stack: LiveStack) -> None:
    asked = ASK.format(repo="acme/other", token="hf_somebody_elses", private=False)
    push, *_ = bare_stack.code(asked)
    with taking("acme/other", TOKEN) as hub:
        state, url, error, sealed = run(bare_stack, hub, push)
        assert hub.tokens == {"hf_somebody_elses"}
        assert not hub.files
    assert (state, url, sealed) == ("failed", "", "")
    assert error == "The Hub does not let this token write to acme/other."


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"repo_id": "tone"}, "repo_id"), ({"repo_id": "../x"}, "repo_id"), ({"token": "two words"}, "token")],
)
def test_what_cannot_be_pushed_is_refused_at_once(
    cast: Cast, at: datetime, wrong: dict[str, str], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        start(frozen(cast), at, **wrong)
    assert set(refused.value.fields) == {field}
    assert not DatasetPush.objects.exists()


def test_only_managers_push_and_only_what_is_frozen_and_once_at_a_time(cast: Cast, at: datetime) -> None:
    dataset = frozen(cast)
    with pytest.raises(NotAllowed):
        start(dataset, at, by=cast.ann_one)
    start(dataset, at)
    assert AuditEntry.objects.get().details == {"repo": REPO, "private": True}
    with pytest.raises(Conflict):
        start(dataset, at)
    PopDataset.objects.filter(pk=dataset.pk).update(state="failed")
    DatasetPush.objects.update(state="done")
    with pytest.raises(Conflict):
        start(dataset, at)


def test_a_running_push_is_its_workers_until_that_falls_silent(cast: Cast, at: datetime) -> None:
    push = start(frozen(cast), at)
    now = timezone.now()
    DatasetPush.objects.filter(pk=push.pk).update(state="running", heartbeat_at=now)
    pushes.run(push.pk)
    push.refresh_from_db()
    assert (push.state, push.heartbeat_at) == ("running", now)
    DatasetPush.objects.filter(pk=push.pk).update(heartbeat_at=now - pushes.STALE - timedelta(seconds=1))
    assert pushes.ring_waiting(now) >= 0
    pushes.run(push.pk)  # its files are not in storage: the push ends in words
    push.refresh_from_db()
    assert (push.state, push.sealed_token) == ("failed", "")
    assert push.error


def test_another_key_of_the_server_ends_the_push(cast: Cast, at: datetime, settings: Any) -> None:
    push = start(frozen(cast), at)
    settings.SECRET_KEY = "another key altogether, and long enough to be one"
    pushes.run(push.pk)
    push.refresh_from_db()
    assert (push.state, push.sealed_token) == ("failed", "")
