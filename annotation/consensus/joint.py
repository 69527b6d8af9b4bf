"""All votes of a project as arrays: what the joint rules look at.

Which of the two preferences of a comparison is called `low` is arbitrary, so no rule may care: each has a
prior of ½ and treats both sides alike. Votes should come in an order that does not depend on the database:
sums of floats depend on it in their last digits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]
LOW_SIDE, HIGH_SIDE, NO_SIDE = 0, 1, -1


@dataclass(frozen=True)
class Votes:
    """One entry a vote, and one a comparison. All numbers count from 0.

    `side` is 0 for low, 1 for high, −1 for a vote that names no side. `low` and `high` are the preferences of
    each comparison. `gold_right` of `gold_total` gold answers of each annotator were right.
    """

    comparison: Ints
    annotator: Ints
    side: NDArray[np.int8]
    low: Ints
    high: Ints
    gold_right: Ints | None = None
    gold_total: Ints | None = None

    @property
    def size(self) -> int:
        """How many comparisons there are."""
        return len(self.low)

    def named(self) -> Named:
        """The votes that name a side."""
        kept = self.side >= 0
        sign = np.where(self.side[kept] == LOW_SIDE, 1.0, -1.0)
        people = int(self.annotator.max(initial=-1)) + 1
        return Named(self.comparison[kept], self.annotator[kept], sign, self.size, people)


@dataclass(frozen=True)
class Named:
    """Votes for a side: `sign` is 1 for low and −1 for high."""

    comparison: Ints
    annotator: Ints
    sign: Floats
    size: int
    people: int

    def by_comparison(self, values: Floats) -> Floats:
        """The sum over the votes of each comparison."""
        return summed(self.comparison, values, self.size)

    def by_annotator(self, values: Floats) -> Floats:
        return summed(self.annotator, values, self.people)

    def posterior(self, accuracy: Floats) -> Floats:
        """σ(Σ ±log(a/(1−a))) over the votes: Bayes with a prior of ½; nan without a vote."""
        weight = logit(accuracy)
        return self.seen(sigmoid(self.by_comparison(self.sign * weight[self.annotator])))

    def seen(self, values: Floats) -> Floats:
        """The values, but nan for comparisons without a vote."""
        count = np.bincount(self.comparison, minlength=self.size)
        return np.where(count > 0, values, np.nan)


Fit = Callable[[Votes], Floats]


def summed(places: Ints, values: Floats, size: int) -> Floats:
    """Σ of the values at each place."""
    return np.bincount(places, values, size).astype(np.float64, copy=False)


def sigmoid(x: Floats) -> Floats:
    """1/(1 + e⁻ˣ) without overflow."""
    result: Floats = 0.5 * (1.0 + np.tanh(0.5 * x))
    return result


def logit(p: Floats) -> Floats:
    """log(p/(1 − p)), in nats."""
    result: Floats = np.log(p / (1.0 - p))
    return result
