"""Recomputes every counter from the rows. Many tests end with `check(project)`."""

from __future__ import annotations

from collections import Counter

from annotation.consensus import dispute, majority, vote_of
from annotation.models import (
    Adjudication,
    Anchor,
    Assignment,
    Comparison,
    Label,
    LabelEvent,
    Pool,
    Project,
    Tally,
)
from annotation.selectors import tallies

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
    labels = list(Label.objects.filter(comparison=comparison, is_current=True, kind="work"))
    work = Assignment.objects.filter(comparison=comparison, kind="work")
    leased, labelled = work.filter(state="leased").count(), work.filter(state="labelled").count()
    assert comparison.low_id < comparison.high_id
    assert comparison.low.split == comparison.high.split == pool.split, "a pair must not leave its split"
    assert len(labels) == comparison.label_count == labelled <= comparison.needed
    if comparison.state == "withdrawn":
        _check_withdrawn(comparison, leased)
        return
    assert comparison.low.excluded_at is comparison.high.excluded_at is None
    assert comparison.free_slots == comparison.needed - len(labels) - leased
    complete = len(labels) == comparison.needed
    assert (comparison.state == "resolved") == (complete or comparison.adjudicated)
    _check_decision(comparison, [vote_of(label.verdict, label.low_first) for label in labels])
    if comparison.needed == 0:
        assert comparison.gold, "only a comparison made to be gold wants no label"
        assert (comparison.state, comparison.outcome, comparison.anchor) == ("resolved", "", None)
    elif comparison.state == "resolved":
        votes = [vote_of(label.verdict, label.low_first) for label in labels]
        assert comparison.adjudicated or (comparison.outcome, comparison.confidence) == _outcome(votes)
        assert comparison.disputed == (
            not comparison.adjudicated and dispute.is_disputed(votes, project.dispute_below)
        )
        assert not comparison.holds_slot
    else:
        assert (comparison.outcome, comparison.confidence, comparison.credited_id) == ("", None, None)
        assert not comparison.disputed


def _check_withdrawn(comparison: Comparison, leased: int) -> None:
    """It waits for nobody, fills nothing, and has a reason."""
    assert comparison.low.excluded_at or comparison.high.excluded_at
    assert (leased, comparison.free_slots, comparison.outcome, comparison.holds_slot) == (0, 0, "", False)
    assert (comparison.credited_id, comparison.disputed) == (None, False)


def _check_decision(comparison: Comparison, votes: list[str]) -> None:
    """A reviewer's decision is the outcome, and says beside it what the votes do."""
    current = Adjudication.objects.filter(comparison=comparison, is_current=True).first()
    assert (current is not None) == comparison.adjudicated
    if current is not None:
        sure = None if current.outcome == Outcome.NONE else 1.0
        assert (comparison.outcome, comparison.confidence) == (current.outcome, sure)
        said = _outcome(votes) if len(votes) == comparison.needed else ("", None)
        assert (current.votes_outcome, current.votes_confidence) == said


def _outcome(votes: list[str]) -> tuple[str, float | None]:
    consensus = majority.resolve(votes)
    return consensus.outcome, consensus.confidence


def _check_pool(pool: Pool, comparisons: list[Comparison]) -> None:
    outcomes = Counter(one.outcome for one in comparisons if one.state == "resolved")
    states = Counter(Anchor.objects.filter(pool=pool).values_list("state", flat=True))
    counts = tallies.of_pool(pool)
    assert counts.drawn == len([one for one in comparisons if one.needed and one.state != "withdrawn"])
    assert len({(one.low_id, one.high_id) for one in comparisons}) == len(comparisons)
    assert counts.undecided == outcomes[Outcome.NONE]
    assert counts.decided == outcomes[Outcome.LOW] + outcomes[Outcome.HIGH]
    _check_people(pool)
    assert (counts.full_anchors, counts.exhausted_anchors) == (states["full"], states["exhausted"])
    assert pool.size == pool.project.preferences.filter(split=pool.split).count()


def _check_people(pool: Pool) -> None:
    """Each person's counts are those of their own current labels."""
    for tally in Tally.objects.filter(pool=pool):
        mine = Label.objects.filter(comparison__pool=pool, annotator=tally.annotator, is_current=True)
        given = mine.filter(kind="work")
        verdicts = Counter(given.values_list("verdict", flat=True))
        assert tally.labels == given.count()
        assert tally.day_labels <= mine.exclude(kind="practice").count()
        golds, retests = mine.filter(kind="gold"), mine.filter(kind="retest", agrees__isnull=False)
        assert (tally.gold, tally.gold_right) == (golds.count(), golds.filter(agrees=True).count())
        assert (tally.retests, tally.retests_same) == (retests.count(), retests.filter(agrees=True).count())
        assert {name: getattr(tally, name) for name in Label.Verdict.values} == {
            name: verdicts[name] for name in Label.Verdict.values
        }
        assert tally.timed == given.filter(duration_ms__isnull=False).count()
    people = Tally.objects.filter(pool=pool).values("annotator")
    counted = Label.objects.filter(comparison__pool=pool).exclude(kind="practice")
    assert not counted.exclude(annotator__in=people).exists()


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
    """Each label began once, and ended once unless it is current: taken back, or replaced by another."""
    replaced = set(Label.objects.filter(project=project).values_list("supersedes", flat=True))
    for label in Label.objects.filter(project=project):
        began, *ended = LabelEvent.objects.filter(label=label).values_list("kind", flat=True)
        assert began in ({"edited", "corrected"} if label.supersedes_id else {"submitted"})
        assert len(ended) == (not label.is_current and label.pk not in replaced)
        assert set(ended) <= {"undone", "corrected"}
    lost = Assignment.objects.filter(project=project).exclude(comparison__pool__project=project)
    assert not lost.exists()
