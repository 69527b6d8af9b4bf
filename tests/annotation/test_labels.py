from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from annotation import rules
from annotation.errors import Conflict, Invalid, LeaseLost, NotFound
from annotation.models import Assignment, Label, LabelEvent, Project
from annotation.selectors import tallies
from annotation.services import assignments, labels, projects
from tests.annotation import invariants
from tests.annotation.playing import answer, label_everything
from tests.cast import NOW, Cast, add_preferences

pytestmark = pytest.mark.database
LATER = NOW + timedelta(hours=2)
KEY = UUID("11111111-1111-4111-8111-111111111111")


def _lease(cast: Cast, overlap: int = 1, size: int = 2) -> Assignment:
    Project.objects.filter(pk=cast.project.pk).update(labels_per_comparison=overlap)
    add_preferences(cast.project, size)
    held = assignments.next_for(project=cast.project, by=cast.ann_one, at=NOW)
    assert held
    return held


@pytest.mark.parametrize(
    ("verdict", "low_first", "outcome"),
    [
        ("first", True, "low"),
        ("first", False, "high"),
        ("second", True, "high"),
        ("second", False, "low"),
        ("too_close", True, "none"),
        ("cannot_judge", False, "none"),
    ],
)
def test_verdict_counts_for_the_side_that_was_shown(
    cast: Cast, verdict: str, low_first: bool, outcome: str
) -> None:
    held = _lease(cast)
    Assignment.objects.filter(pk=held.pk).update(low_first=low_first)
    label = answer(held, verdict=verdict)
    held.comparison.refresh_from_db()
    assert (held.comparison.outcome, label.low_first) == (outcome, low_first)
    invariants.check(cast.project)


def test_details_are_kept(cast: Cast) -> None:
    held = _lease(cast)
    label = labels.submit(
        assignment_id=held.pk,
        verdict="first",
        by=cast.ann_one,
        at=NOW,
        key=KEY,
        reason="clearer",
        first_looks_swapped=True,
        duration_ms=4200,
    )
    label.refresh_from_db()
    assert (label.reason, label.first_looks_swapped, label.second_looks_swapped) == ("clearer", True, False)
    assert (label.duration_ms, label.created_at) == (4200, NOW)


def test_retry_with_the_same_key_gives_the_same_label(cast: Cast) -> None:
    held = _lease(cast)
    once = labels.submit(assignment_id=held.pk, verdict="first", by=cast.ann_one, at=NOW, key=KEY)
    again = labels.submit(assignment_id=held.pk, verdict="second", by=cast.ann_one, at=LATER, key=KEY)
    assert again == once
    assert Label.objects.count() == 1
    assert again.verdict == "first"


def test_retry_after_undo_does_not_bring_the_answer_back(cast: Cast) -> None:
    held = _lease(cast)
    labels.submit(assignment_id=held.pk, verdict="first", by=cast.ann_one, at=NOW, key=KEY)
    labels.undo_last(project=cast.project, by=cast.ann_one, at=NOW)
    again = labels.submit(assignment_id=held.pk, verdict="first", by=cast.ann_one, at=NOW, key=KEY)
    assert not again.is_current
    invariants.check(cast.project)


def test_key_of_another_answer_is_refused(cast: Cast) -> None:
    held = _lease(cast, size=6)
    labels.submit(assignment_id=held.pk, verdict="first", by=cast.ann_one, at=NOW, key=KEY)
    following = assignments.next_for(project=cast.project, by=cast.ann_one, at=NOW)
    assert following
    with pytest.raises(Conflict, match="another comparison"):
        labels.submit(assignment_id=following.pk, verdict="first", by=cast.ann_one, at=NOW, key=KEY)


def test_second_answer_is_refused(cast: Cast) -> None:
    held = _lease(cast)
    answer(held, verdict="first")
    with pytest.raises(Conflict, match="answered this comparison already"):
        answer(held, verdict="second")
    assert Label.objects.get().verdict == "first"


def test_somebody_elses_assignment_does_not_exist(cast: Cast) -> None:
    held = _lease(cast)
    with pytest.raises(NotFound):
        labels.submit(assignment_id=held.pk, verdict="first", by=cast.ann_two, at=NOW, key=uuid4())


def test_removed_member_can_no_longer_answer(cast: Cast) -> None:
    held = _lease(cast)
    cast.project.memberships.filter(user=cast.ann_one).delete()
    with pytest.raises(NotFound):
        answer(held, verdict="first")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"verdict": "both"}, "verdict"),
        ({"reason": "x" * 501}, "reason"),
        ({"duration_ms": -1}, "duration_ms"),
    ],
)
def test_bad_answer_names_the_field(cast: Cast, change: dict[str, object], field: str) -> None:
    held = _lease(cast)
    given: dict[str, object] = {"verdict": "first"} | change
    with pytest.raises(Invalid) as refused:
        labels.submit(assignment_id=held.pk, by=cast.ann_one, at=NOW, key=uuid4(), **given)  # type: ignore[arg-type]
    assert list(refused.value.fields) == [field]
    assert not Label.objects.exists()


def test_late_answer_counts_while_nobody_took_the_place(cast: Cast) -> None:
    held = _lease(cast)
    assignments.expire(LATER)
    answer(held, LATER, verdict="first")
    held.comparison.refresh_from_db()
    assert held.comparison.outcome
    invariants.check(cast.project)


def test_late_answer_is_refused_when_the_place_is_taken(cast: Cast) -> None:
    held = _lease(cast)
    taken = assignments.next_for(project=cast.project, by=cast.ann_two, at=LATER)
    assert taken
    with pytest.raises(LeaseLost, match="ran out"):
        answer(held, LATER, verdict="first")
    answer(taken, LATER, verdict="first")
    with pytest.raises(LeaseLost):
        answer(held, LATER, verdict="first")
    assert Label.objects.count() == 1
    invariants.check(cast.project)


def test_paused_project_still_takes_answers_that_are_out(cast: Cast) -> None:
    held = _lease(cast)
    projects.pause(project=cast.project, by=cast.owner, at=NOW)
    answer(held, verdict="first")
    assert Label.objects.count() == 1


def test_archived_project_takes_no_more_answers(cast: Cast) -> None:
    held = _lease(cast, size=6)
    projects.archive(project=cast.project, by=cast.owner, at=NOW)
    with pytest.raises(Conflict, match="archived"):
        answer(held, verdict="first")


def test_majority_of_three_wins(cast: Cast) -> None:
    held = _lease(cast, overlap=3)
    answer(held, verdict="first" if held.low_first else "second")
    for person, side in ((cast.ann_two, "low"), (cast.admin, "high")):
        other = assignments.next_for(project=cast.project, by=person, at=NOW)
        assert other
        answer(other, verdict="first" if (side == "low") == other.low_first else "second")
    held.comparison.refresh_from_db()
    assert held.comparison.outcome == "low"
    assert held.comparison.confidence == pytest.approx(2 / 3)
    invariants.check(cast.project)


def test_undo_leases_the_same_comparison_again(cast: Cast) -> None:
    held = _lease(cast, size=6)
    answer(held, verdict="first")
    back = labels.undo_last(project=cast.project, by=cast.ann_one, at=LATER)
    assert back == held
    assert (back.state, back.low_first) == (Assignment.State.LEASED, held.low_first)
    seen = tallies.of_project(cast.project)
    assert (seen.labels, seen.decided, seen.undecided) == (0, 0, 0)
    assert assignments.next_for(project=cast.project, by=cast.ann_one, at=LATER) == held
    answer(back, LATER, verdict="second")
    assert list(LabelEvent.objects.values_list("kind", "old_verdict", "new_verdict")) == [
        ("submitted", "", "first"),
        ("undone", "first", ""),
        ("submitted", "", "second"),
    ]
    invariants.check(cast.project)


def test_undo_goes_back_one_answer_at_a_time(cast: Cast) -> None:
    add_preferences(cast.project, 6)
    label_everything(cast.project, [cast.ann_one])
    given = list(Label.objects.order_by("-id").values_list("comparison", flat=True))
    undone = [
        labels.undo_last(project=cast.project, by=cast.ann_one, at=LATER).comparison_id for _ in range(3)
    ]
    assert undone == given[:3]
    invariants.check(cast.project)


def test_nobody_keeps_a_project_by_taking_everything_back(cast: Cast) -> None:
    add_preferences(cast.project, 8)
    label_everything(cast.project, [cast.ann_one])
    for _ in range(rules.MOST_TAKEN_BACK):
        labels.undo_last(project=cast.project, by=cast.ann_one, at=LATER)
    assert Label.objects.filter(is_current=True).exists()
    with pytest.raises(Conflict) as refused:
        labels.undo_last(project=cast.project, by=cast.ann_one, at=LATER)
    assert refused.value.code == "hold_limit"
    live = Assignment.objects.filter(annotator=cast.ann_one, state="leased")
    assert live.count() == rules.MOST_TAKEN_BACK
    invariants.check(cast.project)


def test_nothing_to_undo_is_said(cast: Cast) -> None:
    add_preferences(cast.project, 2)
    with pytest.raises(Conflict, match="no answer of yours"):
        labels.undo_last(project=cast.project, by=cast.ann_two, at=NOW)


def test_undo_takes_back_only_ones_own_answer(cast: Cast) -> None:
    answer(_lease(cast), verdict="first")
    with pytest.raises(Conflict):
        labels.undo_last(project=cast.project, by=cast.ann_two, at=NOW)
    assert Label.objects.get().is_current
