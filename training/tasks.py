"""Doorbells. Each task does what the rows ask for; delivered twice or never, no harm is done."""

from __future__ import annotations

from celery import Task, shared_task
from django.utils import timezone

from annotation.selectors.workers import worker_status
from training import doorbell, leaving, supervisor
from training.services import custody


@shared_task(bind=True, name="training.tasks.train")
def train(self: Task[[int], None], run_id: int) -> None:
    """Train a run, if it still waits and this worker has a free slot; then ring for the next one."""
    run = (
        None
        if leaving.announced()
        else custody.claim_any_slot(run_id, self.request.hostname or "worker", timezone.now())
    )
    if run is None:
        return
    supervisor.supervise(run)
    for waiting in [] if leaving.announced() else custody.queued(limit=1):
        doorbell.ring(waiting)


@shared_task(name="training.tasks.reap_runs")
def reap_runs() -> None:
    """Take runs from workers that are gone; ring for everything that waits, if anyone is there to hear it."""
    now = timezone.now()
    custody.requeue_stale(now)
    if worker_status(now).serves("gpu"):
        for run_id in custody.queued():
            doorbell.ring(run_id)
