"""SimPO: no reference, log-probabilities a token, a fixed target margin."""

from __future__ import annotations

from torch import Tensor

from training.engine.methods.batch import PairBatch
from training.engine.methods.logistic import logistic


def loss(batch: PairBatch, *, beta: float, gamma_beta_ratio: float) -> Tensor:
    """−log σ(β·δ̄ − γ), γ = (γ/β)·β.

    Args:
        batch: needs policy log-probabilities (nats) and lengths (tokens), shape [B].
        beta: β, reward units per nat a token.
        gamma_beta_ratio: γ/β, nats a token.

    Returns:
        Shape [B], nats.

    Source: Meng et al. 2024, arXiv 2405.14734, Eq. 6.
    """
    return logistic(beta * batch.mean_gap(), gamma_beta_ratio * beta)
