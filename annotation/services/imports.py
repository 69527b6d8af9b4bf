"""Imports of preferences: started by an admin, run by whichever worker claims the row."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import BinaryIO, cast

from django.conf import settings
from django.core.files import File
from django.db import DatabaseError, transaction
from django.db.models import F, Q
from django.utils import timezone

from annotation import ahead, kinds, rules
from annotation import imports as readers
from annotation.errors import Conflict, Invalid, Unavailable
from annotation.imports import hub
from annotation.imports.records import Row, UnreadableFile
from annotation.models import PreferenceImport, Project, User
from annotation.services import audit, doorbell, import_batches
from annotation.services.preference_rows import ready, weight

TASK = "annotation.tasks.run_import"
BATCH = 2_000  # rows in one transaction: its locks keep annotators waiting for up to a fifth of a second
STALE = timedelta(minutes=2)  # without a heartbeat for so long, another worker may take over
RING_AFTER = timedelta(seconds=20)
ATTEMPTS = 5  # a file that ends its worker, by its memory for one, must not do so for ever
DEADLY = (
    f"{ATTEMPTS} workers began this import and none came to its end: perhaps its rows need more memory than "
    "there is. Split the file, or look into the workers' logs."
)
State = PreferenceImport.State
logger = logging.getLogger(__name__)


def start_file(
    *,
    project: Project,
    upload: File[bytes],
    by: User,
    at: datetime,
    format: str = "",  # noqa: A002
) -> PreferenceImport:
    """Keep an uploaded file and queue its import. Without `format` the file's name decides.

    Raises:
        Invalid: unknown format, empty or too large.
        Unavailable: the file could not be stored.
    """
    _check_may_import(project, by)
    filename = "".join(sign for sign in PurePath(upload.name or "").name if sign.isprintable())[-255:]
    kind = format or readers.guess(filename)
    problem = _file_problem(kind, upload.size)
    if problem:
        raise Invalid("invalid_import", problem, {"file": [problem]})
    started = PreferenceImport(
        project=project, format=kind, filename=filename, bytes_total=upload.size, created_by=by, created_at=at
    )
    _store(started, upload)  # before the transaction: a long copy must keep no writer waiting
    try:
        return _queue(started, by, at, target=filename)
    except BaseException:
        started.file.delete(save=False)
        raise


def start_hub(
    *,
    project: Project,
    dataset: str,
    by: User,
    at: datetime,
    config: str = "",
    split: str = "train",
    limit: int | None = None,
) -> PreferenceImport:
    """Queue the import of one split of a data set on the Hugging Face Hub; `limit` rows at most."""
    _check_may_import(project, by)
    dataset, config, split = dataset.strip(), (config or "").strip(), (split or "train").strip()
    errors: dict[str, list[str]] = {}
    try:
        hub.check_id(dataset)
    except UnreadableFile as problem:
        errors["dataset"] = [problem.message]
    for field, name in (("config", config), ("split", split)):
        if name and not hub.NAME.fullmatch(name):
            errors[field] = ["Letters, digits, dots, dashes and underscores only."]
    if limit is not None and limit < 1:
        errors["limit"] = ["At least 1, or leave it empty."]
    if errors:
        raise Invalid("invalid_import", "This data set cannot be imported.", errors)
    source = {"dataset": dataset, "config": config, "split": split, "limit": limit}
    started = PreferenceImport(
        project=project, format=readers.HUB, source=source, created_by=by, created_at=at
    )
    return _queue(started, by, at, target=dataset)


def run(import_id: int) -> None:
    """Import, if the row can be claimed. Running it again, or after a crash, imports nothing twice."""
    now = timezone.now()
    claimable = PreferenceImport.objects.filter(Q(state=State.QUEUED) | _stale(now), pk=import_id)
    if not claimable.update(state=State.RUNNING, heartbeat_at=now, error="", attempts=F("attempts") + 1):
        return
    job = import_batches.begin(import_id)
    if job.attempts > ATTEMPTS:
        import_batches.finish(job, DEADLY)
        return
    try:
        _import(job)
    except import_batches.TakenOver:
        logger.warning("import %s was taken over by another worker", import_id)
    except import_batches.Cancelled:
        import_batches.cancelled(job)
    except UnreadableFile as error:
        import_batches.finish(job, error.message)
    except OSError as error:
        import_batches.finish(job, f"The uploaded file could not be read ({error.strerror or error}).")
    except DatabaseError:
        raise  # the row stays running; once its heartbeat is stale, it is taken up again
    except Exception as error:
        import_batches.finish(job, f"Unexpected error: {error!r}")
        raise
    else:
        import_batches.finish(job)


def _import(job: PreferenceImport) -> None:
    import_batches.check_wanted(job)
    with _opened(job) as stream:
        where = stream.tell if stream else lambda: 0
        with closing(ahead.batches(map(ready, _rows(job, stream)), BATCH, where, weight)) as batches:
            for batch in batches:
                import_batches.store(job, batch.rows, batch.position)


def cancel(*, job: PreferenceImport, by: User, at: datetime) -> PreferenceImport:
    """Stop an import: at once while it waits, between two batches while it runs. What is stored stays.

    Raises:
        Conflict: it has ended already.
    """
    rules.check_manage(by, job.project)
    with transaction.atomic():
        one = PreferenceImport.objects.filter(pk=job.pk)
        ended = {"state": State.CANCELLED, "error": "Cancelled before it began.", "finished_at": at}
        if not one.filter(state=State.QUEUED).update(cancel_requested=True, **ended) and not one.filter(
            state=State.RUNNING
        ).update(cancel_requested=True):
            raise Conflict("ended", "This import has ended already.")
        audit.record(
            by=by,
            at=at,
            verb="import.cancelled",
            project=job.project,
            target=str(job),
            details={"import": job.pk},
        )
    job.refresh_from_db()
    return job


def end_cancelled(import_id: int) -> None:
    """Close an import whose worker was broken off in this very process, as Ctrl-C does."""
    import_batches.cancelled(PreferenceImport.objects.select_related("project").get(pk=import_id))


def ring_waiting(at: datetime) -> int:
    """Ring for imports that nobody took up: queued for a while, or left behind by a dead worker."""
    waiting = Q(state=State.QUEUED, created_at__lt=at - RING_AFTER) | _stale(at)
    ids = list(PreferenceImport.objects.filter(waiting).order_by("id").values_list("pk", flat=True)[:100])
    return doorbell.ring_all(TASK, ids)


def _check_may_import(project: Project, by: User) -> None:
    rules.check_manage(by, project)
    kinds.check_preferences(project, kinds.NO_IMPORTS)
    if project.state == Project.State.ARCHIVED:
        raise Conflict("archived", "This project is archived: reopen it before importing.")


def _file_problem(kind: str, size: int) -> str:
    if kind not in readers.FORMATS:
        endings = ", ".join(ending for item in readers.FORMATS.values() for ending in item.endings)
        return f"The kind of file cannot be told from its name. Known: {endings}; .gz of the text formats."
    if not size:
        return "The file is empty."
    if size > settings.MAX_UPLOAD_BYTES:
        limit = f"{settings.MAX_UPLOAD_BYTES // 2**20:,} MiB"
        return f"The file is larger than {limit}. Split it, or raise POP_MAX_UPLOAD_MB."
    return ""


def _store(started: PreferenceImport, upload: File[bytes]) -> None:
    """Under a name of our own: what the upload was called is shown, never used as a path."""
    try:
        started.file.save(f"upload.{started.format}", upload, save=False)
    except OSError as error:
        raise Unavailable(
            "not_stored", f"The file could not be stored ({error.strerror or error}). Nothing was imported."
        ) from error


@transaction.atomic
def _queue(started: PreferenceImport, by: User, at: datetime, *, target: str) -> PreferenceImport:
    started.save(force_insert=True)
    audit.record(
        by=by,
        at=at,
        verb="import.started",
        project=started.project,
        target=target,
        details={"import": started.pk},
    )
    doorbell.ring_on_commit(TASK, started.pk)
    return started


def _stale(at: datetime) -> Q:
    return Q(state=State.RUNNING, heartbeat_at__lt=at - STALE)


def _opened(job: PreferenceImport) -> AbstractContextManager[BinaryIO | None]:
    return nullcontext(None) if job.format == readers.HUB else cast("BinaryIO", job.file.open("rb"))


def _rows(job: PreferenceImport, stream: BinaryIO | None) -> Iterator[Row]:
    if stream is not None:
        return readers.FORMATS[job.format].read(stream)
    source = job.source
    return hub.read(source["dataset"], config=source["config"], split=source["split"], limit=source["limit"])
