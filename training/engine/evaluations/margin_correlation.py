"""Does the policy prefer more strongly where the scores differ more?"""

from __future__ import annotations

from typing import Any

import numpy as np

from training.engine.evaluations.correlation import pearson, spearman, spearman_of_resamples
from training.engine.evaluations.heldout import NO_HELDOUT, NO_SCORES, HeldOut, interval


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
    for name, value, resampled in (
        ("pearson", pearson(margin, score), lambda drawn: pearson(margin[drawn], score[drawn])),
        ("spearman", spearman(margin, score), spearman_of_resamples(margin, score)),
    ):
        around = interval(resampled, len(margin), heldout.seed)
        found |= {name: float(value), f"{name}_interval": around}
    return found
