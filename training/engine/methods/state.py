"""What stateful methods remember between batches. Checkpoints carry it; evaluation never moves it."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

KEEP = 0.9  # of an average, a batch
TINY = 1e-12


class State(Protocol):
    """All of it as tensors, and back."""

    def state_dict(self) -> dict[str, Tensor]: ...

    def load_state_dict(self, stored: dict[str, Tensor]) -> None: ...


class Gaps:
    """Exponential averages of the mean and the standard deviation of the gaps of each batch (.9 is kept).

    Published code begins both at 0 and takes them as they are, so that the first batches see averages ten
    times too small. `corrected` divides by the weight seen so far, as Adam does.
    """

    def __init__(self, seed: int = 0) -> None:
        self.draws = torch.Generator().manual_seed(seed)
        self._sums = torch.zeros(2, dtype=torch.float64)  # mean, standard deviation
        self._weight = torch.zeros((), dtype=torch.float64)

    def update(self, gaps: Tensor) -> None:
        """Take a batch in, shape [B], nats. The deviation of a single gap counts as 0."""
        wide = gaps.detach().double().cpu()
        spread = wide.std() if len(wide) > 1 else torch.zeros((), dtype=torch.float64)
        self._sums = KEEP * self._sums + (1 - KEEP) * torch.stack((wide.mean(), spread))
        self._weight = KEEP * self._weight + (1 - KEEP)

    def moments(self, *, corrected: bool) -> tuple[float, float]:
        """Mean and standard deviation, nats; the deviation is at least `TINY`."""
        mean, spread = (self._sums / self._weight if corrected else self._sums).tolist()
        return mean, max(spread, TINY)

    def state_dict(self) -> dict[str, Tensor]:
        return {"sums": self._sums, "weight": self._weight, "draws": self.draws.get_state()}

    def load_state_dict(self, stored: dict[str, Tensor]) -> None:
        self._sums, self._weight = stored["sums"].clone(), stored["weight"].clone()
        self.draws.set_state(stored["draws"])


class Queue:
    """A FIFO of past gaps, of which each batch sees a random part. It begins with a few from N(0, 1)."""

    LENGTH, FIRST, SEEN = 2048, 8, 256

    def __init__(self, seed: int = 0) -> None:
        self.draws = torch.Generator().manual_seed(seed)
        self._gaps = torch.randn(self.FIRST, generator=self.draws, dtype=torch.float64)

    def some(self) -> Tensor:
        """Up to 256 of them, drawn without replacement."""
        order = torch.randperm(len(self._gaps), generator=self.draws)
        return self._gaps[order[: self.SEEN]]

    def add(self, gaps: Tensor) -> None:
        """Take a batch in; the oldest go."""
        self._gaps = torch.cat((self._gaps, gaps.detach().double().cpu()))[-self.LENGTH :]

    def state_dict(self) -> dict[str, Tensor]:
        return {"gaps": self._gaps, "draws": self.draws.get_state()}

    def load_state_dict(self, stored: dict[str, Tensor]) -> None:
        self._gaps = stored["gaps"].clone()
        self.draws.set_state(stored["draws"])
