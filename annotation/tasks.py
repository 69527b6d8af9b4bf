"""Celery tasks: doorbells. The row in the database decides whether there is anything to do."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from annotation.services import (
    analyses,
    assignments,
    datasets,
    folding,
    imports,
    pushes,
    raising,
    targets,
    webhook_delivery,
)


@shared_task
def run_import(import_id: int) -> None:
    imports.run(import_id)


@shared_task
def run_freeze(dataset_id: int) -> None:
    datasets.run_freeze(dataset_id)


@shared_task
def run_push(push_id: int) -> None:
    pushes.run(push_id)


@shared_task
def run_raising(project_id: int) -> None:
    raising.run(project_id)


@shared_task
def run_analysis(analysis_id: int) -> None:
    analyses.run(analysis_id)


@shared_task
def deliver_webhook(delivery_id: int) -> None:
    webhook_delivery.deliver(delivery_id)


@shared_task
def expire_leases() -> None:
    """Give comparisons back whose lease ran out."""
    assignments.expire(timezone.now())


@shared_task
def fold_answers() -> None:
    """Count answers given since the last turn into the agreement figures."""
    folding.fold_waiting()


@shared_task
def ring_again() -> None:
    """Ring for rows whose first bell was lost or whose worker died."""
    now = timezone.now()
    imports.ring_waiting(now)
    datasets.ring_waiting(now)
    pushes.ring_waiting(now)
    raising.ring_waiting(now)
    analyses.ring_waiting(now)
    webhook_delivery.ring_due(now)


@shared_task
def tell_targets() -> None:
    """Tell webhooks whose project has what it asked for."""
    targets.tell_reached(timezone.now())
