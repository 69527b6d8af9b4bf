"""Disputed comparisons for whoever may decide them. Annotators are told apart there, and never named."""

from __future__ import annotations

from collections.abc import Iterable, Sized
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet
from django.utils.crypto import salted_hmac

from annotation import rules, sql
from annotation.consensus import vote_of
from annotation.errors import NotFound
from annotation.models import Adjudication, Assignment, Comparison, Label, Project, Role, User
from annotation.services import adjudication

MOST_COUNTED = 1_000  # beyond this a queue is told as "1,000+"
BOTH = ("low", "high")
_COUNTS = """
    SELECT p.id, (SELECT count(*) FROM (
        SELECT 1 FROM annotation_comparison c JOIN annotation_pool o ON o.id = c.pool_id
        WHERE o.project_id = p.id AND c.disputed AND (p.id IN ({own}) OR NOT EXISTS (
            SELECT 1 FROM annotation_label l WHERE l.comparison_id = c.id AND l.annotator_id = %s
            AND l.kind = 'work' AND l.is_current))
        LIMIT %s) AS few)
    FROM annotation_project p WHERE p.id IN ({reviewed})
"""


@dataclass(frozen=True)
class Vote:
    """One annotator's answer. `side`: low, high, too_close or cannot_judge."""

    name: str
    side: str
    reason: str
    low_looks_swapped: bool
    high_looks_swapped: bool


@dataclass(frozen=True)
class Case:
    """A comparison with its votes, and the decision that stands. `state`: waiting or decided."""

    comparison: Comparison
    state: str
    votes: list[Vote]
    decision: Adjudication | None
    may_withdraw: bool


def waiting(user: User, project: Project) -> QuerySet[Comparison]:
    """The disputed comparisons this person may decide, the oldest first: none they answered themselves.

    Raises:
        NotFound, NotAllowed: no reviewer of the project.
    """
    role = rules.check_review(user, project)
    rows = Comparison.objects.filter(pool__project=project, disputed=True)
    if role != Role.OWNER:
        rows = rows.filter(~_answered_by(user))
    return rows.select_related("low", "high").order_by("pk")


def count(user: User, project: Project) -> int:
    """How many wait for this person; one more than `MOST_COUNTED` stands for all the others."""
    return waiting(user, project).values("pk")[: MOST_COUNTED + 1].count()


def kept_back(user: User, project: Project) -> int:
    """How many wait for another reviewer, because this person answered them; counted as in `count`."""
    every = Comparison.objects.filter(pool__project=project, disputed=True).values("pk")
    return every[: MOST_COUNTED + 1].count() - count(user, project)


def counts(user: User, projects: Iterable[Any]) -> dict[int, int]:
    """How many wait for this person in each project they review, counted as in `count`. One query.

    `projects` carry the person's role as `my_role`.
    """
    roles = {one.pk: one.my_role for one in projects if one.my_role in rules.REVIEWERS}
    if not roles:
        return {}
    own = [pk for pk, role in roles.items() if role == Role.OWNER] or [0]
    found = sql.rows(
        _COUNTS.format(own=_places(own), reviewed=_places(roles)), [*own, user.pk, MOST_COUNTED + 1, *roles]
    )
    return dict(found)


def following(user: User, project: Project, after: int = 0) -> Comparison | None:
    """The next one that waits, past this comparison; from the first one again when there is none past it."""
    rows = waiting(user, project)
    return rows.filter(pk__gt=after).first() or (rows.first() if after else None)


def decided(user: User, project: Project) -> QuerySet[Comparison]:
    """What reviewers decided, the latest first. Managers see all of it, reviewers their own decisions."""
    role = rules.check_review(user, project)
    current = Adjudication.objects.filter(is_current=True).select_related("decided_by")
    found = Q(adjudications__is_current=True)
    if role not in rules.MANAGERS:
        found &= Q(adjudications__decided_by=user)
    resolved = Comparison.State.RESOLVED  # not one whose preference was taken out
    rows = Comparison.objects.filter(found, pool__project=project, adjudicated=True, state=resolved)
    rows = rows.select_related("low", "high").order_by("-adjudications__pk")
    return rows.prefetch_related(Prefetch("adjudications", queryset=current, to_attr="standing"))


def get(user: User, project: Project, comparison_id: int) -> Comparison:
    """A comparison that waits for this person, or was decided.

    Raises:
        NotFound: it is not disputed, or another reviewer decided it.
        NotAllowed: they answered it themselves.
    """
    role = rules.check_review(user, project)
    if found := decided(user, project).filter(pk=comparison_id).first():
        return found
    rows = Comparison.objects.select_related("low", "high")
    comparison = rows.filter(pool__project=project, disputed=True, pk=comparison_id).first()
    if comparison is None:
        raise NotFound("case_not_found", "There is no such disputed comparison.")
    adjudication.check_independent(user, comparison, role)
    return comparison


def case(user: User, project: Project, comparison: Comparison) -> Case:
    """The comparison, out of `following` or `get`, with what the annotators said."""
    role = rules.check_review(user, project)
    current = Adjudication.objects.filter(comparison=comparison, is_current=True)
    decision = current.select_related("decided_by").first() if comparison.adjudicated else None
    own = decision is not None and decision.decided_by_id == user.pk
    return Case(
        comparison=comparison,
        state="decided" if decision else "waiting",
        votes=_votes(comparison),
        decision=decision,
        may_withdraw=own or (decision is not None and role in rules.MANAGERS),
    )


def texts(comparison: Comparison) -> dict[str, dict[str, Any]]:
    """The texts of low and of high, and nothing else of them."""
    return {
        side: {name: getattr(getattr(comparison, side), name) for name in ("prompt", "chosen", "rejected")}
        for side in BOTH
    }


def _places(values: Sized) -> str:
    return ", ".join(["%s"] * len(values))


def _answered_by(user: User) -> Exists:
    return Exists(adjudication.answered(user).filter(comparison=OuterRef("pk")))


def _votes(comparison: Comparison) -> list[Vote]:
    """In an order that says nothing of who came first, and is the same each time."""
    given = Label.objects.filter(comparison=comparison, kind=Assignment.Kind.WORK, is_current=True)

    def shuffled(label: Label) -> str:
        return salted_hmac("adjudication", f"{comparison.pk}/{label.annotator_id}").hexdigest()

    labels = sorted(given, key=shuffled)
    return [_vote(label, number) for number, label in enumerate(labels, start=1)]


def _vote(label: Label, number: int) -> Vote:
    side = vote_of(label.verdict, label.low_first)
    shown = (label.first_looks_swapped, label.second_looks_swapped)
    low, high = shown if label.low_first else reversed(shown)
    return Vote(
        name=f"Annotator {number}",
        side=side if side in BOTH else label.verdict,
        reason=label.reason,
        low_looks_swapped=low,
        high_looks_swapped=high,
    )
