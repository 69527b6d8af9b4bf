"""DPO-PoP: the strong preference's margin is the weak one's, under a slowly moving target policy."""

from __future__ import annotations

from torch import Tensor

from training.engine.methods.batch import PairBatch, need
from training.engine.methods.logistic import logistic


def loss(batch: PairBatch, *, beta: float, max_margin: float) -> Tensor:
    """−log σ(h_s − sg[clip(h_w(θ̂), 0, M_max)]), h = βΔ.

    Args:
        batch: the strong preference's policy and reference log-probabilities (nats) and `weak_target_margin`
            h_w(θ̂) = βΔ_w(θ̂) (β·nats, already times β), shape [B].
        beta: β, reward units per nat.
        max_margin: M_max, β·nats.

    Returns:
        Shape [B], nats. No gradient reaches the margin.

    Source: arXiv 2509.22851, Eq. 7.
    """
    margin = need(batch.weak_target_margin, "weak_target_margin").detach().clamp(0.0, max_margin)
    return logistic(beta * batch.delta(), margin)
