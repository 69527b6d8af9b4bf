from __future__ import annotations

from datetime import timedelta

import pytest

from annotation.models import Assignment, Comparison, Label
from annotation.selectors import tallies
from annotation.selectors.tallies import Sums
from annotation.services import history, labels
from annotation.services.mixing import LABELS_BETWEEN
from tests.annotation import invariants
from tests.annotation.checked import next_of_kind, project_with, work_on
from tests.annotation.playing import answer, label_everything
from tests.cast import NOW, Cast

pytestmark = pytest.mark.either
Kind = Assignment.Kind


def _sums(cast: Cast) -> Sums:
    return tallies.per_annotator(cast.project)[cast.ann_one.pk]


def _before(lease: Assignment) -> Label:
    assert lease.retest_of
    return lease.retest_of


def _same(before: Label) -> str:
    """The same preference as before, its side now swapped."""
    return {"first": "second", "second": "first"}.get(before.verdict, before.verdict)


def test_an_old_answer_of_ones_own_comes_back_with_its_sides_swapped(cast: Cast) -> None:
    project = project_with(cast, retest_percent=50)
    lease = next_of_kind(project, cast.ann_one, Kind.RETEST)
    before = _before(lease)
    assert (before.annotator, before.comparison_id) == (cast.ann_one, lease.comparison_id)
    assert lease.low_first is not before.low_first
    given_since = Label.objects.filter(annotator=cast.ann_one, pk__gt=before.pk).count()
    assert given_since >= LABELS_BETWEEN


def test_half_an_hour_makes_an_answer_old_enough(cast: Cast) -> None:
    project = project_with(cast, retest_percent=50)
    work_on(project, cast.ann_one, 5)
    kinds = {label.kind for label in work_on(project, cast.ann_one, 5, first=1000)}
    assert kinds == {Kind.WORK}
    later = {label.kind for label in work_on(project, cast.ann_one, 8, first=3000)}
    assert Kind.RETEST in later


@pytest.mark.parametrize(
    ("first", "then", "agrees"),
    [
        ("first", "second", True),
        ("first", "first", False),
        ("second", "first", True),
        ("second", "too_close", False),
        ("too_close", "too_close", True),
        ("too_close", "cannot_judge", False),
        ("too_close", "first", False),
    ],
)
def test_it_agrees_when_the_same_preference_is_stronger(
    cast: Cast, first: str, then: str, agrees: bool
) -> None:
    project = project_with(cast, retest_percent=50)
    work_on(project, cast.ann_one, LABELS_BETWEEN + 5, verdict=first)
    lease = next_of_kind(project, cast.ann_one, Kind.RETEST)
    before = _sums(cast)
    label = answer(lease, verdict=then)
    assert label.agrees is agrees
    after = _sums(cast)
    assert (after.retests, after.retests_same) == (before.retests + 1, before.retests_same + agrees)
    invariants.check(project)


def test_what_could_not_be_judged_or_was_asked_again_is_not_retested(cast: Cast) -> None:
    project = project_with(cast, retest_percent=50)
    given = work_on(project, cast.ann_one, LABELS_BETWEEN + 6, verdict="cannot_judge")
    assert {label.kind for label in given} == {Kind.WORK}
    project_with(cast, size=20)
    work_on(project, cast.ann_one, 150, first=100)
    retested = list(Assignment.objects.filter(kind=Kind.RETEST).values_list("comparison", flat=True))
    assert retested
    assert len(retested) == len(set(retested))
    unjudged = {label.comparison_id for label in given}
    assert not unjudged & set(retested)
    invariants.check(project)


def test_a_retest_stops_counting_when_the_first_answer_is_taken_back(cast: Cast) -> None:
    project = project_with(cast, retest_percent=50)
    lease = next_of_kind(project, cast.ann_one, Kind.RETEST)
    before, counted = _before(lease), _sums(cast)
    retest = answer(lease, verdict=_same(before))
    assert retest.agrees
    assert _sums(cast).retests == counted.retests + 1
    while _is_current(before):
        back = labels.undo_last(project=project, by=cast.ann_one, at=NOW)
        if back.pk == lease.pk:
            answer(back, verdict=_same(before))
            break
        Assignment.objects.filter(pk=back.pk).update(state="released")
    _withdraw(before)
    assert (_sums(cast).retests, _sums(cast).retests_same) == (counted.retests, counted.retests_same)
    retest = Label.objects.get(assignment=lease, is_current=True)
    assert retest.agrees is None
    back = labels.undo_last(project=project, by=cast.ann_one, at=NOW)
    assert back.pk == lease.pk
    assert _sums(cast).retests == counted.retests, "what counts no more is not taken away twice"
    assert answer(back, verdict="first").agrees is None, "there is nothing left to agree with"
    assert _sums(cast).retests == counted.retests


def test_what_was_retested_and_taken_back_can_be_answered_by_the_same_person(cast: Cast) -> None:
    project = project_with(cast, size=30, retest_percent=50)
    lease = next_of_kind(project, cast.ann_one, Kind.RETEST)
    answer(lease)
    history.undo(label_id=_before(lease).pk, by=cast.ann_one, at=NOW)
    label_everything(project, [cast.ann_one], at=NOW + timedelta(minutes=9))
    assert tallies.of_project(project).open == 0
    invariants.check(project)


def _is_current(label: Label) -> bool:
    return Label.objects.get(pk=label.pk).is_current


def _withdraw(label: Label) -> None:
    comparison = Comparison.objects.get(pk=label.comparison_id)
    labels.withdraw(label=label, comparison=comparison, at=NOW)
    Assignment.objects.filter(pk=label.assignment_id).update(state="released")
    Comparison.objects.filter(pk=comparison.pk).update(free_slots=1)


def test_a_retest_changes_neither_the_comparison_nor_its_outcome(cast: Cast) -> None:
    project = project_with(cast, retest_percent=50)
    lease = next_of_kind(project, cast.ann_one, Kind.RETEST)
    before = Comparison.objects.values().get(pk=lease.comparison_id)
    sums = tallies.of_project(project)
    answer(lease, verdict="cannot_judge")
    assert Comparison.objects.values().get(pk=lease.comparison_id) == before
    after = tallies.of_project(project)
    assert (after.labels, after.decided, after.drawn) == (sums.labels, sums.decided, sums.drawn)


def test_looking_for_a_retest_costs_the_same_however_many_answers_there_are(
    cast: Cast, django_assert_max_num_queries: object
) -> None:
    """Everything was retested: three places are looked at, and then it is work's turn."""
    project = project_with(cast, retest_percent=50, size=80)
    work_on(project, cast.ann_one, 160)
    mine = Label.objects.filter(annotator=cast.ann_one, kind=Kind.WORK, is_current=True)
    asked = Assignment.objects.filter(annotator=cast.ann_one, kind=Kind.RETEST)
    assert asked.count() <= mine.count()
    for label in mine.exclude(comparison__in=asked.values("comparison")):
        Assignment.objects.create(
            comparison_id=label.comparison_id,
            annotator=cast.ann_one,
            project=project,
            kind=Kind.RETEST,
            retest_of=label,
            state="labelled",
            low_first=True,
            leased_at=NOW,
            expires_at=NOW + timedelta(minutes=1),
        )
    with django_assert_max_num_queries(45):  # type: ignore[operator]
        given = work_on(project, cast.ann_one, 1, first=500)
    assert {label.kind for label in given} == {Kind.WORK}
