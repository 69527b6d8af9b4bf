"""Plain DPO on the strong sides of PoP rows: what the choice of rows does without the margin."""

from __future__ import annotations

from torch import Tensor

from training.engine.methods import dpo
from training.engine.methods.batch import PairBatch


def loss(batch: PairBatch, *, beta: float) -> Tensor:
    """−log σ(h_s), h = βΔ.

    Args:
        batch: the strong preference's policy and reference log-probabilities, shape [B], nats.
        beta: β, reward units per nat.

    Returns:
        Shape [B], nats.

    Source: a control for arXiv 2509.22851: as often as in its rows, without its margin.
    """
    return dpo.loss(batch, beta=beta)
