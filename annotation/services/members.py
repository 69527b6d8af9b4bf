"""Members of a project and their roles."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from annotation import rules
from annotation.errors import Conflict, Invalid, NotAllowed, NotFound
from annotation.models import Membership, Project, Role, User
from annotation.services import assignments, audit, invites


@transaction.atomic
def set_role(*, project: Project, user: User, role: str, by: User, at: datetime) -> Membership:
    """Give a member another role, or make somebody a member.

    Raises:
        NotAllowed: only an owner makes or unmakes owners.
        Conflict: the last owner would lose the role.
    """
    rules.check_manage(by, project)
    if role not in Role.values:
        raise Invalid(
            "unknown_role", "No such role.", {"role": [f"Choose one of: {', '.join(Role.values)}."]}
        )
    members = _locked(project)
    member = members.get(user.pk)
    if member and member.role == role:
        return member
    if role == Role.OWNER or (member and member.role == Role.OWNER):
        _check_owner(by, members)
    _check_not_last_owner(user, members)
    member, _ = Membership.objects.update_or_create(
        project=project, user=user, defaults={"role": role}, create_defaults={"role": role, "joined_at": at}
    )
    if not rules.can_manage(user, project):
        invites.revoke_made_by(user=user, project=project, at=at)
    audit.record(
        by=by, at=at, verb="member.role_set", project=project, target=user.username, details={"role": role}
    )
    return member


@transaction.atomic
def remove(*, project: Project, user: User, by: User, at: datetime) -> None:
    """End a membership, by an admin or by the member. Labels stay; leases go back to the queue."""
    if user.pk != by.pk:
        rules.check_manage(by, project)
    members = _locked(project)
    if user.pk not in members:
        raise NotFound("not_a_member", f"{user.username} is not a member of this project.")
    if members[user.pk].role == Role.OWNER and user.pk != by.pk:
        _check_owner(by, members)
    _check_not_last_owner(user, members)
    assignments.release(project=project, by=user, at=at)
    members[user.pk].delete()
    if not rules.can_manage(user, project):
        invites.revoke_made_by(user=user, project=project, at=at)
    audit.record(by=by, at=at, verb="member.removed", project=project, target=user.username)


def _locked(project: Project) -> dict[int, Membership]:
    """Everyone's membership, locked so that two owners cannot leave at the same moment."""
    rows = Membership.objects.select_for_update().filter(project=project).order_by("id")
    return {row.user_id: row for row in rows}


def _check_owner(by: User, members: dict[int, Membership]) -> None:
    if not by.is_superuser and (by.pk not in members or members[by.pk].role != Role.OWNER):
        raise NotAllowed("owners_only", "Only an owner can make, change or remove an owner.")


def _check_not_last_owner(user: User, members: dict[int, Membership]) -> None:
    owners = [pk for pk, member in members.items() if member.role == Role.OWNER]
    if owners == [user.pk]:
        raise Conflict("last_owner", "A project needs an owner: make somebody else an owner first.")
