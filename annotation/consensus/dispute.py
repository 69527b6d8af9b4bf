"""Whether the votes of a comparison are so much at odds that a reviewer should look at it."""

from __future__ import annotations

from collections.abc import Sequence

from annotation.consensus.rule import HIGH, LOW


def is_disputed(votes: Sequence[str], below: float = 0.0) -> bool:
    """True when votes name both sides equally often, or the winner's share of all votes is under `below`.

    One vote disputes nothing. Where nobody names a side, all agree that there is no winner: nothing is left
    to decide. With `below` 0 only ties are disputed; with 1 everything that is not unanimous.
    """
    low, high = votes.count(LOW), votes.count(HIGH)
    if len(votes) < 2 or not low + high:
        return False
    return low == high or max(low, high) / len(votes) < below
