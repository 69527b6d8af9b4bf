"""Raising k or the labels per comparison in the middle of the work: nothing lost, nothing done twice."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models import Model
from django.utils import timezone

from annotation.errors import Conflict, Invalid
from annotation.models import (
    Analysis,
    Anchor,
    Assignment,
    AuditEntry,
    Comparison,
    Label,
    LabelEvent,
    Membership,
    Pool,
    Project,
)
from annotation.selectors import tallies
from annotation.services import assignments, history, projects, raising, raising_batch
from tests.annotation import invariants
from tests.annotation.crowd import TABS, Clock, Tab, apart, together, waiters
from tests.annotation.playing import answer, label_everything
from tests.annotation.test_history import freeze
from tests.cast import NOW, Cast, add_preferences, join, make_user

pytestmark = [pytest.mark.either, pytest.mark.django_db]
LATER = NOW + timedelta(hours=2)


def work(cast: Cast, strategy: str = "random", size: int = 8, **options: object) -> Project:
    """A project in which everything is labelled."""
    Project.objects.filter(pk=cast.project.pk).update(strategy=strategy, **options)
    cast.project.refresh_from_db()
    add_preferences(cast.project, size)
    label_everything(cast.project, [cast.ann_one, cast.ann_two])
    return cast.project


def lift(cast: Cast, **new: int) -> Project:
    """Raise, and do the worker's part."""
    project = projects.update(project=cast.project, by=cast.admin, at=LATER, **new)
    raising.run(project.pk)
    cast.project.refresh_from_db()
    return project


@pytest.mark.parametrize("strategy", ["random", "iterative"])
@pytest.mark.parametrize(
    "new", [{"k": 4}, {"labels_per_comparison": 2}, {"k": 3, "labels_per_comparison": 2}]
)
def test_every_count_holds_after_a_raise_and_after_the_work_it_asks_for(
    cast: Cast, strategy: str, new: dict[str, int]
) -> None:
    work(cast, strategy)
    kept = set(Label.objects.filter(is_current=True).values_list("pk", flat=True))
    lift(cast, **new)
    invariants.check(cast.project)
    assert label_everything(cast.project, [cast.ann_one, cast.ann_two], LATER) > 0
    invariants.check(cast.project)
    assert kept <= set(Label.objects.filter(is_current=True).values_list("pk", flat=True))


def test_a_higher_attempt_cap_opens_exhausted_anchors(cast: Cast) -> None:
    work(cast, "iterative", size=12, attempt_cap=1)
    before = Anchor.objects.filter(state="exhausted").count()
    assert before
    lift(cast, attempt_cap=3)
    assert Anchor.objects.filter(state="exhausted").count() < before
    invariants.check(cast.project)


def test_wins_that_were_a_surplus_fill_the_higher_quota(cast: Cast) -> None:
    work(cast, "iterative", size=16, k=1)
    surplus = Comparison.objects.filter(state="resolved", outcome__in=("low", "high"), credited=None).count()
    assert surplus
    lift(cast, k=8)
    assert not Comparison.objects.filter(outcome__in=("low", "high"), credited=None).exists()
    invariants.check(cast.project)


def test_comparisons_ask_only_for_the_labels_that_are_missing(cast: Cast) -> None:
    work(cast)
    made = Comparison.objects.count()
    lift(cast, labels_per_comparison=2)
    assert tallies.of_project(cast.project).open == made
    assert set(Comparison.objects.values_list("needed", "label_count", "free_slots")) == {(2, 1, 1)}
    label_everything(cast.project, [cast.ann_one, cast.ann_two], LATER)
    assert set(Comparison.objects.filter(created_at__lte=NOW).values_list("label_count", flat=True)) <= {2}
    assert tallies.of_project(cast.project).open == 0


@pytest.mark.parametrize("name", ["k", "attempt_cap", "labels_per_comparison"])
def test_lowering_is_refused_in_words(cast: Cast, name: str) -> None:
    work(cast, **{name: 3})  # type: ignore[arg-type]
    with pytest.raises(Conflict, match="can only be raised"):
        projects.update(project=cast.project, by=cast.owner, at=LATER, **{name: 2})


def test_a_value_out_of_range_raises_nothing(cast: Cast) -> None:
    work(cast)
    with pytest.raises(Invalid):
        projects.update(project=cast.project, by=cast.owner, at=LATER, k=65)
    assert not Analysis.objects.exists()


def test_before_drawing_values_change_freely(cast: Cast) -> None:
    add_preferences(cast.project, 4)
    projects.update(project=cast.project, by=cast.owner, at=NOW, k=1, labels_per_comparison=3)
    assert not Analysis.objects.exists()


def test_the_trail_says_old_and_new(cast: Cast) -> None:
    work(cast, k=2)
    lift(cast, k=3, labels_per_comparison=2)
    entry = AuditEntry.objects.get(verb="project.raised")
    assert (entry.actor, entry.details) == (cast.admin, {"k": [2, 3], "labels_per_comparison": [1, 2]})


def test_a_killed_worker_goes_on_where_it_was(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raising_batch, "BATCH", 3)
    work(cast)
    projects.update(project=cast.project, by=cast.owner, at=LATER, labels_per_comparison=2)
    Analysis.objects.update(state="running", heartbeat_at=NOW)
    assert raising._next_batch(cast.project.pk)
    assert Comparison.objects.filter(needed=2).count() == 3
    invariants.check(cast.project)
    Analysis.objects.update(heartbeat_at=NOW)  # the worker has been dead for long
    raising.run(cast.project.pk)
    job = Analysis.objects.get()
    assert (job.state, job.result["done"]) == ("done", Comparison.objects.count())
    invariants.check(cast.project)


def test_two_workers_do_not_both_raise(cast: Cast) -> None:
    work(cast)
    projects.update(project=cast.project, by=cast.owner, at=LATER, labels_per_comparison=2)
    Analysis.objects.update(state="running", heartbeat_at=timezone.now())
    raising.run(cast.project.pk)
    assert not Comparison.objects.filter(needed=2).exists()


def test_a_label_frozen_before_the_raise_is_still_corrected_with_a_reason(cast: Cast) -> None:
    work(cast, size=2)
    label = Label.objects.get(is_current=True)
    freeze(cast, LATER - timedelta(hours=1))
    lift(cast, labels_per_comparison=2)
    with pytest.raises(Invalid, match="Say why"):
        history.undo(label_id=label.pk, by=label.annotator, at=LATER)
    history.undo(label_id=label.pk, by=label.annotator, at=LATER, correction="Slip")
    assert LabelEvent.objects.filter(kind="corrected").count() == 1
    invariants.check(cast.project)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("strategy", ["random", "iterative"])
def test_a_raise_among_a_crowd_leaves_every_count_exact(cast: Cast, strategy: str) -> None:
    """Two tabs each of seven people label while k, then the labels per comparison are raised."""
    Project.objects.filter(pk=cast.project.pk).update(strategy=strategy, k=1)
    cast.project.refresh_from_db()
    add_preferences(cast.project, 24)
    people = [make_user(f"crowd-{number}") for number in range(TABS // 2)]
    for person in people:
        join(cast.project, person)
    clock, third = Clock(), threading.Barrier(2)

    def deed(number: int) -> None:
        if number < 2:
            third.wait(timeout=60)
            new = {"k": 3} if number else {"labels_per_comparison": 2}
            projects.update(project=cast.project, by=cast.owner, at=clock(), **new)
            raising.run(cast.project.pk)
            return
        Tab(cast.project, people[number // 2], clock, random.Random(number)).work(deeds=20)  # noqa: S311

    together(deed)
    raising.run(cast.project.pk)  # the bell of whoever was raised last
    cast.project.refresh_from_db()
    assert (cast.project.k, cast.project.labels_per_comparison) == (3, 2)
    assert set(Comparison.objects.values_list("needed", flat=True)) == {2}
    invariants.check(cast.project)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_who_waited_while_the_labels_were_raised_draws_by_the_new_number(cast: Cast) -> None:
    """Their membership comes with the project as it was before the wait; the worker may have been through."""
    Project.objects.filter(pk=cast.project.pk).update(strategy="iterative")
    add_preferences(cast.project, 8)
    held = assignments.next_for(project=cast.project, by=cast.ann_one, at=NOW)
    assert held
    answer(held)

    def draw() -> int:
        try:
            drawn = assignments.next_for(project=cast.project, by=cast.ann_one, at=LATER)
            return drawn.comparison.needed if drawn else 0
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as threads:
        with transaction.atomic():
            Membership.objects.select_for_update().get(project=cast.project, user=cast.ann_one)
            waiting = threads.submit(draw)
            while waiters() < 1 and not waiting.done():
                continue
            new = {"project": cast.project, "by": cast.owner, "at": LATER, "labels_per_comparison": 2}
            threads.submit(apart, projects.update, **new).result()
        assert waiting.result() == 2


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("waited_for", [Membership, Pool])
def test_who_waited_while_the_project_was_paused_is_given_nothing(
    cast: Cast, waited_for: type[Model]
) -> None:
    add_preferences(cast.project, 8)
    assignments.next_for(project=cast.project, by=cast.ann_two, at=NOW)  # each has joined before

    def draw() -> Assignment | None:
        try:
            return assignments.next_for(project=cast.project, by=cast.ann_one, at=LATER)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as threads:
        with transaction.atomic():
            list(waited_for._default_manager.select_for_update().filter(project=cast.project))
            waiting = threads.submit(draw)
            while waiters() < 1 and not waiting.done():
                continue
            paused = {"project": cast.project, "by": cast.owner, "at": LATER}
            threads.submit(apart, projects.pause, **paused).result()
        assert waiting.result() is None


def test_a_new_value_counts_for_the_next_draw_at_once(cast: Cast) -> None:
    work(cast, size=4)
    add_preferences(cast.project, 4)
    projects.update(project=cast.project, by=cast.owner, at=LATER, labels_per_comparison=2)
    held = assignments.next_for(project=cast.project, by=cast.ann_one, at=LATER)
    assert held
    answer(held, LATER)
    assert Comparison.objects.get(pk=held.comparison_id).needed == 2


def test_an_archived_project_is_not_changed(cast: Cast) -> None:
    work(cast, size=2)
    projects.archive(project=cast.project, by=cast.owner, at=NOW)
    with pytest.raises(Conflict, match="reopen it before"):
        projects.update(project=cast.project, by=cast.owner, at=LATER, k=5)
    projects.reopen(project=cast.project, by=cast.owner, at=LATER)
    assert projects.update(project=cast.project, by=cast.owner, at=LATER, k=5).k == 5


def test_a_paused_project_hands_out_nothing_and_takes_what_is_open(cast: Cast) -> None:
    add_preferences(cast.project, 4)
    held = assignments.next_for(project=cast.project, by=cast.ann_one, at=NOW)
    assert held
    projects.pause(project=cast.project, by=cast.owner, at=NOW)
    assert assignments.next_for(project=cast.project, by=cast.ann_two, at=NOW) is None
    assert assignments.heartbeat(assignment_ids=[held.pk], by=cast.ann_one, at=NOW) == [held.pk]
    label = answer(held)
    history.undo(label_id=label.pk, by=cast.ann_one, at=LATER)
    invariants.check(cast.project)
