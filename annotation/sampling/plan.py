from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """What a strategy is asked for: rows per preference, and how hard to try."""

    size: int  # preferences in the pool
    k: int = 2  # rows wanted per strong preference
    attempt_cap: int = 3  # iterative: give up on an anchor after k times this many comparisons
    reuse: bool = True  # iterative: a partner that wins fills its own quota
    overlap: int = 1  # labels per comparison


@dataclass(frozen=True)
class Strategy:
    """A sampling strategy: its name, what it does, and how many labels it will want."""

    name: str
    title: str
    summary: str
    doc: str
    anchored: bool  # each comparison is drawn for one preference, whose quota it fills
    estimate: Callable[[Plan], float]  # labels expected before the first one is given
    learns: bool = False  # strengths are kept up with every answer, and partners chosen by them
