"""Preferences out of the project and back: exact counts, nothing lost, nothing drawn."""

from __future__ import annotations

import random
from uuid import uuid4

import pytest
from django.db.models import Q

from annotation.errors import Conflict, Invalid, NotAllowed, NotFound
from annotation.imports.records import Record
from annotation.models import (
    Anchor,
    Assignment,
    AuditEntry,
    Comparison,
    Label,
    Membership,
    Pool,
    Preference,
    Project,
)
from annotation.selectors import tallies
from annotation.services import (
    adjudication,
    assignments,
    datasets,
    exclusion,
    gold,
    history,
    labels,
    projects,
    raising,
)
from tests.annotation import invariants
from tests.annotation.checked import golds, next_of_kind
from tests.annotation.playing import answer, label_everything
from tests.cast import NOW, Cast, add_preferences
from tests.pairs import answered_pairs

pytestmark = pytest.mark.either
STRATEGIES = ("random", "iterative")


def setting(cast: Cast, **options: object) -> Project:
    Project.objects.filter(pk=cast.project.pk).update(**options)
    cast.project.refresh_from_db()
    return cast.project


def held(cast: Cast) -> Assignment:
    found = assignments.next_for(project=cast.project, by=cast.ann_one, at=NOW)
    assert found
    return found


def of(preference: Preference) -> list[Comparison]:
    return list(Comparison.objects.filter(Q(low=preference) | Q(high=preference)).order_by("pk"))


def out(cast: Cast, preference: Preference, reason: str = "") -> None:
    exclusion.exclude(preference=preference, by=cast.owner, at=NOW, reason=reason)
    preference.refresh_from_db()


def back(cast: Cast, preference: Preference) -> None:
    exclusion.include(preference=preference, by=cast.owner, at=NOW)
    preference.refresh_from_db()


def whole(project: Project) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]], tallies.Sums]:
    """What counts, to compare before and after."""
    compared = Comparison.objects.filter(pool__project=project).order_by("pk")
    anchors = Anchor.objects.filter(pool__project=project).order_by("pk")
    return (
        list(compared.values_list("state", "outcome", "free_slots", "label_count", "credited", "holds_slot")),
        list(anchors.values_list("state", "wins", "in_flight", "attempts", "quota", "attempt_limit")),
        tallies.of_project(project),
    )


def test_excluded_preference_is_never_asked_about(cast: Cast) -> None:
    gone, *_ = add_preferences(cast.project, 9)
    out(cast, gone, "Not English.")
    label_everything(cast.project, [cast.ann_one, cast.ann_two])
    assert of(gone) == []
    assert gone.exclusion_reason == "Not English."
    invariants.check(cast.project)


@pytest.mark.parametrize("size", [4, 12])  # of 4 every anchor that does not win runs out of partners
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_exclusion_and_inclusion_leave_everything_as_it_was(cast: Cast, strategy: str, size: int) -> None:
    project = setting(cast, strategy=strategy)
    made = add_preferences(project, size)
    label_everything(project, [cast.ann_one, cast.ann_two])
    before = whole(project)
    for preference in made[:4]:
        out(cast, preference)
        invariants.check(project)
        assert {one.state for one in of(preference)} <= {"withdrawn"}
    for preference in made[3::-1]:
        back(cast, preference)
        invariants.check(project)
    # An anchor that had run out of partners has new hope when it is back: the next draw gives it up again.
    assert label_everything(project, [cast.ann_one, cast.ann_two]) == 0
    after = whole(project)
    assert after[0] == before[0] or strategy == "iterative"  # another win may be the surplus one
    assert [row[:2] for row in after[0]] == [row[:2] for row in before[0]]
    assert after[1:] == before[1:]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_held_comparison_is_taken_from_the_annotator(cast: Cast, strategy: str) -> None:
    project = setting(cast, strategy=strategy, labels_per_comparison=2)
    add_preferences(project, 8)
    lease = held(cast)
    out(cast, lease.comparison.low)
    lease.refresh_from_db()
    assert lease.state == "released"
    with pytest.raises(Conflict, match="taken out"):
        labels.submit(assignment_id=lease.pk, verdict="first", by=cast.ann_one, at=NOW, key=uuid4())
    assert not Label.objects.exists()
    assert assignments.heartbeat(assignment_ids=[lease.pk], by=cast.ann_one, at=NOW) == []
    invariants.check(project)
    back(cast, lease.comparison.low)
    invariants.check(project)
    assert Comparison.objects.get(pk=lease.comparison_id).free_slots == 2


def test_a_held_check_is_refused_in_the_same_words_as_work(cast: Cast) -> None:
    project = setting(cast, gold_percent=50)
    add_preferences(project, 30)
    golds(cast, 3)
    check = next_of_kind(project, cast.ann_one, Assignment.Kind.GOLD)
    out(cast, check.comparison.low)
    with pytest.raises(Conflict, match="taken out"):
        answer(check)
    invariants.check(project)


def test_a_half_answered_comparison_waits_for_the_other_label_again(cast: Cast) -> None:
    project = setting(cast, labels_per_comparison=2)
    add_preferences(project, 6)
    lease = held(cast)
    answer(lease)
    out(cast, lease.comparison.high)
    assert Label.objects.get().is_current
    back(cast, lease.comparison.high)
    comparison = Comparison.objects.get(pk=lease.comparison_id)
    assert (comparison.state, comparison.label_count, comparison.free_slots) == ("open", 1, 1)
    invariants.check(project)


def test_a_win_over_an_excluded_preference_no_longer_fills_the_quota(cast: Cast) -> None:
    project = setting(cast, strategy="iterative", k=1, labels_per_comparison=1)
    add_preferences(project, 8)
    lease = held(cast)
    anchor = lease.comparison.anchor
    assert anchor
    won_by_low = anchor.preference_id == lease.comparison.low_id
    answer(lease, verdict="first" if won_by_low == lease.low_first else "second")
    anchor.refresh_from_db()
    assert (anchor.state, anchor.wins) == ("full", 1)
    loser = lease.comparison.high if won_by_low else lease.comparison.low
    out(cast, loser)
    anchor.refresh_from_db()
    assert (anchor.state, anchor.wins, anchor.attempts) == ("open", 0, 1)
    label_everything(project, [cast.ann_one, cast.ann_two])
    invariants.check(project)
    back(cast, loser)
    invariants.check(project)  # the win is a surplus if the place was filled since


def test_what_was_out_when_its_turn_passed_has_its_turn_when_it_is_back(cast: Cast) -> None:
    project = setting(cast, strategy="iterative", k=1, reuse=False)
    gone, *_ = add_preferences(project, 6)
    out(cast, gone)
    label_everything(project, [cast.ann_one])
    invariants.check(project)
    assert tallies.of_project(project).open == 0
    back(cast, gone)
    label_everything(project, [cast.ann_one])
    assert Anchor.objects.get(preference=gone).attempts > 0
    invariants.check(project)


def test_nothing_is_drawn_for_an_excluded_anchor_even_after_a_raise_or_an_import(cast: Cast) -> None:
    project = setting(cast, strategy="iterative")
    add_preferences(project, 6)
    anchor = held(cast).comparison.anchor
    assert anchor
    gone = anchor.preference
    out(cast, gone)
    projects.update(project=project, by=cast.owner, at=NOW, k=3)
    raising.run(project.pk)
    add_preferences(project, 3)
    label_everything(setting(cast), [cast.ann_one, cast.ann_two])
    anchor.refresh_from_db()
    assert (anchor.state, anchor.attempts) == ("exhausted", 1)
    assert [one.state for one in of(gone)] == ["withdrawn"]
    invariants.check(project)
    back(cast, gone)
    invariants.check(project)
    anchor.refresh_from_db()
    assert (anchor.state, anchor.quota) == ("open", 3)


def test_more_labels_were_asked_for_while_it_was_out(cast: Cast) -> None:
    project = setting(cast, labels_per_comparison=1)
    made = add_preferences(project, 4)
    (comparison,) = answered_pairs(cast, [(made[0], made[1], "low")])
    Pool.objects.filter(project=project).update(counter=1)
    out(cast, made[0])
    projects.update(project=project, by=cast.owner, at=NOW, labels_per_comparison=2)
    raising.run(project.pk)
    setting(cast)
    back(cast, made[0])
    comparison.refresh_from_db()
    assert (comparison.state, comparison.needed, comparison.free_slots) == ("open", 2, 1)
    invariants.check(project)


def test_a_reviewers_decision_comes_back_with_its_preference(cast: Cast) -> None:
    one, two = add_preferences(cast.project, 2)
    (comparison,) = answered_pairs(cast, [(one, two, "low")])
    Comparison.objects.update(disputed=True)
    adjudication.decide(comparison=comparison, outcome="high", by=cast.owner, at=NOW)
    out(cast, one)
    with pytest.raises(Conflict, match="taken out"):
        adjudication.withdraw(comparison=comparison, by=cast.owner, at=NOW)
    back(cast, one)
    comparison.refresh_from_db()
    assert (comparison.state, comparison.outcome, comparison.adjudicated) == ("resolved", "high", True)


def test_both_sides_have_to_be_back(cast: Cast) -> None:
    one, two = add_preferences(cast.project, 2)
    (comparison,) = answered_pairs(cast, [(one, two, "high")])
    out(cast, one)
    out(cast, two)
    back(cast, one)
    comparison.refresh_from_db()
    assert comparison.state == "withdrawn"
    back(cast, two)
    comparison.refresh_from_db()
    assert (comparison.state, comparison.outcome) == ("resolved", "high")
    invariants.check(cast.project)


def test_a_gold_pair_is_not_handed_out_while_it_is_out(cast: Cast) -> None:
    one, two = add_preferences(cast.project, 2)
    by, at, project = cast.owner, NOW, cast.project
    made = gold.add(project=project, by=by, at=at, one=one.pk, other=two.pk, answer="one", use="check")
    out(cast, one)
    made.comparison.refresh_from_db()
    assert made.comparison.state == "withdrawn"
    back(cast, one)
    made.comparison.refresh_from_db()
    assert made.comparison.state == "resolved"
    invariants.check(cast.project)


def test_correcting_adds_the_swapped_form_and_keeps_the_old_one_with_its_labels(cast: Cast) -> None:
    old, other, third = add_preferences(cast.project, 3)
    answered_pairs(cast, [(old, other, "low")])
    made = exclusion.correct(preference=old, by=cast.owner, at=NOW)
    old.refresh_from_db()
    assert old.excluded_at == NOW
    assert (made.chosen, made.rejected, made.prompt) == (old.rejected, old.chosen, old.prompt)
    assert (made.score_chosen, made.score_rejected) == (old.score_rejected, old.score_chosen)
    assert (made.replaces, made.split, made.number) == (old, "train", 3)
    assert made.content_hash == Record(0, made.prompt, made.chosen, made.rejected).content_hash
    assert Label.objects.get().is_current
    invariants.check(cast.project)
    label_everything(cast.project, [cast.ann_one, cast.ann_two])
    assert of(made), "the corrected form is drawn"
    assert [one.state for one in of(old)] == ["withdrawn"]
    assert AuditEntry.objects.get(verb="preference.corrected").details == {"by": made.pk}
    with pytest.raises(Conflict, match="corrected form"):
        exclusion.include(preference=old, by=cast.owner, at=NOW)
    assert third.excluded_at is None


def test_a_correction_keeps_its_split(cast: Cast) -> None:
    old, _ = add_preferences(cast.project, 2, split="heldout")
    assert exclusion.correct(preference=old, by=cast.owner, at=NOW).split == "heldout"
    invariants.check(cast.project)


def test_correcting_the_correction_brings_the_first_form_back(cast: Cast) -> None:
    made = add_preferences(cast.project, 2)
    texts = {"prompt": made[0].prompt, "chosen": made[0].chosen, "rejected": made[0].rejected}
    digest = Record(0, **texts).content_hash
    Preference.objects.filter(pk=made[0].pk).update(content_hash=digest)
    answered_pairs(cast, [(made[0], made[1], "low")])
    before = whole(cast.project)
    corrected = exclusion.correct(preference=made[0], by=cast.owner, at=NOW)
    again = exclusion.correct(preference=corrected, by=cast.owner, at=NOW)
    assert again.pk == made[0].pk
    assert whole(cast.project) == before
    assert Preference.objects.count() == 3
    with pytest.raises(Conflict, match="corrected form"):
        back(cast, corrected)  # else both forms would be in
    invariants.check(cast.project)


def test_the_next_dataset_leaves_it_out_and_the_frozen_one_stays(cast: Cast, files: object) -> None:
    made = add_preferences(cast.project, 4)
    answered_pairs(cast, [(made[0], made[1], "low"), (made[2], made[3], "low")])
    first = datasets.freeze(project=cast.project, by=cast.owner, at=NOW)
    datasets.run_freeze(first.pk)
    out(cast, made[0])
    second = datasets.freeze(project=cast.project, by=cast.owner, at=NOW)
    datasets.run_freeze(second.pk)
    for dataset in (first, second):
        dataset.refresh_from_db()
        assert dataset.state == "frozen", dataset.error
    assert (first.row_count, second.row_count) == (2, 1)


def test_answers_to_withdrawn_comparisons_cannot_be_changed(cast: Cast) -> None:
    made = add_preferences(cast.project, 2)
    (comparison,) = answered_pairs(cast, [(made[0], made[1], "low")])
    out(cast, made[0])
    label = comparison.labels.get()
    with pytest.raises(Conflict, match="taken out"):
        history.undo(label_id=label.pk, by=cast.ann_one, at=NOW)
    with pytest.raises(Conflict, match="taken out"):
        labels.undo_last(project=cast.project, by=cast.ann_one, at=NOW)
    invariants.check(cast.project)


def test_a_second_time_changes_nothing(cast: Cast) -> None:
    made = add_preferences(cast.project, 3)
    answered_pairs(cast, [(made[0], made[1], "low")])
    for _ in range(2):
        out(cast, made[0], "Twice.")
    with pytest.raises(Conflict, match="excluded already"):
        exclusion.correct(preference=made[0], by=cast.owner, at=NOW)
    for _ in range(2):
        back(cast, made[0])
    verbs = AuditEntry.objects.order_by("pk").values_list("verb", flat=True)
    assert list(verbs) == ["preference.excluded", "preference.included"]
    invariants.check(cast.project)


def test_only_managers_and_never_in_an_archived_project(cast: Cast) -> None:
    one, _ = add_preferences(cast.project, 2)
    for deed in (exclusion.exclude, exclusion.include, exclusion.correct):
        for person, error in ((cast.ann_one, NotAllowed), (cast.outsider, NotFound)):
            with pytest.raises(error):
                deed(preference=one, by=person, at=NOW)
    with pytest.raises(Invalid):
        exclusion.exclude(preference=one, by=cast.owner, at=NOW, reason="x" * 301)
    setting(cast, state="archived")
    with pytest.raises(Conflict, match="archived"):
        exclusion.exclude(preference=one, by=cast.owner, at=NOW)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("seed", range(3))
def test_counts_stay_exact_through_a_random_walk(cast: Cast, strategy: str, seed: int) -> None:
    project = setting(cast, strategy=strategy, labels_per_comparison=1 + seed % 2)
    made = add_preferences(project, 10)
    draw = random.Random(seed)  # noqa: S311 - test data
    people = [cast.ann_one, cast.ann_two]
    for _ in range(120):
        person, preference, chance = draw.choice(people), draw.choice(made), draw.random()
        try:
            if chance < 0.6:
                lease = assignments.next_for(project=project, by=person, at=NOW)
                if lease:
                    answer(lease, verdict=draw.choice(["first", "second", "too_close"]))
            elif chance < 0.7:
                labels.undo_last(project=project, by=person, at=NOW)
            elif chance < 0.85:
                exclusion.exclude(preference=preference, by=cast.owner, at=NOW)
            elif chance < 0.97:
                exclusion.include(preference=preference, by=cast.owner, at=NOW)
            else:
                made.append(exclusion.correct(preference=preference, by=cast.owner, at=NOW))
        except Conflict:
            continue
    invariants.check(project)
    assert Membership.objects.filter(project=project).count() == 4
