"""The family −p·log σ(x) − (1 − p)·log σ(−x): the preference itself is believed with probability p."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def cross_entropy(x: Tensor, probability: Tensor | float) -> Tensor:
    """−p·log σ(x) − (1 − p)·log σ(−x), in nats.

    Args:
        x: implicit-reward margins, β·nats, shape [B].
        probability: p in [0, 1] that the chosen response is the better one, shape [B] or one number.

    Returns:
        Shape [B].
    """
    return -probability * functional.logsigmoid(x) - (1.0 - probability) * functional.logsigmoid(-x)
