"""BCO on pairs: a binary classifier of chosen and rejected responses."""

from __future__ import annotations

from torch import Tensor

from training.engine.methods.batch import PairBatch
from training.engine.methods.logistic import logistic


def loss(batch: PairBatch, *, beta: float) -> Tensor:
    """−log σ(r⁺) − log σ(−r⁻), r = β·(log πθ − log πref).

    The paper subtracts a moving mean of the rewards from both; this form does not.

    Args:
        batch: needs policy and reference log-probabilities, shape [B], nats.
        beta: β, reward units per nat.

    Returns:
        Shape [B], nats.

    Source: Jung et al. 2024, arXiv 2404.04656; as TRL's `bco_pair`, which has no reward shift.
    """
    chosen, rejected = (beta * ratio for ratio in batch.log_ratios())
    return logistic(chosen) + logistic(-rejected)
