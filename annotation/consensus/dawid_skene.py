"""Dawid-Skene, by crowd-kit: who is how often right, and what is true, found together by EM.

Dawid and Skene (1979) give each annotator a table of errors and each class a prior. Which preference of a
comparison is `low` is arbitrary here, so crowd-kit sees the votes beside their mirror image: both errors of
an annotator then come out alike, and so do both classes, and each annotator has one accuracy. On the votes
alone the result would depend on the order of an import (ADR 8).
"""

from __future__ import annotations

import warnings

import numpy as np

from annotation.consensus.joint import LOW_SIDE, Floats, Votes
from annotation.consensus.rule import JointRule

MOST_STEPS = 500
TOLERANCE = 1e-12  # nats a vote, of the evidence lower bound


def fit(votes: Votes, steps: int = MOST_STEPS, tolerance: float = TOLERANCE) -> Floats:
    """The probability that low is stronger, by comparison; nan without a vote for a side."""
    named = votes.side >= 0
    if not named.any():
        return np.full(votes.size, np.nan)
    task, worker, side = votes.comparison[named], votes.annotator[named], votes.side[named]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas has words on how crowd-kit calls it
        # Imported here: every process lists the rules, and these bring scikit-learn and nltk.
        import pandas as pd
        from crowdkit.aggregation import DawidSkene

        given = {
            "task": np.concatenate([task, task + votes.size]),
            "worker": np.concatenate([worker, worker]),
            "label": np.concatenate([side, 1 - side]),
        }
        found = DawidSkene(n_iter=steps, tol=tolerance).fit_predict_proba(pd.DataFrame(given))
        low: Floats = found[LOW_SIDE].reindex(range(votes.size)).to_numpy(np.float64)
    return low


RULE = JointRule(
    name="dawid_skene",
    title="Dawid-Skene",
    summary="Accuracies of the annotators and outcomes are estimated together, by EM.",
    fit=fit,
)
