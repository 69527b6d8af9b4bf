"""Handing comparisons to annotators: one more, keep it, give it back."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from annotation import rules
from annotation.errors import NotFound
from annotation.models import Assignment, Membership, Project, Role, User
from annotation.services import audit, draws, leases, waiting
from annotation.services.transactions import Again, exact

TAKEN_BACK_ON_THE_WAY = 20


def next_for(*, project: Project, by: User, at: datetime, exclude: Collection[int] = ()) -> Assignment | None:
    """A comparison for this person: one they hold already, else one that waits for labels, else a new one.

    Assignments in `exclude` (those the browser shows already) are not handed out again. None when there is
    nothing for them now; `selectors.queue.why_empty` says why.

    Raises:
        NotFound: not a member.
    """
    rules.check_annotate(by, project)
    expire(at, limit=TAKEN_BACK_ON_THE_WAY)
    return _next(project, by, at, frozenset(exclude))


@exact
def _next(project: Project, by: User, at: datetime, exclude: frozenset[int]) -> Assignment | None:
    member = _locked_member(project, by, at)
    if member.project.state != Project.State.OPEN:
        return None
    mine = list(leases.live(project, by, at))
    for held in mine:
        if held.pk not in exclude:
            if not leases.extend(held, member.project, at):
                raise Again
            return held
    if len(mine) >= rules.MOST_LIVE:
        return None
    pools = waiting.pools_of(member)
    return (
        waiting.claim_next(member=member, pools=pools, at=at)
        or _drawn(member, pools, at)
        or waiting.claim_any(member=member, pools=pools, at=at)
    )


def _drawn(member: Membership, pools: list[int], at: datetime) -> Assignment | None:
    comparison = draws.draw(member=member, pools=pools, at=at)
    if comparison is None:
        return None
    waiting.remember(member=member, comparison=comparison)
    return leases.grant(comparison=comparison, project=member.project, by=member.user, at=at)


def _locked_member(project: Project, by: User, at: datetime) -> Membership:
    """The person's membership, locked: two tabs of one person cannot both take a last lease."""
    if by.is_superuser:
        _, new = Membership.objects.get_or_create(
            project=project, user=by, defaults={"role": Role.ANNOTATOR, "joined_at": at}
        )
        if new:
            role: dict[str, object] = {"role": Role.ANNOTATOR.value}
            audit.record(
                by=by, at=at, verb="member.role_set", project=project, target=by.username, details=role
            )
    rows = Membership.objects.select_for_update(no_key=True, of=("self",)).select_related("project", "user")
    member = rows.filter(project=project, user=by).first()
    if member is None:
        raise NotFound("project_not_found", "There is no such project.")
    return member


def heartbeat(*, assignment_ids: Collection[int], by: User, at: datetime) -> list[int]:
    """Extend leases of this person that are still held; the ids of those that are. Members only."""
    mine = Assignment.objects.filter(annotator=by, project__memberships__user=by)
    held = mine.filter(pk__in=list(assignment_ids), state=Assignment.State.LEASED).select_related("project")
    return [assignment.pk for assignment in held if leases.extend(assignment, assignment.project, at)]


def release(*, project: Project, by: User, at: datetime) -> int:
    """Give back everything this person holds in the project; how many leases that were."""
    held = Assignment.objects.filter(project=project, annotator=by, state=Assignment.State.LEASED)
    return sum(
        leases.take_back(assignment=one, to=Assignment.State.RELEASED, at=at)
        for one in held.order_by("comparison_id")
    )


def expire(at: datetime, limit: int = 1000) -> int:
    """Take back leases that ran out, the oldest first; how many were taken back."""
    over = Assignment.objects.filter(state=Assignment.State.LEASED, expires_at__lte=at)
    return sum(
        leases.take_back(assignment=one, to=Assignment.State.EXPIRED, at=at)
        for one in over.order_by("expires_at")[:limit]
    )
