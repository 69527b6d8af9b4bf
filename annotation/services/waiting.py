"""Claiming a slot of a comparison that already exists and waits for more labels."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, QuerySet

from annotation import sampling, sql
from annotation.models import Assignment, Comparison, Membership, Pool, Project
from annotation.selectors.queue import taken_by
from annotation.services import leases
from annotation.services.transactions import Again

LOOKED_AT = 16  # candidates read in one go by the full scan
_COMPARISON, _POOL = sql.Table(Comparison, without=["folded"]), sql.Table(Pool)
DRAWN = "coalesce((SELECT sum(t.drawn) FROM annotation_tally t WHERE t.pool_id = p.id), 0)"
_NO_POOL = ", ".join(["NULL"] * (2 + len(_POOL)))
_AHEAD = """
    annotation_comparison c WHERE c.pool_id = {pool} AND c.free_slots > 0 AND c.queue_position > %(cursor)s
    AND NOT EXISTS (SELECT 1 FROM annotation_assignment a WHERE a.comparison_id = c.id
        AND a.annotator_id = %(person)s AND a.state IN ('leased', 'labelled'))
    ORDER BY c.queue_position LIMIT 1
"""
# Each pool, how long its first comparison ahead of the person has waited, and how many were drawn from it;
# the live leases; whether the project is open: what came with the membership is from before the wait.
_LOOK = f"""
    SELECT NULL, NULL, (SELECT c.queue_position FROM {_AHEAD.format(pool="p.id")}), {{drawn}},
        {_POOL.columns("p")}
    FROM annotation_pool p WHERE p.project_id = %(project)s
    UNION ALL
    SELECT NULL, a.id, {_NO_POOL} FROM annotation_assignment a WHERE a.project_id = %(project)s
    AND a.annotator_id = %(person)s AND a.state = 'leased' AND a.expires_at > %(at)s
    UNION ALL
    SELECT s.state, NULL, {_NO_POOL} FROM annotation_project s WHERE s.id = %(project)s
"""  # noqa: S608 - words of ours
_CLAIM = f"""
    UPDATE annotation_comparison SET free_slots = free_slots - 1
    WHERE id = (SELECT c.id FROM {_AHEAD.format(pool="%(pool)s")} {{skip}}) AND free_slots > 0
    RETURNING {_COMPARISON.columns()}
"""  # noqa: S608 - words of ours
_REMEMBER = """
    UPDATE annotation_membership SET queue_cursor = %s, last_anchor_id = %s, served = served + 1 WHERE id = %s
"""


@dataclass(frozen=True)
class Seen:
    """Assignments the person holds, the oldest first; pools to claim from, the longest waiting first.

    Nothing is handed out unless the project is `open`. `drawn`: its pools with the number of comparisons made
    in each, where a draw goes by them.
    """

    leases: list[int]
    pools: list[int]
    open: bool
    drawn: dict[Pool, int] | None


def look(*, member: Membership, at: datetime) -> Seen:
    """What is there for the member. One query.

    A fixed order of pools would let the cursor pass the other pool's comparisons: with several labels a
    comparison, held-out ones would be decided only when all the training is.
    """
    about = {**_about(member), "at": sql.stored(Assignment, "expires_at", at)}
    anchored = is_anchored(member)
    pools, held, is_open = [], [], False
    for state, lease, *pool in sql.rows(_LOOK.format(drawn=DRAWN if anchored else "NULL"), about):
        if state is not None:
            is_open = state == Project.State.OPEN
        elif lease is not None:
            held.append(lease)
        else:
            pools.append((pool[0], pool[1], _POOL.made(pool[2:])))
    heads = sorted((head, pool.pk) for head, _, pool in pools if head is not None)
    drawn = {pool: int(count) for _, count, pool in pools} if anchored else None
    return Seen(sorted(held), [pool for _, pool in heads], is_open, drawn)


def is_anchored(member: Membership) -> bool:
    """Whether the training comparisons of the member's project are drawn around anchors."""
    return sampling.strategy(member.project.strategy).anchored


def claim_next(*, member: Membership, at: datetime, seen: Seen | None = None) -> Assignment | None:
    """The first waiting comparison past the member's cursor, asked pool by pool so that an index answers.

    Somebody at work on the first one is passed by; the full scan comes back to it.

    Raises:
        Again: another tab of this person answered it or took it back at this moment.
    """
    seen = seen or look(member=member, at=at)
    statement = _CLAIM.format(skip=sql.locking("c", skip=True))
    for pool in seen.pools:
        if claimed := sql.first(statement, {**_about(member), "pool": pool}):
            comparison = _COMPARISON.made(claimed)
            with sql.together():
                remember(member=member, comparison=comparison)
                lease = leases.grant(comparison=comparison, project=member.project, by=member.user, at=at)
                if lease is None:
                    raise Again
            return lease
    return None


def claim_any(*, member: Membership, at: datetime) -> Assignment | None:
    """Any waiting comparison the person may answer, wherever their cursor is. It waits for locked ones."""
    tried: set[int] = set()
    for pool in pools_of(member):
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
    sql.write(_REMEMBER, [cursor, comparison.anchor_id or member.last_anchor_id, member.pk])


def pools_of(member: Membership) -> list[int]:
    return list(Pool.objects.filter(project=member.project_id).order_by("pk").values_list("pk", flat=True))


def _about(member: Membership) -> dict[str, int]:
    return {"project": member.project_id, "person": member.user_id, "cursor": member.queue_cursor}


def _waiting(pool: int, member: Membership) -> QuerySet[Comparison]:
    waiting = Comparison.objects.filter(~taken_by(member.user), pool=pool, free_slots__gt=0)
    return waiting.order_by("queue_position")
