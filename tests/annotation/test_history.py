"""Answers changed or taken back later: new rows, and every count follows."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest

from annotation.errors import Conflict, Invalid, NotFound
from annotation.models import Assignment, Comparison, Label, LabelEvent, PopDataset, PreferenceFlag, Project
from annotation.selectors import tallies
from annotation.services import assignments, history, labels, projects
from tests.annotation import invariants
from tests.annotation.playing import answer, label_everything
from tests.cast import NOW, Cast, add_preferences

pytestmark = [pytest.mark.either, pytest.mark.django_db]
LATER = NOW + timedelta(hours=2)
KEY = UUID("22222222-2222-4222-8222-222222222222")


def some_label(
    cast: Cast, verdict: str = "first", overlap: int = 1, size: int = 6, **options: object
) -> Label:
    Project.objects.filter(pk=cast.project.pk).update(labels_per_comparison=overlap, **options)
    cast.project.refresh_from_db()
    add_preferences(cast.project, size)
    held = assignments.next_for(project=cast.project, by=cast.ann_one, at=NOW)
    assert held
    return answer(held, verdict=verdict)


def freeze(cast: Cast, at: datetime = NOW, number: int = 1) -> PopDataset:
    """A frozen dataset as far as history looks at one."""
    return PopDataset.objects.create(
        project=cast.project,
        number=number,
        state="frozen",
        folder="nowhere",
        sha256="0" * 64,
        created_by=cast.owner,
        created_at=at,
        snapshot_at=at,
        frozen_at=at,
    )


def edit(label: Label, verdict: str, key: UUID = KEY, **more: object) -> Label:
    return history.edit(label_id=label.pk, verdict=verdict, by=label.annotator, at=LATER, key=key, **more)  # type: ignore[arg-type]


def test_edit_is_a_new_row_that_names_the_old_one(cast: Cast) -> None:
    old = some_label(cast, "first")
    new = edit(old, "second", reason="I misread it", first_looks_swapped=True)
    old.refresh_from_db()
    assert (old.verdict, old.is_current) == ("first", False)
    assert (new.verdict, new.is_current, new.supersedes) == ("second", True, old)
    assert (new.low_first, new.assignment_id) == (old.low_first, old.assignment_id)
    event = LabelEvent.objects.get(label=new)
    assert (event.kind, event.old_verdict, event.new_verdict) == ("edited", "first", "second")
    assert (event.actor, event.at) == (cast.ann_one, LATER)
    assert PreferenceFlag.objects.filter(label=new).count() == 1
    invariants.check(cast.project)


@pytest.mark.parametrize("strategy", ["random", "iterative"])
@pytest.mark.parametrize("first", Label.Verdict.values)
@pytest.mark.parametrize("second", Label.Verdict.values)
def test_outcome_and_counts_follow_an_edit(cast: Cast, strategy: str, first: str, second: str) -> None:
    old = some_label(cast, first, strategy=strategy)
    edit(old, second)
    comparison = Comparison.objects.get(pk=old.comparison_id)
    assert (comparison.outcome == "none") == (second in {"too_close", "cannot_judge"})
    assert comparison.needs_fold
    invariants.check(cast.project)


def test_edit_after_all_is_labelled_keeps_every_anchor_within_its_quota(cast: Cast) -> None:
    some_label(cast, strategy="iterative", size=8, k=2)
    label_everything(cast.project, [cast.ann_one, cast.ann_two])
    for label in Label.objects.filter(is_current=True).order_by("?")[:10]:
        edit(label, "second" if label.verdict == "first" else "first", key=uuid4())
        invariants.check(cast.project)


def test_edit_of_one_of_three_labels_can_turn_the_outcome(cast: Cast) -> None:
    first = some_label(cast, overlap=3, size=2)
    for person, side in ((cast.ann_two, True), (cast.admin, False)):
        held = assignments.next_for(project=cast.project, by=person, at=NOW)
        assert held
        same = held.low_first == first.low_first
        answer(held, verdict="first" if same == side else "second")
    before = Comparison.objects.get().outcome
    edit(first, "second")
    assert Comparison.objects.get().outcome not in {before, "none"}
    invariants.check(cast.project)


def test_the_same_key_edits_once(cast: Cast) -> None:
    old = some_label(cast)
    made = {edit(old, "second").pk for _ in range(10)}
    assert len(made) == 1
    assert Label.objects.count() == 2


def test_a_key_of_another_answer_is_refused(cast: Cast) -> None:
    old = some_label(cast)
    with pytest.raises(Conflict, match="another answer"):
        edit(old, "second", key=old.idempotency_key)


def test_a_replaced_answer_is_not_edited_again(cast: Cast) -> None:
    old = some_label(cast)
    edit(old, "second")
    with pytest.raises(Conflict, match="changed or taken back already"):
        edit(old, "too_close", key=uuid4())


def test_undo_of_an_older_answer_gives_its_comparison_to_anybody(cast: Cast) -> None:
    old = some_label(cast)
    held = assignments.next_for(project=cast.project, by=cast.ann_one, at=NOW)
    assert held
    answer(held)
    history.undo(label_id=old.pk, by=cast.ann_one, at=LATER)
    assert Assignment.objects.get(pk=old.assignment_id).state == "released"
    invariants.check(cast.project)
    again = assignments.next_for(project=cast.project, by=cast.ann_two, at=LATER)
    assert again
    assert again.comparison_id == old.comparison_id


def test_undoing_twice_changes_nothing_more(cast: Cast) -> None:
    old = some_label(cast)
    for _ in range(2):
        assert not history.undo(label_id=old.pk, by=cast.ann_one, at=LATER).is_current
    assert list(old.events.values_list("kind", flat=True)) == ["submitted", "undone"]
    invariants.check(cast.project)


def test_an_undone_answer_can_be_given_again(cast: Cast) -> None:
    old = some_label(cast, size=2)
    history.undo(label_id=old.pk, by=cast.ann_one, at=LATER)
    held = assignments.next_for(project=cast.project, by=cast.ann_one, at=LATER)
    assert held
    answer(held, LATER, "second")
    assert tallies.of_project(cast.project).labels == 1
    invariants.check(cast.project)


@pytest.mark.parametrize("who", ["owner", "ann_two", "outsider"])
def test_nobody_changes_somebody_elses_answer(cast: Cast, who: str) -> None:
    old = some_label(cast)
    with pytest.raises(NotFound):
        history.undo(label_id=old.pk, by=getattr(cast, who), at=LATER)
    with pytest.raises(NotFound):
        history.edit(label_id=old.pk, verdict="second", by=getattr(cast, who), at=LATER, key=KEY)


def test_a_removed_member_changes_nothing(cast: Cast) -> None:
    old = some_label(cast)
    cast.project.memberships.filter(user=cast.ann_one).delete()
    with pytest.raises(NotFound):
        edit(old, "second")


def test_an_archived_project_changes_nothing(cast: Cast) -> None:
    old = some_label(cast)
    projects.archive(project=cast.project, by=cast.owner, at=NOW)
    with pytest.raises(Conflict, match="archived"):
        edit(old, "second")
    with pytest.raises(Conflict, match="archived"):
        history.undo(label_id=old.pk, by=cast.ann_one, at=LATER)


def test_a_frozen_answer_is_corrected_only_with_a_reason(cast: Cast) -> None:
    old = some_label(cast)
    freeze(cast, NOW + timedelta(minutes=1))
    latest = freeze(cast, NOW + timedelta(minutes=2), number=2)
    with pytest.raises(Invalid, match="Say why"):
        edit(old, "second")
    with pytest.raises(Invalid, match="Say why"):
        history.undo(label_id=old.pk, by=cast.ann_one, at=LATER, correction="  ")
    new = edit(old, "second", correction="I mixed up A and B")
    event = LabelEvent.objects.get(label=new)
    assert (event.kind, event.dataset, event.reason) == ("corrected", latest, "I mixed up A and B")
    invariants.check(cast.project)


def test_undoing_a_frozen_answer_is_a_correction_too(cast: Cast) -> None:
    old = some_label(cast)
    dataset = freeze(cast, NOW + timedelta(minutes=1))
    history.undo(label_id=old.pk, by=cast.ann_one, at=LATER, correction="Not mine to judge")
    event = LabelEvent.objects.filter(label=old).last()
    assert event
    assert (event.kind, event.dataset, event.new_verdict) == ("corrected", dataset, "")
    invariants.check(cast.project)


def test_a_correction_since_is_no_part_of_the_old_dataset(cast: Cast) -> None:
    old = some_label(cast)
    freeze(cast, NOW + timedelta(minutes=1))
    new = edit(old, "second", correction="I mixed up A and B")
    newest = edit(new, "too_close", key=uuid4())
    assert LabelEvent.objects.get(label=newest).kind == "edited"


def test_a_second_persons_answer_stays_frozen_when_the_first_was_corrected(cast: Cast) -> None:
    old = some_label(cast, overlap=2, size=2)
    held = assignments.next_for(project=cast.project, by=cast.ann_two, at=NOW)
    assert held
    other = answer(held)
    freeze(cast, NOW + timedelta(minutes=1))
    history.undo(label_id=old.pk, by=cast.ann_one, at=LATER, correction="Slip")
    with pytest.raises(Invalid, match="Say why"):
        edit(other, "too_close")


def test_an_answer_to_an_undecided_comparison_is_not_frozen(cast: Cast) -> None:
    old = some_label(cast, overlap=2)
    freeze(cast, NOW + timedelta(minutes=1))
    assert LabelEvent.objects.get(label=edit(old, "second")).kind == "edited"


def test_undo_of_the_latest_points_to_the_correction_once_it_is_frozen(cast: Cast) -> None:
    some_label(cast)
    freeze(cast, NOW + timedelta(minutes=1))
    with pytest.raises(Conflict, match="My labels"):
        labels.undo_last(project=cast.project, by=cast.ann_one, at=LATER)
    invariants.check(cast.project)
