"""Figures over a whole project that a worker computes: asked for, claimed, kept alive, written once.

Whoever claims the row writes the present moment into `heartbeat_at`; each further write is conditional on
finding that moment there, so that a worker that was taken over can write nothing more.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from annotation import kinds, rules
from annotation.models import Analysis, Project, User
from annotation.services import audit, cycle_finding, doorbell, strength_fitting

STRENGTHS, CYCLES = "strengths", "cycles"
KINDS: Mapping[str, Callable[[Project, Callable[[], None]], dict[str, Any]]] = {
    STRENGTHS: strength_fitting.compute,
    CYCLES: cycle_finding.compute,
}
TASK = "annotation.tasks.run_analysis"
STALE = timedelta(minutes=5)  # the longest step between two heartbeats takes a minute at a million labels
RING_AFTER = timedelta(seconds=20)
State = Analysis.State
logger = logging.getLogger(__name__)


class _TakenOver(Exception):
    pass


@transaction.atomic
def recompute(*, project: Project, by: User, at: datetime) -> list[Analysis]:
    """Ask a worker for strengths and cycles anew. Those that wait or are being computed are left alone.

    Raises:
        NotFound, NotAllowed: not a manager.
    """
    rules.check_manage(by, project)
    kinds.check_preferences(project, kinds.NO_STRENGTHS)
    rows = [_asked(project, kind, by, at) for kind in KINDS]
    audit.record(by=by, at=at, verb="project.consistency_asked", project=project, target=project.slug)
    return rows


def _asked(project: Project, kind: str, by: User, at: datetime) -> Analysis:
    row, new = Analysis.objects.get_or_create(
        project=project, kind=kind, defaults={"requested_by": by, "requested_at": at}
    )
    again = {"state": State.QUEUED, "requested_by": by, "requested_at": at, "error": "", "heartbeat_at": None}
    ended = Analysis.objects.filter(pk=row.pk, state__in=(State.DONE, State.FAILED))
    if new or ended.update(**again):
        doorbell.ring_on_commit(TASK, row.pk)
        row.refresh_from_db()
    return row


def run(analysis_id: int) -> None:
    """Compute it; nothing happens while another worker is at it, or when it is done."""
    now = timezone.now()
    waiting = Q(state=State.QUEUED) | Q(state=State.RUNNING, heartbeat_at__lt=now - STALE)
    mine = Analysis.objects.filter(waiting, pk=analysis_id, kind__in=KINDS)
    if not mine.update(state=State.RUNNING, heartbeat_at=now):
        return
    row = Analysis.objects.select_related("project").get(pk=analysis_id)
    row.heartbeat_at = now
    try:
        _compute(row)
    except _TakenOver:
        logger.warning("analysis %s was taken over by another worker", analysis_id)


def ring_waiting(at: datetime) -> int:
    """Ring for analyses whose bell was lost or whose worker died; how many bells."""
    lost = Q(state=State.QUEUED, requested_at__lt=at - RING_AFTER)
    died = Q(state=State.RUNNING, heartbeat_at__lt=at - STALE)
    rows = Analysis.objects.filter(lost | died, kind__in=KINDS).order_by("pk")
    return doorbell.ring_all(TASK, rows.values_list("pk", flat=True))


def _compute(row: Analysis) -> None:
    began = time.monotonic()
    try:
        found = KINDS[row.kind](row.project, lambda: _write(row))
    except _TakenOver:
        raise
    except Exception:
        logger.exception("analysis %s failed", row.pk)
        words = "The worker met an error; its log says which. Ask for it again."
        _write(row, state=State.FAILED, error=words)
        return
    result = {"splits": found, "seconds": round(time.monotonic() - began, 2)}
    _write(row, state=State.DONE, result=result, computed_at=timezone.now())


def _write(row: Analysis, **fields: Any) -> None:
    """A heartbeat, and perhaps the end."""
    now = timezone.now()
    owned = Analysis.objects.filter(pk=row.pk, state=State.RUNNING, heartbeat_at=row.heartbeat_at)
    if not owned.update(heartbeat_at=now, **fields):
        raise _TakenOver
    row.heartbeat_at = now
