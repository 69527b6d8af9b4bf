"""Claiming a slot of a comparison that already exists and waits for more labels."""

from __future__ import annotations

from datetime import datetime

from django.db.models import F, QuerySet

from annotation.models import Assignment, Comparison, Membership, Pool
from annotation.selectors.queue import taken_by
from annotation.services import leases
from annotation.services.transactions import Again

LOOKED_AT = 16  # candidates read in one go by the full scan


def claim_next(*, member: Membership, pools: list[int], at: datetime) -> Assignment | None:
    """The first waiting comparison past the member's cursor, asked pool by pool so that an index answers.

    Raises:
        Again: another tab of this person answered it or took it back at this moment.
    """
    for pool in _longest_waiting(member, pools):
        ahead = _ahead(pool, member)
        # Somebody at work on the first one is passed by; the full scan comes back to it.
        found = ahead.select_for_update(skip_locked=True, no_key=True, of=("self",)).first()
        if found:
            assignment = claim(comparison=found, member=member, at=at)
            if assignment is None:
                raise Again
            return assignment
    return None


def claim_any(*, member: Membership, pools: list[int], at: datetime) -> Assignment | None:
    """Any waiting comparison the person may answer, wherever their cursor is. It waits for locked ones."""
    tried: set[int] = set()
    for pool in pools:
        while found := list(_waiting(pool, member).exclude(pk__in=tried)[:LOOKED_AT]):
            for comparison in found:
                if assignment := claim(comparison=comparison, member=member, at=at):
                    return assignment
                tried.add(comparison.pk)
    return None


def claim(*, comparison: Comparison, member: Membership, at: datetime) -> Assignment | None:
    """Take one free slot and lease it to the member. One row changed means it is theirs."""
    free = Comparison.objects.filter(pk=comparison.pk, free_slots__gt=0)
    if not free.update(free_slots=F("free_slots") - 1):
        return None
    assignment = leases.grant(comparison=comparison, project=member.project, by=member.user, at=at)
    if assignment is None:
        Comparison.objects.filter(pk=comparison.pk).update(free_slots=F("free_slots") + 1)
        return None
    remember(member=member, comparison=comparison)
    return assignment


def remember(*, member: Membership, comparison: Comparison) -> None:
    """Where the member's queue stands now, and which anchor they know: a held-out pair does not change it."""
    cursor = max(member.queue_cursor, comparison.queue_position)
    anchor = comparison.anchor_id or member.last_anchor_id
    Membership.objects.filter(pk=member.pk).update(queue_cursor=cursor, last_anchor=anchor)


def pools_of(member: Membership) -> list[int]:
    return list(Pool.objects.filter(project=member.project_id).order_by("pk").values_list("pk", flat=True))


def _longest_waiting(member: Membership, pools: list[int]) -> list[int]:
    """The pools with something ahead of the member, the one that has waited longest first.

    A fixed order would let the cursor pass the other pool's comparisons: with several labels a comparison,
    held-out ones would be decided only when all the training is.
    """
    first = {pool: _ahead(pool, member).values_list("queue_position", flat=True).first() for pool in pools}
    ahead = {pool: position for pool, position in first.items() if position is not None}
    return sorted(ahead, key=ahead.__getitem__)


def _ahead(pool: int, member: Membership) -> QuerySet[Comparison]:
    return _waiting(pool, member).filter(queue_position__gt=member.queue_cursor)


def _waiting(pool: int, member: Membership) -> QuerySet[Comparison]:
    waiting = Comparison.objects.filter(~taken_by(member.user), pool=pool, free_slots__gt=0)
    return waiting.order_by("queue_position")
