"""Preference losses: pure functions from a `PairBatch` to one loss per pair. One file a method."""

from __future__ import annotations

import inspect
from typing import Any

from torch import Tensor

from training.engine import catalog
from training.engine.methods.batch import PairBatch

__all__ = ["PairBatch", "per_pair_loss"]


def per_pair_loss(slug: str, batch: PairBatch, **params: Any) -> Tensor:
    """The loss of every pair under a registered method.

    Args:
        slug: the method's name in `catalog.METHODS`.
        batch: log-probabilities and margins, floats of shape [B].
        params: the method's parameters; missing ones take their defaults.

    Returns:
        Losses in nats, shape [B]. Not averaged: the trainer weights rows.

    Raises:
        catalog.UnknownEntry: no such method.
        pydantic.ValidationError: a parameter the method does not have, or out of its range.
    """
    entry = catalog.method(slug)
    loss = catalog.load(entry.function)
    checked = entry.params.model_validate(params).model_dump()
    wanted = inspect.signature(loss).parameters
    losses: Tensor = loss(batch, **{name: value for name, value in checked.items() if name in wanted})
    return losses
