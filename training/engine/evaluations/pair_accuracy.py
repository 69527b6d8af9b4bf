"""Share of held-out preferences that the policy orders as the data does."""

from __future__ import annotations

from typing import Any

from training.engine.evaluations.heldout import HeldOut, share


def evaluate(heldout: HeldOut) -> dict[str, Any]:
    """Share of preferences with βΔ > 0; a tie counts as wrong.

    Returns:
        {"accuracy", "interval", "n"}.
    """
    if not len(heldout.margin):
        return {"skipped": heldout.none}
    found = share(heldout.margin > 0)
    return {"n": found["n"], "accuracy": found["value"], "interval": found["interval"]}
