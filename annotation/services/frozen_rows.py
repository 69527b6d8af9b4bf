"""What goes into a frozen dataset, read in order and streaming: all preferences, and the decided pairs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

import orjson
from django.db.models import Case, Count, F, Q, QuerySet, Sum, TextField, When
from django.db.models.functions import Cast, Coalesce

from annotation.models import Comparison, Preference, Project
from annotation.services.freeze_options import FreezeOptions

CHUNK = 1_000  # rows fetched at once
TEXTS = ("prompt", "chosen", "rejected")
LOW, HIGH = Comparison.Outcome.LOW, Comparison.Outcome.HIGH


def count(project: Project, alias: str) -> int:
    """Preferences and decided comparisons: what progress counts up to."""
    return Preference.objects.using(alias).filter(project=project).count() + decided(project, alias).count()


def labels(project: Project, alias: str) -> dict[str, int]:
    """How many labels people had given by then, by split: also those that made no row."""
    counted = work(project, alias).values("pool__split").order_by().annotate(count=Sum("label_count"))
    return {row["pool__split"]: row["count"] for row in counted}


def preferences(
    project: Project, alias: str, splits: Callable[[str, str], str] = lambda digest, split: split
) -> Iterator[dict[str, Any]]:
    """Every preference that is not excluded, by id (its content hash); `splits` may change the split."""
    query = Preference.objects.using(alias).filter(project=project, excluded_at=None).order_by("content_hash")
    # As text, for orjson: Django would parse each with json, which took most of a freeze's time.
    texts = {f"{name}_json": Cast(name, TextField()) for name in TEXTS}
    names = ("content_hash", "split", *texts, "score_chosen", "score_rejected")
    rows = query.annotate(**texts).values_list(*names)
    for digest, split, prompt, chosen, rejected, score_chosen, score_rejected in rows.iterator(CHUNK):
        yield {
            "id": digest,
            "split": splits(digest, split),
            "prompt": orjson.loads(prompt),
            "chosen": orjson.loads(chosen),
            "rejected": orjson.loads(rejected),
            "score_chosen": score_chosen,
            "score_rejected": score_rejected,
        }


def weight(preference: dict[str, Any]) -> int:
    """Its texts' characters."""
    return sum(len(message["content"]) for name in TEXTS for message in preference[name])


def rows(
    project: Project, alias: str, options: FreezeOptions, left_out: dict[str, int]
) -> Iterator[dict[str, Any]]:
    """The decided comparisons as (strong, weak), by strong id and then weak id.

    `left_out` is told how many are not among them, by reason.
    """
    left_out |= _left_out(project, alias, options) | {"over_limit": 0}
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
        found = list(group)
        kept = _kept(strong_id, found, options.max_rows_per_strong)
        left_out["over_limit"] += len(found) - len(kept)
        for _, weak_id, split, confidence in kept:
            yield {
                "strong_id": strong_id,
                "weak_id": weak_id,
                "split": split,
                "confidence": confidence,
                "provenance": "label",
            }


def decided(project: Project, alias: str = "default") -> QuerySet[Comparison]:
    """The comparisons that have a winner, but for those that an excluded preference is in."""
    return complete(project, alias).filter(outcome__in=(LOW, HIGH))


def complete(project: Project, alias: str = "default") -> QuerySet[Comparison]:
    """The comparisons that have all their labels; excluding a preference withdraws those it is in."""
    return work(project, alias).filter(state=Comparison.State.RESOLVED)


def work(project: Project, alias: str) -> QuerySet[Comparison]:
    """The comparisons that were drawn: one that was made to be gold wants no label and decides nothing."""
    return Comparison.objects.using(alias).filter(pool__project=project, needed__gt=0)


def _left_out(project: Project, alias: str, options: FreezeOptions) -> dict[str, int]:
    found = work(project, alias)
    resolved = Q(state=Comparison.State.RESOLVED)
    won = resolved & Q(outcome__in=(LOW, HIGH))
    counted: dict[str, int] = found.aggregate(
        excluded=Count("pk", filter=Q(state=Comparison.State.WITHDRAWN)),
        no_winner=Count("pk", filter=resolved & ~Q(outcome__in=(LOW, HIGH))),
        unsure=Count("pk", filter=won & Q(confidence__lt=options.min_confidence)),
    )
    return counted


def _side(*, low: str, high: str) -> Case:
    """The content hash of low where the outcome is `low`, of high where it is `high`."""
    return Case(
        When(outcome=low, then=F("low__content_hash")), When(outcome=high, then=F("high__content_hash"))
    )


def _kept(strong_id: str, found: list[tuple[Any, ...]], most: int | None) -> list[tuple[Any, ...]]:
    """At most `most` rows of one strong preference: the surest, then by a hash of the pair.

    Taking the smallest weak ids instead would favour the same weak preferences everywhere.
    """
    if most is None or len(found) <= most:
        return found

    def rank(row: tuple[Any, ...]) -> tuple[float, bytes]:
        return -row[3], hashlib.sha256(f"{strong_id}{row[1]}".encode()).digest()

    return sorted(sorted(found, key=rank)[:most], key=itemgetter(1))
