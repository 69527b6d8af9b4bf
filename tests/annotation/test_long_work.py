"""Imports and freezes can be stopped, tell their pace, and are done from a terminal as well."""

from __future__ import annotations

from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from django.utils import timezone

from annotation.errors import Conflict, NotAllowed
from annotation.models import AuditEntry, Pool, PopDataset, Preference, PreferenceImport
from annotation.selectors import pace
from annotation.services import datasets, import_batches, imports
from tests.annotation.frozen import decide, fill
from tests.annotation.test_imports import check_pools, lines, upload
from tests.cast import Cast

pytestmark = [pytest.mark.database, pytest.mark.usefixtures("files")]


def test_a_waiting_import_is_cancelled_at_once_and_never_begun(cast: Cast, at: datetime) -> None:
    job = imports.cancel(job=upload(cast, lines(3)), by=cast.admin, at=at)
    assert (job.state, job.finished_at) == ("cancelled", at)
    imports.run(job.pk)
    assert not Preference.objects.exists()
    assert AuditEntry.objects.filter(verb="import.cancelled").count() == 1
    with pytest.raises(Conflict):
        imports.cancel(job=job, by=cast.admin, at=at)


def test_a_running_import_stops_between_batches_and_keeps_what_is_in(
    cast: Cast, at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = upload(cast, lines(imports.BATCH * 3))
    store = import_batches.store

    def store_and_cancel(*given: object) -> None:
        if not PreferenceImport.objects.get(pk=job.pk).cancel_requested:
            imports.cancel(job=job, by=cast.admin, at=at)
        store(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(import_batches, "store", store_and_cancel)
    imports.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.rows_imported) == ("cancelled", imports.BATCH)
    assert job.error.startswith(
        f"Cancelled after {imports.BATCH:,} rows. "
        f"The {imports.BATCH:,} preferences read before that were kept"
    )
    assert sum(Pool.objects.filter(project=cast.project).values_list("size", flat=True)) == imports.BATCH
    check_pools(cast.project)


def test_annotators_cancel_nothing(cast: Cast, at: datetime) -> None:
    job = upload(cast, lines(3))
    with pytest.raises(NotAllowed):
        imports.cancel(job=job, by=cast.ann_one, at=at)
    imports.run(job.pk)
    job.refresh_from_db()
    assert job.state == "done"


@pytest.fixture
def decided(cast: Cast) -> Cast:
    decide(cast.project, fill(cast.project, cast.owner))
    return cast


def test_a_cancelled_freeze_leaves_no_file(decided: Cast, at: datetime, files: Path) -> None:
    dataset = datasets.freeze(project=decided.project, by=decided.owner, at=at)
    PopDataset.objects.filter(pk=dataset.pk).update(cancel_requested=True)  # asked for as it was taken up
    datasets.run_freeze(dataset.pk)
    dataset.refresh_from_db()
    assert (dataset.state, dataset.folder, dataset.sha256) == ("cancelled", "", "")
    assert [path for path in (files / "datasets").rglob("*") if path.is_file()] == []
    waiting = datasets.freeze(project=decided.project, by=decided.owner, at=at)
    assert datasets.cancel(dataset=waiting, by=decided.admin, at=at).state == "cancelled"
    with pytest.raises(Conflict):
        datasets.cancel(dataset=waiting, by=decided.admin, at=at)


def test_a_frozen_dataset_says_which_moment_it_holds(decided: Cast, at: datetime) -> None:
    before = timezone.now()
    dataset = datasets.freeze(project=decided.project, by=decided.owner, at=at)
    datasets.run_freeze(dataset.pk)
    dataset.refresh_from_db()
    assert dataset.started_at is not None
    assert dataset.snapshot_at is not None
    assert dataset.frozen_at is not None
    assert before <= dataset.started_at <= dataset.snapshot_at <= dataset.frozen_at


def test_the_pace_is_told_in_rows_and_the_rest_in_seconds(cast: Cast, at: datetime) -> None:
    job = PreferenceImport(state="running", started_at=at, rows_read=5_000, bytes_done=25, bytes_total=100)
    assert pace.of_import(job, at + timedelta(seconds=10)) == pace.Pace(500.0, 30)
    assert pace.of_import(job, at) == pace.Pace()
    freeze = PopDataset(state="freezing", started_at=at, progress_done=50, progress_total=200)
    assert pace.of_dataset(freeze, at + timedelta(seconds=10)) == pace.Pace(5.0, 30)


def test_files_are_imported_and_datasets_frozen_from_a_terminal(decided: Cast, tmp_path: Path) -> None:
    file = tmp_path / "more.jsonl"
    file.write_bytes(lines(5))
    out = StringIO()
    call_command("import_file", decided.project.slug, str(file), stdout=out)
    assert "5 rows read: 5 imported, 0 known already, 0 refused" in out.getvalue()
    call_command("freeze", decided.project.slug, "--as", decided.admin.username, stdout=out)
    assert PopDataset.objects.get().sha256 in out.getvalue()
    with pytest.raises(CommandError, match="manages this project"):
        call_command("freeze", decided.project.slug, "--as", decided.ann_one.username, stdout=out)
    with pytest.raises(CommandError, match="no project"):
        call_command("import_file", "nowhere", str(file), stdout=out)


def test_an_import_of_nothing_at_all_ends(cast: Cast) -> None:
    job = imports.start_file(
        project=cast.project, upload=ContentFile(b"\n", name="a.jsonl"), by=cast.admin, at=timezone.now()
    )
    imports.run(job.pk)
    job.refresh_from_db()
    assert job.state == "failed"
