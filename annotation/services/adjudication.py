"""A reviewer's word on a disputed comparison: it stands in the place of the votes until it is withdrawn.

Labels may still be changed or taken back; the outcome stays, and what the votes say is kept beside it. When
more labels a comparison are asked for, it is passed by. A frozen dataset stays; the next sees the decision.
Locks: the project's row (shared), the comparison, anchors by id, the reviewer's tally.
"""

from __future__ import annotations

from datetime import datetime

from django.db import connection
from django.db.models import QuerySet

from annotation import rules
from annotation.errors import Conflict, Invalid, NotAllowed
from annotation.models import Adjudication, Assignment, Comparison, Label, Project, Role, User
from annotation.services import audit, leases, resolving, tallying
from annotation.services.anchors import Changes
from annotation.services.transactions import exact

REASON_LENGTH = 500
State = Comparison.State
SAVED = ("adjudicated", "needs_fold", *resolving.FIELDS)


def decide(*, comparison: Comparison, outcome: str, by: User, at: datetime, reason: str = "") -> Adjudication:
    """Give a disputed comparison its outcome. The same decision once more changes nothing.

    Raises:
        NotFound: not a member.
        NotAllowed: not a reviewer; or, unless an owner, they answered the comparison themselves.
        Invalid: no such outcome, or too long a reason.
        Conflict: somebody decided it before, it is not disputed any more, or the project is archived.
    """
    _check_words(outcome, reason)
    rules.check_review(by, _project_of(comparison))
    return _decide(comparison.pk, outcome, reason.strip(), by, at)


def withdraw(*, comparison: Comparison, by: User, at: datetime) -> None:
    """Take a decision back: the votes decide again, and a disputed comparison is in the queue again.

    Raises:
        NotFound: not a member.
        NotAllowed: not a reviewer, or somebody else's decision. Managers may withdraw any.
        Conflict: no decision stands, or the project is archived.
    """
    rules.check_review(by, _project_of(comparison))
    _withdraw(comparison.pk, by, at)


def check_independent(by: User, comparison: Comparison, role: str) -> None:
    """Raises NotAllowed where the person would judge their own answer. In a small team the owner may."""
    if role != Role.OWNER and answered(by).filter(comparison=comparison.pk).exists():
        raise NotAllowed(
            "own_label", "You answered this comparison yourself: another reviewer has to decide it."
        )


def answered(by: User) -> QuerySet[Label]:
    """The person's current answers to work."""
    return Label.objects.filter(annotator=by, kind=Assignment.Kind.WORK, is_current=True)


@exact
def _decide(comparison_id: int, outcome: str, reason: str, by: User, at: datetime) -> Adjudication:
    project, comparison = _locked(comparison_id)
    role = rules.check_review(by, project)
    stands = Adjudication.objects.filter(comparison=comparison, is_current=True).first()
    if stands is not None:
        if (stands.decided_by_id, stands.outcome) == (by.pk, outcome):
            return stands
        raise Conflict("decided_already", "Somebody decided this comparison a moment ago.")
    if not comparison.disputed:
        words = "This comparison is not disputed any more: one of its answers was changed or taken back."
        raise Conflict("not_disputed", words)
    check_independent(by, comparison, role)
    made = Adjudication.objects.create(
        comparison=comparison,
        outcome=outcome,
        reason=reason,
        votes_outcome=comparison.outcome,
        votes_confidence=comparison.confidence,
        decided_by=by,
        decided_at=at,
    )
    details: dict[str, object] = {"outcome": outcome, "votes": comparison.outcome}
    audit.record(
        by=by, at=at, verb="comparison.decided", project=project, target=comparison.pk, details=details
    )
    changes = resolving.reopen(comparison=comparison)
    comparison.adjudicated = True
    said = resolving.by_reviewer(outcome)
    after = resolving.conclude(comparison=comparison, consensus=said, project=project, at=at)
    _save(comparison, resolving.merged(changes, after), by)
    return made


@exact
def _withdraw(comparison_id: int, by: User, at: datetime) -> None:
    project, comparison = _locked(comparison_id)
    role = rules.check_review(by, project)
    current = Adjudication.objects.filter(comparison=comparison, is_current=True)
    stands = current.first()
    if stands is None:
        raise Conflict("not_decided", "No decision of a reviewer stands here any more.")
    if comparison.state == State.WITHDRAWN:
        words = "One of its preferences was taken out of the project: the decision counts for nothing now."
        raise Conflict("comparison_withdrawn", words)
    if role not in rules.MANAGERS and stands.decided_by_id != by.pk:
        raise NotAllowed("not_yours", "Another reviewer decided this: they, or a manager, can withdraw it.")
    current.update(is_current=False)
    audit.record(by=by, at=at, verb="comparison.decision_withdrawn", project=project, target=comparison.pk)
    votes = resolving.votes_of(comparison)
    changes = resolving.reopen(comparison=comparison)
    comparison.adjudicated = False
    _catch_up(comparison, project, at)
    if comparison.label_count == comparison.needed:
        after = resolving.resolve(comparison=comparison, votes=votes, project=project, at=at)
        changes = resolving.merged(changes, after)
    _save(comparison, changes, by)


def _locked(comparison_id: int) -> tuple[Project, Comparison]:
    """Both as they are now. While the project's row is shared nobody raises what its comparisons need."""
    share = "FOR SHARE OF p" if connection.vendor == "postgresql" else ""
    mine = f"""SELECT p.* FROM annotation_project p JOIN annotation_pool o ON o.project_id = p.id
        JOIN annotation_comparison c ON c.pool_id = o.id WHERE c.id = %s {share}"""  # noqa: S608 - no input
    project = Project.objects.raw(mine, [comparison_id])[0]
    rows = Comparison.objects.select_for_update(no_key=True, of=("self",)).select_related("anchor")
    comparison = rows.get(pk=comparison_id)
    if comparison.state == State.WITHDRAWN:
        words = "One of its preferences was taken out of the project: there is nothing to decide."
        raise Conflict("comparison_withdrawn", words)
    if project.state == Project.State.ARCHIVED:
        words = "The project is archived: its outcomes can no longer change."
        raise Conflict("project_archived", words)
    return project, comparison


def _catch_up(comparison: Comparison, project: Project, at: datetime) -> None:
    """A raise of the labels a comparison passed it by while the decision stood."""
    missing = project.labels_per_comparison - comparison.needed
    if comparison.needed and missing > 0:
        comparison.needed += missing
        comparison.free_slots += missing
        comparison.queue_position = leases.position(at)


def _save(comparison: Comparison, changes: Changes, by: User) -> None:
    comparison.needs_fold = True
    comparison.save(update_fields=[*SAVED, "needed", "free_slots", "queue_position"])
    tallying.add(pool_id=comparison.pool_id, annotator_id=by.pk, changes=changes)


def _project_of(comparison: Comparison) -> Project:
    return Project.objects.get(pools__comparisons=comparison.pk)


def _check_words(outcome: str, reason: str) -> None:
    errors: dict[str, list[str]] = {}
    if outcome not in Comparison.Outcome.values:
        errors["outcome"] = [f"Choose one of: {', '.join(Comparison.Outcome.values)}."]
    if len(reason.strip()) > REASON_LENGTH:
        errors["reason"] = [f"At most {REASON_LENGTH} characters."]
    if errors:
        raise Invalid("invalid_decision", "The decision was not saved: please check it.", errors)
