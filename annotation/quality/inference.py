"""Rows for pairs that nobody compared, inferred from the strengths' posterior.

θ and its deviation come from `quality.strengths`, fitted to the answers among training preferences. i counts
as stronger than j with probability Φ((θᵢ − θⱼ)/√(sdᵢ² + sdⱼ²)), which leaves out that two strengths fitted to
the same answers go together. Weak sides are drawn among all that may qualify, by a hash of the strong side,
rather than the weakest taken: these would stand in every row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annotation.quality import strengths

TRIES = 16  # draws for each row wanted
DIGITS = 6

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Words = NDArray[np.uint64]


@dataclass(frozen=True)
class Compared:
    """Pairs that were compared, as numbers of preferences, and what was answered.

    Attributes:
        low, high: one entry a pair, the smaller number first.
        pair: one entry an answer: which pair it is about.
        low_wins: 1 where low is the stronger one, 0 where high is, .5 for neither.
    """

    low: Ints
    high: Ints
    pair: Ints
    low_wins: Floats


def infer(
    names: Callable[[Ints], Words], size: int, seen: Compared, *, at_least: float, most: int
) -> tuple[Ints, Ints, Floats]:
    """Rows that follow from the answers: strong, weak, and the probability that it is so.

    Args:
        names: 64 bits that belong to each preference for good: draws follow from them.
        size: preferences there are.
        at_least: the least probability of a row, between .5 and 1.
        most: rows a strong preference.
    """
    from scipy.special import ndtr, ndtri  # late: only a freeze needs them

    low, high = seen.low[seen.pair], seen.high[seen.pair]
    members, places = np.unique(np.concatenate([low, high]), return_inverse=True)
    one, other = (part.astype(np.int32) for part in np.split(places, 2))
    fitted = strengths.fit(one, other, seen.low_wins, len(members))
    order = np.lexsort((members, fitted.theta))
    members, theta, sd = members[order], fitted.theta[order], fitted.sd[order]
    # Whatever j's deviation: θⱼ must lie so far below.
    reach = np.searchsorted(theta, theta - ndtri(at_least) * sd, side="right")
    known = np.unique(seen.low.astype(np.int64) * size + seen.high)
    found = _Found(members, known, size, most)
    hashes = names(members)
    strong = np.flatnonzero(reach > 0)
    for draw in range(TRIES * most):
        weak = _drawn(hashes[strong], draw, reach[strong])
        p = ndtr((theta[strong] - theta[weak]) / np.hypot(sd[strong], sd[weak]))
        p = np.round(p, DIGITS)
        found.add(strong, weak, p, p >= at_least)
        strong = strong[found.times[strong] < most]
    return found.rows()


def _drawn(hashes: Words, draw: int, reach: Any) -> Any:
    """A number below `reach` for each, by SplitMix64 of the hash and the number of the draw."""
    step = (draw + 1) * 0x9E3779B97F4A7C15 % 2**64
    z = hashes + np.uint64(step)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    uniform = (z >> np.uint64(11)).astype(np.float64) / 2.0**53
    return (uniform * reach).astype(np.int64)


class _Found:
    """Rows so far: none twice, none that was compared, at most so many a strong side."""

    def __init__(self, members: Any, known: Longs, size: int, most: int) -> None:
        self.members, self.known, self.size, self.most = members, known, size, most
        self.times = np.zeros(len(members), np.int64)
        self.parts: list[tuple[Any, Any, Any]] = []

    def add(self, strong: Any, weak: Any, p: Floats, likely: Any) -> None:
        one, other = self.members[strong], self.members[weak]
        key = np.minimum(one, other).astype(np.int64) * self.size + np.maximum(one, other)
        fresh = likely & (self.times[strong] < self.most) & ~np.isin(key, self.known)
        self.times[strong[fresh]] += 1
        self.parts.append((one[fresh], other[fresh], p[fresh]))
        self.known = np.union1d(self.known, key[fresh])

    def rows(self) -> tuple[Ints, Ints, Floats]:
        strong, weak, p = (np.concatenate(column) for column in zip(*self.parts, strict=True))
        return strong.astype(np.int32), weak.astype(np.int32), p.astype(np.float64)
