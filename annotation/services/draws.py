"""Drawing a new comparison for a person: first which pool, then which pair."""

from __future__ import annotations

from datetime import datetime

from annotation import sampling
from annotation.models import Comparison, Membership, Pool, Project, Split
from annotation.services import draw_anchored, draw_pairs, draw_random


def draw(*, member: Membership, pools: list[int], at: datetime) -> Comparison | None:
    """A comparison nobody had before, its first slot taken for the member; None when there is none."""
    locked = draw_pairs.locked(pools)
    # Read after the lock: the strategy cannot change any more once something was drawn.
    project = Project.objects.get(pk=member.project_id)
    for pool in in_turn(locked):
        comparison = _draw_from(pool, project, member, at)
        if comparison:
            return comparison
    return None


def in_turn(pools: list[Pool]) -> list[Pool]:
    """The pools that can be drawn from, the one furthest behind its share of the preferences first.

    Webster's rule: the least (2·drawn + 1)/size, so that the held-out share of the comparisons follows the
    held-out share of the preferences from the first comparison on.
    """
    usable = [pool for pool in pools if pool.size >= 2]
    return sorted(usable, key=lambda pool: ((2 * pool.drawn + 1) / pool.size, pool.split != Split.TRAIN))


def _draw_from(pool: Pool, project: Project, member: Membership, at: datetime) -> Comparison | None:
    """Held-out comparisons are always random: an evaluation wants an even picture of the pool."""
    if pool.split == Split.TRAIN and sampling.strategy(project.strategy).anchored:
        return draw_anchored.draw(project=project, pool=pool, member=member, at=at)
    return draw_random.draw(project=project, pool=pool, at=at)
