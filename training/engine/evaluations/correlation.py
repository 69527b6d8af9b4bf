"""Correlations of many resamples at once."""

from __future__ import annotations

import numpy as np
from scipy import stats

from training.engine.evaluations.heldout import Floats


def pearson(x: Floats, y: Floats) -> Floats:
    """Pearson's r along the last axis, [r, n] or [n]; NaN where one side does not vary."""
    varies = (np.ptp(x, axis=-1) > 0) & (np.ptp(y, axis=-1) > 0)
    x = x - x.mean(axis=-1, keepdims=True)
    y = y - y.mean(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        x = x / np.linalg.norm(x, axis=-1, keepdims=True)
        y = y / np.linalg.norm(y, axis=-1, keepdims=True)
    return np.where(varies, np.clip((x * y).sum(axis=-1), -1.0, 1.0), np.nan)


def spearman(x: Floats, y: Floats) -> Floats:
    """Spearman's ρ along the last axis: Pearson's r of the ranks, ties sharing theirs."""
    return pearson(stats.rankdata(x, axis=-1), stats.rankdata(y, axis=-1))
