"""Drawing the next pair of the random strategy."""

from __future__ import annotations

from datetime import datetime

from annotation.models import Comparison, Pool, Project
from annotation.sampling import random
from annotation.services import draw_pairs


def draw(*, project: Project, pool: Pool, at: datetime) -> Comparison | None:
    """The next comparison of a locked pool; None when it has as many as it wants, or every pair."""
    draw_pairs.open_epoch(pool)
    if pool.drawn - pool.undecided >= random.target(pool.epoch_size, project.k):
        return None
    pair = _next_pair(project, pool)
    comparison = draw_pairs.make(pair=pair, project=project, pool=pool, at=at) if pair else None
    draw_pairs.save(pool)
    return comparison


def _next_pair(project: Project, pool: Pool) -> draw_pairs.Pair | None:
    seed = draw_pairs.seed(project, pool, f"pairs/{pool.epoch}")
    for places in draw_pairs.batches(pool.counter, random.length(pool.epoch_size)):
        numbers = [random.pair_at(pool.epoch_size, seed, place) for place in places]
        found = draw_pairs.first_new(pool, numbers)
        if found:
            pool.counter = places.start + found[0] + 1
            return found[1]
        pool.counter = places.stop
    return None
