"""What is believed about two preferences after one more answer: the fit of `strengths`, one answer at a time.

Each belief is a mean and a standard deviation. An answer is weighed by its logistic likelihood against both
beliefs, as if they were independent: the gap moves to the mode of the two, the less sure side moves further,
and both grow surer (a Gauss-Laplace filter; Glicko's step with the mode in place of its expansion point).
Correlations between preferences are dropped, so that beliefs depend a little on the order of the answers and
stay near the fit, not at it: see tests/annotation/quality/test_belief.py for how near.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, pi, sqrt

PRIOR_SD = 0.3**-0.5  # see `strengths`
MOST_STEPS = 100
CLOSE = 1e-10  # nats


@dataclass(frozen=True)
class Belief:
    """Mean and standard deviation of one strength, in nats."""

    theta: float = 0.0
    sd: float = PRIOR_SD


UNSEEN = Belief()


def updated(one: Belief, other: Belief, won: float) -> tuple[Belief, Belief]:
    """Both beliefs after an answer: `won` is 1 where `one` is the stronger, 0 where not, .5 for too close."""
    variance, others = one.sd**2, other.sd**2
    gap = _mode(one.theta - other.theta, variance + others, won)
    p = _sigmoid(gap)
    surprise, curvature = won - p, p * (1.0 - p)
    surer = curvature / (1.0 + (variance + others) * curvature)
    return (
        Belief(one.theta + variance * surprise, sqrt(variance * (1.0 - variance * surer))),
        Belief(other.theta - others * surprise, sqrt(others * (1.0 - others * surer))),
    )


def chance(one: Belief, other: Belief) -> float:
    """The probability that `one` is found the stronger: σ averaged over both beliefs (MacKay, 1992)."""
    variance = one.sd**2 + other.sd**2
    return _sigmoid((one.theta - other.theta) / sqrt(1.0 + pi * variance / 8.0))


def _mode(gap: float, variance: float, won: float) -> float:
    """Where `gap' = gap + variance·(won − σ(gap'))`: bisection, since what is left falls as gap' grows."""
    low, high = gap + variance * (won - 1.0), gap + variance * won
    for _ in range(MOST_STEPS):
        middle = 0.5 * (low + high)
        if gap + variance * (won - _sigmoid(middle)) > middle:
            low = middle
        else:
            high = middle
        if high - low < CLOSE:
            break
    return 0.5 * (low + high)


def _sigmoid(x: float) -> float:
    return 1.0 / (1.0 + exp(-x)) if x >= 0.0 else 1.0 - 1.0 / (1.0 + exp(x))
