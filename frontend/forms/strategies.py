"""The sampling registry as form choices, and the labels it expects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from annotation.sampling import STRATEGIES, Plan, random


@dataclass(frozen=True)
class StrategyLabel:
    """What stands beside a strategy's radio button."""

    title: str
    about: str

    def __str__(self) -> str:
        return self.title


@dataclass(frozen=True)
class Estimate:
    labels: int
    rows: int
    why: str


def strategy_choices() -> list[tuple[str, StrategyLabel]]:
    return [
        (entry.name, StrategyLabel(entry.title, " ".join(entry.doc.split()))) for entry in STRATEGIES.values()
    ]


def labels_estimate(data: Mapping[str, str]) -> Estimate | None:
    """About how many labels these settings need; None while a number is missing or out of range."""
    entry = STRATEGIES.get(data.get("strategy", "random"))
    size = _whole(data, "preferences", 1000, 100_000_000)
    k, overlap = _whole(data, "k", 2, 64), _whole(data, "labels_per_comparison", 1, 25)
    cap = _whole(data, "attempt_cap", 3, 20)
    heldout = _whole(data, "holdout_percent", 10, 50, low=0)
    if entry is None or size is None or k is None or overlap is None or cap is None or heldout is None:
        return None
    training = round(size * (100 - heldout) / 100)
    reuse = "reuse" in data or "k" not in data
    plan = Plan(training, k=k, attempt_cap=cap, reuse=reuse, overlap=overlap)
    # Held-out preferences are compared in random pairs, whatever the strategy.
    labels = entry.estimate(plan) + random.estimate(replace(plan, size=size - training))
    why = f"{entry.title}: {training:,} training and {size - training:,} held-out preferences"
    why += (
        f", {overlap} labels each comparison."
        if overlap > 1
        else ". Comparisons without a winner come on top."
    )
    return Estimate(labels=round(labels), rows=min(k * size, round(labels / overlap)), why=why)


def _whole(data: Mapping[str, str], name: str, default: int, high: int, low: int = 1) -> int | None:
    text = str(data.get(name, default)).strip().replace(",", "")
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        return None
    return int(text) if low <= int(text) <= high else None
