"""Accuracy against the score margin: the plot of the paper's Figure 2, as numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from training.engine.evaluations.heldout import NO_SCORES, Floats, HeldOut

POINTS = 50
BINS = 20


def evaluate(heldout: HeldOut) -> dict[str, Any]:
    """Lower and upper cumulative accuracy at margins t, and the histogram of score margins.

    Lower: accuracy over preferences with score margin ≤ t. Upper: over those with score margin ≥ t.

    Returns:
        {"n", "margin": [t], "lower": [..], "lower_n": [..], "upper": [..], "upper_n": [..],
         "histogram": {"edges": [b+1], "counts": [b]}}.
    """
    if not len(heldout.margin):
        return {"skipped": heldout.none}
    margin, score = heldout.scored()
    if not len(margin):
        return {"skipped": NO_SCORES}
    order = np.argsort(score, kind="stable")
    score, right = score[order], (margin[order] > 0).astype(np.float64)
    thresholds = _thresholds(score)
    upto = np.searchsorted(score, thresholds, side="right")
    below = np.searchsorted(score, thresholds, side="left")
    sums = np.concatenate(([0.0], np.cumsum(right)))
    above = len(score) - below
    counts, edges = np.histogram(score, bins=BINS)
    return {
        "n": len(score),
        "margin": thresholds.tolist(),
        "lower": (sums[upto] / upto).tolist(),
        "lower_n": upto.tolist(),
        "upper": ((sums[-1] - sums[below]) / above).tolist(),
        "upper_n": above.tolist(),
        "histogram": {"edges": edges.tolist(), "counts": counts.tolist()},
    }


def _thresholds(score: Floats) -> Floats:
    """At most POINTS of the margins that occur, evenly by rank, both ends included."""
    distinct = np.unique(score)
    places = np.linspace(0, len(distinct) - 1, min(POINTS, len(distinct))).round().astype(np.int64)
    return distinct[np.unique(places)]
