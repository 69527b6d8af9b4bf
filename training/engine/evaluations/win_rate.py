"""How often a judge prefers what the model writes to what another one does."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from scipy import optimize, special

from training.engine.evaluations import duels as fights
from training.engine.evaluations.clusters import Clusters, clustered, clustered_share, each, mean_of
from training.engine.evaluations.heldout import Duels, Floats, HeldOut

RIDGE = 1e-6  # nats for a coefficient of √2: holds the fit where all pairs have one outcome


def evaluate(heldout: HeldOut) -> dict[str, Any]:
    """Win rate, and the one at equal lengths; ties count half. Intervals resample prompts, not pairs.

    Returns:
        {"n", "prompts", "win_rate", "length_controlled_win_rate", "ties", "our_length", "their_length" (mean
        characters), "…_interval", and those of `duels.ABOUT` that are known}.
    """
    return fights.reported(heldout, rates)


def rates(duels: Duels, seed: int) -> dict[str, Any]:
    """The numbers of `evaluate`, of pairs with finite rewards.

    Where all pairs have one outcome, no resample says how sure the rate at equal lengths is: no interval.
    """
    won, longer = fights.wins(duels), duels.our_lengths - duels.their_lengths
    clusters = Clusters(duels.prompts)
    at_equal = "length_controlled_win_rate"
    found = clustered_share("win_rate", clusters, seed, won)
    found |= clustered(at_equal, clusters, seed, each(partial(length_controlled, won, longer)))
    if np.ptp(won) == 0:
        found[f"{at_equal}_interval"] = None
    found |= clustered_share("ties", clusters, seed, (won == 0.5).astype(np.float64))
    for name, lengths in (("our_length", duels.our_lengths), ("their_length", duels.their_lengths)):
        found |= clustered(name, clusters, seed, mean_of(lengths))
    return found


def length_controlled(won: Floats, longer: Floats, weights: Floats | None = None) -> float:
    """The win rate at equal lengths by a logistic regression on the length difference.

    P(win) = σ(a + b·tanh(d / s)), d the difference of lengths, s its standard deviation; the answer is σ(a).
    As AlpacaEval's length control (arXiv 2404.04475) with one pair of models: its instruction difficulties
    need many models.

    Args:
        won: 1, ½ or 0, [m]. longer: our length minus theirs, any unit, [m]. weights: of pairs, [m].
    """
    weights = np.ones(len(won)) if weights is None else weights
    share = weights / weights.sum()
    mean = float((share * longer).sum())
    deviation = float(np.sqrt((share * (longer - mean) ** 2).sum()))
    x = np.tanh(longer / deviation) if deviation > 0 else np.zeros(len(longer))
    design = np.stack((np.ones(len(x)), x), axis=1)
    sign = 2 * won - 1  # −won·log σ(z) − (1 − won)·log σ(−z) = log(1 + e^z) − won·z

    def loss(at: Floats) -> tuple[float, Floats]:
        z = design @ at
        value = float((share * (np.logaddexp(0, z) - won * z)).sum() + RIDGE / 2 * (at @ at))
        return value, design.T @ (share * (special.expit(z) - won)) + RIDGE * at

    def curvature(at: Floats) -> Floats:
        p = special.expit(design @ at)
        found: Floats = (design * (share * p * (1 - p))[:, None]).T @ design + RIDGE * np.eye(2)
        return found

    start = np.asarray([np.clip((share * sign).sum() * 2, -2, 2), 0.0])
    fit = optimize.minimize(
        loss, start, jac=True, hess=curvature, method="trust-exact", options={"gtol": 1e-9}
    )
    return float(special.expit(fit.x[0]))
