"""Answers to gold, retests and practice: judged, counted for the person, and for nothing else.

No slot of a comparison is taken and no outcome changes: what is written here is in no dataset.
A label of a check counts in the tally while it is current and `agrees` says yes or no.
"""

from __future__ import annotations

from datetime import datetime

from annotation.consensus import vote_of
from annotation.errors import Conflict
from annotation.models import Assignment, Comparison, Gold, Label, LabelEvent, PopDataset, User
from annotation.services import frozen_labels, tallying, writing
from annotation.services.writing import Answer

Kind = Assignment.Kind
DECISIVE = frozenset({Label.Verdict.FIRST, Label.Verdict.SECOND})
COUNTERS = {Kind.GOLD.value: ("gold", "gold_right"), Kind.RETEST.value: ("retests", "retests_same")}


def submit(*, assignment: Assignment, answer: Answer, by: User, at: datetime) -> Label:
    """Save the answer to a check. The caller has locked the assignment; a lease that ran out is no matter.

    Raises:
        Conflict: it is answered already, or was withdrawn: whoever is refused work then is refused this too.
    """
    if assignment.state == Assignment.State.LABELLED:
        raise Conflict("already_answered", "You have answered this comparison already.")
    if assignment.state != Assignment.State.LEASED:
        frozen_labels.check_stands(assignment.comparison)
    agrees = _judge(assignment, answer.verdict)
    label = writing.write(assignment=assignment, answer=answer, at=at, agrees=agrees)
    assignment.state = Assignment.State.LABELLED
    assignment.save(update_fields=["state"])
    _count(label, at)
    return label


def undo(*, label: Label, at: datetime, held: PopDataset | None = None, correction: str = "") -> None:
    """Take a gold or retest answer back, and what it counted for. Its assignment is the caller's.

    Raises:
        Conflict: it was taken back already, or was practice: its answer has been told.
    """
    if label.kind == Kind.PRACTICE:
        raise Conflict(
            "practice_stands", "A practice answer cannot be taken back: you have seen its solution."
        )
    fresh = Label.objects.select_for_update(no_key=True).get(pk=label.pk)
    if not fresh.is_current:
        raise Conflict("undone_already", "This answer was taken back already.")
    fresh.is_current = False
    fresh.save(update_fields=["is_current"])
    kind = LabelEvent.Kind.CORRECTED if held else LabelEvent.Kind.UNDONE
    writing.record(fresh, kind, at, old=fresh.verdict, dataset=held, reason=correction)
    _count(fresh, None)


def replace(
    *, old: Label, answer: Answer, at: datetime, held: PopDataset | None = None, correction: str = ""
) -> Label:
    """Another answer to a gold or a retest, judged and counted in the place of the old one."""
    agrees = _judge(old.assignment, answer.verdict)
    _count(old, None)
    label = writing.replace(old=old, answer=answer, at=at, agrees=agrees, held=held, correction=correction)
    _count(label, at)
    return label


def original_withdrawn(*, label: Label) -> None:
    """A work label is no longer current: the retest of it, if there was one, says nothing any more."""
    retests = Label.objects.select_for_update(no_key=True).filter(
        assignment__retest_of=label, is_current=True, agrees__isnull=False
    )
    for retest in retests.select_related(None):
        tallying.add(
            pool_id=_pool_of(retest),
            annotator_id=retest.annotator_id,
            changes={"retests": -1, "retests_same": -int(bool(retest.agrees))},
        )
        Label.objects.filter(pk=retest.pk).update(agrees=None)


def _judge(assignment: Assignment, verdict: str) -> bool | None:
    """Whether the answer is the known one, or the one given before; None where there is nothing to say."""
    if assignment.kind == Kind.RETEST:
        return _same_as_before(assignment, verdict)
    answer = Gold.objects.filter(comparison=assignment.comparison_id).values_list("answer", flat=True).first()
    return None if answer is None else vote_of(verdict, assignment.low_first) == answer


def _same_as_before(assignment: Assignment, verdict: str) -> bool | None:
    """The first answer is locked, so that it cannot be taken back unseen; None when it was."""
    rows = Label.objects.select_for_update(no_key=True, of=("self",))
    before = rows.filter(retests=assignment, is_current=True).first()
    if before is None:
        return None
    if verdict not in DECISIVE:
        return verdict == before.verdict
    return vote_of(verdict, assignment.low_first) == vote_of(before.verdict, before.low_first)


def _count(label: Label, at: datetime | None) -> None:
    """In the person's own tally, last of all locks; None takes it out. Practice is counted nowhere."""
    if label.kind == Kind.PRACTICE:
        return
    asked, right = COUNTERS[label.kind]
    sign = -1 if at is None else 1
    changes = {} if label.agrees is None else {asked: sign, right: sign * int(label.agrees)}
    tallying.checked(label, _pool_of(label), changes, at)


def _pool_of(label: Label) -> int:
    pool: int = Comparison.objects.values_list("pool", flat=True).get(pk=label.comparison_id)
    return pool
