"""How far people agree: Krippendorff's α and the share of pairs of answers that are alike.

All of it follows from how many comparisons have which pattern of answers (for low, for high, too close). A
million comparisons have a few dozen patterns, so that counting and resampling cost the same as for ten.

    α = 1 − D_o / D_e                                    (nominal; Krippendorff 2018, ch. 12)
    D_o = Σ_u (m_u² − Σ_c n_uc²) / (m_u − 1) / n         observed: unlike pairs within comparisons
    D_e = (n² − Σ_c n_c²) / (n (n − 1))                  expected: unlike pairs among all n answers

over comparisons u with m_u ≥ 2 answers; n_uc of them are c. The interval is the middle 95 % of α over samples
of as many comparisons, drawn with replacement: a multinomial draw of the pattern counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from annotation.quality.ballots import Pattern
from annotation.quality.shares import interval

Floats = NDArray[np.float64]
SAMPLES = 2000
SEED = 20_260_301  # the same counts always give the same interval
LEAST_COMPARISONS = 10
MOST_UNDEFINED = 0.05  # of the samples
MOST_PATTERNS = 100  # up to 6 answers a comparison have fewer
RELIABLE, TENTATIVE = 0.8, 0.667  # Krippendorff's own marks

NO_TWO = "no comparison has two answers yet"
ONE_KIND = "all answers are of one kind: where nothing varies, agreement cannot be told from chance"
FEW = "fewer than 10 comparisons have two answers"
PERFECT = "no disagreement was seen, so that resampling shows no spread"
NEARLY_ONE_KIND = "nearly all answers are of one kind"


@dataclass(frozen=True)
class Agreement:
    """`alpha` is None where it is undefined, `low` and `high` where there is no interval: the `why`s say why.

    `alike` is the share of pairs of answers to the same comparison that are alike, with Wilson's interval for
    as many cases as there are comparisons.
    """

    comparisons: int
    answers: int
    alpha: float | None
    low: float | None
    high: float | None
    why: str
    why_no_interval: str
    alike: float | None
    alike_low: float | None
    alike_high: float | None


NOTHING = Agreement(0, 0, None, None, None, NO_TWO, NO_TWO, None, None, None)


def measure(patterns: Mapping[Pattern, int]) -> Agreement:
    """Agreement over comparisons counted by their patterns; fewer than two answers are passed by."""
    shared = [(*pattern, times) for pattern, times in patterns.items() if sum(pattern) > 1 and times > 0]
    return _measured(tuple(sorted(shared))) if shared else NOTHING


def reading(found: Agreement) -> str:
    """What the value of α lets one do, in one sentence."""
    if found.alpha is None:
        return f"Undefined, because {found.why}."
    if found.alpha >= RELIABLE:
        return "Reliable: people answer alike."
    if found.alpha >= TENTATIVE:
        return "Good enough for tentative conclusions only."
    if found.alpha > 0 and (found.low is None or found.low > 0):
        return "Low: people often answer differently. Clearer guidelines or more labels a comparison help."
    return "Not to be told from chance."


@lru_cache(maxsize=64)
def _measured(rows: tuple[tuple[int, int, int, int], ...]) -> Agreement:
    table = np.array(rows, np.float64)
    counts, times = table[:, :3], table[:, 3]
    comparisons, answers = int(times.sum()), int((counts.sum(1) * times).sum())
    alike = _alike(counts, times)
    around = interval(alike, comparisons)
    sums = _sums(counts)
    alpha = float(_alphas((times @ sums)[None])[0])
    if np.isnan(alpha):
        return Agreement(comparisons, answers, None, None, None, ONE_KIND, ONE_KIND, alike, *around)
    low, high, why = _interval(sums, times, alpha)
    return Agreement(comparisons, answers, alpha, low, high, "", why, alike, *around)


def _sums(counts: Floats) -> Floats:
    """[patterns, 4]: what a comparison adds to the answers of each kind and to the unlike pairs."""
    answers = counts.sum(1)
    unlike = (answers**2 - (counts**2).sum(1)) / (answers - 1)
    return np.column_stack([counts, unlike])


def _alphas(sums: Floats) -> Floats:
    """α of each row of sums, [samples, 4]; NaN where all answers are of one kind."""
    kinds, unlike = sums[:, :3], sums[:, 3]
    total = kinds.sum(1)
    chance = total**2 - (kinds**2).sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.where(chance > 0, 1 - (total - 1) * unlike / chance, np.nan)
    return found


def _alike(counts: Floats, times: Floats) -> float:
    answers = counts.sum(1)
    same = (counts * (counts - 1)).sum(1) @ times
    return float(same / ((answers * (answers - 1)) @ times))


def _interval(sums: Floats, times: Floats, alpha: float) -> tuple[float | None, float | None, str]:
    """The bounds, or why there are none."""
    if times.sum() < LEAST_COMPARISONS:
        return None, None, FEW
    if alpha == 1:
        return None, None, PERFECT
    alphas = _alphas(_resampled(sums, times))
    defined = alphas[~np.isnan(alphas)]
    if len(defined) < (1 - MOST_UNDEFINED) * SAMPLES:
        return None, None, NEARLY_ONE_KIND
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high), ""


def _resampled(sums: Floats, times: Floats) -> Floats:
    """Sums of as many comparisons, drawn anew `SAMPLES` times.

    Many patterns need many comparisons, whose sums are normal: then they are drawn from their mean and
    covariance. It takes a hundredth of the time.
    """
    draw = np.random.default_rng(SEED)
    comparisons, shares = times.sum(), times / times.sum()
    if len(times) <= MOST_PATTERNS:
        return draw.multinomial(int(comparisons), shares, size=SAMPLES).astype(np.float64) @ sums
    around = sums - shares @ sums
    covariance = comparisons * (around.T * shares) @ around
    found: Floats = draw.multivariate_normal(times @ sums, covariance, size=SAMPLES)
    return found
