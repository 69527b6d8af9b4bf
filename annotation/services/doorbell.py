"""Tells a worker that a row waits. The row is what counts: a bell nobody hears is rung again by the beat."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from celery import current_app
from django.db import transaction
from kombu.exceptions import KombuError

CONNECT_SECONDS = 3
EXPIRES = 300  # seconds: bells that nobody heard do not pile up, the beat rings again
logger = logging.getLogger(__name__)


def ring_on_commit(task: str, row_id: int) -> None:
    """Ring once the transaction that wrote the row is through."""
    transaction.on_commit(lambda: ring(task, row_id))


def ring(task: str, row_id: int) -> bool:
    """Whether the broker took the message. A broker that is away is no error: the row stays queued."""
    try:
        with current_app.connection_for_write() as connection:
            # One try: kombu's own patience of many seconds would be the patience of whoever uploads.
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=CONNECT_SECONDS)
            current_app.send_task(task, args=[row_id], connection=connection, expires=EXPIRES, retry=False)
    except (KombuError, OSError) as error:
        logger.warning("%s %s could not be announced: %s", task, row_id, error)
        return False
    return True


def ring_all(task: str, row_ids: Iterable[int]) -> int:
    """Ring for each row until the broker fails once; how many bells it took."""
    rung = 0
    for row_id in row_ids:
        if not ring(task, row_id):
            break
        rung += 1
    return rung
