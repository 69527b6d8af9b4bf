"""How strong each training preference is by the PoP labels, as `dpo_pop_strength` reads it. No torch here.

The fit is the annotation room's (see docs/adr/0009): what its pages show is what is trained with.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from annotation.quality import strengths
from training.engine.records import PopData

Floats = NDArray[np.float64]
Places = NDArray[np.int64]

LOW = 0.02  # the quantile of the strengths that counts as no strength at all


@dataclass(frozen=True)
class Fitted:
    """Strengths of all preferences of a dataset, and what a person should know about them.

    `strength`: s = z/mean(z), float [P]; NaN outside of the training split. `theta`, `deviation`: θ and its
    posterior standard deviation, nats, float [P], NaN likewise. `labelled`: preferences in a row.
    `connected`: the share of those in the largest group that rows connect.
    """

    strength: Floats
    theta: Floats
    deviation: Floats
    labelled: int
    training: int
    connected: float


def fitted(data: PopData, *, prior_precision: float, uncertainty: float) -> Fitted:
    """Fit the strengths of the training preferences to the training rows.

    P(i stronger than j) = σ(θᵢ − θⱼ), θ ~ N(0, 1/prior_precision), the mode of the posterior. A row counts as
    one answer, won by the strong side with the row's confidence (not below ½): that is the share of votes
    where several were given. Inferred rows are none: they follow from the answers and would count those
    twice. With θ' = θ − uncertainty·deviation: z = max(θ' − q, 0), q the 2% quantile of θ' over the
    preferences in a row, and s = z/mean(z) over all training preferences. A preference in no row keeps the
    prior's θ = 0, so about an average strength. If nobody is stronger than another, s is 1.

    Args:
        data: the dataset.
        prior_precision: per nat².
        uncertainty: standard deviations that are taken off.
    """
    training = np.asarray(data.preferences_of("train"), np.int64)
    strong, weak, confidence = _rows(data, training)
    low_wins = np.maximum(confidence, 0.5)
    found = strengths.fit(
        strong.astype(np.int32),
        weak.astype(np.int32),
        low_wins,
        len(training),
        prior_sd=prior_precision**-0.5,
    )
    labelled = np.unique(np.concatenate([strong, weak]))
    size = len(data.preferences)
    return Fitted(
        strength=_spread(_normalised(found.theta - uncertainty * found.sd, labelled), training, size),
        theta=_spread(found.theta, training, size),
        deviation=_spread(found.sd, training, size),
        labelled=len(labelled),
        training=len(training),
        connected=_connected(strong, weak, labelled, len(training)),
    )


def _rows(data: PopData, training: Places) -> tuple[Places, Places, Floats]:
    """The training rows by number among the training preferences: strong, weak, confidence."""
    number = np.full(len(data.preferences), -1, np.int64)
    number[training] = np.arange(len(training))
    rows = [row for row in data.rows_of("train") if not row.inferred]
    strong = number[np.asarray([row.strong for row in rows], np.int64)]
    weak = number[np.asarray([row.weak for row in rows], np.int64)]
    confidence = np.asarray([row.confidence for row in rows], np.float64)
    kept = (strong >= 0) & (weak >= 0) & (strong != weak)
    return strong[kept], weak[kept], confidence[kept]


def _normalised(theta: Floats, labelled: Places) -> Floats:
    least = float(np.quantile(theta[labelled], LOW)) if len(labelled) else 0.0
    above = np.maximum(theta - least, 0.0)
    mean = float(above.mean())
    return above / mean if mean > 0 else np.ones_like(theta)


def _connected(strong: Places, weak: Places, labelled: Places, size: int) -> float:
    """The share of the labelled preferences in the largest group that rows connect."""
    if not len(labelled):
        return 0.0
    graph = coo_array((np.ones(len(strong), np.int8), (strong, weak)), shape=(size, size))
    _, group = connected_components(graph, directed=False)
    return float(np.bincount(group[labelled]).max() / len(labelled))


def _spread(values: Floats, places: Places, size: int) -> Floats:
    """The values at their places, NaN elsewhere."""
    column = np.full(size, np.nan)
    column[places] = values
    return column
