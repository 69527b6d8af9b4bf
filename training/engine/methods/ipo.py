"""IPO: the margin is pulled to a fixed value instead of being pushed up for ever."""

from __future__ import annotations

from torch import Tensor

from training.engine.methods.batch import PairBatch


def loss(batch: PairBatch, *, beta: float) -> Tensor:
    """(Δ − 1/(2β))², with summed log-probabilities.

    Args:
        batch: needs policy and reference log-probabilities, shape [B], nats.
        beta: β (the paper's τ), per nat.

    Returns:
        Shape [B], nats².

    Source: Azar et al. 2023, arXiv 2310.12036, Eq. 17.
    """
    return (batch.delta() - 1.0 / (2.0 * beta)).square()
