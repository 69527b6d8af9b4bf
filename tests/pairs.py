"""Chosen pairs with chosen answers, as the services would have written them."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import uuid4

from annotation.models import Assignment, Comparison, Pool, Preference
from annotation.services import labels, leases, tallying
from tests.cast import NOW, Cast

Named = tuple[Preference, Preference, str]  # low, high, and which of them won: low, high or none


def answered_pairs(cast: Cast, named: Iterable[Named]) -> list[Comparison]:
    """One comparison a pair, answered by `ann_one`."""
    made = [compared(cast, low, high) for low, high, _ in named]
    for comparison, (_, _, winner) in zip(made, named, strict=True):
        lease = leases.grant(comparison=comparison, project=cast.project, by=cast.ann_one, at=NOW)
        assert lease
        Comparison.objects.filter(pk=comparison.pk).update(free_slots=comparison.free_slots - 1)
        labels.submit(
            assignment_id=lease.pk, verdict=verdict(lease, winner), by=cast.ann_one, at=NOW, key=uuid4()
        )
        comparison.refresh_from_db()
    return made


def verdict(lease: Assignment, winner: str) -> str:
    """How this side is named on the card the lease shows."""
    if winner == "none":
        return "too_close"
    return "first" if (winner == "low") == lease.low_first else "second"


def compared(cast: Cast, low: Preference, high: Preference) -> Comparison:
    pool = Pool.objects.get(project=cast.project, split=low.split)
    needed = cast.project.labels_per_comparison
    tallying.add(pool_id=pool.pk, annotator_id=cast.ann_one.pk, changes={"drawn": 1})
    return Comparison.objects.create(
        pool=pool,
        low=low,
        high=high,
        needed=needed,
        free_slots=needed,
        queue_position=leases.position(NOW),
        created_at=NOW,
    )
