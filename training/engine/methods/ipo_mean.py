"""IPO with log-probabilities a token, as TRL computes it."""

from __future__ import annotations

from torch import Tensor

from training.engine.methods.batch import PairBatch


def loss(batch: PairBatch, *, beta: float) -> Tensor:
    """(Δ̄ − 1/(2β))², each completion's log-ratio divided by its own tokens.

    Args:
        batch: needs policy and reference log-probabilities (nats) and lengths (tokens), shape [B].
        beta: β (the paper's τ), per nat and token.

    Returns:
        Shape [B], (nats a token)².

    Source: arXiv 2310.12036 as TRL's `loss_type="ipo"` reads it; the paper's own sums are `ipo`.
    """
    return (batch.mean_delta() - 1.0 / (2.0 * beta)).square()
