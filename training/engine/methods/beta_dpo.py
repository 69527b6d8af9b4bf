"""β-DPO: β follows how far a batch's gaps lie from what they were; outliers may be left out."""

from __future__ import annotations

import torch
from torch import Tensor

from training.engine.methods.batch import PairBatch
from training.engine.methods.logistic import logistic
from training.engine.methods.state import Gaps

LEAST_BETA = 1e-3
LEAST_WEIGHT = 1e-30  # so that there are enough to draw from


def loss(
    batch: PairBatch,
    *,
    beta: float,
    a: float,
    filter: bool,  # noqa: A002 - the field's word
    keep: float,
    stats_init: str,
    state: Gaps,
) -> Tensor:
    """−log σ(β_B·Δ), β_B = max(β·[1 + a·(mean of kept Δ − M₀)], 10⁻³).

    M₀ and the deviation s are averages over batches, this one taken in first. With `filter`, a share `keep`
    of the pairs is drawn without replacement by weights exp(−½((Δ − M₀)/s)²); the others' losses are 0 and
    the kept ones count for them, so that the mean is that of the kept.

    Args:
        batch: needs policy and reference log-probabilities, shape [B], nats.
        beta: β, reward units per nat.
        a: how fast β follows, per nat.
        filter: draw pairs, as published; else all are kept.
        keep: the share that is drawn.
        stats_init: "corrected", or "zero" for the published beginning of the averages at 0.
        state: the averages; they are moved.

    Returns:
        Shape [B], nats. No gradient reaches β_B.

    Source: Wu et al. 2024, arXiv 2407.08639; filtering and averages as in its public code.
    """
    delta = batch.delta()
    gaps = delta.detach()
    corrected = stats_init == "corrected"
    state.update(gaps, corrected=corrected)
    mean, spread = state.moments(corrected=corrected)
    weight = torch.ones_like(gaps)
    if filter:
        closeness = torch.exp(-0.5 * ((gaps.double().cpu() - mean) / spread).square())
        count = max(1, int(len(gaps) * keep))
        kept = torch.multinomial(closeness.clamp(min=LEAST_WEIGHT), count, generator=state.draws)
        weight = torch.zeros_like(gaps).index_fill_(0, kept.to(gaps.device), len(gaps) / count)
    shift = float((gaps * weight).mean()) - mean
    return logistic(max(beta * (1.0 + a * shift), LEAST_BETA) * delta, weight=weight)
