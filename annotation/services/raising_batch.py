"""One batch of bringing comparisons in line with the settings.

Those that want more labels now, wins that no longer are a surplus, and winners that are disputed, or no
longer, under another threshold.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from django.db.models import F, Q, QuerySet

from annotation.models import Anchor, Comparison, Project
from annotation.services import anchors, leases, resolving, tallying

BATCH = 200
State = Comparison.State
Outcome = Comparison.Outcome
WON = (Outcome.LOW, Outcome.HIGH)


def outdated(project: Project) -> Q:
    """Comparisons that want more labels than they did. What a reviewer decided stands; gold wants none."""
    return Q(
        needed__gt=0,
        needed__lt=project.labels_per_comparison,
        adjudicated=False,
        state__in=(State.OPEN, State.RESOLVED),
    )


def misjudged(project: Project) -> Q:
    """Winners whose share of the votes is on the other side of the threshold now. Ties stay disputed."""
    winners = Q(state=State.RESOLVED, adjudicated=False, outcome__in=WON)
    low, high = Q(confidence__lt=project.dispute_below), Q(confidence__gte=project.dispute_below)
    return winners & (low & Q(disputed=False) | high & Q(disputed=True))


def in_hand() -> Q:
    """Comparisons that want one more label, which somebody holds: it may be decided by the old threshold now.

    Whoever answers read the threshold with the comparison's lock: locked here, it is judged after them.
    """
    return Q(state=State.OPEN, needed__gt=1, free_slots=0, label_count=F("needed") - 1)


def run(*, project: Project, after: int, by_id: int, at: datetime) -> tuple[int, int]:
    """Bring the next comparisons after this id up to the settings: the last id, and how many there were.

    The caller is in a transaction; every lock is taken in order before the first change.
    """
    rows = list(_todo(project).filter(pk__gt=after).order_by("pk")[:BATCH])
    if not rows:
        return after, 0
    winners = _winners(rows)
    anchors.lock_around(rows)
    changes: dict[int, Counter[str]] = {}
    for place, comparison in enumerate(rows):
        changed = _raise(comparison, project, winners, leases.position(at) + place)
        changes.setdefault(comparison.pool_id, Counter()).update(changed)
    for pool_id, counts in sorted(changes.items()):
        tallying.add(pool_id=pool_id, annotator_id=by_id, changes=counts)
    return rows[-1].pk, len(rows)


def _todo(project: Project) -> QuerySet[Comparison]:
    surplus = Q(
        state=State.RESOLVED,
        outcome__in=WON,
        credited=None,
        anchor__isnull=False,
    )
    rows = Comparison.objects.select_for_update(no_key=True, of=("self",)).select_related("anchor")
    return rows.filter(outdated(project) | surplus | misjudged(project) | in_hand(), pool__project=project)


def _raise(
    comparison: Comparison, project: Project, winners: dict[int, Anchor], position: int
) -> dict[str, int]:
    changes: dict[str, int] = {}
    if comparison.state == State.OPEN and comparison.needed >= project.labels_per_comparison:
        return changes  # it was in hand, and is undecided still
    if comparison.state == State.RESOLVED and (
        comparison.adjudicated or comparison.needed >= project.labels_per_comparison or not comparison.needed
    ):
        changes = _credit(comparison, project, winners)
        _judge(comparison, project)
    else:
        if comparison.state == State.RESOLVED:
            changes = resolving.reopen(comparison=comparison)
        comparison.free_slots += project.labels_per_comparison - comparison.needed
        comparison.needed = project.labels_per_comparison
        comparison.queue_position = position
    comparison.save(update_fields=["needed", "free_slots", "queue_position", *resolving.FIELDS])
    return changes


def _credit(comparison: Comparison, project: Project, winners: dict[int, Anchor]) -> dict[str, int]:
    """A win that came when the quota was filled counts now that the quota has grown."""
    if comparison.credited_id or not comparison.anchor_id or comparison.outcome not in WON:
        return {}
    anchor = winners.get(_winner(comparison))
    if anchor is None or not (project.reuse or anchor.pk == comparison.anchor_id):
        return {}
    if not anchors.credit(anchor.pk):
        return {}
    comparison.credited_id = anchor.pk
    return anchors.settle([anchor.pk])


def _judge(comparison: Comparison, project: Project) -> None:
    if comparison.outcome in WON and comparison.confidence is not None and not comparison.adjudicated:
        comparison.disputed = comparison.confidence < project.dispute_below


def _winners(rows: list[Comparison]) -> dict[int, Anchor]:
    """The anchors of those that won, by preference."""
    wanted = {_winner(row) for row in rows if row.outcome in WON}
    return {anchor.preference_id: anchor for anchor in Anchor.objects.filter(preference__in=wanted)}


def _winner(comparison: Comparison) -> int:
    return comparison.low_id if comparison.outcome == Outcome.LOW else comparison.high_id
