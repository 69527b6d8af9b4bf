"""One batch of an import in one transaction: numbers, preferences, refused rows and progress together."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from annotation.imports.records import RowError
from annotation.models import ImportRejection, Pool, Preference, PreferenceImport, Project, Split
from annotation.services.preference_rows import Numbered, Ready, insert, known
from annotation.services.transactions import exact

KEPT_REJECTIONS = 1_000
MANY = 10_000  # rows after which the planner's statistics are old
Row = Ready | RowError
State = PreferenceImport.State


class TakenOver(Exception):
    """Another worker took the import over: this one must write nothing more."""


class Cancelled(Exception):
    """A person asked for the import to stop; what was stored before stays."""


def begin(import_id: int) -> PreferenceImport:
    """The claimed row with its counts set back; what an earlier attempt imported counts as imported."""
    job = PreferenceImport.objects.select_related("project").get(pk=import_id)
    job.rows_read = job.rows_rejected = job.rows_duplicate = job.bytes_done = 0
    job.rows_imported = Preference.objects.filter(preference_import=job).count()
    job.started_at = timezone.now()  # of this attempt: its rate is told
    PreferenceImport.objects.filter(pk=job.pk).update(started_at=job.started_at)
    return job


def store(job: PreferenceImport, batch: Sequence[Row], bytes_done: int) -> None:
    """Store a batch and its progress, or nothing.

    Raises:
        TakenOver: another worker has claimed the import since.
        Cancelled: a person asked for it; the batch is stored nevertheless.
    """
    vars(job).update(vars(_stored(job, batch, bytes_done)))
    check_wanted(job)


def check_wanted(job: PreferenceImport) -> None:
    """Raises Cancelled once a person asked for it."""
    if PreferenceImport.objects.filter(pk=job.pk, cancel_requested=True).exists():
        raise Cancelled


@exact
def _stored(job: PreferenceImport, batch: Sequence[Row], bytes_done: int) -> PreferenceImport:
    """The import with the batch counted in; the one given stays as it was, for a second try."""
    _commit_without_waiting()
    job = copy(job)
    records = [row for row in batch if isinstance(row, Ready)]
    refused = [row for row in batch if isinstance(row, RowError)]
    job.rows_imported += _add(job, records)
    _keep(job, refused)
    job.rows_read += len(batch)
    job.rows_rejected += len(refused)
    # An interrupted import that is read again meets its own rows: they are not duplicates.
    job.rows_duplicate = max(0, job.rows_read - job.rows_rejected - job.rows_imported)
    job.bytes_done = min(bytes_done, job.bytes_total)
    _write(job)
    return job


def _commit_without_waiting() -> None:
    """Commit this batch before the disk has it: half a second of batches may be lost with the server.

    Progress is lost with the rows, so that the import is taken up and read again. Whatever is committed the
    usual way, the import's end or a label, writes all earlier batches to the disk with it.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit = off")


@transaction.atomic
def finish(job: PreferenceImport, problem: str = "") -> None:
    """Close the import. A problem makes it failed; what was imported before stays."""
    error = problem or _nothing_usable(job)
    if error and job.rows_imported:
        error += f" {_kept(job)}; importing the corrected file will not double {_them(job)}."
    _close(job, State.FAILED if error else State.DONE, error)


@transaction.atomic
def cancelled(job: PreferenceImport) -> None:
    """Close the import as a person wished. The batches stored before stay: labels may hang on them."""
    error = f"Cancelled after {job.rows_read:,} rows."
    if job.rows_imported:
        error += f" {_kept(job)}; importing the file again goes on without doubling {_them(job)}."
    _close(job, State.CANCELLED, error)


def _kept(job: PreferenceImport) -> str:
    several = job.rows_imported > 1
    counted = f"{job.rows_imported:,} preferences" if several else "one preference"
    return f"The {counted} read before that {'were' if several else 'was'} kept"


def _them(job: PreferenceImport) -> str:
    return "them" if job.rows_imported > 1 else "it"


def _close(job: PreferenceImport, state: str, error: str) -> None:
    job.state = state
    job.error = error
    job.finished_at = timezone.now()
    if not error:
        job.bytes_done = job.bytes_total
    try:
        _write(job)
    except TakenOver:
        return
    if job.rows_imported >= MANY and connection.vendor == "postgresql":
        with connection.cursor() as cursor:  # else the first draws are planned for an empty table
            cursor.execute("ANALYZE annotation_preference")


def _add(job: PreferenceImport, records: Sequence[Ready]) -> int:
    """Insert the preferences that are not in the project yet; how many that were."""
    by_hash: dict[str, Ready] = {}
    for record in records:
        by_hash.setdefault(record.content_hash, record)  # the first of equals stays
    # The pools' rows are the lock: whoever imports into this project too waits here, then sees our rows.
    pools = {
        pool.split: pool
        for pool in Pool.objects.select_for_update(no_key=True).filter(project=job.project_id).order_by("id")
    }
    for digest in known(job.project_id, list(by_hash)):
        del by_hash[digest]
    sizes = {split: pool.size for split, pool in pools.items()}
    fresh = [_numbered(job, sizes, record) for record in by_hash.values()]
    insert(job, fresh)
    for split, pool in pools.items():
        if added := sizes[split] - pool.size:
            Pool.objects.filter(pk=pool.pk).update(size=F("size") + added)
    return len(fresh)


def _numbered(job: PreferenceImport, sizes: dict[str, int], record: Ready) -> Numbered:
    split = split_of(job.project, record.content_hash)
    sizes[split] += 1
    return Numbered(record, split, sizes[split] - 1)


def split_of(project: Project, digest: str) -> str:
    """By content hash, so that importing the same preference again puts it on the same side."""
    held_out = int(digest[:8], 16) % 100 < project.holdout_percent
    return Split.HELDOUT if held_out else Split.TRAIN


def _keep(job: PreferenceImport, refused: Sequence[RowError]) -> None:
    room = max(0, KEPT_REJECTIONS - job.rows_rejected)
    ImportRejection.objects.bulk_create(
        (
            ImportRejection(preference_import=job, line=row.line, reason=row.reason, excerpt=row.excerpt)
            for row in refused[:room]
        ),
        ignore_conflicts=True,
    )


def _nothing_usable(job: PreferenceImport) -> str:
    if not job.rows_read:
        return "There are no rows in it."
    if job.rows_rejected < job.rows_read:
        return ""
    none = f"None of the {job.rows_read:,} rows" if job.rows_read > 1 else "Its only row was refused: nothing"
    first = ImportRejection.objects.filter(preference_import=job).first()
    return f"{none} could be used. Line {first.line}: {first.reason}." if first else ""


def _write(job: PreferenceImport) -> None:
    """Progress, guarded by the heartbeat that only the present owner knows."""
    fields = ("rows_read", "rows_imported", "rows_duplicate", "rows_rejected", "bytes_done")
    now = timezone.now()
    mine = PreferenceImport.objects.filter(pk=job.pk, state=State.RUNNING, heartbeat_at=job.heartbeat_at)
    if not mine.update(
        state=job.state,
        error=job.error,
        finished_at=job.finished_at,
        heartbeat_at=now,
        **{field: getattr(job, field) for field in fields},
    ):
        raise TakenOver
    job.heartbeat_at = now
