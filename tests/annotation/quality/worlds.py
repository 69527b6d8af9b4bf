"""Preferences whose strengths are known, and answers about them as Bradley-Terry would have it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ids = NDArray[np.int32]


@dataclass(frozen=True)
class World:
    truth: Floats
    low: Ids
    high: Ids
    low_wins: Floats


def random_pairs(size: int, answers: int, seed: int = 0) -> World:
    generator = np.random.default_rng(seed)
    truth = generator.logistic(size=size)
    low = generator.integers(0, size, answers)
    high = (low + generator.integers(1, size, answers)) % size
    chance = 1.0 / (1.0 + np.exp(truth[high] - truth[low]))
    won = (generator.random(answers) < chance).astype(np.float64)
    return World(truth, low.astype(np.int32), high.astype(np.int32), won)
