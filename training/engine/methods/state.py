"""What stateful methods remember between batches. Checkpoints carry it; evaluation never moves it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Self

import torch
from torch import Tensor

KEEP = 0.9  # of an average, a batch
TINY = 1e-12
MOVED = 1e-4  # nats: gaps below it are those of a policy that is its reference


class State(ABC):
    """What is remembered, as tensors and back. `draws`: randomness, begun with the run's seed."""

    def __init__(self, seed: int = 0) -> None:
        self.draws = torch.Generator().manual_seed(seed)

    @abstractmethod
    def state_dict(self) -> dict[str, Tensor]:
        """All of it; a checkpoint holds this."""

    @abstractmethod
    def load_state_dict(self, stored: dict[str, Tensor]) -> None:
        """Go on from there."""

    def copy(self) -> Self:
        """The same, to be moved without moving this one."""
        other = type(self)()
        other.load_state_dict(self.state_dict())
        return other


class Gaps(State):
    """Exponential averages of the mean and the standard deviation of the gaps of each batch (.9 is kept).

    Published code begins both at 0 and takes them as they are, so that the first batches see averages ten
    times too small. `corrected` divides by the weight seen so far, as Adam does, and begins to count once the
    policy has left the reference: the gaps of a first step, all about 0, say nothing about later ones.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self._sums = torch.zeros(2, dtype=torch.float64)  # mean, standard deviation
        self._weights = torch.zeros(2, dtype=torch.float64)

    def update(self, gaps: Tensor, *, corrected: bool) -> None:
        """Take a batch in, shape [B], nats. A single gap has no deviation: that average stays."""
        wide = gaps.detach().double().cpu()
        if corrected and not self._weights[0] and float(wide.abs().max()) < MOVED:
            return
        seen = [wide.mean(), wide.std()] if len(wide) > 1 else [wide.mean()]
        for place, value in enumerate(seen):
            self._sums[place] = KEEP * self._sums[place] + (1 - KEEP) * value
            self._weights[place] = KEEP * self._weights[place] + (1 - KEEP)

    def moments(self, *, corrected: bool) -> tuple[float, float]:
        """Mean and standard deviation, nats. Before any was counted 0 and ∞: none is far off then."""
        mean, spread = (self._sums / self._weights if corrected else self._sums).tolist()
        if not self._weights[1]:
            spread = math.inf
        return (mean if self._weights[0] else 0.0), max(spread, TINY)

    def state_dict(self) -> dict[str, Tensor]:
        averages = {"sums": self._sums.clone(), "weights": self._weights.clone()}
        return {**averages, "draws": self.draws.get_state()}

    def load_state_dict(self, stored: dict[str, Tensor]) -> None:
        self._sums, self._weights = stored["sums"].clone(), stored["weights"].clone()
        self.draws.set_state(stored["draws"])


class Queue(State):
    """A FIFO of past gaps, of which each batch sees a random part. It begins with a few from N(0, 1)."""

    LENGTH, FIRST, SEEN = 2048, 8, 256

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self._gaps = torch.randn(self.FIRST, generator=self.draws, dtype=torch.float64)

    def some(self) -> Tensor:
        """Up to 256 of them, drawn without replacement."""
        order = torch.randperm(len(self._gaps), generator=self.draws)
        return self._gaps[order[: self.SEEN]]

    def add(self, gaps: Tensor) -> None:
        """Take a batch in; the oldest go."""
        self._gaps = torch.cat((self._gaps, gaps.detach().double().cpu()))[-self.LENGTH :]

    def state_dict(self) -> dict[str, Tensor]:
        return {"gaps": self._gaps.clone(), "draws": self.draws.get_state()}

    def load_state_dict(self, stored: dict[str, Tensor]) -> None:
        self._gaps = stored["gaps"].clone()
        self.draws.set_state(stored["draws"])
