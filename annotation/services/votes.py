"""The answers of a pool as arrays, read in one go and streaming: what strengths and cycles are found from."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import numpy as np
from django.db.models import QuerySet
from numpy.typing import NDArray

from annotation.consensus import vote_of
from annotation.models import Assignment, Comparison, Label, Pool

CHUNK = 10_000
WINS = {Comparison.Outcome.LOW.value: 1.0, Comparison.Outcome.HIGH.value: 0.0}
TIE = 0.5
Outcome = Comparison.Outcome


@dataclass(frozen=True)
class Votes:
    """By preference id: the pair, and 1 where low was called stronger, 0 where high was, .5 for neither."""

    low: NDArray[np.int64]
    high: NDArray[np.int64]
    low_wins: NDArray[np.float64]


def of_pool(pool: Pool, alias: str) -> Votes:
    """Every current answer to work but "cannot judge"; where a reviewer decided, that instead."""
    low, high, wins = array("q"), array("q"), array("d")
    for one, other, verdict, low_first in _given(pool, alias).iterator(CHUNK):
        low.append(one)
        high.append(other)
        wins.append(WINS.get(vote_of(verdict, low_first), TIE))
    for one, other, outcome in _decided(pool, alias).iterator(CHUNK):
        low.append(one)
        high.append(other)
        wins.append(WINS.get(outcome, TIE))
    return Votes(np.array(low, np.int64), np.array(high, np.int64), np.array(wins, np.float64))


def winners(pool: Pool, alias: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The ids of the stronger and of the weaker preference of each comparison that has a winner."""
    strong, weak = array("q"), array("q")
    rows = Comparison.objects.using(alias).filter(pool=pool, state=Comparison.State.RESOLVED)
    rows = rows.filter(outcome__in=(Outcome.LOW, Outcome.HIGH)).order_by("pk")
    for low, high, outcome in rows.values_list("low", "high", "outcome").iterator(CHUNK):
        strong.append(low if outcome == Outcome.LOW else high)
        weak.append(high if outcome == Outcome.LOW else low)
    return np.array(strong, np.int64), np.array(weak, np.int64)


def _given(pool: Pool, alias: str) -> QuerySet[Label, tuple[int, int, str, bool]]:
    rows = Label.objects.using(alias).filter(
        kind=Assignment.Kind.WORK, is_current=True, comparison__pool=pool
    )
    rows = rows.filter(comparison__adjudicated=False).exclude(verdict=Label.Verdict.CANNOT_JUDGE)
    rows = rows.exclude(comparison__state=Comparison.State.WITHDRAWN).order_by("pk")
    return rows.values_list("comparison__low", "comparison__high", "verdict", "low_first")


def _decided(pool: Pool, alias: str) -> QuerySet[Comparison, tuple[int, int, str]]:
    rows = Comparison.objects.using(alias).filter(pool=pool, adjudicated=True)
    rows = rows.filter(state=Comparison.State.RESOLVED).order_by("pk")
    return rows.values_list("low", "high", "outcome")
