"""Leases on comparisons: granting, extending and taking back. A live lease holds one of the slots."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta

from django.db.models import F, QuerySet

from annotation import sql
from annotation.models import Assignment, Comparison, Project, User
from annotation.services.transactions import exact

State = Assignment.State
_LEASES = sql.Table(Assignment)
_HELD = """
    ON CONFLICT (comparison_id, annotator_id, kind) DO UPDATE SET state = excluded.state,
        low_first = excluded.low_first, leased_at = excluded.leased_at, expires_at = excluded.expires_at
    WHERE annotation_assignment.state IN ('expired', 'released')
"""


def position(at: datetime) -> int:
    """A queue position: microseconds since 1970.

    It needs no row that every return to the queue would have to lock. Positions may tie or be written in
    another order than they are seen in: a person's cursor is a shortcut, the scan `claim_any` is exact.
    """
    since = at.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return since // timedelta(microseconds=1)


def end_of(project: Project, at: datetime) -> datetime:
    return at + timedelta(minutes=project.lease_minutes)


def live(project: Project, by: User, at: datetime) -> QuerySet[Assignment]:
    return Assignment.objects.filter(
        project=project, annotator=by, state=State.LEASED, expires_at__gt=at
    ).order_by("id")


def grant(*, comparison: Comparison, project: Project, by: User, at: datetime) -> Assignment | None:
    """Lease to this person a slot the caller has taken; None when they hold or have answered it already.

    Their earlier lease on it, which had ended, is taken up again in place.
    """
    lease = Assignment(
        comparison=comparison,
        annotator=by,
        project=project,
        low_first=bool(secrets.randbits(1)),
        leased_at=at,
        expires_at=end_of(project, at),
    )
    return lease if _LEASES.insert(lease, unless=_HELD) else None


def extend(assignment: Assignment, project: Project, at: datetime) -> bool:
    """Move the end of a lease that is still held; False when it was taken back."""
    assignment.expires_at = max(assignment.expires_at, end_of(project, at))
    held = Assignment.objects.filter(pk=assignment.pk, state=State.LEASED)
    return held.update(expires_at=assignment.expires_at) == 1


@exact
def take_back(*, assignment: Assignment, to: str, at: datetime) -> bool:
    """End a lease and put its comparison at the end of the queue; False when it had ended already."""
    comparison = Comparison.objects.select_for_update(no_key=True).get(pk=assignment.comparison_id)
    ending = Assignment.objects.filter(pk=assignment.pk, state=State.LEASED)
    if to == State.EXPIRED:
        ending = ending.filter(expires_at__lte=at)  # it may have been extended since it was listed
    if not ending.update(state=to):
        return False
    if assignment.kind != Assignment.Kind.WORK:
        return True  # checks hold no slot
    Comparison.objects.filter(pk=comparison.pk).update(
        free_slots=F("free_slots") + 1, queue_position=position(at)
    )
    return True
