"""Answers: written once, undone exactly."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError
from django.db.models import F

from annotation import rules
from annotation.errors import Conflict, Invalid, LeaseLost, NotFound
from annotation.models import Assignment, Comparison, Label, LabelEvent, Pool, Project, User
from annotation.services import draw_pairs, leases, resolving
from annotation.services.transactions import exact

REASON_LENGTH = 500
LONGEST_MS = 24 * 3600 * 1000
Kind = LabelEvent.Kind


@dataclass(frozen=True)
class _Answer:
    verdict: str
    key: UUID
    reason: str = ""
    first_looks_swapped: bool = False
    second_looks_swapped: bool = False
    duration_ms: int | None = field(default=None)

    def check(self) -> None:
        errors: dict[str, list[str]] = {}
        if self.verdict not in Label.Verdict.values:
            errors["verdict"] = [f"Choose one of: {', '.join(Label.Verdict.values)}."]
        if len(self.reason) > REASON_LENGTH:
            errors["reason"] = [f"At most {REASON_LENGTH} characters."]
        if self.duration_ms is not None and self.duration_ms < 0:
            errors["duration_ms"] = ["A time in milliseconds is not negative."]
        if errors:
            raise Invalid("invalid_label", "The answer was not saved: please check it.", errors)


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
    answer = _Answer(verdict, key, reason, first_looks_swapped, second_looks_swapped, duration_ms)
    answer.check()
    assignment = _own(assignment_id, by)
    rules.check_annotate(by, assignment.project)
    try:
        return _saved(assignment, by, key) or _submit(assignment, answer, by, at)
    except IntegrityError:
        # The same key at the same moment for another assignment.
        if label := _saved(assignment, by, key):
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
def _submit(assignment: Assignment, answer: _Answer, by: User, at: datetime) -> Label:
    pool, comparison, assignment = _locked(assignment)
    if label := _saved(assignment, by, answer.key):
        return label
    _check_archived(assignment.project)
    if assignment.state == Assignment.State.LABELLED:
        raise Conflict("already_answered", "You have answered this comparison already.")
    if assignment.state != Assignment.State.LEASED:
        _take_place_again(comparison)
    label = _write(assignment, answer, at)
    Assignment.objects.filter(pk=assignment.pk).update(state=Assignment.State.LABELLED)
    comparison.label_count += 1
    comparison.save(update_fields=["label_count"])
    pool.labels += 1
    if comparison.label_count == comparison.needed:
        resolving.resolve(comparison=comparison, project=assignment.project, pool=pool, at=at)
    draw_pairs.save(pool)
    return label


@exact
def _undo_last(project: Project, by: User, at: datetime) -> Assignment:
    label = _latest(project, by)
    pool, comparison, assignment = _locked(label.assignment)
    _check_archived(assignment.project)
    _check_hands_free(project, by, at)
    if not Label.objects.filter(pk=label.pk, is_current=True).update(is_current=False):
        raise Conflict("undone_already", "This answer was taken back already.")
    _record(label, Kind.UNDONE, at, old=label.verdict)
    if comparison.state == Comparison.State.RESOLVED:
        resolving.reopen(comparison=comparison, pool=pool)
    comparison.label_count -= 1
    comparison.save(update_fields=["label_count"])
    pool.labels -= 1
    draw_pairs.save(pool)
    assignment.state = Assignment.State.LEASED
    assignment.leased_at, assignment.expires_at = at, leases.end_of(assignment.project, at)
    assignment.save(update_fields=["state", "leased_at", "expires_at"])
    return assignment


def _own(assignment_id: int, by: User) -> Assignment:
    rows = Assignment.objects.select_related("project", "comparison")
    assignment = rows.filter(pk=assignment_id, annotator=by).first()
    if assignment is None:
        raise NotFound("assignment_not_found", "There is no such assignment.")
    return assignment


def _saved(assignment: Assignment, by: User, key: UUID) -> Label | None:
    """The label this key made before, undone or not: a retry never makes a second one."""
    label = Label.objects.filter(annotator=by, idempotency_key=key).first()
    if label and label.assignment_id != assignment.pk:
        raise Conflict("key_reused", "This key belongs to the answer to another comparison.")
    return label


def _latest(project: Project, by: User) -> Label:
    mine = Label.objects.filter(project=project, annotator=by, is_current=True)
    label = mine.select_related("assignment__comparison").order_by("-id").first()
    if label is None:
        raise Conflict("nothing_to_undo", "There is no answer of yours to take back.")
    return label


def _locked(assignment: Assignment) -> tuple[Pool, Comparison, Assignment]:
    """Pool, comparison and assignment as they are now, locked in this order."""
    (pool,) = draw_pairs.locked([assignment.comparison.pool_id])
    comparison = (
        Comparison.objects.select_for_update(no_key=True, of=("self",))
        .select_related("anchor")
        .get(pk=assignment.comparison_id)
    )
    rows = Assignment.objects.select_for_update(no_key=True, of=("self",)).select_related("project")
    return pool, comparison, rows.get(pk=assignment.pk)


def _check_archived(project: Project) -> None:
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


def _write(assignment: Assignment, answer: _Answer, at: datetime) -> Label:
    duration = None if answer.duration_ms is None else min(answer.duration_ms, LONGEST_MS)
    label = Label.objects.create(
        assignment=assignment,
        comparison_id=assignment.comparison_id,
        project_id=assignment.project_id,
        annotator_id=assignment.annotator_id,
        verdict=answer.verdict,
        low_first=assignment.low_first,
        reason=answer.reason,
        first_looks_swapped=answer.first_looks_swapped,
        second_looks_swapped=answer.second_looks_swapped,
        idempotency_key=answer.key,
        duration_ms=duration,
        created_at=at,
    )
    _record(label, Kind.SUBMITTED, at, new=answer.verdict)
    return label


def _record(label: Label, kind: str, at: datetime, old: str = "", new: str = "") -> None:
    LabelEvent.objects.create(
        label=label, kind=kind, actor_id=label.annotator_id, at=at, old_verdict=old, new_verdict=new
    )
