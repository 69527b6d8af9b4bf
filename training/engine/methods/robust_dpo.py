"""Robust DPO: an unbiased estimate of DPO's loss when labels are flipped at a known rate."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from training.engine.methods.batch import PairBatch


def loss(batch: PairBatch, *, beta: float, epsilon: float) -> Tensor:
    """[−(1 − ε)·log σ(h) + ε·log σ(−h)]/(1 − 2ε), h = βΔ. It may be negative.

    Args:
        batch: needs policy and reference log-probabilities, shape [B], nats.
        beta: β, reward units per nat.
        epsilon: ε < ½, the rate at which labels are flipped.

    Returns:
        Shape [B], nats.

    Source: Chowdhury et al. 2024, arXiv 2403.00409.
    """
    x = beta * batch.delta()
    right, wrong = functional.logsigmoid(x), functional.logsigmoid(-x)
    return (-(1.0 - epsilon) * right + epsilon * wrong) / (1.0 - 2.0 * epsilon)
