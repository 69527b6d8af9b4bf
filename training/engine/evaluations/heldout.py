"""What evaluations see, and the parts they share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

RESAMPLES = 1000
HELD = 1 << 20  # positions, or weights of items, at a time
DIGITS = 10  # significant ones of the largest score margin
NO_HELDOUT = (
    "The dataset has no held-out preferences: freeze it with a held-out share, or evaluate the split train."
)
TOO_LONG = "None of the {count} held-out preferences fits: each prompt alone fills max_length."
NO_SCORES = "The held-out preferences have no scores."


def _none() -> Floats:
    return np.zeros(0)


@dataclass(frozen=True)
class Generated:
    """Responses that the policy wrote, m of them.

    Attributes:
        prompts: the prompt of each, any numbers, [m].
        tokens: how many it has, its end included, [m].
        ended: whether it ended by itself and was not cut, bool [m].
        logps, reference_logps: log-probabilities under policy and reference, nats, [m]; NaN where unknown.
        reference_tokens: how many the reference's response to the same prompt of the same number has, [m];
            NaN where it wrote none.
        own_samples: whether they were drawn from the policy as it is, at temperature 1 with top-p 1.
    """

    prompts: Ints
    tokens: Floats
    ended: npt.NDArray[np.bool_]
    logps: Floats
    reference_logps: Floats
    reference_tokens: Floats
    own_samples: bool = True


@dataclass(frozen=True)
class Duels:
    """Responses of two models to the same prompts under a judge, m pairs.

    Attributes:
        prompts: the prompt of each pair, any numbers, [m]: pairs of a prompt are no independent ones.
        ours, theirs: rewards, [m]; NaN where the judge gave none.
        our_lengths, their_lengths: of the responses, characters, [m].
        judge, against: who judged, and whose responses they are, by name.
        opponent: SHA-256 that says who that is: of a model's weights, or of responses given as a file.
        sampling: how the responses were drawn.
        judge_sha256: says who the judge is, by what it is made of and reads.
    """

    prompts: Ints
    ours: Floats
    theirs: Floats
    our_lengths: Floats
    their_lengths: Floats
    judge: str = ""
    against: str = ""
    opponent: str = ""
    sampling: str = ""
    judge_sha256: str = ""


@dataclass(frozen=True)
class HeldOut:
    """The held-out split under the trained model, n preferences.

    Attributes:
        margin: implicit-reward margins βΔ, β·nats, [n]; of a reward model its reward differences.
        score_margin: score margins, NaN where a score is missing, [n].
        rows: held-out comparisons as (stronger, weaker) positions, [r, 2].
        seed: of the bootstrap.
        chosen_logps, rejected_logps: log-probabilities of the responses, nats, [n]; empty: not known.
        chosen_lengths, rejected_lengths: tokens of those responses, [n].
        reference_logps: log-probabilities of both under the reference, nats, [n, 2]; empty: not known.
        confidence: consensus confidence of each of `rows`, [r]; empty: all 1.
        context_kl: KL(π ‖ π_ref) at some contexts of the data, nats a token, [T]; empty: not known.
        context_of: the preference that each of those comes from, any numbers, [T].
        generated, duels: what the model wrote itself, and against whom it was judged, where it was.
        unjudged: why it was not, where that was asked for.
        ids: of the preferences in the dataset, n of them; empty: not known.
        too_long, rows_too_long: held-out preferences and comparisons that are not here, as they do not fit.
    """

    margin: Floats
    score_margin: Floats
    rows: Ints
    seed: int
    chosen_logps: Floats = field(default_factory=_none)
    chosen_lengths: Floats = field(default_factory=_none)
    rejected_logps: Floats = field(default_factory=_none)
    rejected_lengths: Floats = field(default_factory=_none)
    reference_logps: Floats = field(default_factory=_none)
    confidence: Floats = field(default_factory=_none)
    context_kl: Floats = field(default_factory=_none)
    context_of: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    generated: Generated | None = None
    duels: Duels | None = None
    unjudged: str = ""
    ids: tuple[str, ...] = ()
    too_long: int = 0
    rows_too_long: int = 0

    @property
    def none(self) -> str:
        """Why there is no preference, where there is none."""
        return TOO_LONG.format(count=self.too_long) if self.too_long else NO_HELDOUT

    def scored(self) -> tuple[Floats, Floats]:
        """Margins and score margins where scores are known.

        Score margins are differences; those that differ by floating-point rounding only are made equal.
        """
        known = np.isfinite(self.score_margin)
        score = self.score_margin[known]
        largest = np.abs(score).max(initial=0.0)
        digits = DIGITS - int(np.floor(np.log10(largest))) if largest > 0 else DIGITS
        return self.margin[known], score.round(digits)


def interval(
    statistic: Callable[[Ints], Floats], size: int, seed: int, resamples: int = RESAMPLES, *, width: int = 0
) -> list[float] | None:
    """The 95% percentile-bootstrap interval of a statistic of `size` items.

    Args:
        statistic: takes the positions of r resamples, [r, size], and gives a number for each (NaN: not
            defined on it), [r].
        width: how many numbers the statistic makes of a resample, if more than its positions.

    Returns:
        [low, high], or None where fewer than two items make it meaningless.
    """
    if size < 2:
        return None
    draws = np.random.default_rng(seed)
    together = max(1, HELD // max(size, width))
    parts = [min(together, resamples - start) for start in range(0, resamples, together)]
    values = np.concatenate([statistic(draws.integers(0, size, (part, size))) for part in parts])
    finite = values[np.isfinite(values)]
    if not finite.size:
        return None
    low, high = np.percentile(finite, [2.5, 97.5])
    return [float(low), float(high)]


def share(hits: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """A share with n and its 95% Wilson interval (Wilson 1927).

    The bootstrap would call 9 of 9 certain: its interval has no width at 0 and 1.
    """
    found = stats.binomtest(int(hits.sum()), len(hits))
    around = found.proportion_ci(0.95, method="wilson")
    return {
        "n": len(hits),
        "value": float(hits.mean()),
        "interval": [float(around.low), float(around.high)],
    }
