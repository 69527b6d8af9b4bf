"""Conservative DPO: each preference is taken to be wrong with the same probability."""

from __future__ import annotations

from torch import Tensor

from training.engine.methods.batch import PairBatch
from training.engine.methods.cross_entropy import cross_entropy


def loss(batch: PairBatch, *, beta: float, epsilon: float) -> Tensor:
    """−(1 − ε)·log σ(h) − ε·log σ(−h), h = βΔ.

    Args:
        batch: needs policy and reference log-probabilities, shape [B], nats.
        beta: β, reward units per nat.
        epsilon: ε, the probability that a label is wrong.

    Returns:
        Shape [B], nats.

    Source: Eric Mitchell, "A note on DPO with noisy preferences and relationship to IPO" (2023).
    """
    return cross_entropy(beta * batch.delta(), 1.0 - epsilon)
