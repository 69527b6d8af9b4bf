from __future__ import annotations

from datetime import timedelta

import pytest

from annotation.errors import NotFound
from annotation.models import Assignment, AuditEntry, Comparison, Membership, Project, Split
from annotation.services import assignments
from tests.annotation import invariants
from tests.annotation.playing import answer, label_everything
from tests.cast import NOW, Cast, add_preferences, make_user

pytestmark = pytest.mark.database
LATER = NOW + timedelta(hours=2)


def test_outsider_gets_nothing(cast: Cast) -> None:
    add_preferences(cast.project, 4)
    with pytest.raises(NotFound):
        assignments.next_for(project=cast.project, by=cast.outsider, at=NOW)


def test_unanswered_lease_is_handed_out_again(cast: Cast) -> None:
    add_preferences(cast.project, 6)
    first = assignments.next_for(project=cast.project, by=cast.ann_one, at=NOW)
    again = assignments.next_for(project=cast.project, by=cast.ann_one, at=NOW + timedelta(minutes=10))
    assert first
    assert again == first
    assert again.expires_at == NOW + timedelta(minutes=25)


def test_browser_fetches_the_next_one_ahead(cast: Cast) -> None:
    add_preferences(cast.project, 6)
    first = assignments.next_for(project=cast.project, by=cast.ann_one, at=NOW)
    assert first
    ahead = assignments.next_for(project=cast.project, by=cast.ann_one, at=NOW, exclude=[first.pk])
    assert ahead
    assert ahead.comparison_id != first.comparison_id


def test_nobody_holds_more_than_three(cast: Cast) -> None:
    add_preferences(cast.project, 10)
    held: list[int] = []
    for _ in range(3):
        assignment = assignments.next_for(project=cast.project, by=cast.ann_one, at=NOW, exclude=held)
        assert assignment
        held.append(assignment.pk)
    assert assignments.next_for(project=cast.project, by=cast.ann_one, at=NOW, exclude=held) is None
    assert len(set(held)) == 3


def test_two_people_get_different_comparisons_at_overlap_one(cast: Cast) -> None:
    add_preferences(cast.project, 6)
    one = assignments.next_for(project=cast.project, by=cast.ann_one, at=NOW)
    two = assignments.next_for(project=cast.project, by=cast.ann_two, at=NOW)
    assert one
    assert two
    assert one.comparison_id != two.comparison_id


def test_two_people_share_a_comparison_at_overlap_two(cast: Cast) -> None:
    Project.objects.filter(pk=cast.project.pk).update(labels_per_comparison=2)
    add_preferences(cast.project, 6)
    one = assignments.next_for(project=cast.project, by=cast.ann_one, at=NOW)
    two = assignments.next_for(project=cast.project, by=cast.ann_two, at=NOW)
    assert one
    assert two
    assert one.comparison_id == two.comparison_id


def test_expired_lease_goes_to_somebody_else(cast: Cast) -> None:
    add_preferences(cast.project, 2)
    held = assignments.next_for(project=cast.project, by=cast.ann_one, at=NOW)
    assert held
    assert assignments.next_for(project=cast.project, by=cast.ann_two, at=NOW) is None
    taken = assignments.next_for(project=cast.project, by=cast.ann_two, at=LATER)
    assert taken
    assert taken.comparison_id == held.comparison_id
    held.refresh_from_db()
    assert held.state == Assignment.State.EXPIRED
    invariants.check(cast.project)


def test_released_comparison_waits_at_the_end_of_the_queue(cast: Cast) -> None:
    add_preferences(cast.project, 6)
    held = assignments.next_for(project=cast.project, by=cast.ann_one, at=NOW)
    assert held
    before = held.comparison.queue_position
    assert assignments.release(project=cast.project, by=cast.ann_one, at=LATER) == 1
    comparison = Comparison.objects.get(pk=held.comparison_id)
    assert (comparison.free_slots, comparison.queue_position > before) == (1, True)
    invariants.check(cast.project)


def test_own_expired_lease_is_taken_up_in_place(cast: Cast) -> None:
    add_preferences(cast.project, 2)
    held = assignments.next_for(project=cast.project, by=cast.ann_one, at=NOW)
    again = assignments.next_for(project=cast.project, by=cast.ann_one, at=LATER)
    assert again == held
    assert Assignment.objects.count() == 1
    invariants.check(cast.project)


def test_heartbeat_keeps_a_lease(cast: Cast) -> None:
    add_preferences(cast.project, 2)
    held = assignments.next_for(project=cast.project, by=cast.ann_one, at=NOW)
    assert held
    almost = NOW + timedelta(minutes=14)
    assert assignments.heartbeat(assignment_ids=[held.pk], by=cast.ann_one, at=almost) == [held.pk]
    assert assignments.expire(NOW + timedelta(minutes=16)) == 0
    assert assignments.expire(NOW + timedelta(minutes=29)) == 1


def test_heartbeat_for_somebody_elses_lease_does_nothing(cast: Cast) -> None:
    add_preferences(cast.project, 2)
    held = assignments.next_for(project=cast.project, by=cast.ann_one, at=NOW)
    assert held
    assert assignments.heartbeat(assignment_ids=[held.pk], by=cast.ann_two, at=LATER) == []


@pytest.mark.parametrize("state", [Project.State.PAUSED, Project.State.ARCHIVED])
def test_closed_project_hands_nothing_out(cast: Cast, state: str) -> None:
    add_preferences(cast.project, 6)
    Project.objects.filter(pk=cast.project.pk).update(state=state)
    assert assignments.next_for(project=cast.project, by=cast.ann_one, at=NOW) is None


@pytest.mark.parametrize("size", [0, 1])
def test_too_few_preferences_give_nothing(cast: Cast, size: int) -> None:
    add_preferences(cast.project, size)
    assert assignments.next_for(project=cast.project, by=cast.ann_one, at=NOW) is None


def test_answered_comparison_never_comes_back_to_the_same_person(cast: Cast) -> None:
    Project.objects.filter(pk=cast.project.pk).update(labels_per_comparison=2)
    add_preferences(cast.project, 5)
    label_everything(cast.project, [cast.ann_one])
    assert assignments.next_for(project=cast.project, by=cast.ann_one, at=LATER) is None
    given = label_everything(cast.project, [cast.ann_two], at=LATER)
    assert given == 10
    invariants.check(cast.project)


def test_full_scan_finds_what_the_cursor_passed(cast: Cast) -> None:
    Project.objects.filter(pk=cast.project.pk).update(labels_per_comparison=2)
    add_preferences(cast.project, 3)
    label_everything(cast.project, [cast.ann_one])
    cast.project.memberships.filter(user=cast.ann_two).update(queue_cursor=2**62)
    assert label_everything(cast.project, [cast.ann_two]) == 3
    invariants.check(cast.project)


def test_shown_order_is_drawn_for_each_lease(cast: Cast) -> None:
    add_preferences(cast.project, 60)
    label_everything(cast.project, [cast.ann_one])
    shown = set(Assignment.objects.values_list("low_first", flat=True))
    assert shown == {True, False}


def test_superuser_labels_as_a_member(cast: Cast) -> None:
    add_preferences(cast.project, 4)
    root = make_user("root", is_superuser=True)
    assignment = assignments.next_for(project=cast.project, by=root, at=NOW)
    assert assignment
    answer(assignment)
    invariants.check(cast.project)
    entry = AuditEntry.objects.get(project=cast.project)
    assert (entry.actor, entry.verb, entry.details) == (root, "member.role_set", {"role": "annotator"})


@pytest.mark.parametrize("strategy", ["random", "iterative"])
def test_held_out_comparisons_wait_no_longer_than_others(cast: Cast, strategy: str) -> None:
    Project.objects.filter(pk=cast.project.pk).update(strategy=strategy, labels_per_comparison=2)
    add_preferences(cast.project, 20)
    add_preferences(cast.project, 10, split=Split.HELDOUT)
    for person in (cast.ann_one, cast.ann_two):
        for second in range(12):
            at = NOW + timedelta(seconds=second)
            held = assignments.next_for(project=cast.project, by=person, at=at)
            assert held
            answer(held, at)
    drawn = Comparison.objects.filter(pool__project=cast.project)
    assert drawn.count() == 12
    assert drawn.filter(state=Comparison.State.OPEN).count() == 0
    assert drawn.filter(pool__split=Split.HELDOUT).count() == 4


def test_a_lease_that_outlived_the_membership_is_not_prolonged(cast: Cast) -> None:
    """An answer taken back in the moment of the removal leaves one; it must run out."""
    add_preferences(cast.project, 4)
    held = assignments.next_for(project=cast.project, by=cast.ann_one, at=NOW)
    assert held
    assert assignments.heartbeat(assignment_ids=[held.pk], by=cast.ann_one, at=NOW) == [held.pk]
    Membership.objects.filter(project=cast.project, user=cast.ann_one).delete()
    assert assignments.heartbeat(assignment_ids=[held.pk], by=cast.ann_one, at=NOW) == []
