"""What goes through the models of a run: tokens, padding, how often a preference, how fast; peak memory."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable

import torch

from training.engine import processes
from training.engine.layouts import TokenBatch
from training.engine.memory import Pass

WIDER = 2  # what fits into a forward pass without gradient, against one with
GB = 1e9


class Meter:
    """Counts this process's forward passes since the last log. `last` is the newest, until its step is done.

    Args:
        clock: seconds, always rising.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.last: Pass | None = None
        self._clock = clock
        self._since: float | None = None
        self._clear()

    def _clear(self) -> None:
        self._seconds = 0.0
        self._tokens = self._places = self._sequences = self._rows = 0

    @property
    def training(self) -> bool:
        """Whether the clock runs."""
        return self._since is not None

    def passed(self, batch: TokenBatch) -> None:
        """A batch is about to go through a model."""
        self.count(tokens=batch.tokens, places=batch.input_ids.numel(), sequences=batch.sequences)

    def count(self, *, tokens: int, places: int, sequences: int) -> None:
        """So many tokens, in a batch with so many places, are about to go through a model."""
        gradient = torch.is_grad_enabled()
        self.last = Pass(places, sequences, gradient, WIDER if self.training and not gradient else 1)
        self._tokens += tokens
        self._places += places
        self._sequences += sequences

    def done(self, rows: int = 0) -> None:
        """No pass is under way any more; so many rows of a step have been learned from."""
        self.last = None
        self._rows += rows

    def start(self) -> None:
        """Training begins: what came before does not count."""
        self._clear()
        self._since = self._clock()

    def pause(self) -> None:
        """Stop the clock, as while a checkpoint is written."""
        if self._since is not None:
            self._seconds += self._clock() - self._since
            self._since = None

    def go_on(self) -> None:
        """Let the clock run again."""
        self._since = self._clock()

    def drain(self) -> dict[str, float]:
        """What the last steps of all processes were, and start again.

        Returns:
            `work/tokens_per_second`: tokens through any model, without padding, each pass once, per second
            of training. `work/padding_share`: of the places in the batches. `work/preferences_per_row`:
            preferences through any model for each row. `memory/peak_gb`: see `peak_gb`, of the process that
            had most. Empty if nothing passed.
        """
        self.pause()
        counts = (self._tokens, self._places, self._sequences, self._rows)
        everybody = processes.gathered((counts, self._seconds, peak_gb()))
        each, seconds, peaks = zip(*everybody, strict=True)
        tokens, places, sequences, rows = map(sum, zip(*each, strict=True))
        found = {}
        if places:
            found["work/tokens_per_second"] = tokens / max(1e-9, *seconds)
            found["work/padding_share"] = 1 - tokens / places
            found["memory/peak_gb"] = max(peaks)
        if rows:
            found["work/preferences_per_row"] = sequences / 2 / rows
        self.start()
        return found


def peak_gb() -> float:
    """The most memory that was in use since the process began, in GB of 10⁹ bytes.

    On a GPU what torch had allocated there, else the resident memory of the whole process.
    """
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / GB
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kilobytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / GB
