"""A worker killed with SIGKILL in the middle loses nothing: the next one finishes what it began."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.db import connection
from django.utils import timezone

from annotation.models import Pool, PopDataset, Preference, PreferenceImport
from annotation.services import datasets, freezing, imports
from tests.annotation.frozen import decide, frozen
from tests.cast import Cast, add_preferences, make_cast

pytestmark = [pytest.mark.either, pytest.mark.django_db(transaction=True)]

CHILD = """
import django
django.setup()
from django.conf import settings
from django.db import connection
settings.STORAGES["default"]["OPTIONS"]["location"] = {files!r}
connection.settings_dict["NAME"] = {database!r}
from annotation.services import {module}
{module}.{verb}({row})
"""


def killed_when(condition: Callable[[], bool], *, module: str, verb: str, row: int, files: Path) -> None:
    """Run a service in a process of its own and kill it as soon as the condition holds."""
    database = str(connection.settings_dict["NAME"])
    code = CHILD.format(files=str(files), database=database, module=module, verb=verb, row=row)
    child = subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"}
    )
    deadline = time.monotonic() + 60
    while not condition():
        assert child.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
    child.send_signal(signal.SIGKILL)
    assert child.wait(30) == -signal.SIGKILL


def test_an_import_is_finished_by_the_next_worker(transactional_db: None, files: Path) -> None:
    cast: Cast = make_cast()
    rows = ({"prompt": f"Question {n}?", "chosen": "good", "rejected": "bad"} for n in range(20_000))
    data = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    job = imports.start_file(
        project=cast.project, upload=ContentFile(data, name="a.jsonl"), by=cast.owner, at=timezone.now()
    )

    def under_way() -> bool:
        job.refresh_from_db()
        return job.rows_imported >= 1_000

    killed_when(under_way, module="imports", verb="run", row=job.pk, files=files)
    job.refresh_from_db()
    before = Preference.objects.count()
    assert (job.state, job.rows_imported) == ("running", before)
    assert before < 20_000
    assert imports.ring_waiting(timezone.now()) == 0
    PreferenceImport.objects.update(heartbeat_at=timezone.now() - imports.STALE * 2)
    imports.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.rows_read, job.rows_imported, job.rows_duplicate) == ("done", 20_000, 20_000, 0)
    for pool in Pool.objects.filter(project=cast.project):
        numbers = (
            Preference.objects.filter(split=pool.split).order_by("number").values_list("number", flat=True)
        )
        assert list(numbers) == list(range(pool.size))


def test_a_freeze_is_done_by_the_next_worker(transactional_db: None, files: Path) -> None:
    cast: Cast = make_cast()
    decide(cast.project, add_preferences(cast.project, 260))
    expected = frozen(cast.project, cast.owner).sha256
    dataset = datasets.freeze(project=cast.project, by=cast.owner, at=timezone.now())

    def under_way() -> bool:
        dataset.refresh_from_db()
        return dataset.progress_done > 0

    killed_when(under_way, module="datasets", verb="run_freeze", row=dataset.pk, files=files)
    dataset.refresh_from_db()
    assert (dataset.state, dataset.sha256) == ("freezing", "")
    PopDataset.objects.filter(pk=dataset.pk).update(heartbeat_at=timezone.now() - freezing.STALE * 2)
    (files / f"datasets/{dataset.pk}/left-behind").mkdir(parents=True)
    (files / f"datasets/{dataset.pk}/left-behind/rows.parquet").write_bytes(b"half")
    datasets.run_freeze(dataset.pk)
    dataset.refresh_from_db()
    assert (dataset.state, dataset.sha256) == ("frozen", expected)
    assert [path.name for path in files.glob(f"datasets/{dataset.pk}/*")] == [Path(dataset.folder).name]
