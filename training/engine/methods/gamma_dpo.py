"""γ-PO on DPO: margins that differ from pair to pair around 0."""

from __future__ import annotations

from torch import Tensor

from training.engine.methods.adaptive_margin import margins
from training.engine.methods.batch import PairBatch
from training.engine.methods.logistic import logistic
from training.engine.methods.state import Queue


def loss(
    batch: PairBatch, *, beta: float, gamma_beta_ratio: float, kl_tau: float, state: Queue | None
) -> Tensor:
    """−log σ(h − (γᵢ − γ₀)), h = βΔ; γᵢ by `adaptive_margin` from gᵢ = h, with mean γ₀ = (γ/β)·β.

    Args:
        batch: needs policy and reference log-probabilities, shape [B], nats.
        beta: β, reward units per nat.
        gamma_beta_ratio: γ₀/β, nats.
        kl_tau: τ, the pull towards equal margins.
        state: past gaps; None: the batch alone.

    Returns:
        Shape [B], nats. No gradient reaches the margin.

    Source: arXiv 2506.03690, its public code.
    """
    gamma = gamma_beta_ratio * beta
    gap = beta * batch.delta()
    return logistic(gap, margins(gap, gamma=gamma, kl_tau=kl_tau, state=state) - gamma)
