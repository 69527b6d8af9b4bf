"""One moment of the database, held still while a long reader goes through it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

from django.db import connection, connections, transaction

ALIAS = "snapshot"


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
