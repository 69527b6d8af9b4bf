"""Weighted majority: each vote counts by the log-odds of its annotator's accuracy.

Accuracy is measured against the others: among comparisons that annotator j and others voted on, nⱼ where the
others alone have a majority, j agrees with it cⱼ times. bⱼ = (cⱼ + 3)/(nⱼ + 4): as if three of four earlier
votes had agreed. With gold answers, gⱼ right of Gⱼ: aⱼ = (gⱼ + 10·bⱼ)/(Gⱼ + 10), so that from ten gold
answers on they say more than the others do. aⱼ is kept within .55 and .99: nobody's vote counts against what
it says, and nobody outvotes everyone.

The posterior is σ(Σ ±log(aⱼ/(1 − aⱼ))) over the votes for low (+) and high (−).
"""

from __future__ import annotations

import numpy as np

from annotation.consensus.joint import Floats, Named, Votes
from annotation.consensus.rule import JointRule

AGREED, SEEN = 3.0, 4.0
GOLD_PRIOR = 10.0
LEAST, MOST = 0.55, 0.99


def fit(votes: Votes) -> Floats:
    """The probability that low is stronger, by comparison; nan without a vote for a side."""
    return votes.named().posterior(accuracies(votes))


def accuracies(votes: Votes) -> Floats:
    """aⱼ of each annotator."""
    by_others = _against_others(votes.named())
    right, total = votes.gold_right, votes.gold_total
    if right is None or total is None:
        return np.clip(by_others, LEAST, MOST)
    people = len(by_others)
    return np.clip((right[:people] + GOLD_PRIOR * by_others) / (total[:people] + GOLD_PRIOR), LEAST, MOST)


def _against_others(named: Named) -> Floats:
    """bⱼ: the vote itself is left out of what it is held against, or everyone would agree with themselves."""
    others = named.by_comparison(named.sign)[named.comparison] - named.sign
    agreed = named.by_annotator((others * named.sign > 0).astype(np.float64))
    judged = named.by_annotator((others != 0).astype(np.float64))
    return (agreed + AGREED) / (judged + SEEN)


RULE = JointRule(
    name="weighted",
    title="Weighted majority",
    summary="Votes count by how often their annotators agree with the others and with gold answers.",
    fit=fit,
)
