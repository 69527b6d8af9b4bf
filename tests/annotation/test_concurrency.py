from __future__ import annotations

import random
from uuid import UUID

import pytest
from django.db import connection

from annotation.models import Anchor, Assignment, Comparison, Label, Project, Split
from annotation.services import assignments, labels
from tests.annotation import invariants
from tests.annotation.crowd import TABS, Clock, Tab, together
from tests.cast import NOW, Cast, add_preferences, join, make_user

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True), pytest.mark.slow]


def _session(number: int) -> object:
    """What tells this thread's database session from the others'."""
    if connection.vendor != "postgresql":
        return id(connection.connection)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()


def test_sixteen_connections_are_really_sixteen(cast: Cast) -> None:
    assert len(set(together(_session))) == TABS


@pytest.mark.parametrize("strategy", ["random", "iterative", "active"])
@pytest.mark.parametrize("overlap", [1, 3])
def test_a_crowd_never_over_collects(
    cast: Cast, strategy: str, overlap: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Two tabs each of eight people; afterwards every counter is recomputed from the rows."""
    Project.objects.filter(pk=cast.project.pk).update(strategy=strategy, labels_per_comparison=overlap, k=2)
    cast.project.refresh_from_db()
    add_preferences(cast.project, 24)
    add_preferences(cast.project, 6, split=Split.HELDOUT)
    people = [make_user(f"crowd-{number}") for number in range(TABS // 2)]
    for person in people:
        join(cast.project, person)
    clock = Clock()

    def work(number: int) -> dict[UUID, int]:
        draw = random.Random(number)  # noqa: S311 - test data
        return Tab(cast.project, people[number // 2], clock, draw).work(deeds=20)

    acknowledged = [kept for tab in together(work) for kept in tab.items()]
    assert len(acknowledged) > 60
    stored = dict(Label.objects.values_list("idempotency_key", "pk"))
    assert {key: stored.get(key) for key, _ in acknowledged} == dict(acknowledged)
    assert len(stored) == len(acknowledged)
    assert "tried again" not in caplog.text, "the lock order must leave no deadlocks"
    assert Anchor.objects.exists() == (strategy != "random")
    invariants.check(cast.project)


def test_last_slot_goes_to_exactly_one(cast: Cast) -> None:
    add_preferences(cast.project, 2)
    people = [make_user(f"crowd-{number}") for number in range(TABS)]
    for person in people:
        join(cast.project, person)
    got = together(lambda number: assignments.next_for(project=cast.project, by=people[number], at=NOW))
    assert len([lease for lease in got if lease]) == 1
    assert Comparison.objects.count() == 1
    invariants.check(cast.project)


def test_one_persons_tabs_hold_three_leases_in_all(cast: Cast) -> None:
    add_preferences(cast.project, 30)

    def take(_: int) -> None:
        held: list[int] = []
        while lease := assignments.next_for(project=cast.project, by=cast.ann_one, at=NOW, exclude=held):
            held.append(lease.pk)

    together(take)
    assert Assignment.objects.filter(state="leased").count() == 3
    invariants.check(cast.project)


def test_one_key_sent_sixteen_times_at_once_makes_one_label(cast: Cast) -> None:
    add_preferences(cast.project, 2)
    held = assignments.next_for(project=cast.project, by=cast.ann_one, at=NOW)
    assert held
    key = UUID(int=7, version=4)
    made = together(
        lambda _: labels.submit(assignment_id=held.pk, verdict="first", by=cast.ann_one, at=NOW, key=key).pk
    )
    assert set(made) == {Label.objects.get().pk}
    invariants.check(cast.project)
