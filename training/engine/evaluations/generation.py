"""How long what the model writes is, by itself and beside its reference."""

from __future__ import annotations

from typing import Any

import numpy as np

from training.engine.evaluations.clusters import Clusters, clustered, clustered_share, mean_of
from training.engine.evaluations.heldout import HeldOut

NOT_WRITTEN = "Nothing was written: responses need evaluation.generation.prompts."


def evaluate(heldout: HeldOut) -> dict[str, Any]:
    """Lengths of the responses that the model wrote, tokens; intervals resample prompts with all of theirs.

    A method that wins by length alone is seen here first.

    Returns:
        {"n", "prompts", "tokens", "ended" (share that ended by itself), "empty" (share without a token but
        its end)}, and where the reference answered too, of the same prompts and numbers, "reference_tokens"
        and "longer" (tokens less the reference's); with "…_interval".
    """
    own = heldout.generated
    if own is None:
        return {"skipped": NOT_WRITTEN if len(heldout.margin) else heldout.none}
    clusters = Clusters(own.prompts)
    found: dict[str, Any] = {"n": len(own.prompts), "prompts": clusters.count}
    found |= clustered("tokens", clusters, heldout.seed, mean_of(own.tokens))
    for name, values in (("ended", own.ended), ("empty", own.ended & (own.tokens <= 1))):
        found |= clustered_share(name, clusters, heldout.seed, values.astype(np.float64))
    both = np.isfinite(own.reference_tokens)
    if not both.any():
        return found
    clusters, theirs = Clusters(own.prompts[both]), own.reference_tokens[both]
    for name, lengths in (("reference_tokens", theirs), ("longer", own.tokens[both] - theirs)):
        found |= clustered(name, clusters, heldout.seed, mean_of(lengths))
    return found
