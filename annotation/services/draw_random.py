"""Drawing the next pairs of the random strategy: a block at a time, which then waits to be claimed.

Whoever draws holds the pool's lock. A block lets many annotators pass for each time somebody holds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import islice

from annotation.models import Comparison, Membership, Pool, Project
from annotation.sampling import random
from annotation.selectors import tallies
from annotation.services import draw_pairs, tallying

LARGEST_BLOCK = 64
PREFERENCES_A_DRAW = 16  # a small pool is drawn pair by pair, so that it ends where it should


def draw(*, project: Project, pool: Pool, member: Membership, at: datetime) -> int:
    """Make the next comparisons of a locked pool: how many, 0 when it has what it wants or every pair."""
    draw_pairs.open_epoch(pool)
    counts = tallies.of_pool(pool)
    wanted = random.target(pool.epoch_size, project.k) - (counts.drawn - counts.undecided)
    most = block(wanted, pool)
    pairs = _next_pairs(project, pool, most) if most > 0 else []
    return make(pairs, project=project, pool=pool, member=member, at=at)


def block(wanted: int, pool: Pool) -> int:
    """How many of those wanted to make at once; 0 or less: none."""
    return min(wanted, LARGEST_BLOCK, max(1, pool.epoch_size // PREFERENCES_A_DRAW))


def make(
    pairs: Sequence[draw_pairs.Pair], *, project: Project, pool: Pool, member: Membership, at: datetime
) -> int:
    """Make the comparisons of these pairs, in their order, and save the pool; how many they are."""
    draw_pairs.save(pool)
    free = project.labels_per_comparison
    made = [draw_pairs.comparison(pair=pair, project=project, pool=pool, at=at, free=free) for pair in pairs]
    for place, one in enumerate(made):
        one.queue_position += place  # in the order of the stream
    Comparison.objects.bulk_create(made)
    tallying.add(pool_id=pool.pk, annotator_id=member.user_id, changes={"drawn": len(made)})
    return len(made)


def _next_pairs(project: Project, pool: Pool, most: int) -> list[draw_pairs.Pair]:
    """The next pairs of the stream that were never compared; the pool's counter moves past them."""
    seed = draw_pairs.seed(project, pool, f"pairs/{pool.epoch}")
    pairs: list[draw_pairs.Pair] = []
    for places in draw_pairs.batches(pool.counter, random.length(pool.epoch_size), first=most):
        numbers = [random.pair_at(pool.epoch_size, seed, place) for place in places]
        found = list(islice(draw_pairs.new_among(pool, numbers), most - len(pairs)))
        pairs += [pair for _, pair in found]
        if len(pairs) == most:
            pool.counter = places.start + found[-1][0] + 1
            break
        pool.counter = places.stop
    return pairs
