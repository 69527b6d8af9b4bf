"""Strengths written to the database, many at once; rows of a pool are locked in the order of preferences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from django.db import connection, transaction
from numpy.typing import NDArray

from annotation.models import Pool, Strength

AT_ONCE = 10_000
_TARGET = "annotation_strength (pool_id, preference_id, theta, sd, wins, losses)"
_REPLACE = """
    ON CONFLICT (preference_id) DO UPDATE SET pool_id = excluded.pool_id, theta = excluded.theta,
        sd = excluded.sd, wins = excluded.wins, losses = excluded.losses
"""
_ARRAYS = f"""
    INSERT INTO {_TARGET} SELECT %s::bigint, *
    FROM unnest(%s::bigint[], %s::float8[], %s::float8[], %s::int[], %s::int[]) {_REPLACE}
"""  # noqa: S608 - words of ours
_ONE = f"INSERT INTO {_TARGET} VALUES (%s, %s, %s, %s, %s, %s) {_REPLACE}"  # noqa: S608 - words of ours


@dataclass(frozen=True)
class Rows:
    """Columns of strengths; `preference` ascends."""

    preference: NDArray[np.int64]
    theta: NDArray[np.float64]
    sd: NDArray[np.float64]
    wins: NDArray[np.int64]
    losses: NDArray[np.int64]

    def part(self, start: int) -> list[list[float]]:
        columns = (self.preference, self.theta, self.sd, self.wins, self.losses)
        return [column[start : start + AT_ONCE].tolist() for column in columns]


def replace(pool: Pool, rows: Rows) -> None:
    """Write them all, and remove those of preferences that have no answer any more."""
    for start in range(0, len(rows.preference), AT_ONCE):
        with transaction.atomic():
            write(pool.pk, rows.part(start))
    known = Strength.objects.filter(pool=pool).order_by("preference").values_list("preference", flat=True)
    there = np.fromiter(known.iterator(AT_ONCE), np.int64)
    gone = np.setdiff1d(there, rows.preference, assume_unique=True)
    for start in range(0, len(gone), AT_ONCE):
        part = gone[start : start + AT_ONCE].tolist()
        Strength.objects.filter(pool=pool, preference__in=part).delete()


def write(pool_id: int, columns: list[list[float]]) -> None:
    """Insert or replace rows, given as columns: preference, theta, sd, wins, losses."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_ARRAYS, [pool_id, *columns])
        else:
            cursor.executemany(_ONE, [(pool_id, *row) for row in zip(*columns, strict=True)])
