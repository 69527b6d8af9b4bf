"""Correlations of many resamples at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats

from training.engine.evaluations.heldout import Floats, Ints


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


def spearman_of_resamples(x: Floats, y: Floats) -> Callable[[Ints], Floats]:
    """Spearman's ρ of resamples of n pairs, as a function of their positions, [r, n].

    Values are put in order once: how often each was drawn then gives a resample's ranks without sorting it.
    """
    first, second = (np.unique(values, return_inverse=True)[1] for values in (x, y))
    return lambda drawn: pearson(_ranks(first[drawn]), _ranks(second[drawn]))


def _ranks(places: Ints) -> Floats:
    """Ranks along the last axis, ties sharing theirs, of values given by their places in order, [r, n]."""
    found = np.empty(places.shape)
    for row, into in zip(places, found, strict=True):
        counts = np.bincount(row)
        into[:] = (np.cumsum(counts) - (counts - 1) / 2)[row]
    return found
