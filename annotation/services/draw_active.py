"""The next partner of an anchor under the active strategy: chosen among a few of the anchor's own stream.

Only the choice differs from `draw_anchored`, which makes, counts and leases the comparison: no pair is drawn
twice and no quota passed by whatever is chosen here. Partners that were not chosen stay ahead of the cursor.
"""

from __future__ import annotations

from annotation import sampling
from annotation.models import Anchor, Pool, Project
from annotation.sampling import active, iterative
from annotation.services import draw_pairs, strengths_online
from annotation.services.anchors import UNFILLED

READ_AT_ONCE = active.CANDIDATES + 4  # a few of them have been compared with the anchor already
Found = tuple[int, draw_pairs.Pair]  # a place in the stream, and the pair that stands there


def chooses(project: Project) -> bool:
    return sampling.strategy(project.strategy).learns


def partner(project: Project, pool: Pool, anchor: Anchor, own: int) -> tuple[draw_pairs.Pair | None, int]:
    """The best of the next partners never compared with the anchor, whose number is `own`; the new cursor."""
    start = anchor.partner_cursor if anchor.partner_pool_size == pool.epoch_size else 0
    found = _ahead(project, pool, own, start)
    if not found:
        return None, pool.epoch_size - 1
    place, pair = found[_best(project, anchor, [pair for _, pair in found])]
    left = [other for other, _ in found if other != place]
    return pair, min(left, default=place + 1)


def _ahead(project: Project, pool: Pool, own: int, start: int) -> list[Found]:
    size = pool.epoch_size
    seed = draw_pairs.seed(project, pool, f"partners/{size}")
    found: list[Found] = []
    for places in draw_pairs.batches(start, size - 1, first=READ_AT_ONCE):
        numbers = [(own, iterative.partner_at(size, seed, own, place)) for place in places]
        found += [(places.start + index, pair) for index, pair in draw_pairs.new_among(pool, numbers)]
        if len(found) >= active.CANDIDATES:
            break
    return found[: active.CANDIDATES]


def _best(project: Project, anchor: Anchor, pairs: list[draw_pairs.Pair]) -> int:
    own = anchor.preference_id
    partners = [high if low == own else low for low, high in pairs]
    believed = strengths_online.beliefs([own, *partners])
    made = Anchor.objects.filter(preference__in=partners)
    filled = set(made.exclude(UNFILLED).values_list("preference", flat=True))
    candidates = [
        active.Candidate(believed[one], has_room=project.reuse and one not in filled) for one in partners
    ]
    return active.choose(believed[own], candidates)
