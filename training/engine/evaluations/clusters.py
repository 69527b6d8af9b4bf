"""Several items of a prompt are not independent: resamples draw prompts, each with all that belongs to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from training.engine.evaluations.heldout import Floats, Ints, interval

Statistic = Callable[[Floats], float]


class Clusters:
    """Items that belong to prompts, m of them."""

    def __init__(self, of: Ints) -> None:
        """`of`: the prompt of each item, any numbers, [m]."""
        names, self.of = np.unique(of, return_inverse=True)
        self.count = len(names)

    def weights(self, drawn: Ints) -> Floats:
        """How often each item is in a resample of prompts, [m]."""
        return np.bincount(drawn, minlength=self.count)[self.of].astype(np.float64)

    def around(self, statistic: Statistic, seed: int) -> list[float] | None:
        """The 95% percentile-bootstrap interval over prompts of a statistic that takes weights, [m]."""
        return interval(lambda drawn: statistic(self.weights(drawn)), self.count, seed)


def mean_of(values: Floats) -> Statistic:
    """The weighted mean of the values, [m]."""
    return lambda weights: float((weights * values).sum() / weights.sum())


def clustered(name: str, clusters: Clusters, seed: int, statistic: Statistic) -> dict[str, Any]:
    """{name: the statistic with all weights 1, "…_interval": over prompts}."""
    value = statistic(np.ones(len(clusters.of)))
    return {name: value, f"{name}_interval": clusters.around(statistic, seed)}
