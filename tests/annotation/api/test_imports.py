"""Imports and preferences by API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from annotation.models import PreferenceImport
from annotation.services import imports
from tests.callers import by_token, post, signed_in
from tests.cast import Cast, add_preferences

pytestmark = pytest.mark.either


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, settings: Any) -> None:
    settings.STORAGES = settings.STORAGES | {
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path)},
        }
    }


def url(cast: Cast, part: str = "imports") -> str:
    return f"/api/v1/projects/{cast.project.slug}/{part}/"


def jsonl(*rows: dict[str, Any]) -> SimpleUploadedFile:
    body = "\n".join(json.dumps(row) for row in rows) + "\n"
    return SimpleUploadedFile("prefs.jsonl", body.encode(), "application/jsonl")


GOOD = {"prompt": "Hi?", "chosen": "Hello!", "rejected": "No.", "score_chosen": 4.5, "score_rejected": 1.0}


def test_a_file_is_taken_by_multipart_and_its_rows_arrive(cast: Cast) -> None:
    client = by_token(cast.admin, "manage", "read")
    started = client.post(url(cast), {"file": jsonl(GOOD, {"prompt": "x"})}, format="multipart")
    assert started.status_code == 202
    assert started.json()["state"] == "queued"
    imports.run(started.json()["id"])
    done = client.get(f"/api/v1/imports/{started.json()['id']}/").json()
    assert (done["state"], done["rows_imported"], done["rows_rejected"]) == ("done", 1, 1)
    rejected = client.get(f"/api/v1/imports/{done['id']}/rejections/").json()["results"]
    assert [row["line"] for row in rejected] == [2]
    assert rejected[0]["reason"]
    listed = client.get(url(cast, "preferences")).json()["results"]
    assert [(row["score_chosen"], row["chosen"][0]["content"]) for row in listed] == [(4.5, "Hello!")]


def test_a_browser_uploads_with_its_csrf_token(cast: Cast) -> None:
    browser = APIClient(enforce_csrf_checks=True)
    browser.force_login(cast.owner, backend="config.people.PeopleBackend")
    refused = browser.post(url(cast), {"file": jsonl(GOOD)}, format="multipart")
    assert (refused.status_code, PreferenceImport.objects.count()) == (403, 0)
    browser.cookies["csrftoken"] = token = "c" * 32
    taken = browser.post(url(cast), {"file": jsonl(GOOD)}, format="multipart", HTTP_X_CSRFTOKEN=token)
    assert (taken.status_code, PreferenceImport.objects.count()) == (202, 1)


def test_a_hub_data_set_is_taken_as_json(cast: Cast) -> None:
    body = {"dataset": "org/name", "split": "train_prefs", "limit": 10}
    started = post(signed_in(cast.owner), url(cast), body)
    assert started.status_code == 202
    assert started.json()["source"]["dataset"] == "org/name"
    assert PreferenceImport.objects.get().source["limit"] == 10


@pytest.mark.parametrize(
    ("body", "field"),
    [({}, "dataset"), ({"dataset": "a b"}, "dataset"), ({"dataset": "a/b", "limit": 0}, "limit")],
)
def test_a_wrong_hub_import_is_refused_by_field(cast: Cast, body: dict[str, Any], field: str) -> None:
    answer = post(signed_in(cast.owner), url(cast), body)
    assert answer.status_code == 422
    assert field in answer.json()["fields"]
    assert not PreferenceImport.objects.exists()


def test_an_empty_or_unknown_file_is_refused(cast: Cast) -> None:
    client = signed_in(cast.owner)
    empty = client.post(url(cast), {"file": SimpleUploadedFile("a.jsonl", b"")}, format="multipart")
    assert empty.status_code == 422
    unknown = client.post(url(cast), {"file": SimpleUploadedFile("a.exe", b"MZ")}, format="multipart")
    assert unknown.status_code == 422
    assert "file" in unknown.json()["fields"]
    assert not PreferenceImport.objects.exists()


def test_an_upload_over_the_limit_is_413_in_json(cast: Cast, settings: Any) -> None:
    settings.MAX_UPLOAD_BYTES = 100
    answer = signed_in(cast.owner).post(url(cast), {"file": jsonl(GOOD, GOOD)}, format="multipart")
    assert answer.status_code == 413
    assert answer.json()["code"] == "upload_too_large"


def test_preferences_come_in_pages_by_cursor_and_by_split(cast: Cast) -> None:
    add_preferences(cast.project, 7)
    add_preferences(cast.project, 2, split="heldout")
    client = signed_in(cast.admin)
    first = client.get(url(cast, "preferences"), {"page_size": 5}).json()
    second = client.get(first["next"]).json()
    ids = [row["id"] for row in first["results"] + second["results"]]
    assert len(set(ids)) == 9
    assert second["next"] is None
    held = client.get(url(cast, "preferences"), {"split": "heldout"}).json()["results"]
    assert len(held) == 2
    assert client.get(url(cast, "preferences"), {"split": "nonsense"}).status_code == 422
    assert client.get(url(cast, "preferences"), {"import": 5}).json()["results"] == []
    assert client.get(url(cast, "preferences"), {"import": 2**70}).status_code == 422
