"""Is a predicted probability right as often as it says?"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special, stats

from training.engine.evaluations.correlation import spearman, spearman_of_resamples
from training.engine.evaluations.heldout import Floats, HeldOut, Ints, interval

BINS = 10
DRAWS = 1000
Z = float(stats.norm.ppf(0.975))


def evaluate(heldout: HeldOut) -> dict[str, Any]:
    """Calibration of σ(margin), and of σ(difference of margins) against the consensus of comparisons.

    In every held-out preference the chosen response won, so σ(margin) alone is held against outcomes that are
    all 1. Which response comes first is arbitrary, though: a preference is the forecast σ(m) of an outcome 1
    as well as the forecast σ(−m) of an outcome 0. Both say the same, so each preference counts once, as the
    forecast that is .5 or more: the confidence σ(|m|) and whether the preferred response was the chosen one.
    A margin of 0 is right by half. Comparisons are folded likewise; what came out is the consensus confidence
    c where the stronger side has the larger margin, else 1 − c.

    Returns:
        `forecasts` of preferences, and "comparisons" (None without any): the same of comparisons, with
        "spearman" between the stronger side's lead and the confidence where both vary.
    """
    if not len(heldout.margin):
        return {"skipped": heldout.none}
    ones = np.ones(len(heldout.margin))
    found = forecasts(heldout.margin, ones, heldout.seed)
    return found | {"comparisons": _comparisons(heldout) if len(heldout.rows) else None}


def _comparisons(heldout: HeldOut) -> dict[str, Any]:
    lead = heldout.margin[heldout.rows[:, 0]] - heldout.margin[heldout.rows[:, 1]]
    confidence = heldout.confidence if len(heldout.confidence) else np.ones(len(lead))
    found = forecasts(lead, confidence, heldout.seed)
    if len(lead) > 2 and np.ptp(lead) > 0 and np.ptp(confidence) > 0:
        found["spearman"] = float(spearman(lead, confidence))
        found["spearman_interval"] = interval(
            spearman_of_resamples(lead, confidence), len(lead), heldout.seed
        )
    return found


def forecasts(logit: Floats, outcome: Floats, seed: int) -> dict[str, Any]:
    """How well σ(logit) foretells outcomes in [0, 1].

    Args:
        logit: of the first side winning, [n].
        outcome: 1 where it won, 0 where it lost; in between what share of it, [n].
        seed: of the bootstrap and of the draws by chance.

    Returns:
        {"n", "expected_calibration_error", "error_by_chance", "error_by_chance_interval", "brier",
         "brier_interval", "reliability": `reliability`}. By chance: mean and 95% of what the error would be,
        with these confidences and bins, if each were exactly right; never 0, as n is finite.
    """
    confidence = special.expit(np.abs(logit))
    right = np.where(logit > 0, outcome, 1.0 - outcome)
    right = np.where(logit == 0, 0.5, right)
    of = bins(confidence)
    draws = np.random.default_rng(seed)
    luck = [error(confidence, (draws.random(len(of)) < confidence).astype(float), of) for _ in range(DRAWS)]
    squares = (special.expit(logit) - outcome) ** 2
    return {
        "n": len(logit),
        "expected_calibration_error": error(confidence, right, of),
        "error_by_chance": float(np.mean(luck)),
        "error_by_chance_interval": [float(one) for one in np.percentile(luck, [2.5, 97.5])],
        "brier": float(squares.mean()),
        "brier_interval": interval(lambda drawn: squares[drawn].mean(axis=1), len(logit), seed),
        "reliability": reliability(confidence, right, of),
    }


def bins(confidence: Floats) -> Ints:
    """The bin of each, [n]: BINS of equal count by rank; equal confidences are in the same one."""
    ranks = stats.rankdata(confidence, method="min") - 1
    return (ranks * BINS // len(confidence)).astype(np.int64)


def error(confidence: Floats, right: Floats, of: Ints) -> float:
    """Expected calibration error: Σ over bins of n_b / n · |mean right − mean confidence|."""
    return float(np.abs(np.bincount(of, right - confidence)).sum() / len(of))


def reliability(confidence: Floats, right: Floats, of: Ints) -> list[dict[str, Any]]:
    """A row a bin: {"confidence", "right", "low", "high", "n"}, means and the 95% Wilson interval.

    Outcomes in between vary less than those that are 0 or 1: there it is too wide, if anything.
    """
    found = []
    for one in np.unique(of):
        here = of == one
        low, high = wilson(float(right[here].mean()), int(here.sum()))
        found.append(
            {
                "confidence": float(confidence[here].mean()),
                "right": float(right[here].mean()),
                "low": low,
                "high": high,
                "n": int(here.sum()),
            }
        )
    return found


def wilson(share: float, n: int) -> tuple[float, float]:
    """The 95% Wilson interval of a share of n, which need not be a whole number of them (Wilson 1927)."""
    centre = share + Z**2 / (2 * n)
    half = Z * float(np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2)))
    return max(0.0, (centre - half) / (1 + Z**2 / n)), min(1.0, (centre + half) / (1 + Z**2 / n))
