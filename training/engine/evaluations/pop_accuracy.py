"""Does the policy know which of two preferences people found stronger?"""

from __future__ import annotations

from typing import Any

from training.engine.evaluations.heldout import HeldOut, share


def evaluate(heldout: HeldOut) -> dict[str, Any]:
    """Share of held-out comparisons whose stronger side has the larger βΔ; a tie counts as wrong.

    Returns:
        {"accuracy", "interval", "n"}. The interval takes comparisons as independent.
    """
    if not len(heldout.rows):
        return {"skipped": "The dataset has no held-out comparisons that fit the model's length."}
    stronger, weaker = heldout.margin[heldout.rows[:, 0]], heldout.margin[heldout.rows[:, 1]]
    found = share(stronger > weaker)
    return {"n": found["n"], "accuracy": found["value"], "interval": found["interval"]}
