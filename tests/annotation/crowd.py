"""Sixteen threads on their own database connections, each doing what an annotator's browser tab may do."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import TypeVar
from uuid import UUID

from django.db import connection

from annotation.errors import Conflict, LeaseLost
from annotation.models import Project, User
from annotation.services import assignments, labels
from tests.cast import NOW

TABS = 16
R = TypeVar("R")


def together(deed: Callable[[int], R]) -> list[R]:
    """Run the deed in sixteen threads that start at once, connections open; raise what any of them raised."""
    gate = threading.Barrier(TABS)

    def run(number: int) -> R:
        try:
            connection.ensure_connection()
            gate.wait(timeout=60)
            return deed(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(TABS) as threads:
        return [future.result() for future in [threads.submit(run, number) for number in range(TABS)]]


def apart(deed: Callable[..., object], *args: object, **named: object) -> object:
    """For a thread of its own: the deed, and its connection closed."""
    try:
        return deed(*args, **named)
    finally:
        connection.close()


def waiters() -> int:
    """Connections to this database that wait for a lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(DISTINCT w.pid) FROM pg_locks w JOIN pg_locks h ON h.pid = w.pid "
            "JOIN pg_database d ON d.oid = h.database "
            "WHERE NOT w.granted AND d.datname = current_database()"
        )
        return int(cursor.fetchone()[0])


@dataclass
class Clock:
    """A clock the threads share; it only goes forward, twenty seconds a look."""

    ticks: Iterator[int] = field(default_factory=count)

    def __call__(self) -> datetime:
        return NOW + timedelta(seconds=20) * next(self.ticks)


@dataclass
class Tab:
    """One browser tab: answers most cards, leaves some, sends some answers twice, takes some back."""

    project: Project
    person: User
    clock: Clock
    draw: random.Random
    acknowledged: dict[UUID, int] = field(default_factory=dict)

    def work(self, deeds: int) -> dict[UUID, int]:
        for _ in range(deeds):
            chance = self.draw.random()
            if chance < 0.85:
                self._label()
            elif chance < 0.93:
                self._try(self._undo)
            elif chance < 0.97:
                assignments.expire(self.clock(), limit=5)
            else:
                assignments.release(project=self.project, by=self.person, at=self.clock())
        return self.acknowledged

    def _label(self) -> None:
        held = assignments.next_for(project=self.project, by=self.person, at=self.clock())
        if held is None or self.draw.random() < 0.1:
            return
        key = UUID(int=self.draw.getrandbits(128), version=4)
        verdict = self.draw.choice(["first", "second", "first", "second", "too_close"])
        for _ in range(self.draw.choice([1, 1, 2])):
            self._try(lambda: self._submit(held.pk, verdict, key))

    def _submit(self, assignment: int, verdict: str, key: UUID) -> None:
        label = labels.submit(
            assignment_id=assignment, verdict=verdict, by=self.person, at=self.clock(), key=key
        )
        assert self.acknowledged.setdefault(key, label.pk) == label.pk, "a retry must give the same label"

    def _undo(self) -> None:
        labels.undo_last(project=self.project, by=self.person, at=self.clock())

    def _try(self, deed: Callable[[], None]) -> None:
        """Another tab of the same person may have been faster: that, and only that, is refused."""
        try:
            deed()
        except (Conflict, LeaseLost):
            return
