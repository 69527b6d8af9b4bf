"""Direct preference optimisation."""

from __future__ import annotations

from torch import Tensor

from training.engine.methods.batch import PairBatch
from training.engine.methods.logistic import logistic


def loss(batch: PairBatch, *, beta: float) -> Tensor:
    """−log σ(h), h = βΔ.

    Args:
        batch: needs policy and reference log-probabilities, shape [B], nats.
        beta: β, reward units per nat.

    Returns:
        Shape [B], nats.

    Source: Rafailov et al. 2023, arXiv 2305.18290, Eq. 7.
    """
    return logistic(beta * batch.delta())
