"""Tells webhooks when a project has what it asked for. The beat looks, so that no label pays for it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime

from annotation import sampling
from annotation.models import Pool, Project, Split, Webhook
from annotation.selectors import tallies, wanted
from annotation.selectors.tallies import Sums
from annotation.services import webhooks

EVENT = "labels.target_reached"


def tell_reached(at: datetime) -> int:
    """Tell each webhook that wants to know and was not told of this target yet; how many were told.

    Three queries while nothing is reached. Two workers tell once: the message's id is made of the webhook and
    the target, and is unique. A higher k, more labels a comparison or a grown pool is another target.
    """
    active = Webhook.objects.filter(is_active=True).exclude(project__state=Project.State.ARCHIVED)
    asked = [hook for hook in active.select_related("project").order_by("id") if EVENT in hook.events]
    pools: dict[int, list[Pool]] = {}
    for pool in Pool.objects.filter(project__in={hook.project_id for hook in asked}).order_by("id"):
        pools.setdefault(pool.project_id, []).append(pool)
    counts = tallies.of_pools(pool for mine in pools.values() for pool in mine)
    return sum(
        _tell(hook, pools[hook.project_id], counts, at)
        for hook in asked
        if reached(hook.project, pools[hook.project_id], counts)
    )


def reached(project: Project, pools: Iterable[Pool], counts: dict[int, Sums]) -> bool:
    """Every pool has its rows, or nothing is left to draw in it; a project without pairs reaches nothing."""
    asking = [pool for pool in pools if wanted.comparisons(project, pool)]
    return bool(asking) and all(_has_enough(project, pool, counts[pool.pk]) for pool in asking)


def _has_enough(project: Project, pool: Pool, counts: Sums) -> bool:
    if pool.split == Split.TRAIN and sampling.strategy(project.strategy).anchored:
        return counts.full_anchors + counts.exhausted_anchors >= pool.size
    at_end = not counts.open and wanted.read_to_end(project, pool)
    drawn_out = at_end or counts.decided + counts.undecided >= wanted.possible(project, pool)
    return drawn_out or wanted.reached(project, counts) >= wanted.comparisons(project, pool)


def _tell(hook: Webhook, pools: list[Pool], counts: dict[int, Sums], at: datetime) -> bool:
    project = hook.project
    asked = f"{project.strategy}:{project.k}:{project.labels_per_comparison}"
    asked += f":{project.battles}" if project.is_arena else ""
    target = f"{EVENT}:{hook.pk}:{asked}:{[pool.size for pool in pools]}"
    data = {
        "project": project.slug,
        "labels": sum(counts[pool.pk].labels for pool in pools),
        "rows": sum(counts[pool.pk].decided for pool in pools),
    }
    once = f"msg_{hashlib.sha256(target.encode()).hexdigest()[:32]}"
    return webhooks.queue_once(hook, EVENT, data, at, message_id=once)
