"""AMaPO: pairs below the batch's mean gap get a margin that grows with how far below they are."""

from __future__ import annotations

import torch
from torch import Tensor

from training.engine.methods.batch import PairBatch
from training.engine.methods.logistic import logistic
from training.engine.methods.state import TINY

MOST = 80.0  # exponent beyond which fp32 has no number


def loss(batch: PairBatch, *, beta: float) -> Tensor:
    """−log σ(β·δ̄ − M), M = sg[β·1[δ̄ < μ_B]·exp(((μ_B − δ̄)/s_B)·μ_B)].

    μ_B and s_B are the mean and the standard deviation of δ̄ over the batch. A batch of one has no margin. The
    exponent is cut at 80, which published code does not do.

    Args:
        batch: needs policy log-probabilities (nats) and lengths (tokens), shape [B].
        beta: β, reward units per nat a token.

    Returns:
        Shape [B], nats. No gradient reaches the margin.

    Source: AMaPO and its public code.
    """
    gap = batch.mean_gap()
    seen = gap.detach()
    mean = seen.mean()
    spread = seen.std() if len(seen) > 1 else torch.ones_like(mean)
    exponent = ((mean - seen) / spread.clamp(min=TINY) * mean).clamp(max=MOST)
    margin = torch.where(seen < mean, beta * exponent.exp(), torch.zeros_like(seen))
    return logistic(beta * gap, margin)
