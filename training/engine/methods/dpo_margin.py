"""DPO with the same margin for every preference."""

from __future__ import annotations

from torch import Tensor

from training.engine.methods.batch import PairBatch
from training.engine.methods.logistic import logistic


def loss(batch: PairBatch, *, beta: float, margin: float) -> Tensor:
    """−log σ(h − m₀), h = βΔ.

    Args:
        batch: needs policy and reference log-probabilities, shape [B], nats.
        beta: β, reward units per nat.
        margin: m₀, implicit-reward units (β·nats).

    Returns:
        Shape [B], nats.

    Source: the DPO-margin-1 baseline of arXiv 2509.22851.
    """
    return logistic(beta * batch.delta(), margin)
