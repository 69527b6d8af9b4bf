"""What the labelling path asks of the database, looked at when the server starts."""

from __future__ import annotations

import sqlite3
from typing import Any

from django.core.checks import CheckMessage, Error
from django.db import connection

LEAST_SQLITE = (3, 35, 0)  # the first with RETURNING


def sqlite_is_new_enough(**_: Any) -> list[CheckMessage]:
    """An error in words instead of a syntax error at the first label."""
    if connection.vendor != "sqlite" or sqlite3.sqlite_version_info >= LEAST_SQLITE:
        return []
    return [
        Error(
            f"SQLite {sqlite3.sqlite_version} is too old: labels are stored with statements of 3.35.",
            hint="Use a newer Python or SQLite, or PostgreSQL by DATABASE_URL.",
            id="annotation.E001",
        )
    ]
