"""Datasets by API: frozen, described, downloaded, deleted."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow.parquet as pq
import pytest
from django.utils import timezone

from annotation.models import PopDataset
from annotation.services import assignments, datasets, labels
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


@pytest.fixture
def labelled(cast: Cast) -> Cast:
    """Five decided comparisons."""
    add_preferences(cast.project, 12)
    for _ in range(5):
        lease = assignments.next_for(project=cast.project, by=cast.ann_one, at=timezone.now())
        assert lease is not None
        labels.submit(
            assignment_id=lease.pk, verdict="first", by=cast.ann_one, at=timezone.now(), key=uuid4()
        )
    return cast


@pytest.fixture
def frozen(labelled: Cast) -> PopDataset:
    made = datasets.freeze(project=labelled.project, by=labelled.owner, at=timezone.now())
    datasets.run_freeze(made.pk)
    made.refresh_from_db()
    assert made.state == "frozen", made.error
    return made


def download(cast: Cast, dataset: PopDataset, **query: str) -> Any:
    return by_token(cast.admin, "read").get(f"/api/v1/datasets/{dataset.pk}/download", query)


def test_labels_are_frozen_and_described(labelled: Cast) -> None:
    client = by_token(labelled.admin, "manage", "read")
    url = f"/api/v1/projects/{labelled.project.slug}/datasets/"
    asked = post(client, url, {"name": "First", "options": {"max_rows_per_strong": 2}})
    assert (asked.status_code, asked.json()["state"]) == (202, "queued")
    datasets.run_freeze(asked.json()["id"])
    found = client.get(f"/api/v1/datasets/{asked.json()['id']}/").json()
    assert (found["state"], len(found["sha256"])) == ("frozen", 64)
    assert found["manifest"]["sha256"] == found["sha256"]
    assert 0 < found["row_count"] <= 5
    assert [item["id"] for item in client.get(url).json()["results"]] == [found["id"]]


def test_a_preview_counts_the_rows_a_freeze_gives(labelled: Cast, frozen: PopDataset) -> None:
    client, url = signed_in(labelled.owner), f"/api/v1/projects/{labelled.project.slug}/datasets/preview"
    seen = client.get(url).json()
    assert (seen["training"], seen["heldout"]) == (frozen.row_count, frozen.heldout_row_count)
    assert seen["preferences"] == 12
    assert client.get(url, {"max_rows_per_strong": 1}).json()["rows"] <= seen["rows"]
    assert client.get(url, {"min_confidence": 2}).status_code == 422


def test_freezing_nothing_is_refused(cast: Cast) -> None:
    answer = post(signed_in(cast.owner), f"/api/v1/projects/{cast.project.slug}/datasets/")
    assert (answer.status_code, answer.json()["code"]) == (422, "nothing_to_freeze")


@pytest.mark.parametrize(
    "options", [{"max_rows_per_strong": 0}, {"min_confidence": 2}, {"min_confidence": "high"}]
)
def test_wrong_options_are_refused_by_field(labelled: Cast, options: dict[str, Any]) -> None:
    url = f"/api/v1/projects/{labelled.project.slug}/datasets/"
    answer = post(signed_in(labelled.owner), url, {"options": options})
    assert answer.status_code == 422
    assert list(answer.json()["fields"]) == [f"options.{next(iter(options))}"]


def test_jsonl_is_one_row_a_line(labelled: Cast, frozen: PopDataset) -> None:
    answer = download(labelled, frozen)
    rows = [json.loads(line) for line in answer.getvalue().splitlines()]
    assert len(rows) == frozen.row_count + frozen.heldout_row_count
    assert rows[0]["strong_chosen"][0]["role"] == "assistant"
    assert not any("score" in key for key in rows[0])
    assert answer["Content-Type"] == "application/x-ndjson"
    name = f"{labelled.project.slug}-1.jsonl"
    assert answer["Content-Disposition"] == f'attachment; filename="{name}"'
    assert answer["X-Dataset-SHA256"] == frozen.sha256


def test_parquet_and_the_canonical_files_open(labelled: Cast, frozen: PopDataset) -> None:
    table = pq.read_table(io.BytesIO(download(labelled, frozen, format="parquet").getvalue()))
    assert table.num_rows == frozen.row_count + frozen.heldout_row_count
    with zipfile.ZipFile(io.BytesIO(download(labelled, frozen, format="canonical").getvalue())) as files:
        names = {Path(name).name for name in files.namelist()}
    assert names == {"preferences.parquet", "rows.parquet", "manifest.json"}


def test_an_unknown_format_is_refused_whatever_is_accepted(labelled: Cast, frozen: PopDataset) -> None:
    answer = download(labelled, frozen, format="docx")
    assert (answer.status_code, list(answer.json()["fields"])) == (422, ["format"])
    url = f"/api/v1/datasets/{frozen.pk}/download?format=jsonl"
    accepted = signed_in(labelled.owner).get(url, HTTP_ACCEPT="application/octet-stream")
    assert accepted.status_code == 200


def test_what_one_has_already_is_not_sent_again(labelled: Cast, frozen: PopDataset) -> None:
    client = signed_in(labelled.owner)
    url = f"/api/v1/datasets/{frozen.pk}/download"
    tag = client.get(url)["ETag"]
    assert frozen.sha256 in tag
    again = client.get(url, HTTP_IF_NONE_MATCH=tag)
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(url, {"format": "parquet"}, HTTP_IF_NONE_MATCH=tag).status_code == 200
    head = client.head(url)
    assert (head.status_code, head.content, head["ETag"]) == (200, b"", tag)


def test_what_is_not_frozen_yet_is_409_and_no_half_file(labelled: Cast) -> None:
    made = datasets.freeze(project=labelled.project, by=labelled.owner, at=timezone.now())
    answer = download(labelled, made)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_frozen")
    head = signed_in(labelled.owner).head(f"/api/v1/datasets/{made.pk}/download")
    assert head.status_code == 409


def test_files_that_are_gone_are_503(labelled: Cast, frozen: PopDataset, tmp_path: Path) -> None:
    for file in tmp_path.rglob("*.parquet"):
        file.unlink()
    assert download(labelled, frozen).status_code == 503


def test_a_dataset_is_deleted_unless_a_run_uses_it(labelled: Cast, frozen: PopDataset) -> None:
    from training.models import Run

    client, url = signed_in(labelled.owner), f"/api/v1/datasets/{frozen.pk}/"
    run = Run.objects.create(
        project=labelled.project,
        dataset=frozen,
        number=1,
        method="dpo",
        spec={},
        created_by=labelled.owner,
        created_at=timezone.now(),
    )
    assert (client.delete(url).status_code, client.delete(url).json()["code"]) == (409, "in_use")
    run.delete()
    assert client.delete(url).status_code == 204
    assert client.get(url).status_code == 404
