"""Majority: the side with more votes wins; answers that name no side only lower the confidence."""

from __future__ import annotations

from collections.abc import Sequence

from annotation.consensus.rule import HIGH, LOW, NONE, Consensus, Rule


def resolve(votes: Sequence[str]) -> Consensus:
    """The outcome of the votes (`low`, `high`, or anything else for "no side").

    The confidence is the winning side's share of all votes; None without a winner (a tie, no decisive vote).
    """
    low, high = votes.count(LOW), votes.count(HIGH)
    if low == high:
        return Consensus(NONE, None)
    return Consensus(LOW if low > high else HIGH, max(low, high) / len(votes))


RULE = Rule(
    name="majority",
    title="Majority",
    summary="The side with more votes wins; a tie has no winner.",
    resolve=resolve,
)
