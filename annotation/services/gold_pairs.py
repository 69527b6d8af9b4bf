"""The comparison behind a gold: one that exists, or one made for it that is never drawn as work."""

from __future__ import annotations

from datetime import datetime

from annotation.errors import Conflict
from annotation.models import Comparison, Pool, Project, Split
from annotation.services import leases


def locked_pool(project: Project) -> Pool:
    """The training pool, locked: no pair becomes work while it becomes gold."""
    return Pool.objects.select_for_update(no_key=True).get(project=project, split=Split.TRAIN)


def comparison(*, project: Project, low: int, high: int, at: datetime) -> Comparison:
    """The comparison of this pair of preferences, made where there is none."""
    pool = locked_pool(project)
    found, _ = Comparison.objects.get_or_create(low_id=low, high_id=high, defaults=fields_of_new(pool, at))
    return found


def fields_of_new(pool: Pool, at: datetime) -> dict[str, object]:
    """It wants no labels, so that it waits in no queue, decides nothing and is in no dataset."""
    return {
        "pool": pool,
        "needed": 0,
        "free_slots": 0,
        "state": Comparison.State.RESOLVED,
        "queue_position": leases.position(at),
        "created_at": at,
    }


def check_usable(found: Comparison) -> None:
    """Raises Conflict for a comparison that is still work, or has an excluded preference."""
    if found.state == Comparison.State.OPEN:
        raise Conflict(
            "still_work", "This comparison is still being labelled. It can be gold once it is decided."
        )
    if found.state == Comparison.State.WITHDRAWN:
        raise Conflict("excluded", "A preference of this comparison is excluded.")
