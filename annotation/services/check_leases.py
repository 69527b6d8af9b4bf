"""Leases on checks. They hold no slot of the comparison: any number of people may have it as a check."""

from __future__ import annotations

import secrets
from datetime import datetime

from django.db.models import Q

from annotation.models import Assignment, Label, Membership
from annotation.services import leases

State = Assignment.State


def grant(
    *, member: Membership, comparison_id: int, kind: str, at: datetime, retest_of: Label | None = None
) -> Assignment | None:
    """Lease it to the member, whose row the caller has locked; None when they hold or have answered it.

    A retest shows the sides in the other order than the first time; else the order is drawn.
    """
    shown = {
        "low_first": bool(secrets.randbits(1)) if retest_of is None else not retest_of.low_first,
        "retest_of": retest_of,
        "leased_at": at,
        "expires_at": leases.end_of(member.project, at),
    }
    lease, new = Assignment.objects.get_or_create(
        comparison_id=comparison_id,
        annotator_id=member.user_id,
        kind=kind,
        defaults={"project": member.project, **shown},
    )
    if new:
        return lease
    over = Q(state__in=(State.EXPIRED, State.RELEASED)) | Q(state=State.LEASED, expires_at__lte=at)
    ended = Assignment.objects.filter(over, pk=lease.pk)
    if not ended.update(state=State.LEASED, **shown):
        return None
    lease.refresh_from_db()
    return lease
