"""Noisy Bradley-Terry: every preference has a strength, and some votes are cast at random.

P(j votes for low) = γⱼ·σ(s_low − s_high) + (1 − γⱼ)/2, with s ~ N(0, 1/.3) and γⱼ ~ Beta(5, 2). The fit is a
mode of the posterior; the answer is σ(s_low − s_high). So a comparison learns from all others that share a
preference with it, and a chain A > B > C can overrule a lone vote for C over A.

It is crowd-kit's model (after Chen et al., 2013) without its bias towards one side, since low and high are
arbitrary here, and with proper priors. Expectation-maximisation: how likely each vote was a considered one,
then one Newton step for the strengths with votes weighted so, and the mean of those weights for γ.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from annotation.consensus.joint import Floats, Named, Votes, logit, sigmoid, summed
from annotation.consensus.rule import JointRule

PRECISION = 0.3  # of a strength, nats⁻²: as in `quality.strengths`
ATTENTIVE, CARELESS = 4.0, 1.0  # votes seen before: Beta(5, 2)
START = ATTENTIVE / (ATTENTIVE + CARELESS)
MOST_ROUNDS = 100
TOLERANCE = 1e-4  # nats, of every strength and of the log-odds of every γ
LONGEST_LEAP = 20.0  # steps
MOST_CARE = 15.0  # nats
LONGEST = 2.0  # nats a step: Newton's may overshoot where all votes are on one side
SOLVED = 0.01  # of the slope's length
MOST_CG_STEPS = 200


@dataclass(frozen=True)
class Fitted:
    strength: Floats
    care: Floats

    def apart(self, other: Fitted) -> tuple[Floats, Floats]:
        """From the other to this one: strengths and log-odds of γ, in nats."""
        return self.strength - other.strength, logit(self.care) - logit(other.care)


def fit(votes: Votes) -> Floats:
    """The probability that low is stronger, by comparison; nan without a vote for a side."""
    found = fitted(votes)
    gap = found.strength[votes.low] - found.strength[votes.high]
    return votes.named().seen(sigmoid(gap))


def fitted(votes: Votes) -> Fitted:
    """s of each preference, in nats, and γ of each annotator."""
    named = votes.named()
    size = int(max(votes.low.max(initial=-1), votes.high.max(initial=-1))) + 1
    now = Fitted(np.zeros(size), np.full(named.people, START))
    for _ in range(MOST_ROUNDS):
        once = _improved(votes, named, now)
        guess = _ahead(now, once, _improved(votes, named, once))
        now = _improved(votes, named, guess)
        if max(np.abs(part).max(initial=0.0) for part in now.apart(guess)) < TOLERANCE:
            break
    return now


def _ahead(start: Fitted, once: Fitted, twice: Fitted) -> Fitted:
    """Where two steps point to (SQUAREM): the steps alone shrink by a few per cent only, here hundreds."""
    first, second = once.apart(start), twice.apart(once)
    turn = tuple(later - earlier for earlier, later in zip(first, second, strict=True))
    length = np.sqrt(_squares(first) / max(_squares(turn), 1e-300))
    far = float(np.clip(length, 1.0, LONGEST_LEAP))
    strength, care = (
        origin + 2.0 * far * step + far**2 * bend
        for origin, step, bend in zip((start.strength, logit(start.care)), first, turn, strict=True)
    )
    return Fitted(strength, sigmoid(np.clip(care, -MOST_CARE, MOST_CARE)))


def _squares(parts: tuple[Floats, ...]) -> float:
    return float(sum(np.square(part).sum() for part in parts))


def _improved(votes: Votes, named: Named, now: Fitted) -> Fitted:
    """One step of expectation-maximisation."""
    considered = _considered(votes, named, now.strength, now.care)
    step = _newton_step(votes, named, now.strength, considered)
    given = named.by_annotator(np.ones_like(named.sign))
    care = (named.by_annotator(considered) + ATTENTIVE) / (given + ATTENTIVE + CARELESS)
    return Fitted(now.strength + step, care)


def _considered(votes: Votes, named: Named, strength: Floats, care: Floats) -> Floats:
    """How likely each vote was not cast at random."""
    gap = (strength[votes.low] - strength[votes.high])[named.comparison]
    considered = care[named.annotator] * sigmoid(named.sign * gap)
    return considered / (considered + 0.5 * (1.0 - care[named.annotator]))


def _newton_step(votes: Votes, named: Named, strength: Floats, considered: Floats) -> Floats:
    """Towards the strengths that fit the weighted votes best, by conjugate gradients; at most `LONGEST`."""
    low, high, size = votes.low, votes.high, len(strength)
    for_low = named.by_comparison(np.where(named.sign > 0, considered, 0.0))
    total = named.by_comparison(considered)
    p = sigmoid(strength[low] - strength[high])
    missed, bend = for_low - total * p, total * p * (1.0 - p)
    residual = summed(low, missed, size) - summed(high, missed, size) - PRECISION * strength
    diagonal = PRECISION + summed(low, bend, size) + summed(high, bend, size)
    step, direction = np.zeros(size), residual / diagonal
    product = float((residual * direction).sum())
    enough = SOLVED**2 * float(np.square(residual).sum())
    for _ in range(MOST_CG_STEPS):
        if float(np.square(residual).sum()) <= enough or product == 0.0:
            break
        edges = bend * (direction[low] - direction[high])
        image = summed(low, edges, size) - summed(high, edges, size) + PRECISION * direction
        length = product / float((direction * image).sum())
        step += length * direction
        residual = residual - length * image
        scaled = residual / diagonal
        product, before = float((residual * scaled).sum()), product
        direction = scaled + (product / before) * direction
    return np.clip(step, -LONGEST, LONGEST)


RULE = JointRule(
    name="noisy_bradley_terry",
    title="Noisy Bradley-Terry",
    summary="Strengths of the preferences and the care of the annotators are estimated together.",
    fit=fit,
)
