"""How surprising the held-out chosen responses are to the model."""

from __future__ import annotations

from typing import Any

from training.engine.evaluations.heldout import Floats, HeldOut, Ints, interval


def evaluate(heldout: HeldOut) -> dict[str, Any]:
    """−Σ log π(y⁺|x) / Σ |y⁺|, nats a token, with the 95% bootstrap interval over preferences.

    Returns:
        {"loss", "interval", "n"}.
    """
    logps, lengths = heldout.chosen_logps, heldout.chosen_lengths
    if not len(logps):
        return {"skipped": heldout.none}

    def loss(drawn: Ints) -> Floats:
        found: Floats = -logps[drawn].sum(axis=1) / lengths[drawn].sum(axis=1)
        return found

    return {
        "n": len(logps),
        "loss": float(-logps.sum() / lengths.sum()),
        "interval": interval(loss, len(logps), heldout.seed),
    }
