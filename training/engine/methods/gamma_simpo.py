"""γ-PO on SimPO: the target margin differs from pair to pair, its mean does not."""

from __future__ import annotations

from torch import Tensor

from training.engine.methods.adaptive_margin import margins
from training.engine.methods.batch import PairBatch
from training.engine.methods.logistic import logistic
from training.engine.methods.state import Queue


def loss(
    batch: PairBatch, *, beta: float, gamma_beta_ratio: float, kl_tau: float, state: Queue | None
) -> Tensor:
    """−log σ(β·δ̄ − γᵢ); γᵢ by `adaptive_margin` from gᵢ = β·δ̄, with mean γ₀ = (γ/β)·β.

    Args:
        batch: needs policy log-probabilities (nats) and lengths (tokens), shape [B].
        beta: β, reward units per nat a token.
        gamma_beta_ratio: γ₀/β, nats a token.
        kl_tau: τ, the pull towards equal margins.
        state: past gaps; None: the batch alone.

    Returns:
        Shape [B], nats. No gradient reaches the margin.

    Source: arXiv 2506.03690, its public code.
    """
    gap = beta * batch.mean_gap()
    return logistic(gap, margins(gap, gamma=gamma_beta_ratio * beta, kl_tau=kl_tau, state=state))
