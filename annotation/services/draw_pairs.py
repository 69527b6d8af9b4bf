"""What both ways of drawing share: epochs, numbers to rows, and the comparison that is made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db.models import Q

from annotation.models import Anchor, Comparison, Pool, Preference, Project
from annotation.services import leases

Pair = tuple[int, int]  # (low, high)
FEW = 4
BATCH = 256  # candidates looked at in one query, once a few have turned out to be repeats
COUNTERS = [
    "epoch",
    "epoch_size",
    "counter",
    "drawn",
    "undecided",
    "decided",
    "labels",
    "full_anchors",
    "exhausted_anchors",
]


def locked(pools: Iterable[int]) -> list[Pool]:
    """These pools, locked in the order of their ids. Everything that draws or resolves starts here."""
    rows = Pool.objects.select_for_update(no_key=True).filter(pk__in=list(pools)).order_by("pk")
    return list(rows)


def save(pool: Pool) -> None:
    """Write the counters of a locked pool. Its size is the imports' business."""
    pool.save(update_fields=COUNTERS)


def open_epoch(pool: Pool) -> bool:
    """Begin a new permutation when the pool has grown; True when it has."""
    if pool.size <= pool.epoch_size:
        return False
    pool.epoch += 1
    pool.epoch_size = pool.size
    pool.counter = 0
    return True


def seed(project: Project, pool: Pool, stream: str) -> str:
    return f"{project.seed}/{pool.split}/{stream}"


def batches(start: int, end: int) -> Iterable[range]:
    """start … end − 1 in growing steps: one place as a rule, more at once where repeats pile up."""
    step = 1
    while start < end:
        yield range(start, min(end, start + step))
        start, step = start + step, min(BATCH, step * 2)


def ids_of(pool: Pool, numbers: Iterable[int]) -> dict[int, int]:
    """Preference ids by their number in the pool."""
    wanted = sorted(set(numbers))
    rows = Preference.objects.filter(project_id=pool.project_id, split=pool.split)
    pairs = rows.order_by().values_list("number", "pk")
    if len(wanted) > FEW:
        return dict(pairs.filter(number__in=wanted))
    # One look into the index each. After an import PostgreSQL's statistics are old: for IN it walks the pool.
    first, *others = [pairs.filter(number=number) for number in wanted]
    return dict(first.union(*others, all=True))


def first_new(pool: Pool, numbers: Sequence[Pair]) -> tuple[int, Pair] | None:
    """The first of these pairs of preference numbers that was never compared: (index, pair of ids)."""
    ids = ids_of(pool, (number for pair in numbers for number in pair))
    pairs: list[Pair] = [_ordered(ids[one], ids[other]) for one, other in numbers]
    wanted = Q()
    for low, high in pairs:
        wanted |= Q(low=low, high=high)
    compared = set(Comparison.objects.filter(wanted).order_by().values_list("low_id", "high_id"))
    return next(((index, pair) for index, pair in enumerate(pairs) if pair not in compared), None)


def _ordered(one: int, other: int) -> Pair:
    return (one, other) if one < other else (other, one)


def make(
    *, pair: Pair, project: Project, pool: Pool, at: datetime, anchor: Anchor | None = None
) -> Comparison:
    """The comparison of a new pair. Its first slot belongs to whoever it is drawn for."""
    pool.drawn += 1
    return Comparison.objects.create(
        pool=pool,
        low_id=pair[0],
        high_id=pair[1],
        anchor=anchor,
        holds_slot=anchor is not None,
        needed=project.labels_per_comparison,
        free_slots=project.labels_per_comparison - 1,
        queue_position=leases.position(at),
        created_at=at,
    )
