"""Dawid-Skene with one accuracy an annotator: who is how often right, and what is true, found together.

P(vote = truth | annotator j) = aⱼ and P(truth is low) = ½. Expectation-maximisation from the share of the
votes: aⱼ is the mean posterior of what j said, and the posterior is Bayes' rule with these aⱼ.

Dawid and Skene (1979) give each annotator a table of errors and each class a prior. As low and high are
arbitrary here, both errors have the same probability, and so have both classes: that is their model fitted
to the votes and their mirror image together. A table would make the result depend on import order.
"""

from __future__ import annotations

import numpy as np

from annotation.consensus.joint import Floats, Named, Votes
from annotation.consensus.rule import JointRule

EPSILON = 1e-10  # as in crowd-kit
MOST_STEPS = 500
TOLERANCE = 1e-7  # of every accuracy


def fit(votes: Votes, steps: int = MOST_STEPS, tolerance: float = TOLERANCE) -> Floats:
    """The probability that low is stronger, by comparison; nan without a vote for a side."""
    named = votes.named()
    count = np.maximum(named.by_comparison(np.ones_like(named.sign)), 1.0)
    posterior = 0.5 * (1.0 + named.by_comparison(named.sign) / count)
    accuracy = _accuracies(named, posterior)
    for _ in range(steps):
        posterior = named.posterior(accuracy)
        accuracy, before = _accuracies(named, posterior), accuracy
        if float(np.abs(accuracy - before).max(initial=0.0)) < tolerance:
            break
    return named.seen(posterior)


def _accuracies(named: Named, posterior: Floats) -> Floats:
    """The mean posterior of what each annotator said; ½ for those who named no side."""
    low = posterior[named.comparison]
    right = named.by_annotator(np.where(named.sign > 0, low, 1.0 - low))
    given = named.by_annotator(np.ones_like(named.sign))
    mean: Floats = np.where(given > 0, right / np.maximum(given, 1.0), 0.5)
    return np.clip(mean, EPSILON, 1.0 - EPSILON)


RULE = JointRule(
    name="dawid_skene",
    title="Dawid-Skene",
    summary="Accuracies of the annotators and outcomes are estimated together, by EM.",
    fit=fit,
)
