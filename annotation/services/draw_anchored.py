"""Drawing the next comparison of the iterative strategy: an anchor with room, then a partner for it."""

from __future__ import annotations

from datetime import datetime

from annotation.models import Anchor, Comparison, Membership, Pool, Project
from annotation.sampling import iterative
from annotation.services import anchors, draw_pairs


def draw(*, project: Project, pool: Pool, member: Membership, at: datetime) -> Comparison | None:
    """The next comparison of a locked pool for this member; None when no anchor has room."""
    if draw_pairs.open_epoch(pool):
        anchors.hope_again(project, pool)
    comparison = None
    while comparison is None and (anchor := _take_anchor(project, pool, member)):
        pair = _next_partner(project, pool, anchor)
        if pair:
            comparison = draw_pairs.make(pair=pair, project=project, pool=pool, at=at, anchor=anchor)
        else:
            anchors.give_up(anchor, pool)
    draw_pairs.save(pool)
    return comparison


def _take_anchor(project: Project, pool: Pool, member: Membership) -> Anchor | None:
    """The member's own anchor, else the one most worked on, else the next in turn.

    An anchor made early, because it won as a partner, waits for its turn: taking winners first would compare
    the strong with the strong when labelling stops early. Those whose turn passed come last.
    """
    if member.last_anchor_id and (anchor := anchors.take(member.last_anchor_id, pool)):
        return anchor
    with_room = Anchor.objects.filter(anchors.ROOM, pool=pool).order_by("-attempts", "-id")
    best = with_room.values_list("pk", "attempts").first()
    if best and best[1]:
        return anchors.take(best[0], pool)
    return _take_in_turn(project, pool) or (anchors.take(best[0], pool) if best else None)


def _take_in_turn(project: Project, pool: Pool) -> Anchor | None:
    seed = draw_pairs.seed(project, pool, f"anchors/{pool.epoch}")
    for places in draw_pairs.batches(pool.counter, pool.epoch_size):
        numbers = [iterative.anchor_at(pool.epoch_size, seed, place) for place in places]
        ids = draw_pairs.ids_of(pool, numbers)
        known = {row.preference_id: row for row in Anchor.objects.filter(preference__in=ids.values())}
        for number in numbers:
            pool.counter += 1
            if _had_turn(known.get(ids[number])):
                continue
            anchor = anchors.take(anchors.get_or_make(ids[number], project, pool).pk, pool)
            if anchor:
                return anchor
    return None


def _had_turn(anchor: Anchor | None) -> bool:
    return anchor is not None and (anchor.attempts > 0 or anchor.state != Anchor.State.OPEN)


def _next_partner(project: Project, pool: Pool, anchor: Anchor) -> draw_pairs.Pair | None:
    """The pair of the anchor and its next partner; the anchor's cursor is written."""
    size, own = pool.epoch_size, anchor.preference.number
    start = anchor.partner_cursor if anchor.partner_pool_size == size else 0
    seed = draw_pairs.seed(project, pool, f"partners/{size}")
    pair, end = None, start
    for places in draw_pairs.batches(start, size - 1):
        numbers = [(own, iterative.partner_at(size, seed, own, place)) for place in places]
        found = draw_pairs.first_new(pool, numbers)
        end = places.start + found[0] + 1 if found else places.stop
        if found:
            pair = found[1]
            break
    Anchor.objects.filter(pk=anchor.pk).update(partner_pool_size=size, partner_cursor=end)
    return pair
