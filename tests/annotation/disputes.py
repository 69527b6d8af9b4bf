"""Short hands for tests about disputed comparisons."""

from __future__ import annotations

from datetime import datetime, timedelta

from annotation.models import Comparison, Label, Project, User
from annotation.services import assignments
from tests.annotation.playing import answer
from tests.cast import NOW, Cast, add_preferences


def vote(project: Project, by: User, side: str, at: datetime = NOW) -> Label:
    """Take the next comparison and name this side of it: low, high, or none."""
    held = assignments.next_for(project=project, by=by, at=at)
    assert held
    names = ("first", "second") if held.low_first else ("second", "first")
    verdict = {"low": names[0], "high": names[1], "none": "too_close"}[side]
    return answer(held, at=at, verdict=verdict)


def settings(cast: Cast, size: int = 2, **options: object) -> Project:
    """The cast's project with these settings and so many preferences."""
    options = {"labels_per_comparison": 2} | options
    Project.objects.filter(pk=cast.project.pk).update(**options)
    cast.project.refresh_from_db()
    add_preferences(cast.project, size)
    return cast.project


def differ(cast: Cast, times: int, since: int = 0) -> None:
    """So many comparisons answered differently, a second later each: the queue tells them apart by time."""
    for number in range(times):
        at = NOW + timedelta(seconds=since + number + 1)
        vote(cast.project, cast.ann_one, "low", at)
        vote(cast.project, cast.ann_two, "high", at)


def disputed(cast: Cast, size: int = 2, **options: object) -> Comparison:
    """One comparison that both annotators answered, each for another side."""
    project = settings(cast, size, **options)
    one = vote(project, cast.ann_one, "low")
    two = vote(project, cast.ann_two, "high")
    assert one.comparison_id == two.comparison_id
    return Comparison.objects.get(pk=one.comparison_id)
