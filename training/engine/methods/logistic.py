"""The family −w·log σ(x − m) that most margin methods belong to."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def logistic(x: Tensor, margin: Tensor | float = 0.0, weight: Tensor | float = 1.0) -> Tensor:
    """−w·log σ(x − m), in nats.

    Args:
        x: implicit-reward margins, β·nats, shape [B].
        margin: m, same units and shape, or one number.
        weight: w, shape [B], or one number.

    Returns:
        Shape [B].
    """
    return -weight * functional.logsigmoid(x - margin)
