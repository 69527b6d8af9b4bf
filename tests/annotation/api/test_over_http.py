"""The API as a program meets it: real HTTP, a token in a header, curl, and Hugging Face's reader."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen
from uuid import uuid4

import pytest
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from annotation.models import PopDataset
from annotation.services import assignments, datasets, labels
from tests.callers import secret_of
from tests.cast import Cast, add_preferences, make_cast

pytestmark = [pytest.mark.either, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def people(live_server: LiveServer, tmp_path: Path, settings: Any) -> Cast:
    settings.STORAGES = settings.STORAGES | {
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path / "files")},
        }
    }
    return make_cast()


@pytest.fixture
def frozen(people: Cast) -> PopDataset:
    add_preferences(people.project, 10)
    for _ in range(4):
        lease = assignments.next_for(project=people.project, by=people.ann_one, at=timezone.now())
        assert lease is not None
        labels.submit(
            assignment_id=lease.pk, verdict="second", by=people.ann_one, at=timezone.now(), key=uuid4()
        )
    made = datasets.freeze(project=people.project, by=people.owner, at=timezone.now())
    datasets.run_freeze(made.pk)
    made.refresh_from_db()
    assert made.state == "frozen", made.error
    return made


def ask(url: str, secret: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Token {secret}", "Content-Type": "application/json"}
    with urlopen(Request(url, data, headers), timeout=30) as answer:  # noqa: S310 - our own server
        return json.loads(answer.read())


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_downloads_a_dataset_that_load_dataset_reads(
    live_server: LiveServer, people: Cast, frozen: PopDataset, tmp_path: Path
) -> None:
    file = tmp_path / "rows.jsonl"
    url = f"{live_server.url}/api/v1/datasets/{frozen.pk}/download?format=jsonl"
    header = f"Authorization: Token {secret_of(people.admin, 'read')}"
    subprocess.run(["curl", "-fsS", "-H", header, "-o", str(file), url], check=True, timeout=60)
    from datasets import load_dataset

    loaded = load_dataset("json", data_files=str(file), split="train", cache_dir=str(tmp_path / "cache"))
    assert len(loaded) == frozen.row_count + frozen.heldout_row_count
    assert {"strong_prompt", "strong_chosen", "weak_rejected", "split"} <= set(loaded.column_names)


def test_asking_twice_gives_the_same_bytes(live_server: LiveServer, people: Cast, frozen: PopDataset) -> None:
    secret = secret_of(people.owner, "read")
    url = f"{live_server.url}/api/v1/datasets/{frozen.pk}/download?format=jsonl"

    def digest() -> str:
        asked = Request(url, headers={"Authorization": f"Token {secret}"})  # noqa: S310
        with urlopen(asked, timeout=30) as answer:  # noqa: S310
            return hashlib.sha256(answer.read()).hexdigest()

    assert digest() == digest()


def test_an_annotators_program_labels_over_http(live_server: LiveServer, people: Cast) -> None:
    add_preferences(people.project, 6)
    secret, api = secret_of(people.ann_one, "annotate"), f"{live_server.url}/api/v1"
    card = ask(f"{api}/projects/{people.project.slug}/next", secret, {})
    for _ in range(3):
        body = {"verdict": "first", "key": str(uuid4())}
        card = ask(f"{api}/assignments/{card['id']}/label", secret, body)["next"]
    progress = ask(f"{api}/projects/{people.project.slug}/progress/", secret_of(people.owner, "read"))
    assert progress["labels"] == 3
    assert progress["per_annotator"][0]["name"] == "ann_one"
