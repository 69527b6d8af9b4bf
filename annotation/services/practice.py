"""The practice round: a few comparisons with known answers before a person's first real one."""

from __future__ import annotations

from datetime import datetime

from annotation import rules
from annotation.models import Assignment, Membership, Project, User
from annotation.selectors import practice
from annotation.services import leases
from annotation.services.check_leases import grant

Kind, State = Assignment.Kind, Assignment.State


def goes_on(member: Membership) -> bool:
    """Whether the member has to practise before there is work for them. No query."""
    return member.project.practice_size > 0 and member.practised_at is None


def next_for(*, member: Membership, at: datetime) -> Assignment | None:
    """The next practice comparison of a member whose round is not over; None when they hold all that is left.

    Once everything is answered, or when they have begun real work before, the round is over for good.
    """
    steps = (
        []
        if _at_work(member)
        else practice.steps(member.project_id, member.user_id, member.project.practice_size)
    )
    open_steps = [step for step in steps if not step.answered]
    for step in open_steps:
        if lease := grant(member=member, comparison_id=step.comparison_id, kind=Kind.PRACTICE, at=at):
            return lease
    if not open_steps:
        _end(member, at)
    return None


def skip(*, project: Project, by: User, at: datetime) -> None:
    """End a manager's own practice round, answered or not. A superuser who never labelled here has none.

    Raises:
        NotFound: not a member.
        NotAllowed: neither owner nor admin.
    """
    rules.check_manage(by, project)
    member = Membership.objects.filter(project=project, user=by).first()
    if member is None:
        return
    _end(member, at)
    held = Assignment.objects.filter(
        project=project, annotator=by, kind=Kind.PRACTICE, state=State.LEASED
    ).order_by("pk")
    for lease in held:
        leases.take_back(assignment=lease, to=State.RELEASED, at=at)


def _at_work(member: Membership) -> bool:
    mine = Assignment.objects.filter(project=member.project_id, annotator=member.user_id, kind=Kind.WORK)
    return mine.exists()


def _end(member: Membership, at: datetime) -> None:
    Membership.objects.filter(pk=member.pk, practised_at=None).update(practised_at=at)
    member.practised_at = at
