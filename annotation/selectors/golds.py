"""Gold comparisons and how they were answered. Managers only: the answers are among them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet

from annotation import rules
from annotation.errors import NotFound
from annotation.models import Assignment, Comparison, Gold, Label, Project, User

Kind = Assignment.Kind
CHECKS = (Kind.GOLD, Kind.PRACTICE)


@dataclass(frozen=True)
class Answered:
    """How often a gold was answered, and how often rightly."""

    times: int = 0
    right: int = 0

    @property
    def share(self) -> float | None:
        """The share of right answers; None when there are none."""
        return self.right / self.times if self.times else None


@dataclass(frozen=True)
class Usable:
    """Golds in use of each kind."""

    check: int
    practice: int


def of_project(user: User, project: Project) -> QuerySet[Gold]:
    """The project's golds with both preferences, the oldest first."""
    rules.check_manage(user, project)
    rows = Gold.objects.filter(project=project)
    return rows.select_related("comparison__low", "comparison__high", "created_by").order_by("pk")


def get(user: User, project: Project, gold_id: int) -> Gold:
    """One gold of the project.

    Raises:
        NotFound, NotAllowed: not a manager, or no such gold.
    """
    found = of_project(user, project).filter(pk=gold_id).first()
    if found is None:
        raise NotFound("gold_not_found", "There is no such gold comparison in this project.")
    return found


def answered(golds: Iterable[Gold]) -> dict[int, Answered]:
    """How these golds were answered, by their ids. One query over the answers to them alone."""
    by_comparison = {gold.comparison_id: gold.pk for gold in golds}
    rows = Label.objects.filter(comparison__in=by_comparison, kind__in=CHECKS, is_current=True)
    counted = (
        rows.order_by()
        .values("comparison")
        .annotate(times=Count("pk"), right=Count("pk", filter=Q(agrees=True)))
    )
    found = {by_comparison[row["comparison"]]: Answered(row["times"], row["right"]) for row in counted}
    return {pk: found.get(pk, Answered()) for pk in by_comparison.values()}


def usable(user: User, project: Project) -> Usable:
    """How many golds can be handed out."""
    rules.check_manage(user, project)
    rows = Gold.objects.filter(project=project, retired_at=None)
    counts = dict(rows.order_by().values_list("use").annotate(Count("pk")))
    return Usable(counts.get(Gold.Use.CHECK, 0), counts.get(Gold.Use.PRACTICE, 0))


def candidates(user: User, project: Project, words: str = "", most: int = 10) -> list[Comparison]:
    """Decided comparisons that are no gold yet, the latest first; `words`: a comparison's id, or nothing."""
    rules.check_manage(user, project)
    rows = Comparison.objects.filter(
        pool__project=project, state=Comparison.State.RESOLVED, outcome__in=("low", "high"), gold=None
    )
    if number := words.strip()[:18]:
        rows = rows.filter(pk=int(number)) if number.isdecimal() else rows.none()
    return list(rows.select_related("low", "high").order_by("-pk")[:most])
