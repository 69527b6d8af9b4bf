"""Active: as iterative, but each partner is chosen among a few by what is believed about both strengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from annotation.quality.belief import Belief, chance
from annotation.sampling import iterative
from annotation.sampling.plan import Plan, Strategy

DOC = """Takes the preferences as anchors in random order, as `iterative` does, and keeps an estimate of every
preference's strength as answers come. For each comparison it looks at the next few partners of the anchor's
random order and takes the one whose answer most likely fills an open quota, whoever wins; among equals the
one whose answer is least foreseeable. It wants about a fifth fewer labels than `iterative` and fills more
quotas; weak partners come more often from the weakest preferences."""

CANDIDATES = 8  # partners looked at for each comparison
OF_ITERATIVE = 0.78


@dataclass(frozen=True)
class Candidate:
    """A possible partner: what is believed of its strength, and whether a win of its would fill its quota."""

    belief: Belief
    has_room: bool


def choose(anchor: Belief, candidates: Sequence[Candidate]) -> int:
    """The place of the best partner: first by `fill`, then by `information`, then the first.

    Raises:
        ValueError: there are no candidates.
    """
    scores = [(fill(anchor, one), information(anchor, one)) for one in candidates]
    return max(range(len(scores)), key=lambda place: (*scores[place], -place))


def fill(anchor: Belief, partner: Candidate) -> float:
    """The probability that the answer fills an open quota: the anchor has room, or it would not be drawn."""
    return 1.0 if partner.has_room else chance(anchor, partner.belief)


def information(anchor: Belief, partner: Candidate) -> float:
    """What the answer is expected to tell: how unsure it is, and how unsure both strengths are."""
    won = chance(anchor, partner.belief)
    return won * (1.0 - won) * (anchor.sd**2 + partner.belief.sd**2)


def estimate(plan: Plan) -> float:
    """Labels expected: those of `iterative`, less what the choice saves.

    The share is measured, not derived: it was .74 to .86 in simulations of k 1 to 6 and caps 2 to 5, with
    reuse and without, when the stronger side always wins.
    """
    return OF_ITERATIVE * iterative.estimate(plan)


STRATEGY = Strategy(
    name="active",
    title="Active anchors",
    summary="Every preference until it has won k times, partners chosen by estimated strengths.",
    doc=DOC,
    anchored=True,
    estimate=estimate,
    learns=True,
)
