"""α-DPO: SimPO's target margin, moved by how far each pair's gap to the reference lies from the usual."""

from __future__ import annotations

from torch import Tensor

from training.engine.methods.batch import PairBatch
from training.engine.methods.logistic import logistic
from training.engine.methods.state import Gaps


def loss(
    batch: PairBatch, *, beta: float, gamma_beta_ratio: float, alpha: float, stats_init: str, state: Gaps
) -> Tensor:
    """−log σ(β·(δ̄ − sg[γ/β + α·z])), z = (Δ̄ − μ)/s.

    μ and s are averages over batches, this one taken in first.

    Args:
        batch: needs policy and reference log-probabilities (nats) and lengths (tokens), shape [B].
        beta: β, reward units per nat a token.
        gamma_beta_ratio: γ/β, nats a token.
        alpha: α, nats a token.
        stats_init: "corrected", or "zero" for the published beginning of the averages at 0, which makes the
            first z about ten times too large.
        state: the averages; they are moved.

    Returns:
        Shape [B], nats. No gradient reaches the margin.

    Source: Wu et al. 2024, arXiv 2410.10148, with averages as in its public code.
    """
    gaps = batch.mean_delta().detach()
    corrected = stats_init == "corrected"
    state.update(gaps, corrected=corrected)
    mean, spread = state.moments(corrected=corrected)
    margin = gamma_beta_ratio + alpha * (gaps - mean) / spread
    return logistic(beta * batch.mean_gap(), beta * margin)
