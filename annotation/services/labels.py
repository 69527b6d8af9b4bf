"""Answers: written once, undone exactly."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import IntegrityError
from django.db.models import F

from annotation import kinds, rules, sql
from annotation.consensus import vote_of
from annotation.errors import Conflict, LeaseLost, NotFound
from annotation.models import Assignment, Comparison, Label, LabelEvent, PopDataset, Project, User
from annotation.services import (
    anchors,
    checks,
    frozen_labels,
    leases,
    resolving,
    strengths_online,
    tallying,
    writing,
)
from annotation.services.transactions import exact
from annotation.services.writing import Answer

Kind = LabelEvent.Kind
_COMPARISON = sql.Table(Comparison, without=["folded"])
_ASSIGNMENT = sql.Table(Assignment)
_PROJECT = sql.Table(Project, without=["guidelines"])
# Whoever locks an assignment without its comparison waits for nothing after it: the order does not matter.
_LOCKED = f"""
    SELECT {_COMPARISON.columns("c")}, {_ASSIGNMENT.columns("a")}, {_PROJECT.columns("p")}
    FROM annotation_assignment a
    JOIN annotation_comparison c ON c.id = a.comparison_id
    JOIN annotation_project p ON p.id = a.project_id
    WHERE a.id = %s AND a.annotator_id = %s AND (%s OR EXISTS (
        SELECT 1 FROM annotation_membership m
        WHERE m.project_id = a.project_id AND m.user_id = a.annotator_id))
"""  # noqa: S608 - names of ours


def submit(
    *,
    assignment_id: int,
    verdict: str,
    by: User,
    at: datetime,
    key: UUID,
    reason: str = "",
    first_looks_swapped: bool = False,
    second_looks_swapped: bool = False,
    duration_ms: int | None = None,
) -> Label:
    """Save the answer to an assignment. The same key again gives the label it made, and makes no other.

    Raises:
        NotFound: not this person's assignment, or no longer their project.
        Invalid: not an answer.
        Conflict: they have answered this comparison already, or the project is archived.
        LeaseLost: the lease ran out and others have taken the place.
    """
    answer = Answer(verdict, key, reason, first_looks_swapped, second_looks_swapped, duration_ms)
    answer.check()
    try:
        return _submit(assignment_id, answer, by, at)
    except IntegrityError:
        # This key has made a label before: for this assignment, or at this moment for another.
        if label := _saved(assignment_id, by, key):
            return label
        raise


def undo_last(*, project: Project, by: User, at: datetime) -> Assignment:
    """Take this person's latest answer back and lease its comparison to them again, in the same order.

    Raises:
        NotFound: not a member.
        Conflict: nothing to undo, too much of it taken back already, or the project is archived.
    """
    rules.check_annotate(by, project)
    return _undo_last(project, by, at)


@exact
def _submit(assignment_id: int, answer: Answer, by: User, at: datetime) -> Label:
    comparison, assignment = locked(assignment_id, by)
    if assignment.state != Assignment.State.LEASED and (label := _saved(assignment_id, by, answer.key)):
        return label
    check_archived(assignment.project)
    kinds.check_flags(assignment.project, answer.first_looks_swapped, answer.second_looks_swapped)
    if assignment.kind != Assignment.Kind.WORK:
        return checks.submit(assignment=assignment, answer=answer, by=by, at=at)
    if assignment.state == Assignment.State.LABELLED:
        raise Conflict("already_answered", "You have answered this comparison already.")
    if assignment.state != Assignment.State.LEASED:
        frozen_labels.check_stands(comparison)
        _take_place_again(comparison)
    assignment.state = Assignment.State.LABELLED
    comparison.label_count += 1
    label = writing.label(assignment=assignment, answer=answer, at=at)
    changes: anchors.Changes = {}
    with sql.together():
        if comparison.label_count == comparison.needed:
            votes = _votes(comparison, label)
            changes = resolving.resolve(comparison=comparison, votes=votes, project=assignment.project, at=at)
        strengths_online.learn(comparison=comparison, label=label, project=assignment.project)
        writing.tell(label, at)
        _ASSIGNMENT.update(assignment, "state")
        _save(comparison)
        tallying.labelled(label, comparison.pool_id, changes, at)
    return label


@exact
def _undo_last(project: Project, by: User, at: datetime) -> Assignment:
    label = _latest(project, by)
    comparison, assignment = locked(label.assignment_id, by)
    check_archived(assignment.project)
    kinds.check_changeable(assignment.project)
    _check_hands_free(project, by, at)
    frozen_labels.check_not_held(label, comparison)
    if label.kind == Assignment.Kind.WORK:
        withdraw(label=label, comparison=comparison, at=at)
    else:
        checks.undo(label=label, at=at)
    assignment.state = Assignment.State.LEASED
    assignment.leased_at, assignment.expires_at = at, leases.end_of(assignment.project, at)
    assignment.save(update_fields=["state", "leased_at", "expires_at"])
    return assignment


def withdraw(
    *,
    label: Label,
    comparison: Comparison,
    at: datetime,
    held: PopDataset | None = None,
    correction: str = "",
) -> None:
    """Take a work label back: its comparison, locked by the caller, and every count are as before it.

    The slot stays the person's: the caller leases it to them again, or frees it. `held` is the frozen dataset
    that holds the label, `correction` why it is taken back all the same.

    Raises:
        Conflict: it was taken back already.
    """
    if not Label.objects.filter(pk=label.pk, is_current=True).update(is_current=False):
        raise Conflict("undone_already", "This answer was taken back already.")
    kind = Kind.CORRECTED if held else Kind.UNDONE
    writing.record(label, kind, at, old=label.verdict, dataset=held, reason=correction)
    changes = resolving.label_gone(comparison=comparison)
    comparison.label_count -= 1
    _save(comparison)
    checks.original_withdrawn(label=label)
    tallying.unlabelled(label, comparison.pool_id, changes)


def decide_again(*, comparison: Comparison, project: Project, at: datetime) -> anchors.Changes:
    """A label of a resolved comparison names another side now: the outcome and the quotas follow."""
    changes = {} if comparison.adjudicated else resolving.reopen(comparison=comparison)
    after = resolving.resolve(comparison=comparison, votes=_votes(comparison), project=project, at=at)
    return resolving.merged(changes, after)


def _votes(comparison: Comparison, label: Label | None = None) -> list[str]:
    """The sides named by all current labels, the new one among them."""
    if label and comparison.needed == 1:
        return [vote_of(label.verdict, label.low_first)]
    given = Label.objects.filter(comparison=comparison, kind=Assignment.Kind.WORK, is_current=True)
    return [vote_of(verdict, low_first) for verdict, low_first in given.values_list("verdict", "low_first")]


def _save(comparison: Comparison) -> None:
    comparison.needs_fold = True
    _COMPARISON.update(comparison, "label_count", "needs_fold", *resolving.FIELDS)


def _saved(assignment_id: int, by: User, key: UUID) -> Label | None:
    """The label this key made before, undone or not: a retry never makes a second one."""
    label = Label.objects.filter(annotator=by, idempotency_key=key).first()
    if label and label.assignment_id != assignment_id:
        raise Conflict("key_reused", "This key belongs to the answer to another comparison.")
    return label


def _latest(project: Project, by: User) -> Label:
    mine = Label.objects.filter(project=project, annotator=by, is_current=True)
    mine = mine.exclude(kind=Assignment.Kind.PRACTICE)  # its answer has been told
    label = mine.order_by("-id").first()
    if label is None:
        raise Conflict("nothing_to_undo", "There is no answer of yours to take back.")
    return label


def locked(assignment_id: int, by: User) -> tuple[Comparison, Assignment]:
    """The comparison and the person's assignment as they are now, both locked; the project comes along.

    Raises:
        NotFound: not this person's assignment, or no longer their project.
    """
    statement = f"{_LOCKED} {sql.locking('c, a')}"
    found = sql.first(statement, [assignment_id, by.pk, by.is_superuser]) if by.is_active else None
    if found is None:
        raise NotFound("assignment_not_found", "There is no such assignment.")
    comparison = _COMPARISON.made(found[: len(_COMPARISON)])
    assignment = _ASSIGNMENT.made(found[len(_COMPARISON) : len(_COMPARISON) + len(_ASSIGNMENT)])
    assignment.comparison = comparison
    assignment.annotator = by
    assignment.project = _PROJECT.made(found[-len(_PROJECT) :])
    return comparison, assignment


def check_archived(project: Project) -> None:
    if project.state == Project.State.ARCHIVED:
        raise Conflict("project_archived", "The project is archived: its answers can no longer change.")


def _check_hands_free(project: Project, by: User, at: datetime) -> None:
    """Or somebody could answer a whole project, take all of it back, and keep it from everybody else."""
    if leases.live(project, by, at).count() >= rules.MOST_TAKEN_BACK:
        raise Conflict("hold_limit", "Please answer the comparisons you took back first.")


def _take_place_again(comparison: Comparison) -> None:
    """A late answer counts while a place is free."""
    free = Comparison.objects.filter(pk=comparison.pk, free_slots__gt=0)
    if not free.update(free_slots=F("free_slots") - 1):
        raise LeaseLost(
            "lease_lost",
            "Your time for this comparison ran out and others have taken your place, "
            "so this answer was not saved. Please go on with the next one.",
        )
