"""Checks mixed into a person's work: practice first, then gold and retests at the project's rates.

Nothing here scans: a gold is looked for from a drawn place on, and so is an earlier answer to ask for again.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, F, OuterRef, QuerySet

from annotation.models import Assignment, Comparison, Gold, Label, Membership
from annotation.sampling import lots
from annotation.services import practice
from annotation.services.check_leases import grant

Kind, State = Assignment.Kind, Assignment.State
LABELS_BETWEEN = 20  # a retest comes at least this many labels after the first answer, or this much later
TIME_BETWEEN = timedelta(minutes=30)
PROBES, LOOKED_AT = 3, 16  # earlier answers looked at: places drawn, and rows read at each


def pick(*, member: Membership, at: datetime) -> Assignment | None:
    """A check for this person instead of work, leased to them; None when it is work's turn.

    None too while their practice round goes on and they hold all of it: ask `practice.goes_on`.
    The caller has locked the membership. Without checks in the project this asks the database nothing.
    """
    project = member.project
    if practice.goes_on(member):
        lease = practice.next_for(member=member, at=at)
        if lease or practice.goes_on(member):
            return lease
    due = lots.turn(project.seed, member.user_id, member.served, project.gold_percent, project.retest_percent)
    if due == "gold":
        return _counted(member, _gold(member, at))
    return _counted(member, _retest(member, at)) if due == "retest" else None


def _counted(member: Membership, lease: Assignment | None) -> Assignment | None:
    if lease:
        Membership.objects.filter(pk=member.pk).update(served=F("served") + 1)
    return lease


def _gold(member: Membership, at: datetime) -> Assignment | None:
    """The next gold from a drawn place on that this person has met in no way, or whose lease had ended."""
    golds = Gold.objects.filter(project=member.project_id, use=Gold.Use.CHECK, retired_at=None)
    unmet = golds.filter(~Exists(_met(member))).exclude(comparison__state=Comparison.State.WITHDRAWN)
    found = Gold.objects.filter(pk__in=_near(unmet, _place(golds, member, "gold"), 1)).first()
    if found is None:
        return None
    return grant(member=member, comparison_id=found.comparison_id, kind=Kind.GOLD, at=at)


def _met(member: Membership) -> QuerySet[Assignment]:
    """What stands against asking: any work on it, or a check of it that is held or answered."""
    mine = Assignment.objects.filter(comparison=OuterRef("comparison"), annotator=member.user_id)
    return mine.exclude(kind=Kind.GOLD, state__in=(State.EXPIRED, State.RELEASED))


def _retest(member: Membership, at: datetime) -> Assignment | None:
    newest = _newest_old_enough(member, at)
    if newest is None:
        return None
    mine = Label.objects.filter(project=member.project_id, annotator=member.user_id, pk__lte=newest)
    for probe in range(PROBES):
        # Read before they are judged: the answers of a person who was retested on nearly all are not scanned.
        near = _near(mine, _place(mine, member, f"retest/{probe}"), LOOKED_AT)
        if found := _askable(member, near):
            return grant(
                member=member, comparison_id=found.comparison_id, kind=Kind.RETEST, at=at, retest_of=found
            )
    return None


def _askable(member: Membership, labels: list[int]) -> Label | None:
    """The first of these work answers that can be asked for again."""
    asked = Assignment.objects.filter(
        comparison=OuterRef("comparison"),
        annotator=member.user_id,
        kind=Kind.RETEST,
        state__in=(State.LEASED, State.LABELLED),
    )
    given = Label.objects.filter(~Exists(asked), pk__in=labels, kind=Kind.WORK, is_current=True)
    given = given.exclude(verdict=Label.Verdict.CANNOT_JUDGE)
    return given.exclude(comparison__state=Comparison.State.WITHDRAWN).order_by("pk").first()


def _newest_old_enough(member: Membership, at: datetime) -> int | None:
    """The latest of the person's labels that they will not remember by heart."""
    mine = Label.objects.filter(project=member.project_id, annotator=member.user_id).order_by("-pk")
    latest = list(mine.values_list("pk", "created_at")[: LABELS_BETWEEN + 1])
    old = (pk for pk, given in latest[:LABELS_BETWEEN] if given <= at - TIME_BETWEEN)
    beyond = latest[LABELS_BETWEEN][0] if len(latest) > LABELS_BETWEEN else None
    return next(old, beyond)


def _place(rows: QuerySet[Any], member: Membership, purpose: str) -> int:
    """A place between the first and the last id, drawn for this person and this turn."""
    ids = rows.values_list("pk", flat=True)
    first, last = ids.order_by("pk").first() or 0, ids.order_by("-pk").first() or 0
    drawn = lots.lot(member.project.seed, purpose, member.user_id, member.served)
    return int(first + drawn * (last - first + 1))


def _near(rows: QuerySet[Any], place: int, most: int) -> list[int]:
    """The ids of the rows from this place on; from the first on when there is none."""
    ids = rows.order_by("pk").values_list("pk", flat=True)
    return list(ids.filter(pk__gte=place)[:most]) or list(ids.filter(pk__lt=place)[:most])
