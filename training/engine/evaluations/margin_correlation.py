"""Does the policy prefer more strongly where the scores differ more?"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from training.engine.evaluations.heldout import (
    NO_HELDOUT,
    NO_SCORES,
    Floats,
    HeldOut,
    Ints,
    interval,
)


def evaluate(heldout: HeldOut) -> dict[str, Any]:
    """Pearson and Spearman correlation of βΔ with the score margin, with 95% bootstrap intervals.

    Returns:
        {"n", "pearson", "pearson_interval", "spearman", "spearman_interval"}.
    """
    if not len(heldout.margin):
        return {"skipped": NO_HELDOUT}
    margin, score = heldout.scored()
    if not len(margin):
        return {"skipped": NO_SCORES}
    if len(margin) < 3 or np.ptp(margin) == 0 or np.ptp(score) == 0:
        return {"skipped": "A correlation needs three scored preferences with different margins."}
    ranks = stats.rankdata(margin), stats.rankdata(score)
    return {
        "n": len(margin),
        "pearson": _pearson(margin, score),
        "pearson_interval": _bootstrap(margin, score, heldout.seed),
        "spearman": _pearson(*ranks),
        "spearman_interval": interval(
            lambda drawn: _pearson(stats.rankdata(margin[drawn]), stats.rankdata(score[drawn])),
            len(margin),
            heldout.seed,
        ),
    }


def _bootstrap(margin: Floats, score: Floats, seed: int) -> list[float] | None:
    def statistic(drawn: Ints) -> float:
        return _pearson(margin[drawn], score[drawn])

    return interval(statistic, len(margin), seed)


def _pearson(x: Floats, y: Floats) -> float:
    """NaN where one side does not vary."""
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(stats.pearsonr(x, y).statistic)
