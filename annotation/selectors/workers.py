"""Which workers live, and which queues nobody serves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from annotation.models import WorkerBeat

ALIVE_WITHIN = timedelta(seconds=35)  # three beats of ten seconds, and some


@dataclass(frozen=True)
class WorkerStatus:
    """Live workers by name, each with its queues."""

    workers: dict[str, list[str]]

    @property
    def alive(self) -> bool:
        return bool(self.workers)

    @property
    def queues(self) -> list[str]:
        return sorted({queue for queues in self.workers.values() for queue in queues})

    def serves(self, queue: str) -> bool:
        return queue in self.queues


def worker_status(at: datetime) -> WorkerStatus:
    """The workers seen in the 35 seconds before `at`."""
    live = WorkerBeat.objects.filter(seen_at__gte=at - ALIVE_WITHIN)
    return WorkerStatus({name: list(queues) for name, queues in live.values_list("name", "queues")})
