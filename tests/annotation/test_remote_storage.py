"""Storage without a local path, as S3 is: everything goes through the storage's own interface."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from annotation.exports.canonical import FILES
from annotation.selectors import datasets as selector
from annotation.services import datasets, imports
from tests.annotation.frozen import decide, fill, frozen
from tests.cast import Cast
from training.engine import records

pytestmark = pytest.mark.either


@pytest.fixture(autouse=True)
def _remote(settings: Any) -> None:
    memory = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    settings.STORAGES = {**settings.STORAGES, "default": memory}


def test_an_upload_is_imported_from_it(cast: Cast) -> None:
    row = {"prompt": "p?", "chosen": "a", "rejected": "b"}
    upload = ContentFile(json.dumps(row).encode(), name="a.json")
    job = imports.start_file(project=cast.project, upload=upload, by=cast.owner, at=timezone.now())
    imports.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.rows_imported, job.bytes_done) == ("done", 1, upload.size)


def test_a_dataset_is_frozen_read_and_deleted_there(
    cast: Cast, tmp_path: Path, django_capture_on_commit_callbacks: Any
) -> None:
    decide(cast.project, fill(cast.project, cast.owner))
    dataset = frozen(cast.project, cast.owner)
    assert dataset.state == "frozen", dataset.error
    assert sorted(default_storage.listdir(dataset.folder)[1]) == sorted(FILES)
    assert len(b"".join(selector.stream(dataset, "jsonl")).splitlines()) == dataset.row_count
    folder = selector.engine_folder(dataset, tmp_path / "scratch")
    assert folder == tmp_path / "scratch"
    assert records.load(folder, dataset.sha256).sha256 == dataset.sha256
    with django_capture_on_commit_callbacks(execute=True):
        datasets.delete(dataset=dataset, by=cast.owner, at=timezone.now())
    assert default_storage.listdir(dataset.folder)[1] == []
