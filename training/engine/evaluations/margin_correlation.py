"""Does the policy prefer more strongly where the scores differ more?"""

from __future__ import annotations

from typing import Any

import numpy as np

from training.engine.evaluations.correlation import pearson, spearman, spearman_of_resamples
from training.engine.evaluations.heldout import NO_SCORES, Floats, HeldOut, interval

POINTS = 1000  # of the scatter: more look the same, and each brings its id of 64 characters
DIGITS = 6  # significant ones of a point


def evaluate(heldout: HeldOut) -> dict[str, Any]:
    """Pearson and Spearman correlation of βΔ with the score margin, with 95% bootstrap intervals.

    Returns:
        {"n", "pearson", "pearson_interval", "spearman", "spearman_interval"}, and where the preferences have
        ids "points": {"id": [..], "score_margin": [..], "margin": [..]}, a sample of them for a plot.
    """
    if not len(heldout.margin):
        return {"skipped": heldout.none}
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
    return found | ({"points": _points(heldout, margin, score)} if heldout.ids else {})


def _points(heldout: HeldOut, margin: Floats, score: Floats) -> dict[str, Any]:
    """At most POINTS of the scored preferences, drawn by the run's seed, in the dataset's order."""
    places = np.flatnonzero(np.isfinite(heldout.score_margin))
    kept = np.arange(len(places))
    if len(kept) > POINTS:
        kept = np.sort(np.random.default_rng(heldout.seed).choice(len(kept), POINTS, replace=False))
    return {
        "id": [heldout.ids[place] for place in places[kept]],
        "score_margin": [_short(value) for value in score[kept]],
        "margin": [_short(value) for value in margin[kept]],
    }


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
