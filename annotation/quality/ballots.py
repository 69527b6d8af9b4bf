"""The answers to one comparison, as agreement counts them: who named which side, or neither.

"Cannot judge" is a missing answer: it says nothing about the pair, so there is nothing to agree with.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

LOW, HIGH, TOO_CLOSE = "low", "high", "too_close"
KINDS = (LOW, HIGH, TOO_CLOSE)
Vote = tuple[int, str]
Pattern = tuple[int, int, int]


def vote_on(verdict: str, low_first: bool) -> str | None:
    """The side a verdict names, given the order shown; None for one that is missing."""
    if verdict == "first":
        return LOW if low_first else HIGH
    if verdict == "second":
        return HIGH if low_first else LOW
    return TOO_CLOSE if verdict == TOO_CLOSE else None


def pattern_of(votes: Sequence[Vote]) -> Pattern:
    """How many are for low, for high and for neither."""
    given = [vote for _, vote in votes]
    return given.count(LOW), given.count(HIGH), given.count(TOO_CLOSE)


def pairs_of(votes: Iterable[Vote]) -> list[tuple[int, int, bool]]:
    """Every two people who answered, the smaller id first, and whether they said the same."""
    return [(one, other, said == replied) for (one, said), (other, replied) in combinations(sorted(votes), 2)]
