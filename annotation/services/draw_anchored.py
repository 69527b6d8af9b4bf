"""Drawing the next comparison of the iterative strategy: an anchor with room, then a partner for it.

An anchor is pinned to the annotator it was last drawn for while their lease could last, so that each reads
one new preference at a time. Others take it over when that time has passed, or when nothing else is left.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from annotation import sql
from annotation.models import Anchor, Assignment, Comparison, Membership, Pool, Project
from annotation.sampling import iterative
from annotation.services import anchors, draw_active, draw_pairs, leases, tallying, waiting
from annotation.services.anchors import Changes
from annotation.services.transactions import Again

_ANCHOR, _COMPARISON = sql.Table(Anchor), sql.Table(Comparison)
# The labels a comparison come with it: on PostgreSQL, a membership that was waited for brings its project as
# it was before the wait, and a raise may have gone through meanwhile.
_OWN = f"""
    SELECT {_ANCHOR.columns("a")}, p.number,
        (SELECT s.labels_per_comparison FROM annotation_project s WHERE s.id = %s)
    FROM annotation_anchor a JOIN annotation_preference p ON p.id = a.preference_id
    WHERE a.id = %s AND a.pool_id = %s AND a.state = 'open' AND a.quota > a.wins + a.in_flight
    AND a.attempt_limit > a.attempts AND (a.held_by_id IS NULL OR a.held_by_id = %s OR a.held_until <= %s)
"""  # noqa: S608 - names of ours
# The member's own anchor, else the one most worked on; then, where no turn is left, any that has room.
_BEGUN = f"""
    SELECT coalesce(
        (SELECT id FROM annotation_anchor WHERE id = %(own)s AND pool_id = %(pool)s
            AND {anchors.ROOM} AND {anchors.OPEN_TO}),
        (SELECT id FROM annotation_anchor WHERE pool_id = %(pool)s AND attempts > 0
            AND {anchors.ROOM} AND {anchors.OPEN_TO} ORDER BY attempts DESC, id DESC LIMIT 1))
"""  # noqa: S608 - names of ours
_LEFT = f"""
    SELECT coalesce(
        (SELECT id FROM annotation_anchor WHERE pool_id = %(pool)s AND {anchors.ROOM} AND {anchors.OPEN_TO}
            ORDER BY attempts DESC, id DESC LIMIT 1),
        (SELECT id FROM annotation_anchor WHERE pool_id = %(pool)s AND {anchors.ROOM}
            ORDER BY attempts DESC, id DESC LIMIT 1))
"""  # noqa: S608 - names of ours
_TURN = """
    SELECT p.number, p.id, a.id, a.attempts, a.state
    FROM annotation_preference p LEFT JOIN annotation_anchor a ON a.preference_id = p.id
    WHERE p.project_id = %s AND p.split = %s AND p.excluded_at IS NULL AND p.number
"""
_ONCE = "ON CONFLICT (low_id, high_id) DO NOTHING"
NOBODY = (None, None, None, None)
Taken = tuple[Anchor, int]  # with the number of its preference


def stay(*, pool: Pool, member: Membership, at: datetime) -> Assignment | None:
    """The next comparison of the member's own anchor, without the pool's lock; None when it has none.

    Nothing is locked until there is a partner: a pool's lock comes before an anchor's.

    Raises:
        Again: somebody took the anchor's place, or the pair, at this moment.
    """
    if member.last_anchor_id is None:
        return None
    until = sql.stored(Anchor, "held_until", at)
    asked = [member.project_id, member.last_anchor_id, pool.pk, member.user_id, until]
    own = sql.first(_OWN, asked)
    if own is None:
        return None
    anchor, (number, labels) = _ANCHOR.made(own[:-2]), own[-2:]
    member.project.labels_per_comparison = labels
    pair, end = _partner(member.project, pool, anchor, number)
    if pair is None:
        return None
    made = _comparison(pair, member.project, pool, anchor, at)
    reserved = anchors.taking_on(anchor, pool.epoch_size, end, member, at)
    if not _COMPARISON.insert_after(made, *reserved, unless=_ONCE):
        raise Again
    return _granted(made, member.project, member, at)


class OnceMore(Exception):
    """Anchors were given up or given hope. Commit that and begin again: a draw holds one anchor only."""


def draw(*, project: Project, pool: Pool, member: Membership, at: datetime) -> Assignment | None:
    """The next comparison of a locked pool for this member; None when no anchor has room.

    Raises:
        OnceMore: the anchors changed; the caller commits and asks again.
    """
    if draw_pairs.open_epoch(pool):
        _count(pool, member, anchors.hope_again(project, pool))
        draw_pairs.save(pool)
        raise OnceMore
    with sql.together():
        taken = _take_anchor(project, pool, member, at)
        draw_pairs.save(pool)
        if taken is None:
            return None
        if lease := _paired(project, pool, taken, member, at):
            return lease
    raise OnceMore


def _paired(
    project: Project, pool: Pool, taken: Taken, member: Membership, at: datetime
) -> Assignment | None:
    """A comparison of the reserved anchor with its next partner, leased; None when no partner is left."""
    anchor, number = taken
    while pair := _next_partner(project, pool, anchor, number):
        if lease := _leased(pair, project=project, pool=pool, anchor=anchor, member=member, at=at):
            return lease
    _count(pool, member, anchors.give_up(anchor))
    return None


def _leased(
    pair: draw_pairs.Pair, *, project: Project, pool: Pool, anchor: Anchor, member: Membership, at: datetime
) -> Assignment | None:
    """The pair's comparison, leased; None when the partner's own annotator drew the same at this moment."""
    made = _comparison(pair, project, pool, anchor, at)
    return _granted(made, project, member, at) if _COMPARISON.insert(made, unless=_ONCE) else None


def _comparison(
    pair: draw_pairs.Pair, project: Project, pool: Pool, anchor: Anchor, at: datetime
) -> Comparison:
    """With one of its places taken."""
    free = project.labels_per_comparison - 1
    return draw_pairs.comparison(pair=pair, project=project, pool=pool, at=at, anchor=anchor, free=free)


def _granted(made: Comparison, project: Project, member: Membership, at: datetime) -> Assignment:
    with sql.together():
        tallying.add(pool_id=made.pool_id, annotator_id=member.user_id, changes={"drawn": 1})
        waiting.remember(member=member, comparison=made)
        lease = leases.grant(comparison=made, project=project, by=member.user, at=at)
    if lease is None:  # nobody can hold what was made just now
        raise Again
    return lease


def _count(pool: Pool, member: Membership, changes: Changes) -> None:
    tallying.add(pool_id=pool.pk, annotator_id=member.user_id, changes=changes)


def _take_anchor(project: Project, pool: Pool, member: Membership, at: datetime) -> Taken | None:
    """The member's own anchor, else the one most worked on, else the next in turn.

    An anchor made early, because it won as a partner, waits for its turn: taking winners first would compare
    the strong with the strong when labelling stops early. Those whose turn passed come last, and after them
    those that are pinned to somebody else.
    """
    return (
        _first(_BEGUN, pool, member, at)
        or _take_in_turn(project, pool, member, at)
        or _first(_LEFT, pool, member, at)
    )


def _first(statement: str, pool: Pool, member: Membership, at: datetime) -> Taken | None:
    wanted = {"pool": pool.pk, "own": member.last_anchor_id}
    found = sql.first(statement, anchors.about(member, at) | wanted)
    return _taken(found[0], pool, member, at) if found and found[0] else None


def _taken(anchor_id: int, pool: Pool, member: Membership, at: datetime) -> Taken:
    """Raises Again when its room went at this moment: having waited for it, its lock is held."""
    taken = anchors.take(anchor_id, pool.pk, member, at)
    if taken is None:
        raise Again
    return taken


def _take_in_turn(project: Project, pool: Pool, member: Membership, at: datetime) -> Taken | None:
    seed = draw_pairs.seed(project, pool, f"anchors/{pool.epoch}")
    for places in draw_pairs.batches(pool.counter, pool.epoch_size):
        numbers = [iterative.anchor_at(pool.epoch_size, seed, place) for place in places]
        known = _in_turn(pool, numbers)
        for number in numbers:
            pool.counter += 1
            preference, anchor, attempts, state = known.get(number, NOBODY)
            if preference is None or attempts or state not in (None, Anchor.State.OPEN):
                continue  # excluded, or it had its turn
            if anchor is None:
                return anchors.make_taken(preference, project, pool, member, at), number
            return _taken(anchor, pool, member, at)
    return None


def _in_turn(pool: Pool, numbers: list[int]) -> dict[int, tuple[Any, ...]]:
    """By the preference's number: its id, and its anchor's id, attempts and state as far as it has one."""
    places = "= %s" if len(numbers) == 1 else f"IN ({', '.join(['%s'] * len(numbers))})"
    found = sql.rows(f"{_TURN} {places}", [pool.project_id, pool.split, *numbers])
    return {row[0]: row[1:] for row in found}


def _next_partner(project: Project, pool: Pool, anchor: Anchor, number: int) -> draw_pairs.Pair | None:
    """The pair of the anchor and its next partner; the anchor's cursor is written."""
    pair, end = _partner(project, pool, anchor, number)
    anchor.partner_pool_size, anchor.partner_cursor = pool.epoch_size, end
    _ANCHOR.update(anchor, "partner_pool_size", "partner_cursor")
    return pair


def _partner(project: Project, pool: Pool, anchor: Anchor, own: int) -> tuple[draw_pairs.Pair | None, int]:
    """The next partner never compared with the anchor, whose number is `own`; where the stream is then."""
    if draw_active.chooses(project):
        return draw_active.partner(project, pool, anchor, own)
    size = pool.epoch_size
    start = anchor.partner_cursor if anchor.partner_pool_size == size else 0
    seed = draw_pairs.seed(project, pool, f"partners/{size}")
    end = start
    for places in draw_pairs.batches(start, size - 1):
        partners = [iterative.partner_at(size, seed, own, place) for place in places]
        if len(places) == 1:
            if pair := draw_pairs.new_with(pool, anchor.preference_id, partners[0]):
                return pair, places.stop
        elif found := draw_pairs.first_new(pool, [(own, partner) for partner in partners]):
            return found[1], places.start + found[0] + 1
        end = places.stop
    return None, end
