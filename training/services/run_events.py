"""Turns lines of a run's events.jsonl into rows: a batch and the new offset in one transaction."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

from django.db import transaction

from training import artifacts, run_words
from training.engine import events
from training.engine.events import Event
from training.errors import RunLost
from training.models import Evaluation, Run, RunEvent
from training.services import custody

BATCH = 500
MAX_WARNINGS = 50
Line = tuple[int, int, Event]


def ingest(*, run: Run, file: Path) -> list[Event]:
    """Read the next batch of events; the events read, empty when there was nothing new.

    Raises:
        RunLost: the run is somebody else's now; nothing was written.
    """
    read = islice(events.read(file, run.events_read), BATCH)
    lines = [(start, end, _told(run, event)) for start, end, event in read]
    if not lines:
        return []
    read_to = lines[-1][1]
    changes = _summary(run, [event for _, _, event in lines])
    with transaction.atomic():
        if not custody.held(run).update(events_read=read_to, heartbeat_at=_now(), **changes):
            raise RunLost(f"run {run.pk}")
        RunEvent.objects.bulk_create([_row(run, line) for line in lines], ignore_conflicts=True)
        for _, _, event in lines:
            if event.kind == "evaluation":
                _store_evaluation(run, event)
    # Only now, so that a transaction that failed is tried again with the same lines.
    for name, value in {"events_read": read_to, **changes}.items():
        setattr(run, name, value)
    return [event for _, _, event in lines]


def _told(run: Run, event: Event) -> Event:
    """The event without this machine's folders."""
    return event.model_copy(update={"data": run_words.told(event.data, artifacts.folder(run.pk))})


def _now() -> Any:
    from django.utils import timezone

    return timezone.now()


def _row(run: Run, line: Line) -> RunEvent:
    start, _, event = line
    return RunEvent(run_id=run.pk, seq=start, kind=event.kind, step=event.step, at=event.at, data=event.data)


def _summary(run: Run, batch: list[Event]) -> dict[str, Any]:
    """What the batch changes in the run's own row."""
    changes: dict[str, Any] = {}
    for event in batch:
        changes.update(_change(event))
    warnings = list(run.warnings)
    for event in batch:
        if event.kind == "warning" and event.data not in warnings:
            warnings.append(event.data)
    if warnings != run.warnings:
        changes["warnings"] = warnings[:MAX_WARNINGS]
    return changes


def _change(event: Event) -> dict[str, Any]:
    data = event.data
    if event.kind == "stage":
        return {
            "stage": data.get("name") or "",
            "stage_done": 0,
            "stage_total": data.get("total") or 0,
        } | _ETA_UNKNOWN
    if event.kind == "progress":
        return {
            "stage": data.get("stage") or "",
            "stage_done": data.get("done") or 0,
            "stage_total": data.get("total") or 0,
            "eta_seconds": data.get("eta_seconds"),
        }
    if event.kind == "metrics":
        return {"latest": {"step": event.step, **data}} | _step(event)
    if event.kind == "checkpoint":
        return {"has_checkpoint": True, "losses": 0} | _step(event)
    return {}


def _step(event: Event) -> dict[str, Any]:
    return {} if event.step is None else {"step": event.step}


_ETA_UNKNOWN: dict[str, Any] = {"eta_seconds": None}


def _store_evaluation(run: Run, event: Event) -> None:
    Evaluation.objects.update_or_create(
        run_id=run.pk,
        name=str(event.data.get("name", ""))[:60],
        defaults={
            "result": event.data.get("result"),
            "seed": event.data.get("seed") or 0,
            "dataset_sha256": event.data.get("dataset_sha256") or "",
            "duration_seconds": event.data.get("duration_seconds") or 0.0,
            "created_at": event.at,
        },
    )
