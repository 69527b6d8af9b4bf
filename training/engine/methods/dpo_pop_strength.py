"""DPO-PoP by strengths: all PoP labels give a preference its margin, or its certainty, and its weight."""

from __future__ import annotations

import torch
from torch import Tensor

from training.engine.methods.batch import PairBatch, need
from training.engine.methods.cross_entropy import cross_entropy
from training.engine.methods.logistic import logistic


def loss(batch: PairBatch, *, beta: float, mu: float, weighted: bool, soft: bool = False) -> Tensor:
    """−w·log σ(h − μ·s), or −w·(p·log σ(h) + (1 − p)·log σ(−h)) with p = σ(μ·s), w = s or 1, h = βΔ.

    z = max(θ − q₀₂(θ), 0) of the strengths θ that `training.engine.strengths` fits to the PoP labels.

    Args:
        batch: needs policy and reference log-probabilities (nats) and `strength` s (mean 1), shape [B].
        beta: β, reward units per nat.
        mu: μ, the mean margin, reward units; with `soft`, the mean log-odds of a preference, nats.
        weighted: whether s is the weight too.
        soft: the labels are soft. The loss is least at h = μ·s and does not pull further.

    Returns:
        Shape [B], nats.

    Source: ours.
    """
    strength = need(batch.strength, "strength")
    h, weight = beta * batch.delta(), strength if weighted else 1.0
    if soft:
        return weight * cross_entropy(h, torch.sigmoid(mu * strength))
    return logistic(h, mu * strength, weight)
