"""What a person may see of projects. Everything starts from the user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import CharField, OuterRef, QuerySet, Subquery, Value

from annotation import rules, sql
from annotation.errors import NotFound
from annotation.models import AuditEntry, Invite, Membership, Project, Role, User

if TYPE_CHECKING:
    from annotation.rules import Person

_PROJECT = sql.Table(Project)
_VISIBLE = f"""
    SELECT {_PROJECT.columns("p")} FROM annotation_project p WHERE (%s OR EXISTS (
        SELECT 1 FROM annotation_membership m WHERE m.project_id = p.id AND m.user_id = %s))
"""  # noqa: S608 - names of ours


def visible_to(user: User) -> QuerySet[Project]:
    """The projects this person is a member of; all of them for a superuser."""
    if not user.is_active or user.pk is None:
        return Project.objects.none()
    if user.is_superuser:
        return Project.objects.all()
    return Project.objects.filter(pk__in=Membership.objects.filter(user=user).values("project"))


def managed_by(user: Person) -> QuerySet[Project]:
    """The projects whose owner or admin this person is; all of them for a superuser."""
    if not user.is_active or user.pk is None:
        return Project.objects.none()
    if user.is_superuser:
        return Project.objects.all()
    mine = Membership.objects.filter(user_id=user.pk, role__in=rules.MANAGERS)
    return Project.objects.filter(pk__in=mine.values("project"))


def get(user: User, slug_or_id: str | int) -> Project:
    """One visible project.

    Raises:
        NotFound: there is none, or this person may not know of it.
    """
    key = str(slug_or_id)
    found = _named(user, key) if user.is_active and "\x00" not in key else None
    if found is None and key.isascii() and key.isdigit() and len(key) < 19:
        found = visible_to(user).filter(pk=int(key)).first()
    if found is None:
        raise NotFound("no_project", "No such project.")
    return found


def _named(user: User, slug: str) -> Project | None:
    found = sql.first(f"{_VISIBLE} AND p.slug = %s", [user.is_superuser, user.pk, slug])
    return _PROJECT.made(found) if found else None


def role_of(user: User, project: Project) -> str | None:
    """The person's role; a superuser counts as owner everywhere."""
    return rules.role_of(user, project)


def members(user: User, project: Project) -> QuerySet[Membership]:
    rules.check_manage(user, project)
    return Membership.objects.filter(project=project).select_related("user")


def invites(user: User, project: Project) -> QuerySet[Invite]:
    rules.check_manage(user, project)
    return Invite.objects.filter(project=project).select_related("created_by")


def audit(user: User, project: Project) -> QuerySet[AuditEntry]:
    rules.check_manage(user, project)
    return AuditEntry.objects.filter(project=project).select_related("actor")


def with_role(user: User) -> QuerySet[Any]:
    """The visible projects, each with the person's role as `my_role`."""
    if user.is_superuser:
        return visible_to(user).annotate(my_role=Value(Role.OWNER.value, output_field=CharField()))
    mine = Membership.objects.filter(project=OuterRef("pk"), user_id=user.pk)
    return visible_to(user).annotate(my_role=Subquery(mine.values("role")[:1]))


def member(user: User, project: Project, user_id: int) -> Membership:
    """One membership. Raises NotFound when that person is not a member."""
    found = members(user, project).filter(user_id=user_id).first()
    if found is None:
        raise NotFound("not_a_member", "No such member.")
    return found


def invite(user: User, project: Project, invite_id: int) -> Invite:
    """One invite of the project. Raises NotFound when there is none."""
    found = invites(user, project).filter(pk=invite_id).first()
    if found is None:
        raise NotFound("no_invite", "No such invite.")
    return found
