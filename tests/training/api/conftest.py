"""A frozen dataset as a row, and runs on it, in folders of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from annotation.models import PopDataset
from tests.cast import Cast
from training.models import Run


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, settings: Any) -> None:
    settings.RUNS_DIR = tmp_path / "runs"
    settings.STORAGES = settings.STORAGES | {
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path / "files")},
        }
    }


@pytest.fixture
def dataset(cast: Cast) -> PopDataset:
    return PopDataset.objects.create(
        project=cast.project,
        number=1,
        state="frozen",
        sha256="ab" * 32,
        row_count=3,
        created_by=cast.owner,
        created_at=timezone.now(),
        frozen_at=timezone.now(),
    )


@pytest.fixture
def make_run(cast: Cast, dataset: PopDataset) -> Callable[..., Run]:
    def make(**fields: Any) -> Run:
        values = {
            "number": Run.objects.count() + 1,
            "method": "dpo_pop",
            "spec": {},
            "state": "finished",
            "created_by": cast.owner,
        } | fields
        return Run.objects.create(project=cast.project, dataset=dataset, created_at=timezone.now(), **values)

    return make
