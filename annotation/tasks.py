"""Celery tasks: doorbells. The row in the database decides whether there is anything to do."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from annotation.services import assignments, datasets, imports


@shared_task
def run_import(import_id: int) -> None:
    imports.run(import_id)


@shared_task
def run_freeze(dataset_id: int) -> None:
    datasets.run_freeze(dataset_id)


@shared_task
def expire_leases() -> None:
    """Give comparisons back whose lease ran out."""
    assignments.expire(timezone.now())


@shared_task
def ring_again() -> None:
    """Ring for rows whose first bell was lost or whose worker died."""
    now = timezone.now()
    imports.ring_waiting(now)
    datasets.ring_waiting(now)
