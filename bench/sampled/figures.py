"""What came of it: rows, quotas, strengths against the truth, and who the weak partners are."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from annotation.quality import strengths
from training.study.people import Labelling, rows


def seen(world: Labelling) -> dict[str, Any]:
    """Figures of the labels given so far. A row is a win, k at most for each strong preference."""
    made = [(one.stronger, one.weaker) for one in rows(world, each=world.k)]
    rank = np.argsort(np.argsort(world.truth)) / (world.size - 1)
    strong, weak = (rank[[row[side] for row in made]] for side in (0, 1))
    return {
        "labels": world.labels,
        "rows": len(made),
        "labels_per_row": world.labels / len(made),
        "quota_filled": len(made) / world.k / world.size,
        "rows_right": float(np.mean(strong > weak)),
        "rank_correlation": _correlation(world),
        "weak_mean_rank": float(weak.mean()),
        "weak_lowest_quarter": float(np.mean(weak < 0.25)),
        "weak_used": len({row[1] for row in made}) / world.size,
        "gap_mean": float((strong - weak).mean()),
    }


def _correlation(world: Labelling) -> float:
    """Spearman's, of the fitted strengths of all preferences with the truth."""
    winners = np.array([one.stronger for one in world.answers], np.int32)
    losers = np.array([one.weaker for one in world.answers], np.int32)
    fitted = strengths.fit(winners, losers, np.ones(len(winners)), world.size)
    return float(stats.spearmanr(fitted.theta, world.truth).statistic)
