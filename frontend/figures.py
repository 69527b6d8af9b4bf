"""Strengths and scores as drawings: a histogram, and intervals as places on one axis from 0 to 100."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from annotation.models import Strength
from annotation.selectors.arena import Row

HEIGHT = 40.0
INTERVAL = 1.96  # standard deviations: 95%


@dataclass(frozen=True)
class Column:
    """A bar of the histogram, from the top of a drawing 100 wide and `HEIGHT` high."""

    x: float
    y: float
    width: float
    height: float
    words: str


@dataclass(frozen=True)
class Interval:
    """A row of the table with its 95% interval in nats and on the axis."""

    row: Strength
    low: float
    high: float
    start: float
    width: float
    middle: float


def columns(histogram: Mapping[str, Any]) -> list[Column]:
    edges, counts = histogram.get("edges", []), histogram.get("counts", [])
    most = max(counts, default=0)
    if not most:
        return []
    wide = 100 / len(counts)
    return [
        Column(
            x=round(place * wide + 0.1, 2),
            y=round(HEIGHT * (1 - count / most), 2),
            width=round(wide - 0.2, 2),
            height=round(HEIGHT * count / most, 2),
            words=f"{edges[place]:.2f} to {edges[place + 1]:.2f}: {count:,}".replace("-", "−"),
        )
        for place, count in enumerate(counts)
    ]


def intervals(rows: Iterable[Strength]) -> list[Interval]:
    """All rows on the axis of the widest of them."""
    page = list(rows)
    least = min((row.theta - INTERVAL * row.sd for row in page), default=0.0)
    most = max((row.theta + INTERVAL * row.sd for row in page), default=1.0)
    scale = 100 / max(most - least, 1e-9)
    return [
        Interval(
            row=row,
            low=row.theta - INTERVAL * row.sd,
            high=row.theta + INTERVAL * row.sd,
            start=round((row.theta - INTERVAL * row.sd - least) * scale, 2),
            width=round(2 * INTERVAL * row.sd * scale, 2),
            middle=round((row.theta - least) * scale, 2),
        )
        for row in page
    ]


@dataclass(frozen=True)
class Place:
    """A model of an arena with its interval on the axis of all of them; an open side goes to the edge."""

    row: Row
    start: float
    width: float
    middle: float


def places(rows: Iterable[Row]) -> list[Place]:
    found = list(rows)
    scored = [row.standing for row in found if row.standing.score is not None]
    ends = [end for one in scored for end in (one.low, one.score, one.high) if end is not None]
    least, most = min(ends, default=0.0), max(ends, default=1.0)
    margin = max((most - least) * 0.04, 1.0)
    least, most = least - margin, most + margin

    def at(value: float | None, edge: float) -> float:
        return edge if value is None else round(100 * (value - least) / (most - least), 2)

    return [
        Place(
            row=row,
            start=at(row.standing.low, 0.0),
            width=round(at(row.standing.high, 100.0) - at(row.standing.low, 0.0), 2),
            middle=at(row.standing.score, 50.0),
        )
        for row in found
    ]
