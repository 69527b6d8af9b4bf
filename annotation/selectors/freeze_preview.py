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
    left_out: int  # decided, but not sure enough or more than so many a strong side

    @property
    def rows(self) -> int:
        return self.training + self.heldout


def of_project(
    user: User, project: Project, *, max_rows_per_strong: int | None, min_confidence: float
) -> FreezePreview:
    """The same choice of rows as the freeze makes: decided, sure enough, at most so many a strong side."""
    rules.check_manage(user, project)
    pools = Pool.objects.filter(project=project).aggregate(size=Sum("size"), decided=Sum("decided"))
    counted = {
        split: _rows(project, split, max_rows_per_strong, min_confidence)
        for split in (Split.TRAIN, Split.HELDOUT)
    }
    training, heldout = counted[Split.TRAIN], counted[Split.HELDOUT]
    return FreezePreview(training, heldout, pools["size"], pools["decided"] - training - heldout)


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
