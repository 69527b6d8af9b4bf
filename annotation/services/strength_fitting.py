"""Strengths of all compared preferences of a project, fitted anew from every answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annotation.models import Pool, Project
from annotation.quality import strengths
from annotation.services import strength_rows, votes
from annotation.services.snapshot import snapshot
from annotation.services.votes import TIE, Votes

BINS = 24
Beat = Callable[[], None]


def compute(project: Project, beat: Beat) -> dict[str, Any]:
    """Fit both pools and write the rows; what came of it, by split. `beat` says that it goes on.

    The two splits share no comparison. Answers given meanwhile are in the next fit.
    """
    with snapshot() as alias:
        pools = list(Pool.objects.using(alias).filter(project=project).order_by("pk"))
        given = [votes.of_pool(pool, alias) for pool in pools]
    beat()
    result: dict[str, Any] = {}
    for pool, answers in zip(pools, given, strict=True):
        rows, fitted = _fitted(answers)
        beat()
        strength_rows.replace(pool, rows)
        beat()
        result[pool.split] = {
            "compared": len(rows.preference),
            "answers": len(answers.low),
            "iterations": fitted.iterations,
            "converged": fitted.converged,
            "histogram": _histogram(rows.theta),
        }
    return result


def _fitted(answers: Votes) -> tuple[strength_rows.Rows, strengths.Strengths]:
    ids, places = np.unique(np.concatenate([answers.low, answers.high]), return_inverse=True)
    half = len(answers.low)
    low, high = places[:half].astype(np.int32), places[half:].astype(np.int32)
    fitted = strengths.fit(low, high, answers.low_wins, len(ids))
    won, lost = answers.low_wins > TIE, answers.low_wins < TIE
    wins, losses = _times(low[won], high[lost], len(ids)), _times(low[lost], high[won], len(ids))
    return strength_rows.Rows(ids, fitted.theta, fitted.sd, wins, losses), fitted


def _times(one: NDArray[np.int32], other: NDArray[np.int32], size: int) -> NDArray[np.int64]:
    counted: NDArray[np.int64] = np.bincount(np.concatenate([one, other]), minlength=size)
    return counted


def _histogram(theta: NDArray[np.float64]) -> dict[str, Any]:
    if not len(theta):
        return {"edges": [], "counts": []}
    counts, edges = np.histogram(theta, bins=BINS)
    return {"edges": [round(float(edge), 3) for edge in edges], "counts": counts.tolist()}
