"""How the sampling strategies compare: the same labels, who learns and fills more.

    python -m bench.sampling --preferences 1000 --noise 0 0.1 0.3 --budget 1 1.5 2 --seeds 8

Pure simulation with the strategies' own code; no database. One JSON line a case, each figure the mean over
the seeds with its standard error under `se`; bench/README.md says what they mean.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from annotation.sampling import STRATEGIES
from bench.sampled import figures
from training.study.people import Labelling, play

WHOLE = "whole"  # until the strategy has what it wants


def main(words: Sequence[str] | None = None) -> None:
    chosen = arguments(words)
    for noise, name in product(chosen.noise, chosen.strategy):
        runs = [run(name, noise, seed, chosen) for seed in range(chosen.seeds)]
        for budget in (*chosen.budget, WHOLE):
            found = [one[budget] for one in runs if budget in one]
            if found:
                about = {"strategy": name, "noise": noise, "budget": budget, "seeds": len(found)}
                print(json.dumps(about | summed(found)), flush=True)


def run(name: str, noise: float, seed: int, chosen: argparse.Namespace) -> dict[Any, dict[str, float]]:
    """One strategy in one world: its figures at each budget (labels a preference) that it came to."""
    draw = random.Random(seed)
    truth = [draw.gauss(0, 1) for _ in range(chosen.preferences)]
    world = Labelling(truth, noise, seed, chosen.k, chosen.attempt_cap)
    stops = {round(budget * chosen.preferences): budget for budget in chosen.budget}
    found: dict[Any, dict[str, float]] = {}
    for _ in play(name, world):
        if world.labels in stops:
            found[stops[world.labels]] = figures.seen(world)
    return {**found, WHOLE: figures.seen(world)}


def summed(found: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Means over the seeds, and their standard errors."""
    names = list(found[0])
    values = {name: np.array([one[name] for one in found]) for name in names}
    means = {name: round(float(values[name].mean()), 4) for name in names}
    if len(found) < 2:
        return means
    errors = {
        name: round(float(values[name].std(ddof=1) / len(found) ** 0.5), 4)
        for name in names
        if name != "labels"
    }
    return {**means, "se": errors}


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--preferences", type=int, default=1000)
    parser.add_argument("--strategy", nargs="+", choices=list(STRATEGIES), default=list(STRATEGIES))
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.1, 0.3])
    parser.add_argument(
        "--budget", type=float, nargs="+", default=[1.0, 1.5, 2.0], help="labels a preference"
    )
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--k", type=int, default=2)
    parser.add_argument("--attempt-cap", type=int, default=3)
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
