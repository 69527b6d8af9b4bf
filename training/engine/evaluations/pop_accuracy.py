"""Does the policy know which of two preferences people found stronger?"""

from __future__ import annotations

from typing import Any

from training.engine.evaluations.heldout import HeldOut, share

NO_ROWS = "The dataset has no held-out comparisons with a winner."
ROWS_TOO_LONG = (
    "Each of the {count} held-out comparisons has a preference whose prompt alone fills the longest sequence "
    "(max_length)."
)


def evaluate(heldout: HeldOut) -> dict[str, Any]:
    """Share of held-out comparisons whose stronger side has the larger βΔ; a tie counts as wrong.

    Returns:
        {"accuracy", "interval", "n"}. The interval takes comparisons as independent.
    """
    if not len(heldout.rows):
        if heldout.rows_too_long:
            return {"skipped": ROWS_TOO_LONG.format(count=heldout.rows_too_long)}
        return {"skipped": NO_ROWS}
    stronger, weaker = heldout.margin[heldout.rows[:, 0]], heldout.margin[heldout.rows[:, 1]]
    found = share(stronger > weaker)
    return {"n": found["n"], "accuracy": found["value"], "interval": found["interval"]}
