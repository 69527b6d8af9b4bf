"""DPO weighted by the ground-truth score margin."""

from __future__ import annotations

from torch import Tensor

from training.engine.methods.batch import PairBatch, need
from training.engine.methods.logistic import logistic


def loss(batch: PairBatch, *, beta: float) -> Tensor:
    """−m·log σ(h), h = βΔ, m the score margin, not normalised.

    Args:
        batch: needs policy and reference log-probabilities (nats) and `score_margin` (score units), [B].
        beta: β, reward units per nat.

    Returns:
        Shape [B], nats times score units.

    Source: scaled Bradley-Terry, arXiv 2410.01257; arXiv 2509.22851, Eq. 8.
    """
    return logistic(beta * batch.delta(), weight=need(batch.score_margin, "score_margin"))
