"""Iterative: each preference in turn is the anchor and meets random partners until it has won k times."""

from __future__ import annotations

from functools import lru_cache
from math import exp

from annotation.sampling.permutation import Permutation
from annotation.sampling.plan import Plan, Strategy

DOC = """Takes the preferences as anchors in random order. An anchor is compared with random partners until it
has won k times, or k times the attempt cap comparisons were spent on it, so that every preference that can
be the strong one gets its k weak partners. An annotator stays with an anchor: only one new preference has to
be read. With reuse on, a partner that wins fills its own quota too, which saves a third of the labels."""

GRID = 40  # quantiles of strength, and steps of time, in the estimate


def anchor_at(size: int, seed: str, place: int) -> int:
    """The number of the preference whose turn as anchor comes at this place."""
    return Permutation(size, seed)[place]


def partner_at(size: int, seed: str, anchor: int, place: int) -> int:
    """The number of the partner at this place of the anchor's own stream of the `size − 1` others."""
    number = Permutation(size - 1, f"{seed}/{anchor}")[place]
    return number if number < anchor else number + 1


def estimate(plan: Plan) -> float:
    """Labels expected when every comparison finds a winner and the stronger side always wins it.

    A preference of strength quantile u beats a random partner with probability u, whatever the margins'
    distribution. Too few partners bound it: no preference meets more than the `size − 1` others.
    """
    if plan.size < 2:
        return 0.0
    attempts = min(plan.k * plan.attempt_cap, plan.size - 1)
    each = _attempts_with_reuse(plan.k, attempts) if plan.reuse else _attempts_alone(plan.k, attempts)
    return min(each * plan.size, plan.size * (plan.size - 1) / 2) * plan.overlap


def _attempts_alone(k: int, cap: int) -> float:
    """Mean over u ~ U(0,1) of E[min(T, cap)], T the trials until k wins: Σ_{j<cap} min(k, j+1)/(j+1).

    P(Binomial(j, u) = i) has mean 1/(j+1) over u for every i ≤ j; summed over i < k that is the term.
    """
    return sum(min(k, j + 1) / (j + 1) for j in range(cap))


@lru_cache(maxsize=64)
def _attempts_with_reuse(k: int, cap: int) -> float:
    """Mean comparisons per anchor when wins won as a partner count: a mean-field walk along the anchors.

    At time t the wins a preference of quantile u already has are Poisson; their mean grows with the
    comparisons being drawn, whose uniformly drawn partner wins whenever it is the stronger side.
    """
    strengths = [(index + 0.5) / GRID for index in range(GRID)]
    wanted = [_expected_attempts(u, k, cap) for u in strengths]  # [u][wins still wanted]
    means = [0.0] * GRID
    total = 0.0
    for _ in range(GRID):
        draws = [_mean_over_wins(row, mean, k) for row, mean in zip(wanted, means, strict=True)]
        total += sum(draws) / GRID / GRID
        weaker = 0.0  # comparisons drawn per preference whose anchor is weaker than the partner
        for index, drawn in enumerate(draws):
            means[index] += (weaker + drawn / 2) / GRID / GRID
            weaker += drawn
    return total


def _expected_attempts(u: float, k: int, cap: int) -> list[float]:
    """E[min(trials until r wins, cap)] for r = 0 … k, with a win probability of u."""
    row = [0.0] * (k + 1)
    for _ in range(cap):
        row = [0.0] + [1 + u * row[r - 1] + (1 - u) * row[r] for r in range(1, k + 1)]
    return row


def _mean_over_wins(row: list[float], mean: float, k: int) -> float:
    """Expected attempts when the wins already there are Poisson with this mean."""
    weight, result = exp(-mean), 0.0
    for wins in range(k):
        result += weight * row[k - wins]
        weight *= mean / (wins + 1)
    return result


STRATEGY = Strategy(
    name="iterative",
    title="Iterative anchors",
    summary="Every preference is compared until it has won k times.",
    doc=DOC,
    anchored=True,
    estimate=estimate,
)
