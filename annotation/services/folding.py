"""Counting answers into the agreement figures, apart from whoever gives them.

A comparison whose answers changed says so (`needs_fold`). A folder takes a batch of these, passing by those
that somebody is just answering, takes out of the counts what `folded` says they hold, adds the answers that
stand now, and writes those into `folded`: all in one transaction. At every moment the counts are those of
what is folded, however many folders there are and whenever one dies. Locks: comparisons, never waited for;
then patterns and pairs, each in order.
"""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.db.models import Exists, OuterRef

from annotation import sql
from annotation.models import Assignment, Comparison, Label, Pool
from annotation.quality.ballots import Pattern, Vote, pairs_of, pattern_of, vote_on
from annotation.services.transactions import exact

BATCH = 500  # comparisons: whoever answers one of them meanwhile waits some hundredths of a second
SECONDS = 20.0  # for one turn of the beat: other work waits behind it
ROWS = 500  # in one statement
Counts = Counter[tuple[int, ...]]


@dataclass(frozen=True)
class Batch:
    """How many comparisons were folded, and the last one's id; None when there was none."""

    size: int
    last: int | None


@dataclass
class _Changes:
    """What is added to the rows of patterns, and of pairs: how often both answered, and alike."""

    patterns: Counts = field(default_factory=Counter)
    shared: Counts = field(default_factory=Counter)
    same: Counts = field(default_factory=Counter)

    def add(self, votes: Sequence[Vote], sign: int) -> None:
        if not votes:
            return
        pattern: Pattern = pattern_of(votes)
        self.patterns[pattern] += sign
        for one, other, alike in pairs_of(votes):
            self.shared[one, other] += sign
            self.same[one, other] += sign * alike


def fold_waiting(seconds: float = SECONDS) -> int:
    """Fold what waits, a batch of each pool in turn, until nothing does or the time is up; how many."""
    until = time.monotonic() + seconds
    waiting = Comparison.objects.filter(pool=OuterRef("pk"), needs_fold=True)
    pools = dict.fromkeys(Pool.objects.filter(Exists(waiting)).order_by("pk"), 0)
    folded = 0
    while pools and time.monotonic() < until:
        for pool, after in list(pools.items()):
            batch = fold_batch(pool, after, BATCH)
            folded += batch.size
            if batch.last is None:
                del pools[pool]
            else:
                pools[pool] = batch.last
    return folded


@exact
def fold_batch(pool: Pool, after: int = 0, size: int = BATCH) -> Batch:
    """Fold the next comparisons of the pool after this id; those that are locked stay for another turn."""
    rows = Comparison.objects.select_for_update(no_key=True, skip_locked=True)
    rows = rows.filter(pool=pool, needs_fold=True, pk__gt=after).order_by("pk")
    taken = list(rows.values_list("pk", "state", "folded")[:size])
    counted = [pk for pk, state, _ in taken if state != Comparison.State.WITHDRAWN]
    now = _votes(counted)
    changes = _Changes()
    written: list[Any] = []
    for pk, _, before in taken:
        changes.add([(person, vote) for person, vote in before], -1)
        changes.add(now[pk], 1)
        written += [pk, json.dumps(now[pk])]
    _note(written)
    _write(pool.project_id, changes)
    return Batch(len(taken), taken[-1][0] if taken else None)


def _votes(comparisons: Sequence[int]) -> Mapping[int, list[Vote]]:
    """The answers that stand, by comparison, in the order of the people's ids."""
    given = Label.objects.filter(comparison__in=comparisons, kind=Assignment.Kind.WORK, is_current=True)
    found: dict[int, list[Vote]] = defaultdict(list)
    rows = given.values_list("comparison", "annotator", "verdict", "low_first")
    for comparison, person, verdict, low_first in rows.order_by("comparison", "annotator"):
        if vote := vote_on(verdict, low_first):
            found[comparison].append((person, vote))
    return found


def _note(written: Sequence[Any]) -> None:
    """What the counts hold now of each comparison: ids and votes by turns."""
    if not written:
        return
    votes = "CAST(v.column2 AS jsonb)" if connection.vendor == "postgresql" else "v.column2"
    places = ", ".join(["(%s, %s)"] * (len(written) // 2))
    sql.changed(
        f"UPDATE annotation_comparison SET needs_fold = FALSE, folded = {votes} "  # noqa: S608 - names of ours
        f"FROM (VALUES {places}) AS v WHERE id = v.column1",
        written,
    )


def _write(project_id: int, changes: _Changes) -> None:
    patterns = [(*key, change) for key, change in sorted(changes.patterns.items()) if change]
    _add("agreementpattern", project_id, ("low", "high", "too_close"), ("comparisons",), patterns)
    pairs = [
        (*key, change, changes.same[key])
        for key, change in sorted(changes.shared.items())
        if change or changes.same[key]
    ]
    _add("agreementpair", project_id, ("one_id", "other_id"), ("shared", "same"), pairs)


def _add(
    name: str, project_id: int, keys: Sequence[str], sums: Sequence[str], rows: Sequence[tuple[int, ...]]
) -> None:
    """Add to the sums of these rows, made where they are missing, in the order given."""
    table, names = f"annotation_{name}", ("project_id", *keys)
    adding = ", ".join(f"{one} = {table}.{one} + excluded.{one}" for one in sums)
    places = f"({', '.join(['%s'] * (len(names) + len(sums)))})"
    for start in range(0, len(rows), ROWS):
        part = rows[start : start + ROWS]
        sql.changed(
            f"INSERT INTO {table} ({', '.join((*names, *sums))}) VALUES {', '.join([places] * len(part))} "  # noqa: S608
            f"ON CONFLICT ({', '.join(names)}) DO UPDATE SET {adding}",
            [value for row in part for value in (project_id, *row)],
        )
