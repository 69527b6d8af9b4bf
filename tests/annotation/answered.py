"""Short hands for tests about quality: people who answered the same comparisons, counted in."""

from __future__ import annotations

from itertools import combinations
from uuid import uuid4

from django.db.models import F

from annotation.models import Comparison, Project, User
from annotation.services import folding, labels, leases
from tests import pairs
from tests.annotation.disputes import settings, vote
from tests.cast import NOW, Cast

NAMES = {"l": "low", "h": "high", "n": "none"}


def answered(cast: Cast, sides: str, others: str, size: int = 8) -> Project:
    """Both annotators answered as many comparisons: l for low, h for high, n for neither. All are folded."""
    project = settings(cast, size)
    sorted_pairs = combinations(project.preferences.order_by("pk"), 2)
    for (low, high), one, other in zip(sorted_pairs, sides, others, strict=False):
        comparison = pairs.compared(cast, low, high)
        answer(comparison, project, cast.ann_one, NAMES[one])
        answer(comparison, project, cast.ann_two, NAMES[other])
    folding.fold_waiting()
    assert not Comparison.objects.filter(needs_fold=True).exists()
    return project


def answer(comparison: Comparison, project: Project, by: User, side: str) -> None:
    """Take this very comparison and name this side of it."""
    comparison.refresh_from_db()
    lease = leases.grant(comparison=comparison, project=project, by=by, at=NOW)
    assert lease
    Comparison.objects.filter(pk=comparison.pk).update(free_slots=F("free_slots") - 1)
    labels.submit(assignment_id=lease.pk, verdict=pairs.verdict(lease, side), by=by, at=NOW, key=uuid4())


def one_more(project: Project, by: User, side: str = "low") -> None:
    """An answer that is not folded."""
    vote(project, by, side)
