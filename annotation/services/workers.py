"""Workers say they are alive; the UI reads it to say when none serves a queue."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from annotation.models import WorkerBeat

FORGET_AFTER = timedelta(days=1)


def beat(*, name: str, queues: Sequence[str], at: datetime) -> None:
    """Worker `name` is alive and serves `queues`. Workers not seen for a day are forgotten."""
    WorkerBeat.objects.update_or_create(
        name=name[:200], defaults={"queues": sorted(set(queues)), "seen_at": at}
    )
    WorkerBeat.objects.filter(seen_at__lt=at - FORGET_AFTER).delete()


def leave(*, name: str) -> None:
    """Worker `name` has ended in good order."""
    WorkerBeat.objects.filter(name=name[:200]).delete()
