"""Recomputes every counter from the rows. Many tests end with `check(project)`."""

from __future__ import annotations

from collections import Counter

from annotation.consensus import majority, vote_of
from annotation.models import Anchor, Assignment, Comparison, Label, LabelEvent, Pool, Project

Outcome = Comparison.Outcome


def check(project: Project) -> None:
    """Every comparison, anchor and pool of the project agrees with the rows it counts."""
    for pool in Pool.objects.filter(project=project):
        comparisons = list(Comparison.objects.filter(pool=pool).select_related("low", "high"))
        for comparison in comparisons:
            _check_comparison(project, pool, comparison)
        _check_pool(pool, comparisons)
    for anchor in Anchor.objects.filter(pool__project=project):
        _check_anchor(project, anchor)
    _check_story(project)


def _check_comparison(project: Project, pool: Pool, comparison: Comparison) -> None:
    labels = list(Label.objects.filter(comparison=comparison, is_current=True))
    leased = Assignment.objects.filter(comparison=comparison, state="leased").count()
    labelled = Assignment.objects.filter(comparison=comparison, state="labelled").count()
    assert comparison.low_id < comparison.high_id
    assert comparison.low.split == comparison.high.split == pool.split, "a pair must not leave its split"
    assert len(labels) == comparison.label_count == labelled <= comparison.needed
    assert comparison.free_slots == comparison.needed - len(labels) - leased
    assert (comparison.state == "resolved") == (len(labels) == comparison.needed)
    if comparison.state == "resolved":
        votes = [vote_of(label.verdict, label.low_first) for label in labels]
        assert (comparison.outcome, comparison.confidence) == _outcome(votes)
        assert not comparison.holds_slot
    else:
        assert (comparison.outcome, comparison.confidence, comparison.credited_id) == ("", None, None)


def _outcome(votes: list[str]) -> tuple[str, float | None]:
    consensus = majority.resolve(votes)
    return consensus.outcome, consensus.confidence


def _check_pool(pool: Pool, comparisons: list[Comparison]) -> None:
    outcomes = Counter(one.outcome for one in comparisons if one.state == "resolved")
    states = Counter(Anchor.objects.filter(pool=pool).values_list("state", flat=True))
    assert pool.drawn == len(comparisons)
    assert len({(one.low_id, one.high_id) for one in comparisons}) == len(comparisons)
    assert pool.undecided == outcomes[Outcome.NONE]
    assert pool.decided == outcomes[Outcome.LOW] + outcomes[Outcome.HIGH]
    assert pool.labels == Label.objects.filter(comparison__pool=pool, is_current=True).count()
    assert (pool.full_anchors, pool.exhausted_anchors) == (states["full"], states["exhausted"])
    assert pool.size == pool.project.preferences.filter(split=pool.split).count()


def _check_anchor(project: Project, anchor: Anchor) -> None:
    drawn = Comparison.objects.filter(anchor=anchor)
    assert anchor.in_flight == drawn.filter(holds_slot=True, state="open").count()
    assert anchor.wins == Comparison.objects.filter(credited=anchor).count()
    assert anchor.attempts == drawn.count() <= project.k * project.attempt_cap
    assert anchor.wins + anchor.in_flight <= anchor.quota == project.k, "an anchor must never pass k"
    for won in Comparison.objects.filter(credited=anchor):
        winner = won.low_id if won.outcome == Outcome.LOW else won.high_id
        assert winner == anchor.preference_id
    full = anchor.wins == anchor.quota
    spent = anchor.in_flight == 0 and anchor.attempts >= anchor.attempt_limit
    assert anchor.state == ("full" if full else "exhausted" if spent else "open")


def _check_story(project: Project) -> None:
    """One submission a label; one undo for each label that is no longer current."""
    for label in Label.objects.filter(project=project):
        kinds = list(LabelEvent.objects.filter(label=label).values_list("kind", flat=True))
        assert kinds == (["submitted"] if label.is_current else ["submitted", "undone"])
    lost = Assignment.objects.filter(project=project).exclude(comparison__pool__project=project)
    assert not lost.exists()
