"""A worker outside its tasks: it says every ten seconds that it lives, and on leaving hands runs back."""

from __future__ import annotations

import contextlib
import copy
import logging
import signal
import threading
from typing import Any

from billiard.util import set_pdeathsig  # type: ignore[attr-defined]
from celery import signals

BEAT_SECONDS = 10.0
_log = logging.getLogger(__name__)


class Beat(threading.Thread):
    """Beats in the worker's main process until told to stop; a database that is away is tried again."""

    def __init__(self, name: str, queues: list[str]) -> None:
        super().__init__(name="worker-beat", daemon=True)
        self.worker, self.queues = name, queues
        self.stopping = threading.Event()

    def run(self) -> None:
        _use_own_connection()
        while not self.stopping.is_set():
            self._say(leaving=False)
            self.stopping.wait(BEAT_SECONDS)
        self._say(leaving=True)

    def _say(self, *, leaving: bool) -> None:
        from django.db import DatabaseError, InterfaceError, connection
        from django.utils import timezone

        from annotation.services import workers

        try:
            if leaving:
                workers.leave(name=self.worker)
            else:
                workers.beat(name=self.worker, queues=self.queues, at=timezone.now())
        except (DatabaseError, InterfaceError):
            _log.warning("could not tell the database that worker %s lives", self.worker, exc_info=True)
        finally:
            connection.close()


def _use_own_connection() -> None:
    """A plain connection for this thread: a pool opened here would be broken in forked children."""
    from django.db import connections
    from django.db.utils import load_backend

    options = copy.deepcopy(connections.settings["default"])
    options["OPTIONS"].pop("pool", None)
    connections["default"] = load_backend(options["ENGINE"]).DatabaseWrapper(options, "default")


_beats: list[Beat] = []


@signals.worker_init.connect
def _prepare(**_: Any) -> None:
    """Before the pool forks: the flag that tells its processes to leave must exist."""
    from training import leaving

    leaving.prepare()


@signals.beat_embedded_init.connect
def _end_with_worker(**_: Any) -> None:
    """A beat inside a worker (-B) dies with it, however it dies; Celery sees to that for its pool only."""
    with contextlib.suppress(OSError):  # not Linux
        set_pdeathsig(signal.SIGTERM)


@signals.worker_ready.connect
def _start(sender: Any, **_: Any) -> None:
    beat = Beat(str(sender.hostname), list(sender.app.amqp.queues.consume_from))
    _beats.append(beat)
    beat.start()
    # Runs that waited for a worker start now, not at the reaper's next turn.
    from training import doorbell

    doorbell.call_reaper()


@signals.worker_shutting_down.connect
def _leave(**_: Any) -> None:
    """Runs are handed back with a checkpoint: the worker waits for tasks, and training may take days."""
    from training import leaving

    leaving.announce()


@signals.worker_shutdown.connect
def _stop(**_: Any) -> None:
    for beat in _beats:
        beat.stopping.set()
        beat.join(timeout=5)
    _beats.clear()
