from __future__ import annotations

from datetime import timedelta

import pytest

from annotation.errors import Conflict, NotAllowed
from annotation.models import Assignment, Gold, Label, Membership, Project, Tally, User
from annotation.selectors import practice as seen
from annotation.selectors import queue
from annotation.services import assignments, labels, practice
from tests.annotation import invariants
from tests.annotation.checked import golds, project_with, work_on
from tests.annotation.playing import answer
from tests.cast import NOW, Cast

pytestmark = pytest.mark.either
Kind = Assignment.Kind


def _practising(cast: Cast, size: int = 3, made: int = 5) -> Project:
    project = project_with(cast, practice_size=size)
    golds(cast, made, Gold.Use.PRACTICE)
    return project


def _next(project: Project, person: User, exclude: list[int] | None = None) -> Assignment | None:
    return assignments.next_for(project=project, by=person, at=NOW, exclude=exclude or [])


def _member(cast: Cast) -> Membership:
    return Membership.objects.get(project=cast.project, user=cast.ann_one)


def test_the_first_comparisons_are_practice_and_then_comes_work(cast: Cast) -> None:
    project = _practising(cast)
    for number in (1, 2, 3):
        lease = _next(project, cast.ann_one)
        assert lease
        assert lease.kind == Kind.PRACTICE
        assert queue.card(lease)["practice"] == {"number": number, "of": 3}
        assert _member(cast).practised_at is None
        answer(lease)
    lease = _next(project, cast.ann_one)
    assert lease
    assert lease.kind == Kind.WORK
    assert queue.card(lease)["practice"] is None
    assert _member(cast).practised_at == NOW


def test_with_fewer_practice_golds_all_there_are_are_practised(cast: Cast) -> None:
    project = _practising(cast, size=5, made=2)
    kinds = [label.kind for label in work_on(project, cast.ann_one, 3)]
    assert kinds == [Kind.PRACTICE, Kind.PRACTICE, Kind.WORK]


def test_without_practice_golds_work_begins_at_once(cast: Cast) -> None:
    project = project_with(cast, practice_size=5)
    assert work_on(project, cast.ann_one, 1)[0].kind == Kind.WORK
    assert _member(cast).practised_at is not None


def test_whoever_has_worked_before_does_not_practise(cast: Cast) -> None:
    project = project_with(cast)
    work_on(project, cast.ann_one, 1)
    Project.objects.filter(pk=project.pk).update(practice_size=3)
    golds(cast, 3, Gold.Use.PRACTICE)
    assert work_on(project, cast.ann_one, 1)[0].kind == Kind.WORK
    assert work_on(project, cast.ann_two, 1)[0].kind == Kind.PRACTICE


def test_there_is_no_work_beside_an_unanswered_practice_comparison(cast: Cast) -> None:
    project = _practising(cast, size=2)
    one = _next(project, cast.ann_one)
    assert one
    other = _next(project, cast.ann_one, [one.pk])
    assert other
    assert (one.kind, other.kind) == (Kind.PRACTICE, Kind.PRACTICE)
    assert _next(project, cast.ann_one, [one.pk, other.pk]) is None
    assert queue.why_empty(cast.ann_one, project, NOW).code == "practice"
    answer(one)
    assert _next(project, cast.ann_one, [other.pk]) is None
    answer(other)
    lease = _next(project, cast.ann_one)
    assert lease
    assert lease.kind == Kind.WORK


def test_feedback_names_the_side_as_it_was_shown(cast: Cast) -> None:
    project = _practising(cast)
    lease = _next(project, cast.ann_one)
    assert lease
    Gold.objects.filter(comparison=lease.comparison_id).update(answer="low", explanation="By far.")
    stronger = "first" if lease.low_first else "second"
    right = answer(lease, verdict=stronger)
    assert seen.feedback(right) == {"right": True, "answer": stronger, "explanation": "By far."}
    lease = _next(project, cast.ann_one)
    assert lease
    wrong = answer(lease, verdict="too_close")
    told = seen.feedback(wrong)
    assert told
    assert told["right"] is False


def test_only_practice_is_told_of_its_answer(cast: Cast) -> None:
    project = project_with(cast, gold_percent=50)
    golds(cast, 3)
    assert [seen.feedback(label) for label in work_on(project, cast.ann_one, 10)] == [None] * 10


def test_practice_counts_nowhere_and_cannot_be_taken_back(cast: Cast) -> None:
    project = _practising(cast)
    work_on(project, cast.ann_one, 3)
    assert Label.objects.filter(kind=Kind.PRACTICE).count() == 3
    assert not Tally.objects.filter(annotator=cast.ann_one).exists()
    with pytest.raises(Conflict, match="no answer of yours"):
        labels.undo_last(project=project, by=cast.ann_one, at=NOW)
    (label,) = work_on(project, cast.ann_one, 1, first=10)
    assert labels.undo_last(project=project, by=cast.ann_one, at=NOW).pk == label.assignment_id
    invariants.check(project)


def test_managers_may_skip_their_practice_and_others_may_not(cast: Cast) -> None:
    project = _practising(cast)
    held = _next(project, cast.admin)
    assert held
    with pytest.raises(NotAllowed):
        practice.skip(project=project, by=cast.ann_one, at=NOW)
    practice.skip(project=project, by=cast.admin, at=NOW)
    held.refresh_from_db()
    assert held.state == Assignment.State.RELEASED
    lease = _next(project, cast.admin)
    assert lease
    assert lease.kind == Kind.WORK
    invariants.check(project)


def test_a_practice_lease_that_ran_out_is_taken_up_again(cast: Cast) -> None:
    project = _practising(cast)
    lease = _next(project, cast.ann_one)
    assert lease
    again = assignments.next_for(project=project, by=cast.ann_one, at=NOW + timedelta(hours=5))
    assert again
    assert again.pk == lease.pk
    invariants.check(project)
