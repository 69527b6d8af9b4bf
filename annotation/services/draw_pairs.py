"""What both ways of drawing share: epochs, numbers to rows, and the comparison that is made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from annotation import sql
from annotation.models import Anchor, Comparison, Pool, Preference, Project
from annotation.services import leases

Pair = tuple[int, int]  # (low, high)
FEW = 4
BATCH = 256  # candidates looked at in one query, once a few have turned out to be repeats
_NEW = """
    SELECT p.id FROM annotation_preference p
    WHERE p.project_id = %s AND p.split = %s AND p.number = %s AND p.excluded_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM annotation_comparison c WHERE c.low_id = p.id AND c.high_id = %s)
    AND NOT EXISTS (SELECT 1 FROM annotation_comparison c WHERE c.low_id = %s AND c.high_id = p.id)
"""
_POOL = sql.Table(Pool)
_LOCKED = f"SELECT {_POOL.columns('p')} FROM annotation_pool p WHERE p.project_id = %s ORDER BY p.id"  # noqa: S608


def locked(project_id: int) -> list[Pool]:
    """A project's pools, locked by id: whoever moves a pool's stream on holds its lock."""
    return [_POOL.made(row) for row in sql.rows(f"{_LOCKED} {sql.locking('p')}", [project_id])]


def save(pool: Pool) -> None:
    """Write the counters of a locked pool. Its size is the imports' business."""
    _POOL.update(pool, "epoch", "epoch_size", "counter")


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


def batches(start: int, end: int, first: int = 1) -> Iterable[range]:
    """start … end − 1 in growing steps: `first` places as a rule, more at once where repeats pile up."""
    step = first
    while start < end:
        yield range(start, min(end, start + step))
        start, step = start + step, min(max(BATCH, first), step * 2)


def ids_of(pool: Pool, numbers: Iterable[int]) -> dict[int, int]:
    """Preference ids by their number in the pool; excluded preferences are left out."""
    wanted = sorted(set(numbers))
    rows = Preference.objects.filter(project_id=pool.project_id, split=pool.split, excluded_at=None)
    pairs = rows.order_by().values_list("number", "pk")
    if len(wanted) > FEW:
        return dict(pairs.filter(number__in=wanted))
    # One look into the index each. After an import PostgreSQL's statistics are old: for IN it walks the pool.
    first, *others = [pairs.filter(number=number) for number in wanted]
    return dict(first.union(*others, all=True))


def new_among(pool: Pool, numbers: Sequence[Pair]) -> list[tuple[int, Pair]]:
    """Those of these pairs of preference numbers that were never compared: (index, pair of ids)."""
    ids = ids_of(pool, (number for pair in numbers for number in pair))
    known = [(index, one, other) for index, (one, other) in enumerate(numbers) if {one, other} <= ids.keys()]
    return not_compared([(index, ordered(ids[one], ids[other])) for index, one, other in known])


def not_compared(pairs: Sequence[tuple[int, Pair]]) -> list[tuple[int, Pair]]:
    """Those of these pairs of ids that were never compared, with their places."""
    compared = _compared([pair for _, pair in pairs])
    return [(index, pair) for index, pair in pairs if pair not in compared]


def _compared(pairs: Sequence[Pair]) -> set[Pair]:
    """Those of these pairs that were compared before."""
    if not pairs:
        return set()
    places = ", ".join(["(%s, %s)"] * len(pairs))
    values = [side for pair in pairs for side in pair]
    statement = (
        f"SELECT low_id, high_id FROM annotation_comparison WHERE (low_id, high_id) IN (VALUES {places})"  # noqa: S608
    )
    return {(low, high) for low, high in sql.rows(statement, values)}


def first_new(pool: Pool, numbers: Sequence[Pair]) -> tuple[int, Pair] | None:
    """The first of these pairs that was never compared."""
    return next(iter(new_among(pool, numbers)), None)


def new_with(pool: Pool, preference_id: int, number: int) -> Pair | None:
    """The pair of this preference and the one with this number, if they were never compared. One query."""
    found = sql.first(_NEW, [pool.project_id, pool.split, number, preference_id, preference_id])
    return ordered(preference_id, found[0]) if found else None


def ordered(one: int, other: int) -> Pair:
    return (one, other) if one < other else (other, one)


def comparison(
    *, pair: Pair, project: Project, pool: Pool, at: datetime, anchor: Anchor | None = None, free: int
) -> Comparison:
    """The comparison of a new pair, not saved yet."""
    return Comparison(
        pool=pool,
        low_id=pair[0],
        high_id=pair[1],
        anchor=anchor,
        holds_slot=anchor is not None,
        needed=project.labels_per_comparison,
        free_slots=free,
        queue_position=leases.position(at),
        created_at=at,
    )
