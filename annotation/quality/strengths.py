"""How strong each preference is, fitted to all answers at once: Bradley-Terry with a Gaussian prior.

P(i is stronger than j) = σ(θᵢ − θⱼ), θᵢ ~ N(0, s²). The fit is the mode of the posterior, which the prior
makes unique: a preference that won every time, or that nobody has seen, has a strength too. Since only
differences matter, the strengths of every connected group sum to zero.

The default s = .3^(−½) ≈ 1.83 nats is that of `dpo_pop_strength`, so that what is shown here is what would
be trained with. Before any answer two preferences then differ by 2.6 nats (one s.d.), and the stronger one of
a pair wins four comparisons in five.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from annotation.quality.belief import PRIOR_SD
from annotation.quality.spread import deviations

Floats = NDArray[np.float64]
Ids = NDArray[np.int32]

MOST_STEPS = 50
MOST_CG_STEPS = 500
GRADIENT = 1e-8  # nats⁻¹; times the prior's variance it bounds the error of every strength


@dataclass(frozen=True)
class Strengths:
    """θ and its posterior standard deviation, in nats, by preference number."""

    theta: Floats
    sd: Floats
    iterations: int
    converged: bool


@dataclass(frozen=True)
class _Answers:
    """All answers, those on one pair taken together: how many there are and how many `low` won."""

    low: NDArray[np.int64]
    high: NDArray[np.int64]
    won: Floats
    total: Floats
    size: int
    precision: float

    def gap(self, theta: Floats) -> Floats:
        return theta[self.low] - theta[self.high]

    def spread_back(self, edges: Floats) -> Floats:
        """The transpose of `gap`."""
        return _summed(self.low, edges, self.size) - _summed(self.high, edges, self.size)

    def loss(self, theta: Floats) -> float:
        """The negative log posterior, up to a constant."""
        gap = self.gap(theta)
        fit = self.total @ np.logaddexp(0.0, gap) - self.won @ gap
        return float(fit + 0.5 * self.precision * (theta @ theta))

    def gradient(self, theta: Floats) -> Floats:
        missed = self.total * _sigmoid(self.gap(theta)) - self.won
        return self.spread_back(missed) + self.precision * theta

    def weights(self, theta: Floats) -> Floats:
        """What the pairs add to the curvature."""
        p = _sigmoid(self.gap(theta))
        return self.total * p * (1.0 - p)


def fit(
    low: Ids,
    high: Ids,
    low_wins: Floats,
    size: int,
    *,
    prior_sd: float = PRIOR_SD,
    start: Floats | None = None,
) -> Strengths:
    """The strengths of preferences 0 … size − 1 from answers on pairs of them.

    `low_wins` is 1 where `low` is the stronger one, 0 where `high` is, and .5 for "too close": half a win
    each. A pair may be named often and either way round. `start`: strengths to begin at, of an earlier fit.

    Newton steps, each solved by conjugate gradients; the same answers in the same order give the same floats.
    """
    answers = _gathered(low, high, low_wins, size, prior_sd)
    theta = np.zeros(size) if start is None else start.astype(np.float64)
    iterations = 0
    slope = answers.gradient(theta)
    while (steepest := _largest(slope)) > GRADIENT and iterations < MOST_STEPS:
        step = _newton_step(answers, theta, slope, min(0.1, steepest))
        theta = _descended(answers, theta, step, slope)
        slope = answers.gradient(theta)
        iterations += 1
    sd = deviations(answers.low, answers.high, answers.weights(theta), size, answers.precision)
    return Strengths(theta, sd, iterations, steepest <= GRADIENT)


def _gathered(low: Ids, high: Ids, low_wins: Floats, size: int, prior_sd: float) -> _Answers:
    """Answers by pair, in the order of the pairs."""
    first, second = low.astype(np.int64), high.astype(np.int64)
    turned = first > second
    wins = np.where(turned, 1.0 - low_wins, low_wins)
    key = np.minimum(first, second) * size + np.maximum(first, second)
    pairs, place, total = np.unique(key, return_inverse=True, return_counts=True)
    won = _summed(place, wins, len(pairs))
    return _Answers(pairs // size, pairs % size, won, total.astype(np.float64), size, prior_sd**-2)


def _newton_step(answers: _Answers, theta: Floats, slope: Floats, tolerance: float) -> Floats:
    """−H⁻¹·slope by conjugate gradients, preconditioned with H's diagonal, to this share of the slope."""
    weights, precision = answers.weights(theta), answers.precision
    diagonal = precision + _summed(answers.low, weights, answers.size)
    diagonal += _summed(answers.high, weights, answers.size)
    step = np.zeros_like(theta)
    residual = -slope
    direction = residual / diagonal
    product = float(residual @ direction)
    enough = tolerance * float(np.linalg.norm(slope))
    for _ in range(MOST_CG_STEPS):
        image = answers.spread_back(weights * answers.gap(direction)) + precision * direction
        length = product / float(direction @ image)
        step += length * direction
        residual -= length * image
        if float(np.linalg.norm(residual)) <= enough:
            break
        scaled = residual / diagonal
        product, before = float(residual @ scaled), product
        direction = scaled + (product / before) * direction
    return step


def _descended(answers: _Answers, theta: Floats, step: Floats, slope: Floats) -> Floats:
    """The whole step, or as much of it as makes the loss fall (but for rounding)."""
    loss, fall, length = answers.loss(theta), float(slope @ step), 1.0
    allowance = 1e-12 * abs(loss)
    while length > 1e-6:
        there = theta + length * step
        if answers.loss(there) <= loss + 1e-4 * length * fall + allowance:
            return there
        length /= 2
    return theta


def _summed(places: NDArray[np.int64], values: Floats, size: int) -> Floats:
    return np.bincount(places, values, size).astype(np.float64, copy=False)


def _sigmoid(x: Floats) -> Floats:
    result: Floats = 0.5 * (1.0 + np.tanh(0.5 * x))
    return result


def _largest(values: Floats) -> float:
    return float(np.abs(values).max(initial=0.0))
