"""What a freeze with options of its own reads: complete comparisons and their votes, as arrays.

Preferences are numbered by content hash and comparisons by their pair of numbers, people by name: nothing
depends on ids of the database or on the order of an import.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import numpy as np
from django.db.models import Count, Q
from numpy.typing import NDArray

from annotation.consensus import Votes
from annotation.models import Assignment, Comparison, Label, Preference, Project, Split
from annotation.services import frozen_rows

CHUNK = 10_000  # rows fetched at once
LOW, HIGH, NEITHER = 1, -1, 0
OUTCOMES = {Comparison.Outcome.LOW.value: LOW, Comparison.Outcome.HIGH.value: HIGH}
TOO_CLOSE, CANNOT_JUDGE = -1, -2  # sides of `Ballots`; 0 is low and 1 high

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Pool:
    """The preferences that are not excluded, by content hash."""

    ids: NDArray[np.bytes_]
    heldout: Flags
    keys: Longs  # their keys in the database, ascending
    places: Ints  # the number of each of these

    def number(self, keys: Longs) -> Ints:
        """−1 for a preference that is excluded."""
        if not len(self.keys):
            return np.full(len(keys), -1, np.int32)
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[at] == keys, self.places[at], -1).astype(np.int32)


@dataclass(frozen=True)
class Pairs:
    """Complete comparisons; `low` is the smaller number. `outcome`: 1 for low, −1 for high, 0 for neither."""

    keys: Longs
    low: Ints
    high: Ints
    turned: Flags  # the database calls them the other way round
    outcome: NDArray[np.int8]
    confidence: Floats
    adjudicated: Flags
    excluded: int  # comparisons left out because a preference of theirs is


@dataclass(frozen=True)
class Ballots:
    """Current answers to the work: comparison and person as numbers, and the side that was named."""

    comparison: Ints
    annotator: Ints
    side: NDArray[np.int8]
    people: list[int]

    def times(self, side: int, comparisons: int) -> Longs:
        """How many answers of this kind each comparison has."""
        found: Longs = np.bincount(self.comparison[self.side == side], minlength=comparisons)
        return found


def pool(project: Project, alias: str) -> Pool:
    rows = Preference.objects.using(alias).filter(project=project, excluded_at=None).order_by("content_hash")
    keys, ids, heldout = array("q"), [], array("b")
    for key, content_hash, split in rows.values_list("pk", "content_hash", "split").iterator(CHUNK):
        keys.append(key)
        ids.append(content_hash.encode())
        heldout.append(split == Split.HELDOUT)
    order = np.argsort(np.array(keys, np.int64))
    return Pool(
        np.array(ids, "S64"),
        np.array(heldout, np.bool_),
        np.array(keys, np.int64)[order],
        order.astype(np.int32),
    )


def pairs(project: Project, alias: str, known: Pool) -> Pairs:
    rows = frozen_rows.work(project, alias)
    withdrawn = rows.filter(state=Comparison.State.WITHDRAWN).count()
    names = ("pk", "low_id", "high_id", "outcome", "confidence", "adjudicated")
    keys, low, high = array("q"), array("q"), array("q")
    outcome, confidence, adjudicated = array("b"), array("d"), array("b")
    complete = rows.filter(state=Comparison.State.RESOLVED).order_by("pk").values_list(*names)
    for key, one, other, who, sure, reviewed in complete.iterator(CHUNK):
        keys.append(key)
        low.append(one)
        high.append(other)
        outcome.append(OUTCOMES.get(who, NEITHER))
        confidence.append(1.0 if sure is None else sure)
        adjudicated.append(reviewed)
    one, other = known.number(np.array(low, np.int64)), known.number(np.array(high, np.int64))
    first, second = np.minimum(one, other), np.maximum(one, other)
    order = np.lexsort((second, first))
    order = order[first[order] >= 0]
    turned = (one > other)[order]
    said = np.array(outcome, np.int8)[order]
    return Pairs(
        np.array(keys, np.int64)[order],
        first[order],
        second[order],
        turned,
        np.where(turned, -said, said).astype(np.int8),
        np.array(confidence, np.float64)[order],
        np.array(adjudicated, np.bool_)[order],
        withdrawn + len(keys) - len(order),
    )


def ballots(project: Project, alias: str, seen: Pairs) -> Ballots:
    """By comparison and then by the person's name."""
    given = Label.objects.using(alias).filter(project=project, kind=Assignment.Kind.WORK, is_current=True)
    names = dict(given.order_by().values_list("annotator", "annotator__username").distinct())
    people = sorted(names, key=lambda pk: names[pk])
    number = {pk: place for place, pk in enumerate(people)}
    keys, annotator, side = array("q"), array("i"), array("b")
    answers = given.order_by("pk").values_list("comparison_id", "annotator_id", "verdict", "low_first")
    for key, person, verdict, low_first in answers.iterator(CHUNK):
        keys.append(key)
        annotator.append(number[person])
        side.append(_side(verdict, low_first))
    comparison = _places(seen.keys, np.array(keys, np.int64))
    cast, who = np.array(side, np.int8), np.array(annotator, np.int32)
    order = np.lexsort((who, comparison))
    order = order[comparison[order] >= 0]
    comparison, cast, who = comparison[order], cast[order], who[order]
    exchanged = seen.turned[comparison] & (cast >= 0)
    return Ballots(comparison, who, np.where(exchanged, 1 - cast, cast).astype(np.int8), people)


def votes(project: Project, alias: str, seen: Pairs, given: Ballots) -> Votes:
    """What the joint rules look at: the ballots, and how each person did on gold comparisons."""
    gold = Label.objects.using(alias).filter(project=project, kind=Assignment.Kind.GOLD, is_current=True)
    counted = gold.filter(agrees__isnull=False).order_by().values("annotator")
    right, total = {}, {}
    for row in counted.annotate(right=Count("pk", filter=Q(agrees=True)), total=Count("pk")):
        right[row["annotator"]], total[row["annotator"]] = row["right"], row["total"]
    return Votes(
        given.comparison,
        given.annotator,
        np.maximum(given.side, -1).astype(np.int8),
        seen.low,
        seen.high,
        np.array([right.get(pk, 0) for pk in given.people], np.int32),
        np.array([total.get(pk, 0) for pk in given.people], np.int32),
    )


def _side(verdict: str, low_first: bool) -> int:
    if verdict == Label.Verdict.FIRST:
        return 0 if low_first else 1
    if verdict == Label.Verdict.SECOND:
        return 1 if low_first else 0
    return TOO_CLOSE if verdict == Label.Verdict.TOO_CLOSE else CANNOT_JUDGE


def _places(keys: Longs, wanted: Longs) -> Ints:
    """Where each wanted key stands in `keys`; −1 where it does not."""
    if not len(keys):
        return np.full(len(wanted), -1, np.int32)
    order = np.argsort(keys)
    at = np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)
    return np.where(keys[order[at]] == wanted, order[at], -1).astype(np.int32)
