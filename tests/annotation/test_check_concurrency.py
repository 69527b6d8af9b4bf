from __future__ import annotations

import random
from contextlib import suppress
from uuid import UUID

import pytest

from annotation.errors import Conflict
from annotation.models import Assignment, Gold, Label, Project
from annotation.selectors import tallies
from annotation.services import assignments, gold_sampling
from tests.annotation import invariants
from tests.annotation.checked import golds, project_with
from tests.annotation.crowd import TABS, Clock, Tab, together
from tests.annotation.playing import answer
from tests.cast import NOW, Cast, join, make_user

pytestmark = [pytest.mark.either, pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.mark.parametrize("strategy", ["random", "iterative"])
def test_a_crowd_at_work_and_checks_counts_each_exactly(
    cast: Cast, strategy: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Two tabs each of eight people answer, leave, repeat and take back; then the rows are counted again."""
    project = project_with(
        cast,
        size=30,
        strategy=strategy,
        labels_per_comparison=2,
        gold_percent=25,
        retest_percent=25,
        practice_size=2,
    )
    golds(cast, 10)
    golds(cast, 2, Gold.Use.PRACTICE)
    people = [make_user(f"crowd-{number}") for number in range(TABS // 2)]
    for person in people:
        join(project, person)
    clock = Clock()

    def work(number: int) -> dict[UUID, int]:
        draw = random.Random(number)  # noqa: S311 - test data
        return Tab(project, people[number // 2], clock, draw).work(deeds=25)

    acknowledged = [kept for tab in together(work) for kept in tab.items()]
    stored = dict(Label.objects.values_list("idempotency_key", "pk"))
    assert {key: stored.get(key) for key, _ in acknowledged} == dict(acknowledged)
    assert "tried again" not in caplog.text, "the lock order must leave no deadlocks"
    assert {"work", "gold", "practice"} <= set(Label.objects.values_list("kind", flat=True))
    assert tallies.of_project(project).gold > 0
    per_person = Assignment.objects.filter(kind="gold").values_list("annotator", "comparison")
    assert len(set(per_person)) == len(per_person)
    invariants.check(project)


def test_two_tabs_in_the_practice_round_get_no_work_before_it_is_over(cast: Cast) -> None:
    project = project_with(cast, practice_size=2)
    golds(cast, 3, Gold.Use.PRACTICE)
    leases = together(lambda _: assignments.next_for(project=project, by=cast.ann_one, at=NOW))
    assert {lease.kind for lease in leases if lease} == {"practice"}
    for lease in Assignment.objects.filter(state="leased"):
        answer(lease)
    assert Assignment.objects.filter(kind="work").count() == 0


def test_gold_made_while_others_draw_is_never_work_too(cast: Cast) -> None:
    project = project_with(cast, size=8, k=4)

    def deed(number: int) -> None:
        if number % 4 == 0:
            gold_sampling.from_scores(
                project=project, count=2, min_gap=0.5, use="check", by=cast.owner, at=NOW, seed=number
            )
        else:
            person = cast.ann_one if number % 2 else cast.ann_two
            lease = assignments.next_for(project=project, by=person, at=NOW)
            with suppress(Conflict):  # another tab of the same person answered it
                if lease:
                    answer(lease)

    for _ in range(3):
        together(deed)
    assert Gold.objects.filter(comparison__needed=0).exists()
    mixed = Assignment.objects.filter(kind="work", comparison__needed=0)
    assert not mixed.exists()
    assert Project.objects.get(pk=project.pk).golds.count() == Gold.objects.count()
    invariants.check(project)
