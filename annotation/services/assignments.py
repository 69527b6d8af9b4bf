"""Handing comparisons to annotators: one more, keep it, give it back."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from annotation import rules, sql
from annotation.errors import NotFound
from annotation.models import Assignment, Membership, Project, Role, User
from annotation.services import audit, draw_anchored, draws, leases, mixing, practice, waiting
from annotation.services.transactions import exact

TAKEN_BACK_ON_THE_WAY = 20
_MEMBERSHIP, _PROJECT = sql.Table(Membership), sql.Table(Project, without=["guidelines"])
_MEMBER = f"""
    SELECT {_MEMBERSHIP.columns("m")}, {_PROJECT.columns("p")}
    FROM annotation_membership m JOIN annotation_project p ON p.id = m.project_id
    WHERE m.project_id = %s AND m.user_id = %s
"""  # noqa: S608 - names of ours


def next_for(*, project: Project, by: User, at: datetime, exclude: Collection[int] = ()) -> Assignment | None:
    """A comparison for this person: one they hold already, else one that waits for labels, else a new one.

    Assignments in `exclude` (those the browser shows already) are not handed out again. None when there is
    nothing for them now; `selectors.queue.why_empty` says why.

    Raises:
        NotFound: not a member.
    """
    found = _one(project, by, at, frozenset(exclude))
    # The beat takes back leases that ran out; whoever would go away empty-handed need not wait for it.
    if found is None and expire(at, limit=TAKEN_BACK_ON_THE_WAY):
        return _one(project, by, at, frozenset(exclude))
    return found


def _one(project: Project, by: User, at: datetime, exclude: frozenset[int]) -> Assignment | None:
    while isinstance(found := _next(project, by, at, exclude), draw_anchored.OnceMore):
        continue
    return found


@exact
def _next(
    project: Project, by: User, at: datetime, exclude: frozenset[int]
) -> Assignment | draw_anchored.OnceMore | None:
    """`OnceMore` is given back, not raised, so that what led to it is committed."""
    try:
        return _found(project, by, at, exclude)
    except draw_anchored.OnceMore as once_more:
        return once_more


def _found(project: Project, by: User, at: datetime, exclude: frozenset[int]) -> Assignment | None:
    member = _locked_member(project, by, at)
    seen = waiting.look(member=member, at=at)
    if not seen.open:
        return None
    if kept := _kept([pk for pk in seen.leases if pk not in exclude], member, at):
        return kept
    if len(seen.leases) >= rules.MOST_LIVE:
        return None
    check = mixing.pick(member=member, at=at)
    if check or practice.goes_on(member):
        return check
    return (
        waiting.claim_next(member=member, at=at, seen=seen)
        or draws.draw(member=member, at=at, seen=seen)
        or waiting.claim_any(member=member, at=at)
    )


def _kept(held: list[int], member: Membership, at: datetime) -> Assignment | None:
    """The oldest of these leases, prolonged; None without one.

    What another tab is answering at this moment is passed by: waiting for it would lock it out of order.
    """
    if not held:
        return None
    free = Assignment.objects.select_for_update(skip_locked=True, no_key=True, of=("self",))
    lease = free.filter(pk__in=held, state=Assignment.State.LEASED).order_by("pk").first()
    if lease is None:
        return None
    lease.project, lease.annotator = member.project, member.user
    leases.extend(lease, member.project, at)
    return lease


def _locked_member(project: Project, by: User, at: datetime) -> Membership:
    """The person's membership, locked: two tabs of one person cannot both take a last lease.

    The project comes along as it was when this began to wait.
    """
    found = sql.first(f"{_MEMBER} {sql.locking('m')}", [project.pk, by.pk]) if by.is_active else None
    if found is None and by.is_superuser and by.is_active:
        _join(project, by, at)
        found = sql.first(f"{_MEMBER} {sql.locking('m')}", [project.pk, by.pk])
    if found is None:
        raise NotFound("project_not_found", "There is no such project.")
    member = _MEMBERSHIP.made(found[: len(_MEMBERSHIP)])
    member.project = _PROJECT.made(found[len(_MEMBERSHIP) :])
    member.user = by
    return member


def _join(project: Project, by: User, at: datetime) -> None:
    """A superuser who labels becomes a member, so that their queue stands somewhere."""
    _, new = Membership.objects.get_or_create(
        project=project, user=by, defaults={"role": Role.ANNOTATOR, "joined_at": at}
    )
    if new:
        role: dict[str, object] = {"role": Role.ANNOTATOR.value}
        audit.record(by=by, at=at, verb="member.role_set", project=project, target=by.username, details=role)


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
