"""ROPO: a bounded term beside DPO's keeps what looks wrong from pulling ever harder. Experimental."""

from __future__ import annotations

import torch
from torch import Tensor

from training.engine.methods.batch import PairBatch
from training.engine.methods.logistic import logistic


def loss(batch: PairBatch, *, beta: float, alpha: float) -> Tensor:
    """4α/(1 + α)²·[−log σ(h) + α·σ(−h)], h = βΔ.

    Args:
        batch: needs policy and reference log-probabilities, shape [B], nats.
        beta: β, reward units per nat.
        alpha: α, the weight of the bounded term.

    Returns:
        Shape [B], nats.

    Source: arXiv 2404.04102; there is no official code.
    """
    x = beta * batch.delta()
    return 4.0 * alpha / (1.0 + alpha) ** 2 * (logistic(x) + alpha * torch.sigmoid(-x))
