"""By how much a judge prefers what the model writes to what another one does."""

from __future__ import annotations

from typing import Any

import numpy as np

from training.engine.evaluations import duels as fights
from training.engine.evaluations.clusters import Clusters, clustered, each, mean_of
from training.engine.evaluations.heldout import Duels, Floats, HeldOut


def evaluate(heldout: HeldOut) -> dict[str, Any]:
    """Median and mean of our reward minus theirs, in the judge's unit; intervals resample prompts.

    Returns:
        {"n", "prompts", "median_advantage", "mean_advantage", "…_interval", and those of
        `duels.ABOUT` that are known}.
    """
    return fights.reported(heldout, advantages)


def advantages(duels: Duels, seed: int) -> dict[str, Any]:
    """The numbers of `evaluate`, of pairs with finite rewards."""
    difference = duels.ours - duels.theirs
    clusters = Clusters(duels.prompts)

    def median(weights: Floats) -> float:
        return float(np.median(np.repeat(difference, weights.astype(np.int64))))

    return clustered("median_advantage", clusters, seed, each(median)) | clustered(
        "mean_advantage", clusters, seed, mean_of(difference)
    )
