"""What an annotator is shown: the card of a comparison, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from django.db.models import Count, Exists, Min, OuterRef, Q, QuerySet

from annotation import rules, sampling, sql
from annotation.models import Assignment, Comparison, Pool, Project, User
from annotation.sampling import lots
from annotation.selectors import practice, tallies


@dataclass(frozen=True)
class EmptyReason:
    """Why there is nothing to label now; `free_at` says when asking again may help.

    `held_count`: how many comparisons this person could answer are leased to others.
    """

    code: str
    message: str
    free_at: datetime | None = None
    held_count: int = 0


ARCHIVED = EmptyReason("archived", "This project is archived. Nothing more is to be labelled.")
PAUSED = EmptyReason("paused", "This project is paused. Come back when it has been reopened.")
# low before high: a comparison's `low` is the preference with the smaller id.
_SIDES = """
    SELECT p.prompt, p.chosen, p.rejected, a.id IS NOT NULL
    FROM annotation_comparison c
    JOIN annotation_preference p ON p.id IN (c.low_id, c.high_id)
    LEFT JOIN annotation_anchor a ON a.id = c.anchor_id AND a.preference_id = p.id
    WHERE c.id = %s ORDER BY p.id
"""
CHECKS = {Assignment.Kind.GOLD.value, Assignment.Kind.RETEST.value}
CLOSED = {Project.State.ARCHIVED.value: ARCHIVED, Project.State.PAUSED.value: PAUSED}
NO_PREFERENCES = EmptyReason(
    "no_preferences", "There is nothing to compare yet: the project needs at least two preferences."
)
PRACTICE = EmptyReason("practice", "Please answer the practice comparisons you hold first.")
DONE = EmptyReason("done", "Everything is labelled. Thank you.")
ALL_MINE_DONE = EmptyReason(
    "all_mine_done",
    "You have answered everything there is for you. Others still have answers to give, "
    "and more comparisons may come of them.",
)


def card(assignment: Assignment) -> dict[str, Any]:
    """What the browser may know: texts and order; no scores, sources or ids, ever. One query."""
    (low, low_is_anchor), (high, high_is_anchor) = map(_side, sql.rows(_SIDES, [assignment.comparison_id]))
    in_order = assignment.low_first
    return {
        "id": assignment.pk,
        "kind": assignment.project.kind,
        "expires_at": assignment.expires_at,
        "first": low if in_order else high,
        "second": high if in_order else low,
        "anchor": _anchor_side(assignment, low_is_anchor, high_is_anchor),
        "question": assignment.project.question,
        "practice": practice.place(assignment),
    }


def _side(row: sql.Row) -> tuple[dict[str, list[dict[str, str]]], bool]:
    """The texts of a preference, and whether it is the anchor."""
    prompt, chosen, rejected, is_anchor = row
    texts = {"prompt": prompt, "chosen": chosen, "rejected": rejected}
    return {name: _messages(orjson.loads(text)) for name, text in texts.items()}, bool(is_anchor)


def _messages(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{"role": message["role"], "content": message["content"]} for message in messages]


def _anchor_side(assignment: Assignment, low: bool, high: bool) -> str | None:
    """Where work names one a check does too, a side that is drawn: a card without one would be known for it.

    Held-out pairs name none, nor does practice, which is open about itself.
    """
    if assignment.kind in CHECKS:
        return _drawn_side(assignment)
    if not (low or high) or assignment.kind != Assignment.Kind.WORK:
        return None
    return "first" if low == assignment.low_first else "second"


def _drawn_side(assignment: Assignment) -> str | None:
    project = assignment.project
    if not sampling.strategy(project.strategy).anchored:
        return None
    return lots.side(project.seed, assignment.annotator_id, assignment.pk)


def taken_by(user: User) -> Exists:
    """For `filter(~taken_by(user))`: comparisons the person has neither answered nor holds.

    A retest that was answered stands against nothing: its first answer may have been taken back since.
    """
    held = Q(state=Assignment.State.LEASED)
    answered = Q(state=Assignment.State.LABELLED) & ~Q(kind=Assignment.Kind.RETEST)
    return Exists(Assignment.objects.filter(held | answered, comparison=OuterRef("pk"), annotator=user))


def why_empty(user: User, project: Project, at: datetime) -> EmptyReason:
    """Why `assignments.next_for` gave this person nothing.

    Raises:
        NotFound: not a member.
    """
    rules.check_annotate(user, project)
    state = Project.objects.values_list("state", flat=True).get(pk=project.pk)
    if closed := CLOSED.get(state):
        return closed
    pools = list(Pool.objects.filter(project=project))
    if all(pool.size < 2 for pool in pools):
        return NO_PREFERENCES
    if practice.waits(user, project):
        return PRACTICE
    if _live(project, at).filter(annotator=user).count() >= rules.MOST_LIVE:
        return EmptyReason(
            "hold_limit", f"You hold {rules.MOST_LIVE} comparisons already: please answer those first.", at
        )
    if tallies.of_project(project).open == 0:
        return DONE
    return _held_by_others(user, project, at) or ALL_MINE_DONE


def _live(project: Project, at: datetime) -> QuerySet[Assignment]:
    return Assignment.objects.filter(project=project, state=Assignment.State.LEASED, expires_at__gt=at)


def _held_by_others(user: User, project: Project, at: datetime) -> EmptyReason | None:
    """Others hold what this person could still answer, so that it may come free."""
    open_to_them = Comparison.objects.filter(
        ~taken_by(user), pool__project=project, state=Comparison.State.OPEN
    )
    work = _live(project, at).filter(kind=Assignment.Kind.WORK)
    others = work.exclude(annotator=user).filter(comparison__in=open_to_them)
    seen = others.aggregate(count=Count("comparison", distinct=True), first=Min("expires_at"))
    count, free_at = seen["count"], seen["first"]
    if not count:
        return None
    held = f"{count} comparisons are held by others, the next"
    if count == 1:
        held = "1 comparison is held by others and"
    message = f"{held} is free at {free_at.astimezone(UTC):%H:%M} UTC unless it is answered before."
    return EmptyReason("held_by_others", message, free_at, count)
