"""The quotas of the iterative strategy. Whoever changes several anchors locks them first, by id.

`wins + in_flight ≤ quota` is kept by conditional updates and, behind them, by the table's own constraint.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import F, Q

from annotation import sql
from annotation.models import Anchor, Comparison, Membership, Pool, Preference, Project
from annotation.services import leases
from annotation.services.transactions import Again

State = Anchor.State
Changes = dict[str, int]  # of the counts in a tally
COUNTED = (State.FULL, State.EXHAUSTED)
UNFILLED = Q(quota__gt=F("wins") + F("in_flight"))

_ANCHOR = sql.Table(Anchor)
_READ = f"SELECT {_ANCHOR.columns('a')} FROM annotation_anchor a"  # noqa: S608 - names of ours
_ONCE = "ON CONFLICT (preference_id) DO NOTHING"
_OF_PREFERENCE = "SELECT id FROM annotation_anchor WHERE preference_id = %s"
_MAKE = f"""
    INSERT INTO annotation_anchor (pool_id, preference_id, quota, attempt_limit, state, wins, in_flight,
        attempts, partner_pool_size, partner_cursor)
    SELECT %s, %s, p.k, p.k * p.attempt_cap, 'open', 0, 0, 0, 0, 0
    FROM annotation_project p WHERE p.id = %s {{share}} {_ONCE} RETURNING {_ANCHOR.columns()}
"""  # noqa: S608 - names of ours
_SETTINGS = "SELECT k * attempt_cap FROM annotation_project WHERE id = %s"
ROOM = "state = 'open' AND quota > wins + in_flight AND attempt_limit > attempts"
OPEN_TO = "(held_by_id IS NULL OR held_by_id = %(person)s OR held_until <= %(at)s)"  # pinned to nobody else
_TAKE_ON = f"""
    UPDATE annotation_anchor SET in_flight = in_flight + 1, attempts = attempts + 1, held_by_id = %s,
        held_until = %s, partner_pool_size = %s, partner_cursor = %s
    WHERE id = %s AND partner_pool_size = %s AND partner_cursor = %s
    AND {ROOM} AND (held_by_id IS NULL OR held_by_id = %s OR held_until <= %s)
"""  # noqa: S608 - words of ours
_TAKE = f"""
    UPDATE annotation_anchor SET in_flight = in_flight + 1, attempts = attempts + 1, held_by_id = %(person)s,
        held_until = %(until)s
    WHERE id = %(anchor)s AND pool_id = %(pool)s AND {ROOM}
    RETURNING {_ANCHOR.columns()}, (SELECT p.number FROM annotation_preference p WHERE p.id = preference_id)
"""  # noqa: S608 - names of ours


def get_or_make(preference_id: int, project: Project, pool_id: int) -> int:
    """The id of the preference's anchor, which is made when it has none."""
    known = sql.first(_OF_PREFERENCE, [preference_id])
    return int(known[0]) if known else make(preference_id, project, pool_id).pk


def make(preference_id: int, project: Project, pool_id: int) -> Anchor:
    """A new anchor for a preference that had none a moment ago.

    k and the attempt cap are those of now: a raise waits for anchors made under the old ones.

    Raises:
        Again: somebody made it at this moment. Their id may be lower than that of an anchor held already.
    """
    made = sql.first(_MAKE.format(share=_share()), [pool_id, preference_id, project.pk])
    if made is None:
        raise Again
    return _ANCHOR.made(made)


def make_taken(preference_id: int, project: Project, pool: Pool, member: Membership, at: datetime) -> Anchor:
    """A new anchor with its first comparison reserved, pinned to the member.

    The caller has locked the pool, and has read the project since: a raise waits for that lock.

    Raises:
        Again: it won as a partner at this moment, which made its anchor.
    """
    made = Anchor(
        preference_id=preference_id,
        pool=pool,
        quota=project.k,
        attempt_limit=project.k * project.attempt_cap,
        in_flight=1,
        attempts=1,
        held_by_id=member.user_id,
        held_until=leases.end_of(member.project, at),
    )
    if not _ANCHOR.insert(made, unless=_ONCE):
        raise Again
    return made


def _limit(project: Project) -> int:
    """The attempt limit as it is now: a raise waits for anchors given hope under the old one."""
    found = sql.first(f"{_SETTINGS} {_share()}", [project.pk])
    assert found  # noqa: S101 - for the type checker
    return int(found[0])


def _share() -> str:
    return "FOR SHARE" if connection.vendor == "postgresql" else ""


def lock_around(comparisons: Iterable[Comparison], ids: Collection[int] = ()) -> None:
    """Lock the anchors of both sides of these comparisons, and those with these ids, in the order of ids.

    That is all that deciding or reopening them may touch. Who does both must not begin with fewer: the
    partner's anchor may be the lower one.
    """
    sides = {pk for one in comparisons if one.anchor_id for pk in (one.low_id, one.high_id)}
    rows = Anchor.objects.select_for_update(no_key=True).filter(Q(preference__in=sides) | Q(pk__in=ids))
    list(rows.order_by("pk").values_list("pk", flat=True))


def hold(preferences: Iterable[int]) -> dict[int, Anchor]:
    """The anchors of these preferences, locked by id and read as they are now, by preference.

    `put` writes them.
    """
    wanted = list(preferences)
    places = ", ".join(["%s"] * len(wanted))
    found = sql.rows(f"{_READ} WHERE a.preference_id IN ({places}) ORDER BY a.id {sql.locking('a')}", wanted)
    made = (_ANCHOR.made(row) for row in found)
    return {anchor.preference_id: anchor for anchor in made}


def has_place(anchor: Anchor) -> bool:
    """Whether one more win counts; beyond that it is a surplus."""
    return anchor.quota > anchor.wins + anchor.in_flight


def put(held: Iterable[Anchor]) -> Changes:
    """Write the counts of anchors that are held, and their states; what that changes in the tally."""
    changes: Changes = {}
    for anchor in held:
        before, anchor.state = anchor.state, _state(anchor)
        _ANCHOR.update(anchor, "wins", "in_flight", "state")
        _note(changes, before, anchor.state)
    return changes


def _note(changes: Changes, before: str, after: str) -> None:
    if before == after:
        return
    for value, change in ((before, -1), (after, 1)):
        if value in COUNTED:
            name = f"{value}_anchors"
            changes[name] = changes.get(name, 0) + change


def take(anchor_id: int, pool_id: int, member: Membership, at: datetime) -> tuple[Anchor, int] | None:
    """Reserve one comparison for the anchor and pin it to the member; None when it has no room.

    With the anchor comes the number of its preference.
    """
    found = sql.first(_TAKE, about(member, at) | {"anchor": anchor_id, "pool": pool_id})
    return (_ANCHOR.made(found[:-1]), found[-1]) if found else None


def about(member: Membership, at: datetime) -> dict[str, Any]:
    """Who takes an anchor, when, and until when it is pinned to them."""
    now, until = (sql.stored(Anchor, "held_until", when) for when in (at, leases.end_of(member.project, at)))
    return {"person": member.user_id, "at": now, "until": until}


def taking_on(anchor: Anchor, size: int, end: int, member: Membership, at: datetime) -> tuple[str, list[Any]]:
    """The statement that reserves a comparison, its stream of partners moved on to `end`, and its values.

    It changes nothing when the anchor is not any more what was read.
    """
    who = about(member, at)
    seen = [anchor.partner_pool_size, anchor.partner_cursor]
    return _TAKE_ON, [who["person"], who["until"], size, end, anchor.pk, *seen, who["person"], who["at"]]


def give_up(anchor: Anchor) -> Changes:
    """No partner is left: hand the reservation back and ask for no more until the pool grows."""
    Anchor.objects.filter(pk=anchor.pk).update(
        in_flight=F("in_flight") - 1, attempts=F("attempts") - 1, attempt_limit=F("attempts") - 1
    )
    return settle([anchor.pk])


def hope_again(project: Project, pool: Pool) -> Changes:
    """The pool has grown: anchors that had run out of partners have new ones."""
    limit = _limit(project)
    stuck = Anchor.objects.filter(pool=pool, attempt_limit__lt=limit, wins__lt=F("quota"))
    stuck = stuck.filter(preference__excluded_at=None)
    ids = list(stuck.select_for_update(no_key=True, of=("self",)).order_by("pk").values_list("pk", flat=True))
    Anchor.objects.filter(pk__in=ids).update(attempt_limit=limit)
    return settle(ids)


def close_excluded(pool: Pool) -> None:
    """Nothing is drawn for excluded preferences, whatever the limit was raised to."""
    gone = Preference.objects.filter(project=pool.project_id, excluded_at__isnull=False)
    mine = Anchor.objects.filter(pool=pool, preference__in=gone)
    mine.update(attempt_limit=0, state=State.EXHAUSTED)


def release(anchor_id: int) -> None:
    Anchor.objects.filter(pk=anchor_id).update(in_flight=F("in_flight") - 1)


def retake(anchor_id: int) -> bool:
    """Count a reopened comparison in flight again; False when its place was filled since."""
    return bool(Anchor.objects.filter(UNFILLED, pk=anchor_id).update(in_flight=F("in_flight") + 1))


def credit(anchor_id: int) -> bool:
    """Count a win; False when the quota is filled or spoken for, so that this win is a surplus."""
    return bool(Anchor.objects.filter(UNFILLED, pk=anchor_id).update(wins=F("wins") + 1))


def settle(ids: Iterable[int | None]) -> Changes:
    """Bring the states in line with the counts; what that changes in the tally."""
    changes: Changes = {}
    for anchor in Anchor.objects.filter(pk__in={pk for pk in ids if pk is not None}):
        state = _state(anchor)
        if state != anchor.state:
            Anchor.objects.filter(pk=anchor.pk).update(state=state)
            _note(changes, anchor.state, state)
    return changes


def _state(anchor: Anchor) -> State:
    if anchor.wins >= anchor.quota:
        return State.FULL
    if anchor.in_flight == 0 and anchor.attempts >= anchor.attempt_limit:
        return State.EXHAUSTED
    return State.OPEN
