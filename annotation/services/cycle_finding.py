"""Cycles among the decided comparisons of a project, by split."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from annotation.models import Pool, Project
from annotation.services import votes
from annotation.services.snapshot import snapshot
from annotation.services.strength_fitting import Beat


def compute(project: Project, beat: Beat) -> dict[str, Any]:
    """What `quality.cycles` finds in each pool; `share` is of the triangles, null without any."""
    from annotation.quality import cycles  # SciPy's sparse matrices, which web processes need not hold

    with snapshot() as alias:
        pools = list(Pool.objects.using(alias).filter(project=project).order_by("pk"))
        decided = [votes.winners(pool, alias) for pool in pools]
    beat()
    result: dict[str, Any] = {}
    for pool, (strong, weak) in zip(pools, decided, strict=True):
        found = cycles.find(strong, weak)
        result[pool.split] = {**asdict(found), "share": found.share}
        beat()
    return result
