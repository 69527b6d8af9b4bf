"""One moment of the database, held still while a long reader goes through it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from copy import deepcopy
from itertools import chain
from typing import Any, TypeVar

from django.db import connection, connections, transaction

from annotation import ahead

T = TypeVar("T")
ALIAS = "snapshot"
AHEAD = 1_000  # rows a batch


@contextmanager
def snapshot() -> Iterator[str]:
    """The alias of a connection whose reads all see the same moment; pass it to `.using(…)`.

    PostgreSQL: REPEATABLE READ. SQLite: a deferred transaction, which in WAL mode sees the database as it was
    at its first read and, unlike this project's usual IMMEDIATE one, keeps no writer waiting. Inside a
    caller's transaction that transaction is the snapshot.
    """
    if connection.in_atomic_block:
        yield connection.alias
        return
    held = connections.create_connection(connection.alias)
    held.alias = ALIAS
    held.settings_dict = _settings(held.settings_dict)
    connections[ALIAS] = held
    try:
        with transaction.atomic(using=ALIAS):
            yield ALIAS
    finally:
        held.close()
        del connections[ALIAS]


@contextmanager
def read_ahead(
    alias: str, rows: Iterator[T], weight: Callable[[T], int] = lambda row: 0
) -> Iterator[Iterator[T]]:
    """The rows of a reader of the snapshot, read in a thread while the rows before are worked on.

    Nobody else may use the alias until they are through. A caller's transaction keeps its own thread.
    """
    if alias != ALIAS:
        yield rows
        return
    held = connections[alias]
    held.inc_thread_sharing()
    try:
        with closing(ahead.batches(_lent(held, rows), AHEAD, weight=weight)) as batches:
            yield chain.from_iterable(batch.rows for batch in batches)
    finally:
        held.dec_thread_sharing()


def _lent(held: Any, rows: Iterator[T]) -> Iterator[T]:
    """Runs through the rows with the connection under its alias in this thread too."""
    connections[ALIAS] = held
    try:
        yield from rows
    finally:
        del connections[ALIAS]


def _settings(original: dict[str, Any]) -> dict[str, Any]:
    settings = deepcopy({key: value for key, value in original.items() if key != "TEST"})
    settings["TEST"] = original["TEST"]
    options = settings["OPTIONS"]
    options.pop("pool", None)
    if "postgresql" in settings["ENGINE"]:
        from psycopg import IsolationLevel

        options["isolation_level"] = IsolationLevel.REPEATABLE_READ
    else:
        options["transaction_mode"] = "DEFERRED"
    return settings
