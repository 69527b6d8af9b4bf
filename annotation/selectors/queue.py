"""What an annotator is shown: the card of a comparison, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Exists, Min, OuterRef, QuerySet

from annotation import rules
from annotation.models import Assignment, Comparison, Pool, Preference, Project, User


@dataclass(frozen=True)
class EmptyReason:
    """Why there is nothing to label now; `free_at` says when asking again may help."""

    code: str
    message: str
    free_at: datetime | None = None


ARCHIVED = EmptyReason("archived", "This project is archived. Nothing more is to be labelled.")
PAUSED = EmptyReason("paused", "This project is paused. Come back when it has been reopened.")
NO_PREFERENCES = EmptyReason(
    "no_preferences", "There is nothing to compare yet: the project needs at least two preferences."
)
DONE = EmptyReason("done", "Everything is labelled. Thank you.")
ALL_MINE_DONE = EmptyReason(
    "all_mine_done",
    "You have answered everything there is for you. Others still have answers to give, "
    "and more comparisons may come of them.",
)


def card(assignment: Assignment) -> dict[str, Any]:
    """What the browser may know: texts and order. No scores, sources or ids of preferences, ever."""
    rows = Comparison.objects.select_related("low", "high", "anchor", "pool__project")
    comparison = rows.get(pk=assignment.comparison_id)
    low, high = _texts(comparison.low), _texts(comparison.high)
    return {
        "id": assignment.pk,
        "expires_at": assignment.expires_at,
        "first": low if assignment.low_first else high,
        "second": high if assignment.low_first else low,
        "anchor": _anchor_side(comparison, assignment.low_first),
        "question": comparison.pool.project.question,
    }


def _texts(preference: Preference) -> dict[str, list[dict[str, str]]]:
    return {
        "prompt": _messages(preference.prompt),
        "chosen": _messages(preference.chosen),
        "rejected": _messages(preference.rejected),
    }


def _messages(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{"role": message["role"], "content": message["content"]} for message in messages]


def _anchor_side(comparison: Comparison, low_first: bool) -> str | None:
    if comparison.anchor is None:
        return None
    anchor_is_low = comparison.anchor.preference_id == comparison.low_id
    return "first" if anchor_is_low == low_first else "second"


def taken_by(user: User) -> Exists:
    """For `filter(~taken_by(user))`: comparisons the person has neither answered nor holds."""
    taken = (Assignment.State.LEASED, Assignment.State.LABELLED)
    return Exists(Assignment.objects.filter(comparison=OuterRef("pk"), annotator=user, state__in=taken))


def why_empty(user: User, project: Project, at: datetime) -> EmptyReason:
    """Why `assignments.next_for` gave this person nothing.

    Raises:
        NotFound: not a member.
    """
    rules.check_annotate(user, project)
    state = Project.objects.values_list("state", flat=True).get(pk=project.pk)
    if state == Project.State.ARCHIVED:
        return ARCHIVED
    if state == Project.State.PAUSED:
        return PAUSED
    pools = list(Pool.objects.filter(project=project))
    if all(pool.size < 2 for pool in pools):
        return NO_PREFERENCES
    if _live(project, at).filter(annotator=user).count() >= rules.MOST_LIVE:
        return EmptyReason(
            "hold_limit", f"You hold {rules.MOST_LIVE} comparisons already: please answer those first.", at
        )
    if all(pool.drawn == pool.decided + pool.undecided for pool in pools):
        return DONE
    return _held_by_others(user, project, at) or ALL_MINE_DONE


def _live(project: Project, at: datetime) -> QuerySet[Assignment]:
    return Assignment.objects.filter(project=project, state=Assignment.State.LEASED, expires_at__gt=at)


def _held_by_others(user: User, project: Project, at: datetime) -> EmptyReason | None:
    """Others hold what this person could still answer, so that it may come free."""
    open_to_them = Comparison.objects.filter(
        ~taken_by(user), pool__project=project, state=Comparison.State.OPEN
    )
    others = _live(project, at).exclude(annotator=user).filter(comparison__in=open_to_them)
    free_at = others.aggregate(first=Min("expires_at"))["first"]
    if free_at is None:
        return None
    return EmptyReason(
        "held_by_others",
        "Others are at work on everything that is left. What they do not answer comes free later.",
        free_at,
    )
