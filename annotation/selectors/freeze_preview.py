"""How many rows a freeze would give now, counted in the database."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Case, Count, F, IntegerField, Sum, Value, When
from django.db.models.functions import Coalesce, Least

from annotation import rules
from annotation.models import Comparison, Pool, Project, Split, User


@dataclass(frozen=True)
class FreezePreview:
    """Rows by split, and the preferences that go along whether they have rows or not."""

    training: int
    heldout: int
    preferences: int

    @property
    def rows(self) -> int:
        return self.training + self.heldout


def of_project(
    user: User, project: Project, *, max_rows_per_strong: int | None, min_confidence: float
) -> FreezePreview:
    """The same choice of rows as the freeze makes: decided, sure enough, at most so many a strong side."""
    rules.check_manage(user, project)
    pools = dict(Pool.objects.filter(project=project).values_list("split", "size"))
    counted = {
        split: _rows(project, split, max_rows_per_strong, min_confidence)
        for split in (Split.TRAIN, Split.HELDOUT)
    }
    return FreezePreview(counted[Split.TRAIN], counted[Split.HELDOUT], sum(pools.values()))


def _rows(project: Project, split: str, most: int | None, least: float) -> int:
    outcomes = Comparison.Outcome
    per_strong = (
        Comparison.objects.filter(pool__project=project, pool__split=split)
        .filter(outcome__in=(outcomes.LOW, outcomes.HIGH))
        .annotate(sure=Coalesce(F("confidence"), 1.0))
        .filter(sure__gte=least)
        .annotate(strong=Case(When(outcome=outcomes.LOW, then=F("low_id")), default=F("high_id")))
        .order_by()
        .values("strong")
        .annotate(found=Count("pk"))
    )
    if most is not None:
        per_strong = per_strong.annotate(kept=Least("found", Value(most, output_field=IntegerField())))
        return per_strong.aggregate(total=Sum("kept"))["total"] or 0
    return per_strong.aggregate(total=Sum("found"))["total"] or 0
