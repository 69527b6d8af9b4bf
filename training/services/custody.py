"""Who holds a run: claims, heartbeats and endings. Every step is one conditional UPDATE.

A worker holds a run while the row has its slot and attempt; one run a slot, by a unique constraint.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, IntegrityError, InterfaceError, connection, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from training import artifacts, run_words, transitions
from training.errors import RunLost
from training.models import Run
from training.services import telling

MAX_LOSSES = 3
HEARTBEAT_SECONDS = 5.0
_LOST_AGAIN = (
    f"The worker vanished {MAX_LOSSES} times in a row at work on this run, with no checkpoint between."
)
_LOST_HINT = (
    "The machine probably ran out of memory. Lower training.micro_batch or training.max_length, turn on "
    "training.gradient_checkpointing, or use LoRA; a smaller training.save_steps keeps more of the work."
)


def claim(run_id: int, slot: str, at: datetime) -> Run | None:
    """Take a queued run for a slot; None when somebody else has it, or the slot is busy."""
    edge = transitions.edge("claim")
    queued = Run.objects.filter(pk=run_id, state__in=edge.sources)
    try:
        with transaction.atomic():
            taken = queued.update(
                state=edge.target,
                slot=slot,
                attempt=F("attempt") + 1,
                heartbeat_at=at,
                started_at=Coalesce(F("started_at"), at),
                error="",
                hint="",
                eta_seconds=None,
            )
    except IntegrityError:
        return None
    return Run.objects.select_related("project", "dataset").get(pk=run_id) if taken else None


def claim_any_slot(run_id: int, worker: str, at: datetime) -> Run | None:
    """Take a queued run for any free slot of a worker; None when it has none, or the run is not to be had."""
    slots = (f"{worker}/{number}" for number in range(settings.RUN_SLOTS))
    return next((run for slot in slots if (run := claim(run_id, slot, at)) is not None), None)


def held(run: Run) -> QuerySet[Run]:
    """The run's row, as long as this attempt on this slot holds it."""
    return Run.objects.filter(pk=run.pk, slot=run.slot, attempt=run.attempt, state__in=transitions.OWNED)


def heartbeat(*, run: Run, at: datetime) -> str:
    """Say that the run is being looked after; its state as it stands in the database.

    Raises:
        RunLost: the run is somebody else's now.
    """
    if not held(run).update(heartbeat_at=at):
        raise RunLost(f"run {run.pk}")
    return held_state(run)


def held_state(run: Run) -> str:
    """The state of a run this worker holds.

    Raises:
        RunLost: the run is somebody else's now.
    """
    state = held(run).values_list("state", flat=True).first()
    if state is None:
        raise RunLost(f"run {run.pk}")
    return state


def finish(*, run: Run, at: datetime, has_model: bool) -> None:
    """The model is trained and evaluated. Raises RunLost."""
    _end(run, "finish", at, has_model=has_model, losses=0)


def stop(*, run: Run, at: datetime) -> None:
    """The engine has stopped because a manager cancelled the run. Raises RunLost."""
    _end(run, "stop", at)


def fail(*, run: Run, at: datetime, error: str, hint: str = "") -> None:
    """The run cannot go on; `error` and `hint` are for the person who reads them. Raises RunLost.

    They are stored without this machine's folders.
    """
    folder = artifacts.folder(run.pk)
    _end(run, "fail", at, error=run_words.told(error, folder), hint=run_words.told(hint, folder))


def warn(*, run: Run, code: str, message: str) -> None:
    """Add a warning that the run's page shows, whether the run still goes on or has ended."""
    warning = {"code": code, "message": run_words.told(message, artifacts.folder(run.pk))}
    row = Run.objects.filter(pk=run.pk, attempt=run.attempt)
    row.update(warnings=[*run.warnings, warning])
    run.warnings = [*run.warnings, warning]


def _end(run: Run, verb: str, at: datetime, **changes: Any) -> None:
    edge = transitions.edge(verb)
    ended = held(run).filter(state__in=edge.sources)
    with transaction.atomic():
        if not ended.update(state=edge.target, finished_at=at, heartbeat_at=at, eta_seconds=None, **changes):
            raise RunLost(f"run {run.pk}")
        telling.run_ended(run.pk, at)


def hand_back(*, run: Run, at: datetime) -> None:
    """The worker leaves in good order: queue the run again; cancel it if that was asked. Raises RunLost."""
    if _requeue(held(run)):
        return
    stop(run=run, at=at)


def lose(*, run: Run, at: datetime) -> None:
    """The engine or its worker vanished: queue the run again; fail it at the third time. Raises RunLost."""
    if not _lose(held(run), run.pk, at):
        raise RunLost(f"run {run.pk}")


def requeue_stale(at: datetime) -> list[int]:
    """Take runs from workers that have not been heard of for a while; the ids that are queued again."""
    before = at - timedelta(seconds=settings.RUN_STALE_SECONDS)
    stale = Run.objects.filter(state__in=transitions.OWNED, heartbeat_at__lt=before)
    # The heartbeat is part of the condition: a worker that woke up in between keeps its run.
    again = [
        run.pk
        for run in stale.order_by("id")
        if _lose(held(run).filter(heartbeat_at=run.heartbeat_at), run.pk, at)
    ]
    return list(Run.objects.filter(pk__in=again, state=Run.State.QUEUED).values_list("pk", flat=True))


def _lose(found: QuerySet[Run], run_id: int, at: datetime) -> bool:
    """Move one run on after a loss; whoever wants to know is told when that ended it."""
    with transaction.atomic():
        moved = _moved_on(found, at)
        if moved:
            telling.run_ended(run_id, at)
    return moved


def _moved_on(found: QuerySet[Run], at: datetime) -> bool:
    """Along whichever edge the run's state allows."""
    tired = found.filter(state=Run.State.RUNNING, losses__gte=MAX_LOSSES - 1)
    edge = transitions.edge("fail")
    if tired.update(state=edge.target, finished_at=at, error=_LOST_AGAIN, hint=_LOST_HINT, eta_seconds=None):
        return True
    if _requeue(found, losses=F("losses") + 1):
        return True
    edge = transitions.edge("stop")
    cancelling = found.filter(state=Run.State.CANCELLING)
    return bool(cancelling.update(state=edge.target, finished_at=at, eta_seconds=None))


def _requeue(found: QuerySet[Run], **changes: Any) -> bool:
    edge = transitions.edge("requeue")
    return bool(
        found.filter(state__in=edge.sources).update(state=edge.target, slot="", eta_seconds=None, **changes)
    )


def queued(limit: int = 50) -> list[int]:
    """Runs that wait for a worker, oldest first."""
    return list(
        Run.objects.filter(state=Run.State.QUEUED).order_by("id").values_list("pk", flat=True)[:limit]
    )


@contextlib.contextmanager
def kept_alive(run: Run) -> Iterator[None]:
    """Heartbeats from a thread while this one is busy with one long step: copying a dataset or a model."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(HEARTBEAT_SECONDS):
            with contextlib.suppress(DatabaseError, InterfaceError, RunLost):
                heartbeat(run=run, at=timezone.now())
            connection.close()

    thread = threading.Thread(target=beat, name=f"run-{run.pk}-heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
