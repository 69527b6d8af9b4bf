"""How fast long work goes, and how long it still takes at that pace. Numbers in, numbers out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from annotation.models import PopDataset, PreferenceImport


@dataclass(frozen=True)
class Pace:
    """`rows_per_s` and `seconds_left` are None while nothing can be said."""

    rows_per_s: float | None = None
    seconds_left: int | None = None


def of_import(job: PreferenceImport, now: datetime) -> Pace:
    """The rate is in rows; what is left is told by the bytes, as nobody has counted the rows."""
    end = job.finished_at or now
    live = job.state == PreferenceImport.State.RUNNING
    left = (job.bytes_done, job.bytes_total) if live else (0, 0)
    return _pace(job.started_at, end, job.rows_read, *left)


def of_dataset(dataset: PopDataset, now: datetime) -> Pace:
    """Rows are preferences and PoP rows alike: both are written and hashed."""
    live = dataset.state == PopDataset.State.FREEZING
    if not live and dataset.frozen_at is None:
        return Pace()
    left = (dataset.progress_done, dataset.progress_total) if live else (0, 0)
    return _pace(dataset.started_at, dataset.frozen_at or now, dataset.progress_done, *left)


def _pace(begun: datetime | None, end: datetime, rows: int, done: int, total: int) -> Pace:
    if begun is None or end <= begun or not rows:
        return Pace()
    seconds = (end - begun).total_seconds()
    left = round(seconds * max(0, total - done) / done) if done and total else None
    return Pace(round(rows / seconds, 1), left)
