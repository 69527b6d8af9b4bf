"""From the results of cells to figures with intervals: means over seeds, and differences within them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
CONFIDENCE = 0.95
SEEDS_NEEDED = 2


@dataclass(frozen=True)
class Figure:
    """A mean over seeds and its 95% t-interval; None with one seed."""

    mean: float
    low: float | None
    high: float | None
    values: tuple[float, ...]

    @property
    def sign(self) -> int:
        """1 or −1 where the interval lies on one side of 0, else 0."""
        if self.low is None or self.high is None:
            return 0
        return int(self.low > 0) - int(self.high < 0)


def over_seeds(values: Sequence[float]) -> Figure:
    """The mean of one value a seed. Worlds, base models and labels differ between seeds.

    Raises:
        ValueError: there are none.
    """
    if not values:
        raise ValueError("no seeds")
    found = np.asarray(values, np.float64)
    mean = float(found.mean())
    if len(found) < SEEDS_NEEDED:
        return Figure(mean, None, None, tuple(found.tolist()))
    from scipy import stats  # a second and 50 MB, which a web process that shows no study is spared

    half = float(stats.sem(found) * stats.t.ppf((1 + CONFIDENCE) / 2, len(found) - 1))
    return Figure(mean, mean - half, mean + half, tuple(found.tolist()))


def win_rate(ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]]) -> float:
    """The share of comparisons that `ours` wins, ties half: every sample with every other of its prompt.

    Args:
        ours, theirs: rewards, [[a reward a sample] a prompt], of the same prompts in the same order. Samples
            without one (NaN) are left out.
    """
    one, other = np.asarray(ours)[:, :, None], np.asarray(theirs)[:, None, :]
    ahead = one - other
    return float(np.mean((np.sign(ahead[np.isfinite(ahead)]) + 1) / 2))


def median_advantage(ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]]) -> float:
    """The median over prompts of how much better `ours` is, samples averaged; in reward."""
    return float(np.nanmedian(np.asarray(ours).mean(axis=1) - np.asarray(theirs).mean(axis=1)))


METRICS = ("accuracy", "pearson", "spearman", "pop_accuracy", "reward", "kl", "length", "ended", "steps")


def of_seed(result: Mapping[str, Any], opponents: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """The figures of one cell, and against its opponents: {"accuracy": …, "win_vs_dpo": …}."""
    found = {name: float(result[name]) for name in METRICS if result.get(name) is not None}
    found["labels"] = float(result["labels"])
    for name, opponent in opponents.items():
        found[f"win_vs_{name}"] = win_rate(result["rewards"], opponent["rewards"])
        found[f"advantage_vs_{name}"] = median_advantage(result["rewards"], opponent["rewards"])
    return found


def summary(of_seeds: Sequence[Mapping[str, float]]) -> dict[str, Figure]:
    """Each figure over the seeds; those that a seed lacks are left out."""
    names = [name for name in of_seeds[0] if all(name in one for one in of_seeds)]
    return {name: over_seeds([one[name] for one in of_seeds]) for name in names}


def difference(ours: Figure, theirs: Figure) -> Figure:
    """Ours minus theirs, seed by seed."""
    return over_seeds([one - other for one, other in zip(ours.values, theirs.values, strict=True)])
