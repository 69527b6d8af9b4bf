"""A share with what can be said of it at this many cases: Wilson's interval at 95 %."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

Z = 1.959963984540054  # 97.5 % of a normal distribution
FAIR = 0.5


@dataclass(frozen=True)
class Share:
    """`hits` of `of`. Without a case there is no value and no interval."""

    hits: int
    of: int
    value: float | None
    low: float | None
    high: float | None


def share(hits: int, of: int) -> Share:
    """Wilson, JASA 1927: never outside 0 … 1, and of a sensible width at 0 and at 1."""
    if of <= 0:
        return Share(0, 0, None, None, None)
    return Share(hits, of, hits / of, *interval(hits / of, of))


def interval(value: float, cases: float) -> tuple[float, float]:
    """The interval of a share of this value in this many independent cases."""
    spread = Z**2 / cases
    middle = (value + spread / 2) / (1 + spread)
    half = Z * sqrt(value * (1 - value) / cases + spread / (4 * cases)) / (1 + spread)
    return max(0.0, min(middle - half, value)), min(1.0, max(middle + half, value))


def on_position(first: Share) -> str:
    """Whether the side shown first is named more often than by chance, in one sentence."""
    if first.value is None or first.low is None or first.high is None:
        return "Nobody has named a side yet."
    if first.low > FAIR:
        return "The side shown first is named too often: where it stands sways people."
    if first.high < FAIR:
        return "The side shown second is named too often: where it stands sways people."
    return "50 % lies within the interval: no sign that the place of a side sways people."
