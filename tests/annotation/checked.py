"""Projects with gold, retests or practice, for the tests of checks."""

from __future__ import annotations

from datetime import timedelta

from annotation.models import Assignment, Gold, Label, Project, User
from annotation.services import assignments, gold_sampling
from tests.annotation.playing import answer
from tests.cast import NOW, Cast, add_preferences


def project_with(cast: Cast, size: int = 60, **settings: object) -> Project:
    """The cast's project with scored preferences and these settings."""
    Project.objects.filter(pk=cast.project.pk).update(**settings)
    cast.project.refresh_from_db()
    add_preferences(cast.project, size)
    return cast.project


def golds(cast: Cast, count: int, use: str = Gold.Use.CHECK) -> list[Gold]:
    """`count` golds from scores, their margins two or more apart."""
    made = gold_sampling.from_scores(
        project=cast.project, count=count, min_gap=2.0, use=use, by=cast.owner, at=NOW
    )
    assert made.made == count
    return list(Gold.objects.filter(project=cast.project, use=use).order_by("-pk")[:count])


def work_on(project: Project, person: User, count: int, first: int = 0, verdict: str = "") -> list[Label]:
    """Take and answer up to `count` comparisons, one a second."""
    given: list[Label] = []
    for second in range(first, first + count):
        at = NOW + timedelta(seconds=second)
        lease = assignments.next_for(project=project, by=person, at=at)
        if lease is None:
            break
        given.append(answer(lease, at, verdict))
    return given


def next_of_kind(project: Project, person: User, kind: str, most: int = 200) -> Assignment:
    """Answer what comes until a comparison of this kind does; it is left unanswered."""
    for second in range(most):
        at = NOW + timedelta(seconds=second)
        lease = assignments.next_for(project=project, by=person, at=at)
        assert lease, f"no {kind} before the work ran out"
        if lease.kind == kind:
            return lease
        answer(lease, at)
    raise AssertionError(f"no {kind} in {most} comparisons")
