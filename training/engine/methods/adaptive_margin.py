"""γ-PO's margins: a fixed sum of margins, given to pairs where it does most."""

from __future__ import annotations

import torch
from torch import Tensor

from training.engine.methods.state import Queue

STEPS = 20


def margins(gaps: Tensor, *, gamma: float, kl_tau: float, state: Queue | None) -> Tensor:
    """γᵢ = γ₀·N·pᵢ for each gap, where p on the simplex minimises

    (1/N)·Σ −log σ(gᵢ − γ₀·N·pᵢ) + τ·KL(p‖uniform)

    by 20 steps p ∝ p·exp(−lr·[τ·(1 + log(N·(p + 10⁻¹⁰))) + γ₀·σ(γᵢ − gᵢ)]), lr = min(.5/τ, 1). As published,
    the γ of before the last step is taken. With a queue, up to 256 past gaps take part in the problem.

    Args:
        gaps: gᵢ, the present policy's, reward units, shape [B].
        gamma: γ₀, the mean margin, reward units.
        kl_tau: τ.
        state: the queue; the gaps are added to it. None: the batch alone.

    Returns:
        Shape [B], reward units, without gradient.

    Source: arXiv 2506.03690, its public code.
    """
    own = gaps.detach().double().cpu()
    all_gaps = own if state is None else torch.cat((own, state.some()))
    count = len(all_gaps)
    p = torch.full_like(all_gaps, 1.0 / count)
    rate = min(0.5 / kl_tau, 1.0)
    found = gamma * count * p
    for _ in range(STEPS):
        found = gamma * count * p
        slope = kl_tau * (1.0 + torch.log(count * (p + 1e-10))) + gamma * torch.sigmoid(found - all_gaps)
        p = torch.softmax(torch.log(p + 1e-300) - rate * slope, dim=0)
    if state is not None:
        state.add(own)
    return found[: len(own)].to(gaps)
