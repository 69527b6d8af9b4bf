"""Does the policy prefer more strongly where the scores differ more?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from training.engine.evaluations.correlation import pearson, spearman
from training.engine.evaluations.heldout import (
    NO_HELDOUT,
    NO_SCORES,
    Floats,
    HeldOut,
    Ints,
    interval,
)

Correlation = Callable[[Floats, Floats], Floats]


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
    found: dict[str, Any] = {"n": len(margin)}
    for name, correlation in (("pearson", pearson), ("spearman", spearman)):

        def of_resamples(drawn: Ints, correlation: Correlation = correlation) -> Floats:
            return correlation(margin[drawn], score[drawn])

        found |= {
            name: float(correlation(margin, score)),
            f"{name}_interval": interval(of_resamples, len(margin), heldout.seed),
        }
    return found
