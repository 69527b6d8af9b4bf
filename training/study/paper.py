"""The published figures (arXiv 2509.22851, Tables 1 and 3), and whether ours order the methods alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

from training.study.figures import Figure, difference

# Llama-3.2-3B, UltraFeedback, k = 2, by UltraRM; the win rate is against DPO, which stands at one half.
PUBLISHED: dict[str, dict[str, float]] = {
    "accuracy": {
        "dpo": 0.71,
        "dpo_margin": 0.71,
        "dpo_margin_gt": 0.71,
        "dpo_scaled": 0.72,
        "dpo_pop_iterative": 0.79,
        "dpo_pop": 0.71,
    },
    "pearson": {
        "dpo": 0.302,
        "dpo_margin": 0.302,
        "dpo_margin_gt": 0.349,
        "dpo_scaled": 0.346,
        "dpo_pop_iterative": 0.247,
        "dpo_pop": 0.360,
    },
    "spearman": {
        "dpo": 0.308,
        "dpo_margin": 0.308,
        "dpo_margin_gt": 0.351,
        "dpo_scaled": 0.353,
        "dpo_pop_iterative": 0.364,
        "dpo_pop": 0.367,
    },
    "win_vs_dpo": {
        "dpo": 0.5,
        "dpo_margin": 0.55,
        "dpo_margin_gt": 0.63,
        "dpo_scaled": 0.54,
        "dpo_pop_iterative": 0.57,
        "dpo_pop": 0.64,
    },
    "advantage_vs_dpo": {
        "dpo": 0.0,
        "dpo_margin": 0.199,
        "dpo_margin_gt": 0.688,
        "dpo_scaled": 0.188,
        "dpo_pop_iterative": 0.328,
        "dpo_pop": 0.734,
    },
}
VERDICTS = {1: "same ordering", 0: "within noise", -1: "not"}


@dataclass(frozen=True)
class Ordering:
    """Two methods, the paper's better one first, and our paired difference between them."""

    metric: str
    better: str
    worse: str
    published: float
    ours: Figure

    @property
    def verdict(self) -> str:
        """`same ordering` or `not` where our 95% interval lies on one side of 0, else `within noise`."""
        return VERDICTS[self.ours.sign]


def orderings(found: Mapping[str, Mapping[str, Figure]]) -> list[Ordering]:
    """Every pair of methods that the paper tells apart, by metric; of methods that are in `found`."""
    pairs = []
    for metric, published in PUBLISHED.items():
        there = [name for name in published if metric in found.get(name, {})]
        for one, other in combinations(there, 2):
            gap = published[one] - published[other]
            if not gap:
                continue
            better, worse = (one, other) if gap > 0 else (other, one)
            ours = difference(found[better][metric], found[worse][metric])
            pairs.append(Ordering(metric, better, worse, abs(gap), ours))
    return pairs
