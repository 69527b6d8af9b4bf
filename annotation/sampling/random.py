"""Random pairs: a seeded permutation of all unordered pairs of the pool, read from its start."""

from __future__ import annotations

from annotation.sampling.permutation import Permutation, pair_count, unrank_pair
from annotation.sampling.plan import Plan, Strategy

DOC = """Compares preferences in pairs drawn uniformly without repetition, until k times as many comparisons
as there are preferences have a winner (or every pair has been compared). A comparison that ends without a
winner is replaced. Strong preferences turn up in proportion to how often they win: no quota is filled."""


def length(size: int) -> int:
    """How many pairs the stream over a pool of `size` preferences holds."""
    return pair_count(size)


def pair_at(size: int, seed: str, place: int) -> tuple[int, int]:
    """The pair of preference numbers (low, high) at this place of the stream; no pair stands twice."""
    return unrank_pair(Permutation(pair_count(size), seed)[place])


def target(size: int, k: int) -> int:
    """Comparisons wanted, those without a winner not counted: k·N, or every pair there is."""
    return min(k * size, pair_count(size))


def estimate(plan: Plan) -> float:
    """Labels expected when every comparison finds a winner."""
    return float(target(plan.size, plan.k) * plan.overlap)


STRATEGY = Strategy(
    name="random",
    title="Random pairs",
    summary="k comparisons per preference, drawn uniformly without repetition.",
    doc=DOC,
    anchored=False,
    estimate=estimate,
)
