"""Preference losses: pure functions from a `PairBatch` to one loss per pair. One file a method."""

from __future__ import annotations

import inspect
from typing import Any

from torch import Tensor

from training.engine import catalog
from training.engine.methods.batch import PairBatch
from training.engine.methods.state import State

__all__ = ["PairBatch", "State", "new_state", "per_pair_loss"]


def new_state(slug: str, seed: int = 0) -> State | None:
    """What a method remembers between batches, as it is before the first; None for those without."""
    entry = catalog.method(slug)
    made: State | None = catalog.load(entry.state)(seed) if entry.state else None
    return made


def per_pair_loss(slug: str, batch: PairBatch, *, state: State | None = None, **params: Any) -> Tensor:
    """The loss of every pair under a registered method.

    Args:
        slug: the method's name in `catalog.METHODS`.
        batch: log-probabilities and margins, floats of shape [B].
        state: what a stateful method remembers, by `new_state`; it is moved. None: a fresh one, or for the
            γ methods the batch alone.
        params: the method's parameters; missing ones take their defaults (β-DPO keeps all pairs unless
            `filter=True`).

    Returns:
        Losses in nats, shape [B]. Not averaged: the trainer weights rows.

    Raises:
        catalog.UnknownEntry: no such method.
        pydantic.ValidationError: a parameter the method does not have, or out of its range.
    """
    entry = catalog.method(slug)
    loss = catalog.load(entry.function)
    checked = entry.params.model_validate({**entry.bare, **params}).model_dump()
    wanted = inspect.signature(loss).parameters
    given = {name: value for name, value in checked.items() if name in wanted}
    if entry.state:
        given["state"] = new_state(slug) if state is None and not entry.state_optional else state
    losses: Tensor = loss(batch, **given)
    return losses
