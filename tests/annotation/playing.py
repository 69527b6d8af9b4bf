"""Short hands for tests that label: answer an assignment, label until nothing is left."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import cycle
from uuid import uuid4

from annotation.models import Assignment, Label, Project, User
from annotation.services import assignments, labels
from tests.cast import NOW


def answer(assignment: Assignment, at: datetime = NOW, verdict: str = "") -> Label:
    """Submit a verdict; without one, what the secret margins say."""
    return labels.submit(
        assignment_id=assignment.pk,
        verdict=verdict or truth(assignment),
        by=assignment.annotator,
        at=at,
        key=uuid4(),
    )


def truth(assignment: Assignment) -> str:
    """The stronger side as shown; too close when the margins are equal."""
    low, high = (_margin(side) for side in (assignment.comparison.low, assignment.comparison.high))
    if low == high:
        return "too_close"
    return "first" if (low > high) == assignment.low_first else "second"


def _margin(preference: object) -> float:
    margin = getattr(preference, "score_chosen") - getattr(preference, "score_rejected")  # noqa: B009
    assert isinstance(margin, float)
    return margin


def label_everything(project: Project, people: list[User], at: datetime = NOW, most: int = 10_000) -> int:
    """Everybody in turn takes and answers comparisons until nobody gets one; how many labels that were."""
    given, idle = 0, 0
    for person in cycle(people):
        at += timedelta(seconds=1)
        assignment = assignments.next_for(project=project, by=person, at=at)
        if assignment:
            answer(assignment, at)
        given, idle = (given + 1, 0) if assignment else (given, idle + 1)
        if idle == len(people):
            break
        assert given <= most, "labelling does not come to an end"
    return given
