"""Preferences taken out and put back while a crowd labels."""

from __future__ import annotations

import random

import pytest

from annotation.errors import Conflict
from annotation.models import Comparison, Label, Preference, Project
from annotation.services import analyses, exclusion
from tests.annotation import invariants
from tests.annotation.crowd import TABS, Clock, Tab, together
from tests.cast import Cast, add_preferences, join, make_user

pytestmark = [pytest.mark.either, pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.mark.parametrize("strategy", ["random", "iterative", "active"])
def test_counts_stay_exact_and_nothing_excluded_is_drawn(
    cast: Cast, strategy: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Two of sixteen manage, the others label. Afterwards every counter is recomputed from the rows."""
    Project.objects.filter(pk=cast.project.pk).update(strategy=strategy, labels_per_comparison=2)
    cast.project.refresh_from_db()
    made = add_preferences(cast.project, 20)
    people = [make_user(f"crowd-{number}") for number in range(TABS // 2)]
    for person in people:
        join(cast.project, person)
    clock = Clock()

    def work(number: int) -> None:
        draw = random.Random(number)  # noqa: S311 - test data
        if number >= 2:
            Tab(cast.project, people[number // 2], clock, draw).work(deeds=15)
            return
        for _ in range(12):
            _change(cast, draw.choice(made), draw.random(), clock)

    together(work)
    assert "tried again" not in caplog.text, "the lock order must leave no deadlocks"
    assert Label.objects.count() > 40
    invariants.check(cast.project)
    analyses.recompute(project=cast.project, by=cast.owner, at=clock())
    for row in cast.project.analyses.all():
        analyses.run(row.pk)
        row.refresh_from_db()
        assert row.state == "done", row.error
    for preference in Preference.objects.filter(excluded_at__isnull=False):
        exclusion.include(preference=preference, by=cast.owner, at=clock())
    assert not Comparison.objects.filter(state="withdrawn").exists()
    invariants.check(cast.project)


def _change(cast: Cast, preference: Preference, chance: float, clock: Clock) -> None:
    try:
        if chance < 0.55:
            exclusion.exclude(preference=preference, by=cast.owner, at=clock())
        else:
            exclusion.include(preference=preference, by=cast.admin, at=clock())
    except Conflict:
        return
