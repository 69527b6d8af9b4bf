"""Freezes one dataset: reads a snapshot, writes the canonical files, hands them to storage, tells the row."""

from __future__ import annotations

import errno
import logging
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import DatabaseError, connections, transaction
from django.db.models import Q
from django.utils import timezone

from annotation.exports import canonical
from annotation.models import PopDataset
from annotation.services import chosen_rows, frozen_rows, webhooks
from annotation.services.freeze_options import FreezeOptions
from annotation.services.snapshot import read_ahead, snapshot

STALE = timedelta(minutes=2)  # without a heartbeat for so long, another worker may take over
RING_AFTER = timedelta(seconds=20)
PROGRESS_EVERY = 0.5  # seconds
BEAT_EVERY = 5.0  # seconds
CANCELLED = "Cancelled: nothing was written, and no label was touched."
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
State = PopDataset.State
logger = logging.getLogger(__name__)


class TakenOver(Exception):
    """Another worker froze the dataset meanwhile, or it is gone."""


class Cancelled(Exception):
    """A person asked for the freeze to stop: nothing of it is kept."""


def stale(at: datetime) -> Q:
    return Q(state=State.FREEZING, heartbeat_at__lt=at - STALE)


def run(dataset_id: int) -> None:
    """Claim the row by one conditional UPDATE, then freeze. Every way out leaves the row in a true state."""
    now = timezone.now()
    claimable = PopDataset.objects.filter(Q(state=State.QUEUED) | stale(now), pk=dataset_id)
    if not claimable.update(state=State.FREEZING, heartbeat_at=now, error="", progress_done=0):
        return
    dataset = PopDataset.objects.select_related("project").get(pk=dataset_id)
    dataset.heartbeat_at = now
    try:
        _beat(dataset, started_at=now)
        with _folder(dataset) as folder:
            manifest = _write(dataset, folder)
            _publish(dataset, folder, manifest)
    except TakenOver:
        logger.warning("dataset %s was taken over by another worker", dataset_id)
    except Cancelled:
        with suppress(TakenOver):
            _beat(dataset, wanted=False, state=State.CANCELLED, error=CANCELLED)
    except OSError as error:
        _fail(dataset, _in_words(error))
    except DatabaseError:
        raise  # the row stays as it is; once its heartbeat is stale, it is taken up again
    except Exception as error:
        _fail(dataset, f"Unexpected error: {error!r}. No label was lost.")
        raise


@contextmanager
def _folder(dataset: PopDataset) -> Iterator[Path]:
    """A scratch folder; what a killed attempt left behind is removed first."""
    place = Path(settings.FILE_UPLOAD_TEMP_DIR)
    prefix = f"freeze-{dataset.pk}-"
    for leftover in place.glob(f"{prefix}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=place, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _write(dataset: PopDataset, folder: Path) -> dict[str, Any]:
    options = FreezeOptions(**dataset.options)
    with snapshot() as alias:
        moment = _begin(alias)
        total = frozen_rows.count(dataset.project, alias)
        _beat(dataset, progress_total=total, snapshot_at=moment)
        left_out: dict[str, int] = {}
        about = _about(dataset) | {"labels": frozen_rows.labels(dataset.project, alias)}
        if options.streams:
            preferences = frozen_rows.preferences(dataset.project, alias)
            rows = _sorted_whole(alias, frozen_rows.rows(dataset.project, alias, options, left_out))
        else:
            chosen = chosen_rows.choose(dataset.project, alias, options, _beating(dataset))
            left_out |= chosen.left_out
            total = len(chosen.pool.ids) + len(chosen.strong)
            _beat(dataset, progress_total=total)
            preferences = frozen_rows.preferences(dataset.project, alias, chosen.split_of)
            rows = chosen.records()
        texts = read_ahead(alias, preferences, frozen_rows.weight)
        with texts as preferences, read_ahead(alias, rows) as rows:
            return canonical.write(
                folder,
                preferences=preferences,
                rows=rows,
                about=about | {"left_out": left_out},  # complete once the rows are written
                progress=_Progress(dataset, total),
            )


def _beating(dataset: PopDataset) -> chosen_rows.Patiently:
    """Runs a long computation beside the heartbeat; a cancelled one is waited for, its result dropped."""

    def patiently(compute: Callable[[], Any]) -> Any:
        with ThreadPoolExecutor(1) as thread:
            done = thread.submit(compute)
            while wait([done], timeout=BEAT_EVERY).not_done:
                _beat(dataset)
        return done.result()

    return patiently


def _begin(alias: str) -> datetime:
    """The time just after the snapshot was taken: every label in it was given by then."""
    with connections[alias].cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM annotation_popdataset"
        )  # the first read is the moment that stands still
        if connections[alias].vendor == "postgresql":
            cursor.execute("SET LOCAL work_mem = '64MB'")
            # The index gives preferences in order; sorting would write all their texts to disk and back.
            cursor.execute("SET LOCAL enable_sort = off")
    return timezone.now()


def _sorted_whole(alias: str, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """All rows will be read: PostgreSQL plans a cursor for its first tenth, with a look-up a row."""
    if connections[alias].vendor == "postgresql":
        with connections[alias].cursor() as cursor:
            cursor.execute("SET LOCAL enable_sort = on")
            cursor.execute("SET LOCAL cursor_tuple_fraction = 1")
    yield from rows


class _Progress:
    """Tells the row how far we are, twice a second at most: each time is a write to disk."""

    def __init__(self, dataset: PopDataset, total: int) -> None:
        self.dataset, self.total, self.due = dataset, total, 0.0

    def __call__(self, done: int) -> None:
        if monotonic() >= self.due:
            _beat(self.dataset, progress_done=min(done, self.total))
            self.due = monotonic() + PROGRESS_EVERY


def _about(dataset: PopDataset) -> dict[str, Any]:
    project = dataset.project
    return {
        "project": {
            "id": project.pk,
            "slug": project.slug,
            "name": project.name,
            "question": project.question,
        },
        "dataset": {"id": dataset.pk, "number": dataset.number, "name": dataset.name},
        "strategy": project.strategy,
        "k": project.k,
        "reuse": project.reuse,
        "labels_per_comparison": project.labels_per_comparison,
        "holdout_percent": project.holdout_percent,
        "consensus": dataset.options.get("consensus", "majority"),
        "options": dataset.options,
        "created_at": dataset.created_at.isoformat(),
        "created_by": dataset.created_by.username,
    }


def _publish(dataset: PopDataset, folder: Path, manifest: dict[str, Any]) -> None:
    """Hand the files to storage under a name no other attempt uses, then point the row at them."""
    counts = manifest["counts"]
    if not counts["rows"]:
        _fail(dataset, "No row is left with these options: lower the confidence that is asked for.")
        return
    home = f"datasets/{dataset.pk}"
    with suppress(OSError):  # what a killed attempt left in storage; local storage may have no such folder
        for leftover in default_storage.listdir(home)[0]:
            discard(f"{home}/{leftover}")
    target = f"{home}/{uuid.uuid4().hex[:12]}"
    try:
        for name in canonical.FILES:
            with (folder / name).open("rb") as file:
                default_storage.save(f"{target}/{name}", File(file))
            _beat(dataset)
        _frozen(dataset, target, manifest)
    except BaseException:
        discard(target)
        raise


@transaction.atomic
def _frozen(dataset: PopDataset, target: str, manifest: dict[str, Any]) -> None:
    counts, now = manifest["counts"], timezone.now()
    _beat(
        dataset,
        state=State.FROZEN,
        folder=target,
        sha256=manifest["sha256"],
        row_count=counts["rows"],
        heldout_row_count=counts["heldout_rows"],
        preference_count=counts["preferences"],
        manifest=manifest,
        progress_done=dataset.progress_total,
        frozen_at=now,
    )
    data = {"dataset": dataset.pk, "number": dataset.number, "sha256": dataset.sha256, "counts": counts}
    webhooks.emit(project=dataset.project, event="dataset.frozen", data=data, at=now)


def discard(target: str) -> None:
    """Remove the canonical files under a storage folder, as far as they are there."""
    for name in canonical.FILES:
        with suppress(Exception):
            default_storage.delete(f"{target}/{name}")
    with suppress(OSError, NotImplementedError):  # local storage keeps folders, S3 has none
        Path(default_storage.path(target)).rmdir()


def _beat(dataset: PopDataset, *, wanted: bool = True, **fields: Any) -> None:
    """Write to the row and say we live, guarded by the heartbeat that only the present owner knows.

    Raises:
        Cancelled: a person asked for it; unless `wanted` is False.
    """
    now = timezone.now()
    mine = PopDataset.objects.filter(pk=dataset.pk, state=State.FREEZING, heartbeat_at=dataset.heartbeat_at)
    if wanted and mine.filter(cancel_requested=True).exists():
        raise Cancelled
    if not mine.update(heartbeat_at=now, **fields):
        raise TakenOver
    dataset.heartbeat_at = now
    for name, value in fields.items():
        setattr(dataset, name, value)


def _fail(dataset: PopDataset, message: str) -> None:
    logger.warning("dataset %s could not be frozen: %s", dataset.pk, message)
    with suppress(TakenOver):
        _beat(dataset, wanted=False, state=State.FAILED, error=message)


def _in_words(error: OSError) -> str:
    if error.errno in FULL:
        return (
            "The disk is full, so the dataset could not be written. No label was lost. "
            "Free some space and freeze again."
        )
    return f"The dataset could not be written ({error.strerror or error}). No label was lost: freeze again."
