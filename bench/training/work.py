"""What a scheme's step sends through its model, and how much of the device's arithmetic that is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

PAD = 0
FORWARD, LEARNING = (
    2,
    6,
)  # floating-point operations a weight and token: multiply, add; and twice that backwards
# Dense bf16, without sparsity, in operations a second, by what is in the device's name; NVIDIA's data sheets.
PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12}


@dataclass(frozen=True)
class Work:
    """Of a step: `learned` and `read` tokens go through the model with gradient and without; no padding.

    `weights`: those that every token is multiplied with, which leaves the table of input embeddings out.
    """

    rows: int
    learned: int
    read: int
    weights: int

    @property
    def tokens_per_row(self) -> float:
        return (self.learned + self.read) / self.rows

    @property
    def operations_per_row(self) -> float:
        """6·N a token with gradient, 2·N without (Kaplan et al. 2020, arXiv 2001.08361), attention left out.

        The head counts for every token, as is usual, though it is multiplied with scored ones only.
        """
        return self.weights * (LEARNING * self.learned + FORWARD * self.read) / self.rows


def counted(step: Callable[[], int], weights: int) -> Work:
    """Take a step and count. Not for steps that are timed: every module is looked at."""
    seen = {True: 0, False: 0}

    def look(module: nn.Module, inputs: Any, _output: Any) -> None:
        if isinstance(module, nn.Embedding):
            seen[torch.is_grad_enabled()] += int((inputs[0] != PAD).sum())

    handle = register_module_forward_hook(look)
    try:
        rows = step()
    finally:
        handle.remove()
    return Work(rows, seen[True], seen[False], weights)


def peak_of(device: str) -> float | None:
    """A device's peak in bf16, operations a second; None where it is not known."""
    return next((peak for name, peak in PEAKS.items() if name in device), None)
