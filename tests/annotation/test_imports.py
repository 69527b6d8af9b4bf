"""Imports through the service: counts, duplicates, refusals, progress, and failures that lose nothing."""

from __future__ import annotations

import gzip
import json
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from annotation.errors import Conflict, Invalid, NotAllowed, NotFound, Unavailable
from annotation.imports import FORMATS, UnreadableFile
from annotation.models import AuditEntry, ImportRejection, Pool, Preference, PreferenceImport, Project
from annotation.selectors import imports as selector
from annotation.services import imports, projects
from tests.cast import Cast

pytestmark = [pytest.mark.either, pytest.mark.usefixtures("files")]


def lines(count: int, start: int = 0, **more: Any) -> bytes:
    rows = (
        {"prompt": f"Question {n}?", "chosen": f"good {n}", "rejected": f"bad {n}", **more}
        for n in range(start, start + count)
    )
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def upload(cast: Cast, data: bytes, name: str = "set.jsonl", **more: Any) -> PreferenceImport:
    at = timezone.now()
    return imports.start_file(
        project=cast.project, upload=ContentFile(data, name=name), by=cast.admin, at=at, **more
    )


def imported(cast: Cast, data: bytes, name: str = "set.jsonl") -> PreferenceImport:
    job = upload(cast, data, name)
    imports.run(job.pk)
    job.refresh_from_db()
    return job


def counts(job: PreferenceImport) -> tuple[str, int, int, int, int]:
    return job.state, job.rows_read, job.rows_imported, job.rows_duplicate, job.rows_rejected


def check_pools(project: Project) -> None:
    """Numbers run from 0 to size − 1 without gaps, in both pools."""
    for pool in Pool.objects.filter(project=project):
        numbers = Preference.objects.filter(project=project, split=pool.split).order_by("number")
        assert list(numbers.values_list("number", flat=True)) == list(range(pool.size))


def test_an_import_counts_what_it_read_imported_dropped_and_refused(cast: Cast) -> None:
    bad = b'{"prompt": "p", "chosen": "same", "rejected": "same"}\nnot json\n'
    job = imported(cast, lines(700) + bad + lines(30, start=690) + b'{"prompt": "half')
    assert counts(job) == ("done", 733, 720, 10, 3)
    assert job.error == ""
    assert job.bytes_done == job.bytes_total
    assert job.finished_at is not None
    refused = list(selector.rejections(cast.owner, job).values_list("line", "reason"))
    assert refused[0] == (701, "chosen and rejected are identical")
    assert [line for line, _ in refused] == [701, 702, 733]
    check_pools(cast.project)
    assert Preference.objects.filter(project=cast.project, preference_import=job).count() == 720


def test_a_share_is_held_out_by_content_so_that_imports_agree(cast: Cast, at: datetime) -> None:
    imported(cast, lines(600, score_chosen=4, score_rejected="2.5", source="made up"))
    other = projects.create(name="Other", by=cast.owner, at=at)
    job = imports.start_file(
        project=other, upload=ContentFile(lines(600), name="a.jsonl"), by=cast.owner, at=at
    )
    imports.run(job.pk)
    splits = [
        dict(Preference.objects.filter(project=project).values_list("content_hash", "split"))
        for project in (cast.project, other)
    ]
    assert splits[0] == splits[1]
    assert 30 <= list(splits[0].values()).count("heldout") <= 95
    one = Preference.objects.filter(project=cast.project).first()
    assert one is not None
    assert (one.score_chosen, one.score_rejected, one.source) == (4.0, 2.5, "made up")


def test_importing_again_adds_nothing_and_other_formats_are_recognised(cast: Cast) -> None:
    assert counts(imported(cast, lines(5))) == ("done", 5, 5, 0, 0)
    assert counts(imported(cast, lines(5))) == ("done", 5, 0, 5, 0)
    table = b"prompt,chosen,rejected\n" + b"".join(
        f"Question {n}?,good {n},bad {n}\n".encode() for n in range(7)
    )
    assert counts(imported(cast, gzip.compress(table), "set.CSV.gz")) == ("done", 7, 2, 5, 0)
    assert (
        counts(imported(cast, json.dumps([{"chosen": "a b", "rejected": "a c"}]).encode(), "x.json"))[2] == 1
    )
    check_pools(cast.project)


def test_only_the_first_thousand_refusals_are_kept(cast: Cast) -> None:
    refused = imports.BATCH + 700  # the limit holds over several batches
    job = imported(cast, b"nonsense\n" * refused + lines(1))
    assert counts(job) == ("done", refused + 1, 1, 0, refused)
    assert ImportRejection.objects.count() == 1_000


def test_an_import_in_which_nothing_can_be_used_fails_and_says_why(cast: Cast) -> None:
    job = imported(cast, b'{"question": "q", "answer": "a"}\n' * 3)
    assert job.state == "failed"
    assert job.error == (
        "None of the 3 rows could be used. "
        "Line 1: needs chosen and rejected; found columns: question, answer."
    )
    assert imported(cast, b"[]").error == "There are no rows in it."


def test_a_file_that_breaks_off_keeps_what_was_read_and_can_be_imported_again(cast: Cast) -> None:
    data = b"".join(lines(1, start=n, id=str(n * 7919 % 10_007)) for n in range(4_000))
    packed = gzip.compress(data)
    job = imported(cast, packed[: len(packed) * 2 // 3], "set.jsonl.gz")
    assert job.state == "failed"
    readable: list[object] = []
    with pytest.raises(UnreadableFile):
        readable.extend(FORMATS["jsonl"].read(BytesIO(packed[: len(packed) * 2 // 3])))
    assert job.rows_imported == len(readable) > imports.BATCH
    assert f"The {job.rows_imported:,} preferences read before that were kept" in job.error
    again = imported(cast, packed, "set.jsonl.gz")
    assert counts(again) == ("done", 4_000, 4_000 - job.rows_imported, job.rows_imported, 0)
    check_pools(cast.project)


def test_files_that_cannot_be_read_fail_in_words(cast: Cast) -> None:
    assert "not a Parquet file" in imported(cast, b"PAR1 is not enough", "x.parquet").error
    assert "UTF-16" in imported(cast, "{}".encode("utf-16"), "x.jsonl").error
    assert "first line must name the columns" in imported(cast, b"1,2\n3,4\n", "x.csv").error


def test_a_vanished_file_fails_in_words(cast: Cast) -> None:
    job = upload(cast, lines(3))
    Path(job.file.path).unlink()
    imports.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.error) == (
        "failed",
        "The uploaded file could not be read (No such file or directory).",
    )


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("set.docx", b"x", "cannot be told from its name"),
        ("set", b"x", "cannot be told from its name"),
        ("set.jsonl", b"", "The file is empty."),
        ("set.jsonl", b"x" * 2049, "larger than 0 MiB"),
    ],
)
def test_an_upload_that_cannot_be_imported_is_refused_at_once(
    cast: Cast, settings: Any, name: str, data: bytes, words: str
) -> None:
    settings.MAX_UPLOAD_BYTES = 2048
    with pytest.raises(Invalid) as refused:
        upload(cast, data, name)
    assert words in refused.value.fields["file"][0]
    assert not PreferenceImport.objects.exists()


def test_the_format_can_be_said_and_a_hostile_name_stays_a_name(cast: Cast, files: Path) -> None:
    hostile = SimpleUploadedFile("x", lines(1))
    # What a client may send: Django cleans `name` when set, so the raw name goes in beneath it.
    vars(hostile)["_name"] = "../../etc/passwd"
    job = imports.start_file(
        project=cast.project, upload=hostile, by=cast.admin, at=timezone.now(), format="jsonl"
    )
    assert job.filename == "passwd"
    assert Path(job.file.path).is_relative_to(files)
    imports.run(job.pk)
    job.refresh_from_db()
    assert job.state == "done"


def test_storage_that_is_full_is_told_and_leaves_no_row(cast: Cast, settings: Any, files: Path) -> None:
    (files / "imports").write_text("a file where the folder should be")
    with pytest.raises(Unavailable, match="could not be stored"):
        upload(cast, lines(1))
    assert not PreferenceImport.objects.exists()


def test_imports_are_for_managers_of_a_project_that_is_not_archived(cast: Cast, at: datetime) -> None:
    job = imported(cast, lines(1))
    for person, refusal in ((cast.ann_one, NotAllowed), (cast.outsider, NotFound)):
        with pytest.raises(refusal):
            imports.start_file(project=cast.project, upload=ContentFile(b"x", name="a.csv"), by=person, at=at)
        with pytest.raises(refusal):
            imports.start_hub(project=cast.project, dataset="a/b", by=person, at=at)
        with pytest.raises(refusal):
            selector.of_project(person, cast.project)
        with pytest.raises(refusal):
            selector.get(person, job.pk)
        with pytest.raises(refusal):
            selector.rejections(person, job)
    assert list(selector.of_project(cast.admin, cast.project)) == [job]
    projects.archive(project=cast.project, by=cast.owner, at=at)
    cast.project.refresh_from_db()
    with pytest.raises(Conflict):
        upload(cast, lines(1))
    assert AuditEntry.objects.filter(verb="import.started", target="set.jsonl").count() == 1


def test_an_import_that_is_running_or_done_is_not_claimed_again(cast: Cast) -> None:
    job = upload(cast, lines(3))
    PreferenceImport.objects.update(state="running", heartbeat_at=timezone.now())
    imports.run(job.pk)
    assert not Preference.objects.exists()
    PreferenceImport.objects.update(state="done")
    imports.run(job.pk)
    assert not Preference.objects.exists()


def test_a_dead_workers_import_is_taken_over_and_counted_right(cast: Cast) -> None:
    job = upload(cast, lines(1_200) + lines(100) + b"bad\n")
    imports.run(job.pk)
    # As if the worker had died after the first batches, before it could say so.
    Preference.objects.filter(preference_import=job, number__gte=400).delete()
    for pool in Pool.objects.filter(project=cast.project):
        pool.size = Preference.objects.filter(project=cast.project, split=pool.split).count()
        pool.save()
    old = timezone.now() - imports.STALE - timedelta(seconds=1)
    PreferenceImport.objects.update(state="running", heartbeat_at=old, rows_read=500, rows_imported=500)
    imports.run(job.pk)
    job.refresh_from_db()
    assert counts(job) == ("done", 1_301, 1_200, 100, 1)
    check_pools(cast.project)


def test_the_bell_is_rung_again_for_what_waits(cast: Cast) -> None:
    now = timezone.now()
    waiting, fresh, dead, alive = (upload(cast, lines(1, start=n)) for n in range(4))
    PreferenceImport.objects.filter(pk=waiting.pk).update(created_at=now - timedelta(seconds=21))
    PreferenceImport.objects.filter(pk=dead.pk).update(
        state="running", heartbeat_at=now - timedelta(minutes=3)
    )
    PreferenceImport.objects.filter(pk=alive.pk).update(state="running", heartbeat_at=now)
    assert imports.ring_waiting(now) == 2
    assert fresh.state == "queued"


@pytest.mark.parametrize(("begun", "end"), [(imports.ATTEMPTS - 1, "done"), (imports.ATTEMPTS, "failed")])
def test_a_file_that_ends_every_worker_is_given_up(cast: Cast, begun: int, end: str) -> None:
    job = upload(cast, lines(3))
    old = timezone.now() - imports.STALE - timedelta(seconds=1)
    PreferenceImport.objects.update(state="running", heartbeat_at=old, attempts=begun)
    imports.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.attempts) == (end, begun + 1)
    assert (imports.DEADLY in job.error) == (end == "failed")
    assert imports.ring_waiting(timezone.now() + timedelta(hours=1)) == 0
