"""From the labels of a comparison to its outcome and back. The caller has locked pool and comparison."""

from __future__ import annotations

from datetime import datetime

from annotation.consensus import majority, vote_of
from annotation.models import Comparison, Label, Pool, Project
from annotation.services import anchors

Outcome = Comparison.Outcome
FIELDS = ["state", "outcome", "confidence", "resolved_at", "holds_slot", "credited"]


def resolve(*, comparison: Comparison, project: Project, pool: Pool, at: datetime) -> None:
    """Decide a comparison that has all its labels: outcome, the pool's counters, the anchors' quotas."""
    given = Label.objects.filter(comparison=comparison, is_current=True).values_list("verdict", "low_first")
    consensus = majority.resolve([vote_of(verdict, low_first) for verdict, low_first in given])
    comparison.state = Comparison.State.RESOLVED
    comparison.outcome = consensus.outcome
    comparison.confidence = consensus.confidence
    comparison.resolved_at = at
    _count(pool, comparison.outcome, 1)
    if comparison.anchor_id:
        _fill_quotas(comparison, project, pool)
    comparison.save(update_fields=FIELDS)


def reopen(*, comparison: Comparison, pool: Pool) -> None:
    """Undo `resolve` exactly. Where the anchor's place was filled since, the comparison holds none."""
    _count(pool, comparison.outcome, -1)
    if comparison.anchor_id:
        _empty_quotas(comparison, pool)
    comparison.state = Comparison.State.OPEN
    comparison.outcome = ""
    comparison.confidence = comparison.resolved_at = None
    comparison.save(update_fields=FIELDS)


def _count(pool: Pool, outcome: str, change: int) -> None:
    if outcome == Outcome.NONE:
        pool.undecided += change
    else:
        pool.decided += change


def _fill_quotas(comparison: Comparison, project: Project, pool: Pool) -> None:
    """Free the anchor's slot and count the win for whoever won: the anchor, or with reuse its partner."""
    assert comparison.anchor is not None  # noqa: S101 - for the type checker
    anchor = comparison.anchor
    if comparison.holds_slot:
        anchors.release(anchor.pk)
        comparison.holds_slot = False
    winner = _winner(comparison)
    if winner and (winner == anchor.preference_id or project.reuse):
        winning = anchors.get_or_make(winner, project, pool)
        if anchors.credit(winning.pk):
            comparison.credited = winning
    _settle([anchor.pk, comparison.credited_id], pool)


def _empty_quotas(comparison: Comparison, pool: Pool) -> None:
    touched = [comparison.anchor_id, comparison.credited_id]
    if comparison.credited_id:
        anchors.discredit(comparison.credited_id)
        comparison.credited = None
    if comparison.anchor_id:
        comparison.holds_slot = anchors.retake(comparison.anchor_id)
    _settle(touched, pool)


def _settle(touched: list[int | None], pool: Pool) -> None:
    for anchor_id in sorted({pk for pk in touched if pk is not None}):
        anchors.settle(anchor_id, pool)


def _winner(comparison: Comparison) -> int | None:
    sides = {Outcome.LOW: comparison.low_id, Outcome.HIGH: comparison.high_id}
    return sides.get(Outcome(comparison.outcome))
