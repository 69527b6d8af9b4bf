"""Rings workers. A message only says "look": the row decides, so a lost or doubled ring does no harm."""

from __future__ import annotations

import logging

from celery import current_app
from kombu.exceptions import KombuError

# The reaper rings again: a ring nobody took is not worth keeping.
EXPIRES_SECONDS = 60
_RETRY = {"max_retries": 1, "interval_start": 0, "interval_max": 0}
_log = logging.getLogger(__name__)


def ring(run_id: int) -> bool:
    """Ask a worker to train the run. False when the broker is away: the reaper rings later."""
    return _send("training.tasks.train", run_id)


def call_reaper() -> bool:
    """Ask a worker to look for runs that wait or whose worker is gone."""
    return _send("training.tasks.reap_runs")


def _send(task: str, *args: int) -> bool:
    try:
        current_app.send_task(task, args=args, expires=EXPIRES_SECONDS, retry_policy=_RETRY)
    except (KombuError, OSError) as error:
        _log.warning("the broker is away, %s%s was not sent: %s", task, args, type(error).__name__)
        return False
    return True
