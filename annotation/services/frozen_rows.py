"""What goes into a frozen dataset, read in order and streaming: all preferences, and the decided pairs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.db.models import Case, F, QuerySet, When
from django.db.models.functions import Coalesce

from annotation.models import Comparison, Preference, Project
from annotation.services.freeze_options import FreezeOptions

CHUNK = 1_000  # rows fetched at once
LOW, HIGH = Comparison.Outcome.LOW, Comparison.Outcome.HIGH


def count(project: Project, alias: str) -> int:
    """Preferences and decided comparisons: what progress counts up to."""
    return Preference.objects.using(alias).filter(project=project).count() + decided(project, alias).count()


def preferences(project: Project, alias: str) -> Iterator[dict[str, Any]]:
    """Every preference of the project, by id (its content hash)."""
    query = Preference.objects.using(alias).filter(project=project).order_by("content_hash")
    names = ("content_hash", "split", "prompt", "chosen", "rejected", "score_chosen", "score_rejected")
    for values in query.values_list(*names).iterator(CHUNK):
        yield dict(zip(("id", *names[1:]), values, strict=True))


def rows(project: Project, alias: str, options: FreezeOptions) -> Iterator[dict[str, Any]]:
    """The decided comparisons as (strong, weak), by strong id and then weak id."""
    query = (
        decided(project, alias)
        .annotate(
            strong_id=_side(low=LOW, high=HIGH),
            weak_id=_side(low=HIGH, high=LOW),
            sure=Coalesce(F("confidence"), 1.0),
        )
        .filter(sure__gte=options.min_confidence)
        .order_by("strong_id", "weak_id")
        .values_list("strong_id", "weak_id", "pool__split", "sure")
    )
    for strong_id, group in groupby(query.iterator(CHUNK), key=itemgetter(0)):
        for _, weak_id, split, confidence in _kept(strong_id, group, options.max_rows_per_strong):
            yield {
                "strong_id": strong_id,
                "weak_id": weak_id,
                "split": split,
                "confidence": confidence,
                "provenance": "label",
            }


def decided(project: Project, alias: str = "default") -> QuerySet[Comparison]:
    """The comparisons that have a winner."""
    resolved = Comparison.objects.using(alias).filter(pool__project=project, state=Comparison.State.RESOLVED)
    return resolved.filter(outcome__in=(LOW, HIGH))


def _side(*, low: str, high: str) -> Case:
    """The content hash of low where the outcome is `low`, of high where it is `high`."""
    return Case(
        When(outcome=low, then=F("low__content_hash")), When(outcome=high, then=F("high__content_hash"))
    )


def _kept(strong_id: str, group: Iterable[tuple[Any, ...]], most: int | None) -> list[tuple[Any, ...]]:
    """At most `most` rows of one strong preference: the surest, then by a hash of the pair.

    Taking the smallest weak ids instead would favour the same weak preferences everywhere.
    """
    found = list(group)
    if most is None or len(found) <= most:
        return found

    def rank(row: tuple[Any, ...]) -> tuple[float, bytes]:
        return -row[3], hashlib.sha256(f"{strong_id}{row[1]}".encode()).digest()

    return sorted(sorted(found, key=rank)[:most], key=itemgetter(1))
