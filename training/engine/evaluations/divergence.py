"""How far a policy went from its reference: on the responses of the data, and on its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from training.engine.evaluations.clusters import Clusters, clustered, mean_of
from training.engine.evaluations.heldout import Floats, Generated, HeldOut, Ints, interval

NO_REFERENCE = "The log-probabilities of both responses under policy and reference are not known."
NOT_ITS_OWN = (
    "No KL: the responses were drawn with a temperature or top-p other than 1, so that they are not samples "
    "of the policy itself."
)
ESTIMATOR = "k1: the mean of log π(y) − log π_ref(y) over responses y that the policy wrote"


def evaluate(heldout: HeldOut) -> dict[str, Any]:
    """Chosen and rejected responses apart, nats a response, and KL(π ‖ π_ref) on the policy's own.

    Returns:
        For "chosen" and "rejected": {"…_logp", "…_reference_logp", "…_log_ratio", "…_tokens"}; "both_fall",
        the share of preferences in which both responses became less likely. Means, with 95% bootstrap
        intervals over preferences as "…_interval". "contexts": see `of_contexts`; "generated", where the
        policy wrote responses: see `of_generated`.
    """
    if not len(heldout.margin):
        return {"skipped": heldout.none}
    if not len(heldout.rejected_logps) or not len(heldout.reference_logps):
        return {"skipped": NO_REFERENCE}
    policy = np.stack((heldout.chosen_logps, heldout.rejected_logps), axis=1)
    ratios = policy - heldout.reference_logps
    columns: dict[str, Floats] = {}
    for place, side in enumerate(("chosen", "rejected")):
        columns |= {
            f"{side}_log_ratio": ratios[:, place],
            f"{side}_logp": getattr(heldout, f"{side}_logps"),
            f"{side}_reference_logp": heldout.reference_logps[:, place],
            f"{side}_tokens": getattr(heldout, f"{side}_lengths"),
        }
    columns["both_fall"] = np.asarray((ratios < 0).all(axis=1), np.float64)
    found: dict[str, Any] = {"n": len(ratios)}
    for name, values in columns.items():
        found |= _mean(name, values, heldout.seed)
    if len(heldout.context_kl):
        found["contexts"] = of_contexts(heldout.context_kl, heldout.context_of, heldout.seed)
    return found | ({"generated": of_generated(heldout.generated, heldout.seed)} if heldout.generated else {})


def of_contexts(kl: Floats, of: Ints, seed: int) -> dict[str, Any]:
    """KL(π(· | c) ‖ π_ref(· | c)) at contexts c of the data's responses, a sum over the whole vocabulary.

    Exact where it is taken, and never negative; but the contexts are not those to which the policy's own
    responses lead. The interval resamples preferences with all their contexts.

    Returns:
        {"n" contexts, "kl_token" (nats), "kl_token_interval"}.
    """
    return {"n": len(kl)} | clustered("kl_token", Clusters(of), seed, mean_of(kl))


def _mean(name: str, values: Floats, seed: int) -> dict[str, Any]:
    around = interval(lambda drawn: values[drawn].mean(axis=1), len(values), seed)
    return {name: float(values.mean()), f"{name}_interval": around}


def of_generated(own: Generated, seed: int) -> dict[str, Any]:
    """KL(π ‖ π_ref) a response and a token, nats; intervals resample prompts with all their responses.

    The estimator is k1 (Schulman 2020): unbiased where the responses are samples of π itself, at temperature
    1 with top-p 1. It may be negative by chance. Of a response that was cut at its longest it is the KL of
    what came before.

    Returns:
        {"n", and "estimator", "kl_response", "kl_token", with "…_interval", or "note"}.
    """
    finite = np.isfinite(own.logps) & np.isfinite(own.reference_logps)
    clusters = Clusters(own.prompts)
    found: dict[str, Any] = {"n": len(own.prompts)}
    if not own.own_samples:
        return found | {"note": NOT_ITS_OWN}
    if not finite.all():
        return found | {"note": f"No KL: {int((~finite).sum())} responses have no log-probabilities."}
    ratios = own.logps - own.reference_logps

    def a_token(weights: Floats) -> Floats:
        found: Floats = weights @ ratios / (weights @ own.tokens)
        return found

    return (
        found
        | {"estimator": ESTIMATOR}
        | clustered("kl_response", clusters, seed, mean_of(ratios))
        | clustered("kl_token", clusters, seed, a_token)
    )
