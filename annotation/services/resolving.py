"""From the labels of a comparison to its outcome and back. The caller has locked the comparison.

All set fields of the comparison, which the caller saves, and give back what changes in the tally.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from annotation.consensus import Consensus, dispute, majority, vote_of
from annotation.models import Adjudication, Assignment, Comparison, Label, Project
from annotation.services import anchors
from annotation.services.anchors import Changes

Outcome = Comparison.Outcome
State = Comparison.State
FIELDS = ("state", "outcome", "confidence", "resolved_at", "holds_slot", "credited", "disputed")
UNKNOWN = Consensus("", None)


def resolve(*, comparison: Comparison, votes: Sequence[str], project: Project, at: datetime) -> Changes:
    """Decide a comparison that has all its labels: the outcome, and the anchors' quotas.

    What a reviewer decided stands; beside it is noted what the votes say now.
    """
    said = majority.resolve(votes)
    if not comparison.adjudicated:
        comparison.disputed = dispute.is_disputed(votes, project.dispute_below)
        return conclude(comparison=comparison, consensus=said, project=project, at=at)
    decided = _note_votes(comparison, said if len(votes) == comparison.needed else UNKNOWN)
    if comparison.state == State.RESOLVED:
        return {}
    return conclude(comparison=comparison, consensus=decided, project=project, at=at)


def conclude(*, comparison: Comparison, consensus: Consensus, project: Project, at: datetime) -> Changes:
    """Give an open comparison this outcome."""
    comparison.state = State.RESOLVED
    comparison.outcome = consensus.outcome
    comparison.confidence = consensus.confidence
    comparison.resolved_at = at
    changes = _fill_quotas(comparison, project) if comparison.anchor_id else {}
    return {**changes, _counter(comparison.outcome): 1}


def reopen(*, comparison: Comparison) -> Changes:
    """Undo `resolve` exactly. Where the anchor's place was filled since, the comparison holds none."""
    changes = _empty_quotas(comparison) if comparison.anchor_id or comparison.credited_id else {}
    changes = {**changes, _counter(comparison.outcome): -1}
    comparison.state = State.OPEN
    comparison.outcome = ""
    comparison.confidence = comparison.resolved_at = None
    comparison.disputed = False
    return changes


def label_gone(*, comparison: Comparison) -> Changes:
    """One of its labels is taken back: it is open again, unless a reviewer decided it."""
    if comparison.state != State.RESOLVED:
        return {}
    if comparison.adjudicated:
        _note_votes(comparison, UNKNOWN)
        return {}
    return reopen(comparison=comparison)


def by_reviewer(outcome: str) -> Consensus:
    """A reviewer's word as an outcome: sure, whatever the votes said."""
    return Consensus(outcome, None if outcome == Outcome.NONE else 1.0)


def votes_of(comparison: Comparison) -> list[str]:
    """The sides named by its current labels."""
    given = Label.objects.filter(comparison=comparison, kind=Assignment.Kind.WORK, is_current=True)
    return [vote_of(verdict, low_first) for verdict, low_first in given.values_list("verdict", "low_first")]


def merged(one: Changes, other: Changes) -> Changes:
    return {name: one.get(name, 0) + other.get(name, 0) for name in {*one, *other}}


def _note_votes(comparison: Comparison, said: Consensus) -> Consensus:
    """Keep what the votes say beside the reviewer's decision; the decision."""
    current = Adjudication.objects.filter(comparison=comparison.pk, is_current=True)
    current.update(votes_outcome=said.outcome, votes_confidence=said.confidence)
    return by_reviewer(current.values_list("outcome", flat=True).get())


def _counter(outcome: str) -> str:
    return "undecided" if outcome == Outcome.NONE else "decided"


def _fill_quotas(comparison: Comparison, project: Project) -> Changes:
    """Free the anchor's slot and count the win for whoever won: the anchor, or with reuse its partner."""
    winner = _winner(comparison)
    held = anchors.hold([comparison.low_id, comparison.high_id])
    if winner and winner not in held and project.reuse:
        held[winner] = anchors.make(winner, project, comparison.pool_id)
    own = next(one for one in held.values() if one.pk == comparison.anchor_id)
    changed = {own.pk: own}
    if comparison.holds_slot:
        own.in_flight -= 1
        comparison.holds_slot = False
    winning = held.get(winner) if winner else None
    if winning and (winning is own or project.reuse):
        changed[winning.pk] = winning
        if anchors.has_place(winning):
            winning.wins += 1
            comparison.credited_id = winning.pk
    return anchors.put(changed.values())


def _empty_quotas(comparison: Comparison) -> Changes:
    held = {one.pk: one for one in anchors.hold([comparison.low_id, comparison.high_id]).values()}
    changed = [held[pk] for pk in {comparison.anchor_id, comparison.credited_id} if pk]
    if comparison.credited_id:
        held[comparison.credited_id].wins -= 1
        comparison.credited_id = None
    if comparison.anchor_id and anchors.has_place(own := held[comparison.anchor_id]):
        own.in_flight += 1
        comparison.holds_slot = True
    return anchors.put(changed)


def _winner(comparison: Comparison) -> int | None:
    sides = {Outcome.LOW: comparison.low_id, Outcome.HIGH: comparison.high_id}
    return sides.get(Outcome(comparison.outcome))
