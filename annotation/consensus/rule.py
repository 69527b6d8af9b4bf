from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from annotation.consensus.joint import Fit

LOW, HIGH, NONE = "low", "high", "none"


@dataclass(frozen=True)
class Consensus:
    """`outcome` is low, high or none; `confidence` is None when nobody won."""

    outcome: str
    confidence: float | None


@dataclass(frozen=True)
class Rule:
    """How the labels of one comparison become its outcome."""

    name: str
    title: str
    summary: str
    resolve: Callable[[Sequence[str]], Consensus]


@dataclass(frozen=True)
class JointRule:
    """How all votes of a project together become the probability that `low` is the stronger one."""

    name: str
    title: str
    summary: str
    fit: Fit


def vote_of(verdict: str, low_first: bool) -> str:
    """The side a verdict names, given the shown order; `none` for "too close" and "cannot judge"."""
    if verdict == "first":
        return LOW if low_first else HIGH
    if verdict == "second":
        return HIGH if low_first else LOW
    return NONE
