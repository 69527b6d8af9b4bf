"""Several items of a prompt are not independent: resamples draw prompts, each with all that belongs to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from training.engine.evaluations.heldout import Floats, Ints, interval, share

Statistic = Callable[[Floats], Floats]  # from the weights of items in r resamples, [r, m], to a number each


class Clusters:
    """Items that belong to prompts, m of them."""

    def __init__(self, of: Ints) -> None:
        """`of`: the prompt of each item, any numbers, [m]."""
        names, self.of = np.unique(of, return_inverse=True)
        self.count = len(names)

    def weights(self, drawn: Ints) -> Floats:
        """How often each item is in resamples of prompts, [r, m] for [r, prompts]."""
        r = len(drawn)
        apart = drawn + self.count * np.arange(r)[:, None]
        found = np.bincount(apart.ravel(), minlength=r * self.count).reshape(r, self.count)
        return found[:, self.of].astype(np.float64)

    def around(self, statistic: Statistic, seed: int) -> list[float] | None:
        """The 95% percentile-bootstrap interval over prompts of a statistic."""
        items = len(self.of)
        return interval(lambda drawn: statistic(self.weights(drawn)), self.count, seed, width=items)


def mean_of(values: Floats) -> Statistic:
    """The weighted mean of the values, [m]."""
    return lambda weights: weights @ values / weights.sum(axis=1)


def each(one: Callable[[Floats], float]) -> Statistic:
    """A statistic from what takes the weights of a single resample, [m]."""
    return lambda weights: np.asarray([one(row) for row in weights])


def clustered(name: str, clusters: Clusters, seed: int, statistic: Statistic) -> dict[str, Any]:
    """{name: the statistic with all weights 1, "…_interval": over prompts}."""
    value = float(statistic(np.ones((1, len(clusters.of))))[0])
    return {name: value, f"{name}_interval": clusters.around(statistic, seed)}


def clustered_share(name: str, clusters: Clusters, seed: int, values: Floats) -> dict[str, Any]:
    """As `clustered`, of the mean of values from 0 to 1, [m].

    Where all are 1, or all 0, every resample is alike, which says nothing of the next prompt: the interval is
    then Wilson's over prompts (see `share`). Where all are another value there is none.
    """
    found = clustered(name, clusters, seed, mean_of(values))
    if clusters.count > 1 and np.ptp(values) == 0:
        alike = np.full(clusters.count, values[0] == 1)
        found[f"{name}_interval"] = share(alike)["interval"] if values[0] in {0, 1} else None
    return found
