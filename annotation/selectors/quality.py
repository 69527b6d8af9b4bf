"""How good the answers of a project are: sums of its tallies and its agreement counts, not of its labels."""

from __future__ import annotations

from dataclasses import dataclass

from annotation import rules
from annotation.models import AgreementPattern, Comparison, Project, User
from annotation.quality import agreement, shares
from annotation.quality.agreement import Agreement
from annotation.quality.shares import Share, share
from annotation.selectors import tallies
from annotation.selectors.tallies import Sums

MOST_COUNTED = 10_000  # comparisons that wait: beyond that it is enough to know that they are many


@dataclass(frozen=True)
class Answers:
    """What follows from the counts of one person or of a whole project.

    `first` is of the answers that named a side; `seconds` the mean time, none counted above ten minutes.
    """

    labels: int
    first: Share
    too_close: Share
    cannot_judge: Share
    gold: Share
    retests: Share
    seconds: float | None


@dataclass(frozen=True)
class Quality:
    """`waiting`: comparisons with answers that `agreement` does not hold yet; `waiting_more`: or more."""

    agreement: Agreement
    reading: str
    answers: Answers
    on_position: str
    waiting: int
    waiting_more: bool


def of_project(user: User, project: Project) -> Quality:
    """Five queries, whatever the number of labels.

    Raises:
        NotFound, NotAllowed: not a reviewer or manager.
    """
    rules.check_review(user, project)
    counts = AgreementPattern.objects.filter(project=project, comparisons__gt=0)
    rows = counts.values_list("low", "high", "too_close", "comparisons")
    found = agreement.measure({(low, high, close): times for low, high, close, times in rows})
    answers = answers_of(tallies.of_project(project))
    waiting = _waiting(project)
    return Quality(
        agreement=found,
        reading=agreement.reading(found),
        answers=answers,
        on_position=shares.on_position(answers.first),
        waiting=min(waiting, MOST_COUNTED),
        waiting_more=waiting > MOST_COUNTED,
    )


def answers_of(counts: Sums) -> Answers:
    return Answers(
        labels=counts.labels,
        first=share(counts.first, counts.first + counts.second),
        too_close=share(counts.too_close, counts.labels),
        cannot_judge=share(counts.cannot_judge, counts.labels),
        gold=share(counts.gold_right, counts.gold),
        retests=share(counts.retests_same, counts.retests),
        seconds=counts.milliseconds / 1000 / counts.timed if counts.timed else None,
    )


def _waiting(project: Project) -> int:
    """Counted in the index of those that wait, and no further than needed."""
    rows = Comparison.objects.filter(pool__in=project.pools.all(), needs_fold=True)
    return rows.order_by().values("pk")[: MOST_COUNTED + 1].count()
