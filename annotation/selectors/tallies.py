"""What was drawn and labelled, summed over people. One query, whatever the number of labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Sum

from annotation.models import Pool, Project, Tally

COUNTS = (
    "drawn",
    "labels",
    "first",
    "second",
    "too_close",
    "cannot_judge",
    "flags",
    "decided",
    "undecided",
    "full_anchors",
    "exhausted_anchors",
    "gold",
    "gold_right",
    "retests",
    "retests_same",
    "timed",
    "milliseconds",
)


@dataclass(frozen=True)
class Sums:
    """The counts of a pool, or of a person: see `Tally`."""

    drawn: int = 0
    labels: int = 0
    first: int = 0
    second: int = 0
    too_close: int = 0
    cannot_judge: int = 0
    flags: int = 0
    decided: int = 0
    undecided: int = 0
    full_anchors: int = 0
    exhausted_anchors: int = 0
    gold: int = 0
    gold_right: int = 0
    retests: int = 0
    retests_same: int = 0
    timed: int = 0
    milliseconds: int = 0

    @property
    def open(self) -> int:
        """Comparisons made that have no outcome yet."""
        return self.drawn - self.decided - self.undecided


NOTHING = Sums()


def of_pools(pools: Iterable[Pool | int]) -> dict[int, Sums]:
    """The sums of each of these pools by its id; those without a count have zeros."""
    ids = [pool if isinstance(pool, int) else pool.pk for pool in pools]
    rows = Tally.objects.filter(pool__in=ids).values("pool").annotate(**_sums()).order_by()
    found = {row["pool"]: _from(dict(row)) for row in rows}
    return {pk: found.get(pk, NOTHING) for pk in ids}


def of_pool(pool: Pool) -> Sums:
    return of_pools([pool])[pool.pk]


def of_project(project: Project) -> Sums:
    """The sums over both pools."""
    return _from(Tally.objects.filter(pool__project=project).aggregate(**_sums()))


def per_annotator(project: Project) -> dict[int, Sums]:
    """The sums of each person who has a tally in the project, by user id."""
    rows = Tally.objects.filter(pool__project=project).values("annotator").annotate(**_sums()).order_by()
    return {row["annotator"]: _from(dict(row)) for row in rows}


def _sums() -> dict[str, Sum]:
    return {f"sum_{name}": Sum(name) for name in COUNTS}


def _from(row: Mapping[str, Any]) -> Sums:
    return Sums(**{name: row[f"sum_{name}"] or 0 for name in COUNTS})
