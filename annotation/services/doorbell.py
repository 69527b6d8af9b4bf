"""Tells a worker that a row waits. The row is what counts: a bell nobody hears is rung again by the beat."""

from __future__ import annotations

import logging

from celery import current_app
from django.db import transaction
from kombu.exceptions import KombuError

logger = logging.getLogger(__name__)


def ring_on_commit(task: str, row_id: int) -> None:
    """Ring once the transaction that wrote the row is through."""
    transaction.on_commit(lambda: ring(task, row_id))


def ring(task: str, row_id: int) -> bool:
    """Whether the broker took the message. A broker that is away is no error: the row stays queued."""
    try:
        current_app.send_task(task, args=[row_id], retry=False)
    except (KombuError, OSError) as error:
        logger.warning("%s %s could not be announced: %s", task, row_id, error)
        return False
    return True
