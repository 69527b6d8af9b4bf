"""Reviewers and annotators at the same comparisons at once, each with a connection of their own."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from django.db import transaction

from annotation.errors import DomainError, LeaseLost
from annotation.models import Adjudication, Anchor, Comparison, Label, Preference, Project, User
from annotation.services import adjudication, assignments, exclusion, history, labels
from tests.annotation import invariants
from tests.annotation.crowd import TABS, Clock, apart, together, waiters
from tests.annotation.disputes import differ, disputed, settings, vote
from tests.annotation.playing import answer
from tests.cast import NOW, Cast, join, make_user

pytestmark = [pytest.mark.either, pytest.mark.django_db(transaction=True), pytest.mark.slow]
REFUSED = {"own_label", "not_yours"}  # beside what the state of things forbids


def crowd(cast: Cast, role: str, count: int) -> list[User]:
    people = [make_user(f"{role}-{number}") for number in range(count)]
    for person in people:
        join(cast.project, person, role)
    return people


def test_of_sixteen_reviewers_at_once_one_decides(cast: Cast, caplog: pytest.LogCaptureFixture) -> None:
    comparison = disputed(cast, strategy="iterative")
    people = crowd(cast, "reviewer", TABS)

    def decide(number: int) -> str:
        outcome = ("low", "high")[number % 2]
        try:
            adjudication.decide(comparison=comparison, outcome=outcome, by=people[number], at=NOW)
        except DomainError as error:
            return error.code
        return "done"

    said = together(decide)
    assert sorted(said) == ["decided_already"] * (TABS - 1) + ["done"]
    made = Adjudication.objects.get()
    assert made.decided_by == people[said.index("done")]
    assert "tried again" not in caplog.text
    invariants.check(cast.project)


def test_a_decision_and_an_undo_of_the_same_moment_leave_every_count_exact(
    cast: Cast, caplog: pytest.LogCaptureFixture
) -> None:
    """Half decide, half take the answer back: whoever is first is seen by the other."""
    comparison = disputed(cast, strategy="iterative")
    reviewers = crowd(cast, "reviewer", TABS)
    mine = Label.objects.get(annotator=cast.ann_one)

    def act(number: int) -> str:
        try:
            if number % 2:
                history.undo(label_id=mine.pk, by=cast.ann_one, at=NOW)
            else:
                adjudication.decide(comparison=comparison, outcome="low", by=reviewers[number], at=NOW)
        except DomainError as error:
            return error.code
        return "done"

    together(act)
    comparison.refresh_from_db()
    assert (comparison.label_count, comparison.disputed) == (1, False)
    assert comparison.state == ("resolved" if comparison.adjudicated else "open")
    assert "tried again" not in caplog.text
    invariants.check(cast.project)


class Person:
    """Answers, changes and takes back as an annotator; decides, withdraws and excludes as an admin."""

    def __init__(self, project: Project, user: User, clock: Clock, seed: int) -> None:
        self.project, self.user, self.clock = project, user, clock
        self.draw = random.Random(seed)  # noqa: S311 - test data

    def work(self, deeds: list[Callable[[], object]], times: int) -> int:
        """How many deeds were done; another person may have been faster, and only that is refused."""
        done = 0
        for _ in range(times):
            try:
                done += self.draw.choice(deeds)() is not None
            except LeaseLost:
                continue
            except DomainError as error:
                if error.status != 409 and error.code not in REFUSED:
                    raise
        return done

    def answer(self) -> object:
        held = assignments.next_for(project=self.project, by=self.user, at=self.clock())
        verdict = self.draw.choice(["first", "second", "too_close"])
        return held and labels.submit(
            assignment_id=held.pk, verdict=verdict, by=self.user, at=self.clock(), key=self.key()
        )

    def change(self) -> object:
        mine = Label.objects.filter(annotator=self.user, is_current=True).order_by("?").first()
        if mine is None:
            return None
        if self.draw.random() < 0.5:
            return history.undo(label_id=mine.pk, by=self.user, at=self.clock())
        verdict = self.draw.choice(["first", "second", "too_close"])
        return history.edit(label_id=mine.pk, verdict=verdict, by=self.user, at=self.clock(), key=self.key())

    def decide(self) -> object:
        waiting = Comparison.objects.filter(disputed=True).order_by("?").first()
        outcome = self.draw.choice(["low", "high", "none"])
        return waiting and adjudication.decide(
            comparison=waiting, outcome=outcome, by=self.user, at=self.clock()
        )

    def withdraw(self) -> object:
        stands = Comparison.objects.filter(adjudicated=True).order_by("?").first()
        if stands is None:
            return None
        adjudication.withdraw(comparison=stands, by=self.user, at=self.clock())
        return stands

    def exclude(self) -> object:
        """Take a preference out, or put one back: its comparisons go and come with their decisions."""
        one = Preference.objects.order_by("?")[0]
        deed = exclusion.include if one.excluded_at or self.draw.random() < 0.5 else exclusion.exclude
        return deed(preference=one, by=self.user, at=self.clock())

    def key(self) -> UUID:
        return UUID(int=self.draw.getrandbits(128), version=4)


@pytest.mark.parametrize("strategy", ["random", "iterative"])
def test_a_crowd_of_reviewers_and_annotators_leaves_every_count_exact(
    cast: Cast, strategy: str, caplog: pytest.LogCaptureFixture
) -> None:
    project = settings(cast, 10, strategy=strategy, dispute_below=0.8, k=2)
    people = [*crowd(cast, "annotator", TABS // 2), *crowd(cast, "admin", TABS // 2)]
    for _ in range(12):
        vote(project, people[0], "low")
        vote(project, people[1], "high")
    clock = Clock()

    def act(number: int) -> int:
        one = Person(project, people[number], clock, number)
        annotates = number < TABS // 2
        if annotates:
            return one.work([one.answer, one.answer, one.answer, one.change], times=24)
        return one.work([one.decide, one.decide, one.decide, one.withdraw, one.exclude], times=16)

    assert sum(together(act)[: TABS // 2]) > 30
    assert "tried again" not in caplog.text
    assert Adjudication.objects.filter(is_current=True).exists()
    assert Adjudication.objects.filter(is_current=False).exists()
    invariants.check(project)


def _decide(comparison: Comparison) -> None:
    """For the anchor: its partner's anchor is not changed."""
    assert comparison.anchor
    outcome = "low" if comparison.low_id == comparison.anchor.preference_id else "high"
    by = User.objects.get(username="owner")
    adjudication.decide(comparison=comparison, outcome=outcome, by=by, at=NOW)


def _withdraw(comparison: Comparison) -> None:
    adjudication.withdraw(comparison=comparison, by=User.objects.get(username="owner"), at=NOW)


def _edit(comparison: Comparison) -> None:
    one, other = Label.objects.filter(comparison=comparison).order_by("pk")
    same = one.verdict if one.low_first == other.low_first else {"first": "second"}.get(one.verdict, "first")
    history.edit(label_id=other.pk, verdict=same, by=other.annotator, at=NOW, key=UUID(int=1, version=4))


@pytest.mark.postgres
@pytest.mark.parametrize("deed", [_decide, _withdraw, _edit])
def test_who_decides_anew_holds_no_anchor_while_waiting_for_a_lower_one(
    cast: Cast, deed: Callable[[Comparison], None]
) -> None:
    """Else two such people wait for each other: an exclusion locks the lower of a pair's anchors first."""
    project = settings(cast, 6, strategy="iterative", k=2)
    for _ in range(2):  # the first anchor is full then, and only others' partner
        for person in (cast.ann_one, cast.ann_two):
            _let_the_anchor_win(project, person)
    differ(cast, 13)
    both = Comparison.objects.filter(pool__project=project, disputed=True, anchor__isnull=False)
    comparison = next(
        one for one in both if len(_anchors_of(one)) == 2 and max(_anchors_of(one)) == one.anchor_id
    )
    lower, own = sorted(_anchors_of(comparison))
    if deed is _withdraw:
        _decide(comparison)
    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            Anchor.objects.select_for_update(no_key=True).get(pk=lower)
            waiting = threads.submit(apart, deed, comparison)
            while waiters() < 1 and not waiting.done():
                continue
            assert not waiting.done()
            assert Anchor.objects.select_for_update(no_key=True, nowait=True).get(pk=own)
        waiting.result()
    invariants.check(project)


def _let_the_anchor_win(project: Project, by: User) -> None:
    held = assignments.next_for(project=project, by=by, at=NOW)
    assert held
    assert held.comparison.anchor
    shown_first = (held.comparison.anchor.preference_id == held.comparison.low_id) == held.low_first
    answer(held, verdict="first" if shown_first else "second")


def _anchors_of(comparison: Comparison) -> set[int]:
    sides = Anchor.objects.filter(preference__in=[comparison.low_id, comparison.high_id])
    return set(sides.values_list("pk", flat=True))
