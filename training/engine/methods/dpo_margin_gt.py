"""DPO with the ground-truth score margin."""

from __future__ import annotations

from torch import Tensor

from training.engine.methods.batch import PairBatch, need
from training.engine.methods.logistic import logistic


def loss(batch: PairBatch, *, beta: float) -> Tensor:
    """−log σ(h − m), h = βΔ, m the raw score margin.

    Args:
        batch: needs policy and reference log-probabilities (nats) and `score_margin` (score units), [B].
        beta: β, reward units per nat.

    Returns:
        Shape [B], nats.

    Source: the DPO-margin-gt baseline of arXiv 2509.22851.
    """
    return logistic(beta * batch.delta(), need(batch.score_margin, "score_margin"))
