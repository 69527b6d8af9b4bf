"""DPO-PoP without a target policy and without clipping: the paper's first form."""

from __future__ import annotations

from torch import Tensor

from training.engine.methods.batch import PairBatch, need
from training.engine.methods.logistic import logistic


def loss(batch: PairBatch, *, beta: float) -> Tensor:
    """−log σ(h_s − sg[h_w(θ)]), h = βΔ.

    Args:
        batch: the strong preference's policy and reference log-probabilities (nats) and `weak_policy_margin`
            h_w(θ) = βΔ_w(θ) (β·nats, already times β), shape [B].
        beta: β, reward units per nat.

    Returns:
        Shape [B], nats. No gradient reaches the margin.

    Source: arXiv 2509.22851, Eq. 6.
    """
    margin = need(batch.weak_policy_margin, "weak_policy_margin").detach()
    return logistic(beta * batch.delta(), margin)
