"""How many rows a freeze would give now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db.models import Case, Count, F, IntegerField, Sum, Value, When
from django.db.models.functions import Coalesce, Least

from annotation import rules
from annotation.models import Comparison, Pool, Preference, Project, Split, User
from annotation.selectors import tallies
from annotation.services import chosen_rows
from annotation.services.freeze_options import FreezeOptions

MOST_CHOSEN = 20_000  # labels and preferences; with more, choosing the rows takes too long for a page


@dataclass(frozen=True)
class FreezePreview:
    """Rows by split, and the preferences that go along whether they have rows or not.

    Without `counted` these options take a freeze to know: the rows are then counted as None.
    """

    training: int | None
    heldout: int | None
    preferences: int
    left_out: int | None  # decided, but kept out by these options
    ties: int = 0
    inferred: int = 0

    @property
    def counted(self) -> bool:
        return self.training is not None

    @property
    def rows(self) -> int | None:
        if self.training is None or self.heldout is None:
            return None
        return self.training + self.heldout


def of_project(user: User, project: Project, options: FreezeOptions) -> FreezePreview:
    """The rows that the freeze itself would choose; counted in the database where that can choose them."""
    rules.check_manage(user, project)
    kept = Preference.objects.filter(project=project, excluded_at__isnull=False).count()
    size = (Pool.objects.filter(project=project).aggregate(size=Sum("size"))["size"] or 0) - kept
    known = tallies.of_project(project)
    if not options.streams:
        if known.labels + size > MOST_CHOSEN:
            return FreezePreview(None, None, size, None)
        return _chosen(project, options, size)
    counted = {split: _rows(project, split, options) for split in (Split.TRAIN, Split.HELDOUT)}
    training, heldout = counted[Split.TRAIN], counted[Split.HELDOUT]
    return FreezePreview(training, heldout, size, max(0, known.decided - training - heldout))


def _chosen(project: Project, options: FreezeOptions, size: int) -> FreezePreview:
    def at_once(compute: Any) -> Any:
        return compute()

    chosen = chosen_rows.choose(project, "default", options, at_once)
    held = int(chosen.heldout[chosen.strong].sum())
    kinds = np.bincount(chosen.provenance, minlength=len(chosen_rows.PROVENANCE)).tolist()
    reasons = ("unsure", "between_splits", "over_limit")
    return FreezePreview(
        len(chosen.strong) - held,
        held,
        size,
        sum(chosen.left_out[reason] for reason in reasons),
        kinds[chosen_rows.TIE],
        kinds[chosen_rows.INFERRED],
    )


def _rows(project: Project, split: str, options: FreezeOptions) -> int:
    outcomes, most = Comparison.Outcome, options.max_rows_per_strong
    per_strong = (
        Comparison.objects.filter(pool__project=project, pool__split=split)
        .filter(state=Comparison.State.RESOLVED, outcome__in=(outcomes.LOW, outcomes.HIGH))
        .annotate(sure=Coalesce(F("confidence"), 1.0))
        .filter(sure__gte=options.min_confidence)
        .annotate(strong=Case(When(outcome=outcomes.LOW, then=F("low_id")), default=F("high_id")))
        .order_by()
        .values("strong")
        .annotate(found=Count("pk"))
    )
    if most is not None:
        per_strong = per_strong.annotate(kept=Least("found", Value(most, output_field=IntegerField())))
        return per_strong.aggregate(total=Sum("kept"))["total"] or 0
    return per_strong.aggregate(total=Sum("found"))["total"] or 0
