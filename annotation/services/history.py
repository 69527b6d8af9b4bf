"""One's own answers, changed or taken back later: each time a new row, so that nothing is ever lost.

What a frozen dataset holds is *corrected*: the same deed, with a reason, which the next freeze sees.
Locks as in `labels`: comparison, assignment, anchors by id, tally.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import IntegrityError
from django.db.models import F

from annotation import kinds
from annotation.consensus import vote_of
from annotation.errors import Conflict, Invalid, NotFound
from annotation.models import Assignment, Comparison, Label, LabelEvent, PopDataset, User
from annotation.services import checks, frozen_labels, labels, leases, resolving, tallying, writing
from annotation.services.anchors import Changes
from annotation.services.transactions import exact
from annotation.services.writing import Answer

Kind = LabelEvent.Kind
State = Assignment.State


def undo(*, label_id: int, by: User, at: datetime, correction: str = "") -> Label:
    """Take any one of one's own answers back; its comparison is anybody's again. Once more changes nothing.

    Raises:
        NotFound: not this person's answer, or no longer their project.
        Conflict: practice, an archived project, or a comparison that was withdrawn.
        Invalid: a frozen dataset holds the answer, and `correction` gives no reason.
    """
    _check_reason(correction)
    return _undo(label_id, correction.strip(), by, at)


def edit(
    *,
    label_id: int,
    verdict: str,
    by: User,
    at: datetime,
    key: UUID,
    reason: str = "",
    first_looks_swapped: bool = False,
    second_looks_swapped: bool = False,
    correction: str = "",
) -> Label:
    """Answer anew: a new label that supersedes the old one. The same key again gives the label it made.

    Raises:
        NotFound: not this person's answer, or no longer their project.
        Conflict: it is no longer current, practice, an archived project, a withdrawn comparison.
        Invalid: not an answer; or a frozen dataset holds the old one, and `correction` gives no reason.
    """
    answer = Answer(verdict, key, reason, first_looks_swapped, second_looks_swapped)
    answer.check()
    _check_reason(correction)
    try:
        return _edit(label_id, answer, correction.strip(), by, at)
    except IntegrityError:
        # The key has made a label before: this very edit, or another answer at this moment.
        if label := _edited(label_id, by, key):
            return label
        raise


@exact
def _undo(label_id: int, correction: str, by: User, at: datetime) -> Label:
    comparison, assignment, label = _locked(label_id, by)
    if not label.is_current:
        return label
    held = _checked(label, comparison, correction)
    if label.kind == Assignment.Kind.WORK:
        labels.withdraw(label=label, comparison=comparison, at=at, correction=correction, held=held)
        Comparison.objects.filter(pk=comparison.pk).update(
            free_slots=F("free_slots") + 1, queue_position=leases.position(at)
        )
    else:
        checks.undo(label=label, at=at, held=held, correction=correction)
    Assignment.objects.filter(pk=assignment.pk).update(state=State.RELEASED)
    label.refresh_from_db()
    return label


@exact
def _edit(label_id: int, answer: Answer, correction: str, by: User, at: datetime) -> Label:
    comparison, assignment, old = _locked(label_id, by)
    if label := _edited(label_id, by, answer.key):
        return label
    if not old.is_current:
        raise Conflict("changed_already", "This answer was changed or taken back already.")
    kinds.check_flags(assignment.project, answer.first_looks_swapped, answer.second_looks_swapped)
    held = _checked(old, comparison, correction)
    if old.kind != Assignment.Kind.WORK:
        return checks.replace(old=old, answer=answer, at=at, held=held, correction=correction)
    label = writing.replace(old=old, answer=answer, at=at, correction=correction, held=held)
    changes = _settle_again(comparison, assignment, old, label, at)
    checks.original_withdrawn(label=old)  # tallies are locked last, after anchors
    tallying.replaced(old, label, comparison.pool_id, changes)
    return label


def _settle_again(
    comparison: Comparison, assignment: Assignment, old: Label, new: Label, at: datetime
) -> Changes:
    """The outcome, where another side is named now and the comparison was decided by its votes."""
    same = vote_of(old.verdict, old.low_first) == vote_of(new.verdict, new.low_first)
    changes: Changes = {}
    if comparison.state == Comparison.State.RESOLVED and not same:
        changes = labels.decide_again(comparison=comparison, project=assignment.project, at=at)
    comparison.needs_fold = True
    comparison.save(update_fields=["needs_fold", *resolving.FIELDS])
    return changes


def _locked(label_id: int, by: User) -> tuple[Comparison, Assignment, Label]:
    """The answer with what it stands on, locked in order; checked for being this person's."""
    mine = Label.objects.filter(pk=label_id, annotator=by)
    assignment_id = mine.values_list("assignment", flat=True).first()
    if assignment_id is None:
        raise NotFound("label_not_found", "There is no such answer of yours.")
    comparison, assignment = labels.locked(assignment_id, by)
    label = mine.get()
    labels.check_archived(assignment.project)
    kinds.check_changeable(assignment.project)
    if label.kind == Assignment.Kind.PRACTICE:
        raise Conflict("practice_stands", "A practice answer stands: you have seen its solution.")
    return comparison, assignment, label


def _checked(label: Label, comparison: Comparison, correction: str) -> PopDataset | None:
    """The dataset that holds the answer, if one does; then a reason is wanted."""
    frozen_labels.check_stands(comparison)
    held = frozen_labels.holder_of(label, comparison)
    if held and not correction:
        words = (
            f"Dataset {held.number} holds this answer. Say why it is corrected; the dataset stays as it is."
        )
        raise Invalid("reason_wanted", words, {"correction": [words]})
    return held


def _check_reason(correction: str) -> None:
    if len(correction.strip()) > writing.REASON_LENGTH:
        words = f"At most {writing.REASON_LENGTH} characters."
        raise Invalid("invalid_correction", "The reason is too long.", {"correction": [words]})


def _edited(label_id: int, by: User, key: UUID) -> Label | None:
    """The label this key made of that one before: a retry never makes a second."""
    made = Label.objects.filter(annotator=by, idempotency_key=key).first()
    if made and made.supersedes_id != label_id:
        raise Conflict("key_reused", "This key belongs to another answer.")
    return made
