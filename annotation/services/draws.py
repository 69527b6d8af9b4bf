"""Drawing for a person who found nothing waiting: first which pool, then which pairs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from annotation import sql
from annotation.models import Assignment, Membership, Pool, Project, Split
from annotation.services import draw_anchored, draw_battles, draw_pairs, draw_random, waiting

_POOL, _PROJECT = sql.Table(Pool), sql.Table(Project, without=["guidelines"])
_NOW = f"SELECT {_PROJECT.columns()} FROM annotation_project WHERE id = %s"  # noqa: S608 - names of ours
_DRAWN = f"""
    SELECT {_POOL.columns("p")}, {waiting.DRAWN} FROM annotation_pool p WHERE p.project_id = %s ORDER BY p.id
"""  # noqa: S608 - names of ours


def draw(*, member: Membership, at: datetime, seen: waiting.Seen) -> Assignment | None:
    """A comparison nobody had before, leased to the member; None when there is none.

    The member's own anchor needs no lock that others wait for. All else is the pools' to give, which are
    locked together, in the order of their ids.
    """
    drawn = seen.drawn or _pools(member)
    first = next(iter(in_turn(drawn)), None)
    if first and _is_anchored(first, member) and (lease := _stay(first, member, at)):
        return lease
    return _draw_locked(drawn, member, at)


def in_turn(drawn: Mapping[Pool, int]) -> list[Pool]:
    """The pools that can be drawn from, the one furthest behind its share of the preferences first.

    `drawn`: comparisons made so far. Webster's rule: the least (2·drawn + 1)/size, so that the held-out share
    of the comparisons follows the held-out share of the preferences from the first comparison on.
    """
    usable = [pool for pool in drawn if pool.size >= 2]
    return sorted(usable, key=lambda pool: ((2 * drawn[pool] + 1) / pool.size, pool.split != Split.TRAIN))


def _stay(pool: Pool, member: Membership, at: datetime) -> Assignment | None:
    grown = pool.size > pool.epoch_size
    return None if grown else draw_anchored.stay(pool=pool, member=member, at=at)


def _draw_locked(drawn: Mapping[Pool, int], member: Membership, at: datetime) -> Assignment | None:
    """Whose turn it is goes by the counts before the lock: what others drew meanwhile evens out."""
    pools = {pool: drawn[pool] for pool in draw_pairs.locked(member.project_id)}
    # Read after the lock: settings can change until the first draw, and it may have been paused.
    project = _project(member)
    if project.state != Project.State.OPEN:
        return None
    for pool in in_turn(pools):
        if _is_anchored(pool, member):
            lease = draw_anchored.draw(project=project, pool=pool, member=member, at=at)
        else:
            lease = _random(project, pool, member, at)
        if lease:
            return lease
    return None


def _project(member: Membership) -> Project:
    found = sql.first(_NOW, [member.project_id])
    assert found  # noqa: S101 - for the type checker
    return _PROJECT.made(found)


def _random(project: Project, pool: Pool, member: Membership, at: datetime) -> Assignment | None:
    """A block of pairs, then claimed like all that waits. It may have been drawn while this one waited."""
    if lease := waiting.claim_next(member=member, at=at):
        return lease
    drawing = draw_battles if project.is_arena else draw_random
    drawn = drawing.draw(project=project, pool=pool, member=member, at=at)
    return waiting.claim_next(member=member, at=at) if drawn else None


def _is_anchored(pool: Pool, member: Membership) -> bool:
    """Held-out comparisons are always random: an evaluation wants an even picture of the pool."""
    return pool.split == Split.TRAIN and waiting.is_anchored(member)


def _pools(member: Membership) -> dict[Pool, int]:
    """The project's pools with the number of comparisons drawn in each. One query."""
    found = sql.rows(_DRAWN, [member.project_id])
    return {_POOL.made(row[:-1]): int(row[-1]) for row in found}
