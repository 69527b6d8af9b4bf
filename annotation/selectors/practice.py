"""Where a person is in their practice round, and what they are told after an answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef

from annotation.consensus import vote_of
from annotation.models import Assignment, Comparison, Gold, Label, Project, User

Kind = Assignment.Kind


@dataclass(frozen=True)
class Step:
    comparison_id: int
    answered: bool


def steps(project_id: int, user_id: int, size: int) -> list[Step]:
    """The practice comparisons of the project, the same for everybody: the oldest `size` in use."""
    given = Assignment.objects.filter(
        comparison=OuterRef("comparison"),
        annotator=user_id,
        kind=Kind.PRACTICE,
        state=Assignment.State.LABELLED,
    )
    golds = Gold.objects.filter(project=project_id, use=Gold.Use.PRACTICE, retired_at=None)
    golds = golds.exclude(comparison__state=Comparison.State.WITHDRAWN)
    rows = golds.order_by("pk").annotate(answered=Exists(given)).values_list("comparison_id", "answered")
    return [Step(comparison_id, answered) for comparison_id, answered in rows[:size]]


def place(assignment: Assignment) -> dict[str, int] | None:
    """`{"number": 1, "of": 3}` for a practice card; None for every other."""
    if assignment.kind != Kind.PRACTICE:
        return None
    found = steps(assignment.project_id, assignment.annotator_id, assignment.project.practice_size)
    ids = [step.comparison_id for step in found]
    number = ids.index(assignment.comparison_id) + 1 if assignment.comparison_id in ids else len(ids)
    return {"number": number, "of": len(ids)}


def feedback(label: Label) -> dict[str, Any] | None:
    """Whether a practice answer was right, which side is stronger, and why; None for every other answer."""
    if label.kind != Kind.PRACTICE:
        return None
    gold = Gold.objects.get(comparison=label.comparison_id)
    answer = Label.Verdict.FIRST if vote_of("first", label.low_first) == gold.answer else Label.Verdict.SECOND
    return {"right": bool(label.agrees), "answer": answer.value, "explanation": gold.explanation}


def waits(user: User, project: Project) -> bool:
    """Whether the person has to answer a practice comparison they hold before there is work for them."""
    if not project.practice_size:
        return False
    held = Assignment.objects.filter(
        project=project, annotator=user, kind=Kind.PRACTICE, state=Assignment.State.LEASED
    )
    return held.filter(project__memberships__user=user, project__memberships__practised_at=None).exists()
