"""Disputed comparisons, and the reviewer's word on them; each test ends with every count recomputed."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from annotation.errors import Conflict, Invalid, NotAllowed, NotFound
from annotation.models import Adjudication, AuditEntry, Comparison, Label, Project, Role
from annotation.services import adjudication, assignments, exclusion, history, labels, projects, raising
from tests.annotation import invariants
from tests.annotation.disputes import disputed, settings, vote
from tests.annotation.playing import answer, label_everything
from tests.cast import NOW, Cast, join, make_user, reviewer_of

pytestmark = [pytest.mark.either, pytest.mark.django_db]
LATER = NOW + timedelta(hours=1)


def decide(cast: Cast, comparison: Comparison, outcome: str = "low", **more: str) -> Adjudication:
    made = adjudication.decide(
        comparison=comparison, outcome=outcome, by=reviewer_of(cast.project), at=LATER, **more
    )
    comparison.refresh_from_db()
    return made


def edit(label: Label, verdict: str) -> None:
    history.edit(label_id=label.pk, verdict=verdict, by=label.annotator, at=LATER, key=uuid4())


@pytest.mark.parametrize(
    ("sides", "below", "expected"),
    [
        (("low", "high"), 0.0, True),
        (("low", "low"), 1.0, False),
        (("none", "none"), 1.0, False),
        (("low", "none"), 0.0, False),
        (("low", "none"), 0.6, True),
    ],
)
def test_a_comparison_whose_votes_are_at_odds_waits_for_a_reviewer(
    cast: Cast, sides: tuple[str, str], below: float, expected: bool
) -> None:
    project = settings(cast, dispute_below=below)
    for person, side in zip((cast.ann_one, cast.ann_two), sides, strict=True):
        vote(project, person, side)
    assert Comparison.objects.get().disputed == expected
    invariants.check(project)


def test_it_waits_no_longer_when_an_answer_is_changed_or_taken_back(cast: Cast) -> None:
    comparison = disputed(cast)
    mine = Label.objects.get(annotator=cast.ann_two)
    edit(mine, "too_close")
    comparison.refresh_from_db()
    assert not comparison.disputed
    edit(Label.objects.get(annotator=cast.ann_two, is_current=True), mine.verdict)
    comparison.refresh_from_db()
    assert comparison.disputed
    history.undo(label_id=Label.objects.get(annotator=cast.ann_one).pk, by=cast.ann_one, at=LATER)
    comparison.refresh_from_db()
    assert (comparison.disputed, comparison.state) == (False, "open")
    invariants.check(cast.project)


@pytest.mark.parametrize("strategy", ["random", "iterative"])
@pytest.mark.parametrize("outcome", ["low", "high", "none"])
def test_a_decision_is_the_outcome_and_is_withdrawn_without_a_trace(
    cast: Cast, strategy: str, outcome: str
) -> None:
    comparison = disputed(cast, strategy=strategy)
    before = Comparison.objects.values("outcome", "confidence", "credited", "state", "disputed").get()
    made = decide(cast, comparison, outcome, reason=" Plainly. ")
    assert (made.outcome, made.reason, made.votes_outcome) == (outcome, "Plainly.", "none")
    assert (comparison.outcome, comparison.adjudicated, comparison.disputed) == (outcome, True, False)
    invariants.check(cast.project)
    adjudication.withdraw(comparison=comparison, by=reviewer_of(cast.project), at=LATER)
    assert Comparison.objects.values(*before).get() == before
    assert not Adjudication.objects.get().is_current
    verbs = AuditEntry.objects.filter(verb__startswith="comparison.").order_by("pk").values_list("verb")
    assert [verb for (verb,) in verbs] == ["comparison.decided", "comparison.decision_withdrawn"]
    invariants.check(cast.project)


@pytest.mark.parametrize("reuse", [True, False])
def test_quotas_stay_exact_through_decisions_labels_and_withdrawals(cast: Cast, reuse: bool) -> None:
    project = settings(cast, 8, strategy="iterative", reuse=reuse, dispute_below=1.0, k=2)
    people = [cast.ann_one, cast.ann_two]
    reviewer = reviewer_of(project)
    for _ in range(12):
        for person, side in zip(people, ("low", "high"), strict=True):
            if assignments.next_for(project=project, by=person, at=NOW):
                vote(project, person, side)
    waiting = list(Comparison.objects.filter(disputed=True))
    assert len(waiting) > 3
    for number, comparison in enumerate(waiting):
        decide(cast, comparison, ("low", "high", "none")[number % 3])
        invariants.check(project)
    label_everything(project, people)
    invariants.check(project)
    for comparison in waiting:
        adjudication.withdraw(comparison=comparison, by=reviewer, at=LATER)
        invariants.check(project)


def test_the_same_decision_again_changes_nothing_and_another_is_refused(cast: Cast) -> None:
    comparison = disputed(cast)
    made = decide(cast, comparison, "low")
    assert decide(cast, comparison, "low") == made
    with pytest.raises(Conflict, match="a moment ago"):
        decide(cast, comparison, "high")
    with pytest.raises(Conflict, match="a moment ago"):
        adjudication.decide(comparison=comparison, outcome="low", by=cast.owner, at=LATER)
    assert Adjudication.objects.count() == 1


def test_what_is_not_disputed_is_not_decided(cast: Cast) -> None:
    project = settings(cast)
    vote(project, cast.ann_one, "low")
    comparison = Comparison.objects.get()
    for _ in range(2):
        with pytest.raises(Conflict, match="not disputed"):
            decide(cast, comparison)
        vote(project, cast.ann_two, "low") if comparison.state == "open" else None
        comparison.refresh_from_db()
    with pytest.raises(Conflict, match="No decision"):
        adjudication.withdraw(comparison=comparison, by=cast.owner, at=LATER)
    assert not Adjudication.objects.exists()


def test_an_outcome_that_is_none_and_a_long_reason_are_refused(cast: Cast) -> None:
    comparison = disputed(cast)
    with pytest.raises(Invalid) as refused:
        decide(cast, comparison, "first", reason="x" * 501)
    assert refused.value.fields.keys() == {"outcome", "reason"}
    assert not Adjudication.objects.exists()


def test_who_may_decide(cast: Cast) -> None:
    comparison = disputed(cast)
    with pytest.raises(NotFound):
        adjudication.decide(comparison=comparison, outcome="low", by=cast.outsider, at=LATER)
    with pytest.raises(NotAllowed, match="Only reviewers"):
        adjudication.decide(comparison=comparison, outcome="low", by=cast.ann_one, at=LATER)
    adjudication.decide(comparison=comparison, outcome="low", by=cast.admin, at=LATER)
    with pytest.raises(NotAllowed, match="Only reviewers"):
        adjudication.withdraw(comparison=comparison, by=cast.ann_one, at=LATER)
    with pytest.raises(NotAllowed, match="Another reviewer"):
        adjudication.withdraw(comparison=comparison, by=reviewer_of(cast.project), at=LATER)
    adjudication.withdraw(comparison=comparison, by=cast.owner, at=LATER)


@pytest.mark.parametrize(
    ("role", "allowed"), [(Role.REVIEWER, False), (Role.ADMIN, False), (Role.OWNER, True)]
)
def test_nobody_but_the_owner_judges_their_own_answer(cast: Cast, role: str, allowed: bool) -> None:
    person = cast.owner if role == Role.OWNER else make_user("both")
    if role != Role.OWNER:
        join(cast.project, person, role)
    project = settings(cast)
    vote(project, person, "low")
    vote(project, cast.ann_two, "high")
    comparison = Comparison.objects.get()
    if allowed:
        adjudication.decide(comparison=comparison, outcome="low", by=person, at=LATER)
    else:
        with pytest.raises(NotAllowed, match="yourself"):
            adjudication.decide(comparison=comparison, outcome="low", by=person, at=LATER)
    assert Adjudication.objects.exists() == allowed


def test_an_archived_project_decides_nothing_more(cast: Cast) -> None:
    comparison = disputed(cast)
    decide(cast, comparison)
    projects.archive(project=cast.project, by=cast.owner, at=LATER)
    with pytest.raises(Conflict, match="archived"):
        adjudication.withdraw(comparison=comparison, by=cast.owner, at=LATER)


@pytest.mark.parametrize("strategy", ["random", "iterative"])
def test_an_excluded_preference_takes_its_decision_along_and_brings_it_back(
    cast: Cast, strategy: str
) -> None:
    comparison = disputed(cast, strategy=strategy)
    decide(cast, comparison, "high")
    preference = exclusion.exclude(preference=comparison.low, by=cast.owner, at=LATER)
    comparison.refresh_from_db()
    assert (comparison.state, comparison.outcome) == ("withdrawn", "")
    with pytest.raises(Conflict, match="taken out"):
        adjudication.withdraw(comparison=comparison, by=cast.owner, at=LATER)
    exclusion.include(preference=preference, by=cast.owner, at=LATER)
    comparison.refresh_from_db()
    assert (comparison.state, comparison.outcome, comparison.confidence) == ("resolved", "high", 1.0)
    invariants.check(cast.project)
    adjudication.withdraw(comparison=comparison, by=cast.owner, at=LATER)
    comparison.refresh_from_db()
    assert comparison.disputed
    invariants.check(cast.project)


@pytest.mark.parametrize("strategy", ["random", "iterative"])
def test_an_answer_changed_later_leaves_the_decision_and_is_noted_beside_it(
    cast: Cast, strategy: str
) -> None:
    comparison = disputed(cast, strategy=strategy)
    made = decide(cast, comparison, "low")
    theirs = Label.objects.get(annotator=cast.ann_one)
    other = "second" if theirs.verdict == "first" else "first"
    edit(theirs, other)
    made.refresh_from_db()
    comparison.refresh_from_db()
    assert (made.votes_outcome, made.votes_confidence, comparison.outcome) == ("high", 1.0, "low")
    invariants.check(cast.project)
    adjudication.withdraw(comparison=comparison, by=cast.owner, at=LATER)
    comparison.refresh_from_db()
    assert (comparison.outcome, comparison.confidence, comparison.disputed) == ("high", 1.0, False)
    invariants.check(cast.project)


@pytest.mark.parametrize("strategy", ["random", "iterative"])
@pytest.mark.parametrize("refilled", [True, False])
def test_an_answer_taken_back_leaves_the_decision_and_frees_its_place(
    cast: Cast, strategy: str, refilled: bool
) -> None:
    comparison = disputed(cast, strategy=strategy)
    made = decide(cast, comparison, "low")
    again = labels.undo_last(project=cast.project, by=cast.ann_two, at=LATER)
    made.refresh_from_db()
    comparison.refresh_from_db()
    assert (comparison.state, comparison.outcome, made.votes_outcome) == ("resolved", "low", "")
    invariants.check(cast.project)
    if refilled:
        answer(again, at=LATER, verdict="too_close")
        made.refresh_from_db()
        assert (made.votes_outcome, made.votes_confidence) == ("low", 0.5)
    invariants.check(cast.project)
    adjudication.withdraw(comparison=comparison, by=cast.owner, at=LATER)
    comparison.refresh_from_db()
    assert comparison.state == ("resolved" if refilled else "open")
    invariants.check(cast.project)


@pytest.mark.parametrize("strategy", ["random", "iterative"])
def test_asking_for_more_labels_passes_a_decision_by_until_it_is_withdrawn(cast: Cast, strategy: str) -> None:
    comparison = disputed(cast, strategy=strategy)
    decide(cast, comparison, "low")
    projects.update(project=cast.project, by=cast.owner, at=LATER, labels_per_comparison=3)
    raising.run(cast.project.pk)
    comparison.refresh_from_db()
    assert (comparison.needed, comparison.outcome, comparison.state) == (2, "low", "resolved")
    invariants.check(Project.objects.get(pk=cast.project.pk))
    adjudication.withdraw(comparison=comparison, by=cast.owner, at=LATER)
    comparison.refresh_from_db()
    assert (comparison.needed, comparison.free_slots, comparison.state) == (3, 1, "open")
    vote(cast.project, cast.admin, "high", at=LATER)
    comparison.refresh_from_db()
    assert (comparison.outcome, comparison.disputed) == ("high", False)
    invariants.check(Project.objects.get(pk=cast.project.pk))


def test_a_withdrawn_decision_can_be_made_anew(cast: Cast) -> None:
    comparison = disputed(cast)
    decide(cast, comparison, "low")
    adjudication.withdraw(comparison=comparison, by=reviewer_of(cast.project), at=LATER)
    decide(cast, comparison, "high")
    assert list(Adjudication.objects.order_by("pk").values_list("outcome", "is_current")) == [
        ("low", False),
        ("high", True),
    ]
    invariants.check(cast.project)
