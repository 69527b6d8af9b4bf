"""What came of it: rows, quotas, strengths against the truth, and who the weak partners are."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from scipy import stats

from annotation.quality import strengths
from bench.sampled.play import World


def seen(world: World) -> dict[str, Any]:
    """Figures of the labels given so far. A row is a win, k at most for each strong preference."""
    rows, taken = [], Counter[int]()
    for winner, loser in world.asked:
        if taken[winner] < world.k:
            taken[winner] += 1
            rows.append((winner, loser))
    rank = np.argsort(np.argsort(world.truth)) / (world.size - 1)
    strong, weak = (rank[[row[side] for row in rows]] for side in (0, 1))
    return {
        "labels": len(world.asked),
        "rows": len(rows),
        "labels_per_row": len(world.asked) / len(rows),
        "quota_filled": len(rows) / world.k / world.size,
        "rows_right": float(np.mean(strong > weak)),
        "rank_correlation": _correlation(world),
        "weak_mean_rank": float(weak.mean()),
        "weak_lowest_quarter": float(np.mean(weak < 0.25)),
        "weak_used": len({row[1] for row in rows}) / world.size,
        "gap_mean": float((strong - weak).mean()),
    }


def _correlation(world: World) -> float:
    """Spearman's, of the fitted strengths of all preferences with the truth."""
    winners = np.array([winner for winner, _ in world.asked], np.int32)
    losers = np.array([loser for _, loser in world.asked], np.int32)
    fitted = strengths.fit(winners, losers, np.ones(len(winners)), world.size)
    return float(stats.spearmanr(fitted.theta, world.truth).statistic)
