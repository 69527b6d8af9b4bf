"""The quotas of the iterative strategy. Whoever changes an anchor holds the lock on its pool.

`wins + in_flight ≤ quota` is kept by conditional updates and, behind them, by the table's own constraint.
"""

from __future__ import annotations

from django.db.models import F, Q

from annotation.models import Anchor, Pool, Project

State = Anchor.State
UNFILLED = Q(quota__gt=F("wins") + F("in_flight"))
ROOM = Q(state=State.OPEN, quota__gt=F("wins") + F("in_flight"), attempt_limit__gt=F("attempts"))


def get_or_make(preference_id: int, project: Project, pool: Pool) -> Anchor:
    limit = project.k * project.attempt_cap
    anchor, _ = Anchor.objects.get_or_create(
        preference_id=preference_id,
        defaults={"pool": pool, "quota": project.k, "attempt_limit": limit},
    )
    return anchor


def take(anchor_id: int, pool: Pool) -> Anchor | None:
    """Reserve one comparison for the anchor; None when it has no room."""
    free = Anchor.objects.filter(ROOM, pk=anchor_id, pool=pool)
    if not free.update(in_flight=F("in_flight") + 1, attempts=F("attempts") + 1):
        return None
    texts = ("preference__prompt", "preference__chosen", "preference__rejected")
    return Anchor.objects.select_related("preference").defer(*texts).get(pk=anchor_id)


def give_up(anchor: Anchor, pool: Pool) -> None:
    """No partner is left: hand the reservation back and ask for no more until the pool grows."""
    Anchor.objects.filter(pk=anchor.pk).update(
        in_flight=F("in_flight") - 1, attempts=F("attempts") - 1, attempt_limit=F("attempts") - 1
    )
    settle(anchor.pk, pool)


def hope_again(project: Project, pool: Pool) -> None:
    """The pool has grown: anchors that had run out of partners have new ones."""
    limit = project.k * project.attempt_cap
    stuck = Anchor.objects.filter(pool=pool, attempt_limit__lt=limit, wins__lt=F("quota"))
    ids = list(stuck.values_list("pk", flat=True))
    stuck.update(attempt_limit=limit)
    for anchor_id in ids:
        settle(anchor_id, pool)


def release(anchor_id: int) -> None:
    Anchor.objects.filter(pk=anchor_id).update(in_flight=F("in_flight") - 1)


def retake(anchor_id: int) -> bool:
    """Count a reopened comparison in flight again; False when its place was filled since."""
    return bool(Anchor.objects.filter(UNFILLED, pk=anchor_id).update(in_flight=F("in_flight") + 1))


def credit(anchor_id: int) -> bool:
    """Count a win; False when the quota is filled or spoken for, so that this win is a surplus."""
    return bool(Anchor.objects.filter(UNFILLED, pk=anchor_id).update(wins=F("wins") + 1))


def discredit(anchor_id: int) -> None:
    Anchor.objects.filter(pk=anchor_id).update(wins=F("wins") - 1)


def settle(anchor_id: int, pool: Pool) -> None:
    """Bring the state in line with the counts; the caller saves the pool, whose counters follow."""
    anchor = Anchor.objects.get(pk=anchor_id)
    state = _state(anchor)
    if state == anchor.state:
        return
    for value, change in ((anchor.state, -1), (state, 1)):
        if value == State.FULL:
            pool.full_anchors += change
        elif value == State.EXHAUSTED:
            pool.exhausted_anchors += change
    Anchor.objects.filter(pk=anchor.pk).update(state=state)


def _state(anchor: Anchor) -> State:
    if anchor.wins >= anchor.quota:
        return State.FULL
    if anchor.in_flight == 0 and anchor.attempts >= anchor.attempt_limit:
        return State.EXHAUSTED
    return State.OPEN
