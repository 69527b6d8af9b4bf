"""Which model people prefer: win rates and Bradley-Terry scores out of the battles of an arena. Pure.

A vote says that one of two responses to a prompt is better, or that neither is: half a win each. Votes about
one prompt are not independent of each other, whoever gave them, so that prompts are the unit of every
interval.

- Win rate: wins over votes. Its interval is Wilson's, in as many cases as the votes are worth: the variance
  of a ratio over prompts (Cochran, Sampling Techniques, 1977, §6.3) says how many independent votes would be
  as sure. Without a variance to go by, where every vote is the same, the prompts are counted.
- Score: P(i beats j) = σ(θᵢ − θⱼ), θᵢ ~ N(0, s²) as in `strengths`, the mode, in points 1000 + 400/ln 10 · θ,
  as chess ratings count (Elo, 1978): 400 points ahead is ten wins to one. The mean of models that met,
  directly or through others, is 1000. Its interval is of resampled prompts (bootstrap, percentiles), or where
  that is narrower the fit's own (Laplace): few prompts that all agree look the same however they are drawn.

The prior keeps a model that never lost at a finite score, which is no bound from above: `high` is None there,
and `low` is None for a model that never won.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csgraph

from annotation.quality.belief import PRIOR_SD
from annotation.quality.shares import Z, interval

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RESAMPLES = 1000
AT_ONCE = 100  # resamples in memory
SEED = 0  # the same votes have the same intervals
CENTRE, POINTS = 1000.0, 400.0 / log(10.0)
STEPS, STEP, ENOUGH = 100, 2.0, 1e-9  # Newton's; nats


@dataclass(frozen=True)
class Votes:
    """`count` votes that `first` did so well against `second` at `prompt`: 1 won, .5 neither, 0 lost."""

    prompt: Ints
    first: Ints
    second: Ints
    score: Floats
    count: Floats

    def and_also(self, other: Votes) -> Votes:
        both = ((getattr(self, name), getattr(other, name)) for name in self.__dataclass_fields__)
        return Votes(*(np.concatenate(pair) for pair in both))


@dataclass(frozen=True)
class Rate:
    """A share of wins, ties half, with its 95 % interval; None without a vote. `votes` may be fractions."""

    votes: float
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Standing:
    """One model: its score, or None where nothing is known of it, and how it did against all others.

    Scores of models in different groups say nothing of each other: they never met, even through others.
    """

    model: int
    score: float | None
    low: float | None
    high: float | None
    rate: Rate
    group: int


@dataclass(frozen=True)
class Results:
    """Standings, the best first; `rates[i][j]` is model i against model j, None on the diagonal."""

    standings: list[Standing]
    rates: list[list[Rate | None]]

    @property
    def groups(self) -> int:
        """Sets of models between which no battle leads."""
        return len({one.group for one in self.standings})


def results(votes: Votes, models: int, *, resamples: int = RESAMPLES) -> Results:
    """The results of models 0 … models − 1."""
    cells = _cells(votes, models)
    won = cells.sum(axis=0)
    met = won + won.T
    theta = fit(won[None])[0]
    group = csgraph.connected_components(met > 0, directed=False)[1].astype(np.int64)
    half = Z * _deviations(met, theta, group)
    low, high = np.percentile(_resampled(cells, resamples), [2.5, 97.5], axis=0)
    standings = [
        Standing(
            model=one,
            score=_points(theta[one]) if met[one].any() else None,
            low=_points(min(low[one], theta[one] - half[one])) if won[one].any() else None,
            high=_points(max(high[one], theta[one] + half[one])) if won[:, one].any() else None,
            rate=_rate(cells[:, one, :].sum(axis=1), cells[:, :, one].sum(axis=1)),
            group=int(group[one]),
        )
        for one in range(models)
    ]
    standings.sort(key=lambda one: (one.score is None, -(one.score or 0.0), one.model))
    return Results(standings, [[_between(cells, i, j) for j in range(models)] for i in range(models)])


def ties(same: Ints, models: tuple[Ints, Ints], votes: Votes, askable: Ints) -> Votes:
    """What battles between equal responses count: a tie each, as often as the two models' others were asked.

    `same` are the prompts and `models` the two models of each such battle; `askable[i, j]` is at how many
    prompts i and j said different things. So many votes a battle of the two has had on average, and a tie
    that nobody needed to give has the same weight: or all ties would count against the few votes of a
    beginning.
    """
    first, second = models
    given = np.zeros(askable.shape)
    np.add.at(given, (votes.first, votes.second), votes.count)
    each = (given + given.T) / np.maximum(askable, 1)
    return Votes(same, first, second, np.full(len(same), 0.5), each[first, second])


def fit(won: Floats, prior_sd: float = PRIOR_SD) -> Floats:
    """Bradley-Terry strengths θ in nats, B × M, of B arenas at once.

    `won` is B × M × M: how often each model won against each other one, ties half. Newton's steps, no longer
    than `STEP`; the prior makes the mode unique.
    """
    batch, models, _ = won.shape
    met = won + won.transpose(0, 2, 1)
    theta = np.zeros((batch, models))
    precision = prior_sd**-2
    diagonal = np.arange(models)
    for _ in range(STEPS):
        chance = 0.5 * (1.0 + np.tanh(0.5 * (theta[:, :, None] - theta[:, None, :])))
        slope = (won - met * chance).sum(axis=2) - precision * theta
        weight = met * chance * (1.0 - chance)
        curvature = -weight
        curvature[:, diagonal, diagonal] += weight.sum(axis=2) + precision
        step = np.linalg.solve(curvature, slope[:, :, None])[:, :, 0]
        theta += np.clip(step, -STEP, STEP)
        if float(np.abs(step).max(initial=0.0)) < ENOUGH:
            break
    return theta


def _deviations(met: Floats, theta: Floats, group: Ints) -> Floats:
    """Posterior standard deviations, nats, of strengths measured from the mean of their group."""
    chance = 0.5 * (1.0 + np.tanh(0.5 * (theta[:, None] - theta[None, :])))
    weight = met * chance * (1.0 - chance)
    curvature = np.diag(weight.sum(axis=1) + PRIOR_SD**-2) - weight
    together = (group[:, None] == group[None, :]).astype(np.float64)
    centred = np.eye(len(theta)) - together / together.sum(axis=1)
    deviations: Floats = np.sqrt(np.diag(centred @ np.linalg.inv(curvature) @ centred).clip(0.0))
    return deviations


def _cells(votes: Votes, models: int) -> Floats:
    """How often each model won against each other one, a matrix a prompt that has votes; ties half."""
    prompts, place = np.unique(votes.prompt, return_inverse=True)
    cells = np.zeros((len(prompts), models, models))
    np.add.at(cells, (place, votes.first, votes.second), votes.count * votes.score)
    np.add.at(cells, (place, votes.second, votes.first), votes.count * (1.0 - votes.score))
    return cells


def _resampled(cells: Floats, resamples: int) -> Floats:
    """Strengths of arenas whose prompts are drawn with replacement from this one's: resamples × models."""
    prompts, models, _ = cells.shape
    if not prompts:
        return np.zeros((resamples, models))
    draw, even = np.random.default_rng(SEED), np.full(prompts, 1.0 / prompts)
    flat, parts = cells.reshape(prompts, -1), []
    for start in range(0, resamples, AT_ONCE):
        times = draw.multinomial(prompts, even, size=min(AT_ONCE, resamples - start))
        parts.append(fit((times @ flat).reshape(-1, models, models)))
    return np.concatenate(parts)


def _between(cells: Floats, one: int, other: int) -> Rate | None:
    return None if one == other else _rate(cells[:, one, other], cells[:, other, one])


def _rate(won: Floats, lost: Floats) -> Rate:
    """Wins and losses by prompt as a share."""
    counted = won + lost
    asked = counted > 0
    won, counted = won[asked], counted[asked]
    total = float(counted.sum())
    if not total:
        return Rate(0.0, None, None, None)
    value = float(won.sum()) / total
    return Rate(total, value, *interval(value, _worth(value, won - value * counted, total)))


def _worth(value: float, residuals: Floats, total: float) -> float:
    """How many independent votes would be as sure of this share: at most those there are."""
    prompts = len(residuals)
    variance = float(residuals @ residuals) / total**2 * prompts / max(prompts - 1, 1)
    if not variance:
        return min(float(prompts), total)
    return min(max(value * (1.0 - value) / variance, 1.0), total)


def _points(theta: float) -> float:
    return CENTRE + POINTS * float(theta)
