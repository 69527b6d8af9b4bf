"""Gold from scores: pairs of the training pool whose known margins lie far apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from annotation import kinds, rules
from annotation.errors import Invalid
from annotation.models import Comparison, Gold, Pool, Preference, Project, User
from annotation.sampling import random
from annotation.services import audit, gold_pairs
from annotation.services.transactions import exact

MOST = 1_000  # golds made in one go
LOOKED_AT = 20_000  # pairs of the stream looked at for them
BATCH = 256


@dataclass(frozen=True)
class _Pair:
    """Ids of two preferences, the smaller first; which is stronger; their comparison where there is one."""

    low: int
    high: int
    answer: str
    comparison: int | None = None


@dataclass(frozen=True)
class Made:
    """How many golds were asked for, how many came of it, and how many pairs were looked at."""

    wanted: int
    made: int
    looked_at: int


@exact
def from_scores(
    *,
    project: Project,
    count: int,
    min_gap: float,
    use: str,
    by: User,
    at: datetime,
    seed: int | None = None,
) -> Made:
    """Make up to `count` golds of pairs whose margins (score chosen − rejected) differ by `min_gap` or more.

    Pairs come from a seeded permutation of all pairs, the same seed giving the same ones; those that are gold
    or open work already are passed by. The strong side is the one with the larger margin.

    Raises:
        NotFound, NotAllowed: not a manager of the project.
        Invalid: a number out of range.
    """
    rules.check_manage(by, project)
    kinds.check_preferences(project, kinds.NO_SCORES)
    _check(count, min_gap, use)
    seed = project.seed if seed is None else seed
    pool = gold_pairs.locked_pool(project)
    stream = _Stream(pool, min_gap, f"{seed}/gold")
    found = list(islice(stream.pairs(), count))
    Gold.objects.bulk_create(
        Gold(
            project=project,
            comparison_id=comparison,
            answer=pair.answer,
            use=use,
            source=Gold.Source.SCORES,
            created_by=by,
            created_at=at,
        )
        for pair, comparison in zip(found, _comparisons(found, pool, at), strict=True)
    )
    details: dict[str, object] = {"made": len(found), "min_gap": min_gap, "use": use, "seed": seed}
    audit.record(by=by, at=at, verb="gold.made", project=project, target=project.slug, details=details)
    return Made(wanted=count, made=len(found), looked_at=stream.looked_at)


def _comparisons(found: list[_Pair], pool: Pool, at: datetime) -> list[int]:
    """The comparison of each pair, made for those that have none."""
    new = Comparison.objects.bulk_create(
        Comparison(low_id=pair.low, high_id=pair.high, **gold_pairs.fields_of_new(pool, at))
        for pair in found
        if pair.comparison is None
    )
    made = iter(new)
    return [pair.comparison or next(made).pk for pair in found]


class _Stream:
    """The pairs of a pool that can be made gold, in the order of a seeded permutation, read in batches."""

    def __init__(self, pool: Pool, min_gap: float, seed: str) -> None:
        self.pool, self.min_gap, self.seed = pool, min_gap, seed
        self.looked_at = 0

    def pairs(self) -> Iterator[_Pair]:
        end = min(random.length(self.pool.size), LOOKED_AT)
        for start in range(0, end, BATCH):
            places = range(start, min(end, start + BATCH))
            self.looked_at = places.stop
            numbers = [random.pair_at(self.pool.size, self.seed, place) for place in places]
            yield from _free(list(self._far_apart(numbers)))

    def _far_apart(self, numbers: list[tuple[int, int]]) -> Iterator[_Pair]:
        scored = self._scored({number for pair in numbers for number in pair})
        for one, other in numbers:
            if one not in scored or other not in scored:
                continue
            (low, low_margin), (high, high_margin) = sorted((scored[one], scored[other]))
            gap = low_margin - high_margin
            if abs(gap) >= self.min_gap:
                yield _Pair(low, high, Gold.Answer.LOW.value if gap > 0 else Gold.Answer.HIGH.value)

    def _scored(self, numbers: set[int]) -> dict[int, tuple[int, float]]:
        """(id, margin) by number, of those that have both scores and are not excluded."""
        rows = Preference.objects.filter(
            project=self.pool.project_id,
            split=self.pool.split,
            number__in=sorted(numbers),
            excluded_at=None,
            score_chosen__isnull=False,
            score_rejected__isnull=False,
        ).order_by()
        return {
            number: (pk, (chosen or 0.0) - (rejected or 0.0))
            for number, pk, chosen, rejected in rows.values_list(
                "number", "pk", "score_chosen", "score_rejected"
            )
        }


def _free(pairs: list[_Pair]) -> Iterator[_Pair]:
    """Those that are no comparison yet, and those that are a decided one: not open work, nor gold."""
    rows = Comparison.objects.filter(low__in=[pair.low for pair in pairs], high__in=[p.high for p in pairs])
    known = {
        (low, high): pk if state == Comparison.State.RESOLVED and gold is None else None
        for low, high, pk, state, gold in rows.order_by().values_list(
            "low_id", "high_id", "pk", "state", "gold"
        )
    }
    for pair in pairs:
        if (pair.low, pair.high) not in known:
            yield pair
        elif comparison := known[pair.low, pair.high]:
            yield replace(pair, comparison=comparison)


def _check(count: int, min_gap: float, use: str) -> None:
    errors: dict[str, list[str]] = {}
    if not 1 <= count <= MOST:
        errors["count"] = [f"From 1 to {MOST}."]
    if not 0 < min_gap < float("inf"):
        errors["min_gap"] = ["A gap above 0."]
    if use not in Gold.Use.values:
        errors["use"] = [f"Choose one of: {', '.join(Gold.Use.values)}."]
    if errors:
        raise Invalid("invalid_gold", "No gold was made: please check the numbers.", errors)
